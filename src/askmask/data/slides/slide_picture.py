"""A picture of a whole slide: heat map, edge of the tissue, and asked regions."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from askmask.data.slides.heat import HEAT_STEP, Heat
from askmask.data.slides.slide_set import SlideEntry
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tiled_image import Box, Size
from askmask.data.source import Pixels
from askmask.records import QueryItem

LONGEST_SIDE: Final = 2048
"""Of an overview, in pixels."""

_MOST_OPAQUE: Final = 0.6  # of the heat, where the score is highest
_HOT: Final = (220, 30, 30)
_TISSUE: Final = (0, 90, 200)
_ASKED: Final = (0, 0, 0)
_BAND: Final = 256


def overview(
    source: SlideSource, slide: SlideEntry, items: Sequence[QueryItem], heat: Heat | None
) -> Pixels:
    """Draw a slide, at most `LONGEST_SIDE` pixels long: (h, w, 3) uint8 RGB.

    Parameters
    ----------
    source : SlideSource
        Of the slide.
    slide : SlideEntry
        Which one.
    items : sequence of QueryItem
        Regions of its fields, drawn as boxes with their places in the query from 1.
    heat : (h, w) float32 array or None
        Red where scores are high, from the lowest of this slide to the highest.
    """
    with source.view(slide) as view:
        step = overview_step(view.size)
        small = view.again(step)
        picture = np.concatenate(
            [
                small.read(0, Box(row, 0, min(_BAND, small.size[0] - row), small.size[1]))
                for row in range(0, small.size[0], _BAND)
            ]
        )
    if heat is not None:
        picture = _heated(picture, heat, step)
    picture = _outlined(picture, source, slide, step)
    return _boxed(picture, source, items, step)


def overview_step(size: Size) -> float:
    """Pixels of the working resolution along one pixel of an overview."""
    return max(max(size) / LONGEST_SIDE, 1.0)


def _heated(picture: Pixels, heat: Heat, step: float) -> Pixels:
    low, high = float(np.nanmin(heat)), float(np.nanmax(heat))
    strength = np.nan_to_num((heat - low) / max(high - low, 1e-12)) * _MOST_OPAQUE
    opaque = _enlarged(strength, picture, step)[:, :, None]
    mixed = picture * (1 - opaque) + np.array(_HOT) * opaque
    made: Pixels = np.rint(mixed).astype(np.uint8)
    return made


def _outlined(picture: Pixels, source: SlideSource, slide: SlideEntry, step: float) -> Pixels:
    """Edge of the tissue in blue; nothing where all of a slide counts."""
    if slide.tissue is None:
        return picture
    box = Box(0, 0, *picture.shape[:2])
    inside = source.tissue_in(slide, box, mpp=source.mpp * step)
    made = picture.copy()
    made[inside & ~ndimage.binary_erosion(inside)] = _TISSUE
    return made


def _boxed(picture: Pixels, source: SlideSource, items: Sequence[QueryItem], step: float) -> Pixels:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for item in items:
        frame, region = source.frame(item.region.image_id), item.region
        top = (frame.row / frame.scale + region.row) / step
        left = (frame.col / frame.scale + region.col) / step
        corners = (left, top, left + region.width / step, top + region.height / step)
        pen.rectangle(corners, outline=_ASKED, width=2)
        pen.text((corners[2] + 3, top), str(item.rank + 1), fill=_ASKED)
    return np.array(image)


def _enlarged(
    values: npt.NDArray[np.float32], picture: Pixels, step: float
) -> npt.NDArray[np.float32]:
    """Values of the squares that the pixels of a picture lie in; 0 beyond the last."""
    rows, cols = (
        ((np.arange(side) + 0.5) * step / HEAT_STEP).astype(np.intp) for side in picture.shape[:2]
    )
    padded = np.pad(values, ((0, 1), (0, 1)))
    rows, cols = np.minimum(rows, values.shape[0]), np.minimum(cols, values.shape[1])
    enlarged: npt.NDArray[np.float32] = padded[np.ix_(rows, cols)].astype(np.float32)
    return enlarged
