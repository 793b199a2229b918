"""Frozen records of the loop, such as queries and answers; numpy only, for every layer to use."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.errors import ConfigError, ShapeError

UNLABELLED: Final = -1
"""Value of a pixel without a label in every class raster; never a class."""

LONGEST_LEASE_SECONDS: Final = 3600.0
"""How long a region can be kept for one person; a lease that seems longer is another clock's."""

_LONGEST_NAME: Final = 200  # of a class

Labels = npt.NDArray[np.int16]
Instances = npt.NDArray[np.int32]


class Unit(StrEnum):
    """What one item of a query covers."""

    REGION = "region"
    IMAGE = "image"


@dataclass(frozen=True, slots=True, order=True)
class Region:
    """Axis-aligned box in one image: rows [row, row + height), columns [col, col + width)."""

    image_id: str
    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        """Refuse a box that is empty or starts outside the image."""
        if self.row < 0 or self.col < 0 or self.height < 1 or self.width < 1:
            raise ShapeError(
                f"expected a region with row, col >= 0 and height, width >= 1, got {self!r}."
            )

    @property
    def pixels(self) -> int:
        """Area of the box."""
        return self.height * self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slice, to index an (H, W) array."""
        return slice(self.row, self.row + self.height), slice(self.col, self.col + self.width)

    def overlaps(self, other: "Region") -> bool:
        """Whether the two boxes share a pixel of the same image."""
        return (
            self.image_id == other.image_id
            and self.row < other.row + other.height
            and other.row < self.row + self.height
            and self.col < other.col + other.width
            and other.col < self.col + self.width
        )


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What is known of an image without opening it.

    `split` is the publisher's part (``"train"``, ``"testA"``), `group` a stratum for reporting
    (the grade in GlaS), `role` what the loop may do with it if the data set fixes that:
    ``"start"``, ``"pool"``, ``"validation"`` or ``"test"``; None leaves it to the config.
    """

    image_id: str
    height: int
    width: int
    split: str = "train"
    group: str | None = None
    role: str | None = None
    has_mask: bool = True

    @property
    def whole(self) -> Region:
        """The region that covers the image."""
        return Region(self.image_id, 0, 0, self.height, self.width)


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """Labels of one image or region.

    `labels` is (H, W) int16 class indices with `UNLABELLED` where nobody labelled; `instances`,
    if there are any, (H, W) int32 object ids, 0 outside objects and where unlabelled.
    """

    labels: Labels
    instances: Instances | None = None

    def __post_init__(self) -> None:
        """Check dtypes and that both rasters have one shape."""
        if self.labels.ndim != 2 or self.labels.dtype != np.int16:
            raise ShapeError(
                f"expected labels as (H, W) int16, got {self.labels.shape} {self.labels.dtype}."
            )
        if self.instances is not None and (
            self.instances.shape != self.labels.shape or self.instances.dtype != np.int32
        ):
            raise ShapeError(
                f"expected instances as {self.labels.shape} int32, "
                f"got {self.instances.shape} {self.instances.dtype}."
            )

    @property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool: where there is a label."""
        labelled: npt.NDArray[np.bool_] = self.labels != UNLABELLED
        return labelled

    def crop(self, region: Region) -> "Mask":
        """Copy of the part inside `region`."""
        instances = None if self.instances is None else self.instances[region.slices].copy()
        return Mask(self.labels[region.slices].copy(), instances)


@dataclass(frozen=True, slots=True)
class QueryItem:
    """One region of a query.

    `rank` is its place in the order, from 0; `new_pixels` what it would add to the labelled set.
    """

    rank: int
    region: Region
    score: float
    new_pixels: int


@dataclass(frozen=True, slots=True)
class Query:
    """The regions asked in one round, best first.

    Round r >= 1 is opened by the query that the model of round r - 1 asked; the model of round r
    is trained on every answer of rounds 0 ... r. Round 0 holds the start set and has no query.
    `elapsed_seconds` is the time that scoring the pool and choosing took.
    """

    round: int
    acquisition: str
    unit: Unit
    items: tuple[QueryItem, ...]
    model: str | None = None
    elapsed_seconds: float | None = None

    @property
    def new_pixels(self) -> int:
        """Sum of the items' new pixels (exact where items do not overlap)."""
        return sum(item.new_pixels for item in self.items)


def utc_now() -> str:
    """Present time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class AnswerKind(StrEnum):
    """What a person said of a region: its labels, that he cannot tell, or that it is spoilt."""

    LABELS = "labels"
    UNSURE = "unsure"
    ARTEFACT = "artefact"


def unlabelled_mask(region: Region) -> Mask:
    """Mask of a region's size without any label."""
    return Mask(np.full((region.height, region.width), UNLABELLED, np.int16))


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Labels for a region, with their provenance; answers are only ever appended.

    `round` is the round that asked (0 for the start set), `author` who answered, `tool` with
    what, `seconds` the measured time spent (None if nobody measured), `model` the file name of
    the model that asked. An answer of another `kind` than labels has a mask without labels.
    """

    region: Region
    mask: Mask
    round: int
    author: str
    tool: str
    answered_at: str = field(default_factory=utc_now)
    seconds: float | None = None
    model: str | None = None
    kind: AnswerKind = AnswerKind.LABELS

    def __post_init__(self) -> None:
        """Check that the mask has the region's size, and labels only if they are the answer."""
        if self.kind is not AnswerKind.LABELS and self.mask.labelled.any():
            raise ShapeError(
                f"expected no labels in an answer of kind {self.kind.value!r} for "
                f"{self.region!r}, got some. Use unlabelled_mask(region)."
            )
        expected = (self.region.height, self.region.width)
        if self.mask.labels.shape != expected:
            raise ShapeError(
                f"expected labels of shape {expected} for {self.region!r}, "
                f"got {self.mask.labels.shape}. Answer with exactly the pixels that were asked."
            )


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Names of the classes in index order; index 0 is the background."""

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuse fewer than two classes, names that come twice, and names that nobody can see."""
        if len(self.names) < 2:
            raise ConfigError(f"expected at least two classes, got {list(self.names)!r}.")
        if len(set(self.names)) != len(self.names):
            raise ConfigError(f"expected distinct class names, got {list(self.names)!r}.")
        strange = [name for name in self.names if not _is_visible(name)]
        if strange:
            raise ConfigError(
                "expected class names of 1 to 200 characters on one line, with no space at either "
                f"end, got {strange!r}. Other programs would show or keep them otherwise."
            )

    def __len__(self) -> int:
        """Return the number of classes."""
        return len(self.names)

    @classmethod
    def of(cls, names: Sequence[str]) -> "ClassMap":
        """Class map of any sequence of names."""
        return cls(tuple(names))


def _is_visible(name: str) -> bool:
    """Whether a name is the same wherever it is shown: no line breaks, no control characters."""
    kinds = {unicodedata.category(character) for character in name}
    is_plain = not kinds & {"Cc", "Cs", "Zl", "Zp"}
    return is_plain and name == name.strip() and 1 <= len(name) <= _LONGEST_NAME


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One measured value: which part of the data, which class, which metric, over how many.

    `group` is ``"all"`` or a stratum, `class_name` ``"all"`` or a class, `bin` the index of a
    reliability bin or None. `value` is NaN where the metric does not exist; `count` says how
    many pixels or objects it rests on.
    """

    split: str
    group: str
    class_name: str
    metric: str
    value: float
    count: int
    bin: int | None = None
