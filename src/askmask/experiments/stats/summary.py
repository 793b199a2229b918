"""Every statistic of a run as one JSON file beside its results table.

Each block says which rows of the table it rests on (`rows`: a value per column to filter by) and
names its trials and seeds, so that any number can be computed again.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import Analysis, StrategyScores, analyse
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.experiments.stats.curves import (
    ALL,
    CONFIDENCE,
    MIN_SEEDS,
    has_values,
    mean_curve,
    references,
    scores,
    splits,
    strategies,
)
from askmask.experiments.stats.measures import METRICS, Metric
from askmask.experiments.stats.ranking import RESAMPLES
from askmask.experiments.stats.significance import detectable_effect, smallest_sign_flip_p
from askmask.experiments.stats.verdict import LEVEL, Comparison, compare_strategies, verdict
from askmask.whole_files import write_atomically

Json = dict[str, object]

COMPARED_COSTS: Final = ("labelled_fraction", "boundary_length")
"""Costs that mean the same for regions and images; areas are taken over each."""


def summarise(rows: Sequence[ResultRow]) -> Json:
    """Statistics of every judged split and metric.

    Parameters
    ----------
    rows : sequence of ResultRow
        The whole results table.

    Returns
    -------
    dict
        Ready for JSON: NaN is None.
    """
    table = indexed(rows)
    return {
        "datasets": list(dict.fromkeys(row.dataset for row in table.heads)),
        "models": list(dict.fromkeys(row.model for row in table.heads)),
        "strategies": [asdict(strategy) for strategy in strategies(table)],
        "seeds": sorted({row.seed for row in table.heads}),
        "rows": len(table),
        "failures": [
            {"trial": row.trial, "round": row.round, "reason": row.reason}
            for row in table.heads
            if row.is_failure
        ],
        "how": _how(),
        "results": [
            _result(table, metric, split)
            for split in splits(table)
            for metric in METRICS.values()
            if has_values(scores(table, metric.name, split))
        ],
    }


def write_summary(path: Path, rows: Sequence[ResultRow]) -> None:
    """Write `summarise` as JSON; an older file is replaced whole."""
    text = json.dumps(summarise(rows), indent=1, allow_nan=False, ensure_ascii=False)
    write_atomically(path, text + "\n")


def _how() -> Json:
    """What the numbers are, in words."""
    return {
        "interval": f"mean +- t x std / sqrt(n) over seeds, {CONFIDENCE:.0%}",
        "aubc": "trapezoid rule over the span, cost scaled to [0, 1]",
        "between_rounds": "linear interpolation",
        "test": "two-sided paired t test over seeds; p_signs: exact sign-flip test",
        "correction": "Holm, over the comparisons of one question, metric, split and cost",
        "shown": f"p_adjusted < {LEVEL:.2f} and n >= {MIN_SEEDS}",
        "ranks": f"{RESAMPLES} bootstrap samples of the shared seeds, by AUBC",
        "penalties": "share of budgets at which the row beats the column, uncorrected t test",
        "power": {
            str(count): {
                "detectable_effect": _number(detectable_effect(count, LEVEL)),
                "smallest_sign_flip_p": _number(smallest_sign_flip_p(count)),
            }
            for count in (2, 3, 4, 5, 8, 10)
        },
    }


def _result(rows: Sequence[ResultRow], metric: Metric, split: str) -> Json:
    measured = scores(rows, metric.name, split)
    return {
        "metric": metric.name,
        "split": split,
        "rows": {"metric": metric.name, "split": split, "group": ALL, "class": ALL},
        "lower_is_better": metric.lower_is_better,
        "references": [
            {"name": own.acquisition, **_values(mean_curve(measured, own)[-1].values)}
            for own in references(measured)
        ],
        "by_cost": [
            {
                "cost": cost,
                "analysis": _analysis(analyse(rows, metric, split, cost)),
                "comparisons": [_comparison(own) for own in compared],
                "verdict": verdict(compared)[0],
            }
            for cost in COMPARED_COSTS
            for compared in [compare_strategies(rows, metric, split, cost)]
        ],
    }


def _analysis(analysis: Analysis | None) -> Json | None:
    if analysis is None:
        return None
    penalties = analysis.penalties
    return {
        "span": list(analysis.span),
        "level_to_reach": _number(analysis.level),
        "level_of": analysis.level_of,
        "shared_seeds": list(analysis.shared_seeds),
        "standings": [_standing(own) for own in analysis.standings],
        "budgets": list(analysis.budgets),
        "penalties": None if penalties is None else penalties.tolist(),
    }


def _standing(standing: StrategyScores) -> Json:
    return {
        "strategy": asdict(standing.strategy),
        "trials": list(standing.trials),
        "seeds": list(standing.seeds),
        "final": _values(standing.finals),
        "aubc": _values(standing.areas),
        "cost_to_reach": [_number(cost) for cost in standing.reached],
        "rank": None if standing.rank is None else asdict(standing.rank),
    }


def _comparison(comparison: Comparison) -> Json:
    return {
        "question": comparison.question,
        "first": asdict(comparison.first),
        "second": asdict(comparison.second),
        "span": comparison.span,
        "seeds": list(comparison.seeds),
        "difference": _values(comparison.differences),
        "p_value": _number(comparison.p_value),
        "p_adjusted": _number(comparison.p_adjusted),
        "p_signs": _number(comparison.p_signs),
        "is_shown": comparison.is_shown,
        "outcome": comparison.outcome,
    }


def _values(values: Iterable[float]) -> Json:
    """Values over seeds with their mean and interval."""
    own = list(values)
    mean, half_width = t_interval(own, CONFIDENCE)
    return {
        "values": [_number(value) for value in own],
        "mean": _number(mean),
        "half_width": _number(half_width),
    }


def _number(value: float) -> float | None:
    """NaN and infinity are no JSON."""
    return float(value) if math.isfinite(value) else None
