"""Proper scores and calibration errors, in one pass over the images and in constant memory."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float64, Int16, Int64
from torch import Tensor

from askmask.errors import ShapeError
from askmask.metrics.counting import (
    BLOCK,
    DOUBT_CELLS,
    DOUBT_SHIFT,
    FIRST_DOUBT,
    cell,
    check_probs_and_labels,
    doubt_cell,
    histogram,
    labelled,
    top_label,
)
from askmask.records import ClassMap, Labels, MetricRow
from askmask.runtime.kernel import Kernel, load_kernel

_PARTS = 16
"""Parts of an image that the compiled kernel counts each by itself, whatever its threads."""

_MIN_CELLS = 1000


class CalibrationSums:
    """Accumulator of NLL, Brier score and calibration errors of per-pixel probabilities.

    Holds histograms only: about 100 kB for two classes, whatever the number of pixels.

    Parameters
    ----------
    n_classes : int
        Number of classes C >= 2.
    n_bins : int
        Number of bins of the calibration errors, >= 1.

    Attributes
    ----------
    n_pixels : int
        Labelled pixels counted so far.
    log_loss, squared_error : float
        Sums over these pixels of -log p(true class) and of sum over classes of (p - y) ** 2.
    top, by_doubt : (3, cells) float64 arrays
        Histograms of the top label's confidence, with cells of equal width and with logarithmic
        ones. Rows: pixels, sum of confidences, pixels where the top label is right.
    by_class : (C, 3, cells) float64 array
        The same for each class's own probability, cells of equal width.

    Notes
    -----
    The top label is the most probable class; of equally probable ones the first.
    A bin [a, b) holds its lower edge; the last one, [a, 1], also holds 1.
    """

    def __init__(self, n_classes: int, n_bins: int) -> None:
        if n_classes < 2 or n_bins < 1:
            raise ShapeError(
                f"expected at least two classes and one bin, got {n_classes!r} and {n_bins!r}."
            )
        self.n_classes = n_classes
        self.n_bins = n_bins
        # a multiple of the bins, so that cells nest in bins
        n_cells = n_bins * -(-_MIN_CELLS // n_bins)
        self.n_pixels = 0
        self.log_loss = 0.0
        self.squared_error = 0.0
        self.top: npt.NDArray[np.float64] = np.zeros((3, n_cells))
        self.by_doubt: npt.NDArray[np.float64] = np.zeros((3, DOUBT_CELLS))
        self.by_class: npt.NDArray[np.float64] = np.zeros((n_classes, 3, n_cells))

    def update(self, probs: Float[np.ndarray, "C H W"], labels: Labels) -> None:
        """Count one image.

        Parameters
        ----------
        probs : (C, H, W) float array
            Class probabilities; sum to 1 over C. Not modified.
        labels : (H, W) int16 array
            True classes in [0, C), or `UNLABELLED`, which never counts.

        Raises
        ------
        ShapeError
            If shapes differ, a label is outside [0, C), or a labelled pixel's values are no
            probabilities: NaN, or further than 0.001 outside [0, 1] or from a sum of 1. Nothing
            was counted then.
        """
        if probs.shape != (self.n_classes, *labels.shape):
            raise ShapeError(
                f"expected probs of shape {(self.n_classes, *labels.shape)} for labels of shape "
                f"{labels.shape}, got {probs.shape}. Predict at the size of the mask."
            )
        # What the kernel refuses is refused below, with words.
        if not self._counted_by(load_kernel(), probs, labels):
            # Summed apart: an error in a later block must leave nothing behind.
            self.merge(self._counted(probs.reshape(len(probs), -1), labels.ravel()))

    def _counted(
        self, probs: Float[np.ndarray, "C n"], labels: Int16[np.ndarray, " n"]
    ) -> "CalibrationSums":
        """Sums of one image, block by block."""
        sums = CalibrationSums(self.n_classes, self.n_bins)
        step = max(BLOCK // self.n_classes, 1)
        for start in range(0, labels.size, step):
            block = slice(start, start + step)
            picked, true = labelled(probs[:, block], labels[block])
            if true.numel():
                check_probs_and_labels(picked, true)
                sums._count(picked, true)
        return sums

    def _counted_by(
        self, kernel: Kernel | None, probs: Float[np.ndarray, "C H W"], labels: Labels
    ) -> bool:
        """Count one image with the kernel; False, and nothing counted, if it is not for it."""
        if kernel is None or probs.dtype not in (np.float32, np.float64):
            return False
        n_classes, _, n_cells = self.by_class.shape
        ends = np.cumsum([3 * n_classes * n_cells, 3 * n_cells, 3 * DOUBT_CELLS, 3])
        sums = np.zeros(ends[-1])
        cells = (n_cells, DOUBT_CELLS, DOUBT_SHIFT, FIRST_DOUBT, _PARTS)
        if not kernel.count_pixels(
            np.ascontiguousarray(probs), np.ascontiguousarray(labels), cells, sums
        ):
            return False
        by_class, top, by_doubt, scores = np.split(sums, ends[:-1])
        self.by_class += by_class.reshape(n_classes, n_cells, 3).transpose(0, 2, 1)
        self.top += top.reshape(n_cells, 3).T
        self.by_doubt += by_doubt.reshape(DOUBT_CELLS, 3).T
        self.log_loss += float(scores[0])
        self.squared_error += float(scores[1])
        self.n_pixels += int(scores[2])
        return True

    def _count(self, probs: Float64[Tensor, "C n"], true: Int64[Tensor, " n"]) -> None:
        n_cells = self.top.shape[1]
        for index, values in enumerate(probs):
            self.by_class[index] += histogram(cell(values, n_cells), values, true == index, n_cells)
        top, confidence = (torch.from_numpy(found) for found in top_label(probs.numpy()))
        correct = top == true
        self.top += histogram(cell(confidence, n_cells), confidence, correct, n_cells)
        self.by_doubt += histogram(doubt_cell(confidence), confidence, correct, DOUBT_CELLS)
        of_true = probs.gather(0, true.unsqueeze(0))
        # Added up by numpy: PyTorch's order, and so the last digit, hangs on the number of threads.
        self.log_loss -= float(of_true.log().numpy().sum())  # probability 0: infinity
        squares = sum(float(values.square().numpy().sum()) for values in probs)
        self.squared_error += squares - 2 * float(of_true.sum()) + true.numel()
        self.n_pixels += true.numel()

    def merge(self, other: "CalibrationSums") -> None:
        """Add another accumulator, as if its images had been counted here.

        Raises
        ------
        ShapeError
            If it has another number of classes or bins.
        """
        if (other.n_classes, other.n_bins) != (self.n_classes, self.n_bins):
            raise ShapeError(
                f"expected sums of {self.n_classes} classes in {self.n_bins} bins, "
                f"got {other.n_classes} in {other.n_bins}."
            )
        self.n_pixels += other.n_pixels
        self.log_loss += other.log_loss
        self.squared_error += other.squared_error
        self.top += other.top
        self.by_doubt += other.by_doubt
        self.by_class += other.by_class

    def nll(self) -> float:
        """Mean of -log p(true class), in nats per pixel, >= 0 up to rounding.

        Infinite as soon as one pixel's true class had probability 0: nothing is clipped.
        """
        return self.log_loss / self.n_pixels if self.n_pixels else float("nan")

    def brier(self) -> float:
        """Brier score: mean over pixels of sum over classes of (p - y) ** 2, in [0, 2]."""
        return self.squared_error / self.n_pixels if self.n_pixels else float("nan")

    def decomposition(self) -> "BrierParts":
        """Reliability, resolution and uncertainty of the Brier score.

        Each class is decomposed by itself, class against rest, and the parts are summed over the
        classes, as the Brier score is. Forecasts are grouped in cells of equal width w <= 1/1000.

        Returns
        -------
        BrierParts
            Brier score = reliability - resolution + uncertainty + remainder with
            abs(remainder) <= C (w / 2 + w ** 2 / 4), 0 if all forecasts in a cell are equal.

        References
        ----------
        Murphy 1973, "A new vector partition of the probability score"; remainder (variance
        within a cell, less twice the covariance): Stephenson et al. 2008, "Two extra components
        in the Brier score decomposition".
        """
        if not self.n_pixels:
            return BrierParts(float("nan"), float("nan"), float("nan"))
        pixels, forecasts, events = np.moveaxis(self.by_class, 1, 0)
        base = events.sum(axis=1, keepdims=True) / self.n_pixels  # (C, 1)
        # pixels (mean forecast - event rate) ** 2 = gap ** 2 / pixels, and so for the resolution
        filled = np.maximum(pixels, 1)
        reliability = ((forecasts - events) ** 2 / filled).sum() / self.n_pixels
        resolution = ((events - pixels * base) ** 2 / filled).sum() / self.n_pixels
        uncertainty = (base * (1 - base)).sum()
        return BrierParts(float(reliability), float(resolution), float(uncertainty))

    def ece(self) -> float:
        """Expected calibration error of the top label, bins of equal width, in [0, 1].

        Sum over bins of (share of pixels) x abs(mean confidence - accuracy).

        References
        ----------
        Guo et al. 2017, arXiv:1706.04599, eq. 3.
        """
        return _calibration_error(_grouped(self.top, self.n_bins))

    def ece_adaptive(self) -> float:
        """Calibration error of the top label, bins of equal numbers of pixels, in [0, 1].

        The bins are cut from a histogram in 1 - confidence with 64 cells per factor two down to
        2**-25; a cell that lies on a cut is shared in proportion. The value differs from that of
        sorted confidences by at most twice the share of pixels in cells on a cut. Of pixels with
        equal confidence the order is arbitrary when sorted; here there is none.

        References
        ----------
        Nguyen and O'Connor 2015, arXiv:1508.05154; Nixon et al. 2019, arXiv:1904.01685.
        """
        return _calibration_error(_equal_mass(self.by_doubt, self.n_bins))

    def ece_of_classes(self) -> Float64[np.ndarray, " C"]:
        """Calibration error of each class's own probability, bins of equal width, in [0, 1].

        Their mean is the class-wise calibration error of Kull et al. 2019, arXiv:1910.12656,
        eq. 3 (static calibration error of Nixon et al. 2019).
        """
        errors = [_calibration_error(_grouped(cells, self.n_bins)) for cells in self.by_class]
        return np.array(errors, np.float64)

    def reliability(self) -> "ReliabilityBins":
        """Confidence and accuracy of the top label in each bin of equal width."""
        pixels, confidence, correct = _grouped(self.top, self.n_bins)
        with np.errstate(invalid="ignore"):  # an empty bin has no mean: NaN
            return ReliabilityBins(pixels.astype(np.int64), confidence / pixels, correct / pixels)

    def rows(self, split: str, group: str, classes: ClassMap) -> list[MetricRow]:
        """Every score of the sums; NaN with count 0 where nothing was counted.

        Parameters
        ----------
        split, group : str
            Written into the rows.
        classes : ClassMap
            Names of the C classes.

        Returns
        -------
        list of MetricRow
            For ``"all"``: ``nll``, ``brier``, ``brier_reliability``, ``brier_resolution``,
            ``brier_uncertainty``, ``ece``, ``ece_adaptive``, ``ece_classwise`` (mean over
            classes); per class ``ece_classwise``; per bin, numbered from 0,
            ``reliability_confidence`` and ``reliability_accuracy``. Counts are pixels.

        Raises
        ------
        ShapeError
            If `classes` does not have C names.
        """
        if len(classes) != self.n_classes:
            raise ShapeError(
                f"expected names of {self.n_classes} classes, got {list(classes.names)!r}."
            )
        parts, by_class = self.decomposition(), self.ece_of_classes()
        scores = {
            "nll": self.nll(),
            "brier": self.brier(),
            "brier_reliability": parts.reliability,
            "brier_resolution": parts.resolution,
            "brier_uncertainty": parts.uncertainty,
            "ece": self.ece(),
            "ece_adaptive": self.ece_adaptive(),
            "ece_classwise": float(by_class.mean()),
        }
        n = self.n_pixels
        rows = [MetricRow(split, group, "all", name, value, n) for name, value in scores.items()]
        for name, value in zip(classes.names, by_class, strict=True):
            rows.append(MetricRow(split, group, name, "ece_classwise", float(value), n))
        return rows + self.reliability().rows(split, group)


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Parts of the Brier score: small reliability and large resolution are good."""

    reliability: float
    resolution: float
    uncertainty: float


@dataclass(frozen=True, slots=True, eq=False)
class ReliabilityBins:
    """Per bin: pixels, mean confidence and accuracy; NaN where there are no pixels."""

    pixels: Int64[np.ndarray, " bins"]
    confidence: Float64[np.ndarray, " bins"]
    accuracy: Float64[np.ndarray, " bins"]

    def rows(self, split: str, group: str) -> list[MetricRow]:
        """Return two rows per bin, see `CalibrationSums.rows`."""
        columns = (
            ("reliability_confidence", self.confidence),
            ("reliability_accuracy", self.accuracy),
        )
        return [
            MetricRow(split, group, "all", metric, float(value), int(count), index)
            for metric, values in columns
            for index, (value, count) in enumerate(zip(values, self.pixels, strict=True))
        ]


def _grouped(cells: npt.NDArray[np.float64], n_bins: int) -> npt.NDArray[np.float64]:
    """(3, n_bins) sums of the cells that make up each bin of equal width."""
    return np.asarray(cells.reshape(3, n_bins, -1).sum(axis=2))


def _equal_mass(cells: npt.NDArray[np.float64], n_bins: int) -> npt.NDArray[np.float64]:
    """(3, n_bins) sums of bins of equal mass; a cell on a cut is shared in proportion."""
    filled = cells[:, cells[0] > 0]
    cumulated = np.concatenate([np.zeros((3, 1)), np.cumsum(filled, axis=1)], axis=1)
    cuts = np.linspace(0, cumulated[0, -1], n_bins + 1)
    at_cuts = np.stack([np.interp(cuts, cumulated[0], column) for column in cumulated])
    return np.diff(at_cuts, axis=1)


def _calibration_error(bins: npt.NDArray[np.float64]) -> float:
    """Sum over bins of abs(sum of probabilities - events), per pixel; NaN without pixels."""
    pixels, forecasts, events = bins
    total = pixels.sum()
    return float(np.abs(forecasts - events).sum() / total) if total else float("nan")
