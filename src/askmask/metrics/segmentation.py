"""Scores of pixels: counts of (true class, predicted class), pooled over a set of images."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Int64, Integer

from askmask.errors import ShapeError
from askmask.records import UNLABELLED, ClassMap, Labels, MetricRow


class ConfusionCounts:
    """Accumulator of the confusion matrix; every score is computed from its pooled counts.

    Parameters
    ----------
    n_classes : int
        Number of classes C >= 2.
    has_background : bool
        Whether class 0 is a background, which means over classes leave out.

    Attributes
    ----------
    counts : (C, C) int64 array
        Pixels of true class ``row`` that were predicted as class ``column``; unlabelled pixels
        are in no cell.
    """

    def __init__(self, n_classes: int, *, has_background: bool = True) -> None:
        if n_classes < 2:
            raise ShapeError(f"expected at least two classes, got {n_classes!r}.")
        self._first = 1 if has_background else 0
        self.counts: npt.NDArray[np.int64] = np.zeros((n_classes, n_classes), np.int64)

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.counts)

    def update(self, predicted: Integer[np.ndarray, "H W"], labels: Labels) -> None:
        """Count one image.

        Parameters
        ----------
        predicted : (H, W) int array
            Predicted classes in [0, C) where labelled; elsewhere not looked at.
        labels : (H, W) int16 array
            True classes in [0, C), or `UNLABELLED`, which never counts.

        Raises
        ------
        ShapeError
            If the shapes differ or a class is outside [0, C). Nothing was counted then.
        """
        if predicted.shape != labels.shape:
            raise ShapeError(
                f"expected predicted classes of the labels' shape {labels.shape}, "
                f"got {predicted.shape}. Predict at the size of the mask."
            )
        labelled = labels != UNLABELLED
        true = labels[labelled].astype(np.int64)
        found = predicted[labelled].astype(np.int64)
        self._check("labels", true)
        self._check("predicted classes", found)
        cells = np.bincount(true * self.n_classes + found, minlength=self.counts.size)
        self.counts += cells.reshape(self.counts.shape)

    def merge(self, other: "ConfusionCounts") -> None:
        """Add the counts of another accumulator, as if its images had been counted here.

        Raises
        ------
        ShapeError
            If it counts another number of classes.
        """
        if other.n_classes != self.n_classes:
            raise ShapeError(f"expected counts of {self.n_classes} classes, got {other.n_classes}.")
        self.counts += other.counts

    def rows(self, split: str, group: str, classes: ClassMap) -> list[MetricRow]:
        """Every score of the pooled counts.

        Parameters
        ----------
        split, group : str
            Written into the rows.
        classes : ClassMap
            Names of the C classes.

        Returns
        -------
        list of MetricRow
            Per class, background included: ``dice`` = 2 TP / (2 TP + FP + FN) and ``iou`` =
            TP / (TP + FP + FN), NaN with count 0 where the class is neither true nor predicted;
            count = TP + FP + FN.
            For ``"all"``: ``mean_dice`` and ``mean_iou``, plain means over the foreground classes
            that have a value; ``pixel_f1`` = 2 TP / (2 TP + FP + FN) with TP, FP, FN summed over
            the foreground classes (with two classes, the foreground's Dice); their count is the
            pixels that are foreground in truth or prediction. ``pixel_accuracy`` = correct
            pixels / labelled pixels.

        Raises
        ------
        ShapeError
            If `classes` does not have C names.
        """
        if len(classes) != self.n_classes:
            raise ShapeError(
                f"expected names of {self.n_classes} classes, got {list(classes.names)!r}."
            )
        hits, union = self._hits_and_union()
        dice, iou = _ratio(2 * hits, hits + union), _ratio(hits, union)
        rows = []
        for index, name in enumerate(classes.names):
            pixels = int(union[index])
            rows.append(MetricRow(split, group, name, "dice", float(dice[index]), pixels))
            rows.append(MetricRow(split, group, name, "iou", float(iou[index]), pixels))
        return rows + self._pooled_rows(split, group, dice, iou)

    def _pooled_rows(
        self,
        split: str,
        group: str,
        dice: npt.NDArray[np.float64],
        iou: npt.NDArray[np.float64],
    ) -> list[MetricRow]:
        hits, union = self._hits_and_union()
        pixels = int(self.counts.sum())
        first = self._first
        foreground = pixels - int(self.counts[:first, :first].sum())
        pixel_f1 = _ratio(2 * hits[first:].sum(), (hits + union)[first:].sum())
        accuracy = _ratio(hits.sum(), self.counts.sum())
        return [
            MetricRow(split, group, "all", "mean_dice", _mean_of_present(dice[first:]), foreground),
            MetricRow(split, group, "all", "mean_iou", _mean_of_present(iou[first:]), foreground),
            MetricRow(split, group, "all", "pixel_f1", float(pixel_f1), foreground),
            MetricRow(split, group, "all", "pixel_accuracy", float(accuracy), pixels),
        ]

    def _hits_and_union(self) -> tuple[Int64[np.ndarray, " C"], Int64[np.ndarray, " C"]]:
        """Return TP and TP + FP + FN of every class."""
        hits = np.diagonal(self.counts)
        return hits, self.counts.sum(axis=0) + self.counts.sum(axis=1) - hits

    def _check(self, what: str, values: npt.NDArray[np.int64]) -> None:
        if values.size and not (values.min() >= 0 and values.max() < self.n_classes):
            raise ShapeError(
                f"expected {what} in [0, {self.n_classes}), got values from "
                f"{int(values.min())} to {int(values.max())}. Check the class map of the data set."
            )


def _ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Quotient, NaN for 0 / 0."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.divide(above, below), np.float64)


def _mean_of_present(values: npt.NDArray[np.float64]) -> float:
    """Mean of the values that exist, NaN if none does."""
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else float("nan")
