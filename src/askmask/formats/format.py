"""The contract of exchange formats: named label rasters of regions, and their checks.

An export is a folder with pictures and labels of *items*: regions that were asked (cut out), or
whole images, by their names (`askmask.formats.names`, `askmask.formats.manifest`).
"""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from askmask.data.larger_images import Frame
from askmask.errors import ExchangeError
from askmask.formats.documents import problem, shown
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Labels, Region

Pixels = npt.NDArray[np.uint8]

_LISTED: Final = 100


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One raster to be written.

    Attributes
    ----------
    name : str
        Stem of its files, as `askmask.formats.names` makes it.
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
class Export:
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
    frames : mapping of str to Frame
        Where images lie in larger ones, by id; empty for plain images.
    """

    classes: ClassMap
    has_background: bool
    is_prediction: bool
    model: str | None
    items: Iterable[Item]
    images: Mapping[str, ImageInfo]
    read_image: Callable[[str], Pixels]
    frames: Mapping[str, Frame] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expected:
    """Regions that a file may label, by name, and how to read what it leaves out.

    Attributes
    ----------
    classes, has_background
        As in `Export`.
    regions : mapping of str to Region
        By every name that a file may use.
    images : mapping of str to ImageInfo
        By id.
    kept_apart : mapping of str to str
        What an image is for, by id, if answers for it are not taken: "validation" or "test".
    skip_kept_apart : bool
        Whether such images are passed over; otherwise a file that labels one is refused.
    frames : mapping of str to Frame
        As in `Export`.
    """

    classes: ClassMap
    has_background: bool
    regions: Mapping[str, Region]
    images: Mapping[str, ImageInfo]
    kept_apart: Mapping[str, str] = field(default_factory=dict)
    skip_kept_apart: bool = False
    frames: Mapping[str, Frame] = field(default_factory=dict)

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


@dataclass(slots=True)
class Intake:
    """Result of reading a file: labels, counts of what was passed over, and every problem.

    Attributes
    ----------
    expected : Expected
        Regions that the file may label, and how to read what it leaves out.
    found : list of Found
        At most one for a region.
    passed_over : Counter of str
        What the file holds beside labels of regions, and how often.
    problems : list of str
        What was expected, what came, where, and what to do. If there is one, nothing is taken.
    taken : dict of Region to str
        What the file calls each region that was found.
    """

    expected: Expected
    found: list[Found] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    taken: dict[Region, str] = field(default_factory=dict)

    def region(self, name: str) -> Region | None:
        """Region that a name belongs to; None if it is passed over, or with one more problem."""
        region = self.expected.regions.get(unicodedata.normalize("NFC", name))
        if region is None:
            some = ", ".join(sorted(self.expected.regions)[:3])
            self.problems.append(
                "expected the name of an asked region or an image of this project "
                f"({some}, ...), got {shown(name)}. Keep the names that the export gave."
            )
            return None
        purpose = self.expected.kept_apart.get(region.image_id)
        if purpose is None:
            return region
        if self.expected.skip_kept_apart:
            self.pass_over(f"images kept for {purpose}")
            return None
        self.problems.append(
            f"expected images of the pool, got {shown(name)}: image {region.image_id!r} is kept "
            f"for {purpose}, so its labels teach nothing. Leave it out, or import with "
            "--skip-kept-apart."
        )
        return None

    def has_size(self, name: str, shape: Sequence[object], region: Region) -> bool:
        """Whether a raster has its region's size; one more problem if not."""
        if tuple(shape) == (region.height, region.width):
            return True
        self.problems.append(
            f"expected {shown(name)} of shape {(region.height, region.width)}, like its region, "
            f"got {shown(tuple(shape))}. Label the picture at the size that was exported."
        )
        return False

    def pass_over(self, what: str, count: int = 1) -> None:
        """Count something that the file holds and that is not taken."""
        if count:
            self.passed_over[what] += count

    def keep(self, name: str, region: Region, labels: Labels) -> None:
        """Take labels of a region; one more problem if it has some already."""
        if region in self.taken:
            self.problems.append(
                f"expected one set of labels for a region, got {shown(self.taken[region])} and "
                f"{shown(name)}, which are both {region!r}. Delete one of the two."
            )
            return
        self.taken[region] = name
        self.found.append(Found(name, region, labels))

    def finished(self, where: str) -> "Intake":
        """Return itself, if nothing is wrong and something was found.

        Raises
        ------
        ExchangeError
            With every problem; or that there is nothing to take, and what there is instead.
        """
        raise_problems(self.problems)
        if not self.found:
            seen = ", ".join(f"{count} {what}" for what, count in self.passed_over.items())
            raise problem(
                f"expected labels of regions or images in {where!r}, found none"
                f"{f' (but {seen})' if seen else ''}. Label at least one, and save or submit it."
            )
        return self


@runtime_checkable
class Format(Protocol):
    """One exchange format.

    Guarantees, tested by `askmask.testing.FormatContract`: what `write` writes, `read` gives back
    pixel for pixel and class for class, unless a tolerance is set, with or without a background
    class, cut out or as whole images, also of images with like names; `read` changes nothing, takes
    all of a file or nothing, and reports every problem of it at once as an `ExchangeError`,
    whatever the file holds; neither needs the network.
    """

    def write(self, folder: Path, export: Export) -> int:
        """Write an export into an empty folder; return the number of items.

        Raises
        ------
        ExchangeError
            If the format cannot say what the export holds.
        """
        ...

    def read(self, path: Path, expected: Expected) -> Intake:
        """Labels in a file or folder of this format.

        Raises
        ------
        ExchangeError
            If something in it cannot be read, belongs to no region of the project, or if there are
            no labels in it.
        """
        ...


def crop(export: Export, region: Region) -> Pixels:
    """Pixels of a region of the export's images."""
    return np.ascontiguousarray(export.read_image(region.image_id)[region.slices])


def raise_problems(problems: Sequence[str]) -> None:
    """Raise one error with the problems, the first hundred one by one; nothing if there is none."""
    if not problems:
        return
    listed = list(problems[:_LISTED])
    if len(problems) > _LISTED:
        listed.append(f"and {len(problems) - _LISTED} more problems.")
    raise ExchangeError(listed)


def class_pixels(
    labels: Labels, classes: ClassMap, *, has_background: bool
) -> dict[int, npt.NDArray[np.bool_]]:
    """Pixels of every class that a format with objects stores, by class index; none is empty."""
    first = 1 if has_background else 0
    found = {index: labels == index for index in range(first, len(classes))}
    return {index: pixels for index, pixels in found.items() if pixels.any()}
