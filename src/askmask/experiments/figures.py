"""Figures of the results table: drawn as measured, nothing smoothed, dropped or typed in.

Every figure is a matplotlib `Figure` made without pyplot, so nothing global is touched. Colour
tells the acquisition function, line style and fill the unit: solid and filled for regions, dashed
and hollow for whole images. `to_svg` makes markup that follows the page's colours.
"""

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from askmask.experiments.curves import (
    METRICS,
    MIN_SEEDS,
    RANDOM,
    Metric,
    Point,
    Strategy,
    groups,
    mean_curve,
    reliability_bins,
    scores,
    strategies,
)
from askmask.experiments.results import ResultRow
from askmask.records import Unit


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour for light pages and its counterpart for dark ones."""

    name: str
    light: str
    dark: str


# Okabe and Ito's hues, shifted so that each has a contrast of at least 3 with its page.
INKS: Final = (
    Ink("text", "#1f2328", "#e6e6e3"),
    Ink("faint", "#d7d9dc", "#3b4047"),
    Ink("series-0", "#63686f", "#a9aeb6"),
    Ink("series-1", "#0072b2", "#56b4e9"),
    Ink("series-2", "#c24e00", "#ff9a5c"),
    Ink("series-3", "#007d5c", "#2fcc9f"),
    Ink("series-4", "#a0407f", "#e79bc9"),
    Ink("series-5", "#8a6a00", "#e3c53a"),
    Ink("series-6", "#5a45b5", "#a99bf5"),
)
"""Every colour of a figure."""

_LIGHT: Final = MappingProxyType({ink.name: ink.light for ink in INKS})
_TEXT: Final = _LIGHT["text"]
_MARKERS: Final = "os^DvPX"
_PLACES: Final = MappingProxyType(  # the same function has the same colour in every report
    {
        RANDOM: 0,
        "predictive_entropy": 1,
        "mutual_information": 2,
        "variation_ratio": 3,
        "vote_variation_ratio": 4,
        "margin": 5,
        "expected_entropy": 6,
    }
)

COSTS: Final = MappingProxyType(
    {
        "labelled_fraction": "Labelled fraction of the pixels",
        "labelled_pixels": "Labelled pixels",
        "regions": "Regions answered",
        "images": "Images touched",
        "boundary_length": "Boundary length in the answers (pixel edges)",
    }
)
"""The costs that a score can be drawn against, with their labels."""

WIDE: Final = (4.1, 2.9)
"""Size in inches of a figure that shares a row with one other."""
NARROW: Final = (3.4, 2.8)
"""Size in inches of a figure that shares a row with two others."""


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
    the interval would fill the axes; then the single seeds are drawn as thin lines.

    Parameters
    ----------
    rows : sequence of ResultRow
        The results table.
    metric : str
        One of `curves.METRICS`.
    split : str
        On which split.
    cost : str
        One of `COSTS`.
    legend : bool
        Whether to name the strategies inside the figure.
    size : tuple of float
        Width and height in inches.
    """
    shown = METRICS[metric]
    measured = scores(rows, metric, split)
    figure, axes = _figure(size)
    found = strategies(measured)
    for strategy in found:
        _draw_curve(axes, mean_curve(measured, strategy, cost), strategy)
    _fit_height(axes, [row.value for row in measured])
    _finish(axes, COSTS[cost], _title(shown))
    if legend and found:
        axes.legend(handles=[_handle(s) for s in found], frameon=False, labelcolor=_TEXT)
    return figure


def reliability_diagram(
    rows: Sequence[ResultRow], strategy: Strategy, *, split: str, highest_share: float = 1.0
) -> Figure:
    """Accuracy against confidence per bin at the last round, over the pixels' distribution.

    On the diagonal, confidence is as high as accuracy. Below it stands the share of the pixels in
    each bin, up to `highest_share`, so that diagrams side by side have one scale.
    """
    bins = reliability_bins(rows, strategy, split)
    figure = Figure(figsize=(2.9, 3.3), layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    colour = _colour(strategy)
    upper.plot([0, 1], [0, 1], color=_TEXT, linewidth=0.8, linestyle=":")
    confidence = [b.confidence for b in bins]
    upper.plot(confidence, [b.accuracy for b in bins], color=colour, **_stroke(strategy))
    total = sum(b.count for b in bins)
    shares = [b.count / total for b in bins]
    lower.vlines(confidence, 0, shares, color=colour, linewidth=4)
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="Accuracy")
    lower.set(ylim=(0, highest_share * 1.05), ylabel="Pixels")
    lower.yaxis.set_major_formatter("{x:.0%}")
    _finish(upper, "", strategy.label.replace(" · ", "\n"))
    _finish(lower, "Confidence", "")
    return figure


def group_scores(rows: Sequence[ResultRow], metric: str, *, split: str) -> Figure:
    """Score at the last round of each strategy, a panel per group, with 95 % t intervals."""
    names = groups(rows, split)
    found = strategies(scores(rows, metric, split))
    figure = Figure(
        figsize=(1.7 + 1.3 * max(len(names), 1), 0.8 + 0.22 * len(found)),
        layout="constrained",
        facecolor="none",
    )
    FigureCanvasAgg(figure)
    figure.suptitle(
        _title(METRICS[metric]), x=0.01, ha="left", fontsize=9, fontweight="bold", color=_TEXT
    )
    panels = figure.subplots(1, max(len(names), 1), sharex=True, sharey=True, squeeze=False)[0]
    for name, axes in zip(names, panels, strict=False):  # without groups one panel stays empty
        measured = scores(rows, metric, split, group=name)
        for place, strategy in enumerate(found):
            curve = mean_curve(measured, strategy)
            if curve:
                _draw_interval(axes, curve[-1], place, strategy)
        axes.set_yticks(range(len(found)), [strategy.label for strategy in found])
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(3))
        _finish(axes, name, "")
        axes.grid(visible=False, axis="y")
    return figure


def swatch(strategy: Strategy) -> Figure:
    """Line and marker of a strategy, for a legend outside the figures."""
    figure = Figure(figsize=(0.55, 0.2), facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 2), ylim=(-1, 1))
    axes.plot([0, 1, 2], [0, 0, 0], color=_colour(strategy), markevery=[1], **_stroke(strategy))
    return figure


def to_png(figure: Figure, *, dots_per_inch: int = 150) -> bytes:
    """PNG of a figure on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, facecolor="white")
    return buffer.getvalue()


def to_svg(figure: Figure, name: str, alternative: str) -> str:
    """SVG element for use inside an HTML page, scaling with its box.

    Its colours are the custom properties ``--NAME`` of `INKS`, the light ones where a page sets
    none; text stays text, in the page's font.

    Parameters
    ----------
    figure : Figure
        Of this module.
    name : str
        Put before every id in the markup, so that several figures fit one page.
    alternative : str
        What the figure says, for those who cannot see it; empty for mere decoration.
    """
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "askmask"}):
        figure.savefig(buffer, format="svg", facecolor="none", metadata={"Date": None})
    markup = buffer.getvalue()
    markup = markup[markup.index("<svg") :]
    markup = re.sub(r"<metadata>.*?</metadata>", "", markup, flags=re.DOTALL)
    markup = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{name}-", markup)
    for ink in INKS:
        markup = markup.replace(ink.light, f"var(--{ink.name}, {ink.light})")
    width, height = (72 * inches for inches in figure.get_size_inches())
    role = (
        f'role="img" aria-label="{_escape(alternative)}"' if alternative else 'aria-hidden="true"'
    )
    opening = (
        f'<svg viewBox="0 0 {width:g} {height:g}" {role} '
        'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return opening + markup[markup.index(">") + 1 :].strip()


def _figure(size: tuple[float, float] = WIDE) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    return figure, figure.subplots()


def _title(metric: Metric) -> str:
    return f"{metric.axis}, {metric.direction}"


def _draw_curve(axes: Axes, points: Sequence[Point], strategy: Strategy) -> None:
    """Mean with its band; with too few seeds for a band, the seeds as thin lines instead."""
    cost = [point.cost for point in points]
    colour = _colour(strategy)
    if max(len(point.seeds) for point in points) >= MIN_SEEDS:
        low = [point.mean - point.half_width for point in points]
        high = [point.mean + point.half_width for point in points]
        axes.fill_between(cost, low, high, color=colour, alpha=0.11, linewidth=0)
    else:
        for xs, ys in _single_seeds(points):
            axes.plot(xs, ys, color=colour, alpha=0.4, linewidth=0.7)
    axes.plot(cost, [point.mean for point in points], color=colour, **_stroke(strategy))


def _single_seeds(points: Sequence[Point]) -> list[tuple[list[float], list[float]]]:
    """Costs and scores of each seed."""
    curves: dict[int, tuple[list[float], list[float]]] = {}
    for point in points:
        for seed, cost, value in zip(point.seeds, point.costs, point.values, strict=True):
            xs, ys = curves.setdefault(seed, ([], []))
            xs.append(cost)
            ys.append(value)
    return list(curves.values())


def _draw_interval(axes: Axes, point: Point, place: int, strategy: Strategy) -> None:
    colour = _colour(strategy)
    if math.isfinite(point.half_width):
        ends = [point.mean - point.half_width, point.mean + point.half_width]
        axes.plot(ends, [place, place], color=colour, linewidth=1.2, alpha=0.6)
    axes.plot([point.mean], [place], color=colour, **_stroke(strategy))


def _fit_height(axes: Axes, values: Iterable[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        low, high = min(finite), max(finite)
        margin = 0.08 * (high - low) or 0.05
        axes.set_ylim(low - margin, high + margin)


def _finish(axes: Axes, x_label: str, title: str) -> None:
    """Give axes their quiet look."""
    faint = _LIGHT["faint"]
    axes.set_xlabel(x_label, fontsize=8.5, color=_TEXT)
    axes.yaxis.label.set(fontsize=8.5, color=_TEXT)
    if title:
        axes.set_title(title, fontsize=9, color=_TEXT, loc="left", fontweight="bold")
    axes.set_facecolor("none")
    axes.grid(visible=True, color=faint, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, labelcolor=_TEXT, color=faint, length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(faint)


def _colour(strategy: Strategy) -> str:
    return _LIGHT[f"series-{_place(strategy.acquisition)}"]


def _place(acquisition: str) -> int:
    """Place in the palette; names it does not know share by their letters."""
    known = _PLACES.get(acquisition)
    return 1 + sum(acquisition.encode()) % (len(_PLACES) - 1) if known is None else known


def _stroke(strategy: Strategy) -> dict[str, Any]:  # Any: keywords of Line2D
    is_image = strategy.unit == Unit.IMAGE
    return {
        "linewidth": 1.5,
        "linestyle": (0, (3.2, 1.8)) if is_image else "-",
        "marker": _MARKERS[_place(strategy.acquisition)],
        "markersize": 4.2,
        "markerfacecolor": "none" if is_image else _colour(strategy),
    }


def _handle(strategy: Strategy) -> Line2D:
    return Line2D([], [], color=_colour(strategy), label=strategy.label, **_stroke(strategy))


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
