"""Strokes of a person, spread over a region as far as the next edge.

Each class gets the patches that look like its strokes and are near to them.

A random walk with a prior (Grady, "Multilabel random walker image segmentation using prior
models", CVPR 2005) on patches instead of pixels: few enough unknowns to be solved at every stroke.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from askmask.assist.patches import Patches
from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels

EDGE: Final = 3.0
"""How fast a walk gives up at an edge: exp(-EDGE x contrast)."""
PRIOR: Final = 0.03
"""Weight of the prior of a patch against that of an edge without contrast."""
WIDTH: Final = 0.5
"""Mean squared distance of features, in units of their spread, at which alikeness falls to 1/e."""

_LEAST: Final = 1e-4  # of an edge, so that no patch is cut off


def spread(patches: Patches, strokes: Labels) -> Labels:
    """Labels of a whole region from a person's strokes in it.

    Parameters
    ----------
    patches : Patches
        Of the region.
    strokes : (H, W) int16 array
        Classes where a person drew, `UNLABELLED` elsewhere. Not modified.

    Returns
    -------
    (H, W) int16 array
        A class of a stroke for every pixel, the stroke's own where there is one; `UNLABELLED`
        everywhere without any stroke.

    Raises
    ------
    ShapeError
        If the strokes are not of the region's shape.
    """
    if strokes.shape != patches.ids.shape:
        raise ShapeError(
            f"expected strokes of shape {patches.ids.shape}, got {strokes.shape}. Give one class "
            "for each pixel of the region."
        )
    drawn = strokes != UNLABELLED
    classes = np.unique(strokes[drawn])
    if len(classes) < 2:
        fill = UNLABELLED if len(classes) == 0 else classes[0]
        return np.full(strokes.shape, fill, np.int16)
    votes = _votes(patches, strokes, classes)
    shares = _walk(patches, votes)
    labels = classes[shares.argmax(1)].astype(np.int16)[patches.ids]
    return np.where(drawn, strokes, labels).astype(np.int16)


def _votes(
    patches: Patches, strokes: Labels, classes: npt.NDArray[np.int16]
) -> npt.NDArray[np.float64]:
    """Pixels of each class's strokes in each patch; (N, C)."""
    inside = [patches.ids[strokes == value] for value in classes]
    counts = [np.bincount(ids, minlength=patches.count) for ids in inside]
    return np.asarray(np.stack(counts, 1), float)


def _walk(patches: Patches, votes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability that a walk from each patch ends at the strokes of each class; (N, C)."""
    is_seed = votes.any(1)
    seeds = votes / np.maximum(votes.sum(1, keepdims=True), 1)
    shares: npt.NDArray[np.float64] = seeds.copy()
    free = np.flatnonzero(~is_seed)
    if len(free) == 0:
        return np.asarray(shares, float)
    weights = _LEAST + np.exp(-EDGE * patches.contrast.astype(float))
    first, second = patches.pairs.T
    size = (patches.count, patches.count)
    one_way = sparse.coo_matrix((weights, (first, second)), shape=size)
    joined = (one_way + one_way.T).tocsr()
    prior = _prior(patches, votes)
    degree = np.asarray(joined.sum(1)).ravel() + PRIOR
    of_free = joined[free]
    matrix = sparse.diags(degree[free]) - of_free[:, free]
    known = of_free[:, np.flatnonzero(is_seed)] @ seeds[is_seed] + PRIOR * prior[free]
    shares[free] = splu(matrix.tocsc()).solve(known)
    return np.asarray(shares, float)


def _prior(patches: Patches, votes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Probability of each class by the stroke whose patch looks most alike; (N, C)."""
    nearest = []
    for of_class in votes.T:
        seeds = patches.features[of_class > 0]  # (K, D)
        nearest.append(_squared_distances(patches.features, seeds).min(1))
    distance = np.stack(nearest, 1) / patches.features.shape[1]
    alike = np.exp(-(distance - distance.min(1, keepdims=True)) / WIDTH)
    return np.asarray(alike / alike.sum(1, keepdims=True), float)


def _squared_distances(
    points: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Squared distance of each point to each other one; (N, K)."""
    products = points @ others.T
    squares = (points**2).sum(1)[:, None] + (others**2).sum(1)[None]
    return np.asarray(np.maximum(squares - 2 * products, 0), np.float32)
