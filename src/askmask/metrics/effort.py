"""The work of drawing an answer by hand: contours, clicks, and seconds by a stroke model.

Pure functions on masks. The model and its limits stand in docs/decisions/0014-effort.md: objects
are outlined as polygons, side by side, and every piece of the rest is filled with one stroke.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from askmask.metrics.contours import Ring, simplify, trace
from askmask.records import UNLABELLED, Mask

TOLERANCE_PIXELS: Final = 1.0
"""How far a clicked polygon may be from the labels' contour."""

FOREGROUND_STROKE_SECONDS: Final = 1.4
BACKGROUND_STROKE_SECONDS: Final = 0.75
GAP_SECONDS: Final = 1.5


@dataclass(frozen=True, slots=True)
class Effort:
    """Work to draw labels by hand.

    Attributes
    ----------
    contour_length : float
        Pixels along the polygons; sides on the border of what was asked are not drawn.
    clicks : int
        Corners of the polygons.
    foreground_strokes : int
        Sides that are drawn; one for an object that fills everything.
    background_strokes : int
        Connected pieces of class 0.
    """

    contour_length: float = 0.0
    clicks: int = 0
    foreground_strokes: int = 0
    background_strokes: int = 0

    @property
    def modelled_seconds(self) -> float:
        """Time of all strokes, each with the gap before the next."""
        strokes = self.foreground_strokes + self.background_strokes
        return (
            FOREGROUND_STROKE_SECONDS * self.foreground_strokes
            + BACKGROUND_STROKE_SECONDS * self.background_strokes
            + GAP_SECONDS * strokes
        )

    def __add__(self, other: "Effort") -> "Effort":
        """Work for both."""
        return Effort(
            self.contour_length + other.contour_length,
            self.clicks + other.clicks,
            self.foreground_strokes + other.foreground_strokes,
            self.background_strokes + other.background_strokes,
        )


def effort_of(mask: Mask) -> Effort:
    """Work to draw the labels of an answer.

    Every object is outlined by itself, or, without object ids, every connected piece of each class
    but 0; so a border between two foreground classes is drawn for both. Class 0 is what is left.

    Parameters
    ----------
    mask : Mask
        Of the region that was asked. Unlabelled pixels take no work.

    Examples
    --------
    A square of 2 x 2 in the corner of 4 x 4 pixels: two of its four sides lie on the border.

    >>> labels = np.zeros((4, 4), np.int16)
    >>> labels[:2, :2] = 1
    >>> effort = effort_of(Mask(labels))
    >>> effort
    Effort(contour_length=4.0, clicks=4, foreground_strokes=2, background_strokes=1)
    >>> round(effort.modelled_seconds, 2)
    8.05
    """
    total = Effort(background_strokes=int(ndimage.label(mask.labels == 0)[1]))
    for pixels in _objects(mask):
        for polygon in trace(pixels):
            rings = [simplify(ring, TOLERANCE_PIXELS) for ring in polygon.rings]
            total += _outline(rings, pixels.shape)
    return total


def _objects(mask: Mask) -> Iterator[npt.NDArray[np.bool_]]:
    """Pixels of each object, or of each foreground class where there are no objects."""
    labels = mask.labels
    foreground = (labels != UNLABELLED) & (labels != 0)
    if mask.instances is not None:
        ids = np.where(foreground, mask.instances, 0)
        for number in np.unique(ids[ids > 0]).tolist():
            yield ids == number
        foreground &= mask.instances == 0
    for label in np.unique(labels[foreground]).tolist():
        yield foreground & (labels == label)


def _outline(rings: Iterable[Ring], shape: tuple[int, ...]) -> Effort:
    length, clicks, strokes = 0.0, 0, 0
    for ring in rings:
        following = np.roll(ring, -1, axis=0)
        on_border = np.zeros(len(ring), np.bool_)
        for axis, end in enumerate(shape):
            for line in (0, end):
                near, then = (np.abs(ends[:, axis] - line) for ends in (ring, following))
                on_border |= (near <= TOLERANCE_PIXELS) & (then <= TOLERANCE_PIXELS)
        drawn = ~on_border
        length += float(np.hypot(*(following - ring)[drawn].T).sum())
        clicks += len(ring)
        strokes += int(drawn.sum())
    return Effort(length, clicks, max(strokes, 1))


def total(efforts: Iterable[Effort]) -> Effort:
    """Sum of the work; none for nothing.

    Examples
    --------
    >>> total([Effort(1.0, 2), Effort(3.0, 4)])
    Effort(contour_length=4.0, clicks=6, foreground_strokes=0, background_strokes=0)
    """
    return sum(efforts, Effort())


def measured(seconds: Iterable[float]) -> float:
    """Sum of measured seconds; NaN unless there are some and all are.

    Examples
    --------
    >>> measured([1.5, 2.0]), measured([1.0, math.nan]), measured([])
    (3.5, nan, nan)
    """
    values = list(seconds)
    whole = sum(values) if values else math.nan
    return math.nan if math.isnan(whole) else whole
