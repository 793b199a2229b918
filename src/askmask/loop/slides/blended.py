"""A raster of any size predicted in tiles that fade into each other, row of tiles by row of tiles.

A network whose norms look at all it sees (`pyramid`, group norm) gives two tiles slightly different
values along their common border. So tiles overlap, and across the border one gives way to the other
linearly: there is no seam. Beyond the overlap lies a margin that is seen and thrown away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.data.larger_images import MARGIN
from askmask.data.slides.slide_set import cut_side
from askmask.data.slides.tiled_image import Box, Size

TILE: Final = 1024
"""Side of a tile without its overlap and margin; those at the end have half to 1.5 times."""
RAMP: Final = MARGIN // 2
"""How far a tile reaches into the next one, fading out."""

Values = npt.NDArray[np.float32]
"""(K, h, w): what is predicted of each pixel, such as the probability of each class."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows that are finished after a row of tiles.

    Attributes
    ----------
    number : int
        Of the row of tiles, from 0.
    top : int
        First row.
    values : (K, h, W) float32 array
        Blended; 0 where no tile was looked at.
    is_seen : (h, W) bool array
        Where a tile was looked at.
    carry : (K + 1, 2 * RAMP, W) float32 array
        What the next row of tiles is added to; empty after the last.
    """

    number: int
    top: int
    values: Values
    is_seen: npt.NDArray[np.bool_]
    carry: Values


def blended_rows(
    size: Size,
    n_values: int,
    predict: Callable[[Box], Values | None],
    *,
    first: int = 0,
    carry: Values | None = None,
) -> Iterator[Rows]:
    """Predict a raster in tiles.

    Held at one time: one row of tiles as it is handed on, one tile, and the overlap with the next
    row.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the raster.
    n_values : int
        K.
    predict : callable
        Values of a box, (K, h, w); None if nobody wants to look there. The box is a tile with its
        overlap.
    first : int
        Row of tiles to begin with; the rows before are finished.
    carry : array, optional
        That of the row before `first`.
    """
    rows, cols = cut_side(size[0], TILE), cut_side(size[1], TILE)
    for number, (start, height) in enumerate(rows):
        if number < first:
            continue
        top = start - RAMP * (number > 0)
        bottom = start + height + RAMP * (number < len(rows) - 1)
        band = Box(top, 0, bottom - top, size[1])
        sums = _row_of_tiles(band, cols, n_values, predict, (number > 0, number < len(rows) - 1))
        if number > 0:
            assert carry is not None, "every row but the first is added to one"
            sums[:, : 2 * RAMP] += carry
        finished = band.height - 2 * RAMP * (number < len(rows) - 1)
        carry = sums[:, finished:].copy()
        weight = sums[-1, :finished]
        is_seen = weight > 0
        values = sums[:-1, :finished]  # 0 where nothing was seen
        np.divide(values, weight, out=values, where=is_seen)
        yield Rows(number, top, values, is_seen, carry)


def _row_of_tiles(
    band: Box,
    cols: list[tuple[int, int]],
    n_values: int,
    predict: Callable[[Box], Values | None],
    is_faded: tuple[bool, bool],
) -> Values:
    """(K + 1, h, W): weighted sums of the values, and of the weights, over a row of tiles."""
    sums = np.zeros((n_values + 1, band.height, band.width), np.float32)
    down = _fading(band.height, is_faded)[:, None]
    for number, (start, width) in enumerate(cols):
        faded = number > 0, number < len(cols) - 1
        left, right = start - RAMP * faded[0], start + width + RAMP * faded[1]
        found = predict(Box(band.row, left, band.height, right - left))
        if found is None:
            continue
        weight = down * _fading(right - left, faded)
        sums[:-1, :, left:right] += found * weight
        sums[-1, :, left:right] += weight
    return sums


def _fading(length: int, is_faded: tuple[bool, bool]) -> npt.NDArray[np.float32]:
    """Weights along a side: up over 2 * RAMP at the start, down at the end; 1 where unfaded.

    Where one tile fades out and the next one in, the two weights add up to 1.
    """
    ramp = (np.arange(2 * RAMP) + 0.5) / (2 * RAMP)
    weights = np.ones(length)
    if is_faded[0]:
        weights[: 2 * RAMP] = ramp
    if is_faded[1]:
        weights[-2 * RAMP :] = 1 - ramp
    return weights.astype(np.float32)
