"""Recalibration: worked cases, limits, what each map keeps, and independent references."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from askmask.calibration import (
    LogitSample,
    LogitScaling,
    ProbabilityCells,
    ProbabilityMap,
    fit_histogram,
    fit_isotonic,
    fit_temperature,
    fit_vector,
    pooled_nll,
)
from askmask.errors import AskmaskError, ShapeError
from askmask.records import UNLABELLED

seeds = st.integers(0, 2**32 - 1)


def calibrated(
    n: int, *, n_classes: int = 2, n_samples: int = 1, seed: int = 0, spread: float = 2
) -> LogitSample:
    """Logits whose softmax says exactly how often each label was drawn (if there is one sample)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(1, n_classes, n)) * spread
    labels = (logits[0] + rng.gumbel(size=(n_classes, n))).argmax(0)
    noise = rng.normal(size=(n_samples, n_classes, n)) * (n_samples > 1)
    return LogitSample(torch.from_numpy(logits + noise).float(), torch.from_numpy(labels))


def scaled(sample: LogitSample, factor: float) -> LogitSample:
    return LogitSample(sample.logits * factor, sample.labels, sample.weight)


def flat(foreground: list[float], labels: list[int]) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([foreground])
    return np.stack([1 - values, values]), np.array([labels], np.int16)


def cells_of(probs: np.ndarray, labels: np.ndarray) -> ProbabilityCells:
    cells = ProbabilityCells(len(probs))
    cells.update(probs, labels)
    return cells


def noisy(seed: int, n_classes: int = 2, shape: tuple[int, int] = (40, 50)):
    """Overconfident probabilities and labels, a tenth of them unlabelled."""
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n_classes, *shape))
    labels = np.argmax(logits + rng.gumbel(size=logits.shape), axis=0)
    probs = np.exp(2.5 * logits)
    labels = np.where(rng.random(shape) < 0.1, UNLABELLED, labels).astype(np.int16)
    return (probs / probs.sum(0)).astype(np.float32), labels


def test_temperature_of_a_case_worked_by_hand() -> None:
    # Logit differences of 2 log 3, three of four pixels right. The NLL is smallest where the
    # confidence equals the accuracy: sigmoid(2 log 3 / T) = 3/4 = sigmoid(log 3), so T = 2.
    logits = torch.tensor([[[0.0] * 4, [2 * math.log(3)] * 4]])
    found = fit_temperature([LogitSample(logits, torch.tensor([1, 1, 1, 0]))])
    assert found.temperature == pytest.approx(2, rel=1e-5)
    probs = found(logits).softmax(1)[0, 1]
    assert probs.tolist() == pytest.approx([0.75] * 4)


def test_temperature_of_two_samples_makes_their_mean_calibrated() -> None:
    # Samples say p and 1/2; their mean must be 5/8 (5 of 8 pixels right), so p = 3/4 = sigmoid(log
    # 3): the logit difference of 4 log 3 is divided by 4.
    logits = torch.zeros(2, 2, 8)
    logits[0, 1] = 4 * math.log(3)
    found = fit_temperature([LogitSample(logits, torch.tensor([1] * 5 + [0] * 3))])
    assert found.temperature == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_temperature_undoes_a_known_scaling(factor: float, n_classes: int) -> None:
    sample = calibrated(60_000, n_classes=n_classes)
    found = fit_temperature([scaled(sample, factor)])
    assert found.temperature == pytest.approx(factor, rel=0.03)


def test_temperature_scales_with_the_logits_exactly() -> None:
    sample = calibrated(3000, n_samples=4)
    once, tripled = fit_temperature([sample]), fit_temperature([scaled(sample, 3)])
    assert once.temperature is not None
    assert tripled.temperature == pytest.approx(3 * once.temperature, rel=1e-4)


@given(seed=seeds, n_samples=st.integers(1, 3))
@settings(max_examples=15)
def test_temperature_is_the_best_of_all_that_scipy_finds(seed: int, n_samples: int) -> None:
    sample = scaled(calibrated(200, n_samples=n_samples, seed=seed), 2)
    logits, labels = sample.logits.double().numpy(), sample.labels.numpy()

    def nll(temperature: float) -> float:
        exps = np.exp(logits / temperature)
        mean = (exps / exps.sum(1, keepdims=True)).mean(0)
        return float(-np.log(mean[labels, np.arange(len(labels))]).mean())

    found = fit_temperature([sample])
    assert found.temperature is not None
    assert pooled_nll([sample], found) == pytest.approx(nll(found.temperature))
    reference = minimize_scalar(nll, bounds=(0.05, 20), method="bounded")
    assert nll(found.temperature) <= reference.fun + 1e-9


def test_temperature_ends_at_its_limit_where_every_pixel_is_right() -> None:
    logits = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    assert fit_temperature([LogitSample(logits, torch.tensor([1, 0]))]).temperature == (
        pytest.approx(0.05)
    )
    assert fit_temperature([LogitSample(logits, torch.tensor([0, 1]))]).temperature == (
        pytest.approx(20)
    )


@given(seed=seeds, temperature=st.floats(0.1, 10))
@settings(max_examples=25)
def test_temperature_keeps_every_predicted_class(seed: int, temperature: float) -> None:
    logits = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, 3, 50)))
    scaling = LogitScaling.of_temperature(temperature, 3)
    assert torch.equal(scaling(logits).argmax(1), logits.argmax(1))


def test_images_count_by_the_pixels_they_stand_for() -> None:
    first, second = calibrated(500, seed=1), scaled(calibrated(500, seed=2), 4)
    tripled = [LogitSample(first.logits, first.labels, 3.0), second]
    expected = fit_temperature([first, first, first, second])
    assert fit_temperature(tripled).scale == pytest.approx(expected.scale, rel=1e-5)


def test_vector_scaling_undoes_a_known_scale_and_shift() -> None:
    sample = calibrated(60_000, n_classes=3)
    bent = sample.logits * torch.tensor([2.0, 0.5, 1.0]).view(1, 3, 1)
    bent = bent + torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1)
    found = fit_vector([LogitSample(bent, sample.labels)])
    assert found.scale == pytest.approx((0.5, 2.0, 1.0), rel=0.05)
    # 0.5 (2 z + 1) - 0.5, 2 (z / 2 - 1) + 2 and z + 0; less their mean 0.5.
    assert found.shift == pytest.approx((-1, 1.5, -0.5), abs=0.08)


def test_vector_scaling_is_the_logistic_regression_of_scikit_learn() -> None:
    # With two classes and logits (0, z) only w z + b is left to fit.
    z = torch.from_numpy(np.random.default_rng(3).normal(size=4000) * 3)
    labels = torch.rand(4000, generator=torch.Generator().manual_seed(1)) < (z / 2 + 1).sigmoid()
    found = fit_vector(
        [LogitSample(torch.stack([torch.zeros(4000), z.float()])[None], labels.long())]
    )
    reference = LogisticRegression(C=1e8, tol=1e-10).fit(z[:, None].numpy(), labels.numpy())
    assert found.scale[1] == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert found.shift[1] - found.shift[0] == pytest.approx(reference.intercept_[0], rel=1e-3)


def test_vector_scaling_gives_back_the_threads_that_it_found() -> None:
    torch.set_num_threads(2)
    found = threadpool_info()
    fit_vector([calibrated(200, n_samples=2)])
    with pytest.raises(AskmaskError, match="finite"):
        fit_vector([LogitSample(torch.full((1, 2, 4), torch.nan), torch.zeros(4).long())])
    assert torch.get_num_threads() == 2
    assert threadpool_info() == found


def test_vector_scaling_stays_finite_where_classes_separate() -> None:
    logits = torch.tensor([[[0.0, 3.0], [3.0, 0.0]]])
    found = fit_vector([LogitSample(logits, torch.tensor([1, 0]))])
    assert all(math.isfinite(value) for value in (*found.scale, *found.shift))


@given(seed=seeds)
@settings(max_examples=3)
def test_vector_scaling_fits_no_worse_than_a_temperature(seed: int) -> None:
    sample = scaled(calibrated(300, n_classes=3, n_samples=2, seed=seed), 3)
    temperature, vector = fit_temperature([sample]), fit_vector([sample])
    before = pooled_nll([sample])
    assert pooled_nll([sample], vector) <= pooled_nll([sample], temperature) + 1e-4
    assert pooled_nll([sample], temperature) <= before + 1e-9


@pytest.mark.parametrize("seed", [14, 25, 29, 31])
def test_vector_scaling_of_several_samples_leaves_a_local_optimum(seed: int) -> None:
    # Samples that contradict each other: from the best temperature alone the search ended between
    # 0.1 and 0.3 nats above the lowest point of this grid.
    rng = np.random.default_rng(seed)
    n_samples, n_pixels = int(rng.integers(2, 5)), int(rng.integers(3, 9))
    spread = float(rng.choice([2, 8]))
    logits = np.round(rng.normal(size=(n_samples, 2, n_pixels)) * spread)
    labels = rng.integers(0, 2, n_pixels)
    sample = LogitSample(torch.from_numpy(logits).float(), torch.from_numpy(labels))

    found = fit_vector([sample])

    powers = np.geomspace(0.05, 32, 24)
    scales = np.concatenate([-powers, [0], powers])
    axes = np.meshgrid(scales, scales, np.linspace(-20, 20, 41), indexing="ij")
    first, second, shift = (axis[..., None] for axis in axes)
    sign = np.where(labels == 1, 1, -1)
    true = sum(expit(sign * (second * z[1] - first * z[0] + shift)) for z in logits)
    with np.errstate(divide="ignore"):
        lowest = (-np.log(true / n_samples)).mean(-1).min()
    assert pooled_nll([sample], found) < lowest + 2e-3


def test_vector_scaling_of_several_samples_is_the_same_each_time() -> None:
    sample = calibrated(300, n_classes=3, n_samples=3)
    assert fit_vector([sample]) == fit_vector([sample])


def test_scaling_of_another_number_of_classes_is_refused() -> None:
    with pytest.raises(ShapeError, match="expected logits of 3 classes"):
        LogitScaling.of_temperature(2.0, 3)(torch.zeros(1, 2, 4))


def test_fit_without_pixels_or_with_a_diverged_model_is_refused() -> None:
    nothing = LogitSample(torch.zeros(1, 2, 0), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ShapeError, match="expected labelled pixels"):
        fit_temperature([nothing])
    with pytest.raises(ShapeError, match="expected labelled pixels"):
        fit_isotonic(ProbabilityCells(2))
    diverged = LogitSample(torch.full((1, 2, 3), torch.nan), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(AskmaskError, match="expected finite logits"):
        fit_temperature([diverged])
    with pytest.raises(ShapeError, match="got NaN"):
        cells_of(np.full((2, 1, 1), np.nan), np.zeros((1, 1), np.int16))


def test_histogram_of_a_case_worked_by_hand() -> None:
    # Two bins of four pixels: below, 1 of 4 is foreground; above, 4 of 4, which becomes 4.5/5.
    probs, labels = flat([0.1, 0.2, 0.3, 0.35, 0.6, 0.7, 0.8, 0.9], [0, 0, 0, 1, 1, 1, 1, 1])
    found = fit_histogram(cells_of(probs, labels), 2)
    assert found.values[1] == pytest.approx((0.25, 0.9))
    mapped = found(torch.from_numpy(probs))[1, 0]
    assert mapped.tolist() == pytest.approx([0.25] * 4 + [0.9] * 4)


def test_isotonic_of_a_case_worked_by_hand() -> None:
    # Labels 0 1 0 1 in order: the middle two violate the order and are pooled to 1/2.
    # The outer ones would be 0 and 1: half an event is added, 0.5 / 2.
    probs, labels = flat([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1])
    found = fit_isotonic(cells_of(probs, labels))
    mapped = found(torch.from_numpy(probs))
    assert mapped[1, 0].tolist() == pytest.approx([0.25, 0.5, 0.5, 0.75])
    assert mapped.sum(0).tolist() == [[1.0] * 4]


@given(seed=seeds)
@settings(max_examples=20)
def test_isotonic_is_that_of_scikit_learn_on_the_cells_middles(seed: int) -> None:
    probs, labels = noisy(seed)
    known = labels != UNLABELLED
    odds = np.log(probs[1][known].astype(float)) - np.log(probs[0][known].astype(float))
    middle = (np.floor(odds.clip(-20, 19.99) * 32) + 0.5) / 32
    reference = IsotonicRegression().fit(middle, labels[known] == 1)
    expected = reference.predict(middle)
    mapped = fit_isotonic(cells_of(probs, labels))(torch.from_numpy(probs))[1].numpy()[known]
    inner = (expected > 0) & (expected < 1)
    assert mapped[inner] == pytest.approx(expected[inner], abs=1e-5)
    assert np.abs(mapped - expected).max() < 0.26


@given(seed=seeds, n_classes=st.integers(2, 4))
@settings(max_examples=20)
def test_maps_give_probabilities_that_are_never_certain(seed: int, n_classes: int) -> None:
    probs, labels = noisy(seed, n_classes, (10, 12))
    cells = cells_of(probs, labels)
    for found in (fit_histogram(cells), fit_isotonic(cells)):
        mapped = found(torch.from_numpy(probs))
        assert mapped.shape == probs.shape
        assert float((mapped.sum(0) - 1).abs().max()) < 1e-5
        assert float(mapped.min()) > 0
        assert float(mapped.max()) < 1


@given(seed=seeds)
@settings(max_examples=20)
def test_isotonic_map_ascends(seed: int) -> None:
    probs, labels = noisy(seed, shape=(6, 7))
    values = fit_isotonic(cells_of(probs, labels)).values
    assert all(list(steps) == sorted(steps) for steps in values)


@pytest.mark.parametrize("fit", [fit_histogram, fit_isotonic])
def test_maps_leave_calibrated_probabilities_nearly_alone(fit) -> None:
    rng = np.random.default_rng(0)
    foreground = rng.random((400, 400))
    labels = (rng.random((400, 400)) < foreground).astype(np.int16)
    probs = np.stack([1 - foreground, foreground])
    mapped = fit(cells_of(probs, labels))(torch.from_numpy(probs))[1].numpy()
    assert np.abs(mapped - foreground).mean() < 0.02


@pytest.mark.parametrize("fit", [fit_histogram, fit_isotonic])
def test_maps_make_the_mean_of_each_step_what_came_true(fit) -> None:
    probs, labels = noisy(5, shape=(200, 200))
    mapped = fit(cells_of(probs, labels))(torch.from_numpy(probs))[1].numpy()
    known = labels != UNLABELLED
    for value in np.unique(mapped):
        step = known & (mapped == value)
        if step.sum() > 500:
            assert (labels[step] == 1).mean() == pytest.approx(value, abs=0.01)


def test_cells_merged_are_cells_of_all_images() -> None:
    first, second = noisy(1), noisy(2)
    merged = cells_of(*first)
    merged.merge(cells_of(*second))
    both = cells_of(*first)
    both.update(*second)
    assert np.array_equal(merged.counts, both.counts)


def test_confidence_near_one_is_told_apart() -> None:
    # 1 - 1e-9 is 1 in float32; its complement says where it lies.
    probs = np.array([[[1e-9, 1e-5]], [[1.0, 1 - 1e-5]]], np.float32)
    counts = cells_of(probs, np.array([[1, 1]], np.int16)).counts[1, 0]
    assert np.count_nonzero(counts) == 2


def test_map_of_another_number_of_classes_is_refused() -> None:
    both = ProbabilityMap("histogram", ((), ()), ((0.5,), (0.5,)))
    with pytest.raises(ShapeError, match="expected probabilities of 2 classes"):
        both(torch.zeros(3, 4))
    with pytest.raises(ShapeError, match="expected probabilities of shape"):
        cells_of(np.zeros((2, 3, 3)), np.zeros((2, 2), np.int16))
