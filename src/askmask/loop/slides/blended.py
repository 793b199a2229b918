"""A raster of any size predicted in tiles that fade into each other, row of tiles by row of tiles.

A network whose norms look at all it sees (`pyramid`, group norm) gives two tiles slightly different
values along their common border. So tiles overlap, and across the border one gives way to the other
linearly: there is no seam. Beyond the overlap lies a margin that is seen and thrown away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

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
Layers = npt.NDArray[Any]  # Any: the caller chooses
"""(N, h, w): what is kept of the values."""
Finish = Callable[[Values, npt.NDArray[np.bool_]], Layers]
"""From blended values, 0 where nobody looked, and where somebody did, to what is kept of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows that are finished after a row of tiles.

    Attributes
    ----------
    number : int
        Of the row of tiles, from 0.
    top : int
        First row.
    layers : (N, h, W) array
        What `Finish` made.
    carry : (K + 1, 2 * RAMP, W) float32 array
        What the next row of tiles is added to; without rows after the last.
    """

    number: int
    top: int
    layers: Layers
    carry: Values


def blended_rows(
    size: Size,
    n_values: int,
    predict: Callable[[Box], Values | None],
    finish: Finish,
    *,
    first: int = 0,
    carry: Values | None = None,
) -> Iterator[Rows]:
    """Predict a raster in tiles.

    Held at one time: a tile, the overlaps with the next tile and with the next row of tiles, and
    what is kept of one row of tiles.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the raster.
    n_values : int
        K.
    predict : callable
        Values of a box, (K, h, w); None if nobody wants to look there. The box is a tile with its
        overlap.
    finish : callable
        See `Finish`.
    first : int
        Row of tiles to begin with; the rows before are finished.
    carry : array, optional
        That of the row before `first`.
    """
    rows = cut_side(size[0], TILE)
    for number, (start, height) in enumerate(rows):
        if number < first:
            continue
        is_faded = number > 0, number < len(rows) - 1
        top = start - RAMP * is_faded[0]
        band = Box(top, 0, start + height + RAMP * is_faded[1] - top, size[1])
        if not is_faded[0]:
            carry = np.zeros((n_values + 1, 0, size[1]), np.float32)
        assert carry is not None, "every row but the first is added to one"
        layers, carry = _row_of_tiles(band, is_faded, carry, predict, finish)
        yield Rows(number, top, layers, carry)


def _row_of_tiles(
    band: Box,
    is_faded: tuple[bool, bool],
    above: Values,
    predict: Callable[[Box], Values | None],
    finish: Finish,
) -> tuple[Layers, Values]:
    """What is kept of a row of tiles, and the sums that the next row is added to."""
    cols = cut_side(band.width, TILE)
    down = _fading(band.height, is_faded)[:, None]
    finished = band.height - 2 * RAMP * is_faded[1]
    below = np.zeros((above.shape[0], band.height - finished, band.width), np.float32)
    before = np.zeros((above.shape[0], band.height, 0), np.float32)
    parts = []
    for number, (start, width) in enumerate(cols):
        faded = number > 0, number < len(cols) - 1
        left, right = start - RAMP * faded[0], start + width + RAMP * faded[1]
        sums = np.zeros((above.shape[0], band.height, right - left), np.float32)
        found = predict(Box(band.row, left, band.height, right - left))
        if found is not None:
            sums[-1] = down * _fading(right - left, faded)
            sums[:-1] = found * sums[-1]
        sums[:, :, : before.shape[2]] += before
        end = right - 2 * RAMP * faded[1]  # what lies right of it waits for the next tile
        before = sums[:, :, end - left :].copy()
        own = sums[:, :, : end - left]
        own[:, : above.shape[1]] += above[:, :, left:end]
        below[:, :, left:end] = own[:, finished:]
        parts.append(_finished(own[:, :finished], finish))
    return np.concatenate(parts, 2), below


def _finished(sums: Values, finish: Finish) -> Layers:
    """What is kept of weighted sums, the last of which is that of the weights."""
    is_seen = sums[-1] > 0
    values = sums[:-1]  # 0 where nothing was seen
    np.divide(values, sums[-1], out=values, where=is_seen)
    return finish(values, is_seen)


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
