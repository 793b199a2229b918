"""Paired tests and their correction agree with cases worked by hand, and with scipy."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.errors import ShapeError
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.experiments.stats.significance import (
    EXACT_UP_TO,
    detectable_effect,
    holm,
    paired_t_test,
    sign_flip_test,
    smallest_sign_flip_p,
    t_test_power,
)

DIFFERENCES = st.lists(st.integers(-100, 100).map(lambda n: n / 10), min_size=2, max_size=7)
P_VALUES = st.lists(st.floats(0, 1), max_size=8)
few = settings(max_examples=30, deadline=None)


def test_t_test_worked_by_hand() -> None:
    # mean 2, std 1, t = 2 / (1 / sqrt 3) = 3.4641; 2 degrees: p = 1 - t / sqrt(t^2 + 2) = 0.0742
    assert paired_t_test([1.0, 2.0, 3.0]) == pytest.approx(1 - math.sqrt(12 / 14))


@few
@given(DIFFERENCES)
def test_t_test_agrees_with_scipy(differences: list[float]) -> None:
    if np.ptp(differences) == 0:
        assert paired_t_test(differences) == float(differences[0] == 0)
    else:
        expected = scipy.stats.ttest_1samp(differences, 0).pvalue
        assert paired_t_test(differences) == pytest.approx(expected, abs=1e-12)


@few
@given(DIFFERENCES)
def test_t_test_finds_what_the_interval_leaves_out(differences: list[float]) -> None:
    mean, half_width = t_interval(differences)
    if abs(abs(mean) - half_width) > 1e-9:
        assert (paired_t_test(differences) < 0.05) == (abs(mean) > half_width)


@pytest.mark.parametrize("test", [paired_t_test, sign_flip_test])
def test_no_difference_is_no_evidence(test: object) -> None:
    assert test([0.0, 0.0, 0.0]) == 1  # type: ignore[operator]


@pytest.mark.parametrize("test", [paired_t_test, sign_flip_test])
@pytest.mark.parametrize("differences", [[], [0.1, math.nan], [0.1, math.inf]])
def test_what_cannot_be_tested_is_nan(test: object, differences: list[float]) -> None:
    assert math.isnan(test(differences))  # type: ignore[operator]


def test_equal_differences_leave_no_doubt() -> None:
    assert paired_t_test([6.6, 6.6, 6.6]) == 0  # their standard deviation is 1e-15 in floats


def test_one_pair_has_no_t_test() -> None:
    assert math.isnan(paired_t_test([0.3]))


@given(st.lists(st.integers(-300, 300), min_size=1, max_size=9))
def test_sign_flips_count_ties_as_whole_numbers_do(thousandths: list[int]) -> None:
    numbers = np.array(thousandths)
    signs = np.array(list(itertools.product((-1, 1), repeat=len(numbers))))
    reached = np.abs(signs @ numbers) >= abs(int(numbers.sum()))
    assert sign_flip_test((numbers / 1000).tolist()) == reached.mean()


def test_sign_flips_worked_by_hand() -> None:
    # sums of the patterns of 1, 2, -4: +-1 (observed), +-3, +-5, +-7: all 8 reach 1
    assert sign_flip_test([1.0, 2.0, -4.0]) == 1
    # of 1, 1, 4: |sum| 6 (observed), 4, 4, 2: 2 of 8
    assert sign_flip_test([1.0, 1.0, 4.0]) == 0.25


@few
@given(DIFFERENCES)
def test_sign_flips_agree_with_scipy(differences: list[float]) -> None:
    expected = scipy.stats.permutation_test(
        (np.array(differences),), np.sum, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip_test(differences) == pytest.approx(expected)


@few
@given(DIFFERENCES)
def test_sign_flips_agree_with_plain_loops(differences: list[float]) -> None:
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    reached = [value >= abs(sum(differences)) - 1e-9 for value in sums]
    assert sign_flip_test(differences) == pytest.approx(sum(reached) / len(reached))


@pytest.mark.parametrize("pairs", [1, 2, 5, 10])
def test_sign_flips_cannot_go_below_their_smallest_value(pairs: int) -> None:
    assert sign_flip_test([1.0 + n for n in range(pairs)]) == smallest_sign_flip_p(pairs)


def test_no_pair_has_no_smallest_value() -> None:
    assert math.isnan(smallest_sign_flip_p(0))


def test_drawn_sign_flips_agree_with_the_exact_test() -> None:
    values = np.random.default_rng(0).normal(0.4, 1, EXACT_UP_TO + 2).tolist()
    flips = 1 - 2 * ((np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1)
    exact = float(np.mean(np.abs(flips @ np.array(values)) >= abs(sum(values)) - 1e-9))
    drawn = sign_flip_test(values)
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 99_999))
    assert sign_flip_test(values) == drawn
    assert sign_flip_test(values, seed=1) != drawn


def test_holm_worked_by_hand() -> None:
    # 0.005 x 4 = 0.02; 0.01 x 3 = 0.03; 0.03 x 2 = 0.06; 0.04 x 1 = 0.04, raised to 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_leaves_one() -> None:
    assert holm([0.6, 0.9]) == [1, 1]


def test_test_that_was_not_made_does_not_count() -> None:
    first, missing, second = holm([0.01, math.nan, 0.04])
    assert (first, second) == pytest.approx((0.02, 0.04))
    assert math.isnan(missing)


@few
@given(P_VALUES, st.floats(0.001, 0.5))
def test_holm_rejects_what_stepping_down_rejects(p_values: list[float], level: float) -> None:
    rejected: set[int] = set()
    left = len(p_values)
    for place in sorted(range(left), key=lambda n: p_values[n]):
        if p_values[place] * left > level:
            break
        rejected.add(place)
        left -= 1
    assert {n for n, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_value_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"p-values in \[0, 1\] or NaN, got \[0.2, 1.5\]"):
        holm([0.2, 1.5])


def test_power_of_the_textbook() -> None:
    assert t_test_power(0.5, 34) == pytest.approx(0.8078, abs=5e-4)  # Cohen: n = 34 for 0.80


@pytest.mark.parametrize(("effect", "pairs"), [(0.0, 5), (1.0, 4), (2.5, 3)])
def test_power_agrees_with_scipy(effect: float, pairs: int) -> None:
    critical = scipy.stats.t.ppf(0.975, pairs - 1)
    spread = scipy.stats.nct(pairs - 1, effect * math.sqrt(pairs)) if effect else None
    expected = 0.05 if spread is None else spread.sf(critical) + spread.cdf(-critical)
    assert t_test_power(effect, pairs) == pytest.approx(expected, abs=1e-6)


def test_power_agrees_with_drawn_trials() -> None:
    drawn = np.random.default_rng(0).normal(1.5, 1, (20_000, 5))
    p = scipy.stats.ttest_1samp(drawn, 0, axis=1).pvalue
    assert t_test_power(1.5, 5) == pytest.approx(np.mean(p < 0.05), abs=0.015)


@pytest.mark.parametrize("pairs", [2, 3, 5, 10])
@pytest.mark.parametrize("level", [0.05, 0.01])
def test_detectable_effect_has_the_power_it_promises(pairs: int, level: float) -> None:
    effect = detectable_effect(pairs, level)
    assert t_test_power(effect, pairs, level) == pytest.approx(0.8, abs=1e-6)


def test_one_pair_detects_nothing() -> None:
    assert math.isnan(detectable_effect(1))
