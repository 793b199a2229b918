"""Bootstrap ranks and penalties agree with cases worked by hand, enumeration and scipy."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.errors import ShapeError
from askmask.experiments.stats.ranking import RankSpread, bootstrap_ranks, penalty_matrix

few = settings(max_examples=20, deadline=None)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def test_strategy_that_is_always_ahead_ranks_first_without_spread() -> None:
    spread = bootstrap_ranks(np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]))
    assert spread == [RankSpread(2.0, 2.0, 2.0, 0.0), RankSpread(1.0, 1.0, 1.0, 1.0)]


def test_equal_strategies_share_their_ranks() -> None:
    same = [0.1, 0.7, 0.3]
    spread = bootstrap_ranks(np.array([same, same, [0.0, 0.1, 0.2]]))
    assert [own.mean for own in spread] == [1.5, 1.5, 3.0]
    assert [own.first for own in spread] == [1.0, 1.0, 0.0]


def test_ranks_worked_by_hand() -> None:
    # two seeds: samples (0, 0), (0, 1) twice, (1, 1), equally likely.
    # means of A 1, 0.5, 0; of B 0.4 always: A ranks 1, 1, 1, 2, so 1.25
    first, second = bootstrap_ranks(np.array([[1.0, 0.0], [0.4, 0.4]]))
    assert first.mean == pytest.approx(1.25, abs=0.02)
    assert first.first == pytest.approx(0.75, abs=0.02)
    assert (first.low, first.high) == (1.0, 2.0)
    assert second.mean == pytest.approx(1.75, abs=0.02)


def test_ranks_agree_with_every_sample_enumerated() -> None:
    scores = drawn(4, 4)
    ranks = [
        scipy.stats.rankdata(-scores[:, list(seeds)].mean(axis=1).round(12))
        for seeds in itertools.product(range(4), repeat=4)
    ]
    expected = np.mean(ranks, axis=0)
    assert [own.mean for own in bootstrap_ranks(scores)] == pytest.approx(expected, abs=0.04)


def test_ranks_are_seeded() -> None:
    scores = drawn(3, 4)
    assert bootstrap_ranks(scores) == bootstrap_ranks(scores)
    assert bootstrap_ranks(scores) != bootstrap_ranks(scores, seed=1)


@few
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_ranks_always_add_up(strategies: int, seeds: int, seed: int) -> None:
    spread = bootstrap_ranks(drawn(strategies, seeds, seed=seed), resamples=50)
    assert sum(own.mean for own in spread) == pytest.approx(strategies * (strategies + 1) / 2)


@pytest.mark.parametrize("scores", [np.zeros((0, 3)), np.array([[0.1, math.nan]])])
def test_scores_that_cannot_be_ranked_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ShapeError, match="expected finite scores of at least one strategy"):
        bootstrap_ranks(scores)


def test_penalties_worked_by_hand() -> None:
    # differences of B - A: budget 0: 0.1, 0.2, 0.3: t = 3.46 < 4.303; budget 1: 0.2, 0.2, 0.3:
    # mean 0.2333, std 0.0577, t = 7 > 4.303: B wins one of two budgets
    a = [[0.1, 0.1], [0.1, 0.1], [0.1, 0.1]]
    b = [[0.2, 0.3], [0.3, 0.3], [0.4, 0.4]]
    assert penalty_matrix(np.array([a, b])).tolist() == [[0, 0], [0.5, 0]]


def test_penalties_agree_with_scipy() -> None:
    scores = drawn(4, 5, 6) + np.arange(4)[:, None, None]
    expected = np.zeros((4, 4))
    for i, j, budget in itertools.product(range(4), range(4), range(6)):
        if i != j:
            result = scipy.stats.ttest_rel(scores[i, :, budget], scores[j, :, budget])
            expected[i, j] += (result.pvalue < 0.05 and result.statistic > 0) / 6
    assert penalty_matrix(scores) == pytest.approx(expected)
    assert penalty_matrix(scores).sum() > 1  # something was found


def test_equal_strategies_do_not_beat_each_other() -> None:
    assert not penalty_matrix(np.ones((3, 4, 5))).any()


def test_constant_difference_is_a_win() -> None:
    scores = np.stack([np.zeros((3, 1)), np.full((3, 1), 0.5)])
    assert penalty_matrix(scores).tolist() == [[0, 0], [1, 0]]


def test_seeds_without_a_score_are_left_out_of_their_pair() -> None:
    a = np.array([[0.1], [0.1], [0.1], [0.9]])
    b = np.array([[0.3], [0.3], [0.4], [math.nan]])
    alone = penalty_matrix(np.stack([a[:3], b[:3]]))
    assert penalty_matrix(np.stack([a, b])).tolist() == alone.tolist() == [[0, 0], [1, 0]]


def test_one_seed_beats_nobody() -> None:
    assert not penalty_matrix(np.array([[[0.1]], [[0.9]]])).any()


def test_penalties_of_equal_strategies_stay_near_what_chance_gives() -> None:
    matrix = penalty_matrix(drawn(6, 5, 400))
    off_diagonal = matrix[~np.eye(6, dtype=bool)]
    assert off_diagonal.mean() == pytest.approx(0.025, abs=0.008)


def test_no_budget_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"at one budget or more, got shape \(2, 3, 0\)"):
        penalty_matrix(np.zeros((2, 3, 0)))
