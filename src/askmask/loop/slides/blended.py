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
    for number, side in enumerate(_cut(size[0])[first:], start=first):
        band = Box(side.start, 0, side.end - side.start, size[1])
        if number == 0:
            carry = np.zeros((n_values + 1, 0, size[1]), np.float32)
        assert carry is not None, "every row but the first is added to one"
        layers, carry = _row_of_tiles(band, side.is_faded, carry, predict, finish)
        yield Rows(number, side.start, layers, carry)


@dataclass(frozen=True, slots=True)
class TilePlace:
    """Where a tile lies.

    Attributes
    ----------
    box : Box
        With its overlap.
    settled : Box
        The part that no other tile reaches, from the box's own corner.
    """

    box: Box
    settled: Box


def tile_places(size: Size, *, first: int = 0) -> list[TilePlace]:
    """Every tile in the order in which `blended_rows` predicts them, from a row of tiles on."""
    return [
        TilePlace(
            Box(down.start, across.start, down.end - down.start, across.end - across.start),
            Box(down.before, across.before, down.settled, across.settled),
        )
        for down in _cut(size[0])[first:]
        for across in _cut(size[1])
    ]


@dataclass(frozen=True, slots=True)
class _Side:
    """One side of a tile with its overlap, and whether it fades at its start and at its end."""

    start: int
    end: int
    is_faded: tuple[bool, bool]

    @property
    def before(self) -> int:
        """Pixels that the tile before reaches."""
        return 2 * RAMP * self.is_faded[0]

    @property
    def settled(self) -> int:
        """Pixels that no other tile reaches."""
        return self.end - self.start - self.before - 2 * RAMP * self.is_faded[1]


def _cut(length: int) -> list[_Side]:
    """Tiles along a side, each reaching into the next one."""
    parts = cut_side(length, TILE)
    found = []
    for number, (start, side) in enumerate(parts):
        is_faded = number > 0, number < len(parts) - 1
        found.append(_Side(start - RAMP * is_faded[0], start + side + RAMP * is_faded[1], is_faded))
    return found


def _row_of_tiles(
    band: Box,
    is_faded: tuple[bool, bool],
    above: Values,
    predict: Callable[[Box], Values | None],
    finish: Finish,
) -> tuple[Layers, Values]:
    """What is kept of a row of tiles, and the sums that the next row is added to."""
    down = _fading(band.height, is_faded)[:, None]
    finished = band.height - 2 * RAMP * is_faded[1]
    below = np.zeros((above.shape[0], band.height - finished, band.width), np.float32)
    before = np.zeros((above.shape[0], band.height, 0), np.float32)
    parts = []
    for across in _cut(band.width):
        left, right, faded = across.start, across.end, across.is_faded
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
