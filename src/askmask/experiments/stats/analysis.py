"""Statistics of one metric of a results table: one record that tables, figures and JSON read."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curve_statistics import aubc, common_span, cost_to_reach, t_interval
from askmask.experiments.stats.curves import (
    ALL_DATA,
    Arm,
    Curves,
    complete_curves,
    mean_curve,
    references,
    scores,
)
from askmask.experiments.stats.measures import Metric
from askmask.experiments.stats.ranking import RankSpread, bootstrap_ranks, penalty_matrix

REACH_SHARE: Final = 0.95
"""Share of the all-data score whose cost is reported."""


@dataclass(frozen=True, slots=True)
class StrategyScores:
    """One strategy over the seeds that reached its last round.

    `trials`, `seeds`, `finals` (score of the last round), `areas` (under the budget curve, over
    the span of the analysis) and `reached` (cost to reach its level, NaN if not reached) are
    parallel. `rank` is None where the strategies share too few seeds.
    """

    strategy: Arm
    trials: tuple[str, ...]
    seeds: tuple[int, ...]
    finals: tuple[float, ...]
    areas: tuple[float, ...]
    reached: tuple[float, ...]
    rank: RankSpread | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Every strategy by one metric, one split and one cost.

    Attributes
    ----------
    metric, split, cost
        Which rows it rests on: class and group ``"all"``, and the cost column.
    span : tuple of float
        Range of costs that every curve covers.
    level, level_of : float, str
        Score to reach and what it is a share of; NaN where lower is better.
    standings : tuple of StrategyScores
        In the order of `curves.strategies`.
    shared_seeds : tuple of int
        Seeds that every strategy has: ranks and penalties rest on them.
    budgets : tuple of float
        Costs at which strategies are compared for the penalties, the start left out.
    penalties : (strategies, strategies) array or None
        See `ranking.penalty_matrix`; None for fewer than two strategies or shared seeds.
    """

    metric: Metric
    split: str
    cost: str
    span: tuple[float, float]
    level: float
    level_of: str
    standings: tuple[StrategyScores, ...]
    shared_seeds: tuple[int, ...]
    budgets: tuple[float, ...]
    penalties: npt.NDArray[np.float64] | None


def analyse(
    rows: Sequence[ResultRow], metric: Metric, split: str, cost: str = "labelled_fraction"
) -> Analysis | None:
    """Compute every statistic of a metric.

    Trials that did not reach their strategy's last round are left out. Between rounds, scores are
    interpolated linearly.

    Parameters
    ----------
    rows : sequence of ResultRow
        The results table.
    metric : Metric
        Which score.
    split : str
        On which split.
    cost : str
        The cost column.

    Returns
    -------
    Analysis or None
        None if the curves share no range of costs.
    """
    measured = scores(rows, metric.name, split)
    curves = complete_curves(rows, metric.name, split, cost)
    span = common_span([xs for own in curves.values() for xs, _ in own.values()])
    if span is None:
        return None
    level, level_of = _level(rows, metric, split, curves)
    names = {
        (s, row.seed): row.trial for row in _first_rounds(measured) for s in curves if s.owns(row)
    }
    shared = sorted(set.intersection(*(set(own) for own in curves.values())))
    budgets = _budgets(curves, span)
    areas = [{seed: aubc(*curve, span) for seed, curve in own.items()} for own in curves.values()]
    ranks = _ranks(areas, shared, metric.lower_is_better)
    penalties = _penalties(curves, shared, budgets, metric.lower_is_better)
    standings = tuple(
        StrategyScores(
            strategy,
            tuple(names[strategy, seed] for seed in own),
            tuple(own),
            tuple(ys[-1] for _, ys in own.values()),
            tuple(by_seed.values()),
            tuple(cost_to_reach(xs, ys, level) for xs, ys in own.values()),
            rank,
        )
        for (strategy, own), by_seed, rank in zip(curves.items(), areas, ranks, strict=True)
    )
    return Analysis(
        metric, split, cost, span, level, level_of, standings, tuple(shared), budgets, penalties
    )


def _first_rounds(measured: Sequence[ResultRow]) -> list[ResultRow]:
    """One row of each trial."""
    return list({(row.trial, row.model, row.dataset): row for row in measured}.values())


def _level(
    rows: Sequence[ResultRow], metric: Metric, split: str, curves: Curves
) -> tuple[float, str]:
    """Score to reach, and what it is 95 % of."""
    if metric.lower_is_better:
        return math.nan, ""
    measured = scores(rows, metric.name, split)
    all_data = [found for found in references(measured) if found.acquisition == ALL_DATA]
    if len(all_data) == 1:  # several models or data sets have no common level
        return REACH_SHARE * mean_curve(measured, all_data[0])[-1].mean, "the all-data score"
    finals = [t_interval([ys[-1] for _, ys in own.values()])[0] for own in curves.values()]
    return REACH_SHARE * max(finals), "the best final score"


def _budgets(curves: Curves, span: tuple[float, float]) -> tuple[float, ...]:
    """As many equally spaced costs as there are rounds after the start, the last at the end."""
    count = max(len(xs) for own in curves.values() for xs, _ in own.values()) - 1
    return tuple(float(cost) for cost in np.linspace(*span, count + 1)[1:])


def _ranks(
    areas: Sequence[Mapping[int, float]], shared: Sequence[int], lower_is_better: bool
) -> Sequence[RankSpread | None]:
    """Ranks by area, over the seeds that all strategies have; None where nothing can be ranked."""
    sign = -1 if lower_is_better else 1
    scores = sign * np.array([[own[seed] for seed in shared] for own in areas])
    can_be_ranked = len(areas) > 1 and len(shared) > 1 and np.isfinite(scores).all()
    return bootstrap_ranks(scores) if can_be_ranked else [None] * len(areas)


def _penalties(
    curves: Curves, shared: Sequence[int], budgets: Sequence[float], lower_is_better: bool
) -> npt.NDArray[np.float64] | None:
    """Penalties by budget, over the seeds that all strategies have."""
    if len(curves) < 2 or len(shared) < 2:
        return None
    sign = -1 if lower_is_better else 1
    at_budgets = [[np.interp(budgets, *own[seed]) for seed in shared] for own in curves.values()]
    return penalty_matrix(sign * np.array(at_budgets))
