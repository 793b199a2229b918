"""The figures of Li & Alstrøm 2020 (arXiv:2007.06364), drawn from the results table of any run.

Figure 1: overlap and Brier score against the labelled fraction, regions against whole images.
Figure 4: accuracy against confidence. Figure 5: calibration at equal labelled fractions. Figure
E1: how uncertain the asked pixels were. Figure E2: calibration against the labelled fraction.
Nothing is smoothed or left out; a panel is there for what was measured, and no other.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter, PercentFormatter

from askmask.experiments.figures.densities import draw_densities, has_densities
from askmask.experiments.figures.general import COSTS, draw_curves, seeds_note, sizes_text
from askmask.experiments.figures.ink import (
    TEXT,
    Panels,
    add_note,
    colour,
    finish,
    legend_below,
    panels,
    stroke,
)
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import Analysis, analyse
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.experiments.stats.curves import (
    MIN_SEEDS,
    Arm,
    Curves,
    complete_curves,
    has_values,
    measured_strategies,
    reliability_bins,
    scores,
    strategies,
)
from askmask.experiments.stats.measures import metric_named
from askmask.experiments.stats.verdict import judged_metrics
from askmask.records import Unit

_CALIBRATION: Final = ("nll", "ece", "brier")
_PARTS: Final = ("brier_reliability", "brier_resolution", "brier_uncertainty")
_COLUMNS: Final = 4
_FRACTIONS: Final = 4
_COST: Final = "labelled_fraction"


def paper_figures(rows: Sequence[ResultRow], split: str) -> dict[str, Figure]:
    """Every figure of the paper that the table has rows for, by file name.

    Parameters
    ----------
    rows : sequence of ResultRow
        The results table.
    split : str
        On which split.
    """
    drawn = {
        "paper_1_curves": figure_1(rows, split),
        "paper_4_reliability": figure_4(rows, split),
        "paper_5_calibration": figure_5(rows, split),
        "paper_e1_uncertainty": figure_e1(rows),
        "paper_e2_calibration": figure_e2(rows, split),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def figure_1(rows: Sequence[ResultRow], split: str) -> Figure | None:
    """Overlap and Brier score against the labelled fraction, a column per acquisition function."""
    names = [metric.name for metric in judged_metrics(rows, split)]
    measured = [row for name in names for row in scores(rows, name, split)]
    by_function = _by_function(measured_strategies(rows, measured))
    if not by_function:
        return None
    columns = min(_COLUMNS, len(by_function))
    blocks = -(-len(by_function) // _COLUMNS)
    size = (1.2 + 2.1 * columns, 0.9 + 2.1 * len(names) * blocks)
    figure, axes_of = panels(size, len(names) * blocks, columns, sharex=True)
    for axes in axes_of.flat:
        axes.set_visible(False)
    for place, (function, own) in enumerate(by_function.items()):
        block, column = divmod(place, _COLUMNS)
        for row, name in enumerate(names):
            axes = axes_of[block * len(names) + row, column]
            axes.set_visible(True)
            draw_curves(axes, rows, name, split=split, only=own)
            metric = metric_named(name)
            axes.set_ylabel(f"{metric.axis}\n{metric.direction}" if column == 0 else "")
            is_last = row == len(names) - 1
            label = "Labelled fraction" if is_last else ""
            finish(axes, label, function if row == 0 else "")
            axes.tick_params(labelbottom=is_last)
    for row in range(len(names)):
        _share_height(axes_of[row :: len(names)])
    add_note(figure, f"{seeds_note(rows, names, split, panels=True)}; split {split}")
    legend_below(figure, (), _unit_lines())
    return figure


def figure_4(rows: Sequence[ResultRow], split: str) -> Figure | None:
    """Accuracy against confidence at the last round, a column per unit, pixels per bin below."""
    bins = {s: own for s in strategies(rows) if (own := reliability_bins(rows, s, split))}
    units = [unit for unit in Unit if any(s.unit == unit for s in bins)]
    if not units:
        return None
    size = (0.9 + 2.9 * len(units), 4.6)
    figure, axes_of = panels(size, 2, len(units), sharex=True, sharey="row", height_ratios=[3, 1])
    for column, unit in enumerate(units):
        upper, lower = axes_of[:, column]
        upper.plot([0, 1], [0, 1], color=TEXT, linewidth=0.8, linestyle=":")
        for strategy, own in bins.items():
            if strategy.unit != unit:
                continue
            confidence = [b.confidence for b in own]
            total = sum(b.count for b in own)
            look = {"color": colour(strategy), **stroke(strategy)}
            upper.plot(confidence, [b.accuracy for b in own], **look)
            lower.plot(confidence, [b.count / total for b in own], **look)
        lower.set_yscale("log")
        # whole powers of ten, however short the range: minor labels would overlap
        least = min(b.count / sum(c.count for c in own) for own in bins.values() for b in own)
        lower.set_ylim(10.0 ** min(math.floor(math.log10(least)), -1), 1)
        lower.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        lower.yaxis.set_minor_formatter(NullFormatter())
        finish(upper, "", Arm("", unit).unit_label)
        finish(lower, "Confidence", "")
    axes_of[0, 0].set(ylabel="Accuracy", xlim=(0, 1), ylim=(0, 1))
    axes_of[1, 0].set_ylabel("Share of pixels")
    seeds = {len({row.seed for row in rows if s.owns(row) and row.metric}) for s in bins}
    text = f"{sizes_text(seeds)}, their pixels together, last round; no band; split {split}"
    add_note(figure, text)
    legend_below(figure, tuple(bins))
    return figure


def figure_5(rows: Sequence[ResultRow], split: str) -> Figure | None:
    """NLL, ECE and Brier score at equal labelled fractions, regions beside whole images."""
    found = {
        name: analysis
        for name in _CALIBRATION
        if (analysis := analyse(rows, metric_named(name), split)) is not None
    }
    if not found:
        return None
    curves = {name: complete_curves(rows, name, split, _COST) for name in found}
    functions = list(_by_function(strategies(rows)))
    size = (0.9 + 2.5 * len(found), 0.9 + 1.5 * len(functions))
    figure, axes_of = panels(size, len(functions), len(found), sharex=True, sharey="col")
    counts: set[int] = set()
    for column, (name, analysis) in enumerate(found.items()):
        for row, function in enumerate(functions):
            axes = axes_of[row, column]
            counts |= _bars(axes, curves[name], function, _fractions(analysis))
            axes.set_ylabel(function if column == 0 else "")
            is_last = row == len(functions) - 1
            heading = metric_named(name).label if row == 0 else ""
            finish(axes, "Labelled fraction" if is_last else "", heading)
            axes.grid(visible=False, axis="x")
    band = "lines: 95 % t intervals" if max(counts) >= MIN_SEEDS else "dots: single seeds"
    add_note(
        figure,
        f"{sizes_text(counts)}; {band}; scores between rounds by linear interpolation; "
        f"split {split}",
    )
    patches = [
        Patch(color=TEXT, label="regions"),
        Patch(fill=False, hatch="////", label="whole images"),
    ]
    figure.legend(handles=patches, loc="outside lower left", ncols=2, frameon=False, fontsize=8)
    return figure


def figure_e1(rows: Sequence[ResultRow]) -> Figure | None:
    """Density of the score over the asked pixels, beside that of the pool they were taken from."""
    found = [strategy for strategy in strategies(rows) if has_densities(rows, strategy)]
    if not found:
        return None
    columns = min(_COLUMNS, len(found))
    lines = -(-len(found) // columns)
    figure, axes_of = panels((1.2 + 2.1 * columns, 1.0 + 1.8 * lines), lines, columns)
    for axes in axes_of.flat[len(found) :]:
        axes.set_visible(False)
    seeds = set()
    for axes, strategy in zip(axes_of.flat, found, strict=False):
        seeds.add(draw_densities(axes, rows, strategy))
        finish(axes, "Score of the pixel", strategy.label.replace(" · ", "\n"))
    for axes in axes_of[:, 0]:
        axes.set_ylabel("Density (log scale)")
        axes.yaxis.label.set(fontsize=8.5, color=TEXT)
    add_note(
        figure,
        f"{sizes_text(seeds)}, all queries together; filled: asked pixels, dotted: all that could "
        "be asked; no band",
    )
    return figure


def figure_e2(rows: Sequence[ResultRow], split: str) -> Figure | None:
    """NLL, ECE, Brier score and the parts of its decomposition against the labelled fraction."""
    names = [name for name in (*_CALIBRATION, *_PARTS) if has_values(scores(rows, name, split))]
    if not names:
        return None
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure, axes_of = panels((0.9 + 2.6 * columns, 1.4 + 2.1 * lines), lines, columns)
    for axes in axes_of.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(axes_of.flat, names, strict=False):
        draw_curves(axes, rows, name, split=split)
        metric = metric_named(name)
        is_given = name == "brier_uncertainty"  # a property of the images, good in neither way
        axes.set_ylabel("given by the images" if is_given else metric.direction)
        finish(axes, COSTS[_COST], metric.label)
    add_note(figure, f"{seeds_note(rows, names, split)}; split {split}")
    legend_below(figure, strategies(rows))
    return figure


def _by_function(own: Iterable[Arm]) -> dict[str, list[Arm]]:
    """Strategies by acquisition function, as `Arm.function_label` calls it."""
    found: dict[str, list[Arm]] = {}
    for strategy in own:
        found.setdefault(strategy.function_label, []).append(strategy)
    return found


def _fractions(analysis: Analysis) -> list[float]:
    """At most `_FRACTIONS` of the analysis' budgets, evenly chosen, the last one included."""
    budgets = analysis.budgets
    places = np.linspace(len(budgets), 0, min(_FRACTIONS, len(budgets)), endpoint=False)
    return [budgets[round(place) - 1] for place in places[::-1]]


def _bars(axes: Axes, curves: Curves, function: str, fractions: Sequence[float]) -> set[int]:
    """Bars of one acquisition function; return the numbers of seeds."""
    own = _by_function(curves).get(function, [])
    width = 0.8 / max(len(own), 1)
    counts = set()
    for place, strategy in enumerate(own):
        for position, fraction in enumerate(fractions):
            values = [float(np.interp(fraction, *curve)) for curve in curves[strategy].values()]
            if not values:
                continue
            counts.add(len(values))
            left = position + (place - (len(own) - 1) / 2) * width
            _bar(axes, left, 0.9 * width, values, strategy)
    axes.set_xticks(range(len(fractions)), [f"{fraction:.2f}" for fraction in fractions])
    return counts


def _bar(axes: Axes, middle: float, width: float, values: Sequence[float], strategy: Arm) -> None:
    mean, half_width = t_interval(values)
    is_image = strategy.unit == Unit.IMAGE
    axes.bar(
        middle,
        mean,
        width,
        facecolor="none" if is_image else colour(strategy),
        edgecolor=colour(strategy),
        hatch="////" if is_image else None,
        linewidth=1,
    )
    if len(values) >= MIN_SEEDS:
        axes.plot([middle, middle], [mean - half_width, mean + half_width], color=TEXT, linewidth=1)
    else:
        axes.plot([middle] * len(values), values, ".", color=TEXT, markersize=3)


def _share_height(axes_of: Panels) -> None:
    """Give panels of one metric the same score axis."""
    shown = [axes for axes in axes_of.flat if axes.get_visible()]
    if shown:
        low = min(axes.get_ylim()[0] for axes in shown)
        high = max(axes.get_ylim()[1] for axes in shown)
        for axes in shown:
            axes.set_ylim(low, high)


def _unit_lines() -> list[Line2D]:
    """Legend of the units; colours are named by the panels' headings."""
    return [
        Line2D([], [], color=TEXT, label=own.unit_label, **(stroke(own) | {
            "marker": "o", "markerfacecolor": "none" if own.unit == Unit.IMAGE else TEXT,
        }))
        for own in (Arm("", unit) for unit in (Unit.REGION, Unit.IMAGE))
    ]  # fmt: skip
