"""Intervals and areas agree with cases worked by hand, and with scipy."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.errors import ShapeError
from askmask.experiments.stats.curve_statistics import aubc, common_span, cost_to_reach, t_interval

SCORES = st.floats(-100, 100, allow_subnormal=False)
few = settings(max_examples=30, deadline=None)


def test_interval_of_two_values_worked_by_hand() -> None:
    # mean 0.7; std = sqrt(2 x 0.1^2) = 0.141421; / sqrt(2) = 0.1; t(1, 0.975) = 12.7062
    mean, half_width = t_interval([0.6, 0.8])
    assert mean == pytest.approx(0.7)
    assert half_width == pytest.approx(1.27062, abs=1e-5)


def test_interval_of_three_values_worked_by_hand() -> None:
    # mean 2; std 1; / sqrt(3) = 0.57735; t(2, 0.975) = 4.30265
    mean, half_width = t_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half_width == pytest.approx(2.48414, abs=1e-5)


@few
@given(st.lists(SCORES, min_size=2, max_size=12), st.floats(0.5, 0.999))
def test_interval_agrees_with_scipy(values: list[float], confidence: float) -> None:
    standard_error = max(np.std(values, ddof=1) / math.sqrt(len(values)), 1e-300)
    low, high = scipy.stats.t.interval(
        confidence, len(values) - 1, loc=np.mean(values), scale=standard_error
    )
    mean, half_width = t_interval(values, confidence)
    assert mean == pytest.approx((low + high) / 2, abs=1e-9)
    assert half_width == pytest.approx((high - low) / 2, rel=1e-6, abs=1e-9)


@few
@given(st.permutations([0.1, 0.4, 0.2, 0.9]))
def test_interval_does_not_depend_on_the_order_of_seeds(values: list[float]) -> None:
    assert t_interval(values) == pytest.approx(t_interval([0.1, 0.2, 0.4, 0.9]))


def test_one_seed_has_a_mean_and_no_interval() -> None:
    mean, half_width = t_interval([0.3])
    assert mean == 0.3
    assert math.isnan(half_width)


def test_no_seed_has_neither() -> None:
    assert all(math.isnan(value) for value in t_interval([]))


def test_nan_is_not_dropped() -> None:
    assert all(math.isnan(value) for value in t_interval([0.3, math.nan, 0.4]))


def test_infinite_value_has_no_interval() -> None:
    mean, half_width = t_interval([0.3, math.inf])
    assert mean == math.inf
    assert math.isnan(half_width)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.0)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(ShapeError, match=f"between 0 and 1, got {confidence}"):
        t_interval([1.0, 2.0], confidence)


def test_area_worked_by_hand() -> None:
    # [1, 2]: (0.2 + 0.6) / 2 x 1 = 0.4; [2, 5]: (0.6 + 0.8) / 2 x 3 = 2.1; 2.5 / 4 = 0.625
    assert aubc([1.0, 2.0, 5.0], [0.2, 0.6, 0.8]) == pytest.approx(0.625)


def test_area_over_a_span_interpolates_at_its_ends() -> None:
    # at 1.5 the score is 0.4; [1.5, 2]: 0.5 x 0.5 = 0.25; [2, 3.5], at 3.5 0.7: 0.65 x 1.5 = 0.975
    assert aubc([1.0, 2.0, 5.0], [0.2, 0.6, 0.8], span=(1.5, 3.5)) == pytest.approx(1.225 / 2)


@few
@given(
    st.lists(
        st.tuples(st.integers(0, 50), SCORES), min_size=2, max_size=8, unique_by=lambda p: p[0]
    )
)
def test_area_agrees_with_scipy(points: list[tuple[int, float]]) -> None:
    x = [float(cost) for cost, _ in sorted(points)]
    y = [score for _, score in sorted(points)]
    expected = scipy.integrate.trapezoid(y, x) / (x[-1] - x[0])
    assert aubc(x, y) == pytest.approx(expected, abs=1e-9)


@few
@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_area_of_a_constant_is_the_constant(score: float, low: float, width: float) -> None:
    x = [0.0, 0.4, 1.1, 2.5]
    assert aubc(x, [score] * 4, (low, low + width)) == pytest.approx(score)


@few
@given(st.lists(SCORES, min_size=3, max_size=3), st.floats(0.1, 10))
def test_area_does_not_depend_on_the_unit_of_cost(scores: list[float], factor: float) -> None:
    cost = [0.1, 0.2, 0.7]
    assert aubc([c * factor for c in cost], scores) == pytest.approx(aubc(cost, scores), abs=1e-9)


def test_area_over_one_point_does_not_exist() -> None:
    assert math.isnan(aubc([0.1], [0.9]))


def test_area_with_a_missing_score_does_not_exist() -> None:
    assert math.isnan(aubc([0.0, 1.0, 2.0], [0.1, math.nan, 0.3]))


@pytest.mark.parametrize(
    ("cost", "score", "message"),
    [
        ([0.0, 1.0], [0.5], "as many scores as costs, at least 1, got 2, 1"),
        ([], [], "got 0, 0"),
        ([0.0, 2.0, 1.0], [0.1, 0.2, 0.3], r"never fall, got \[0.0, 2.0, 1.0\]"),
        ([0.0, math.nan], [0.1, 0.2], "finite costs"),
    ],
)
def test_curve_that_is_none_is_refused(cost: list[float], score: list[float], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        aubc(cost, score)


def test_span_outside_what_was_measured_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"costs \(0.0, 1.0\), got \(0.0, 2.0\)"):
        aubc([0.0, 1.0], [0.1, 0.2], span=(0.0, 2.0))


def test_cost_to_reach_worked_by_hand() -> None:
    # from 0.5 at 0.2 to 0.75 at 0.3; 0.6 is 0.1 / 0.25 = 0.4 of the way: 0.24
    assert cost_to_reach([0.1, 0.2, 0.3], [0.4, 0.5, 0.75], 0.6) == pytest.approx(0.24)


def test_cost_to_reach_is_the_first_cost_if_that_is_enough() -> None:
    assert cost_to_reach([0.1, 0.2], [0.4, 0.5], 0.4) == 0.1


def test_cost_to_reach_a_score_that_was_not_reached_does_not_exist() -> None:
    assert math.isnan(cost_to_reach([0.1, 0.2], [0.4, 0.5], 0.6))


def test_cost_to_reach_interpolates_nothing_from_a_missing_score() -> None:
    assert cost_to_reach([0.1, 0.2], [math.nan, 0.5], 0.4) == 0.2


def test_common_span_is_what_every_curve_covers() -> None:
    assert common_span([[0.1, 0.3, 0.5], [0.2, 0.9]]) == (0.2, 0.5)


@pytest.mark.parametrize("costs", [[], [[0.1]], [[0.1, 0.2], [0.3, 0.4]]])
def test_curves_without_a_shared_range_have_no_span(costs: list[list[float]]) -> None:
    assert common_span(costs) is None
