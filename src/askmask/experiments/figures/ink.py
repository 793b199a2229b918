"""How figures look, and how they become files; what they show is decided elsewhere.

Every figure is a matplotlib `Figure` made without pyplot, so nothing global is touched. Colour
and marker tell the acquisition function, line style and fill the unit: solid and filled for
regions, dashed and hollow for whole images. So figures can be read without colour.
"""

import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import matplotlib as mpl
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from askmask.experiments.stats.curves import RANDOM, Arm
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

LIGHT: Final = MappingProxyType({ink.name: ink.light for ink in INKS})
TEXT: Final = LIGHT["text"]
FAINT: Final = LIGHT["faint"]

# The same acquisition function looks the same in every report. Relatives share a colour.
_LOOKS: Final = MappingProxyType(
    {
        RANDOM: (0, "o"),
        "foreground_aware_random": (0, "P"),
        "predictive_entropy": (1, "s"),
        "mutual_information": (2, "^"),
        "variation_ratio": (3, "D"),
        "vote_variation_ratio": (4, "v"),
        "margin": (5, "p"),
        "expected_entropy": (6, "X"),
        "clasp_power_entropy": (5, "*"),
        "region_impurity": (6, "h"),
        "coreset": (4, "8"),
    }
)
_BASES: Final = MappingProxyType({"entropy": 1, "mutual_information": 2})  # of power_entropy, say
_KINDS: Final = MappingProxyType(
    {"power": "P", "softmax": "X", "softrank": "<", "stochastic_batch": ">", "kmeans": "d"}
)
_OTHER_MARKERS: Final = "<>dH8p"

WIDE: Final = (4.1, 2.9)
"""Size in inches of a figure that shares a row with one other."""
NARROW: Final = (3.4, 2.8)
"""Size in inches of a figure that shares a row with two others."""


def new_figure(size: tuple[float, float]) -> Figure:
    """Empty figure, width and height in inches."""
    figure = Figure(figsize=size, layout="constrained", facecolor="none")
    FigureCanvasAgg(figure)
    return figure


Panels = npt.NDArray[Any]  # of Axes, which numpy has no name for


def panels(
    size: tuple[float, float], rows: int, columns: int, **options: Any
) -> tuple[Figure, Panels]:  # Any: keywords of `Figure.subplots`
    """Figure with a (rows, columns) array of axes."""
    figure = new_figure(size)
    axes: Panels = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, axes


def colour(strategy: Arm) -> str:
    """Colour of a strategy on light pages."""
    return LIGHT[f"series-{_look(strategy.acquisition)[0]}"]


def stroke(strategy: Arm) -> dict[str, Any]:  # Any: keywords of Line2D
    """Line and marker of a strategy, without its colour."""
    is_image = strategy.unit == Unit.IMAGE
    return {
        "linewidth": 1.5,
        "linestyle": (0, (3.2, 1.8)) if is_image else "-",
        "marker": _look(strategy.acquisition)[1],
        "markersize": 4.2,
        "markerfacecolor": "none" if is_image else colour(strategy),
    }


def handle(strategy: Arm) -> Line2D:
    """Entry of a legend."""
    return Line2D([], [], color=colour(strategy), label=strategy.label, **stroke(strategy))


def swatch(strategy: Arm) -> Figure:
    """Line and marker of a strategy, for a legend outside the figures."""
    figure = Figure(figsize=(0.55, 0.2), facecolor="none")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(0, 2), ylim=(-1, 1))
    axes.plot([0, 1, 2], [0, 0, 0], color=colour(strategy), markevery=[1], **stroke(strategy))
    return figure


def legend_below(figure: Figure, found: Sequence[Arm], extra: Sequence[Line2D] = ()) -> None:
    """Legend under all panels, as many columns as fit the width."""
    handles = [*(handle(strategy) for strategy in found), *extra]
    if handles:
        columns = max(1, int(figure.get_figwidth() // 2.9))
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=min(columns, len(handles)),
            frameon=False,
            labelcolor=TEXT,
            fontsize=8,
            handlelength=3,
        )


def add_note(figure: Figure, text: str) -> None:
    """Say over the panels what n is and what bands are."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=7.5, color=TEXT)


def fit_height(axes: Axes, values: Iterable[float]) -> None:
    """Let the score axis fit these values."""
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        low, high = min(finite), max(finite)
        margin = 0.08 * (high - low) or 0.05
        axes.set_ylim(low - margin, high + margin)


def finish(axes: Axes, x_label: str, title: str) -> None:
    """Give axes their quiet look."""
    axes.set_xlabel(x_label, fontsize=8.5, color=TEXT)
    axes.yaxis.label.set(fontsize=8.5, color=TEXT)
    if title:
        axes.set_title(title, fontsize=9, color=TEXT, loc="left", fontweight="bold")
    axes.set_facecolor("none")
    axes.grid(visible=True, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, labelcolor=TEXT, color=FAINT, length=0)
    axes.tick_params(which="minor", length=0)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(FAINT)


def to_png(figure: Figure, *, dots_per_inch: int = 150) -> bytes:
    """PNG of a figure on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dots_per_inch, facecolor="white")
    return buffer.getvalue()


def to_svg_file(figure: Figure) -> str:
    """SVG of a figure as a file of its own, on white; letters are outlines, so it prints alike."""
    buffer = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "path", "svg.hashsalt": "askmask"}):
        figure.savefig(buffer, format="svg", facecolor="white", metadata={"Date": None})
    return buffer.getvalue()


def to_svg(figure: Figure, name: str, alternative: str) -> str:
    """SVG element for use inside an HTML page, scaling with its box.

    Its colours are the custom properties ``--NAME`` of `INKS`, the light ones where a page sets
    none; text stays text, in the page's font.

    Parameters
    ----------
    figure : Figure
        In the colours of `INKS`.
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


def _look(acquisition: str) -> tuple[int, str]:
    """Place in the palette, and marker; names that are not known share by their letters."""
    if acquisition in _LOOKS:
        return _LOOKS[acquisition]
    for kind, marker in _KINDS.items():
        base = acquisition.removeprefix(f"{kind}_")
        if base != acquisition and base in _BASES:
            return _BASES[base], marker
    letters = sum(acquisition.encode())
    return 1 + letters % 6, _OTHER_MARKERS[letters % len(_OTHER_MARKERS)]


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
