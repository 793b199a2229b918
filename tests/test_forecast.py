"""How many more regions are worth it: a curve through the rounds' scores, and its interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.serve.web.forecast import LEAST_ROUNDS, MOST_REGIONS, STEP, Forecast, forecast

ROUNDS = [0, 10, 20, 40, 60, 80]


def law(limit: float, slope: float, exponent: float, regions: list[int]) -> list[float]:
    return [limit - slope * (n + 1) ** -exponent for n in regions]


def test_scores_on_a_curve_give_the_number_at_which_ten_regions_bring_half_a_point() -> None:
    # score = 0.9 - 0.6 / sqrt(n + 1). Behind 80 regions, ten more bring
    # 0.6 (1 / sqrt(81 + m) - 1 / sqrt(91 + m)): 0.0038 at m = 0, which is below 0.005
    assert forecast(ROUNDS, law(0.9, 0.6, 0.5, ROUNDS)) == Forecast(0, 0, 0)
    # behind 30 regions: 0.0141, 0.0097, 0.0072, 0.0056, 0.0045 at m = 0, 10 ... 40
    early = [0, 5, 10, 15, 20, 30]
    assert forecast(early, law(0.9, 0.6, 0.5, early)) == Forecast(40, 40, 40)


def test_gain_at_the_stated_place_is_below_half_a_point_and_before_it_is_not() -> None:
    regions = [0, 5, 10, 15, 20, 30]

    def gain(more: int) -> float:
        before, after = law(0.9, 0.6, 0.5, [30 + more, 30 + more + STEP])
        return after - before

    assert gain(30) >= 0.005 > gain(40)
    assert len(regions) >= LEAST_ROUNDS


@pytest.mark.parametrize("regions", [[], [0, 10, 20, 30], [0, 0, 10, 10, 20, 20, 30]])
def test_few_rounds_say_nothing(regions: list[int]) -> None:
    assert forecast(regions, [0.5] * len(regions)) is None


def test_scores_that_do_not_rise_promise_nothing() -> None:
    found = forecast(ROUNDS, [0.8, 0.7, 0.6, 0.5, 0.4, 0.3])

    assert found is not None
    assert (found.more, found.low) == (0, 0)


def test_noisy_rounds_have_a_wider_interval() -> None:
    regions = list(range(0, 80, 10))
    noise = np.random.default_rng(1).normal(0, 0.02, len(regions))
    clean, noisy = law(0.9, 0.6, 0.4, regions), law(0.9, 0.6, 0.4, regions) + noise

    first, second = forecast(regions, clean), forecast(regions, [float(value) for value in noisy])

    assert first is not None
    assert second is not None
    assert second.high - second.low > first.high - first.low


@given(scores=st.lists(st.floats(0, 1), min_size=6, max_size=12))
def test_interval_holds_the_forecast_and_ends_in_sight(scores: list[float]) -> None:
    found = forecast(list(range(0, 10 * len(scores), 10)), scores)

    assert found is not None
    assert 0 <= found.low <= found.more <= found.high <= MOST_REGIONS
