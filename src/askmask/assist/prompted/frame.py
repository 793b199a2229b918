"""Where a picture lies in the square that an encoder of the SAM family sees.

The picture is scaled until its long side fills the square, and lies in its upper left corner; the
rest is zero. Kirillov et al., "Segment Anything", 2023, arXiv:2304.02643, and its
``ResizeLongestSide``.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from askmask.errors import ShapeError
from askmask.records import ImageInfo, Region

SIDE: Final = 1024
"""Of the square."""
LARGEST_PIXELS: Final = 4_000_000
_STEP: Final = 128  # where windows begin, so that neighbours share one
_MEAN: Final = np.array([123.675, 116.28, 103.53], np.float32)  # of ImageNet, by which SAM learned
_SPREAD: Final = np.array([58.395, 57.12, 57.375], np.float32)

Floats = npt.NDArray[np.float32]


def window_of(region: Region, image: ImageInfo) -> Region:
    """The part of an image that is encoded for a region: at full size where that is possible.

    Parameters
    ----------
    region : Region
        Of the image.
    image : ImageInfo
        Its size.

    Returns
    -------
    Region
        The whole image if it is no larger than the square. Else `SIDE` pixels along each axis, or
        twice the region, with the region near the middle; at most the image.

    Raises
    ------
    ShapeError
        If the region has more than `LARGEST_PIXELS`: little of it would be seen in the square.
    """
    if region.pixels > LARGEST_PIXELS:
        raise ShapeError(
            f"expected a region of at most {LARGEST_PIXELS:,} pixels for the box and click "
            f"assistant, got {region.height} x {region.width}. Ask smaller regions: "
            "query.region.size."
        )
    row, height = _span(region.row, region.height, image.height)
    col, width = _span(region.col, region.width, image.width)
    return Region(region.image_id, row, col, height, width)


def _span(start: int, length: int, most: int) -> tuple[int, int]:
    wanted = min(most, max(SIDE, 2 * length))
    first = (start + length // 2 - wanted // 2) // _STEP * _STEP
    return min(max(first, 0), most - wanted), wanted


@dataclass(frozen=True, slots=True)
class SquareFrame:
    """Place of a picture of `height` x `width` pixels in the square."""

    height: int
    width: int

    @property
    def filled(self) -> tuple[int, int]:
        """Rows and columns of the square that the picture fills."""
        scale = SIDE / max(self.height, self.width)
        return int(self.height * scale + 0.5), int(self.width * scale + 0.5)

    def coordinates(self, places: npt.NDArray[np.float64]) -> Floats:
        """Return places as decoders take them.

        Parameters
        ----------
        places : (N, 2) float array
            (row, col) in the picture; the centre of pixel (r, c) is (r + 0.5, c + 0.5).

        Returns
        -------
        (N, 2) float32 array
            (x, y) in the square; the centre of its pixel (r, c) is (c, r).
        """
        rows, cols = self.filled
        scaled = places * np.array([rows / self.height, cols / self.width])
        return np.asarray(scaled[:, ::-1] - 0.5, np.float32)

    def picture(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Scale the picture to the part of the square that it fills; (rows, cols, 3), 0 to 255."""
        rows, cols = self.filled
        scaled = Image.fromarray(pixels).resize((cols, rows), Image.Resampling.BILINEAR)
        return np.asarray(scaled, np.float32)

    def square(self, pixels: npt.NDArray[np.uint8]) -> Floats:
        """Return the whole square, normalised and padded; (1, 3, SIDE, SIDE)."""
        rows, cols = self.filled
        square = np.zeros((1, 3, SIDE, SIDE), np.float32)
        normal = (self.picture(pixels) - _MEAN) / _SPREAD
        square[0, :, :rows, :cols] = normal.transpose(2, 0, 1)
        return square

    def values_at(self, square: Floats, part: Region) -> Floats:
        """Values of a coarse map of the square at the pixels of a part of the picture.

        Parameters
        ----------
        square : (h, w) float array
            Covers the whole square, such as the logits of a mask.
        part : Region
            In pixels of the picture.

        Returns
        -------
        (height, width) float32 array
            Interpolated linearly at the centres of the part's pixels.
        """
        rows, cols = self.filled
        height, width = square.shape
        above, below, down = _between(part.row, part.height, rows / self.height / SIDE, height)
        left, right, across = _between(part.col, part.width, cols / self.width / SIDE, width)
        lines = square[above] * (1 - down)[:, None] + square[below] * down[:, None]
        return np.asarray(lines[:, left] * (1 - across) + lines[:, right] * across, np.float32)


def _between(
    first: int, count: int, scale: float, size: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
    """Between which two of `size` values the centre of each pixel lies, and how near the second."""
    places = (np.arange(first, first + count) + 0.5) * scale * size - 0.5
    places = np.clip(places, 0, size - 1)
    before = places.astype(np.intp)
    return before, np.minimum(before + 1, size - 1), np.asarray(places - before, np.float32)
