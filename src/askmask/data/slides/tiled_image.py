"""The contract of an image that is read in boxes, at one of several sizes."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from askmask.data.source import Pixels
from askmask.errors import ShapeError, SourceError

Size = tuple[int, int]
"""Rows and columns."""


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """Rows [row, row + height) and columns [col, col + width) of one level of an image."""

    row: int
    col: int
    height: int
    width: int

    def __post_init__(self) -> None:
        """Refuse a box that is empty or begins above or left of the image."""
        if self.row < 0 or self.col < 0 or self.height < 1 or self.width < 1:
            raise ShapeError(
                f"expected a box with row, col >= 0 and height, width >= 1, got {self!r}."
            )

    @property
    def bottom(self) -> int:
        """First row below it."""
        return self.row + self.height

    @property
    def right(self) -> int:
        """First column right of it."""
        return self.col + self.width

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slice, to index an (H, W) array."""
        return slice(self.row, self.bottom), slice(self.col, self.right)


@runtime_checkable
class TiledImage(Protocol):
    """An image of any size, read in boxes.

    Guarantees, tested by `askmask.testing.TiledImageContract`:

    - `levels` holds at least one size, the largest first; `levels[0]` is `size`. A level shows
      what the first one shows, smaller.
    - `read` returns a fresh, writable (h, w, 3) uint8 RGB array of exactly the box. A pixel has
      the same value whatever box it is read in, and whatever was read before.
    - What is held between two reads is bounded, whatever the size of the image.
    - `read` may be called from several threads at once.
    - A box that reaches out of its level, a level that does not exist, and a part that cannot be
      decoded raise SourceError, which names the file.
    - After `close` nothing is read any more; closing twice does no harm.
    """

    @property
    def name(self) -> str:
        """What messages call it: the file's name."""
        ...

    @property
    def size(self) -> Size:
        """Rows and columns of the first level."""
        ...

    @property
    def levels(self) -> tuple[Size, ...]:
        """Rows and columns of every level, the largest first."""
        ...

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel of the first level; None if the file does not say."""
        ...

    def read(self, level: int, box: Box) -> Pixels:
        """Read a box of a level as (h, w, 3) uint8 RGB."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def check_box(image: TiledImage, level: int, box: Box) -> None:
    """Check that a box lies in a level.

    Raises
    ------
    SourceError
        If it does not, or there is no such level.
    """
    if not 0 <= level < len(image.levels):
        raise SourceError(
            f"expected a level of {image.name!r} from 0 to {len(image.levels) - 1}, got {level!r}."
        )
    rows, cols = image.levels[level]
    if box.bottom > rows or box.right > cols:
        raise SourceError(
            f"expected a box inside level {level} of {image.name!r}, which is {(rows, cols)}, got "
            f"rows {box.row} to {box.bottom} and columns {box.col} to {box.right}."
        )


def shrinking(image: TiledImage, level: int) -> tuple[float, float]:
    """How many pixels of the first level one pixel of a level stands for, by rows and columns."""
    rows, cols = image.levels[level]
    return image.size[0] / rows, image.size[1] / cols


def one_mpp(rows: float, cols: float, name: str) -> float:
    """Micrometres per pixel, if they are the same along both axes.

    Raises
    ------
    SourceError
        If they differ by more than 2 %: such pixels are no squares.
    """
    if abs(rows - cols) > 0.02 * max(rows, cols):
        raise SourceError(
            f"expected square pixels in {name!r}, got {cols:g} x {rows:g} micrometres. "
            "Resample it to square pixels."
        )
    return (rows + cols) / 2
