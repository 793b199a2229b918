"""The exchange formats by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from askmask.errors import ConfigError, unknown_name
from askmask.formats.coco import Coco
from askmask.formats.format import Format
from askmask.formats.label_studio import LabelStudio
from askmask.formats.nnunet import NnUNet
from askmask.formats.png import IndexPng
from askmask.formats.qupath import QuPath

FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "coco": "COCO instance annotations, RLE or polygons",
        "label-studio": "Label Studio tasks with brush labels",
        "nnunet": "nnU-Net v2 raw data set with its ignore label",
        "png": "index PNGs, 255 = unlabelled",
        "qupath": "QuPath GeoJSON annotations",
    }
)
"""What each format is."""


def exchange_format(
    name: str, *, tolerance: float | None = None, image_prefix: str | None = None
) -> Format:
    """Format of a name.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    tolerance : float, optional
        Of polygons, in pixels; for ``coco`` (None: RLE) and ``qupath`` (None: exact).
    image_prefix : str, optional
        Where Label Studio finds the pictures; None puts them into the tasks.

    Raises
    ------
    UnknownName
        If there is no such format.
    ConfigError
        If an option does not belong to the format.
    """
    if name not in FORMATS:
        raise unknown_name("format", name, tuple(FORMATS))
    if tolerance is not None and name not in {"coco", "qupath"}:
        raise ConfigError(f"a tolerance is for polygons (coco, qupath), got one with {name!r}.")
    if image_prefix is not None and name != "label-studio":
        raise ConfigError(f"an image prefix is for label-studio, got one with {name!r}.")
    if name == "coco":
        return Coco(tolerance)
    if name == "label-studio":
        return LabelStudio(image_prefix)
    if name == "qupath":
        return QuPath(0.0 if tolerance is None else tolerance)
    return IndexPng() if name == "png" else NnUNet()
