"""Histograms of a block of pixels: the inner loop of the calibration sums."""

import math

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Float64, Int16, Int32, Int64, Integer
from torch import Tensor

from askmask.errors import ShapeError
from askmask.records import UNLABELLED

ROUNDING = 1e-3
"""How far probabilities may lie outside [0, 1] and their sum from 1."""

BLOCK = 2**19
"""Probabilities counted at a time: enough that each operation is shared by PyTorch's threads, few
enough that memory does not grow with the image. Threads of Python over smaller blocks, which would
stay in the processor's cache, spent more time handing over the interpreter than they won."""

_OCTAVE = 6  # 2**6 cells per factor two of doubt
DOUBT_SHIFT = (
    23 - _OCTAVE
)  # of the bits of a float32: keep the exponent and the first 6 of the mantissa
FIRST_DOUBT = (127 - 25) << _OCTAVE  # doubts below 2**-25 share cell 0
DOUBT_CELLS = (127 << _OCTAVE) - FIRST_DOUBT + 1  # up to a doubt of 1


def labelled(
    probs: Float[np.ndarray, "C n"], labels: Integer[np.ndarray, " n"]
) -> tuple[Float64[Tensor, "C m"], Int64[Tensor, " m"]]:
    """Probabilities and labels of the labelled pixels."""
    known = labels != UNLABELLED
    if not known.all():  # picking costs more than everything else
        labels, probs = labels[known], np.compress(known, probs, axis=1)
    return (
        torch.from_numpy(probs.astype(np.float64, order="C")),
        torch.from_numpy(labels.astype(np.int64)),
    )


def top_label(
    probs: Float[np.ndarray, "C *space"],
) -> tuple[Int16[np.ndarray, "*space"], Float[np.ndarray, "*space"]]:
    """Class with the largest probability, the first of equal ones, and that probability.

    As argmax and max over the first axis. numpy's and PyTorch's argmax go through the few classes
    of each pixel by itself, which takes many times longer.
    """
    top = np.zeros(probs.shape[1:], np.int16)
    confidence = probs[0].copy()
    for index, values in enumerate(probs[1:], start=1):
        np.maximum(top, (values > confidence) * np.int16(index), out=top)
        np.maximum(confidence, values, out=confidence)
    return top, confidence


def check_probs_and_labels(probs: Float64[Tensor, "C n"], true: Int64[Tensor, " n"]) -> None:
    """Refuse what is no probability and labels that are no class."""
    bounds = [float(bound) for values in probs for bound in values.aminmax()]
    low, high = min(bounds), max(bounds)
    # Python's min and max may skip a NaN, a sum does not
    worst = float((sum(probs, torch.zeros(())) - 1).abs().max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING) or math.isnan(worst):
        raise ShapeError(
            f"expected probabilities in [0, 1], got values from {low!r} to {high!r}. "
            "Pass probabilities, not logits; NaN means that the model diverged."
        )
    if worst > ROUNDING:
        raise ShapeError(
            f"expected probabilities that sum to 1 over the classes, got a sum {worst!r} off."
        )
    first, last = (int(bound) for bound in true.aminmax())
    if not (first >= 0 and last < len(probs)):
        raise ShapeError(
            f"expected labels in [0, {len(probs)}), got values from {first} to {last}. "
            "Check the class map of the data set."
        )


def cell(probs: Float64[Tensor, " n"], n_cells: int) -> Int32[Tensor, " n"]:
    """Cell of each probability among cells of equal width; rounding beyond [0, 1] stays inside."""
    return (probs * n_cells).int().clamp_(0, n_cells - 1)


def doubt_cell(confidence: Float64[Tensor, " n"]) -> Int32[Tensor, " n"]:
    """Cell of 1 - confidence, on a logarithmic scale: the leading bits of the float32."""
    doubt = (1 - confidence).float().clamp_min_(0)
    return (doubt.view(torch.int32) >> DOUBT_SHIFT).sub_(FIRST_DOUBT).clamp_min_(0)


def histogram(
    cell: Int32[Tensor, " n"],
    probs: Float64[Tensor, " n"],
    came_true: Bool[Tensor, " n"],
    n_cells: int,
) -> npt.NDArray[np.float64]:
    """(3, n_cells): pixels, sum of probabilities, pixels where it came true."""
    forecasts = torch.bincount(cell, probs, minlength=n_cells)
    apart = cell + n_cells * came_true.int()  # one count tells both
    missed, met = torch.bincount(apart, minlength=2 * n_cells).view(2, n_cells)
    return torch.stack([missed + met, forecasts, met]).numpy()
