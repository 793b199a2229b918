"""What every exchange format writes and reads: named label rasters of regions, and their checks.

An export is a folder with pictures and labels of *items*: regions that were asked (cut out), or
whole images. An item's name is a function of the project, so a file that comes back needs no list
of what it belongs to: `query_names` and `image_names` tell.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from askmask.errors import ExchangeError
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Labels, Query, QueryItem, Region

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One raster to be written.

    Attributes
    ----------
    name : str
        Stem of its files; letters, digits, ``-``, ``_`` and ``.`` only.
    region : Region
        What it covers; a whole image or a part of one.
    labels : (H, W) int16 array or None
        Class indices or `UNLABELLED`, of the region's size; None if there are none yet.
    confidence : float or None
        Mean probability of the predicted classes, in (0, 1]; None if a person labelled.
    score : float or None
        Why it was asked: the acquisition score; larger = more urgent.
    """

    name: str
    region: Region
    labels: Labels | None
    confidence: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """An export.

    Attributes
    ----------
    classes : ClassMap
        Names of the classes.
    has_background : bool
        Whether class 0 is what is left over when every object is drawn. Formats that store
        objects leave it out then, and read pixels without an object as class 0; otherwise such
        pixels are unlabelled.
    is_prediction : bool
        Whether the labels come from a model, not from a person.
    model : str or None
        File name of that model.
    items : iterable of Item
        Read once.
    images : mapping of str to ImageInfo
        Sizes of the whole images, by id.
    read_image : callable
        Image id to (H, W, 3) uint8 RGB.
    """

    classes: ClassMap
    has_background: bool
    is_prediction: bool
    model: str | None
    items: Iterable[Item]
    images: Mapping[str, ImageInfo]
    read_image: Callable[[str], Pixels]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file may speak of: the regions by name, and how to read what it leaves out."""

    classes: ClassMap
    has_background: bool
    regions: Mapping[str, Region]
    images: Mapping[str, ImageInfo]

    @property
    def rest(self) -> int:
        """Label of a pixel that no object covers."""
        return 0 if self.has_background else UNLABELLED


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Labels that were read for a region; `name` as the file calls it, for messages."""

    name: str
    region: Region
    labels: Labels


@runtime_checkable
class Format(Protocol):
    """One exchange format.

    Guarantees: what `write` writes, `read` gives back pixel for pixel, unless `tolerance` is set;
    `read` changes nothing and reports every problem of a file at once; neither needs the network.
    """

    def write(self, folder: Path, batch: Batch) -> int:
        """Write a batch into an empty folder; return the number of items.

        Raises
        ------
        ExchangeError
            If the format cannot say what the batch holds.
        """
        ...

    def read(self, path: Path, expected: Expected) -> list[Found]:
        """Labels in a file or folder of this format.

        Raises
        ------
        ExchangeError
            If something in it cannot be read, or belongs to no region of the project.
        """
        ...


def safe_name(text: str) -> str:
    """File stem of an image id: every character but letters, digits and ``-_.`` becomes ``_``."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in text)


def image_names(infos: Iterable[ImageInfo]) -> dict[str, Region]:
    """Names of whole images: their safe ids, numbered where two ids would share one.

    Examples
    --------
    >>> infos = [ImageInfo("a/1", 4, 4), ImageInfo("a:1", 4, 4)]
    >>> [(name, region.image_id) for name, region in image_names(infos).items()]
    [('a_1', 'a/1'), ('a_1-2', 'a:1')]
    """
    names: dict[str, Region] = {}
    for info in infos:
        name, number = safe_name(info.image_id), 1
        while name in names:
            number += 1
            name = f"{safe_name(info.image_id)}-{number}"
        names[name] = info.whole
    return names


def item_name(query: Query, item: QueryItem) -> str:
    """Name of an asked region of a query."""
    return region_name(query.round, item)


def region_name(round: int, item: QueryItem) -> str:
    """Name of an asked region: its round, its place in the order from 1, and its image."""
    return f"r{round:03d}_{item.rank + 1:03d}_{safe_name(item.region.image_id)}"


def query_names(queries: Iterable[Query]) -> dict[str, Region]:
    """Names of every asked region."""
    return {item_name(query, item): item.region for query in queries for item in query.items}


def crop(batch: Batch, region: Region) -> Pixels:
    """Pixels of a region of the batch's images."""
    return np.ascontiguousarray(batch.read_image(region.image_id)[region.slices])


def find_region(name: str, expected: Expected, problems: list[str]) -> Region | None:
    """Region that a name belongs to; None and one more problem if there is none."""
    region = expected.regions.get(name)
    if region is None:
        some = ", ".join(sorted(expected.regions)[:3])
        problems.append(
            f"expected the name of an asked region or an image of this project ({some}, ...), got "
            f"{name!r}. Keep the names that the export gave."
        )
    return region


def check_size(name: str, shape: Sequence[int], region: Region, problems: list[str]) -> bool:
    """Whether a raster has its region's size; one more problem if not."""
    if tuple(shape) == (region.height, region.width):
        return True
    problems.append(
        f"expected {name!r} of shape {(region.height, region.width)}, like its region, got "
        f"{tuple(shape)}. Label the picture at the size that was exported."
    )
    return False


def raise_problems(problems: Sequence[str]) -> None:
    """Raise one error that lists every problem; nothing if there is none."""
    if problems:
        raise ExchangeError(problems)


def class_pixels(
    labels: Labels, classes: ClassMap, *, has_background: bool
) -> dict[int, npt.NDArray[np.bool_]]:
    """Pixels of every class that a format with objects stores, by class index; none is empty."""
    first = 1 if has_background else 0
    found = {index: labels == index for index in range(first, len(classes))}
    return {index: pixels for index, pixels in found.items() if pixels.any()}


def read_json(path: Path, kind: type[Any] | tuple[type[Any], ...]) -> Any:  # Any: JSON
    """Content of a JSON file whose outermost value is a `kind` (`Mapping`, `list` or both).

    Raises
    ------
    ExchangeError
        If there is no such file, it is no JSON, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ExchangeError(
            [f"expected a JSON file at {str(path)!r}, but: {error}. Export it again."]
        ) from error
    if not isinstance(content, kind):
        wanted = "a list" if kind is list else "an object"
        raise ExchangeError(
            [f"expected {wanted} in {str(path)!r}, got {type(content).__name__}. Export it again."]
        )
    return content
