"""Slides that OpenSlide opens, in boxes: MRXS, NDPI, DICOM and others; the only place that does."""

import itertools
import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from askmask.data.slides.blocks import SHARED, BlockCache, assembled
from askmask.data.slides.tiled_image import Box, Size, check_box, one_mpp
from askmask.data.source import Pixels
from askmask.errors import SourceError

_BLOCK: Final = (512, 512)
_WHITE: Final = "FFFFFF"
_numbers: Final = itertools.count()


class OpenSlideImage:
    """A slide read by OpenSlide; a `TiledImage`. What the scanner left out is its background.

    Parameters
    ----------
    path : Path
        The file.
    cache : BlockCache, optional
        Where blocks are kept.
    name : str, optional
        What the slide is called; by default as its file.

    Raises
    ------
    SourceError
        If OpenSlide is not installed or does not read the file.
    """

    def __init__(self, path: Path, cache: BlockCache = SHARED, *, name: str | None = None) -> None:
        self.name = path.name if name is None else name
        self._key = f"openslide {next(_numbers)}"
        self._cache = cache
        openslide = _library(path)
        try:
            self._slide: Any = openslide.OpenSlide(path)  # Any: it may be closed, and None then
        except (openslide.OpenSlideError, OSError) as error:
            raise SourceError(
                f"OpenSlide cannot read {path.name!r} ({error}). Copy it again, with the files "
                "that belong to it, or convert it to a pyramidal TIFF."
            ) from error
        self._errors = openslide.OpenSlideError
        self.levels: tuple[Size, ...] = tuple((h, w) for w, h in self._slide.level_dimensions)
        self._downsamples = tuple(self._slide.level_downsamples)  # not told after an error
        facts = self._slide.properties
        self._background = _colour(facts.get("openslide.background-color", _WHITE))
        told = [facts.get(f"openslide.mpp-{axis}") for axis in "yx"]
        self.mpp = None
        if all(told):
            self.mpp = one_mpp(float(told[0]), float(told[1]), self.name)

    @property
    def size(self) -> Size:
        """Rows and columns of the first level."""
        return self.levels[0]

    def read(self, level: int, box: Box) -> Pixels:
        """Read a box of a level as (h, w, 3) uint8 RGB."""
        check_box(self, level, box)

        def block(part: Box) -> Pixels:
            return self._cache.get(
                (self._key, level, part.row, part.col), lambda: self._block(level, part)
            )

        return assembled(box, self.levels[level], _BLOCK, block)

    def close(self) -> None:
        """Close the slide."""
        slide, self._slide = self._slide, None
        if slide is not None:
            slide.close()
        self._cache.forget(self._key)

    def _block(self, level: int, part: Box) -> Pixels:
        if self._slide is None:
            raise SourceError(f"{self.name!r} was closed. Open it again.")
        step = self._downsamples[level]
        corner = math.floor(part.col * step + 0.5), math.floor(part.row * step + 0.5)
        try:
            read = self._slide.read_region(corner, level, (part.width, part.height))
        except self._errors as error:
            raise SourceError(
                f"OpenSlide cannot read a part of {self.name!r} ({error}). Copy the file again."
            ) from error
        shown = np.asarray(read)  # (h, w, 4)
        opaque = shown[:, :, 3:].astype(np.uint16)
        mixed = shown[:, :, :3] * opaque + self._background * (255 - opaque)
        made: Pixels = ((mixed + 127) // 255).astype(np.uint8)
        return made


def dicom_series(path: Path) -> str:
    """Identifier of the series that a DICOM file belongs to; all its files make one slide.

    Raises
    ------
    SourceError
        If OpenSlide is not installed, or does not take the file for one of a DICOM slide.
    """
    openslide = _library(path)
    try:
        with openslide.OpenSlide(path) as slide:
            series: str | None = slide.properties.get("dicom.SeriesInstanceUID")
    except (openslide.OpenSlideError, OSError) as error:
        raise SourceError(
            f"OpenSlide cannot read {str(path)!r} as a file of a DICOM slide ({error}). Copy it "
            "again with the files that belong to it, or move it out of the folder."
        ) from error
    if series is None:
        raise SourceError(f"expected a DICOM slide in {str(path)!r}, found another kind of file.")
    return series


def _library(path: Path) -> Any:  # Any: a module
    try:
        import openslide
    except ImportError:
        raise SourceError(
            f"{path.name!r} is a slide that needs OpenSlide. Install it with "
            "pip install 'askmask[slides]'."
        ) from None
    return openslide


def _colour(hexadecimal: str) -> Any:  # Any: (3,) uint16, which beartype need not check
    return np.frombuffer(bytes.fromhex(hexadecimal), np.uint8).astype(np.uint16)
