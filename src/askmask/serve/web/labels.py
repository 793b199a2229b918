"""Labels as run lengths: how a region travels between the page and the server."""

from collections.abc import Sequence

import numpy as np

from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels

UNLABELLED_VALUE = 255
"""How `UNLABELLED` is written in a run."""


def labels_to_runs(labels: Labels) -> list[int]:
    """Code an (H, W) class raster as ``[value, count, value, count, ...]``, row by row."""
    flat = labels.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    values = flat[ends - 1].astype(np.int64)
    values[values == UNLABELLED] = UNLABELLED_VALUE
    counts = np.diff(ends, prepend=0)
    return [int(number) for number in np.stack([values, counts], 1).ravel()]


def runs_to_labels(runs: Sequence[int], height: int, width: int, n_classes: int) -> Labels:
    """Class raster of a run-length code; the inverse of `labels_to_runs`.

    Parameters
    ----------
    runs : sequence of int
        Values in [0, n_classes) or 255, each with a count >= 1; the counts add up to
        `height` * `width`.
    height, width : int
        Size of the region.
    n_classes : int
        Number of classes C.

    Returns
    -------
    (height, width) int16

    Raises
    ------
    ShapeError
        If the code is no code of such a region.
    """
    if len(runs) % 2 or not runs or len(runs) > 2 * height * width:
        raise ShapeError(
            f"expected runs as pairs of value and count, at most {height * width} of them, got "
            f"{len(runs)} numbers. Send [value, count, value, count, ...]."
        )
    if min(runs) < 0 or max(runs) > height * width + UNLABELLED_VALUE:  # before numpy may overflow
        raise ShapeError(
            f"expected numbers from 0 to {height * width + UNLABELLED_VALUE} in runs, got "
            f"{min(runs)} to {max(runs)}."
        )
    values, counts = np.array(runs, np.int64).reshape(-1, 2).T
    strange = sorted({int(v) for v in np.unique(values)} - {UNLABELLED_VALUE, *range(n_classes)})
    if strange:
        raise ShapeError(
            f"expected values 0 to {n_classes - 1} or {UNLABELLED_VALUE} (unlabelled) in runs, "
            f"got {strange[:5]!r}."
        )
    if counts.min() < 1 or counts.sum() != height * width:
        raise ShapeError(
            f"expected counts >= 1 that add up to {height} x {width} = {height * width} pixels, "
            f"got a sum of {int(counts.sum())} and a smallest count of {int(counts.min())}."
        )
    values[values == UNLABELLED_VALUE] = UNLABELLED
    return np.repeat(values.astype(np.int16), counts).reshape(height, width)
