"""Pooled encoder features: one vector per region, from the deterministic part of a model."""

import math
from typing import Final

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int
from torch import Tensor

from askmask.models.contract import Model
from askmask.sampling.predictors import Image

_AXES: Final = 4  # (B, D, h, w)


def region_features(
    model: Model, image: Image, boxes: Int[np.ndarray, "n 4"]
) -> Float32[np.ndarray, "n D"]:
    """Mean of the coarsest map of the model's prefix over each box.

    Parameters
    ----------
    model : Model
        In eval mode.
    image : (H, W, 3) uint8 array
        RGB. Not modified.
    boxes : (n, 4) int array
        Row, column, height and width, inside the image.

    Returns
    -------
    (n, D) float32 array
        D is the map's number of channels. A cell of the map counts by the part of it that the box
        covers. The map is taken to have the smallest stride 2**k that lets it cover the image.
    """
    pixels = torch.from_numpy(np.array(image)).to(next(model.parameters()).device)
    with torch.no_grad():
        prefix = model.prefix(pixels.permute(2, 0, 1)[None].float().div_(255))
    return pooled(prefix, (image.shape[0], image.shape[1]), boxes)


def pooled(
    maps: tuple[Tensor, ...], size: tuple[int, int], boxes: Int[np.ndarray, "n 4"]
) -> Float32[np.ndarray, "n D"]:
    """Mean of the coarsest of an image's maps over each box; see `region_features`.

    `maps` are (1, D, h, w) each, `size` the image's rows and columns.
    """
    features = coarsest(maps)[0]  # (D, h, w)
    height, width = size
    rows = cell_shares(boxes[:, 0], boxes[:, 2], features.shape[1], height)
    cols = cell_shares(boxes[:, 1], boxes[:, 3], features.shape[2], width)
    values = features.float().cpu().double().numpy()
    means = np.einsum("nh,dhw,nw->nd", rows, values, cols, optimize=True)
    vectors: Float32[np.ndarray, "n D"] = means.astype(np.float32)
    return vectors


def coarsest(features: tuple[Tensor, ...]) -> Tensor:
    """Return the map with the fewest pixels, the first of equal ones; empty tensors are none."""
    maps = [f for f in features if f.ndim == _AXES and f.numel() > 0]
    return min(maps, key=lambda f: f.shape[2] * f.shape[3])


def cell_shares(
    starts: Int[np.ndarray, " n"], lengths: Int[np.ndarray, " n"], n_cells: int, length: int
) -> Float64[np.ndarray, "n cells"]:
    """Share of each interval that lies in each cell of an axis; rows sum to 1.

    Examples
    --------
    Cells of 4 pixels; an interval of 4 that begins in the middle of one.

    >>> cell_shares(np.array([2]), np.array([4]), 3, 12)
    array([[0.5, 0.5, 0. ]])
    """
    stride = 2 ** math.ceil(math.log2(max(length / n_cells, 1)))
    edges = np.arange(n_cells + 1) * stride
    low = np.maximum(starts[:, None], edges[:-1])
    high = np.minimum((starts + lengths)[:, None], edges[1:])
    covered = np.maximum(high - low, 0)  # (n, cells)
    shares: Float64[np.ndarray, "n cells"] = covered / covered.sum(1, keepdims=True)
    return shares
