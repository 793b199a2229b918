"""Pictures of what was asked: image, score map, regions and labels side by side."""

import io
from collections.abc import Sequence
from typing import Final

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels, Region

Rgb = npt.NDArray[np.uint8]

PANEL_PIXELS: Final = 320
"""Longest side of one panel; larger images are made smaller."""

_GAP: Final = 6
_COLOUR_MAP: Final = "viridis"
_ASKED: Final = (255, 214, 0)
_NO_SCORE: Final = (128, 128, 128)
_CLASS_COLOURS: Final = np.array(  # Okabe and Ito; class 0 is the background
    [
        [86, 180, 233],
        [213, 94, 0],
        [0, 158, 115],
        [240, 228, 66],
        [204, 121, 167],
        [0, 114, 178],
        [230, 159, 0],
        [70, 70, 70],
    ],
    dtype=np.uint8,
)


def gallery_png(
    image: Rgb,
    score: npt.NDArray[np.floating] | None,
    regions: Sequence[Region],
    labels: Labels | None,
) -> bytes:
    """Image, score map, asked regions and labels, side by side in one picture.

    Parameters
    ----------
    image : (H, W, 3) uint8
        The image; not modified.
    score : (H, W) float, optional
        Its score map; brighter is larger, grey is NaN. Without one the panel is left out.
    regions : sequence of Region
        What was asked in this image; outlined, the rest dimmed.
    labels : (H, W) int16, optional
        What is labelled: classes in colour over the image, unlabelled pixels dark. Without them
        the panel is left out.

    Returns
    -------
    bytes
        PNG with a transparent gap between panels; no panel is larger than `PANEL_PIXELS`.

    Raises
    ------
    ShapeError
        If score or labels are not of the image's size, or a region leaves the image.
    """
    _check(image, score, regions, labels)
    panels = [Image.fromarray(image)]
    if score is not None:
        panels.append(Image.fromarray(_coloured(score)))
    panels.append(_outlined(image, regions))
    if labels is not None:
        panels.append(Image.fromarray(_labelled(image, labels)))
    return _png(_side_by_side([_shrunk(panel) for panel in panels]))


def score_overlay(image: Rgb, score: npt.NDArray[np.floating], *, opacity: float = 0.55) -> Rgb:
    """Score map laid over its image.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Not modified.
    score : (H, W) float
        Brighter is larger, scaled from its smallest to its largest value; where it is NaN the
        image shows unchanged.
    opacity : float
        Of the score map, in [0, 1].

    Returns
    -------
    (H, W, 3) uint8
        A new array.

    Raises
    ------
    ShapeError
        If the score is not of the image's size.
    """
    _check(image, score, (), None)
    mixed = (1 - opacity) * image + opacity * _coloured(score)
    known = np.isfinite(score)[..., None]
    overlay: Rgb = np.where(known, np.rint(mixed), image).astype(np.uint8)
    return overlay


def class_colour(index: int) -> str:
    """Colour of a class in the labels' panel, as ``"#rrggbb"``; they repeat after eight."""
    red, green, blue = (int(part) for part in _CLASS_COLOURS[index % len(_CLASS_COLOURS)])
    return f"#{red:02x}{green:02x}{blue:02x}"


def _check(
    image: Rgb,
    score: npt.NDArray[np.floating] | None,
    regions: Sequence[Region],
    labels: Labels | None,
) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(f"expected an (H, W, 3) uint8 image, got {image.shape} {image.dtype}.")
    height, width = image.shape[:2]
    for what, raster in (("a score map", score), ("labels", labels)):
        if raster is not None and raster.shape != (height, width):
            raise ShapeError(f"expected {what} of shape {(height, width)}, got {raster.shape}.")
    for region in regions:
        if region.row + region.height > height or region.col + region.width > width:
            raise ShapeError(
                f"expected regions inside the image of shape {(height, width)}, got {region!r}."
            )


def _coloured(score: npt.NDArray[np.floating]) -> Rgb:
    """Score map in colours, from its smallest to its largest value."""
    known = np.isfinite(score)
    low, high = (score[known].min(), score[known].max()) if known.any() else (0.0, 0.0)
    share = np.where(known, score - low, 0.0) / (high - low if high > low else 1.0)
    coloured: Rgb = mpl.colormaps[_COLOUR_MAP](share, bytes=True)[..., :3].copy()
    coloured[~known] = _NO_SCORE
    return coloured


def _outlined(image: Rgb, regions: Sequence[Region]) -> Image.Image:
    """Image dimmed outside the regions, each with an outline that keeps its width when shrunk."""
    inside = np.zeros(image.shape[:2], dtype=bool)
    for region in regions:
        inside[region.slices] = True
    dimmed = np.where(inside[..., None], image, image // 2 + 20).astype(np.uint8)
    picture = Image.fromarray(dimmed)
    pen = ImageDraw.Draw(picture)
    stroke = max(1, round(2 * max(picture.size) / PANEL_PIXELS))
    for region in regions:
        last = (region.col + region.width - 1, region.row + region.height - 1)
        pen.rectangle(((region.col, region.row), last), outline=_ASKED, width=stroke)
    return picture


def _labelled(image: Rgb, labels: Labels) -> Rgb:
    """Classes in colour over the image; unlabelled pixels dark and grey."""
    grey = image.mean(axis=2, keepdims=True)
    colours = _CLASS_COLOURS[labels % len(_CLASS_COLOURS)]
    shown = np.where((labels == UNLABELLED)[..., None], 0.3 * grey, 0.45 * image + 0.55 * colours)
    picture: Rgb = np.rint(shown).astype(np.uint8)
    return picture


def _shrunk(panel: Image.Image) -> Image.Image:
    """Panel at no more than `PANEL_PIXELS`."""
    factor = PANEL_PIXELS / max(panel.size)
    if factor >= 1:
        return panel
    size = (max(1, round(panel.width * factor)), max(1, round(panel.height * factor)))
    return panel.resize(size, Image.Resampling.LANCZOS)


def _side_by_side(panels: Sequence[Image.Image]) -> Image.Image:
    width = sum(panel.width for panel in panels) + _GAP * (len(panels) - 1)
    strip = Image.new("RGBA", (width, panels[0].height), (0, 0, 0, 0))
    left = 0
    for panel in panels:
        strip.paste(panel, (left, 0))
        left += panel.width + _GAP
    return strip


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
