"""Evaluation: the accumulators together, per group and over all images."""

import math

import numpy as np
import pytest

from askmask.config import EvaluationConfig
from askmask.errors import ConfigError, ShapeError
from askmask.metrics.calibration_scores import CalibrationSums
from askmask.metrics.evaluation import Evaluation
from askmask.metrics.segmentation import ConfusionCounts
from askmask.records import UNLABELLED, ClassMap, Mask, MetricRow

TWO = ClassMap(("background", "gland"))
THREE = ClassMap(("background", "gland", "vessel"))
CONFIG = EvaluationConfig(min_object_pixels=2)


def probs_of(predicted: np.ndarray, n_classes: int, certainty: float = 0.8) -> np.ndarray:
    """Probabilities that give each pixel's predicted class `certainty`, the others equal shares."""
    rest = (1 - certainty) / (n_classes - 1)
    return np.where(np.arange(n_classes)[:, None, None] == predicted, certainty, rest).astype(
        np.float32
    )


def two_glands() -> np.ndarray:
    labels = np.zeros((10, 14), np.int16)
    labels[2:8, 1:6] = 1
    labels[2:8, 8:13] = 1
    return labels


def find(rows: list[MetricRow], metric: str, group: str = "all", class_name: str = "all"):
    (row,) = (
        row
        for row in rows
        if (row.metric, row.group, row.class_name) == (metric, group, class_name)
    )
    return row


def evaluated(labels: np.ndarray, predicted: np.ndarray, **options: object) -> list[MetricRow]:
    classes = TWO if max(labels.max(), predicted.max()) < 2 else THREE
    evaluation = Evaluation(classes, CONFIG.model_copy(update=options), "test")
    evaluation.update(None, probs_of(predicted, len(classes)), None, Mask(labels))
    return evaluation.rows()


def as_key(row: MetricRow) -> tuple[object, ...]:
    return (row.split, row.group, row.class_name, row.metric, row.bin)


def test_rows_are_those_of_the_accumulators() -> None:
    labels, predicted = two_glands(), np.roll(two_glands(), 1, axis=0)
    rows = evaluated(labels, predicted)
    confusion, calibration = ConfusionCounts(2), CalibrationSums(2, 10)
    confusion.update(predicted, labels)
    calibration.update(probs_of(predicted, 2), labels)
    expected = confusion.rows("test", "all", TWO) + calibration.rows("test", "all", TWO)
    assert [as_key(row) for row in rows[: len(expected)]] == [as_key(row) for row in expected]
    got = [row.value for row in rows[: len(expected)]]
    assert got == pytest.approx([row.value for row in expected], nan_ok=True)
    # Each gland keeps 5 of its 6 rows: found, Dice 5/6, moved by one pixel.
    assert find(rows, "object_f1").value == 1
    assert find(rows, "object_dice").value == pytest.approx(5 / 6)
    assert find(rows, "object_hausdorff").value == 1


def test_no_metric_stands_twice_in_the_rows() -> None:
    keys = [as_key(row) for row in evaluated(two_glands(), 2 * two_glands())]
    assert len(keys) == len(set(keys))


def test_groups_are_scored_apart_and_together() -> None:
    evaluation = Evaluation(TWO, CONFIG, "testA")
    labels, nothing = two_glands(), np.zeros_like(two_glands())
    evaluation.update("malignant", probs_of(nothing, 2), None, Mask(labels))
    evaluation.update("benign", probs_of(labels, 2), None, Mask(labels))
    evaluation.update(None, probs_of(labels, 2), None, Mask(labels))
    rows = evaluation.rows()
    assert [find(rows, "object_recall", g).value for g in ("all", "benign", "malignant")] == [
        2 * 2 / 6,
        1,
        0,
    ]
    assert [find(rows, "mean_dice", g).count for g in ("all", "benign", "malignant")] == [
        180,
        60,
        60,
    ]
    assert list(dict.fromkeys(row.group for row in rows)) == ["all", "benign", "malignant"]
    assert {row.split for row in rows} == {"testA"}


def test_contours_split_objects_from_the_threshold_on() -> None:
    labels = np.ones((10, 14), np.int16)
    instances = np.ones((10, 14), np.int32)
    instances[:, 7:] = 2
    boundary = np.zeros((10, 14), np.float32)
    boundary[:, 6:8] = 0.5
    recall = {}
    for threshold in (0.5, 0.6):
        config = CONFIG.model_copy(update={"boundary_threshold": threshold})
        evaluation = Evaluation(TWO, config, "test")
        evaluation.update(None, probs_of(labels, 2), boundary, Mask(labels, instances))
        recall[threshold] = find(evaluation.rows(), "object_recall").value
    assert recall == {0.5: 1, 0.6: 1 / 2}


def test_objects_of_more_classes_are_scored_per_class_and_pooled() -> None:
    labels = two_glands()
    labels[:, 7:] *= 2
    predicted = np.where(labels == 2, 0, labels)
    rows = evaluated(labels, predicted)
    assert find(rows, "object_recall", class_name="gland").value == 1
    assert find(rows, "object_recall", class_name="vessel").value == 0
    assert find(rows, "object_recall").value == 1 / 2
    assert find(rows, "object_recall").count == 2


def test_instance_that_spans_two_classes_is_an_object_of_each() -> None:
    labels = np.array([[1, 1, 2, 2]], np.int16)
    evaluation = Evaluation(THREE, CONFIG, "test")
    mask = Mask(labels, np.full((1, 4), 5, np.int32))
    evaluation.update(None, probs_of(labels, 3), None, mask)
    rows = evaluation.rows()
    assert find(rows, "object_f1").value == 1
    assert find(rows, "object_f1").count == 4


def test_small_predicted_objects_are_dropped() -> None:
    labels, predicted = two_glands(), two_glands()
    predicted[0, 0] = 1
    assert find(evaluated(labels, predicted), "object_precision").value == 1
    assert find(
        evaluated(labels, predicted, min_object_pixels=1), "object_precision"
    ).value == pytest.approx(2 / 3)


def small_nuclei() -> np.ndarray:
    """A grid of 25 nuclei, 3 to 7 pixels wide."""
    labels = np.zeros((60, 60), np.int16)
    for number in range(25):
        row, col, side = 12 * (number // 5) + 2, 12 * (number % 5) + 2, 3 + number % 5
        labels[row : row + side, col : col + side] = 1
    return labels


@pytest.mark.parametrize("min_object_pixels", [1, 20, 30, 100])
def test_perfect_masks_of_small_nuclei_score_one(min_object_pixels: int) -> None:
    # Up to 49 pixels each: by 20 and by 30 some are left out, by 100 all are.
    rows = evaluated(small_nuclei(), small_nuclei(), min_object_pixels=min_object_pixels)
    f1 = find(rows, "object_f1")
    assert (f1.value == 1 and f1.count > 0) or (math.isnan(f1.value) and min_object_pixels == 100)


def test_objects_can_be_left_out() -> None:
    rows = evaluated(two_glands(), two_glands(), objects=False)
    assert not [row for row in rows if row.metric.startswith("object_")]


def test_unlabelled_pixels_count_nowhere() -> None:
    labels = two_glands()
    labels[:, 7:] = UNLABELLED
    right, wrong = two_glands(), two_glands()
    wrong[:, 7:] = 1 - wrong[:, 7:]
    got = [row.value for row in evaluated(labels, wrong)]
    assert got == pytest.approx([row.value for row in evaluated(labels, right)], nan_ok=True)
    assert find(evaluated(labels, wrong), "object_recall").count == 1


def test_before_the_first_image_every_value_is_nan_with_count_zero() -> None:
    rows = Evaluation(TWO, CONFIG, "test").rows()
    assert all(math.isnan(row.value) and row.count == 0 for row in rows)
    assert len(rows) > 20


def test_merging_equals_updating_in_one_go() -> None:
    labels = two_glands()
    merged, part, whole = (Evaluation(TWO, CONFIG, "test") for _ in range(3))
    for evaluation in (merged, whole):
        evaluation.update("benign", probs_of(labels, 2), None, Mask(labels))
    for evaluation in (part, whole):
        evaluation.update("benign", probs_of(1 - labels, 2), None, Mask(labels))
        evaluation.update("malignant", probs_of(labels, 2, 0.6), None, Mask(labels))
    merged.merge(part)
    assert [as_key(row) for row in merged.rows()] == [as_key(row) for row in whole.rows()]
    assert [row.value for row in merged.rows()] == pytest.approx(
        [row.value for row in whole.rows()], nan_ok=True
    )


def test_evaluation_of_other_classes_is_not_merged() -> None:
    with pytest.raises(ConfigError, match="same classes and config"):
        Evaluation(TWO, CONFIG, "test").merge(Evaluation(THREE, CONFIG, "test"))


def test_group_named_all_is_refused() -> None:
    labels = two_glands()
    with pytest.raises(ConfigError, match="group other than 'all'"):
        Evaluation(TWO, CONFIG, "test").update("all", probs_of(labels, 2), None, Mask(labels))


def test_boundary_of_another_size_is_refused_and_nothing_is_counted() -> None:
    labels = two_glands()
    evaluation = Evaluation(TWO, CONFIG, "test")
    with pytest.raises(ShapeError, match=r"shape \(10, 14\), got \(3, 3\)"):
        evaluation.update(None, probs_of(labels, 2), np.zeros((3, 3), np.float32), Mask(labels))
    assert find(evaluation.rows(), "nll").count == 0
