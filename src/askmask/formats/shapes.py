"""Shapes that people draw in other programs, as the pixels whose centres they cover.

Every shape is checked before it is drawn: its numbers must be finite, and its cost is bounded by
the size of the raster, so that no file takes more memory or time than an honest one.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.errors import ShapeError
from askmask.metrics.contours import Ring, count_crossings, fill

Bits = npt.NDArray[np.bool_]

_FARTHEST: Final = 1e7  # pixels; beyond, a coordinate is no place in an image
_CROSSINGS_PER_PIXEL: Final = 4
_CROSSINGS_ANYWAY: Final = 100_000


def polygon_pixels(rings: Sequence[Ring], shape: tuple[int, int]) -> Bits:
    """Pixels whose centres lie inside an odd number of rings.

    Parameters
    ----------
    rings : sequence of (N, 2) float64 arrays
        Corners (row, col); they may reach beyond the raster, and repeat the first corner.
    shape : (int, int)
        H and W.

    Raises
    ------
    ShapeError
        If a ring has fewer than three corners or one that is no place, or if the rings wind to and
        fro more often than the pixels can show.
    """
    crossings = 0
    for ring in rings:
        if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3:
            raise ShapeError(f"expected three corners or more, got an array of {ring.shape}")
        if not (np.abs(ring) <= _FARTHEST).all():  # NaN is not, either
            raise ShapeError(
                f"expected corners within {_FARTHEST:.0e} pixels, got {np.abs(ring).max()}"
            )
        crossings += count_crossings(ring, shape[0])
    most = _CROSSINGS_PER_PIXEL * shape[0] * shape[1] + _CROSSINGS_ANYWAY
    if crossings > most:
        raise ShapeError(
            f"expected an outline that crosses the rows of {shape} pixels {most:,} times at most, "
            f"got {crossings:,} times. Simplify it"
        )
    return fill(rings, shape)


def rectangle_corners(
    corner: tuple[float, float], size: tuple[float, float], degrees: float
) -> Ring:
    """Corners of a rectangle of (height, width) pixels, turned clockwise about its first corner."""
    height, width = size
    angle = math.radians(degrees)
    along = np.array([math.sin(angle), math.cos(angle)]) * width
    down = np.array([math.cos(angle), -math.sin(angle)]) * height
    start = np.array(corner, np.float64)
    return np.stack([start, start + along, start + along + down, start + down])


def ellipse_pixels(
    centre: tuple[float, float],
    radii: tuple[float, float],
    degrees: float,
    shape: tuple[int, int],
) -> Bits:
    """Pixels whose centres lie in an ellipse.

    Parameters
    ----------
    centre : (float, float)
        Row and column.
    radii : (float, float)
        Vertical and horizontal one before it is turned, in pixels.
    degrees : float
        By which it is turned clockwise.
    shape : (int, int)
        H and W.

    Raises
    ------
    ShapeError
        If a radius is not positive or a number is no place in an image.
    """
    numbers = (*centre, *radii, degrees)
    if not all(abs(number) <= _FARTHEST for number in numbers) or min(radii) <= 0:
        raise ShapeError(f"expected an ellipse with radii above 0, got {numbers!r}")
    angle = math.radians(degrees)
    rows = (np.arange(shape[0]) + 0.5 - centre[0])[:, None]
    cols = (np.arange(shape[1]) + 0.5 - centre[1])[None, :]
    along = cols * math.cos(angle) + rows * math.sin(angle)
    down = rows * math.cos(angle) - cols * math.sin(angle)
    inside: Bits = (down / radii[0]) ** 2 + (along / radii[1]) ** 2 <= 1
    return inside
