"""Calibration: worked cases, limits, scores that see the labels, and independent references."""

import math
import time
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import multiclass_calibration_error

from askmask.errors import ShapeError
from askmask.metrics.calibration_scores import CalibrationSums
from askmask.metrics.counting import top_label
from askmask.records import UNLABELLED, ClassMap, MetricRow

CLASSES = ClassMap(("background", "gland"))
seeds = st.integers(0, 2**32 - 1)


def case(seed: int, n_classes: int = 2, shape: tuple[int, int] = (9, 11), *, sharpness: float = 3):
    """Softmax of noise and labels that follow it loosely, a tenth of them unlabelled."""
    rng = np.random.default_rng(seed)
    logits = sharpness * rng.normal(size=(n_classes, *shape))
    probs = np.exp(logits - logits.max(axis=0))
    probs = (probs / probs.sum(axis=0)).astype(np.float32)
    drawn = np.argmax(logits + rng.gumbel(size=logits.shape), axis=0)
    labels = np.where(rng.random(shape) < 0.1, UNLABELLED, drawn).astype(np.int16)
    return probs, labels


def summed(*images: tuple[np.ndarray, np.ndarray], n_bins: int = 10) -> CalibrationSums:
    sums = CalibrationSums(len(images[0][0]), n_bins)
    for probs, labels in images:
        sums.update(probs, labels)
    return sums


def binary(foreground: list[float], labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """One row of pixels with the given foreground probabilities (exact in float64)."""
    values = np.array([foreground])
    return np.stack([1 - values, values]), np.array([labels], np.int16)


def flat(probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    valid = labels != UNLABELLED
    return probs[:, valid].astype(np.float64).T, labels[valid].astype(int)


def value(sums: CalibrationSums, metric: str) -> float:
    names = ClassMap(tuple(f"class {index}" for index in range(sums.n_classes)))
    (row,) = (
        row
        for row in sums.rows("test", "all", names)
        if (row.metric, row.class_name) == (metric, "all")
    )
    return row.value


def test_scores_of_a_worked_case() -> None:
    # Foreground 0.75, 0.75, 0.25, 0.75; truth 1, 0, 0, unlabelled: three pixels count.
    # NLL = (-ln 0.75 - ln 0.25 - ln 0.75) / 3. Brier = 2 (0.25^2 + 0.75^2 + 0.25^2) / 3.
    # Confidence 0.75 in every pixel, 2 of 3 right: ECE = |0.75 - 2/3|.
    sums = summed(binary([0.75, 0.75, 0.25, 0.75], [1, 0, 0, -1]))
    assert value(sums, "nll") == pytest.approx(-(2 * math.log(0.75) + math.log(0.25)) / 3)
    assert value(sums, "brier") == pytest.approx(2 * (0.0625 + 0.5625 + 0.0625) / 3)
    assert value(sums, "ece") == pytest.approx(0.75 - 2 / 3)
    assert value(sums, "ece_adaptive") == pytest.approx(0.75 - 2 / 3)


def test_class_wise_error_of_a_worked_case() -> None:
    # Foreground bins: 0.75 twice with one event, |1.5 - 1| = 0.5; 0.25 once without, 0.25.
    # (0.5 + 0.25) / 3 = 0.25; the background mirrors it.
    sums = summed(binary([0.75, 0.75, 0.25], [1, 0, 0]))
    assert sums.ece_of_classes() == pytest.approx([0.25, 0.25])
    assert value(sums, "ece_classwise") == pytest.approx(0.25)


def test_brier_parts_of_a_worked_case() -> None:
    # Per class: forecasts 0.75 (2 pixels, event rate 1/2) and 0.25 (1 pixel, rate 0); base 1/3.
    # Reliability (2 * (1/4)^2 + (1/4)^2) / 3 = 1/16; resolution (2 * (1/6)^2 + (1/3)^2) / 3 = 1/18;
    # uncertainty 1/3 * 2/3 = 2/9. Twice, for two classes; forecasts in a cell are equal, so the
    # remainder is 0.
    sums = summed(binary([0.75, 0.75, 0.25], [1, 0, 0]))
    parts = sums.decomposition()
    assert parts.reliability == pytest.approx(2 / 16)
    assert parts.resolution == pytest.approx(2 / 18)
    assert parts.uncertainty == pytest.approx(4 / 9)
    assert sums.brier() == pytest.approx(2 / 16 - 2 / 18 + 4 / 9)


def test_confidence_of_one_is_in_the_last_bin_and_an_edge_in_the_upper_one() -> None:
    pixels = summed(binary([1.0, 0.75, 0.5], [1, 1, 1]), n_bins=4).reliability().pixels
    assert pixels.tolist() == [0, 0, 1, 2]


def test_certain_and_right_costs_nothing() -> None:
    sums = summed(binary([1.0, 0.0, 1.0], [1, 0, 1]))
    assert (value(sums, "nll"), value(sums, "brier"), value(sums, "ece")) == (0, 0, 0)


def test_certain_and_wrong_costs_the_most() -> None:
    sums = summed(binary([1.0, 0.0], [0, 1]))
    assert (value(sums, "nll"), value(sums, "brier"), value(sums, "ece")) == (math.inf, 2, 1)


def test_uniform_probabilities_cost_log_c() -> None:
    probs = np.full((4, 2, 3), 0.25, np.float32)
    labels = np.array([[0, 1, 2], [3, 0, 1]], np.int16)
    sums = summed((probs, labels))
    assert value(sums, "nll") == pytest.approx(math.log(4))
    assert value(sums, "brier") == pytest.approx(1 - 1 / 4)


@given(seeds, st.integers(2, 4))
def test_wrong_labels_make_every_proper_score_worse(seed: int, n_classes: int) -> None:
    probs, _ = case(seed, n_classes)
    best = probs.argmax(axis=0).astype(np.int16)
    right = summed((probs, best))
    wrong = summed((probs, ((best + 1) % n_classes).astype(np.int16)))
    assert wrong.nll() > right.nll()
    assert wrong.brier() > right.brier()


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(2, 4))
def test_proper_scores_equal_scikit_learn(seed: int, n_classes: int) -> None:
    probs, labels = case(seed, n_classes)
    sums = summed((probs, labels))
    pixels, true = flat(probs, labels)
    pixels = pixels / pixels.sum(axis=1, keepdims=True)
    classes = list(range(n_classes))
    assert sums.nll() == pytest.approx(log_loss(true, pixels, labels=classes), rel=1e-5)
    expected = brier_score_loss(true, pixels, labels=classes, scale_by_half=False)
    assert sums.brier() == pytest.approx(expected, rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(seeds, st.integers(2, 4), st.integers(2, 20))
def test_top_label_error_equals_torchmetrics(seed: int, n_classes: int, n_bins: int) -> None:
    probs, labels = case(seed, n_classes)
    expected = multiclass_calibration_error(
        torch.from_numpy(probs)[None],
        torch.from_numpy(labels.astype(int))[None],
        n_classes,
        n_bins=n_bins,
        ignore_index=UNLABELLED,
    )
    assert summed((probs, labels), n_bins=n_bins).ece() == pytest.approx(float(expected), abs=1e-6)


def reference_errors_of_classes(probs: np.ndarray, labels: np.ndarray, n_bins: int) -> list[float]:
    pixels, true = flat(probs, labels)
    errors = []
    for index, column in enumerate(pixels.T):
        gaps = dict.fromkeys(range(n_bins), 0.0)
        for probability, label in zip(column, true, strict=True):
            gaps[min(int(probability * n_bins), n_bins - 1)] += probability - (label == index)
        errors.append(sum(map(abs, gaps.values())) / len(true))
    return errors


@given(seeds, st.integers(2, 4), st.integers(2, 20))
def test_class_wise_error_equals_plain_loops(seed: int, n_classes: int, n_bins: int) -> None:
    probs, labels = case(seed, n_classes)
    expected = reference_errors_of_classes(probs, labels, n_bins)
    assert summed((probs, labels), n_bins=n_bins).ece_of_classes() == pytest.approx(expected)


def reference_adaptive(probs: np.ndarray, labels: np.ndarray, n_bins: int) -> float:
    """Sorted confidences in parts of equal length; n_bins must divide the pixels."""
    pixels, true = flat(probs, labels)
    gaps = pixels.max(axis=1) - (pixels.argmax(axis=1) == true)
    parts = np.split(gaps[np.argsort(pixels.max(axis=1))], n_bins)
    return sum(abs(part.sum()) for part in parts) / len(true)


def cut_share(probs: np.ndarray, n_bins: int) -> float:
    """Share of pixels in the cells of 1 - confidence, 64 per factor two, that hold a cut."""
    doubt = np.sort(1 - probs.max(axis=0).ravel())
    mantissa, exponent = np.frexp(np.maximum(doubt, 2.0**-25))
    cell = exponent * 64 + np.floor((mantissa - 0.5) * 128)
    cuts = np.unique(cell[np.arange(1, n_bins) * doubt.size // n_bins])
    return float(np.isin(cell, cuts).mean())


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([2, 5, 10]), st.floats(0.5, 20))
def test_adaptive_error_is_within_its_stated_tolerance(
    seed: int, n_bins: int, sharpness: float
) -> None:
    probs, labels = case(seed, 3, (40, 50), sharpness=sharpness)
    labels = np.maximum(labels, 0).astype(np.int16)
    exact = reference_adaptive(probs, labels, n_bins)
    tolerance = 2 * cut_share(probs, n_bins) + 1e-9
    assert summed((probs, labels), n_bins=n_bins).ece_adaptive() == pytest.approx(
        exact, abs=tolerance
    )


def test_adaptive_error_of_an_image_is_close_to_the_sorted_one() -> None:
    probs, labels = case(0, 2, (200, 250), sharpness=8)
    labels = np.maximum(labels, 0).astype(np.int16)
    assert summed((probs, labels)).ece_adaptive() == pytest.approx(
        reference_adaptive(probs, labels, 10), abs=5e-4
    )


def reference_parts(probs: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Murphy's parts with one group per distinct forecast, so without any remainder."""
    pixels, true = flat(probs, labels)
    reliability = resolution = uncertainty = 0.0
    for index, column in enumerate(pixels.T):
        event = true == index
        base = event.mean()
        uncertainty += base * (1 - base)
        for forecast in np.unique(column):
            rate = event[column == forecast].mean()
            share = (column == forecast).mean()
            reliability += share * (forecast - rate) ** 2
            resolution += share * (rate - base) ** 2
    return reliability, resolution, uncertainty


@given(seeds, st.integers(2, 4))
def test_brier_parts_equal_the_exact_ones_for_few_distinct_forecasts(
    seed: int, n_classes: int
) -> None:
    probs, labels = case(seed, n_classes)
    few = np.random.default_rng(seed).multinomial(8, [1 / n_classes] * n_classes, labels.shape)
    probs = np.moveaxis(few, -1, 0) / 8
    sums = summed((probs, labels))
    parts = sums.decomposition()
    got = (parts.reliability, parts.resolution, parts.uncertainty)
    assert got == pytest.approx(reference_parts(probs, labels), abs=1e-12)
    assert parts.reliability - parts.resolution + parts.uncertainty == pytest.approx(sums.brier())


@given(seeds, st.integers(2, 4), st.floats(0.1, 10))
def test_brier_parts_sum_to_the_score_within_the_stated_remainder(
    seed: int, n_classes: int, sharpness: float
) -> None:
    sums = summed(case(seed, n_classes, sharpness=sharpness))
    parts = sums.decomposition()
    remainder = sums.brier() - (parts.reliability - parts.resolution + parts.uncertainty)
    assert abs(remainder) <= n_classes * (0.001 / 2 + 0.001**2 / 4)


@given(seeds, seeds, st.integers(2, 3))
def test_merging_equals_counting_in_one_go(first: int, second: int, n_classes: int) -> None:
    one, two = case(first, n_classes), case(second, n_classes)
    merged = summed(one)
    merged.merge(summed(two))
    names = ClassMap(tuple(map(str, range(n_classes))))
    got = [row.value for row in merged.rows("test", "all", names)]
    expected = [row.value for row in summed(one, two).rows("test", "all", names)]
    assert got == pytest.approx(expected, nan_ok=True)


@given(seeds)
def test_unlabelled_pixels_never_count(seed: int) -> None:
    probs, labels = case(seed)
    garbled = np.where(labels == UNLABELLED, np.nan, probs)
    got = [row.value for row in summed((garbled, labels)).rows("test", "all", CLASSES)]
    expected = [row.value for row in summed((probs, labels)).rows("test", "all", CLASSES)]
    assert got == pytest.approx(expected, nan_ok=True)


@given(seeds, st.integers(2, 4))
def test_scores_stay_in_their_ranges(seed: int, n_classes: int) -> None:
    sums = summed(case(seed, n_classes))
    assert sums.nll() >= 0
    assert 0 <= sums.brier() <= 2
    assert 0 <= sums.ece() <= 1
    assert 0 <= sums.ece_adaptive() <= 1
    assert all(0 <= error <= 1 for error in sums.ece_of_classes())


def test_reliability_rows_hold_confidence_accuracy_and_pixels_of_each_bin() -> None:
    rows = summed(binary([0.75, 0.75, 0.9375], [1, 0, 1]), n_bins=4).rows("test", "all", CLASSES)
    bins = {(row.metric, row.bin): row for row in rows if row.bin is not None}
    assert len(bins) == 2 * 4
    assert bins["reliability_confidence", 3].value == pytest.approx((0.75 + 0.75 + 0.9375) / 3)
    assert bins["reliability_accuracy", 3].value == pytest.approx(2 / 3)
    assert bins["reliability_accuracy", 3].count == 3
    assert math.isnan(bins["reliability_accuracy", 0].value)
    assert bins["reliability_accuracy", 0].count == 0


def test_without_a_labelled_pixel_every_score_is_nan_with_count_zero() -> None:
    labels = np.full((2, 3), UNLABELLED, np.int16)
    rows = summed((np.full((2, 2, 3), 0.5), labels)).rows("test", "all", CLASSES)
    assert {(math.isnan(row.value), row.count) for row in rows} == {(True, 0)}


def test_every_metric_of_the_table_is_there_once() -> None:
    rows: list[MetricRow] = summed(case(0)).rows("test", "benign", CLASSES)
    plain = [(row.class_name, row.metric) for row in rows if row.bin is None]
    assert plain == [
        ("all", "nll"),
        ("all", "brier"),
        ("all", "brier_reliability"),
        ("all", "brier_resolution"),
        ("all", "brier_uncertainty"),
        ("all", "ece"),
        ("all", "ece_adaptive"),
        ("all", "ece_classwise"),
        ("background", "ece_classwise"),
        ("gland", "ece_classwise"),
    ]


def test_probabilities_a_rounding_above_one_are_counted() -> None:
    probs = np.array([[[1.0000004]], [[-1e-7]]], np.float32)
    sums = summed((probs, np.zeros((1, 1), np.int16)))
    assert sums.nll() == pytest.approx(0, abs=1e-6)
    assert sums.reliability().pixels[-1] == 1


def test_memory_does_not_grow_with_the_images() -> None:
    image = case(0, shape=(100, 100))
    sums = summed(image)
    sums.update(*image)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        sums.update(*image)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 10_000


def seconds_to_update(sums: CalibrationSums, image: tuple[np.ndarray, np.ndarray]) -> float:
    started = time.process_time()
    sums.update(*image)
    return time.process_time() - started


@pytest.mark.slow  # a time limit; other work on the machine must not fail the default run
def test_one_image_of_the_papers_size_is_counted_in_a_few_milliseconds() -> None:
    image = case(0, shape=(264, 392))
    sums = summed(image)
    assert min(seconds_to_update(sums, image) for _ in range(5)) < 0.03


def test_logits_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"probabilities in \[0, 1\], got values from"):
        summed((np.full((2, 1, 1), 3.0), np.zeros((1, 1), np.int16)))


def test_nan_is_refused_and_nothing_is_counted() -> None:
    sums = CalibrationSums(2, 10)
    with pytest.raises(ShapeError, match="NaN means that the model diverged"):
        sums.update(np.full((2, 1, 1), np.nan), np.zeros((1, 1), np.int16))
    assert sums.n_pixels == 0


def test_probabilities_that_do_not_sum_to_one_are_refused() -> None:
    with pytest.raises(ShapeError, match="sum to 1 over the classes"):
        summed((np.full((2, 1, 1), 0.4), np.zeros((1, 1), np.int16)))


def test_label_outside_the_classes_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"labels in \[0, 2\), got values from 2 to 2"):
        summed((np.full((2, 1, 1), 0.5), np.full((1, 1), 2, np.int16)))


def test_probs_of_another_size_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape \(2, 3, 3\) for labels of shape \(3, 3\)"):
        summed((np.full((2, 2, 3), 0.5), np.zeros((3, 3), np.int16)))


def test_sums_with_other_bins_are_not_merged() -> None:
    with pytest.raises(ShapeError, match="2 classes in 10 bins, got 2 in 5"):
        CalibrationSums(2, 10).merge(CalibrationSums(2, 5))


def test_names_of_another_number_of_classes_are_refused() -> None:
    with pytest.raises(ShapeError, match="names of 3 classes"):
        CalibrationSums(3, 10).rows("test", "all", CLASSES)


def test_one_class_is_refused() -> None:
    with pytest.raises(ShapeError, match="two classes and one bin, got 1 and 10"):
        CalibrationSums(1, 10)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_sums_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    image = case(5, shape=(300, 301))
    expected, before = summed(image), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = summed(image)
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(found.by_class, expected.by_class)
    assert np.array_equal(found.by_doubt, expected.by_doubt)
    assert (found.log_loss, found.squared_error) == (expected.log_loss, expected.squared_error)


def test_an_error_in_the_last_pixels_counts_nothing() -> None:
    probs, labels = case(6, shape=(300, 301))
    sums = summed((probs, labels))
    before = sums.n_pixels, sums.by_class.copy()
    labels[-1, -1] = 7
    with pytest.raises(ShapeError, match="expected labels in"):
        sums.update(probs, labels)
    assert sums.n_pixels == before[0]
    assert np.array_equal(sums.by_class, before[1])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), classes=st.integers(1, 5))
def test_top_label_equals_argmax_and_the_first_of_equal_ones(seed: int, classes: int) -> None:
    probs = np.random.default_rng(seed).integers(0, 4, (classes, 6, 7)) / np.float32(4)
    top, confidence = top_label(probs)
    assert np.array_equal(top, probs.argmax(axis=0))
    assert np.array_equal(confidence, probs.max(axis=0))
