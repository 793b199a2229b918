"""The results table as figures and reports need it: strategies, curves, reliability bins.

Selection and averaging over seeds only; nothing is drawn or worded here.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from types import MappingProxyType
from typing import Final, TypeVar

from askmask.errors import ProjectError
from askmask.experiments.run.indexed import IndexedRows
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.query.score_histograms import POOL
from askmask.records import Unit

T = TypeVar("T")

ALL: Final = "all"
CONFIDENCE: Final = 0.95
MIN_SEEDS: Final = 3
"""Fewer seeds show no difference and get no band: an interval over two is hardly bounded."""
RANDOM: Final = "random"  # the name of the baseline in `acquisition`, which would load torch
ALL_DATA: Final = "all_data"
START_SET: Final = "start_set"
REFERENCES: Final = (ALL_DATA, START_SET)
"""Trials that ask for nothing: bounds to draw beside the strategies, never strategies."""

_PLACE: Final = attrgetter("trial", "round", "model", "dataset")
_UNITS: Final[Mapping[str, str]] = MappingProxyType(
    {Unit.REGION: "regions", Unit.IMAGE: "whole images"}
)


@dataclass(frozen=True, slots=True, order=True)
class Arm:
    """One arm of a benchmark: an acquisition function and what it asks for, at several seeds.

    `model`, `budget` and `dataset` are empty, meaning any, unless the table holds several.
    """

    acquisition: str
    unit: str
    model: str = ""
    budget: str = ""
    dataset: str = ""

    @property
    def label(self) -> str:
        """Name for people, e.g. ``"mutual information · regions"``."""
        unit = "" if self.acquisition in REFERENCES else self.unit_label
        return " · ".join(part for part in (self.function_label, unit) if part)

    @property
    def function_label(self) -> str:
        """Acquisition function, with model, budget and data set where there are several."""
        parts = (self.acquisition.replace("_", " "), self.model, self.budget, self.dataset)
        return " · ".join(part for part in parts if part)

    @property
    def unit_label(self) -> str:
        """The unit in the plural."""
        return _UNITS.get(self.unit, self.unit)

    def owns(self, row: ResultRow) -> bool:
        """Whether a row belongs to a trial of this strategy."""
        return (
            (row.acquisition, row.unit) == (self.acquisition, self.unit)
            and self.model in ("", row.model)
            and self.budget in ("", row.budget)
            and self.dataset in ("", row.dataset)
        )

    def sibling(self, *, acquisition: str | None = None, unit: str | None = None) -> "Arm":
        """Strategy with another acquisition function or unit, all else equal."""
        return replace(self, acquisition=acquisition or self.acquisition, unit=unit or self.unit)


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


Curves = Mapping[Arm, Mapping[int, tuple[Sequence[float], Sequence[float]]]]
"""Costs and scores by round, of each strategy and seed."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Pixels of one range of confidence: their mean confidence, accuracy and number."""

    index: int
    confidence: float
    accuracy: float
    count: int


def strategies(rows: Iterable[ResultRow]) -> tuple[Arm, ...]:
    """Every strategy of the table, the random baseline first, regions before images."""
    return _named(rows, are_references=False)


def references(rows: Iterable[ResultRow]) -> tuple[Arm, ...]:
    """Trials that ask for nothing, see `REFERENCES`, in the form of strategies."""
    return _named(rows, are_references=True)


def measured_strategies(
    rows: Iterable[ResultRow], measured: Iterable[ResultRow]
) -> tuple[Arm, ...]:
    """Those strategies of the table that have a row among `measured`."""
    names = {_names(row): row for row in measured}
    return tuple(s for s in strategies(rows) if any(s.owns(row) for row in names.values()))


def splits(rows: Iterable[ResultRow]) -> tuple[str, ...]:
    """Every judged split, the one that counts first: ``"test"``, other test splits, validation."""
    found = {split for _, split, _, _ in _keys(rows)} - {ALL, POOL}
    return tuple(sorted(found, key=lambda name: (name == "validation", name != "test", name)))


def groups(rows: Iterable[ResultRow], split: str) -> tuple[str, ...]:
    """Strata of a split, sorted, without ``"all"``."""
    return tuple(sorted({group for _, own, group, _ in _keys(rows) if own == split} - {ALL}))


def scores(
    rows: Iterable[ResultRow],
    metric: str,
    split: str,
    *,
    group: str = ALL,
    class_name: str = ALL,
) -> Sequence[ResultRow]:
    """Rows of one metric, one per trial and round.

    Raises
    ------
    ProjectError
        If a trial has two values for one round.
    """
    key = (metric, split, group, class_name)
    return _once(rows, ("scores", *key), lambda: _scores(rows, key))


def has_values(rows: Iterable[ResultRow]) -> bool:
    """Whether any value is a number."""
    return any(math.isfinite(row.value) for row in rows)


def seed_curves(
    measured: Iterable[ResultRow], strategy: Arm, cost: str = "labelled_fraction"
) -> dict[int, tuple[list[float], list[float]]]:
    """Costs and scores by round, for each seed of a strategy.

    Parameters
    ----------
    measured : iterable of ResultRow
        Of one metric, as `scores` gives them.
    strategy : Arm
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
    measured: Iterable[ResultRow], strategy: Arm, cost: str = "labelled_fraction"
) -> tuple[Point, ...]:
    """Average the seeds of a strategy round by round, cost and score alike.

    Seeds spend different costs in one round, so a point stands at its round's mean cost.
    Parameters as in `seed_curves`.
    """
    read = attrgetter(cost)
    by_round: dict[int, list[ResultRow]] = {}
    for row in sorted(_of(measured, strategy), key=attrgetter("seed")):
        by_round.setdefault(row.round, []).append(row)
    return tuple(_point(round, by_round[round], read) for round in sorted(by_round))


def complete_seeds(measured: Sequence[ResultRow], strategy: Arm) -> tuple[int, ...]:
    """Seeds whose trial reached the last round that any trial of the strategy reached."""
    own = _of(measured, strategy)
    last = max((row.round for row in own), default=0)
    return tuple(sorted(row.seed for row in own if row.round == last))


def complete_curves(rows: Sequence[ResultRow], metric: str, split: str, cost: str) -> Curves:
    """`seed_curves` of every strategy, without the seeds that stopped before its last round.

    Parameters
    ----------
    rows : sequence of ResultRow
        The whole table: it says how strategies are called.
    metric, split : str
        Whose `scores`.
    cost : str
        A cost column of the table.
    """
    measured = scores(rows, metric, split)
    key = ("complete curves", metric, split, cost)
    return _once(rows, key, lambda: _complete_curves(rows, measured, cost))


def _complete_curves(rows: Iterable[ResultRow], measured: Sequence[ResultRow], cost: str) -> Curves:
    by_names: dict[tuple[str, ...], list[ResultRow]] = {}
    for row in measured:
        by_names.setdefault(_names(row), []).append(row)
    found: dict[Arm, dict[int, tuple[list[float], list[float]]]] = {}
    for strategy in measured_strategies(rows, measured):
        own = [row for part in by_names.values() if strategy.owns(part[0]) for row in part]
        complete = set(complete_seeds(own, strategy))
        curves = seed_curves(own, strategy, cost)
        found[strategy] = {seed: curve for seed, curve in curves.items() if seed in complete}
    return found


def reliability_bins(
    rows: Iterable[ResultRow], strategy: Arm, split: str, prefix: str = ""
) -> tuple[ReliabilityBin, ...]:
    """Reliability bins of the last round of each seed, pixels of all seeds together.

    Bins without a pixel are left out. `prefix` is `measures.RECALIBRATED` for those after
    recalibration.
    """
    metrics = tuple(f"{prefix}reliability_{part}" for part in ("confidence", "accuracy"))
    pieces = (row for metric in metrics for row in _with_key(rows, (metric, split, ALL, ALL)))
    own = [
        row
        for row in _of(pieces, strategy)
        if not row.is_failure and row.bin is not None and row.count > 0
    ]
    last = {seed: max(r.round for r in own if r.seed == seed) for seed in {r.seed for r in own}}
    final = [row for row in own if row.round == last[row.seed]]
    found = []
    for index in sorted({row.bin for row in final if row.bin is not None}):
        confidence, _ = _pooled(final, metrics[0], index)
        accuracy, count = _pooled(final, metrics[1], index)
        found.append(ReliabilityBin(index, confidence, accuracy, count))
    return tuple(found)


def mean_bins(
    rows: Iterable[ResultRow], strategy: Arm, metric: str, split: str
) -> dict[int, tuple[float, ...]]:
    """Values over seeds of a metric with bins, at the last round of each seed, by bin."""
    own = [
        row
        for row in _of(_with_key(rows, (metric, split, ALL, ALL)), strategy)
        if not row.is_failure and row.bin is not None
    ]
    last = {row.seed: row.round for row in sorted(own, key=attrgetter("round"))}
    found: dict[int, list[float]] = {}
    for row in sorted(own, key=lambda row: (row.bin or 0, row.seed)):
        if row.round == last[row.seed]:
            found.setdefault(row.bin or 0, []).append(row.value)
    return {index: tuple(values) for index, values in found.items()}


def _named(rows: Iterable[ResultRow], *, are_references: bool) -> tuple[Arm, ...]:
    heads = rows.heads if isinstance(rows, IndexedRows) else rows
    names = {_names(row) for row in heads}
    asking = [name for name in names if name[0] not in REFERENCES] or list(names)
    several = [len({name[place] for name in asking}) > 1 for place in (2, 3, 4)]
    found = {
        Arm(acquisition, unit, *(v if s else "" for v, s in zip(rest, several, strict=True)))
        for acquisition, unit, *rest in names
        if (acquisition in REFERENCES) == are_references
    }
    return tuple(sorted(found, key=order))


def order(strategy: Arm) -> tuple[object, ...]:
    """Key to sort strategies by: random first, regions before images."""
    name = strategy.acquisition
    variant = (strategy.dataset, strategy.model, strategy.budget)
    return (*variant, name != RANDOM, name, strategy.unit != Unit.REGION)


def _names(row: ResultRow) -> tuple[str, str, str, str, str]:
    """What distinguishes one strategy from another."""
    return (row.acquisition, row.unit, row.model, row.budget, row.dataset)


def _of(rows: Iterable[ResultRow], strategy: Arm) -> list[ResultRow]:
    return [row for row in rows if strategy.owns(row)]


def _scores(rows: Iterable[ResultRow], key: tuple[str, str, str, str]) -> tuple[ResultRow, ...]:
    found = tuple(row for row in _with_key(rows, key) if not row.is_failure and row.bin is None)
    places = Counter(map(_PLACE, found))
    for (trial, round, *_), count in places.most_common(1):
        if count > 1:
            metric, split, group, _ = key
            raise ProjectError(
                f"expected one {metric!r} of split {split!r}, group {group!r} for trial "
                f"{trial!r}, round {round}, got {count}. Write the table again."
            )
    return found


def _once(rows: Iterable[ResultRow], key: tuple[str, ...], make: Callable[[], T]) -> T:
    """What `make` makes of the rows, only once for a table with an index."""
    return rows.once(key, make) if isinstance(rows, IndexedRows) else make()


def _keys(rows: Iterable[ResultRow]) -> Iterable[tuple[str, str, str, str]]:
    """Metric, split, group and class of everything that was measured."""
    if isinstance(rows, IndexedRows):
        return rows.keys
    return {(row.metric, row.split, row.group, row.class_name) for row in rows if row.metric}


def _with_key(rows: Iterable[ResultRow], key: tuple[str, str, str, str]) -> Iterable[ResultRow]:
    if isinstance(rows, IndexedRows):
        return rows.of(*key)
    return (row for row in rows if (row.metric, row.split, row.group, row.class_name) == key)


def _point(round: int, rows: Sequence[ResultRow], cost: "attrgetter[float]") -> Point:
    values = tuple(row.value for row in rows)
    costs = tuple(float(cost(row)) for row in rows)
    mean, half_width = t_interval(values, CONFIDENCE)
    seeds = tuple(row.seed for row in rows)
    return Point(round, sum(costs) / len(costs), mean, half_width, seeds, costs, values)


def _pooled(rows: Iterable[ResultRow], metric: str, index: int) -> tuple[float, int]:
    """Mean of a bin's values weighted by pixels, and the pixels."""
    own = [row for row in rows if row.metric == metric and row.bin == index]
    count = sum(row.count for row in own)
    return (sum(row.value * row.count for row in own) / count if count else math.nan), count
