"""An image at another resolution: every slide looks as if one scanner had made it."""

import itertools
import math
from typing import Final

import numpy as np
from PIL import Image

from askmask.data.slides.blocks import SHARED, BlockCache, assembled
from askmask.data.slides.tiled_image import Box, Size, TiledImage, check_box, shrinking
from askmask.data.source import Pixels
from askmask.errors import SourceError

MOST_ENLARGED: Final = 1.1
"""A slide at 0.27 micrometres may stand in for 0.25; at 0.5 it may not: nothing would be seen."""

_BLOCK: Final = 512
_READ: Final = 4096  # side of what is read at once to make a block
_numbers: Final = itertools.count()


class Resampled:
    """A slide at a given resolution; a `TiledImage` of one level.

    Each pixel is a mean of the pixels around its centre, weighted by a triangle as wide as two
    new pixels (bilinear with antialiasing), read from the nearest level that is as fine or finer.

    Parameters
    ----------
    image : TiledImage
        Stays the caller's.
    factor : float
        Pixels of the first level along one new pixel.
    mpp : float, optional
        Micrometres per new pixel.
    cache : BlockCache, optional
        Where blocks are kept.

    Raises
    ------
    SourceError
        If `factor` would enlarge the image by more than `MOST_ENLARGED`.
    """

    def __init__(
        self,
        image: TiledImage,
        factor: float,
        mpp: float | None = None,
        *,
        cache: BlockCache = SHARED,
    ) -> None:
        if factor * MOST_ENLARGED < 1:
            raise SourceError(
                f"expected {image.name!r} at a resolution that it has, got pixels {1 / factor:.3g} "
                "times as fine as its finest. Choose a coarser working resolution (data.mpp)."
            )
        self.name = image.name
        self.mpp = mpp
        self.factor = factor
        self._image = image
        self._cache = cache
        self._key = f"resampled {next(_numbers)}"
        self._level = _finer_level(image, factor)
        rows, cols = shrinking(image, self._level)
        self._steps = factor / rows, factor / cols  # pixels of that level along one new pixel
        self._block = min(max(int(_READ / max(self._steps)), 8), _BLOCK)
        self.size: Size = (
            max(int(image.size[0] / factor + 1e-6), 1),
            max(int(image.size[1] / factor + 1e-6), 1),
        )

    def again(self, step: float) -> "Resampled":
        """View of the same slide whose pixels are `step` of this one's wide; nothing is kept."""
        return self.at(self.factor * step)

    def at(self, factor: float) -> "Resampled":
        """View of the same slide whose pixels are `factor` of its first level's wide."""
        return Resampled(self._image, factor, cache=BlockCache(0))

    @property
    def levels(self) -> tuple[Size, ...]:
        """The one size."""
        return (self.size,)

    def read(self, level: int, box: Box) -> Pixels:
        """Read a box as (h, w, 3) uint8 RGB."""
        check_box(self, level, box)
        if self._steps == (1.0, 1.0):
            return self._image.read(self._level, box)

        def block(part: Box) -> Pixels:
            return self._cache.get((self._key, part.row, part.col), lambda: self._made(part))

        return assembled(box, self.size, (self._block, self._block), block)

    def close(self) -> None:
        """Forget what was kept; the image itself stays open."""
        self._cache.forget(self._key)

    def _made(self, part: Box) -> Pixels:
        whole = self._image.levels[self._level]
        top, bottom, high = _span(part.row, part.bottom, self._steps[0], whole[0])
        left, right, wide = _span(part.col, part.right, self._steps[1], whole[1])
        pixels = self._image.read(self._level, Box(top, left, bottom - top, right - left))
        corners = (wide[0] - left, high[0] - top, wide[1] - left, high[1] - top)
        made = Image.fromarray(pixels).resize(
            (part.width, part.height), Image.Resampling.BILINEAR, box=corners
        )
        return np.asarray(made)


def at_mpp(image: TiledImage, mpp: float, own: float | None = None) -> Resampled:
    """View of a slide at so many micrometres per pixel.

    Parameters
    ----------
    image : TiledImage
        Stays the caller's.
    mpp : float
        Of the view.
    own : float, optional
        Of the slide's first level, if the file does not say it or is not to be believed.

    Raises
    ------
    SourceError
        If nobody says how large the slide's pixels are, or they are too coarse.
    """
    told = image.mpp if own is None else own
    if told is None:
        raise SourceError(
            f"{image.name!r} does not say how many micrometres its pixels measure. Say it with "
            "--mpp, for example --mpp 0.25 for a scan at 40x and --mpp 0.5 at 20x."
        )
    factor = mpp / told
    if factor * MOST_ENLARGED < 1:
        raise SourceError(
            f"expected {image.name!r} at {mpp:g} micrometres per pixel or finer, got {told:g}. "
            f"Choose a coarser working resolution: data.mpp={told:g}"
        )
    return Resampled(image, factor, mpp)


def _finer_level(image: TiledImage, factor: float) -> int:
    """Coarsest level that is at least as fine as `factor`; a level's size may be rounded."""
    fitting = [
        level
        for level in range(len(image.levels))
        if max(shrinking(image, level)) <= factor * (1 + 1e-3)
    ]
    return fitting[-1] if fitting else 0


def _span(first: int, end: int, step: float, length: int) -> tuple[int, int, tuple[float, float]]:
    """Pixels to be read for new pixels [first, end), and where in the level those lie."""
    low, high = first * step, min(end * step, float(length))
    around = math.ceil(max(step, 1.0)) + 1  # the triangle reaches one new pixel to each side
    return max(math.floor(low) - around, 0), min(math.ceil(high) + around, length), (low, high)
