"""What may be claimed: strategies compared in pairs over seeds, and the sentences that follow.

Trials are paired: the same seed means the same start set and first weights. A difference is shown
only if the simultaneous interval of all comparisons of its metric leaves 0 out.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from askmask.experiments.curves import (
    CONFIDENCE,
    METRICS,
    MIN_SEEDS,
    RANDOM,
    Metric,
    Strategy,
    complete_seeds,
    has_values,
    scores,
    seed_curves,
    strategies,
)
from askmask.experiments.results import ResultRow
from askmask.experiments.statistics import aubc, common_span, t_interval
from askmask.records import Unit

_OVERLAP_METRICS: Final = ("object_f1", "mean_dice")  # the first that was measured is judged


@dataclass(frozen=True, slots=True)
class Comparison:
    """Difference in area under the budget curve, `first` minus `second`, over paired seeds.

    `span` is the range of labelled fractions that all compared curves cover, None if there is
    none. `confidence` is that of this one interval, such that all intervals of the metric hold
    together with `curves.CONFIDENCE`.
    """

    metric: Metric
    first: Strategy
    second: Strategy
    span: tuple[float, float] | None
    differences: tuple[float, ...]
    confidence: float

    @property
    def mean(self) -> float:
        """Mean difference; NaN without a pair."""
        return t_interval(self.differences, self.confidence)[0]

    @property
    def half_width(self) -> float:
        """Half the width of the interval; NaN for fewer than two pairs."""
        return t_interval(self.differences, self.confidence)[1]

    @property
    def is_shown(self) -> bool:
        """Whether the interval leaves 0 out and rests on at least `MIN_SEEDS` pairs."""
        return len(self.differences) >= MIN_SEEDS and abs(self.mean) > self.half_width

    @property
    def better(self) -> Strategy:
        """The strategy that is ahead on average."""
        return self.first if (self.mean < 0) == self.metric.lower_is_better else self.second

    @property
    def outcome(self) -> str:
        """What this comparison shows, in words."""
        if not self.differences:
            return "nothing to compare"
        if len(self.differences) < MIN_SEEDS:
            return "too few seeds"
        if math.isnan(self.half_width):
            return "no finite values"
        return f"{self.better.label} better" if self.is_shown else "no difference shown"


def judged_metrics(rows: Sequence[ResultRow], split: str) -> tuple[Metric, ...]:
    """The metrics that are compared: one of overlap, and the Brier score if it was measured."""
    overlap = [name for name in _OVERLAP_METRICS if has_values(scores(rows, name, split))]
    brier = ["brier"] if has_values(scores(rows, "brier", split)) else []
    return tuple(METRICS[name] for name in (*overlap[:1], *brier))


def compare(rows: Sequence[ResultRow], metric: Metric, split: str) -> tuple[Comparison, ...]:
    """Compare each strategy with random of its unit, and regions with images.

    Only seeds count whose trials of both strategies reached their strategy's last round.

    Parameters
    ----------
    rows : sequence of ResultRow
        The results table.
    metric : Metric
        What is compared.
    split : str
        On which split.

    Returns
    -------
    tuple of Comparison
        Each interval has confidence 1 - (1 - `curves.CONFIDENCE`) / m for m comparisons
        (Bonferroni).
    """
    measured = scores(rows, metric.name, split)
    pairs = _pairs(strategies(measured))
    confidence = 1 - (1 - CONFIDENCE) / max(len(pairs), 1)
    return tuple(_compare(measured, metric, pair, confidence) for pair in pairs)


def verdict(comparisons: Sequence[Comparison]) -> tuple[str, list[str]]:
    """What the comparisons of one metric show, claiming no more than their intervals.

    Returns
    -------
    summary : str
        One or two sentences.
    claims : list of str
        One line for each difference that was shown.
    """
    if not comparisons:
        return "No two strategies can be paired: nothing is compared.", []
    metric = comparisons[0].metric
    counts = [len(comparison.differences) for comparison in comparisons]
    if max(counts) < MIN_SEEDS:
        noun = "seed" if max(counts) == 1 else "seeds"
        sentence = (
            f"{metric.label}: with n = {max(counts)} {noun} no difference can be shown. "
            f"At least {MIN_SEEDS} are needed, better 5 or more."
        )
        return sentence, []
    shown = [comparison for comparison in comparisons if comparison.is_shown]
    return _summary(metric, len(shown), len(comparisons)), [_claim(own) for own in shown]


def _pairs(found: Iterable[Strategy]) -> list[tuple[Strategy, Strategy]]:
    known = set(found)
    ordered = sorted(known)
    against_random = [
        (strategy, Strategy(RANDOM, strategy.unit))
        for strategy in ordered
        if strategy.acquisition != RANDOM and Strategy(RANDOM, strategy.unit) in known
    ]
    against_image = [
        (strategy, Strategy(strategy.acquisition, Unit.IMAGE))
        for strategy in ordered
        if strategy.unit == Unit.REGION and Strategy(strategy.acquisition, Unit.IMAGE) in known
    ]
    return against_random + against_image


def _compare(
    measured: Sequence[ResultRow],
    metric: Metric,
    pair: tuple[Strategy, Strategy],
    confidence: float,
) -> Comparison:
    first, second = (seed_curves(measured, strategy) for strategy in pair)
    complete = [set(complete_seeds(measured, strategy)) for strategy in pair]
    seeds = sorted(complete[0] & complete[1])
    costs = [curves[seed][0] for curves in (first, second) for seed in seeds]
    span = common_span(costs)
    differences = (
        tuple(aubc(*first[seed], span) - aubc(*second[seed], span) for seed in seeds)
        if span is not None
        else ()
    )
    return Comparison(metric, *pair, span, differences, confidence)


def _claim(comparison: Comparison) -> str:
    better = comparison.better
    worse = comparison.second if better == comparison.first else comparison.first
    mean, half_width = abs(comparison.mean), comparison.half_width
    return (
        f"{better.label} did better than {worse.label} by {mean:.4f} "
        f"({mean - half_width:.4f} to {mean + half_width:.4f}, n = {len(comparison.differences)})"
    )


def _summary(metric: Metric, shown: int, total: int) -> str:
    noun = "comparison" if total == 1 else "comparisons"
    if not shown:
        return (
            f"{metric.label}: no difference was shown in {total} {noun}. "
            "That does not mean that there is none."
        )
    rest = " In the others none was shown, which does not mean that there is none."
    return (
        f"{metric.label}: {shown} of {total} {noun} {'shows' if shown == 1 else 'show'} "
        f"a difference.{rest if shown < total else ''}"
    )
