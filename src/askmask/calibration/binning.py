"""Histogram binning and isotonic regression of the mean probabilities, from counts of all pixels.

Every pixel is counted in fine cells of its log-odds, one pass, constant memory; both maps are
fitted to these counts. With C > 2 classes each is mapped against the rest and the results are
divided by their sum (Zadrozny & Elkan 2002). With two, the second class is mapped and the first
is its complement.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from scipy.optimize import isotonic_regression
from torch import Tensor

from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels

N_BINS = 20
"""Bins of equal mass of histogram binning."""

_PER_UNIT = 32  # cells per unit of log-odds: within a cell p changes by at most 0.8 %
_REACH = 20  # log-odds beyond +-20 (p = 2e-9) share the outermost cells
_CELLS = 2 * _REACH * _PER_UNIT

_Counts = npt.NDArray[np.float64]


class ProbabilityCells:
    """Pixels and events of each class in fine cells of log-odds, one class against the rest.

    Parameters
    ----------
    n_classes : int
        C >= 2.

    Attributes
    ----------
    counts : (C, 2, cells) float64 array
        Per class: pixels, and pixels of that class.
    """

    def __init__(self, n_classes: int) -> None:
        self.n_classes = n_classes
        self.counts: npt.NDArray[np.float64] = np.zeros((n_classes, 2, _CELLS))

    def update(self, mean_probs: Float[np.ndarray, "C H W"], labels: Labels) -> None:
        """Count an image's labelled pixels.

        Raises
        ------
        ShapeError
            If the shapes do not fit.
        """
        if mean_probs.shape != (self.n_classes, *labels.shape):
            raise ShapeError(
                f"expected probabilities of shape {(self.n_classes, *labels.shape)}, "
                f"got {mean_probs.shape}. Predict at the size of the mask."
            )
        is_labelled = labels != UNLABELLED
        true = labels[is_labelled]
        picked = torch.from_numpy(mean_probs[:, is_labelled])  # (C, n)
        for index in range(self.n_classes):
            cell = _cells(_log_odds(picked, index).numpy())
            self.counts[index, 0] += np.bincount(cell, minlength=_CELLS)
            self.counts[index, 1] += np.bincount(cell[true == index], minlength=_CELLS)

    def merge(self, other: "ProbabilityCells") -> None:
        """Add another accumulator's images."""
        self.counts = self.counts + other.counts


@dataclass(frozen=True, slots=True)
class ProbabilityMap:
    """Step functions from a class's log-odds to its recalibrated probability.

    Attributes
    ----------
    method : str
        ``"histogram"`` or ``"isotonic"``.
    edges : C tuples of floats
        Log-odds where one step ends and the next, which holds the edge, begins; ascending.
    values : C tuples of floats
        Probabilities of the steps, one more than edges, in (0, 1).

    Examples
    --------
    Below even odds the second class comes true in 1 of 10 pixels, from there on in 8 of 10.

    >>> both = ProbabilityMap("histogram", ((0.0,), (0.0,)), ((0.2, 0.9), (0.1, 0.8)))
    >>> both(torch.tensor([[0.7, 0.4], [0.3, 0.6]]))
    tensor([[0.9000, 0.2000],
            [0.1000, 0.8000]])
    """

    method: str
    edges: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.values)

    def __call__(self, mean_probs: Float[Tensor, "C *space"]) -> Float[Tensor, "C *space"]:
        """Recalibrated probabilities, which sum to 1 over C; `mean_probs` is not modified.

        Raises
        ------
        ShapeError
            If there are not C classes.
        """
        if mean_probs.shape[0] != self.n_classes:
            raise ShapeError(
                f"expected probabilities of {self.n_classes} classes, "
                f"got {tuple(mean_probs.shape)}. Fit the recalibration to this network."
            )
        if self.n_classes == 2:
            second = self._mapped(mean_probs, 1)
            return torch.stack([1 - second, second])
        mapped = torch.stack([self._mapped(mean_probs, index) for index in range(self.n_classes)])
        return mapped / mapped.sum(0)

    def _mapped(self, mean_probs: Tensor, index: int) -> Tensor:
        step = torch.bucketize(
            _log_odds(mean_probs, index), mean_probs.new_tensor(self.edges[index]), right=True
        )
        return mean_probs.new_tensor(self.values[index])[step]


def fit_histogram(cells: ProbabilityCells, n_bins: int = N_BINS) -> ProbabilityMap:
    """Share of events in each of at most `n_bins` bins of nearly equal numbers of pixels.

    Not monotone in general: the most probable class of a pixel can change.

    References
    ----------
    Zadrozny & Elkan 2001, "Obtaining calibrated probability estimates from decision trees and
    naive Bayesian classifiers"; Guo et al. 2017, arXiv:1706.04599, section 4.1.
    """

    def bins(pixels: _Counts, events: _Counts) -> npt.NDArray[np.intp]:  # noqa: ARG001
        middle = np.cumsum(pixels) - pixels / 2
        found: npt.NDArray[np.intp] = (middle * n_bins / pixels.sum()).astype(np.intp)
        return found

    return _fit("histogram", cells, bins)


def fit_isotonic(cells: ProbabilityCells) -> ProbabilityMap:
    """Best ascending step function in squared error (pool adjacent violators).

    References
    ----------
    Zadrozny & Elkan 2002, "Transforming classifier scores into accurate multiclass probability
    estimates".
    """

    def blocks(pixels: _Counts, events: _Counts) -> npt.NDArray[np.intp]:
        found = isotonic_regression(events / pixels, weights=pixels)
        return np.repeat(np.arange(len(found.blocks) - 1), np.diff(found.blocks))

    return _fit("isotonic", cells, blocks)


def _fit(
    method: str,
    cells: ProbabilityCells,
    group: Callable[[_Counts, _Counts], npt.NDArray[np.intp]],
) -> ProbabilityMap:
    """Fit each class: `group` numbers the step of each filled cell, ascending."""
    if not cells.counts[0, 0].any():
        raise ShapeError(
            "expected labelled pixels to fit a recalibration to, got none. "
            "Keep images for validation: data.validation."
        )
    steps = [_steps(pixels, events, group) for pixels, events in cells.counts]
    return ProbabilityMap(method, tuple(s[0] for s in steps), tuple(s[1] for s in steps))


def _steps(
    pixels: _Counts,
    events: _Counts,
    group: Callable[[_Counts, _Counts], npt.NDArray[np.intp]],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Edges and values of one class."""
    (filled,) = np.nonzero(pixels)
    number = np.unique(group(pixels[filled], events[filled]), return_inverse=True)[1]
    n, k = np.zeros(number[-1] + 1), np.zeros(number[-1] + 1)
    np.add.at(n, number, pixels[filled])
    np.add.at(k, number, events[filled])
    (last,) = np.nonzero(np.diff(number))  # filled cells before an edge
    edges = (filled[last] + 1 + filled[last + 1]) / 2 / _PER_UNIT - _REACH
    return tuple(edges.tolist()), tuple(_never_certain(k, n).tolist())


def _never_certain(events: _Counts, pixels: _Counts) -> _Counts:
    """Shares of events; where it is 0 or 1, a half event is added to either side.

    A probability of 0 would cost infinitely much at the first pixel that proves it wrong. The
    result ascends where the shares do.
    """
    share = events / pixels
    inner = share[(share > 0) & (share < 1)]
    low, high = (inner.min(), inner.max()) if inner.size else (0.5, 0.5)
    share = np.where(share == 0, np.minimum(0.5 / (pixels + 1), low), share)
    return np.where(share == 1, np.maximum((pixels + 0.5) / (pixels + 1), high), share)


def _log_odds(probs: Float[Tensor, "C *space"], index: int) -> Float[Tensor, "*space"]:
    """Log-odds of a class against all others; accurate on both ends, infinite at 0 and 1."""
    # 1 - p would lose what is left beside a probability near 1
    others = torch.cat([probs[:index], probs[index + 1 :]]).sum(0)
    return probs[index].log() - others.log()


def _cells(log_odds: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    if np.isnan(log_odds).any():
        raise ShapeError("expected probabilities, got NaN. The model diverged; train it again.")
    inside = np.clip(log_odds.astype(np.float64), -_REACH, _REACH)
    return np.minimum(((inside + _REACH) * _PER_UNIT).astype(np.intp), _CELLS - 1)
