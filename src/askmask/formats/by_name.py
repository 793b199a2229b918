"""The exchange formats by name."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Final

from askmask.data.prepare.mask_options import FIND_OUT, MaskOptions
from askmask.errors import ConfigError, unknown_name
from askmask.formats.coco.coco import Coco
from askmask.formats.format import Format
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.nnunet import NnUNet
from askmask.formats.png import IndexPng
from askmask.formats.qupath.qupath import QuPath

FORMATS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "coco": "COCO instance annotations, RLE or polygons",
        "label-studio": "Label Studio tasks with brush labels",
        "nnunet": "nnU-Net v2 raw data set with its ignore label",
        "png": "index PNGs, 255 = unlabelled",
        "qupath": "QuPath GeoJSON annotations",
    }
)
"""One line on each format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatOptions:
    """Choices about a format.

    Attributes
    ----------
    tolerance : float or None
        Of polygons, in pixels, when ``coco`` (None: RLE) and ``qupath`` (None: exact) are written.
    image_prefix : str or None
        Where Label Studio finds the pictures; None puts them into the tasks.
    empty : "background", "skip" or None
        What an image without an annotation is when ``coco`` is read; None refuses the file.
    area : "image", "regions" or None
        What was looked at in an image without a rectangle "Region*" when ``qupath`` is read; None
        refuses the file.
    masks : MaskOptions or None
        How ``png`` masks are to be read; None finds it out, or asks.
    """

    tolerance: float | None = None
    image_prefix: str | None = None
    empty: str | None = None
    area: str | None = None
    masks: MaskOptions | None = None


_TAKES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "coco": frozenset({"tolerance", "empty"}),
        "label-studio": frozenset({"image_prefix"}),
        "png": frozenset({"masks"}),
        "qupath": frozenset({"tolerance", "area"}),
    }
)
_CHOICES: Final = MappingProxyType({"empty": ("background", "skip"), "area": ("image", "regions")})


def exchange_format(name: str, options: FormatOptions | None = None) -> Format:
    """Format of a name.

    Parameters
    ----------
    name : str
        One of `FORMATS`.
    options : FormatOptions, optional
        None leaves everything at its default.

    Raises
    ------
    UnknownName
        If there is no such format.
    ConfigError
        If an option does not belong to the format, or has no such value.
    """
    if name not in FORMATS:
        raise unknown_name("format", name, tuple(FORMATS))
    chosen = options or FormatOptions()
    _check(name, chosen)
    if name == "coco":
        return Coco(chosen.tolerance, chosen.empty)
    if name == "label-studio":
        return LabelStudio(chosen.image_prefix)
    if name == "qupath":
        return QuPath(chosen.tolerance or 0.0, chosen.area)
    return IndexPng(chosen.masks or FIND_OUT) if name == "png" else NnUNet()


def _check(name: str, options: FormatOptions) -> None:
    for field in fields(options):
        option, value = field.name, getattr(options, field.name)
        if value is None:
            continue
        if option not in _TAKES.get(name, ()):
            takers = ", ".join(taker for taker, taken in _TAKES.items() if option in taken)
            raise ConfigError(
                f"expected {_named(option)} with {takers} only, got one with {name!r}."
            )
        choices = _CHOICES.get(option)
        if choices is not None and value not in choices:
            raise ConfigError(f"expected --{option} as one of {', '.join(choices)}, got {value!r}.")


def _named(option: str) -> str:
    """Option as a person gives it."""
    return "options of masks" if option == "masks" else f"--{option.replace('_', '-')}"
