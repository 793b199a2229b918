"""Scores after recalibration, as rows of the results table named ``recalibrated_...``."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from jaxtyping import Float
from numpy import ndarray

from askmask.config import EvaluationConfig
from askmask.metrics.evaluation import ALL, Evaluation
from askmask.records import ClassMap, Mask, MetricRow

PREFIX: Final = "recalibrated_"
"""Put before the metric's name: ``nll`` is the network as trained, ``recalibrated_nll`` after."""

_PER_GROUP: Final = frozenset(
    {"nll", "brier", "ece", "ece_adaptive", "ece_classwise", "aurc", "mean_dice", "pixel_accuracy"}
)
_UNCHANGED: Final = frozenset({"dice", "iou", "mean_iou", "pixel_f1", "brier_uncertainty"})


class RecalibratedEvaluation:
    """Accumulator of the scores of recalibrated probabilities of one split.

    Objects are left out: no recalibration moves a contour. The predicted class is that of the
    recalibrated probabilities; only a temperature is sure to keep it.

    Parameters as in `Evaluation`.
    """

    def __init__(self, classes: ClassMap, config: EvaluationConfig, split: str) -> None:
        without_objects = config.model_copy(update={"objects": False})
        self._evaluation = Evaluation(classes, without_objects, split)

    def update(self, group: str | None, mean_probs: Float[ndarray, "C H W"], mask: Mask) -> None:
        """Count one image; arguments and errors as in `Evaluation.update`."""
        self._evaluation.update(group, mean_probs, None, mask)

    def merge(self, other: "RecalibratedEvaluation") -> None:
        """Add the images of another one; errors as in `Evaluation.merge`."""
        self._evaluation.merge(other._evaluation)  # noqa: SLF001 - the same class

    def rows(self) -> list[MetricRow]:
        """Rows of `Evaluation` under the prefix, less those that keep the table small.

        A group has the plain scores of its images taken together; curves, bins and parts of
        scores come for ``"all"`` only.
        """
        return list(prefixed(self._evaluation.rows()))


def prefixed(rows: Iterable[MetricRow]) -> Iterable[MetricRow]:
    """Rows under the prefix, see `RecalibratedEvaluation.rows`."""
    for row in rows:
        is_plain = row.metric in _PER_GROUP and row.class_name == ALL
        if is_plain or (row.group == ALL and row.metric not in _UNCHANGED):
            yield replace(row, metric=PREFIX + row.metric)
