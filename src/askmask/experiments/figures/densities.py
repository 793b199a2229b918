"""How the scores of the asked pixels are distributed, from the histograms that queries left."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from matplotlib.axes import Axes

from askmask.experiments.figures.ink import TEXT, colour
from askmask.experiments.run.indexed import IndexedRows
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curves import ALL, Arm
from askmask.query.score_histograms import POOL

_SPAN: Final = 10_000.0
"""Largest over smallest density that is drawn."""


@dataclass(frozen=True, slots=True)
class Density:
    """Histogram as a density.

    `edges` has one more entry than `heights`, whose area is the share of pixels inside the edges;
    `above` is the share beyond the last edge.
    """

    edges: tuple[float, ...]
    heights: tuple[float, ...]
    above: float
    seeds: tuple[int, ...]


def density(rows: Iterable[ResultRow], strategy: Arm, metric: str) -> Density | None:
    """Density of ``"asked_score"`` or ``"pool_score"``, all queries and seeds together.

    None if the table has no such rows, as for strategies that score no pixels.
    """
    own = [row for row in _of(rows, metric) if strategy.owns(row) and row.bin is not None]
    total = sum(row.count for row in own)
    if not total:
        return None
    counts: dict[float, int] = {}
    for row in own:
        counts[row.value] = counts.get(row.value, 0) + row.count
    *finite, last = sorted(counts)
    edges = (0.0, *finite)
    heights = tuple(counts[right] / total / (right - left) for left, right in pairwise(edges))
    return Density(edges, heights, counts[last] / total, tuple(sorted({row.seed for row in own})))


def has_densities(rows: Sequence[ResultRow], strategy: Arm) -> bool:
    """Whether anything is known of the scores that a strategy asked."""
    return density(rows, strategy, "asked_score") is not None


def draw_densities(axes: Axes, rows: Sequence[ResultRow], strategy: Arm) -> int:
    """Draw asked pixels over the pool, up to the highest score; return the number of seeds.

    The density is drawn to a logarithmic scale: nearly all pixels of a pool have next to no mutual
    information, and what is asked differs from them by the few that have some.
    """
    asked = density(rows, strategy, "asked_score")
    pool = density(rows, strategy, "pool_score")
    seeds = 0
    drawn = [height for part in (asked, pool) if part is not None for height in part.heights]
    bottom = max(drawn, default=1.0) / _SPAN
    axes.set_yscale("log")
    axes.set_ylim(bottom, 2 * bottom * _SPAN)
    if pool is not None:
        axes.stairs(pool.heights, pool.edges, color=TEXT, linewidth=1.1, linestyle=":")
        top = max(edge for edge, height in zip(pool.edges[1:], pool.heights, strict=True) if height)
        axes.set_xlim(0, top)
    if asked is not None:
        seeds = len(asked.seeds)
        own, heights, edges = colour(strategy), asked.heights, asked.edges
        axes.stairs(heights, edges, baseline=bottom, color=own, fill=True, alpha=0.3)
        axes.stairs(heights, edges, baseline=bottom, color=own, linewidth=1.3)
    return seeds


def _of(rows: Iterable[ResultRow], metric: str) -> Iterable[ResultRow]:
    if isinstance(rows, IndexedRows):
        return rows.of(metric, POOL, ALL, ALL)
    return (row for row in rows if (row.metric, row.split) == (metric, POOL))
