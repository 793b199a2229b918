"""Pixel scores: worked counts, independent references, and pixels that never count."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score
from torchmetrics.functional.classification import multiclass_confusion_matrix

from askmask.errors import ShapeError
from askmask.metrics.segmentation import ConfusionCounts
from askmask.records import UNLABELLED, ClassMap, MetricRow

CLASSES = ClassMap(("background", "gland", "vessel"))
shapes = st.tuples(st.integers(1, 8), st.integers(1, 8))
pairs = shapes.flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.int64, shape, elements=st.integers(0, 2)),
        arrays.arrays(np.int16, shape, elements=st.integers(-1, 2)),
    )
)


def counted(*images: tuple[np.ndarray, np.ndarray]) -> ConfusionCounts:
    counts = ConfusionCounts(3)
    for predicted, labels in images:
        counts.update(predicted, labels)
    return counts


def value(rows: list[MetricRow], metric: str, class_name: str = "all") -> float:
    (row,) = (r for r in rows if (r.metric, r.class_name) == (metric, class_name))
    return row.value


def with_every_class(pair: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    predicted, labels = pair
    every = np.array([[0], [1], [2]])
    return np.pad(predicted, ((0, 3), (0, 0))), np.vstack(
        [labels, np.repeat(every, labels.shape[1], axis=1)]
    ).astype(np.int16)


def worked_rows() -> list[MetricRow]:
    labels = np.array([[0, 0, 1], [1, 1, -1], [0, 0, 0]], np.int16)
    predicted = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 2]])
    return counted((predicted, labels)).rows("test", "all", CLASSES)


def test_scores_of_a_worked_case() -> None:
    # gland: TP 2, FP 1, FN 1 -> Dice 4/6, IoU 2/4. vessel: TP 0, FP 1, FN 0 -> Dice 0.
    # background: TP 3, FP 1, FN 2 -> Dice 6/9, IoU 3/6. 5 of 8 labelled pixels are correct.
    rows = worked_rows()
    assert value(rows, "dice", "gland") == pytest.approx(4 / 6)
    assert value(rows, "iou", "gland") == pytest.approx(2 / 4)
    assert value(rows, "dice", "vessel") == 0
    assert value(rows, "dice", "background") == pytest.approx(6 / 9)
    assert value(rows, "iou", "background") == pytest.approx(3 / 6)
    assert value(rows, "mean_dice") == pytest.approx((4 / 6 + 0) / 2)
    assert value(rows, "mean_iou") == pytest.approx((2 / 4 + 0) / 2)
    assert value(rows, "pixel_f1") == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
    assert value(rows, "pixel_accuracy") == pytest.approx(5 / 8)


def test_rows_carry_split_group_and_the_pixels_they_rest_on() -> None:
    counts = {(row.class_name, row.metric): row.count for row in worked_rows()}
    assert {(row.split, row.group) for row in worked_rows()} == {("test", "all")}
    assert counts["gland", "dice"] == 4
    assert counts["vessel", "iou"] == 1
    assert counts["all", "mean_dice"] == 5
    assert counts["all", "pixel_accuracy"] == 8


def test_class_that_is_neither_true_nor_predicted_is_nan_and_left_out_of_the_mean() -> None:
    labels = np.array([[0, 1]], np.int16)
    rows = counted((np.array([[1, 1]]), labels)).rows("test", "all", CLASSES)
    (vessel,) = (r for r in rows if r.class_name == "vessel" and r.metric == "dice")
    assert math.isnan(vessel.value)
    assert vessel.count == 0
    assert value(rows, "mean_dice") == pytest.approx(2 / 3)


def test_without_any_labelled_pixel_every_score_is_nan_with_count_zero() -> None:
    labels = np.full((2, 2), UNLABELLED, np.int16)
    rows = counted((np.ones((2, 2), int), labels)).rows("test", "all", CLASSES)
    assert all(math.isnan(row.value) and row.count == 0 for row in rows)


def test_perfect_prediction_scores_one() -> None:
    labels = np.array([[0, 1, 2]], np.int16)
    rows = counted((labels.astype(int), labels)).rows("test", "all", CLASSES)
    assert [row.value for row in rows] == [1] * len(rows)


@given(pairs)
def test_counts_equal_scikit_learn_and_torchmetrics(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, labels = pair
    valid = labels != UNLABELLED
    counts = counted(pair).counts
    torch_counts = multiclass_confusion_matrix(
        torch.from_numpy(predicted), torch.from_numpy(labels.astype(int)), 3, ignore_index=-1
    )
    assert (counts == torch_counts.numpy()).all()
    if valid.any():
        expected = confusion_matrix(labels[valid], predicted[valid], labels=[0, 1, 2])
        assert (counts == expected).all()


@settings(max_examples=20)  # scikit-learn takes 10 ms per score
@given(pairs.map(with_every_class))
def test_scores_equal_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    predicted, labels = pair
    valid = labels != UNLABELLED
    true, found = labels[valid], predicted[valid]
    rows = counted(pair).rows("test", "all", CLASSES)
    dice = f1_score(true, found, labels=[0, 1, 2], average=None, zero_division=0)
    iou = jaccard_score(true, found, labels=[0, 1, 2], average=None, zero_division=0)
    micro = f1_score(true, found, labels=[1, 2], average="micro", zero_division=0)
    for index, name in enumerate(CLASSES.names):
        assert value(rows, "dice", name) == pytest.approx(dice[index])
        assert value(rows, "iou", name) == pytest.approx(iou[index])
    assert value(rows, "mean_dice") == pytest.approx(dice[1:].mean())
    assert value(rows, "mean_iou") == pytest.approx(iou[1:].mean())
    assert value(rows, "pixel_f1") == pytest.approx(micro)
    assert value(rows, "pixel_accuracy") == pytest.approx(accuracy_score(true, found))


@given(pairs, pairs)
def test_merging_equals_counting_in_one_go(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> None:
    merged = counted(first)
    merged.merge(counted(second))
    assert (merged.counts == counted(first, second).counts).all()


@given(pairs)
def test_what_is_predicted_at_unlabelled_pixels_changes_nothing(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    predicted, labels = pair
    other = np.where(labels == UNLABELLED, 99, predicted)
    assert (counted((other, labels)).counts == counted(pair).counts).all()


def test_other_shape_is_refused_with_both_shapes() -> None:
    with pytest.raises(ShapeError, match=r"shape \(2, 3\), got \(3, 2\)"):
        ConfusionCounts(3).update(np.zeros((3, 2), int), np.zeros((2, 3), np.int16))


def test_label_outside_the_class_map_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"labels in \[0, 3\), got values from 0 to 3"):
        ConfusionCounts(3).update(np.zeros((1, 2), int), np.array([[0, 3]], np.int16))


def test_predicted_class_outside_the_class_map_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"predicted classes in \[0, 3\), got values from -1"):
        ConfusionCounts(3).update(np.array([[0, -1]]), np.zeros((1, 2), np.int16))


def test_counts_of_another_number_of_classes_are_not_merged() -> None:
    with pytest.raises(ShapeError, match="counts of 3 classes, got 2"):
        ConfusionCounts(3).merge(ConfusionCounts(2))


def test_names_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match="names of 2 classes"):
        ConfusionCounts(2).rows("test", "all", CLASSES)


def test_fewer_than_two_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match="at least two classes, got 1"):
        ConfusionCounts(1)


def test_without_a_background_means_take_in_class_0() -> None:
    predicted = np.array([[0, 0, 1, 1]])
    labels = np.array([[0, 1, 1, 1]], np.int16)
    counts = ConfusionCounts(2, has_background=False)
    counts.update(predicted, labels)
    values = {row.metric: row for row in counts.rows("test", "all", ClassMap(("house", "road")))}
    # Dice of house: 2 / (2 + 1); of road: 4 / (4 + 1).
    assert values["mean_dice"].value == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert values["mean_dice"].count == 4
