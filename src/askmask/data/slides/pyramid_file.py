"""Writing a raster of any size as a pyramid: OME-TIFF in packed tiles, smaller levels in sub-IFDs.

One tile is in memory at a time, and what the caller keeps of the rows that it is made from.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tifffile

from askmask.data.slides.tiled_image import Size
from askmask.whole_files import replacing

TILE: Final = 512

Raster = npt.NDArray[np.uint8]
ReadRows = Callable[[int, int, int], Raster]
"""``read(first, last, step)``: rows first, first + step, ... below last, every column."""


def write_pyramid(
    path: Path, size: Size, read: ReadRows, *, mpp: float, corner_mm: tuple[float, float]
) -> None:
    """Write an 8-bit raster; the file appears whole or not at all.

    A smaller level takes every second pixel of the one before: no value is made up.

    Parameters
    ----------
    path : Path
        Where to.
    size : (int, int)
        Rows and columns.
    read : callable
        See `ReadRows`; called for bands of rows from top to bottom, once per level.
    mpp : float
        Micrometres per pixel.
    corner_mm : (float, float)
        Where row 0 and column 0 lie on the slide, in millimetres from its corner.
    """
    levels = _levels(size)
    how: dict[str, Any] = {  # Any: arguments of tifffile
        "dtype": np.uint8,
        "tile": (TILE, TILE),
        "compression": "zlib",
        "photometric": "minisblack",
    }
    metadata = {
        "axes": "YX",
        **{f"PhysicalSize{axis}": mpp for axis in "XY"},
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "XY"},
        "Plane": {
            "PositionX": corner_mm[1],
            "PositionXUnit": "mm",
            "PositionY": corner_mm[0],
            "PositionYUnit": "mm",
        },
    }
    with (
        replacing(path) as unfinished,
        tifffile.TiffWriter(unfinished, bigtiff=True, ome=True) as writer,
    ):
        writer.write(
            _tiles(size, read, 1),
            shape=size,
            subifds=len(levels) - 1,
            resolution=(1e4 / mpp, 1e4 / mpp),
            resolutionunit="CENTIMETER",
            metadata=metadata,
            **how,
        )
        for step in levels[1:]:
            shape = -(-size[0] // step), -(-size[1] // step)
            writer.write(_tiles(size, read, step), shape=shape, subfiletype=1, metadata=None, **how)


def _levels(size: Size) -> list[int]:
    """Steps of the levels; the last one fits into a tile."""
    steps = [1]
    while max(size) > TILE * steps[-1]:
        steps.append(2 * steps[-1])
    return steps


def _tiles(size: Size, read: ReadRows, step: int) -> Iterator[Raster]:
    """Tiles of a level in reading order, filled up at the lower and right edge."""
    for first in range(0, size[0], TILE * step):
        rows = read(first, min(first + TILE * step, size[0]), step)[:, ::step]
        for col in range(0, rows.shape[1], TILE):
            part = rows[:, col : col + TILE]
            tile = np.zeros((TILE, TILE), np.uint8)
            tile[: part.shape[0], : part.shape[1]] = part
            yield tile
