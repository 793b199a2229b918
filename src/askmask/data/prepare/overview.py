"""Overview of a folder: kinds of files, classes, objects and their sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from askmask.data.pictures.opening import open_picture
from askmask.data.pictures.picture import UPRIGHT, Picture
from askmask.data.prepare.checks import check_items, reading_of
from askmask.data.prepare.pairing import PairedImage
from askmask.data.prepare.stored_files import StoredFile
from askmask.data.prepare.writing import Plan
from askmask.data.ranges import RangeRule
from askmask.data.rasters import decode_image
from askmask.data.source import Pixels
from askmask.errors import SourceError
from askmask.records import UNLABELLED, Mask

_TOUCHING = np.ones((3, 3), np.bool_)  # pixels that share a corner belong together


@dataclass
class FileGroup:
    """Files that are stored alike.

    `lowest` and `highest` are the extremes of their numbers as stored, sizes are (rows, columns).
    """

    words: str
    files: int = 0
    lowest: float = float("inf")
    highest: float = float("-inf")
    smallest: tuple[int, int] = (0, 0)
    largest: tuple[int, int] = (0, 0)
    example: str = ""

    def add(self, picture: Picture, name: str) -> None:
        """Count a file."""
        height, width = (int(side) for side in picture.values.shape[:2])
        self.files += 1
        self.lowest = min(self.lowest, float(picture.values.min()))
        self.highest = max(self.highest, float(picture.values.max()))
        if not self.example or height * width < self.smallest[0] * self.smallest[1]:
            self.smallest = (height, width)
        if height * width > self.largest[0] * self.largest[1]:
            self.largest = (height, width)
        self.example = self.example or name


@dataclass(frozen=True)
class SeenItem:
    """Facts about one image.

    Parameters
    ----------
    item : PairedImage
    size : (int, int), optional
        Rows and columns; None if the image cannot be read.
    class_pixels : tuple of int
        Pixels of each class; empty without a readable mask.
    unlabelled_pixels : int
    object_pixels : tuple of int
        Sizes of its objects.
    """

    item: PairedImage
    size: tuple[int, int] | None
    class_pixels: tuple[int, ...] = ()
    unlabelled_pixels: int = 0
    object_pixels: tuple[int, ...] = ()


@dataclass
class Overview:
    """Everything that would be read, and every problem.

    `knows_objects` says whether the masks tell objects apart; otherwise pixels of one class that
    touch count as one object. `value_range` is what would become black and white in 16-bit images.
    """

    plan: Plan
    images: tuple[FileGroup, ...]
    masks: tuple[FileGroup, ...]
    items: tuple[SeenItem, ...]
    problems: tuple[str, ...]
    knows_objects: bool = False
    value_range: RangeRule | None = None
    extremes: tuple[int, int] | None = None

    @property
    def class_pixels(self) -> dict[str, int]:
        """Labelled pixels of each class."""
        sums = np.zeros(len(self.plan.class_names), np.int64)
        for seen in self.items:
            if seen.class_pixels:
                sums += seen.class_pixels
        return dict(zip(self.plan.class_names, sums.tolist(), strict=True))

    @property
    def unlabelled_pixels(self) -> int:
        """Pixels without a label in the masks."""
        return sum(seen.unlabelled_pixels for seen in self.items)

    @property
    def object_pixels(self) -> npt.NDArray[np.int64]:
        """Sizes of all objects, the smallest first."""
        return np.sort(np.array([n for seen in self.items for n in seen.object_pixels], np.int64))


@dataclass
class _Groups:
    found: dict[str, FileGroup] = field(default_factory=dict)

    def add(self, file: StoredFile) -> None:
        try:
            picture = open_picture(file.read(), file.name)
        except SourceError:
            return  # the check has told it
        words = stored_as(picture)
        self.found.setdefault(words, FileGroup(words)).add(picture, file.name)

    def sorted(self) -> tuple[FileGroup, ...]:
        return tuple(sorted(self.found.values(), key=lambda group: -group.files))


def look(
    plan: Plan,
    problems: Sequence[str] = (),
    *,
    on_item: Callable[[], None] = lambda: None,
) -> Overview:
    """Read every image and mask of a plan; one image is in memory at a time, nothing is written.

    Parameters
    ----------
    plan : Plan
        What is to be read, and how.
    problems : sequence of str
        What is already known to be wrong.
    on_item : callable
        Called twice for each image.
    """
    findings = check_items(
        plan.items, plan.rule, reading=plan.reading, scale=plan.scale, on_item=on_item
    )
    images, masks = _Groups(), _Groups()
    seen, knows_objects = [], False
    for item in plan.items:
        images.add(item.image)
        for file in item.objects or ([] if item.mask is None else [item.mask]):
            masks.add(file)
        one, has_ids = _see(item, plan)
        seen.append(one)
        knows_objects |= has_ids
        on_item()
    is_deep = findings.deep is not None
    return Overview(
        plan,
        images.sorted(),
        masks.sorted(),
        tuple(seen),
        (
            *problems,
            *findings.problems,
            *plan.ranges.problems(findings.deep, findings.shallow),
        ),
        knows_objects,
        plan.ranges.rule(findings.values) if is_deep else None,
        findings.values.extremes if is_deep else None,
    )


def read_pair(
    item: PairedImage, plan: Plan, value_range: RangeRule | None
) -> tuple[Pixels, Mask | None]:
    """Image and mask of an item as they would be prepared, at full size.

    Raises
    ------
    SourceError
        If the image cannot be read. A mask that cannot be read, or is of another size, is None.
    """
    content = item.image.read()
    image = decode_image(
        content, item.image.name, value_range, reading=reading_of(item, plan.reading)
    )
    try:
        mask = plan.rule.read(item) if plan.rule is not None and item.has_mask else None
    except SourceError:
        mask = None
    return image, mask if mask is not None and mask.labels.shape == image.shape[:2] else None


def stored_as(picture: Picture) -> str:
    """Say how a file stores its numbers."""
    parts = [f"{picture.form}{' (lossy)' if picture.is_lossy else ''}", f"{picture.bits} bit"]
    if picture.values.dtype.kind == "f":
        parts[1] += " float"
    elif picture.values.dtype.kind == "i":
        parts[1] += " signed"
    colours = "palette" if picture.palette is not None else {1: "grey", 3: "RGB"}[picture.colours]
    extra = picture.channels - picture.colours - (picture.alpha is not None)
    if extra > 0:
        colours = f"{picture.channels} channels"
    elif picture.alpha is not None:
        colours += " + opacity"
    parts.append(colours)
    if picture.is_white_zero:
        parts.append("0 is white")
    if picture.orientation != UPRIGHT:
        parts.append(f"stored turned ({picture.orientation})")
    return ", ".join(parts)


def _see(item: PairedImage, plan: Plan) -> tuple[SeenItem, bool]:
    """Facts about one image, and whether its mask tells objects apart."""
    try:
        picture = open_picture(item.image.read(), item.image.name)
    except SourceError:
        return SeenItem(item, None), False
    height, width = (int(side) for side in picture.values.shape[:2])
    size = (height, width)
    if plan.rule is None or not item.has_mask:
        return SeenItem(item, size), False
    try:
        mask = plan.rule.read(item)
    except SourceError:
        return SeenItem(item, size), False
    n_classes = len(plan.class_names)
    shifted = np.where(mask.labels == UNLABELLED, n_classes, mask.labels)
    *counts, unlabelled = np.bincount(shifted.ravel(), minlength=n_classes + 1).tolist()
    return (
        SeenItem(item, size, tuple(counts), unlabelled, tuple(object_sizes(mask, n_classes))),
        mask.instances is not None,
    )


def object_sizes(mask: Mask, n_classes: int) -> list[int]:
    """Pixels of each object: of its id, or of what touches in one class other than the first."""
    from scipy import ndimage  # slow to import, and `--help` needs none of it

    if mask.instances is not None:
        sizes = np.bincount(mask.instances.ravel())[1:]
        return [int(size) for size in sizes if size]
    found: list[int] = []
    for label in range(1, n_classes):
        parts, count = ndimage.label(mask.labels == label, structure=_TOUCHING)
        found += np.bincount(parts.ravel(), minlength=count + 1)[1:].tolist()
    return found
