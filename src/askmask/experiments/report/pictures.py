"""Figures as they stand inside a report: markup, their content in words, and the rows they show."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup
from matplotlib.figure import Figure

from askmask.experiments.figures import general as figures
from askmask.experiments.figures import ink as drawing
from askmask.experiments.figures.densities import density
from askmask.experiments.figures.matrices import penalty_figure
from askmask.experiments.figures.paper import figure_1, figure_e1
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import Analysis
from askmask.experiments.stats.curves import (
    ALL,
    MIN_SEEDS,
    Arm,
    groups,
    has_values,
    mean_bins,
    mean_curve,
    measured_strategies,
    references,
    reliability_bins,
    scores,
)
from askmask.experiments.stats.measures import RECALIBRATED, metric_named
from askmask.experiments.stats.verdict import Comparison, judged_metrics
from askmask.metrics.risk import REFERRED

_COST: Final = "labelled_fraction"


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A figure on the page; `rows` says which rows of the table it shows."""

    markup: Markup
    caption: str
    rows: str


def rows_text(metric: str, split: str, group: str = ALL) -> str:
    """Filter of the results table, for people who look the numbers up."""
    return f"metric {metric}, split {split}, group {group}, class {ALL}"


def legend(found: Iterable[Arm], names: Iterator[str]) -> list[tuple[Markup, str]]:
    """Swatch and label of every strategy."""
    return [(_svg(drawing.swatch(strategy), names, ""), strategy.label) for strategy in found]


def curve_picture(
    rows: Sequence[ResultRow],
    metric: str,
    split: str,
    names: Iterator[str],
    *,
    cost: str = _COST,
    size: tuple[float, float] = drawing.NARROW,
) -> PageFigure:
    """Learning curves of one metric."""
    figure = figures.learning_curves(rows, metric, split=split, cost=cost, legend=False, size=size)
    measured = scores(rows, metric, split)
    parts = []
    for strategy in measured_strategies(rows, measured):
        curve = mean_curve(measured, strategy, cost)
        first, last = curve[0], curve[-1]
        parts.append(
            f"{strategy.label}: {first.mean:.3f} at {first.cost:.4g} to {last.mean:.3f} at "
            f"{last.cost:.4g}"
        )
    bounds = {own.label: mean_curve(measured, own)[-1].mean for own in references(measured)}
    parts += [f"{label}: {mean:.3f}" for label, mean in bounds.items()]
    label = metric_named(metric).label
    text = f"{label} against {figures.COSTS[cost].lower()}. {'; '.join(parts)}."
    caption = f"{figures.seeds_note(rows, [metric], split)}."
    shown = f"{rows_text(metric, split)}; cost {cost}"
    return PageFigure(_svg(figure, names, text), caption, shown)


def overview_picture(
    rows: Sequence[ResultRow], found: Sequence[Arm], split: str, names: Iterator[str]
) -> PageFigure | None:
    """Curves in a panel per acquisition function; None where one panel holds them all well."""
    figure = figure_1(rows, split) if len(found) > figures.MAX_BANDS else None
    if figure is None:
        return None
    text = f"Curves of {_listed(found)}, a panel for each function; the numbers follow below."
    metrics = " and ".join(metric.name for metric in judged_metrics(rows, split))
    return PageFigure(
        _svg(figure, names, text),
        "Each acquisition function in a panel of its own.",
        f"{rows_text(metrics, split)}; cost {_COST}",
    )


def reliability_pictures(
    rows: Sequence[ResultRow], found: Iterable[Arm], split: str, names: Iterator[str]
) -> list[PageFigure]:
    """A reliability diagram for each strategy, all with one scale of pixels."""
    bins = {strategy: reliability_bins(rows, strategy, split) for strategy in found}
    shares = [b.count / sum(c.count for c in own) for own in bins.values() for b in own]
    pictures = []
    for strategy, own in bins.items():
        if not own:
            continue
        figure = figures.reliability_diagram(rows, strategy, split=split, highest_share=max(shares))
        told = "; ".join(f"{b.confidence:.2f}: {b.accuracy:.2f} ({b.count:,})" for b in own)
        text = f"Reliability of {strategy.label}. Confidence: accuracy (pixels): {told}."
        caption = f"{sum(b.count for b in own):,} pixels, those of all seeds together."
        if reliability_bins(rows, strategy, split, RECALIBRATED):
            caption += " Crosses: after recalibration."
        shown = f"{rows_text('reliability_confidence and reliability_accuracy', split)}; last round"
        pictures.append(PageFigure(_svg(figure, names, text), caption, shown))
    return pictures


def error_left_picture(
    rows: Sequence[ResultRow], found: Iterable[Arm], split: str, names: Iterator[str]
) -> PageFigure | None:
    """What referring pixels to a person buys; None if it was not measured."""
    bins = {strategy: mean_bins(rows, strategy, "error_left", split) for strategy in found}
    told = "; ".join(
        f"{strategy.label}: " + ", ".join(
            f"{sum(values) / len(values):.3f} at {REFERRED[index]:.0%}"
            for index, values in own.items()
        )
        for strategy, own in bins.items()
        if own
    )  # fmt: skip
    if not told:
        return None
    sizes = {len(values) for own in bins.values() for values in own.values()}
    figure = figures.error_left_figure(rows, split=split)
    caption = f"{figures.sizes_text(sizes)}, means, no band; dotted: after recalibration, if any."
    return PageFigure(
        _svg(figure, names, f"Pixels still wrong. {told}."),
        caption,
        f"{rows_text('error_left', split)}; last round",
    )


def group_pictures(
    rows: Sequence[ResultRow], metrics: Iterable[str], split: str, names: Iterator[str]
) -> list[PageFigure]:
    """Last scores by group, a figure for each metric that was measured."""
    if not groups(rows, split):
        return []
    pictures = []
    for metric in metrics:
        if not has_values(scores(rows, metric, split)):
            continue
        label = metric_named(metric).label
        text = f"{label} by group at the last round; the numbers are in the tables by group."
        figure = figures.group_scores(rows, metric, split=split)
        shown = f"metric {metric}, split {split}, each group, class {ALL}; last round"
        measured = scores(rows, metric, split)
        found = measured_strategies(rows, measured)
        sizes = {len(mean_curve(measured, strategy)[-1].seeds) for strategy in found}
        caption = f"{label}, last round; {figures.sizes_text(sizes)}."
        pictures.append(PageFigure(_svg(figure, names, text), caption, shown))
    return pictures


def difference_pictures(
    comparisons: Sequence[Comparison], split: str, names: Iterator[str]
) -> list[PageFigure]:
    """Differences and their intervals, a figure for each question of a metric."""
    pictures = []
    for question in dict.fromkeys(comparison.question for comparison in comparisons):
        own = [c for c in comparisons if c.question == question and c.differences]
        if not own:
            continue
        figure = figures.difference_figure(own)
        told = "; ".join(f"{c.first.label} less {c.second.label}: {c.mean:+.4f}" for c in own)
        metric = own[0].metric
        text = f"{question} Differences in {metric.label}. {told}."
        sizes = {len(c.differences) for c in own}
        band = "line: 95 % t interval" if max(sizes) >= MIN_SEEDS else "ticks: the seeds"
        caption = f"{figures.sizes_text(sizes)} in pairs; {band}; filled: shown."
        shown = f"{rows_text(metric.name, split)}; cost {own[0].cost}"
        pictures.append(PageFigure(_svg(figure, names, text), caption, shown))
    return pictures


def penalty_pictures(analyses: Iterable[Analysis], names: Iterator[str]) -> list[PageFigure]:
    """Penalty matrices, for metrics with enough seeds and strategies."""
    pictures = []
    for analysis in analyses:
        penalties = analysis.penalties
        if penalties is None or len(analysis.shared_seeds) < MIN_SEEDS:
            continue
        labels = [own.strategy.label for own in analysis.standings]
        told = "; ".join(
            f"{labels[i]} beats {labels[j]}: {penalties[i, j]:.2f}"
            for i in range(len(labels))
            for j in range(len(labels))
            if penalties[i, j] > 0
        )
        text = f"{analysis.metric.label}: how often the row beats the column. {told or 'Never'}."
        figure = penalty_figure(analysis)
        caption = "By chance alone about 0.025 in each field."
        shown = f"{rows_text(analysis.metric.name, analysis.split)}; cost {analysis.cost}"
        pictures.append(PageFigure(_svg(figure, names, text), caption, shown))
    return pictures


def asked_score_picture(
    rows: Sequence[ResultRow], found: Iterable[Arm], names: Iterator[str]
) -> PageFigure | None:
    """Densities of the asked pixels' scores; None if no query left any."""
    figure = figure_e1(rows)
    if figure is None:
        return None
    known = [s for s in found if density(rows, s, "asked_score") is not None]
    text = f"Density of the scores of asked pixels beside the pool: {_listed(known)}."
    shown = "metrics asked_score and pool_score, split pool"
    caption = "All queries together; bins as counted, nothing smoothed."
    return PageFigure(_svg(figure, names, text), caption, shown)


def _listed(found: Iterable[Arm]) -> str:
    return ", ".join(strategy.label for strategy in found)


def _svg(figure: Figure, names: Iterator[str], text: str) -> Markup:
    # The markup is our own, and `to_svg` escapes every text in it.
    return Markup(drawing.to_svg(figure, next(names), text))  # noqa: S704
