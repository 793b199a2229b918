"""Tables of a report: final scores, comparisons, costs, failures; cells are ready to read."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import Analysis, StrategyScores
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.experiments.stats.curves import (
    ALL,
    CONFIDENCE,
    MIN_SEEDS,
    has_values,
    mean_curve,
    measured_strategies,
    references,
    scores,
    strategies,
)
from askmask.experiments.stats.measures import METRICS, RECALIBRATED, Metric, metric_named
from askmask.experiments.stats.verdict import Comparison, p_text
from askmask.metrics.coverage import rule_of

ABSENT = "–"  # noqa: RUF001 a dash, as tables have it


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and cells as text; the first cell of a row names it."""

    caption: str
    headings: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]


def final_scores(rows: Sequence[ResultRow], split: str, group: str) -> Table:
    """Every reported metric at the last round of each strategy."""
    measured = {name: scores(rows, name, split, group=group) for name in METRICS}
    shown = [METRICS[name] for name, own in measured.items() if has_values(own)]
    cells = []
    everything = [row for own in measured.values() for row in own]
    for strategy in (*measured_strategies(rows, everything), *references(everything)):
        curves = [mean_curve(measured[metric.name], strategy) for metric in shown]
        last = max((curve[-1] for curve in curves if curve), key=attrgetter("round"), default=None)
        if last is None:
            continue
        values = (interval_text(curve[-1].values) if curve else ABSENT for curve in curves)
        place = (str(last.round), str(len(last.seeds)), f"{last.cost:.3f}")
        cells.append((strategy.label, *place, *values))
    headings = (
        "Strategy",
        "Round",
        "n",
        "Labelled fraction",
        *(_heading(m) for m in shown),
    )
    rule = rule_of({row.metric for row in rows})
    caption = f"Split {split}, group {group}" + (f"; objects by the rule {rule}" if rule else "")
    return Table(caption, headings, tuple(cells))


def recalibration(rows: Sequence[ResultRow], split: str) -> Table | None:
    """Calibration at the last round before and after recalibration; None if there was none."""
    pairs = [
        (metric_named(name), scores(rows, name, split), scores(rows, RECALIBRATED + name, split))
        for name in ("nll", "brier", "ece", "aurc")
    ]
    shown = [pair for pair in pairs if has_values(pair[2])]
    if not shown:
        return None
    cells = []
    for strategy in measured_strategies(rows, [row for pair in shown for row in pair[2]]):
        values = []
        for _, before, after in shown:
            curves = mean_curve(before, strategy), mean_curve(after, strategy)
            values += [interval_text(own[-1].values) if own else ABSENT for own in curves]
        cells.append((strategy.label, *values))
    headings = [f"{metric.label} {when}" for metric, *_ in shown for when in ("before", "after")]
    caption = f"Before and after recalibration, last round, split {split}; lower is better"
    return Table(caption, ("Strategy", *headings), tuple(cells))


def class_dice(rows: Sequence[ResultRow], split: str) -> Table | None:
    """Dice of every class at the last round of each strategy; None for fewer than three classes."""
    table = indexed(rows)
    classes = [name for metric, own, group, name in table.keys
               if (metric, own, group) == ("dice", split, ALL)]  # fmt: skip
    if len(classes) < 3:
        return None
    measured = {name: scores(table, "dice", split, class_name=name) for name in classes}
    everything = [row for own in measured.values() for row in own]
    cells = []
    for strategy in (*measured_strategies(rows, everything), *references(everything)):
        curves = [mean_curve(measured[name], strategy) for name in classes]
        values = (interval_text(curve[-1].values) if curve else ABSENT for curve in curves)
        cells.append((strategy.label, *values))
    return Table(f"Dice of each class, split {split}", ("Strategy", *classes), tuple(cells))


def areas(analysis: Analysis) -> Table:
    """Area under the budget curve over the range that all trials share, ranks, cost to reach."""
    low, high = analysis.span
    headings = ["Strategy", "n", f"AUBC over {_cost_text(low)} to {_cost_text(high)}"]
    columns: list[Callable[[StrategyScores], str]] = [
        lambda own: str(len(own.seeds)),
        lambda own: interval_text(own.areas),
    ]
    if len(analysis.shared_seeds) >= MIN_SEEDS and any(o.rank for o in analysis.standings):
        headings.append("Rank (95 % of resampled seeds)")
        columns.append(_rank_text)
    if not math.isnan(analysis.level):
        headings.append(f"Cost to reach {analysis.level:.3f}")
        columns.append(lambda own: _reach_text(own.reached))
    cells = tuple(
        (own.strategy.label, *(column(own) for column in columns)) for own in analysis.standings
    )
    return Table(f"{analysis.metric.label}, split {analysis.split}", tuple(headings), cells)


def comparison_tables(comparisons: Sequence[Comparison]) -> list[Table]:
    """Every paired comparison of one metric, a table per question."""
    questions = dict.fromkeys(comparison.question for comparison in comparisons)
    return [
        _comparison_table(question, [c for c in comparisons if c.question == question])
        for question in questions
    ]


def _comparison_table(question: str, comparisons: Sequence[Comparison]) -> Table:
    metric = comparisons[0].metric
    cells = tuple(
        (
            f"{comparison.first.label} − {comparison.second.label}",  # noqa: RUF001 minus
            str(len(comparison.differences)),
            _signed(comparison.mean, comparison.half_width),
            p_text(comparison.p_adjusted),
            p_text(comparison.p_signs),
            comparison.outcome,
        )
        for comparison in comparisons
    )
    headings = ("Difference", "n", "Mean and interval", "p, Holm", "p, signs", "Shown")
    return Table(f"{question} {metric.label}, {metric.direction}", headings, cells)


def costs_and_times(rows: Sequence[ResultRow]) -> Table:
    """What each strategy's answers cost up to its last round, and the machine's seconds per round.

    Costs and seconds are means over seeds (over seeds and rounds for the seconds).
    """
    once = [row for row in indexed(rows).heads if row.metric]
    cells = []
    for strategy in (*strategies(once), *references(once)):
        own = [row for row in once if strategy.owns(row)]
        last_round = max(row.round for row in own)
        last = [row for row in own if row.round == last_round]
        costs = [
            f"{t_interval([float(getattr(row, name)) for row in last])[0]:,.0f}"
            for name in ("labelled_pixels", "regions", "images", "boundary_length")
        ]
        seconds = [
            _seconds_text(getattr(row, name) for row in own)
            for name in ("training_seconds", "scoring_seconds", "evaluation_seconds")
        ]
        cells.append((strategy.label, str(last_round), str(len(last)), *costs, *seconds))
    headings = (
        "Strategy", "Round", "n", "Labelled pixels", "Regions", "Images", "Boundary length",
        "Training s", "Scoring s", "Evaluation s",
    )  # fmt: skip
    return Table("Up to the last round; seconds per round", headings, tuple(cells))


def failures(rows: Sequence[ResultRow]) -> Table | None:
    """Every failed training or trial, and every trial that stopped early; None without one."""
    cells = [(row.trial, str(row.round), row.reason) for row in rows if row.is_failure]
    told = {row.trial for row in rows if row.is_failure}
    heads = indexed(rows).heads
    for strategy in strategies(heads):
        own = [row for row in heads if strategy.owns(row) and row.metric]
        reached = {row.trial: row.round for row in sorted(own, key=attrgetter("round"))}
        cells += [
            (trial, str(last), "stopped after this round; no reason in the table")
            for trial, last in reached.items()
            if last < max(reached.values()) and trial not in told
        ]
    if not cells:
        return None
    return Table("Failed or unfinished", ("Trial", "Round", "Reason"), tuple(cells))


def interval_text(values: Sequence[float]) -> str:
    """Mean and half-width of the 95 % t interval, e.g. ``"0.712 ± 0.034"``."""
    mean, half_width = t_interval(values, CONFIDENCE)
    if math.isnan(mean):
        return ABSENT
    if math.isinf(mean):
        return "∞"
    digits = 3 if abs(mean) < 10 else 1
    if math.isnan(half_width):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {half_width:.{digits}f}"


def _heading(metric: Metric) -> str:
    arrow = "↓" if metric.lower_is_better else "↑"
    return f"{metric.label} {arrow}"


def _signed(mean: float, half_width: float) -> str:
    if math.isnan(mean):
        return ABSENT
    text = f"{mean:+.4f}"
    if not math.isnan(half_width):
        text += f" ({mean - half_width:+.4f} to {mean + half_width:+.4f})"
    return text.replace("-", "−")  # noqa: RUF001 minus


def _rank_text(standing: StrategyScores) -> str:
    rank = standing.rank
    return ABSENT if rank is None else f"{rank.mean:.1f} ({rank.low:g} to {rank.high:g})"


def _cost_text(cost: float) -> str:
    return f"{cost:.3f}" if cost <= 1 else f"{cost:,.0f}"


def _reach_text(costs: Sequence[float]) -> str:
    reached = [cost for cost in costs if not math.isnan(cost)]
    if len(reached) == len(costs):
        return interval_text(costs)
    if not reached:
        return "not reached"
    return f"{len(reached)} of {len(costs)}, first at {_cost_text(min(reached))}"


def _seconds_text(seconds: Iterable[float]) -> str:
    measured = [value for value in seconds if not math.isnan(value)]
    return f"{sum(measured) / len(measured):,.1f}" if measured else ABSENT
