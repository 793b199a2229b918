"""Calibration in parts of the images: by distance to a predicted boundary, by predicted class.

Strata are made of what is known when predicting. A stratum made of the truth (near a *true*
boundary, truly foreground) would show a perfectly calibrated model as miscalibrated: knowing the
truth tells more than any forecast could.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Integer
from scipy import ndimage

from askmask.records import UNLABELLED, ClassMap, Labels, MetricRow

DISTANCES: Final = (2, 4, 8, 16)
"""Upper ends, inclusive, of the strata of distance in pixels; one more holds all that is farther.
The rows ``distance_...`` are numbered in this order. Distance is the larger of that along rows and
that along columns (chessboard), which takes a twentieth of the time of the Euclidean one."""

_COLUMNS = 3  # pixels, sum of confidences, correct pixels


class Strata:
    """Accumulator of accuracy, confidence, calibration error and NLL of strata.

    Parameters
    ----------
    n_classes : int
        C.
    n_bins : int
        Bins of equal width of the calibration errors.
    """

    def __init__(self, n_classes: int, n_bins: int) -> None:
        self._n_bins = n_bins
        self._n_distances = len(DISTANCES) + 1
        n_strata = self._n_distances + n_classes
        self._bins: npt.NDArray[np.float64] = np.zeros((n_strata, _COLUMNS, n_bins))
        self._log_loss: npt.NDArray[np.float64] = np.zeros(n_strata)

    def update(
        self,
        mean_probs: Float[np.ndarray, "C H W"],
        predicted: Integer[np.ndarray, "H W"],
        labels: Labels,
    ) -> None:
        """Count one image; `predicted` is the most probable class. Nothing is modified."""
        near = distance_strata(predicted).ravel()
        true, top = labels.ravel().astype(np.intp), predicted.ravel()
        probs = mean_probs.reshape(len(mean_probs), -1)
        is_labelled = true != UNLABELLED
        if not is_labelled.all():
            near, true, top = near[is_labelled], true[is_labelled], top[is_labelled]
            probs = probs[:, is_labelled]
        places = np.arange(true.size)
        confidence = probs.max(axis=0).astype(np.float64)
        with np.errstate(divide="ignore"):  # a true class of probability 0 costs infinity
            cost = -np.log(probs[true, places].astype(np.float64))
        bins = np.clip((confidence * self._n_bins).astype(np.intp), 0, self._n_bins - 1)
        for stratum in (near, self._n_distances + top):
            self._count(stratum, bins, [None, confidence, top == true], cost)

    def _count(
        self,
        stratum: npt.NDArray[np.intp],
        bins: npt.NDArray[np.intp],
        columns: list[npt.NDArray[np.float64] | npt.NDArray[np.bool_] | None],
        cost: npt.NDArray[np.float64],
    ) -> None:
        n_strata, _, n_bins = self._bins.shape
        cell = stratum * n_bins + bins
        for index, values in enumerate(columns):
            sums = np.bincount(cell, weights=values, minlength=n_strata * n_bins)
            self._bins[:, index] += sums.reshape(n_strata, n_bins)
        self._log_loss += np.bincount(stratum, weights=cost, minlength=n_strata)

    def merge(self, other: "Strata") -> None:
        """Add the images of another accumulator of the same classes and bins."""
        self._bins = self._bins + other._bins  # noqa: SLF001 - the same class
        self._log_loss = self._log_loss + other._log_loss  # noqa: SLF001

    def rows(self, split: str, group: str, classes: ClassMap) -> list[MetricRow]:
        """Rows of every stratum; counts are its pixels, values NaN where it has none.

        Returns
        -------
        list of MetricRow
            ``distance_accuracy``, ``distance_confidence``, ``distance_ece`` and ``distance_nll``
            with `DISTANCES`' place as bin; ``predicted_...`` the same per predicted class.
        """
        rows = []
        for index, (bins, log_loss) in enumerate(zip(self._bins, self._log_loss, strict=True)):
            pixels, confidence, correct = bins
            count = pixels.sum()
            gaps = np.abs(confidence - correct).sum()
            sums = {
                "accuracy": correct.sum(),
                "confidence": confidence.sum(),
                "ece": gaps,
                "nll": log_loss,
            }
            is_distance = index < self._n_distances
            name = "all" if is_distance else classes.names[index - self._n_distances]
            kind, place = ("distance", index) if is_distance else ("predicted", None)
            for metric, total in sums.items():
                value = float(total / count) if count else float("nan")
                rows.append(
                    MetricRow(split, group, name, f"{kind}_{metric}", value, int(count), place)
                )
        return rows


def distance_strata(classes: Integer[np.ndarray, "H W"]) -> npt.NDArray[np.intp]:
    """Stratum of each pixel by its distance to the nearest pixel of another class.

    Parameters
    ----------
    classes : (H, W) int array
        Predicted classes, below 256.

    Returns
    -------
    (H, W) int array
        Place in `DISTANCES` of the smallest distance that holds another class; their number where
        none does.
    """
    small = classes.astype(np.uint8)
    stratum = np.zeros(classes.shape, np.intp)
    for distance in DISTANCES:
        side = 2 * distance + 1
        stratum += ndimage.maximum_filter(small, side) == ndimage.minimum_filter(small, side)
    return stratum
