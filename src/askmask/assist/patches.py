"""A region cut into small patches that follow edges, and which of them touch and look alike.

Prepared once for a region; nothing here depends on what a person has drawn.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from askmask.errors import ShapeError

LARGEST_PIXELS: Final = 4_000_000
"""Regions beyond take seconds to prepare."""
SMALLEST_SPACING: Final = 5
LIKENESS: Final = 1.5
"""Weight of colour, in units of its spread, against distance, in units of the spacing."""
ROUNDS: Final = 4
MOST_PATCHES: Final = 4000
"""What is solved for every stroke; it takes some 30 ms for so many."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Patches:
    """Patches of a region, as a graph.

    Attributes
    ----------
    ids : (H, W) int32 array
        Number of each pixel's patch, from 0 to N - 1.
    features : (N, D) float32 array
        Mean colour, blurred colour and texture of each patch; each column has about unit spread.
    pairs : (E, 2) int32 array
        Patches that touch.
    contrast : (E,) float32 array
        Difference across each common edge: 0 where none is seen, about 1 on average.
    """

    ids: npt.NDArray[np.int32]
    features: Array
    pairs: npt.NDArray[np.int32]
    contrast: Array

    @property
    def count(self) -> int:
        """Number of patches."""
        return len(self.features)


def cut_patches(pixels: npt.NDArray[np.uint8], more: Array | None = None) -> Patches:
    """Cut a region into patches.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 array
        At least 2 x 2 pixels, at most `LARGEST_PIXELS`. Not modified.
    more : (H, W, D) float32 array, optional
        Further features of each pixel, such as those of a network.

    Raises
    ------
    ShapeError
        If the region is too large, or `more` does not fit.
    """
    height, width = check_size(pixels)
    if more is not None and more.shape[:2] != (height, width):
        raise ShapeError(
            f"expected features of shape ({height}, {width}, D), got {more.shape}. Give those of "
            "this very region."
        )
    colour = _opponent(pixels)
    edges = _edges(colour)
    ids = _grown(
        smooth_colour(pixels),
        max(SMALLEST_SPACING, int((height * width / MOST_PATCHES) ** 0.5)),
    )
    maps = _maps(colour, edges)
    if more is not None:
        maps = np.concatenate([maps, more], axis=2)
    features = _spread_to_one(_means(ids, maps))
    pairs, contrast = _borders(ids, edges, features)
    return Patches(ids, features, pairs, contrast)


def check_size(pixels: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width of a region, which must be neither too small nor too large."""
    height, width = pixels.shape[:2]
    if height * width > LARGEST_PIXELS or min(height, width) < 2:
        raise ShapeError(
            f"expected a region of 2 x 2 to {LARGEST_PIXELS:,} pixels, got {(height, width)}. "
            "Ask smaller regions: query.region.size."
        )
    return height, width


def smooth_colour(pixels: npt.NDArray[np.uint8]) -> Array:
    """Lightness and two opponent colours without the finest noise; (H, W, 3), about 0 to 1."""
    return _blurred(_opponent(pixels), 0.7)


def _opponent(pixels: npt.NDArray[np.uint8]) -> Array:
    """Lightness, red against green, yellow against blue; (H, W, 3), about 0 to 1."""
    red, green, blue = np.moveaxis(pixels.astype(np.float32) / 255, 2, 0)
    return np.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue], axis=2)


def _blurred(maps: Array, sigma: float) -> Array:
    return np.asarray(ndimage.gaussian_filter(maps, (sigma, sigma, 0)), np.float32)


def _edges(colour: Array) -> Array:
    """Length of the colour's gradient; (H, W)."""
    smooth = _blurred(colour, 1.0)
    down, across = np.gradient(smooth, axis=(0, 1))
    return np.asarray(np.sqrt((down**2 + across**2).sum(2)), np.float32)


def _maps(colour: Array, edges: Array) -> Array:
    """Features of each pixel: colour at two scales, and how rough its surroundings are."""
    near, far = _blurred(colour, 1.0), _blurred(colour, 4.0)
    variance = np.maximum(_blurred(colour**2, 4.0) - far**2, 0)
    rough = _blurred(edges[:, :, None], 4.0)
    return np.concatenate([near, far, np.sqrt(variance), rough], axis=2)


def _grown(colour: Array, spacing: int) -> npt.NDArray[np.int32]:
    """Patches about `spacing` wide, by local k-means (SLIC; Achanta et al. 2012).

    Each pixel goes to the one of nine patches around it whose mean colour and middle are nearest.
    """
    height, width = colour.shape[:2]
    rows, cols = max(1, round(height / spacing)), max(1, round(width / spacing))
    home_row = np.minimum(np.arange(height) * rows // height, rows - 1)
    home_col = np.minimum(np.arange(width) * cols // width, cols - 1)
    down, across = np.mgrid[:height, :width].astype(np.float32) / spacing
    place = np.stack([down, across], axis=2)
    scale = np.maximum(colour.std(axis=(0, 1)).max(), 1e-3)
    points = np.concatenate([colour * np.float32(LIKENESS / scale), place], axis=2)
    ids = (home_row[:, None] * cols + home_col[None]).astype(np.int32)
    for _ in range(ROUNDS):
        middles = _means(ids, points, rows * cols)
        nearest = np.full(ids.shape, np.inf, np.float32)
        home_ids = ids
        for below in (-1, 0, 1):
            for right in (-1, 0, 1):
                row = np.clip(home_row + below, 0, rows - 1)
                col = np.clip(home_col + right, 0, cols - 1)
                other = (row[:, None] * cols + col[None]).astype(np.int32)
                away = ((points - middles[other]) ** 2).sum(2)
                is_nearer = away < nearest
                nearest = np.where(is_nearer, away, nearest)
                home_ids = np.where(is_nearer, other, home_ids)
        ids = home_ids
    return np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.int32)


def _means(ids: npt.NDArray[np.int32], maps: Array, count_ids: int = 0) -> Array:
    """Mean of each map over each patch; (N, D), zeros for one without pixels."""
    count = np.bincount(ids.ravel(), minlength=count_ids)
    flat = maps.reshape(-1, maps.shape[2])
    sums = [np.bincount(ids.ravel(), weights=column, minlength=count_ids) for column in flat.T]
    return np.asarray(np.stack(sums, axis=1) / np.maximum(count, 1)[:, None], np.float32)


def _spread_to_one(features: Array) -> Array:
    """Columns about their median, in units of their spread; one that does not vary is 0."""
    centred = features - np.median(features, axis=0)
    spread = features.std(axis=0)
    return np.asarray(centred / np.where(spread > 1e-6, spread, np.inf), np.float32)


def _borders(
    ids: npt.NDArray[np.int32], edges: Array, features: Array
) -> tuple[npt.NDArray[np.int32], Array]:
    """Patches that touch, and the difference between the two together with the edge there."""
    sides = (
        (ids[:, :-1], ids[:, 1:], edges[:, :-1], edges[:, 1:]),
        (ids[:-1], ids[1:], edges[:-1], edges[1:]),
    )
    first = np.concatenate([np.minimum(a, b)[a != b] for a, b, _, _ in sides])
    second = np.concatenate([np.maximum(a, b)[a != b] for a, b, _, _ in sides])
    strength = np.concatenate([np.maximum(e, f)[a != b] for a, b, e, f in sides])
    keys, at, length = np.unique(
        first.astype(np.int64) * len(features) + second, return_inverse=True, return_counts=True
    )
    pairs = np.stack([keys // len(features), keys % len(features)], axis=1).astype(np.int32)
    along = np.bincount(at.ravel(), weights=strength) / np.maximum(length, 1)
    apart = ((features[pairs[:, 0]] - features[pairs[:, 1]]) ** 2).mean(1)
    contrast = _about_one(along) + _about_one(apart)
    return pairs, np.asarray(contrast / 2, np.float32)


def _about_one(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Values in units of their mean."""
    mean = float(values.mean()) if values.size else 0.0
    return values / mean if mean > 0 else values * 0
