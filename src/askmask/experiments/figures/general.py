"""Figures of the results table: drawn as measured, nothing smoothed, dropped or typed in.

How they look is said in ``drawing``; the paper's own figures are in ``paper``.
"""

import math
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from askmask.experiments.figures.ink import (
    TEXT,
    WIDE,
    colour,
    finish,
    fit_height,
    handle,
    new_figure,
    panels,
    stroke,
)
from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.experiments.stats.curves import (
    ALL_DATA,
    MIN_SEEDS,
    Arm,
    Point,
    groups,
    mean_bins,
    mean_curve,
    measured_strategies,
    order,
    references,
    reliability_bins,
    scores,
    strategies,
)
from askmask.experiments.stats.measures import RECALIBRATED, Metric, metric_named
from askmask.experiments.stats.verdict import Comparison
from askmask.metrics.risk import REFERRED

COSTS: Final = MappingProxyType(
    {
        "labelled_fraction": "Labelled fraction of the pixels",
        "labelled_pixels": "Labelled pixels",
        "regions": "Regions answered (a whole image counts as one)",
        "images": "Images touched",
        "boundary_length": "Boundary length in the answers (pixel edges)",
        "contour_length": "Length of the traced contours (pixels)",
        "clicks": "Clicks to draw the contours as polygons",
        "modelled_seconds": "Modelled seconds of drawing",
        "measured_seconds": "Measured seconds of answering",
    }
)
"""The costs that a score can be drawn against, with their labels."""

BAND: Final = "bands: 95 % t intervals over seeds"
MAX_BANDS: Final = 8
"""With more strategies in one panel, bands hide each other: none is drawn."""
NO_BAND: Final = "no bands: too many strategies in one panel"
THIN: Final = "thin lines: single seeds (too few for a band)"


def learning_curves(
    rows: Sequence[ResultRow],
    metric: str,
    *,
    split: str,
    cost: str = "labelled_fraction",
    legend: bool = True,
    size: tuple[float, float] = WIDE,
) -> Figure:
    """Mean score of each strategy against what the labels cost, with its 95 % t interval.

    A point is a round: mean cost and mean score of the seeds that have it. The score axis fits
    the single seeds, so a wide interval can leave it. With fewer than `curves.MIN_SEEDS` seeds
    the interval would fill the axes; then the single seeds are drawn as thin lines. With more than
    `MAX_BANDS` strategies there is neither. Horizontal lines are trials on all data and on the
    start set alone, where the table has them.

    Parameters
    ----------
    rows : sequence of ResultRow
        The results table.
    metric : str
        Its name; `curves.METRICS` and others, see `curves.metric_named`.
    split : str
        On which split.
    cost : str
        One of `COSTS`.
    legend : bool
        Whether to name the strategies inside the figure.
    size : tuple of float
        Width and height in inches.
    """
    figure = new_figure(size)
    axes = figure.subplots()
    found = draw_curves(axes, rows, metric, split=split, cost=cost)
    finish(axes, COSTS[cost], title(metric_named(metric)))
    if legend and found:
        axes.legend(handles=[handle(s) for s in found], frameon=False, labelcolor=TEXT)
    return figure


def draw_curves(
    axes: Axes,
    rows: Sequence[ResultRow],
    metric: str,
    *,
    split: str,
    cost: str = "labelled_fraction",
    only: Iterable[Arm] | None = None,
) -> tuple[Arm, ...]:
    """Draw the curves of `learning_curves` into axes; return the strategies drawn.

    `only` restricts them; the references are always drawn.
    """
    measured = scores(rows, metric, split)
    found = measured_strategies(rows, measured)
    if only is not None:
        kept = set(only)
        found = tuple(strategy for strategy in found if strategy in kept)
    for strategy in found:
        curve = mean_curve(measured, strategy, cost)
        _draw_curve(axes, curve, strategy, with_spread=len(found) <= MAX_BANDS)
    levels = [_draw_reference(axes, measured, own) for own in references(measured)]
    values = [row.value for row in measured if any(own.owns(row) for own in found)]
    fit_height(axes, [*values, *levels])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if cost != "labelled_fraction":  # 1.6 M, not 1.6 with a power of ten in the corner
        axes.xaxis.set_major_formatter(EngFormatter(sep="\N{NO-BREAK SPACE}"))
    return found


def seeds_note(
    rows: Sequence[ResultRow], metrics: Iterable[str], split: str, *, panels: bool = False
) -> str:
    """What n is and what the band is, over these metrics, in words.

    `panels`: strategies are spread over panels, so that bands are drawn however many there are.
    """
    sizes: set[int] = set()
    most = 0
    for metric in metrics:
        measured = scores(rows, metric, split)
        found = measured_strategies(rows, measured)
        most = max(most, len(found))
        for strategy in found:
            sizes |= {len(point.seeds) for point in mean_curve(measured, strategy)}
    if not sizes:
        return "nothing measured"
    band = BAND if max(sizes) >= MIN_SEEDS else THIN
    return f"{sizes_text(sizes)}; {band if panels or most <= MAX_BANDS else NO_BAND}"


def is_spent(rows: Sequence[ResultRow], cost: str) -> bool:
    """Whether a cost was counted, and is not the same in every round."""
    values = {float(getattr(row, cost, math.nan)) for row in indexed(rows).heads if row.metric}
    return len({value for value in values if math.isfinite(value)}) > 1


def sizes_text(sizes: Iterable[int]) -> str:
    """``"n = 3 seeds"``, or the range."""
    low, high = min(sizes), max(sizes)
    if low < high:
        return f"n = {low} to {high} seeds"
    return "n = 1 seed" if low == 1 else f"n = {low} seeds"


def reliability_diagram(
    rows: Sequence[ResultRow], strategy: Arm, *, split: str, highest_share: float = 1.0
) -> Figure:
    """Accuracy against confidence per bin at the last round, over the pixels' distribution.

    On the diagonal, confidence is as high as accuracy. Below it stands the share of the pixels in
    each bin, up to `highest_share`, so that diagrams side by side have one scale. Crosses are
    the same model after recalibration, if there was one.
    """
    bins = reliability_bins(rows, strategy, split)
    after = reliability_bins(rows, strategy, split, RECALIBRATED)
    figure, ((upper,), (lower,)) = panels((2.9, 3.3), 2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color=TEXT, linewidth=0.8, linestyle=":")
    confidence = [b.confidence for b in bins]
    upper.plot(confidence, [b.accuracy for b in bins], color=colour(strategy), **stroke(strategy))
    if after:
        crosses = {"color": TEXT, "marker": "x", "linewidth": 0.9, "markersize": 4}
        upper.plot([b.confidence for b in after], [b.accuracy for b in after], **crosses)
    total = sum(b.count for b in bins)
    shares = [b.count / total for b in bins]
    lower.vlines(confidence, 0, shares, color=colour(strategy), linewidth=4)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="Accuracy")
    lower.set(ylim=(0, highest_share * 1.05), ylabel="Pixels")
    lower.yaxis.set_major_formatter("{x:.0%}")
    finish(upper, "", strategy.label.replace(" · ", "\n"))
    finish(lower, "Confidence", "")
    return figure


def error_left_figure(rows: Sequence[ResultRow], *, split: str) -> Figure:
    """Share of pixels still wrong when the least certain ones went to a person, last round.

    Means over seeds, no band. Dotted, without markers: after recalibration.
    """
    figure = new_figure((5.2, 3.4))
    axes = figure.subplots()
    for strategy in strategies(rows):
        before = mean_bins(rows, strategy, "error_left", split)
        after = mean_bins(rows, strategy, RECALIBRATED + "error_left", split)
        ink = colour(strategy)
        for bins, look in ((after, {"linestyle": ":"}), (before, stroke(strategy))):
            shares = [REFERRED[index] for index in bins]
            axes.plot(shares, [t_interval(own)[0] for own in bins.values()], color=ink, **look)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.1%}")
    axes.set_ylim(bottom=0)
    finish(axes, "Pixels that went to a person, least certain first", "Pixels still wrong")
    return figure


def group_scores(rows: Sequence[ResultRow], metric: str, *, split: str) -> Figure:
    """Score at the last round of each strategy, a panel per group, with 95 % t intervals."""
    names = groups(rows, split)
    found = measured_strategies(rows, scores(rows, metric, split))
    columns = max(len(names), 1)  # without groups one panel stays empty
    size = (1.7 + 1.3 * columns, 0.8 + 0.22 * len(found))
    figure, axes_of = panels(size, 1, columns, sharex=True, sharey=True)
    heading = title(metric_named(metric))
    figure.suptitle(heading, x=0.01, ha="left", fontsize=9, fontweight="bold", color=TEXT)
    for name, axes in zip(names, axes_of[0], strict=False):
        measured = scores(rows, metric, split, group=name)
        for place, strategy in enumerate(found):
            curve = mean_curve(measured, strategy)
            if curve:
                _draw_interval(axes, curve[-1], place, strategy)
        axes.set_yticks(range(len(found)), [strategy.label for strategy in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        finish(axes, name, "")
        axes.grid(visible=False, axis="y")
    return figure


def difference_figure(comparisons: Sequence[Comparison]) -> Figure:
    """Differences of one question with their 95 % t intervals; filled where one is shown.

    With fewer than `curves.MIN_SEEDS` pairs the single differences are ticks instead.
    """
    comparisons = sorted(comparisons, key=lambda own: order(own.first))
    first = comparisons[0]
    figure = new_figure((4.6, 0.95 + 0.27 * len(comparisons)))
    axes = figure.subplots()
    axes.axvline(0, color=TEXT, linewidth=0.9, linestyle=":")
    for place, own in enumerate(comparisons):
        ink = colour(own.first)
        if len(own.differences) >= MIN_SEEDS and math.isfinite(own.half_width):
            ends = [own.mean - own.half_width, own.mean + own.half_width]
            axes.plot(ends, [place, place], color=ink, linewidth=1.4, alpha=0.7)
        else:
            axes.plot(own.differences, [place] * len(own.differences), "|", color=ink, markersize=7)
        face = ink if own.is_shown else "none"
        axes.plot([own.mean], [place], color=ink, **(stroke(own.first) | {"markerfacecolor": face}))
    axes.set_yticks(range(len(comparisons)), [own.first.label for own in comparisons])
    axes.set_ylim(len(comparisons) - 0.5, -0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    better = "left" if first.metric.lower_is_better else "right"
    finish(axes, "", "")
    figure.suptitle(first.question, x=0.01, ha="left", fontsize=9, fontweight="bold", color=TEXT)
    label = f"Difference in {first.metric.label}; better to the {better}"
    figure.supxlabel(label, x=0.99, ha="right", fontsize=8.5, color=TEXT)
    axes.grid(visible=False, axis="y")
    return figure


def title(metric: Metric) -> str:
    """Heading of a panel."""
    return f"{metric.axis}, {metric.direction}"


def _draw_curve(axes: Axes, points: Sequence[Point], strategy: Arm, *, with_spread: bool) -> None:
    """Mean with its band; with too few seeds for a band, the seeds as thin lines instead."""
    cost = [point.cost for point in points]
    ink = colour(strategy)
    if with_spread and max(len(point.seeds) for point in points) >= MIN_SEEDS:
        low = [point.mean - point.half_width for point in points]
        high = [point.mean + point.half_width for point in points]
        axes.fill_between(cost, low, high, color=ink, alpha=0.11, linewidth=0)
    elif with_spread:
        for xs, ys in _single_seeds(points):
            axes.plot(xs, ys, color=ink, alpha=0.4, linewidth=0.7)
    axes.plot(cost, [point.mean for point in points], color=ink, **stroke(strategy))


def _draw_reference(axes: Axes, measured: Sequence[ResultRow], reference: Arm) -> float:
    """Horizontal line at the mean over seeds; return where."""
    mean = mean_curve(measured, reference)[-1].mean
    style = ":" if reference.acquisition == ALL_DATA else (0, (6, 2, 1, 2))
    axes.axhline(mean, color=TEXT, linewidth=0.9, linestyle=style)
    axes.annotate(
        reference.label,
        (1, mean),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=TEXT,
    )
    return mean


def _single_seeds(points: Sequence[Point]) -> list[tuple[list[float], list[float]]]:
    """Costs and scores of each seed."""
    curves: dict[int, tuple[list[float], list[float]]] = {}
    for point in points:
        for seed, cost, value in zip(point.seeds, point.costs, point.values, strict=True):
            xs, ys = curves.setdefault(seed, ([], []))
            xs.append(cost)
            ys.append(value)
    return list(curves.values())


def _draw_interval(axes: Axes, point: Point, place: int, strategy: Arm) -> None:
    ink = colour(strategy)
    if len(point.seeds) < MIN_SEEDS:
        if len(point.seeds) > 1:
            axes.plot(point.values, [place] * len(point.values), "|", color=ink, markersize=7)
    elif math.isfinite(point.half_width):
        ends = [point.mean - point.half_width, point.mean + point.half_width]
        axes.plot(ends, [place, place], color=ink, linewidth=1.2, alpha=0.6)
    axes.plot([point.mean], [place], color=ink, **stroke(strategy))
