"""Where there is tissue on a slide: found on a small copy of it, by colour and brightness.

A person corrects it by strokes of a round brush.

Glass is bright and grey. Otsu's threshold is taken of the saturations and of the brightnesses,
held within bounds, because a slide that is tissue from edge to edge has no glass for it to find.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw

from askmask.data.slides.blocks import BlockCache
from askmask.data.slides.resampled import Resampled
from askmask.data.slides.tiled_image import Box, TiledImage

TISSUE_MPP: Final = 16.0
"""Micrometres per pixel of the copy that is looked at: a glandular crypt is several pixels wide."""

SATURATION_BOUNDS: Final = (12, 40)
"""Of 255: glass and its shadows lie below the first, stained tissue above the second."""
BRIGHTNESS_BOUNDS: Final = (170, 225)
"""Of 255: what is darker than the first is no glass, what is brighter than the second is."""
DARKEST: Final = 40
"""Darker grey is the edge of the glass, or what the scanner left out."""
SMALLEST_SPECK: Final = 0.02
LARGEST_HOLE: Final = 0.05
"""Square millimetres: smaller pieces are dust, smaller gaps lie within a tissue."""

_BAND: Final = 512

TissueMask = npt.NDArray[np.bool_]


def find_tissue(image: TiledImage, mpp: float) -> TissueMask:
    """Find tissue on a slide, `TISSUE_MPP` micrometres per pixel.

    Parameters
    ----------
    image : TiledImage
        Read once, at its coarsest level that is fine enough, in bands.
    mpp : float
        Micrometres per pixel of its first level.

    Returns
    -------
    (h, w) bool array
        Pixel (r, c) stands for the square whose side is ``TISSUE_MPP / mpp`` pixels of the first
        level, at (r, c) times that side. What is left of a pixel at the lower and right edge is
        left out.
    """
    small = Resampled(image, TISSUE_MPP / mpp, cache=BlockCache(0))
    saturation = np.empty(small.size, np.uint8)
    brightness = np.empty(small.size, np.uint8)
    for row in range(0, small.size[0], _BAND):
        box = Box(row, 0, min(_BAND, small.size[0] - row), small.size[1])
        pixels = small.read(0, box)
        brightness[box.slices] = pixels.max(2)
        spread = (pixels.max(2) - pixels.min(2)).astype(np.uint16) * 255
        saturation[box.slices] = spread // np.maximum(pixels.max(2), 1)
    return cleaned(stained(saturation, brightness))


def stained(
    saturation: UInt8[np.ndarray, "H W"], brightness: UInt8[np.ndarray, "H W"]
) -> Bool[np.ndarray, "H W"]:
    """Pixels that are coloured or darker than glass, and not black.

    Parameters
    ----------
    saturation, brightness : (H, W) uint8
        Of the HSV model, 0 to 255.
    """
    coloured = saturation > _bounded(otsu(saturation), SATURATION_BOUNDS)
    dark = brightness <= _bounded(otsu(brightness), BRIGHTNESS_BOUNDS)
    found: TissueMask = (coloured | dark) & (brightness >= DARKEST)
    return found


def otsu(values: UInt8[np.ndarray, "..."]) -> int:
    """Threshold that parts values into two classes as unlike as can be; the lower one includes it.

    The smallest of equally good ones. Values that are all one have themselves.

    References
    ----------
    Otsu 1979, A threshold selection method from gray-level histograms.

    Examples
    --------
    >>> otsu(np.array([10, 10, 10, 200, 210], np.uint8))
    10
    """
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * np.arange(256)).cumsum()
    apart = np.zeros(256)
    both = (below > 0) & (above > 0)
    if not both.any():
        return int(values.flat[0])
    means = sums[both] / below[both] - (sums[-1] - sums[both]) / above[both]
    apart[both] = below[both] * above[both] * means**2
    return int(apart.argmax())


def cleaned(tissue: Bool[np.ndarray, "H W"]) -> Bool[np.ndarray, "H W"]:
    """Tissue without specks and with its small holes filled; sizes as at `TISSUE_MPP`."""
    pixel = (TISSUE_MPP / 1000) ** 2  # square millimetres
    kept = _large(tissue, SMALLEST_SPECK / pixel)
    return ~_large(~kept, LARGEST_HOLE / pixel)


def tissue_at(tissue: TissueMask, box: Box, mpp: float) -> TissueMask:
    """Tissue in a box of pixels of another size.

    Parameters
    ----------
    tissue : (h, w) bool array
        As `find_tissue` returns it.
    box : Box
        In pixels of `mpp` micrometres.
    mpp : float
        Their size.

    Returns
    -------
    (box.height, box.width) bool array
        Each pixel takes the value at its centre; beyond the last pixel, that of the last.
    """
    step = mpp / TISSUE_MPP
    rows = _centres(box.row, box.height, step, tissue.shape[0])
    cols = _centres(box.col, box.width, step, tissue.shape[1])
    return tissue[np.ix_(rows, cols)]


@dataclass(frozen=True, slots=True)
class Stroke:
    """One movement of a brush over a slide.

    Attributes
    ----------
    is_tissue : bool
        Whether what is painted becomes tissue, or glass.
    points : tuple of (row, col)
        Where the brush went, in pixels of the working resolution; one is a dot.
    radius : float
        Of the brush, in the same pixels, > 0.
    """

    is_tissue: bool
    points: tuple[tuple[float, float], ...]
    radius: float


def painted(tissue: TissueMask, stroke: Stroke, mpp: float, within: Iterable[Box]) -> TissueMask:
    """Tissue after a stroke; not modified.

    Parameters
    ----------
    tissue : (h, w) bool array
        As `find_tissue` returns it.
    stroke : Stroke
        What is painted.
    mpp : float
        Micrometres per pixel of the stroke and of the boxes.
    within : iterable of Box
        Where it counts.
    """
    step = mpp / TISSUE_MPP
    picture = Image.new("L", (tissue.shape[1], tissue.shape[0]))
    pen = ImageDraw.Draw(picture)
    radius = max(stroke.radius * step, 0.5)
    places = [(col * step - 0.5, row * step - 0.5) for row, col in stroke.points]
    pen.line(places, fill=1, width=max(round(2 * radius), 1))
    pen.point([(round(x), round(y)) for x, y in places], fill=1)  # also of the finest brush
    reach = radius - 0.5  # from centre to centre: Pillow fills the pixels of both corners, too
    for x, y in places:
        pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=1)
    touched = np.asarray(picture).astype(bool) & _allowed(tissue.shape, step, within)
    made: TissueMask = (tissue | touched) if stroke.is_tissue else (tissue & ~touched)
    return made


def _bounded(threshold: int, bounds: tuple[int, int]) -> int:
    return min(max(threshold, bounds[0]), bounds[1])


def _large(pixels: TissueMask, least: float) -> TissueMask:
    """Connected pieces (4 neighbours) of at least so many pixels."""
    from scipy import ndimage  # printing help must not load it

    numbered, _ = ndimage.label(pixels)
    keep = np.bincount(numbered.ravel()) >= math.ceil(least)
    keep[0] = False
    kept: TissueMask = keep[numbered]
    return kept


def _centres(start: int, count: int, step: float, length: int) -> npt.NDArray[np.intp]:
    places = ((start + np.arange(count) + 0.5) * step).astype(np.intp)
    return np.minimum(places, length - 1)


def _allowed(shape: tuple[int, ...], step: float, within: Iterable[Box]) -> TissueMask:
    """Pixels of the mask that lie in one of the boxes."""
    allowed = np.zeros(shape, np.bool_)
    for box in within:
        rows = slice(round(box.row * step), max(round(box.bottom * step), 1))
        cols = slice(round(box.col * step), max(round(box.right * step), 1))
        allowed[rows, cols] = True
    return allowed
