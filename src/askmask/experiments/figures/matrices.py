"""Square matrices of strategies: who beats whom, and who asks for the same pixels."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from askmask.experiments.figures.general import sizes_text
from askmask.experiments.figures.ink import LIGHT, TEXT, add_note, finish, new_figure
from askmask.experiments.stats.analysis import Analysis


def penalty_figure(analysis: Analysis) -> Figure:
    """How often each strategy (row) beats each other one (column), as shares of the budgets."""
    found = [own.strategy for own in analysis.standings]
    values = [] if analysis.penalties is None else analysis.penalties.tolist()
    labels = [strategy.label for strategy in found]
    return matrix(
        labels,
        values,
        f"{analysis.metric.label}: how often the row beats the column",
        f"share of {len(analysis.budgets)} budgets with p < 0.05 (paired t test, uncorrected;\n"
        f"by chance alone about 0.025); {sizes_text([len(analysis.shared_seeds)])}; "
        f"split {analysis.split}",
    )


def matrix(
    labels: Sequence[str],
    values: Sequence[Sequence[float]],
    heading: str,
    remark: str,
    below: Sequence[Sequence[float]] | None = None,
) -> Figure:
    """Square matrix of shares in [0, 1], its numbers written into shaded fields.

    The diagonal and NaN stay empty. `below` holds a number to stand smaller under each, in
    brackets.
    """
    count = max(len(labels), 1)
    side = 0.42 * count
    figure = new_figure((max(side + 2.8, 5.2), side + 2.5))
    add_note(figure, f"{heading}\n{remark}")
    axes = figure.subplots()
    for row, own in enumerate(values):
        for column, value in enumerate(own):
            if row != column and math.isfinite(value):
                _draw_field(axes, row, column, value, None if below is None else below[row][column])
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", rotation_mode="anchor")
    finish(axes, "", "")
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    return figure


def _draw_field(axes: Axes, row: int, column: int, value: float, below: float | None) -> None:
    axes.fill_between(
        [column - 0.47, column + 0.47],
        row - 0.47,
        row + 0.47,
        color=LIGHT["series-1"],
        alpha=0.06 + 0.44 * value,  # text stays readable on the darkest field
        linewidth=0,
    )
    middle: dict[str, Any] = {"ha": "center", "va": "center", "color": TEXT}  # Any: of a Text
    if below is None:
        axes.text(column, row, f"{value:.2f}", fontsize=7.5, **middle)
    else:
        axes.text(column, row - 0.16, f"{value:.2f}", fontsize=7.5, **middle)
        axes.text(column, row + 0.22, f"({below:.2f})", fontsize=6, **middle)
