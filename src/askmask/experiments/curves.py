"""What figures and report read out of the results table: strategies, curves, reliability bins.

Selection and averaging over seeds only; nothing is drawn or worded here.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Final

from askmask.errors import ProjectError
from askmask.experiments.results import ResultRow
from askmask.experiments.statistics import t_interval
from askmask.records import Unit

ALL: Final = "all"
CONFIDENCE: Final = 0.95
MIN_SEEDS: Final = 3
"""Fewer seeds show no difference and get no band: an interval over two is hardly bounded."""
RANDOM: Final = "random"  # the name of the baseline in `acquisition`, which would load torch

_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {Unit.REGION: "regions", Unit.IMAGE: "whole images"}
)


@dataclass(frozen=True, slots=True, order=True)
class Strategy:
    """An acquisition function and what it asks for; trials of one strategy differ by seed."""

    acquisition: str
    unit: str

    @property
    def label(self) -> str:
        """Name for people, e.g. ``"mutual information · regions"``."""
        return f"{self.acquisition.replace('_', ' ')} · {self.unit_label}"

    @property
    def unit_label(self) -> str:
        """The unit in the plural."""
        return _UNITS.get(self.unit, self.unit)


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is called and read."""

    name: str
    label: str
    lower_is_better: bool = False
    unit: str = ""

    @property
    def axis(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return "lower is better" if self.lower_is_better else "higher is better"


_METRICS: Final = (
    Metric("object_f1", "Object F1"),
    Metric("object_dice", "Object Dice"),
    Metric("object_hausdorff", "Object Hausdorff", lower_is_better=True, unit="pixels"),
    Metric("mean_dice", "Mean Dice"),
    Metric("mean_iou", "Mean IoU"),
    Metric("nll", "NLL", lower_is_better=True, unit="nats per pixel"),
    Metric("brier", "Brier score", lower_is_better=True),
    Metric("ece", "ECE", lower_is_better=True),
)
METRICS: Final = MappingProxyType({metric.name: metric for metric in _METRICS})
"""The metrics that a report shows, in its order."""


@dataclass(frozen=True, slots=True)
class Point:
    """One round of a curve: means over the seeds that have this round.

    `half_width` is that of the 95 % t interval of the score, NaN for one seed; `seeds`, `costs`
    and `values` are parallel.
    """

    round: int
    cost: float
    mean: float
    half_width: float
    seeds: tuple[int, ...]
    costs: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pixels of one range of confidence: their mean confidence, accuracy and number."""

    index: int
    confidence: float
    accuracy: float
    count: int


def strategies(rows: Iterable[ResultRow]) -> tuple[Strategy, ...]:
    """Every strategy of the table, the random baseline first, regions before images."""
    found = {Strategy(row.acquisition, row.unit) for row in rows}
    return tuple(
        sorted(found, key=lambda s: (s.acquisition != RANDOM, s.acquisition, s.unit != Unit.REGION))
    )


def splits(rows: Iterable[ResultRow]) -> tuple[str, ...]:
    """Every judged split, the one that counts first: ``"test"``, other test splits, validation."""
    found = {row.split for row in rows if row.metric}
    return tuple(sorted(found, key=lambda name: (name == "validation", name != "test", name)))


def groups(rows: Iterable[ResultRow], split: str) -> tuple[str, ...]:
    """Strata of a split, sorted, without ``"all"``."""
    return tuple(sorted({row.group for row in rows if row.split == split and row.metric} - {ALL}))


def scores(
    rows: Iterable[ResultRow],
    metric: str,
    split: str,
    *,
    group: str = ALL,
    class_name: str = ALL,
) -> list[ResultRow]:
    """Rows of one metric, one per trial and round.

    Raises
    ------
    ProjectError
        If a trial has two values for one round.
    """
    found = [
        row
        for row in rows
        if not row.is_failure
        and (row.metric, row.split, row.group) == (metric, split, group)
        and row.class_name == class_name
        and row.bin is None
    ]
    seen: set[tuple[str, int]] = set()
    for row in found:
        if (row.trial, row.round) in seen:
            raise ProjectError(
                f"expected one {metric!r} of split {split!r}, group {group!r} for trial "
                f"{row.trial!r}, round {row.round}, got two. Write the table again."
            )
        seen.add((row.trial, row.round))
    return found


def has_values(rows: Iterable[ResultRow]) -> bool:
    """Whether any value is a number."""
    return any(math.isfinite(row.value) for row in rows)


def seed_curves(
    measured: Iterable[ResultRow], strategy: Strategy, cost: str = "labelled_fraction"
) -> dict[int, tuple[list[float], list[float]]]:
    """Costs and scores by round, for each seed of a strategy.

    Parameters
    ----------
    measured : iterable of ResultRow
        Of one metric, as `scores` gives them.
    strategy : Strategy
        Whose trials.
    cost : str
        A cost column of the table.
    """
    read = attrgetter(cost)
    curves: dict[int, tuple[list[float], list[float]]] = {}
    for row in sorted(_of(measured, strategy), key=lambda row: (row.seed, row.round)):
        xs, ys = curves.setdefault(row.seed, ([], []))
        xs.append(float(read(row)))
        ys.append(row.value)
    return curves


def mean_curve(
    measured: Iterable[ResultRow], strategy: Strategy, cost: str = "labelled_fraction"
) -> tuple[Point, ...]:
    """Average the seeds of a strategy round by round, cost and score alike.

    Seeds spend different costs in one round, so a point stands at its round's mean cost.
    Parameters as in `seed_curves`.
    """
    read = attrgetter(cost)
    by_round: dict[int, list[ResultRow]] = {}
    for row in sorted(_of(measured, strategy), key=attrgetter("seed")):
        by_round.setdefault(row.round, []).append(row)
    return tuple(_point(round_, by_round[round_], read) for round_ in sorted(by_round))


def complete_seeds(measured: Sequence[ResultRow], strategy: Strategy) -> tuple[int, ...]:
    """Seeds whose trial reached the last round that any trial of the strategy reached."""
    own = _of(measured, strategy)
    last = max((row.round for row in own), default=0)
    return tuple(sorted(row.seed for row in own if row.round == last))


def reliability_bins(
    rows: Iterable[ResultRow], strategy: Strategy, split: str
) -> tuple[ReliabilityBin, ...]:
    """Reliability bins of the last round of each seed, pixels of all seeds together.

    Bins without a pixel are left out.
    """
    own = [
        row
        for row in _of(rows, strategy)
        if not row.is_failure
        and (row.split, row.group, row.class_name) == (split, ALL, ALL)
        and row.bin is not None
        and row.count > 0
    ]
    last = {seed: max(r.round for r in own if r.seed == seed) for seed in {r.seed for r in own}}
    final = [row for row in own if row.round == last[row.seed]]
    found = []
    for index in sorted({row.bin for row in final if row.bin is not None}):
        confidence, _ = _pooled(final, "reliability_confidence", index)
        accuracy, count = _pooled(final, "reliability_accuracy", index)
        found.append(ReliabilityBin(index, confidence, accuracy, count))
    return tuple(found)


def _of(rows: Iterable[ResultRow], strategy: Strategy) -> list[ResultRow]:
    return [r for r in rows if (r.acquisition, r.unit) == (strategy.acquisition, strategy.unit)]


def _point(round_: int, rows: Sequence[ResultRow], cost: "attrgetter[float]") -> Point:
    values = tuple(row.value for row in rows)
    costs = tuple(float(cost(row)) for row in rows)
    mean, half_width = t_interval(values, CONFIDENCE)
    seeds = tuple(row.seed for row in rows)
    return Point(round_, sum(costs) / len(costs), mean, half_width, seeds, costs, values)


def _pooled(rows: Iterable[ResultRow], metric: str, index: int) -> tuple[float, int]:
    """Mean of a bin's values weighted by pixels, and the pixels."""
    own = [row for row in rows if row.metric == metric and row.bin == index]
    count = sum(row.count for row in own)
    return (sum(row.value * row.count for row in own) / count if count else math.nan), count
