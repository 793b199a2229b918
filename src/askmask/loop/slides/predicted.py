"""What predicting slides comes to: a line for each slide, a line for each object, the problems."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from askmask.data.slides.tiled_image import Box
from askmask.data.text_cells import text_cell
from askmask.loop.predictions import check_predicted
from askmask.metrics.streamed_objects import FoundObject
from askmask.whole_files import write_atomically

CONFIDENCE_SCALE: Final = 255
"""Value of a confidence of 1 in a confidence pyramid."""

_OBJECT_HEADINGS: Final = (
    *("object", "class", "row", "col", "top", "left", "bottom", "right"),
    *("pixels", "area_um2", "mean_confidence"),
)


@dataclass(frozen=True, slots=True)
class PredictedSlide:
    """A line of the table.

    Attributes
    ----------
    slide : str
        Name of its files.
    height, width : int
        Pixels predicted, at the working resolution.
    row, col : int
        Where they begin, in pixels of the slide's first level.
    mpp : float
        The working resolution.
    seen_mm2 : float
        Area that was looked at.
    areas_mm2 : tuple of floats
        Of each class.
    mean_confidence : float or None
        Over the pixels that were looked at; None if there are none.
    objects : int
        In the table of objects.
    """

    slide: str
    height: int
    width: int
    row: int
    col: int
    mpp: float
    seen_mm2: float
    areas_mm2: tuple[float, ...]
    mean_confidence: float | None
    objects: int


@dataclass(slots=True)
class PredictedSlides:
    """Lines of the table, and what could not be predicted and why."""

    slides: list[PredictedSlide] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def check(self, out: Path) -> None:
        """Raise if any slide could not be predicted.

        Raises
        ------
        SourceError
            With a line per such slide.
        """
        check_predicted("slides", len(self.slides), self.problems, out)


@dataclass(frozen=True, slots=True)
class ObjectTable:
    """Writer of the objects of one slide; places are in pixels of the slide's first level.

    Attributes
    ----------
    classes : tuple of str
        Their names.
    part : Box
        What was predicted of the slide, in pixels of the working resolution.
    factor : float
        Pixels of the first level along one of those.
    mpp : float
        Micrometres along one of those.
    """

    classes: tuple[str, ...]
    part: Box
    factor: float
    mpp: float

    def write(self, path: Path, objects: Sequence[FoundObject]) -> None:
        """Write a table, whole or not at all."""
        lines = (self._cells(number, one) for number, one in enumerate(objects, start=1))
        _write_csv(path, [_OBJECT_HEADINGS, *lines])

    def _cells(self, number: int, one: FoundObject) -> list[object]:
        rows = (one.row + 0.5, one.top, one.bottom)
        cols = (one.col + 0.5, one.left, one.right)
        row, top, bottom = (round((self.part.row + value) * self.factor, 1) for value in rows)
        col, left, right = (round((self.part.col + value) * self.factor, 1) for value in cols)
        return [
            *(number, text_cell(self.classes[one.label]), row, col, top, left, bottom, right),
            *(one.pixels, round(one.pixels * self.mpp**2, 3)),
            round(one.confidence / CONFIDENCE_SCALE, 4),
        ]


def write_slides(path: Path, classes: Sequence[str], slides: Sequence[PredictedSlide]) -> None:
    """Write the table of slides, whole or not at all."""
    headings = (
        *("slide", "height", "width", "row", "col", "mpp", "seen_mm2"),
        *(text_cell(f"{name}_mm2") for name in classes),
        *("mean_confidence", "objects"),
    )
    lines = [
        [
            *(text_cell(one.slide), one.height, one.width, one.row, one.col, one.mpp),
            *(one.seen_mm2, *one.areas_mm2, one.mean_confidence, one.objects),
        ]
        for one in slides
    ]
    _write_csv(path, [headings, *lines])


def _write_csv(path: Path, lines: Sequence[Sequence[object]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(lines)
    write_atomically(path, text.getvalue())
