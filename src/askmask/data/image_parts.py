"""Parts of images at any scale: what a viewer needs of an image too large to be sent whole.

Level z of an image is the image shrunk by 2^z, averaged over area; a tile is a square of `TILE`
pixels of a level. A tiled or stripped TIFF is read in parts, so its size does not matter; another
file is decoded whole, and the decoded images used last are kept while their files stay the same.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from askmask.data.prepared import PreparedSource
from askmask.data.slides.blocks import BlockCache
from askmask.data.slides.tiled_image import Box
from askmask.data.slides.tiled_tiff import TiffImage, is_read_in_parts
from askmask.data.source import Pixels, Source
from askmask.errors import SourceError
from askmask.records import ImageInfo, Region

TILE: Final = 512
CACHE_BYTES: Final = 256 * 2**20
_BAND_BYTES: Final = 32 * 2**20  # of full-size pixels held at once while shrinking
_OVERVIEW_SIDE: Final = 2048
_TIFF_SUFFIXES: Final = frozenset({".tif", ".tiff"})

Stamp = tuple[int, int, int]
"""Inode, size and time of a file: another one whenever the file is written anew."""

_Key = tuple[str, int, Stamp | None]


class Pyramid:
    """Tiles and windows of the images of a source; for several threads.

    Parameters
    ----------
    source : Source
        Where the images come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._infos = {info.image_id: info for info in source.images()}
        self._kept: OrderedDict[_Key, Pixels] = OrderedDict()
        self._kept_bytes = 0
        self._lock = threading.Lock()
        # One image is decoded at a time: the tiles of one image wait for one decoding, and memory
        # holds the kept images and one more. Shrinking a whole image reads it within the same lock.
        self._decoding = threading.RLock()

    def tile(self, image_id: str, level: int, row: int, col: int) -> Pixels:
        """Tile `row`, `col` of a level; smaller at the lower and right edge.

        Raises
        ------
        SourceError
            If there is no such image, level or tile, or the image cannot be read.
        """
        info = self._info(image_id)
        factor = 2**level if 0 <= level < levels(info) else 0
        height, width = shrunk(info, factor) if factor else (0, 0)
        if not (0 <= row * TILE < height and 0 <= col * TILE < width):
            raise SourceError(
                f"expected a tile of image {image_id!r} with {levels(info)} levels, got level "
                f"{level}, row {row}, column {col}. Level 0 has {-(-info.height // TILE)} x "
                f"{-(-info.width // TILE)} tiles."
            )
        rows = min(TILE, height - row * TILE) * factor
        cols = min(TILE, width - col * TILE) * factor
        top, left = row * TILE * factor, col * TILE * factor
        region = Region(
            image_id, top, left, min(rows, info.height - top), min(cols, info.width - left)
        )
        return self.shrunk(region, factor)

    def shrunk(self, region: Region, factor: int) -> Pixels:
        """Part of an image at 1/`factor` of its size, averaged over area.

        `factor` is a power of two, and the region starts at multiples of it.
        """
        info = self._info(region.image_id)
        coarse = _overview_factor(info)
        if coarse > 1 and factor >= coarse:
            top, left = region.row // coarse, region.col // coarse
            bottom = -(-(region.row + region.height) // coarse)
            right = -(-(region.col + region.width) // coarse)
            part = self._whole(info, coarse)[top:bottom, left:right]
            return _reduced(part, factor // coarse)
        return self._read(region, factor)

    def _read(self, region: Region, factor: int) -> Pixels:
        """As `shrunk`, from the file."""
        path = self._tiff(region.image_id)
        if path is None:
            whole = self._whole(self._info(region.image_id), 1)
            return _reduced(whole[region.slices], factor)
        with closing(TiffImage(path, BlockCache(0))) as image:
            bands = [_reduced(image.read(0, band), factor) for band in _bands(region, factor)]
        return np.concatenate(bands)

    def _whole(self, info: ImageInfo, factor: int) -> Pixels:
        """Whole image at a scale, kept for the next time; not to be changed."""
        key = (info.image_id, factor, stamp(self._source, info.image_id))
        kept = self._known(key)
        if kept is not None:
            return kept
        with self._decoding:
            kept = self._known(key)  # another thread may have decoded it meanwhile
            if kept is not None:
                return kept
            if factor == 1:
                pixels = self._source.read_image(info.image_id)
            else:
                pixels = self._read(info.whole, factor)
            self._keep(key, pixels)
        return pixels

    def _known(self, key: _Key) -> Pixels | None:
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key]

    def _keep(self, key: _Key, pixels: Pixels) -> None:
        with self._lock:
            self._kept[key] = pixels
            self._kept_bytes += pixels.nbytes
            while self._kept_bytes > CACHE_BYTES and len(self._kept) > 1:
                _, oldest = self._kept.popitem(last=False)
                self._kept_bytes -= oldest.nbytes

    def _tiff(self, image_id: str) -> Path | None:
        """Path of the image if it can be read in parts."""
        if not isinstance(self._source, PreparedSource):
            return None
        path = self._source.image_path(image_id)
        if path.suffix.lower() not in _TIFF_SUFFIXES:
            return None
        return path if is_read_in_parts(path) else None

    def _info(self, image_id: str) -> ImageInfo:
        if image_id not in self._infos:
            raise SourceError(
                f"no image {image_id!r} among {len(self._infos)}. Take the ids from images()."
            )
        return self._infos[image_id]


def stamp(source: Source, image_id: str) -> Stamp | None:
    """Tell the file of an image from one that takes its place; None if there is no file."""
    if not isinstance(source, PreparedSource):
        return None
    try:
        found = source.image_path(image_id).stat()
    except OSError:
        return None  # who reads it is told
    return found.st_ino, found.st_size, found.st_mtime_ns


def levels(info: ImageInfo) -> int:
    """Count the levels of an image; the last one fits into a tile."""
    count = 1
    while max(shrunk(info, 2 ** (count - 1))) > TILE:
        count += 1
    return count


def shrunk(info: ImageInfo, factor: int) -> tuple[int, int]:
    """Rows and columns of an image at 1/`factor` of its size."""
    return -(-info.height // factor), -(-info.width // factor)


def _overview_factor(info: ImageInfo) -> int:
    factor = 1
    while max(shrunk(info, factor)) > _OVERVIEW_SIDE:
        factor *= 2
    return factor


def _reduced(pixels: Pixels, factor: int) -> Pixels:
    if factor == 1:
        return pixels.copy()
    return np.asarray(Image.fromarray(pixels).reduce(factor))


def _bands(region: Region, factor: int) -> Iterator[Box]:
    """Cut a region into bands of rows that are small enough to be held, and whole blocks high."""
    fitting = max(_BAND_BYTES // (3 * region.width * factor), 1) * factor
    for row in range(0, region.height, fitting):
        height = min(fitting, region.height - row)
        yield Box(region.row + row, region.col, height, region.width)
