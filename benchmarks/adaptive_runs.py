"""How much of a query's score do adaptive samples keep? Several independent runs of one pool.

One query is luck: two runs of T samples with other masks differ, too. So every image of a project's
pool is sampled ``runs`` x T times, once; run r takes its own T samples, asks by all of them, by the
first few and by adaptive samples, and each query is judged by the samples of all other runs. With
``--drawn FOLDER`` the samples are kept there, for further tolerances on the same project and round.

    python benchmarks/adaptive_runs.py PROJECT --round 6 --acquisition mutual_information
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import torch

from askmask.config import RegionConfig
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.loop.project import Project
from askmask.query.adaptive import AdaptiveSampling
from askmask.query.regions import Places, places_of, ranked, select
from askmask.query.regions.candidates import limit_of
from askmask.query.regions.places import counted
from askmask.query.scores import SampleSums, score_map
from askmask.records import QueryItem, Region

STEPS = 65535
"""Probabilities are kept in 16 bits: 1.5e-5 apart."""

Utilities = Mapping[str, np.ndarray]


def main() -> None:
    """Draw, ask, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help="two classes, asks regions; only read")
    parser.add_argument("--round", type=int, required=True, help="the round to ask for")
    parser.add_argument("--acquisition", default="mutual_information")
    parser.add_argument("--tolerances", type=float, nargs="+", default=[2e-4])
    parser.add_argument("--fewer", type=int, nargs="*", default=[15, 20], help="samples for all")
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--samples", type=int, default=30, help="T")
    parser.add_argument("--drawn", type=Path, help="folder that keeps the samples")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Project.open(options.project) as project:
        kept = options.drawn or Path(folder)
        draw(project, options.round, options.samples * options.runs, kept)
        rule = project.config.query.region
        files = sorted(kept.glob("*.npz"))
        pool = {path.stem: read(path, rule, options.samples, options.runs) for path in files}
    runs = [Run(pool, options.acquisition, rule, r, options.samples) for r in range(options.runs)]
    kept_by: dict[str, list[tuple[float, float]]] = {}
    for number, run in enumerate(runs):
        judged = run.judge()
        whole = worth(run.fixed(options.samples), judged)
        for few in options.fewer:
            share = worth(run.fixed(few), judged) / whole
            kept_by.setdefault(f"{few} samples for all", []).append((share, few))
        for tolerance in options.tolerances:
            items, drawn = run.adaptive(tolerance)
            share = worth(items, judged) / whole
            kept_by.setdefault(f"adaptive, {tolerance:.2%}", []).append((share, drawn))
        # The next run's query, judged by samples of neither, against this one's.
        other = runs[(number + 1) % len(runs)]
        neither = run.judge(other)
        share = worth(other.fixed(options.samples), neither)
        share /= worth(run.fixed(options.samples), neither)
        kept_by.setdefault("T with other masks", []).append((share, options.samples))
        print(f"run {number} of {len(runs)}", {k: v[-1] for k, v in kept_by.items()}, flush=True)
    print(f"\n{options.acquisition}: {len(pool)} images, {len(runs)} runs, T = {options.samples}\n")
    print("| samples | per image | kept, mean | 95 % interval of the mean |")
    print("|---|---|---|---|")
    for name, pairs in kept_by.items():
        mean, half_width = t_interval([share for share, _ in pairs], 0.95)
        drawn = float(np.mean([number for _, number in pairs]))
        print(f"| {name} | {drawn:.1f} | {mean:.2%} | +- {half_width:.2%} |")


def draw(project: Project, round: int, n_samples: int, folder: Path) -> None:
    """Write what is missing of the pool's samples, an image a file."""
    folder.mkdir(exist_ok=True)
    sampler = project.model(round - 1).dropout_sampler(n_samples)
    for image_id in project.pool_ids:
        path = folder / f"{image_id}.npz"
        available = ~project.store.asked(image_id)
        if path.exists() or not available.any():
            continue
        image = project.source.read_image(image_id)
        started = sampler.start(image, seed=project.config.seed, round=round, image_id=image_id)
        maps = np.empty((n_samples, *available.shape), np.uint16)
        for sample in range(n_samples):
            (sums,) = started.batches([range(sample, sample + 1)])
            maps[sample] = (sums.sum_probs[1].cpu().numpy() * STEPS).round()
        np.savez(path, p=maps, available=available)
        print(f"sampled {image_id}", flush=True)


class Image:
    """Foreground of each sample, (S, H, W) uint16, and the places that may be asked."""

    def __init__(self, maps: np.ndarray, places: Places, n_samples: int) -> None:
        self._maps = maps
        self.places = places
        # In one block each: small tensors between large ones that come and go would cost 20 GB.
        self._runs = torch.empty(len(maps) // n_samples, 5, *maps.shape[1:])
        self._n_samples = n_samples
        for number, run in enumerate(self._runs):
            sums = self.sums(range(number * n_samples, (number + 1) * n_samples))
            run[:2], run[2], run[3:] = sums.sum_probs, sums.sum_entropy, sums.votes

    @property
    def n_runs(self) -> int:
        """Independent runs that the samples make."""
        return len(self._runs)

    def run_sums(self, number: int) -> SampleSums:
        """Sums of all samples of a run."""
        run = self._runs[number]
        return SampleSums(run[:2], run[2], run[3:], self._n_samples)

    def run_samples(self, number: int, samples: Sequence[int]) -> SampleSums:
        """Sums of some samples of a run, counted from its first."""
        return self.sums([number * self._n_samples + sample for sample in samples])

    def sums(self, numbers: Sequence[int]) -> SampleSums:
        """Sums of some of all samples."""
        p = torch.from_numpy(self._maps[list(numbers)].astype(np.float32) / STEPS)
        return SampleSums.of(torch.stack([1 - p, p], 1))


def read(path: Path, rule: RegionConfig, n_samples: int, n_runs: int) -> Image:
    """Samples of an image and its places."""
    with np.load(path) as file:
        maps = file["p"]
        if len(maps) != n_samples * n_runs:
            raise SystemExit(
                f"expected {n_samples * n_runs} samples in {path}, found {len(maps)}: they were "
                "drawn for other --runs or --samples. Give an empty folder as --drawn."
            )
        return Image(maps, places_of(path.stem, file["available"], rule), n_samples)


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """An image as adaptive samples see it: the samples of one run."""

    image: Image
    run: int
    nbytes: int = 0

    def batches(self, parts: Sequence[Sequence[int]]) -> list[SampleSums]:
        """Sums of each part."""
        return [self.image.run_samples(self.run, part) for part in parts]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """T samples of each image of the pool: the run's own."""

    pool: Mapping[str, Image]
    acquisition: str
    rule: RegionConfig
    number: int
    samples: int

    def utility(self, image_id: str, sums: SampleSums) -> tuple[Places, np.ndarray]:
        """Scores of an image's places."""
        places = self.pool[image_id].places
        score = score_map(self.acquisition, sums).numpy()
        return places, places.scores(counted(image_id, score, places.available))

    def fixed(self, n_samples: int) -> list[QueryItem]:
        """What the first samples ask."""
        utilities = {}
        for image_id, image in self.pool.items():
            sums = image.run_samples(self.number, range(n_samples))
            utilities[image_id] = self.utility(image_id, sums)[1]
        return self.query(utilities)

    def adaptive(self, tolerance: float) -> tuple[list[QueryItem], float]:
        """What adaptive samples ask, and how many they were per image."""
        sampling = AdaptiveSampling(
            lambda image_id: Drawn(self.pool[image_id], self.number),
            self.utility, self.rule, self.samples, tolerance,
        )  # fmt: skip
        found = sampling.run(list(self.pool), lambda _done, _total: None)
        items = self.query({estimate.image_id: estimate.utilities for estimate in found})
        return items, float(np.mean([estimate.n_samples for estimate in found]))

    def query(self, utilities: Utilities) -> list[QueryItem]:
        """Best windows without overlap."""
        lists = (
            ranked(image.places, utilities[i], limit_of(self.rule))
            for i, image in self.pool.items()
        )
        return list(select(lists, self.rule))

    def judge(self, *others: "Run") -> dict[Region, float]:
        """Score of every place by the samples that neither this run nor the others have."""
        hidden = {run.number for run in (self, *others)}
        found = {}
        for image_id, image in self.pool.items():
            shown = [n for n in range(image.n_runs) if n not in hidden]
            sums = reduce(add, (image.run_sums(number) for number in shown))
            for box, value in zip(image.places.boxes, self.utility(image_id, sums)[1], strict=True):
                found[Region(image_id, *box.tolist())] = float(value)
        return found


def worth(items: Sequence[QueryItem], judged: Mapping[Region, float]) -> float:
    """Sum of the judge's scores of a query."""
    return sum(judged[item.region] for item in items)


if __name__ == "__main__":
    main()
