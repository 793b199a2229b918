"""Risk and coverage, strata, intervals: worked cases, limits, plain references."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.config import EvaluationConfig
from askmask.metrics.calibration_scores import CalibrationSums
from askmask.metrics.evaluation import Evaluation
from askmask.metrics.intervals import ImageSums
from askmask.metrics.recalibrated import RecalibratedEvaluation
from askmask.metrics.risk import REFERRED, aurc, error_left, risk_rows
from askmask.metrics.strata import DISTANCES, Strata, distance_strata
from askmask.records import UNLABELLED, ClassMap, Mask

TWO = ClassMap(("background", "gland"))
seeds = st.integers(0, 2**32 - 1)


def noisy(seed: int, shape: tuple[int, int] = (40, 50), *, unlabelled: float = 0.1):
    rng = np.random.default_rng(seed)
    odds = ndimage_blur(rng.normal(size=shape)) * 6
    labels = (rng.random(shape) < 1 / (1 + np.exp(-odds / 2))).astype(np.int16)
    labels[rng.random(shape) < unlabelled] = UNLABELLED
    foreground = 1 / (1 + np.exp(-odds))
    return np.stack([1 - foreground, foreground]).astype(np.float32), labels


def ndimage_blur(values: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        values = (values + np.roll(values, 1, axis) + np.roll(values, 2, axis)) / 3**0.5
    return values


def sums_of(*images) -> CalibrationSums:
    sums = CalibrationSums(2, 10)
    for probs, labels in images:
        sums.update(probs, labels)
    return sums


def sorted_errors(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each labelled pixel is wrong, the most certain first."""
    known = labels != UNLABELLED
    order = np.argsort(-probs.max(0)[known], kind="stable")
    return (probs.argmax(0) != labels)[known][order]


def value(rows, metric: str, class_name: str = "all", place: int | None = None) -> float:
    (found,) = (r for r in rows if (r.metric, r.class_name, r.bin) == (metric, class_name, place))
    return found.value


def test_aurc_of_a_case_worked_by_hand() -> None:
    # One cell of 2 certain pixels, right; one of 2 doubtful ones, 1 wrong. The risk at t pixels
    # beyond the first 2 is (t / 2) / (2 + t): its integral over 0..2 is 1 - log 2. Over 4 pixels.
    cells = np.array([[2.0, 2.0], [2.0, 1.2], [2.0, 1.0]])
    assert aurc(cells) == pytest.approx((1 - math.log(2)) / 4)
    # The certain ones are wrong instead: 2 (risk 1) + integral of (2 + t / 2) / (2 + t).
    cells = np.array([[2.0, 2.0], [2.0, 1.2], [0.0, 1.0]])
    assert aurc(cells) == pytest.approx((2 + 1 + math.log(2)) / 4)


def test_error_left_of_a_case_worked_by_hand() -> None:
    # 8 certain pixels with 1 error, 2 doubtful ones with 1: 2 errors in 10.
    cells = np.array([[8.0, 2.0], [8.0, 1.2], [7.0, 1.0]])
    left = [error_left(cells, share) for share in (0.0, 0.1, 0.2, 0.6, 1.0)]
    assert left == pytest.approx([0.2, 0.15, 0.1, 0.05, 0])


@given(seed=seeds)
@settings(max_examples=20)
def test_risk_and_coverage_are_those_of_the_plain_sort(seed: int) -> None:
    probs, labels = noisy(seed, (60, 80))
    wrong = sorted_errors(probs, labels)
    cells = sums_of((probs, labels)).by_doubt
    risks = np.cumsum(wrong) / np.arange(1, wrong.size + 1)
    assert aurc(cells) == pytest.approx(risks.mean(), rel=0.01, abs=1e-3)
    for share in REFERRED:
        kept = round((1 - share) * wrong.size)
        assert error_left(cells, share) == pytest.approx(wrong[:kept].sum() / wrong.size, abs=2e-3)


def test_aurc_is_the_error_rate_where_every_pixel_is_equally_sure() -> None:
    probs = np.full((2, 10, 10), 0.3)
    probs[1] = 0.7
    labels = np.ones((10, 10), np.int16)
    labels[0] = 0
    assert aurc(sums_of((probs, labels)).by_doubt) == pytest.approx(0.1)


def test_risk_without_pixels_is_nan() -> None:
    cells = CalibrationSums(2, 10).by_doubt
    assert math.isnan(aurc(cells))
    assert all(math.isnan(row.value) and row.count == 0 for row in risk_rows(cells, "t", "all"))


@given(seed=seeds)
@settings(max_examples=20)
def test_error_left_falls_with_what_a_person_sees(seed: int) -> None:
    cells = sums_of(noisy(seed)).by_doubt
    left = [error_left(cells, share) for share in REFERRED]
    assert left == sorted(left, reverse=True)


def test_distance_is_the_larger_of_rows_and_columns() -> None:
    classes = np.zeros((30, 30), int)
    classes[0, 0] = 1
    strata = distance_strata(classes)
    places = [(0, 0), (2, 1), (3, 0), (4, 4), (1, 5), (8, 8), (9, 0), (16, 16), (17, 3)]
    assert [strata[place] for place in places] == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert (distance_strata(np.ones((3, 3), int)) == len(DISTANCES)).all()


@given(seed=seeds, n_classes=st.integers(1, 3))
@settings(max_examples=10)
def test_distance_strata_are_those_of_plain_loops(seed: int, n_classes: int) -> None:
    blocks = np.random.default_rng(seed).integers(0, n_classes, (3, 4))
    classes = np.kron(blocks, np.ones((6, 6), int))
    places = np.argwhere(np.ones_like(classes))
    expected = []
    for place in places:
        others = places[(classes != classes[tuple(place)]).ravel()]
        nearest = np.abs(others - place).max(axis=1).min(initial=99)
        expected.append(np.searchsorted(DISTANCES, nearest))
    assert distance_strata(classes).ravel().tolist() == expected


def test_strata_of_a_case_worked_by_hand() -> None:
    # Predicted: 20 columns of background at 0.9, then 20 of gland at 0.6. Truth: all background.
    foreground = np.where(np.arange(40) < 20, 0.1, 0.6)[None].repeat(3, 0)
    probs = np.stack([1 - foreground, foreground])
    strata = Strata(2, 10)
    strata.update(probs, probs.argmax(0), np.zeros((3, 40), np.int16))
    rows = strata.rows("test", "all", TWO)
    # Up to 2 pixels from the change: 2 columns each side, half of them right.
    assert value(rows, "distance_accuracy", place=0) == pytest.approx(0.5)
    assert value(rows, "distance_confidence", place=0) == pytest.approx(0.75)
    # gaps 0.1 (0.9 and all right) and 0.6 (0.6 and none right), half of the pixels each
    assert value(rows, "distance_ece", place=0) == pytest.approx((0.1 + 0.6) / 2)
    assert value(rows, "predicted_accuracy", "background") == 1
    assert value(rows, "predicted_ece", "gland") == pytest.approx(0.6)
    assert value(rows, "predicted_nll", "gland") == pytest.approx(-math.log(0.4))
    counts = [row.count for row in rows if row.metric == "distance_nll"]
    assert counts == [12, 12, 24, 48, 24]  # columns 2, 2, 4, 8, 4 on each of two sides, 3 rows
    assert len(DISTANCES) == 4


@given(seed=seeds)
@settings(max_examples=10)
def test_strata_of_a_kind_add_up_to_all_pixels(seed: int) -> None:
    probs, labels = noisy(seed)
    strata, sums = Strata(2, 10), sums_of((probs, labels))
    strata.update(probs, probs.argmax(0), labels)
    rows = strata.rows("test", "all", TWO)
    for kind in ("distance", "predicted"):
        own = [row for row in rows if row.metric == f"{kind}_nll" and row.count]
        assert sum(row.count for row in own) == sums.n_pixels
        mean = sum(row.value * row.count for row in own) / sums.n_pixels
        assert mean == pytest.approx(sums.nll())
        # errors of parts cannot cancel as those of the whole can
        errors = [row for row in rows if row.metric == f"{kind}_ece" and row.count]
        assert sum(r.value * r.count for r in errors) / sums.n_pixels >= sums.ece() - 1e-9


def test_calibrated_probabilities_are_calibrated_in_every_stratum() -> None:
    rng = np.random.default_rng(1)
    rows, cols = np.mgrid[:300, :300]
    foreground = 1 / (1 + np.exp(-(np.hypot(rows - 150, cols - 150) - 80) / 10))
    labels = (rng.random((300, 300)) < foreground).astype(np.int16)
    strata = Strata(2, 10)
    probs = np.stack([1 - foreground, foreground])
    strata.update(probs, probs.argmax(0), labels)
    errors = [r for r in strata.rows("t", "all", TWO) if r.metric.endswith("_ece")]
    assert max(row.value for row in errors if row.count) < 0.03


def test_intervals_are_those_of_resampling_by_plain_loops() -> None:
    images = [noisy(seed, (12, 15)) for seed in range(6)]
    sums = ImageSums(10)
    for image in images:
        sums.add(sums_of(image))
    rng = np.random.default_rng(0)
    drawn = [[images[i] for i in rng.integers(0, 6, 6)] for _ in range(400)]
    for metric in ("nll", "brier", "ece"):
        values = [getattr(sums_of(*resample), metric)() for resample in drawn]
        expected = np.quantile(values, [0.025, 0.975])
        rows = sums.rows("test", "all")
        got = [value(rows, f"{metric}_{end}") for end in ("low", "high")]
        assert got == pytest.approx(expected, abs=0.25 * (expected[1] - expected[0]))
        assert rows[0].count == 6


def test_interval_covers_what_it_says_when_images_differ() -> None:
    # The NLL of an image is a draw of its own: mean over 25 images, true mean 1. 95 % intervals
    # of 200 sets should hold it about 190 times; the percentile interval is a little short.
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        sums = ImageSums(1)
        for cost in rng.normal(1, 0.5, 25):
            image = CalibrationSums(2, 1)
            image.n_pixels, image.log_loss = 100, 100 * cost
            sums.add(image)
        rows = sums.rows("t", "all")
        held += value(rows, "nll_low") <= 1 <= value(rows, "nll_high")
    assert 176 <= held <= 198


def test_interval_needs_two_images_and_is_repeated_exactly() -> None:
    sums = ImageSums(10)
    assert all(math.isnan(row.value) and row.count == 0 for row in sums.rows("t", "all"))
    sums.add(sums_of(noisy(1)))
    assert all(math.isnan(row.value) and row.count == 1 for row in sums.rows("t", "all"))
    sums.add(CalibrationSums(2, 10))
    other = ImageSums(10)
    other.add(sums_of(noisy(2)))
    sums.merge(other)
    assert sums.rows("t", "all") == sums.rows("t", "all")
    assert sums.rows("t", "all")[0].count == 2


def test_infinite_nll_has_no_interval_and_the_others_do() -> None:
    probs, labels = noisy(1)
    sure = np.stack([np.zeros_like(probs[0]), np.ones_like(probs[0])])
    sums = ImageSums(10)
    for image in ((probs, labels), noisy(2), (sure, labels)):
        sums.add(sums_of(image))
    rows = sums.rows("t", "all")
    assert math.isnan(value(rows, "nll_low"))
    assert value(rows, "brier_low") < value(rows, "brier_high")


def test_a_thousand_images_are_resampled_within_a_second() -> None:
    sums, image = ImageSums(10), sums_of(noisy(1))
    for _ in range(1000):
        sums.add(image)
    started = time.perf_counter()
    rows = sums.rows("t", "all")
    assert time.perf_counter() - started < 1
    assert value(rows, "nll_low") == pytest.approx(image.nll())


def test_evaluation_tells_risk_strata_and_intervals_of_all_images_together() -> None:
    evaluation = Evaluation(TWO, EvaluationConfig(), "test")
    for seed, group in enumerate(("benign", "malignant", None)):
        probs, labels = noisy(seed)
        evaluation.update(group, probs, None, Mask(labels))
    rows = [row for row in evaluation.rows() if row.group == "all"]
    assert value(rows, "error_left", place=0) == pytest.approx(1 - value(rows, "pixel_accuracy"))
    assert value(rows, "ece_low") <= value(rows, "ece_high")
    assert value(rows, "nll_low") < value(rows, "nll") < value(rows, "nll_high")
    assert not [r for r in evaluation.rows() if r.group == "benign" and r.metric == "error_left"]
    assert [r for r in evaluation.rows() if r.group == "benign" and r.metric == "aurc"]


def test_recalibrated_rows_carry_their_prefix_and_no_object() -> None:
    evaluation = RecalibratedEvaluation(TWO, EvaluationConfig(), "test")
    probs, labels = noisy(0)
    evaluation.update("benign", probs, Mask(labels))
    rows = evaluation.rows()
    assert all(row.metric.startswith("recalibrated_") for row in rows)
    assert not [row for row in rows if "object" in row.metric]
    assert value([r for r in rows if r.group == "benign"], "recalibrated_nll") > 0
    assert value([r for r in rows if r.group == "all"], "recalibrated_distance_ece", place=0) >= 0
