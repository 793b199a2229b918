"""Do strategies ask for the same pixels? How far the queries of one seed's trials overlap.

Only the databases of the trials are read: no model, no image.
"""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from askmask.experiments.figures.general import sizes_text
from askmask.experiments.figures.matrices import matrix
from askmask.experiments.run.grid import Trial
from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curves import Arm, order
from askmask.loop.project import DATABASE_NAME
from askmask.store.store import Store

AskedPixels = dict[str, npt.NDArray[np.bool_]]
"""Asked pixels, (H, W) by image id; images nobody asked about are left out."""


@dataclass(frozen=True, slots=True)
class QueryOverlap:
    """Pixels that two trials of one seed asked up to a round, start set left out.

    `pool` are the pixels that could be asked; `both` were asked by both trials.
    """

    seed: int
    round: int
    first: str
    second: str
    pool: int
    asked_first: int
    asked_second: int
    both: int

    @property
    def overlap(self) -> float:
        """Intersection over union, in [0, 1]; NaN if nothing was asked."""
        union = self.asked_first + self.asked_second - self.both
        return self.both / union if union else math.nan

    @property
    def by_chance(self) -> float:
        """Overlap to expect of two trials that ask as many pixels anywhere in the pool."""
        both = self.asked_first * self.asked_second / self.pool if self.pool else math.nan
        union = self.asked_first + self.asked_second - both
        return both / union if union else math.nan


def agreements(
    trials_folder: Path, planned: Sequence[Trial], rows: Sequence[ResultRow]
) -> list[QueryOverlap]:
    """Compare every two trials of a seed at the last round that both asked.

    Parameters
    ----------
    trials_folder : Path
        Holds a project per trial, named like it.
    planned : sequence of Trial
        Those to compare; one that has no database or asked nothing is left out.
    rows : sequence of ResultRow
        The results table: it says how large the pool is.
    """
    heads = indexed(rows).heads
    found: list[QueryOverlap] = []
    for seed in dict.fromkeys(trial.seed for trial in planned):
        asked: dict[Trial, list[AskedPixels]] = {}
        for trial in planned:
            path = trials_folder / trial.name / DATABASE_NAME
            if trial.seed == seed and path.is_file():
                with Store(path) as store:
                    asked[trial] = list(_asked_by_round(store))
        for first, second in combinations((t for t, own in asked.items() if own), 2):
            last = min(len(asked[first]), len(asked[second]))
            one, other = asked[first][last - 1], asked[second][last - 1]
            both = sum(int((one[name] & other[name]).sum()) for name in one.keys() & other.keys())
            pool = _pool_pixels(heads, first.name)
            sizes = (_pixels(one), _pixels(other))
            found.append(QueryOverlap(seed, last, first.name, second.name, pool, *sizes, both))
    return found


def agreement_figure(found: Sequence[QueryOverlap], planned: Sequence[Trial]) -> Figure:
    """Mean overlap over seeds of every two strategies that asked, as a matrix; chance below it."""
    names = {t.name: Arm(t.acquisition, str(t.unit), t.model, t.budget) for t in planned}
    ordered = sorted({names[name] for own in found for name in (own.first, own.second)}, key=order)
    values = np.full((2, len(ordered), len(ordered)), math.nan)
    for i, first in enumerate(ordered):
        for j, second in enumerate(ordered):
            own = [a for a in found if {names[a.first], names[a.second]} == {first, second}]
            if own:
                values[0, i, j] = float(np.mean([a.overlap for a in own]))
                values[1, i, j] = float(np.mean([a.by_chance for a in own]))
    overlaps, by_chance = values.tolist()
    return matrix(
        [strategy.label for strategy in ordered],
        overlaps,
        "Do strategies ask for the same pixels?",
        "asked pixels of all rounds, intersection over union, mean over seeds "
        f"({sizes_text([len({a.seed for a in found})])});\n"
        "in brackets: what as many pixels asked anywhere in the pool would share",
        by_chance,
    )


def write_agreements(path: Path, found: Iterable[QueryOverlap]) -> None:
    """Write the counts behind `agreement_figure` as CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(field.name for field in fields(QueryOverlap)), "overlap", "by_chance"])
        writer.writerows((*astuple(own), own.overlap, own.by_chance) for own in found)


def _asked_by_round(store: Store) -> Iterator[AskedPixels]:
    """Everything asked up to each round, from the first query on."""
    sizes = {info.image_id: (info.height, info.width) for info in store.images()}
    newest = store.newest_query()
    asked: AskedPixels = {}
    for round in range(1, (newest.round if newest else 0) + 1):
        query = store.query(round)
        asked = {name: pixels.copy() for name, pixels in asked.items()}
        for item in query.items if query else ():
            region = item.region
            pixels = asked.setdefault(region.image_id, np.zeros(sizes[region.image_id], bool))
            pixels[region.slices] = True
        yield asked


def _pool_pixels(rows: Iterable[ResultRow], trial: str) -> int:
    """Pixels of the pool: what the labelled fraction refers to, less the start set."""
    own = [
        row for row in rows if row.trial == trial and row.round == 0 and row.labelled_fraction > 0
    ]
    if not own:
        return 0
    return round(own[0].labelled_pixels / own[0].labelled_fraction) - own[0].labelled_pixels


def _pixels(asked: AskedPixels) -> int:
    return sum(int(pixels.sum()) for pixels in asked.values())
