"""What few samples say of many: the forecast, its error, the loss, and which images stay open."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from askmask.config import ImageConfig, RegionConfig
from askmask.query.forecast import (
    Contender,
    Estimate,
    contenders,
    expected_loss,
    jackknife,
    possible_losses,
    still_open,
)
from askmask.query.regions import places_of
from askmask.query.scores import SampleSums, score_map
from askmask.records import Region

K1 = RegionConfig(size=(1, 2), stride=1, budget_regions=1)


def one_place(image_id: str, utility: float, error: float, own_loss: float = 0.0) -> Estimate:
    region = Region(image_id, 0, 0, 1, 2)
    return Estimate(
        image_id, 4, np.array([utility]), (Contender(region, 2, utility, error, own_loss),)
    )


def loss_of(lead: float, error: float) -> float:
    return float(expected_loss(np.array([lead]), np.array([error]))[0])


class TestJackknife:
    def test_case_worked_by_hand(self) -> None:
        # Two groups of one sample, T = 4: missing = 1 - 2/4 = 1/2.
        # value = 0.6 - (2 - 1) (1/2) (0.4 - 0.6) = 0.7; deviations +-0.1 sqrt(1/2 x 1/2) = +-0.05.
        value, deviations = jackknife(np.array([0.6]), np.array([[0.5], [0.3]]), 2, 4)
        np.testing.assert_allclose(value, [0.7])
        np.testing.assert_allclose(deviations, [[0.05], [-0.05]])

    def test_all_samples_leave_nothing_to_forecast(self) -> None:
        value, deviations = jackknife(np.array([2.0]), np.array([[1.0], [4.0]]), 4, 4)
        assert value.tolist() == [2.0]
        assert not deviations.any()

    @given(
        theta=st.floats(0, 10),
        bias=st.floats(-5, 5),
        per_group=st.integers(1, 5),
        limit=st.integers(20, 100),
    )
    def test_bias_of_one_over_n_is_removed_exactly(
        self, theta: float, bias: float, per_group: int, limit: int
    ) -> None:
        n = 4 * per_group
        without = np.full((4, 1), theta + bias / (n - per_group))
        value, _ = jackknife(np.array([theta + bias / n]), without, n, limit)
        np.testing.assert_allclose(value, [theta + bias / limit], atol=1e-9)

    def test_variance_of_a_mean_is_that_of_a_sample_without_replacement(self) -> None:
        # The classical s^2 / n (1 - n / T), for the mean of 4 of 16 numbers.
        x = np.array([1.0, 4.0, 2.0, 9.0])
        without = ((x.sum() - x) / 3)[:, None]
        _, deviations = jackknife(np.array([x.mean()]), without, 4, 16)
        np.testing.assert_allclose((deviations**2).sum(), x.var(ddof=1) / 4 * (1 - 4 / 16))

    @pytest.mark.parametrize("name", ["mutual_information", "predictive_entropy"])
    def test_forecast_from_four_samples_is_right_on_average_and_its_error_is_honest(
        self, name: str
    ) -> None:
        generator = np.random.default_rng(0)
        logits = generator.normal(0.3, 1.0, (4000, 32))  # pixels x samples
        p = torch.from_numpy(1 / (1 + np.exp(-logits))).T[:, None]  # (S, 1, pixels)
        probs = torch.cat([1 - p, p], dim=1)

        def score(samples: list[int]) -> np.ndarray:
            return score_map(name, SampleSums.of(probs[samples])).numpy()

        four = [0, 1, 2, 3]
        without = np.stack([score([s for s in four if s != g]) for g in four])
        value, deviations = jackknife(score(four), without, 4, 32)
        truth = score(list(range(32)))
        own = abs((score(four) - truth).mean())
        assert abs((value - truth).mean()) < 0.25 * own  # most of the bias is gone
        honest = ((value - truth) ** 2).mean() / (deviations**2).sum(0).mean()
        assert 0.7 < honest < 1.4


class TestExpectedLoss:
    def test_equals_the_mean_of_what_is_lost(self) -> None:
        draws = np.random.default_rng(0).normal(0.7, 1.3, 400_000)
        expected = np.maximum(0, -draws).mean()
        assert loss_of(0.7, 1.3) == pytest.approx(expected, 0.01)

    @given(lead=st.floats(0, 1e6), error=st.floats(0, 1e6))
    def test_is_no_larger_than_in_a_tie_and_never_negative(self, lead: float, error: float) -> None:
        loss = loss_of(lead, error)
        assert 0 <= loss <= error / math.sqrt(2 * math.pi) * (1 + 1e-12)


class TestContenders:
    def test_rivals_are_those_that_overlap_and_their_common_noise_cancels(self) -> None:
        # Windows of 2 columns at 0, 1, 2. The best is at 0; only that at 1 overlaps it, by 1 worse.
        # Both move together, so nothing can be lost; the window at 2 is a contender of its own.
        places = places_of("a", np.ones((1, 4), bool), K1)
        deviations = np.array([[1.0, 1.0, 0.5], [-1.0, -1.0, -0.5]])
        rule = RegionConfig(size=(1, 2), stride=1, budget_regions=2)
        first, second = contenders(places, np.array([3.0, 2.0, 1.0]), deviations, rule)
        assert (first.region.col, second.region.col) == (0, 2)
        assert first.own_loss == pytest.approx(0)
        assert first.error == pytest.approx(math.sqrt(2))
        assert second.own_loss == 0

    def test_a_rival_that_moves_the_other_way_may_turn_out_better(self) -> None:
        places = places_of("a", np.ones((1, 3), bool), K1)
        deviations = np.array([[0.5, -0.5], [-0.5, 0.5]])
        (best,) = contenders(places, np.array([3.0, 2.0]), deviations, K1)
        # They differ by 1 give or take sqrt(1 + 1): sqrt(2) (phi(z) - z Phi(-z)), z = 1/sqrt(2).
        assert best.own_loss == pytest.approx(loss_of(1.0, math.sqrt(2)))

    def test_no_more_than_the_budget_has_regions(self) -> None:
        places = places_of("a", np.ones((1, 8), bool), K1)
        assert len(contenders(places, np.arange(7.0), np.zeros((2, 7)), K1)) == 1


class TestStillOpen:
    def test_images_on_both_sides_of_the_last_place_are_open_and_clear_ones_are_not(self) -> None:
        rule = ImageConfig(budget_images=2)
        pool = [
            one_place("clearly in", 9.0, 0.1),
            one_place("last", 5.0, 0.5),
            one_place("next", 4.9, 0.5),
            one_place("clearly out", 1.0, 0.5),
        ]
        assert still_open(pool, rule, 1e-3) == [1, 2]

    def test_a_chosen_image_is_open_if_its_place_is(self) -> None:
        pool = [one_place("a", 9.0, 0.0, own_loss=1.0), one_place("b", 1.0, 0.0, own_loss=1.0)]
        assert still_open(pool, K1, 1e-3) == [0]

    def test_nothing_changes_sides_where_everything_is_asked(self) -> None:
        pool = [one_place("a", 5.0, 9.0), one_place("b", 4.0, 9.0)]
        losses, _ = possible_losses(pool, ImageConfig(budget_images=3))
        assert losses.tolist() == [0.0, 0.0]

    def test_exact_estimates_are_closed(self) -> None:
        pool = [one_place(name, 1.0, 0.0) for name in "abc"]
        assert still_open(pool, ImageConfig(budget_images=2), 1e-6) == []

    def test_a_budget_of_pixels_ends_at_the_last_place_that_fits(self) -> None:
        rule = RegionConfig(size=(1, 2), stride=1, budget_pixels=5)  # two places of 2 pixels
        pool = [
            one_place(name, value, 0.3) for name, value in zip("abc", (9.0, 5.0, 4.9), strict=True)
        ]
        assert still_open(pool, rule, 1e-3) == [1, 2]

    @given(
        st.lists(st.tuples(st.floats(0.1, 10), st.floats(0, 3)), min_size=1, max_size=12),
        st.integers(1, 5),
        st.floats(1e-4, 0.1),
    )
    def test_what_is_closed_costs_less_than_the_tolerance_whatever_the_order(
        self, values: list[tuple[float, float]], budget: int, tolerance: float
    ) -> None:
        rule = ImageConfig(budget_images=budget)
        pool = [one_place(f"i{k}", *value) for k, value in enumerate(values)]
        is_open = still_open(pool, rule, tolerance)
        losses, total = possible_losses(pool, rule)
        closed = [loss for k, loss in enumerate(losses) if k not in is_open]
        assert sum(closed) <= tolerance * total * (1 + 1e-9)
        backwards = still_open(pool[::-1], rule, tolerance)
        assert sorted(len(pool) - 1 - k for k in backwards) == is_open

    def test_an_empty_pool_has_no_open_image(self) -> None:
        assert still_open([], K1, 1e-3) == []
