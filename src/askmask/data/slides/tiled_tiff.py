"""TIFF files in boxes: tiled or in strips, BigTIFF, OME-TIFF, pyramids in pages or in sub-IFDs."""

import itertools
import re
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile

from askmask.data.slides.blocks import SHARED, BlockCache, assembled
from askmask.data.slides.tiled_image import Box, Size, check_box, one_mpp
from askmask.data.source import Pixels
from askmask.errors import SourceError

_Page = Any  # tifffile's pages have no types

LARGEST_SEGMENT: Final = 64 * 2**20
"""Bytes of one strip or tile, unpacked; a file with larger ones cannot be read in parts."""

_ROWS_AT_A_TIME: Final = 256  # of a file without compression, whose strips may be one
_MICROMETRES: Final = {"µm": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6}
_PIXELS: Final = re.compile(r"<(?:\w+:)?Pixels\b([^>]*)>")
_ATTRIBUTE: Final = re.compile(r"""(\w+)\s*=\s*["']([^"']*)["']""")
_OTHERS_READ: Final = ("is_ndpi", "is_bif", "is_scn", "is_philips", "is_avs", "is_eer")
_numbers: Final = itertools.count()


def needs_openslide(path: Path) -> bool:
    """Whether a TIFF is of a scanner whose tiles only OpenSlide puts where they belong.

    Raises
    ------
    SourceError
        If it is no TIFF, or a damaged one.
    """
    with _opened(path) as file:
        return any(getattr(file, flag, False) for flag in _OTHERS_READ)


def is_read_in_parts(path: Path) -> bool:
    """Whether the first image of a TIFF has pixels that `TiffImage` reads.

    Raises
    ------
    SourceError
        If it is no TIFF, or a damaged one.
    """
    with _opened(path) as file:
        return _is_plain(file.pages[0])


class TiffImage:
    """A TIFF file of 8-bit grey or RGB pixels; a `TiledImage`.

    The largest image of the file counts, with its smaller copies.

    Parameters
    ----------
    path : Path
        The file.
    cache : BlockCache, optional
        Where unpacked tiles are kept.

    Raises
    ------
    SourceError
        If the file is damaged, of other pixels, or packed in strips too large to be held.
    """

    def __init__(self, path: Path, cache: BlockCache = SHARED) -> None:
        self.name = path.name
        self._key = next(_numbers)
        self._cache = cache
        self._lock = threading.Lock()
        self._file: Any = _opened(path)  # Any: as the pages
        try:
            series = max(self._file.series, key=_pixels)
            self._pages = [_plain(level, self.name) for level in series.levels]
            self.mpp = _mpp(self._file, self._pages[0], self.name)
        except SourceError:
            self._file.close()
            raise
        except Exception as error:  # tifffile has exceptions of its own, and trips over damage
            self._file.close()
            raise _damaged(self.name, error) from error
        self.levels: tuple[Size, ...] = tuple(
            (page.imagelength, page.imagewidth) for page in self._pages
        )

    @property
    def size(self) -> Size:
        """Rows and columns of the first level."""
        return self.levels[0]

    def read(self, level: int, box: Box) -> Pixels:
        """Read a box of a level as (h, w, 3) uint8 RGB."""
        check_box(self, level, box)
        page = self._pages[level]
        rows = _ROWS_AT_A_TIME if _is_bare(page) else page.chunks[0]
        block = rows, page.chunks[1]

        def segment(part: Box) -> Pixels:
            return self._cache.get(
                (self._key, level, part.row, part.col), lambda: self._segment(page, part, block)
            )

        return assembled(box, self.levels[level], block, segment)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()
        self._cache.forget(self._key)

    def _segment(self, page: _Page, part: Box, block: Size) -> Pixels:
        """Pixels of a tile or strip."""
        if _is_bare(page):
            line = page.imagewidth * page.samplesperpixel
            first = page.dataoffsets[0] + part.row * line
            flat = np.frombuffer(self._bytes(first, part.height * line), np.uint8)
            return _rgb(flat.reshape(part.height, part.width, -1))
        across = -(-page.imagewidth // block[1])
        index = part.row // block[0] * across + part.col // block[1]
        if page.databytecounts[index] == 0:  # a sparse file leaves black tiles out
            return np.zeros((part.height, part.width, 3), np.uint8)
        packed = self._bytes(page.dataoffsets[index], page.databytecounts[index])
        try:
            decoded, *_ = page.decode(
                packed, index, jpegtables=page.jpegtables, jpegheader=page.jpegheader
            )
        except Exception as error:  # every codec has exceptions of its own
            raise SourceError(
                f"cannot read a part of {self.name!r} ({error}). Save it with deflate or without "
                "compression, or install the codecs: pip install 'askmask[slides]'."
            ) from error
        return _rgb(decoded[0][: part.height, : part.width])

    def _bytes(self, offset: int, count: int) -> bytes:
        with self._lock:
            handle = self._file.filehandle
            if handle.closed:
                raise SourceError(f"{self.name!r} was closed. Open it again.")
            handle.seek(offset)
            found: bytes = handle.read(count)
        if len(found) != count:
            raise _damaged(self.name, "it ends before its pixels do")
        return found


def _opened(path: Path) -> Any:  # Any: tifffile's files have no types
    try:
        return tifffile.TiffFile(path)
    except (OSError, ValueError, KeyError, TypeError, tifffile.TiffFileError) as error:
        raise _damaged(path.name, error) from error


def _damaged(name: str, reason: object) -> SourceError:
    return SourceError(f"cannot read {name!r} ({reason}). Save or copy the file again.")


def _pixels(series: Any) -> int:  # Any: as above
    page = series.keyframe
    return int(page.imagelength * page.imagewidth)


def _plain(level: Any, name: str) -> _Page:  # Any: as above
    """Page of a level, if its pixels are 8-bit grey or RGB in one plane, in parts that fit."""
    if len(level.pages) != 1:
        raise SourceError(
            f"expected one image in {name!r}, got a stack of {len(level.pages)}. Channels, planes "
            "and times are not read: save one picture in RGB."
        )
    page = level.pages[0].aspage()
    if not _is_plain(page):
        kind = getattr(page.photometric, "name", page.photometric)
        raise SourceError(
            f"expected 8-bit grey or RGB pixels in one plane in {name!r}, got {page.dtype} "
            f"{kind} with {page.samplesperpixel} samples. Save it as 8-bit RGB."
        )
    held = page.chunks[0] * page.chunks[1] * page.samplesperpixel
    if held > LARGEST_SEGMENT and not _is_bare(page):
        raise SourceError(
            f"expected {name!r} in tiles, or in strips of at most {LARGEST_SEGMENT:,} bytes, got "
            f"{page.chunks[0]} x {page.chunks[1]} pixels in one. Save it in tiles."
        )
    return page


def _is_plain(page: _Page) -> bool:
    kinds = tifffile.PHOTOMETRIC
    is_grey = page.samplesperpixel == 1 and page.photometric == kinds.MINISBLACK
    is_rgb = page.samplesperpixel == 3 and page.photometric in (kinds.RGB, kinds.YCBCR)
    is_plane = page.planarconfig == tifffile.PLANARCONFIG.CONTIG and page.imagedepth == 1
    return bool(page.dtype == np.uint8 and is_plane and (is_grey or is_rgb))


def _is_bare(page: _Page) -> bool:
    """Whether the pixels lie in the file as they are, one row after the other."""
    bare = tifffile.COMPRESSION.NONE
    return bool(page.compression == bare and not page.is_tiled and page.is_contiguous)


def _rgb(pixels: Pixels) -> Pixels:
    """Three channels, not to be modified; grey goes into all of them."""
    return pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2)


def _mpp(file: Any, page: _Page, name: str) -> float | None:  # Any: as above
    """What the file says of its scale, in the ways that scanners and OME say it."""
    if file.is_ome and file.ome_metadata:
        return _ome_mpp(file.ome_metadata, name)
    if file.is_svs:
        told = tifffile.tifffile.svs_description_metadata(page.description).get("MPP")
        return None if not told else _positive(float(told), name)
    centimetre = tifffile.RESUNIT.CENTIMETER
    if page.tags.get("XResolution") is not None and page.resolutionunit == centimetre:
        cols, rows = page.resolution
        if min(cols, rows) > 0:
            return one_mpp(_positive(1e4 / rows, name), _positive(1e4 / cols, name), name)
    return None  # dots per inch are those of a printer as a rule


def _ome_mpp(text: str, name: str) -> float | None:
    """Scale in the description of the first image; not parsed as XML, which files may abuse."""
    tag = _PIXELS.search(text)
    told = dict(_ATTRIBUTE.findall(tag[1])) if tag else {}
    try:
        rows, cols = (
            float(told[f"PhysicalSize{axis}"])
            * _MICROMETRES[told.get(f"PhysicalSize{axis}Unit", "µm")]
            for axis in "YX"
        )
    except (KeyError, ValueError):
        return None
    return one_mpp(_positive(rows, name), _positive(cols, name), name)


def _positive(value: float, name: str) -> float:
    if not 0 < value < float("inf"):
        raise SourceError(
            f"expected micrometres per pixel above 0 in {name!r}, got {value!r}. Correct the "
            "file's metadata."
        )
    return value
