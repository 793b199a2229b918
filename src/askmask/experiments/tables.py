"""Tables of a report: final scores, comparisons, costs, failures; cells are ready to read."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from askmask.experiments.curves import (
    CONFIDENCE,
    METRICS,
    Metric,
    Strategy,
    complete_seeds,
    has_values,
    mean_curve,
    scores,
    seed_curves,
    strategies,
)
from askmask.experiments.results import ResultRow
from askmask.experiments.statistics import aubc, common_span, cost_to_reach, t_interval
from askmask.experiments.verdict import Comparison

REACH_SHARE = 0.95
"""Share of the best final score whose cost the table of areas tells."""

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
    for strategy in strategies(row for own in measured.values() for row in own):
        curves = [mean_curve(measured[metric.name], strategy) for metric in shown]
        last = max((curve[-1] for curve in curves if curve), key=attrgetter("round"), default=None)
        if last is None:
            continue
        values = (interval_text(curve[-1].values) if curve else ABSENT for curve in curves)
        place = (str(last.round), str(len(last.seeds)), f"{last.cost:.3f}")
        cells.append((strategy.label, *place, *values))
    headings = ("Strategy", "Round", "n", "Labelled fraction", *(_heading(m) for m in shown))
    return Table(f"Split {split}, group {group}", headings, tuple(cells))


def class_dice(rows: Sequence[ResultRow], split: str) -> Table | None:
    """Dice of every class at the last round of each strategy; None for fewer than three classes."""
    dice = [row for row in rows if row.metric == "dice" and row.split == split]
    classes = list(dict.fromkeys(row.class_name for row in dice))
    if len(classes) < 3:
        return None
    measured = {name: scores(dice, "dice", split, class_name=name) for name in classes}
    cells = []
    for strategy in strategies(dice):
        curves = [mean_curve(measured[name], strategy) for name in classes]
        values = (interval_text(curve[-1].values) if curve else ABSENT for curve in curves)
        cells.append((strategy.label, *values))
    return Table(f"Dice of each class, split {split}", ("Strategy", *classes), tuple(cells))


def areas(rows: Sequence[ResultRow], metric: Metric, split: str) -> Table | None:
    """Area under the budget curve over the range that all trials share, and cost to reach a score.

    Trials that did not reach their strategy's last round are left out. None if no range is shared.
    """
    measured = scores(rows, metric.name, split)
    curves = {
        strategy: [
            curve
            for seed, curve in seed_curves(measured, strategy).items()
            if seed in complete_seeds(measured, strategy)
        ]
        for strategy in strategies(measured)
    }
    span = common_span([cost for own in curves.values() for cost, _ in own])
    if span is None:
        return None
    headings = ["Strategy", "n", f"AUBC over {span[0]:.3f} to {span[1]:.3f}"]
    columns: list[Callable[[Strategy], str]] = [
        lambda strategy: str(len(curves[strategy])),
        lambda strategy: interval_text([aubc(*curve, span) for curve in curves[strategy]]),
    ]
    if not metric.lower_is_better:
        final = [t_interval([score[-1] for _, score in own])[0] for own in curves.values()]
        level = REACH_SHARE * max(final)
        headings.append(f"Labelled fraction to reach {level:.3f}")
        columns.append(
            lambda strategy: _reach_text([cost_to_reach(*c, level) for c in curves[strategy]])
        )
    cells = tuple((s.label, *(column(s) for column in columns)) for s in curves)
    return Table(f"{metric.label}, split {split}", tuple(headings), cells)


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    """Every paired comparison of one metric."""
    metric = comparisons[0].metric
    cells = tuple(
        (
            f"{comparison.first.label} − {comparison.second.label}",  # noqa: RUF001 minus
            "–" if comparison.span is None else "{:.3f} to {:.3f}".format(*comparison.span),  # noqa: RUF001
            str(len(comparison.differences)),
            _signed(comparison.mean, comparison.half_width),
            comparison.outcome,
        )
        for comparison in comparisons
    )
    headings = ("Difference", "Labelled fractions", "n", "Mean and interval", "Shown")
    return Table(f"{metric.label}, {metric.direction}", headings, cells)


def costs_and_times(rows: Sequence[ResultRow]) -> Table:
    """What each strategy's answers cost up to its last round, and the machine's seconds per round.

    Costs and seconds are means over seeds (over seeds and rounds for the seconds).
    """
    once = list({(r.trial, r.round): r for r in rows if r.metric}.values())
    cells = []
    for strategy in strategies(once):
        own = [r for r in once if (r.acquisition, r.unit) == (strategy.acquisition, strategy.unit)]
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
    for strategy in strategies(rows):
        own = [
            row
            for row in rows
            if (row.acquisition, row.unit) == (strategy.acquisition, strategy.unit) and row.metric
        ]
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


def _reach_text(costs: Sequence[float]) -> str:
    reached = [cost for cost in costs if not math.isnan(cost)]
    if len(reached) == len(costs):
        return interval_text(costs)
    if not reached:
        return "not reached"
    return f"reached by {len(reached)} of {len(costs)}"


def _seconds_text(seconds: Iterable[float]) -> str:
    measured = [value for value in seconds if not math.isnan(value)]
    return f"{sum(measured) / len(measured):,.1f}" if measured else ABSENT
