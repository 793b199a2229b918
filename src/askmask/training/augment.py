"""Random crops in which image, labels, contour target and weight stay together.

One warp (rotation, scale and flips) gives the position in the image that every crop pixel comes
from. Only those positions are read, never the whole
image: the colours bilinearly, every other raster from the nearest pixel.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Int64, UInt8

from askmask.config import AugmentConfig, TrainingConfig
from askmask.errors import ShapeError, SourceError
from askmask.records import UNLABELLED, Labels

TRIES: Final = 10
"""Crops drawn before one is centred on a labelled pixel."""

_PROBE_STRIDE: Final = 4  # every 4th row and column is enough to tell a crop's labelled share

Floats = npt.NDArray[np.float32]
_T = TypeVar("_T", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingImage:
    """An image with what is known of its pixels; readers never modify it.

    Attributes
    ----------
    image : (H, W, 3) uint8
        RGB.
    labels : (H, W) int16
        Class indices, `UNLABELLED` where nobody labelled.
    boundary : (H, W) int16 or None
        1 on a contour, 0 off it, `UNLABELLED` where unknown; None without a contour decoder.
    weight : (H, W) float32
        Weight in the loss, >= 0. The pixels of the largest weight are the answers that a crop
        must show.
    """

    image: npt.NDArray[np.uint8]
    labels: Labels
    boundary: npt.NDArray[np.int16] | None
    weight: Floats

    def __post_init__(self) -> None:
        """Check that the rasters have one size and the stated types."""
        rasters: dict[str, tuple[npt.NDArray[np.generic], type[np.generic]]] = {
            "labels": (self.labels, np.int16),
            "weight": (self.weight, np.float32),
        }
        if self.boundary is not None:
            rasters["boundary"] = (self.boundary, np.int16)
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ShapeError(
                f"expected a training image as (H, W, 3) uint8, "
                f"got {self.image.shape} {self.image.dtype}."
            )
        for name, (raster, dtype) in rasters.items():
            if raster.shape != self.image.shape[:2] or raster.dtype != dtype or raster.size == 0:
                raise ShapeError(
                    f"expected {name} as {self.image.shape[:2]} {np.dtype(dtype).name}, not empty, "
                    f"for an image of {self.image.shape}, got {raster.shape} {raster.dtype}."
                )

    def answered(self) -> npt.NDArray[np.bool_]:
        """(H, W) bool: labelled pixels of the image's largest weight."""
        weight = np.where(self.labels == UNLABELLED, 0, self.weight)
        mask: npt.NDArray[np.bool_] = (weight > 0) & (weight == weight.max())
        return mask


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One training crop of `crop` x `crop` pixels.

    Attributes
    ----------
    image : (3, H, W) float32
        RGB in [0, 1].
    labels, boundary : (H, W) int64
        As in `TrainingImage`; `UNLABELLED` where the crop leaves the image.
    weight : (H, W) float32
        0 where unlabelled or outside the image.
    """

    image: Float32[np.ndarray, "3 H W"]
    labels: Int64[np.ndarray, "H W"]
    boundary: Int64[np.ndarray, "H W"] | None
    weight: Float32[np.ndarray, "H W"]


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """Origin of each crop pixel (i, j): `rows[i, j]`, `cols[i, j]`, in image pixels."""

    rows: Floats
    cols: Floats

    def probe(self) -> "Warp":
        """Every 4th row and column."""
        some = slice(_PROBE_STRIDE // 2, None, _PROBE_STRIDE)
        return Warp(self.rows[some, some], self.cols[some, some])

    def moved(self, row: float, col: float) -> "Warp":
        """Return the warp whose middle pixel comes from (`row`, `col`)."""
        middle = (self.rows.shape[0] // 2, self.rows.shape[1] // 2)
        return Warp(
            self.rows + np.float32(row - float(self.rows[middle])),
            self.cols + np.float32(col - float(self.cols[middle])),
        )


def draw_crop(item: TrainingImage, config: TrainingConfig, generator: np.random.Generator) -> Crop:
    """Draw one crop.

    Warps are drawn until the crop's share of answered pixels, judged on every 4th row and column,
    is above 0 and at least `min_labelled_fraction`; after `TRIES` the last one is moved so that an
    answered pixel, drawn uniformly, comes to its middle. So every crop holds one. An image smaller
    than the crop lies wholly inside the unrotated crop; outside it, colours are mirrored and
    nothing is labelled.

    Parameters
    ----------
    item : TrainingImage
        Not modified.
    config : TrainingConfig
        `crop`, `min_labelled_fraction` and `augment` are read.
    generator : numpy.random.Generator
        The only source of randomness.

    Raises
    ------
    SourceError
        If no pixel of the image is labelled.
    """
    answered = item.answered()
    if not answered.any():
        raise SourceError(
            f"expected a labelled pixel with a weight above 0 in a training image of "
            f"{item.labels.shape} pixels, got none. Leave the image out of the training set."
        )
    for _ in range(TRIES):
        warp = draw_warp(item.labels.shape, config, generator)
        found = _nearest(answered, warp.probe(), outside=0).mean()
        if found > 0 and found >= config.min_labelled_fraction:
            break
    else:
        place = generator.integers(np.count_nonzero(answered))
        row, col = np.unravel_index(np.flatnonzero(answered)[place], answered.shape)
        warp = warp.moved(float(row), float(col))
    image = jitter_colour(warp_image(item.image, warp), config.augment, generator)
    return _read(item, warp, image)


def draw_warp(
    size: tuple[int, ...], config: TrainingConfig, generator: np.random.Generator
) -> Warp:
    """Draw the geometry of a crop: its place first, uniform, then rotation, scale and flips.

    Parameters
    ----------
    size : (int, int)
        Rows and columns of the image.
    config : TrainingConfig
        `crop` and `augment` are read.
    generator : numpy.random.Generator
        The source of randomness.
    """
    augment = config.augment
    origin = [
        generator.integers(min(0, n - config.crop), max(0, n - config.crop) + 1) for n in size
    ]
    angle = np.deg2rad(generator.uniform(-augment.rotate_degrees, augment.rotate_degrees))
    scale = 1.0 / (1.0 + generator.uniform(-augment.scale, augment.scale))
    flips = generator.choice([-1.0, 1.0], size=2) if augment.flip else np.ones(2)
    middle = (config.crop - 1) / 2
    offset = np.arange(config.crop, dtype=np.float64) - middle
    down, right = (offset * scale * flips[0])[:, None], (offset * scale * flips[1])[None, :]
    rows = origin[0] + middle + np.cos(angle) * down - np.sin(angle) * right
    cols = origin[1] + middle + np.sin(angle) * down + np.cos(angle) * right
    return Warp(rows.astype(np.float32), cols.astype(np.float32))


def warp_image(image: UInt8[np.ndarray, "H W 3"], warp: Warp) -> Float32[np.ndarray, "3 rows cols"]:
    """Colours of a crop in [0, 1], bilinear; beyond the border the image is mirrored."""
    rows = _mirror(warp.rows, image.shape[0])
    cols = _mirror(warp.cols, image.shape[1])
    top, left = int(rows.min()), int(cols.min())
    bottom, right = int(np.ceil(rows.max())) + 1, int(np.ceil(cols.max())) + 1
    part = image[top:bottom, left:right].transpose(2, 0, 1).astype(np.float32, order="C")
    part *= np.float32(1 / 255)
    # grid_sample takes (x, y) in [-1, 1] from the first to the last pixel
    grid = np.empty((*rows.shape, 2), np.float32)
    grid[..., 0] = (cols - left) * (2 / max(1, right - left - 1)) - 1
    grid[..., 1] = (rows - top) * (2 / max(1, bottom - top - 1)) - 1
    sampled = torch.nn.functional.grid_sample(
        torch.from_numpy(part)[None],
        torch.from_numpy(grid)[None],
        padding_mode="border",  # only rounding leaves the part
        align_corners=True,
    )
    colours: Floats = sampled[0].numpy()
    return colours


def jitter_colour(
    image: Float32[np.ndarray, "3 H W"], config: AugmentConfig, generator: np.random.Generator
) -> Float32[np.ndarray, "3 H W"]:
    """Change saturation, contrast and brightness at random, in this order.

    Saturation moves each pixel from its grey value, contrast from the crop's mean, brightness
    adds; the result is cut at 0 and 1, as a sensor does. Draws three numbers in any case.
    """
    saturation = np.float32(1 + generator.uniform(-config.saturation, config.saturation))
    contrast = np.float32(1 + generator.uniform(-config.contrast, config.contrast))
    brightness = np.float32(generator.uniform(-config.brightness, config.brightness))
    if saturation != 1:
        grey = image.mean(axis=0, keepdims=True)
        image = grey + (image - grey) * saturation
    mean = image.mean()
    jittered: Floats = image * contrast + (mean * (1 - contrast) + brightness)
    return np.clip(jittered, 0, 1, out=jittered)


def _read(item: TrainingImage, warp: Warp, image: Floats) -> Crop:
    labels = _nearest(item.labels, warp, outside=UNLABELLED).astype(np.int64)
    weight = _nearest(item.weight, warp, outside=0)
    boundary = item.boundary
    if boundary is not None:
        boundary = _nearest(boundary, warp, outside=UNLABELLED).astype(np.int64)
    return Crop(image, labels, boundary, np.where(labels == UNLABELLED, np.float32(0), weight))


def _nearest(raster: npt.NDArray[_T], warp: Warp, *, outside: int) -> npt.NDArray[_T]:
    """Values of the nearest pixels, `outside` where the warp leaves the raster."""
    height, width = raster.shape
    rows = np.rint(warp.rows).astype(np.intp)
    cols = np.rint(warp.cols).astype(np.intp)
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    place = np.where(inside, rows * width + cols, 0)
    values = raster.ravel().take(place)
    values[~inside] = outside
    return values


def _mirror(position: Floats, length: int) -> Floats:
    """Fold positions into [0, length - 1] at the middles of the border pixels."""
    last = length - 1
    if last == 0:
        return np.zeros_like(position)
    if position.min() >= 0 and position.max() <= last:
        return position
    folded = np.mod(position, np.float32(2 * last))
    mirrored: Floats = np.minimum(folded, np.float32(2 * last) - folded)
    return mirrored
