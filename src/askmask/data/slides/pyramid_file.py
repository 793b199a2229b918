"""Writing a raster of any size as a pyramid: OME-TIFF in packed tiles, for two kinds of readers.

OME has smaller levels in the sub-IFDs of the first page; OpenSlide looks for them among the pages.
Both find the same ones here. One tile is in memory at a time, and what the caller keeps of the rows
that it is made from.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

import numpy as np
import numpy.typing as npt
import tifffile

from askmask.data.slides.tiled_image import Size
from askmask.whole_files import replacing

TILE: Final = 512
_COUNT_BYTES: Final = 8  # of a page of a BigTIFF: how many entries it has
_ENTRY_BYTES: Final = 20

Raster = npt.NDArray[np.uint8]
ReadRows = Callable[[int, int, int], Raster]
"""``read(first, last, step)``: rows first, first + step, ... below last, every column."""


def write_pyramid(
    path: Path,
    size: Size,
    read: ReadRows,
    *,
    mpp: float,
    corner_mm: tuple[float, float],
    identity: str,
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
    identity : str
        Says what the raster is. The file's UUID is made of it and not, as usual, of the machine and
        the time: what is predicted twice is twice the same file.
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
        "UUID": f"urn:uuid:{uuid5(NAMESPACE_OID, identity)}",
        **{f"PhysicalSize{axis}": mpp for axis in "XY"},
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "XY"},
        "Plane": {
            "PositionX": corner_mm[1],
            "PositionXUnit": "mm",
            "PositionY": corner_mm[0],
            "PositionYUnit": "mm",
        },
    }
    with replacing(path) as unfinished:
        with tifffile.TiffWriter(unfinished, bigtiff=True, ome=True) as writer:
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
                tiles = _tiles(size, read, step)
                writer.write(tiles, shape=shape, subfiletype=1, metadata=None, **how)
        _link_levels(unfinished)


def _link_levels(path: Path) -> None:
    """Make the smaller levels the pages after the first one, too.

    tifffile chains the sub-IFDs of a page, so that the first page only has to name the first one.
    """
    with tifffile.TiffFile(path) as file:
        first = file.pages.first
        if not first.subifds:
            return
        numbers = f"{file.byteorder}Q"
    with path.open("r+b") as raw:
        raw.seek(first.offset)
        (entries,) = struct.unpack(numbers, raw.read(_COUNT_BYTES))
        raw.seek(first.offset + _COUNT_BYTES + _ENTRY_BYTES * entries)  # where the next page lies
        raw.write(struct.pack(numbers, first.subifds[0]))


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
