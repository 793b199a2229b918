"""What a Dask cluster of this machine costs beside processes, and how the driver's memory grows.

``scoring`` scores a pool of tiles by two jobs in two processes, the least that processes can do,
and in shards on ``local:2``; ``grid`` runs tiny trials by both. Each way is timed as a whole, with
the start of its processes, in turns: A B A B. The results of both must be equal. The seconds of
processor that both took with all their processes are noted beside: on a machine that does other
things, too, they say more than a clock. ``empty`` sends tiles without work in shards and watches
this process's memory; ``query`` lets it choose a query from tiles whose results are made up here,
and watches it, too.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from askmask.config import Config, parse_config, with_overrides
from askmask.data.prepared import DatasetWriter
from askmask.data.source import Pixels
from askmask.experiments.run.runner import simulate
from askmask.loop.ask import propose
from askmask.loop.elsewhere.scoring import PackedBins, PoolElsewhere, Scored, ToScore
from askmask.loop.elsewhere.shards import Shard
from askmask.loop.elsewhere.workplace import Elsewhere, workplace
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import START, Project
from askmask.progress import Progress, silent
from askmask.query.regions import places_of
from askmask.query.regions.candidates import budget_count
from askmask.query.score_histograms import BINS
from askmask.query.strategies import Strategy, Turn, strategy_turn
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask
from askmask.runtime.cluster.first_step import open_cluster
from askmask.runtime.executors import Outcome, Processes
from pairing import Comparison, arguments, compare, parse, show

CLASSES = ClassMap(("background", "disc"))
R = TypeVar("R")


def main() -> None:
    """Run the benchmark."""
    parser = arguments("a Dask cluster of this machine against processes")
    parser.add_argument("part", choices=["scoring", "grid", "empty", "query"])
    parser.add_argument("--tiles", type=int, help="default 1,000; of no work 1,000,000")
    parser.add_argument("--side", type=int, default=128, help="of a tile")
    parser.add_argument("--trials", type=int, default=16)
    options = parse(parser)
    with tempfile.TemporaryDirectory() as folder:
        if options.part == "empty":
            empty(options.tiles or (20_000 if options.small else 10**6))
            return
        if options.part == "query":
            query(Path(folder), options.tiles or (20_000 if options.small else 10**6))
            return
        row = (scoring if options.part == "scoring" else grid)(Path(folder), options)
    show([row], as_json=options.json)
    if not options.json:
        print("\n".join(f"{key}: {value}" for key, value in row.notes.items()))


def scoring(folder: Path, options: argparse.Namespace) -> Comparison:
    """Score a pool by two processes with half of it each, and by shards on local:2."""
    tiles = options.tiles or (40 if options.small else 1000)
    with Project.create(folder / "project", config(draw(folder, tiles, options.side))) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        return paired(
            f"scoring {tiles} tiles of {options.side} x {options.side}",
            partial(by_processes, project),
            partial(by_dask, project),
            options.turns,
        )


def paired(name: str, reference: Callable[[], R], ours: Callable[[], R], turns: int) -> Comparison:
    """Compare two processes with local:2, by the clock and by the processor."""
    spent: dict[str, list[float]] = {"reference": [], "ours": []}

    def counted(run: Callable[[], R], into: list[float]) -> R:
        before = processor_s()
        result = run()
        into.append(processor_s() - before)
        return result

    row = compare(
        name,
        partial(counted, reference, spent["reference"]),
        partial(counted, ours, spent["ours"]),
        difference=lambda a, b: float(a != b),
        tolerance=0.0,
        turns=turns,
    )
    own = spent["ours"][1:]  # without the warm-up
    ratios = [b / a for a, b in zip(spent["reference"], own, strict=True)]
    processor = {
        "Processes(2)": round(statistics.median(spent["reference"]), 1),
        "local:2": round(statistics.median(own), 1),
        "overhead": round(statistics.median(ratios) - 1, 3),
    }
    return replace(row, notes={"processor_s": processor, "overhead": round(1 / row.ratio - 1, 3)})


def processor_s() -> float:
    """Seconds of processor of this process and of all of its own that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def by_processes(project: Project) -> object:
    """Query by two jobs of half of the pool each."""
    return asked(project, Elsewhere(Processes(2, threads=1), parts=2))


def by_dask(project: Project) -> object:
    """Query by shards of two seconds on two workers, with their start."""
    with workplace("local:2") as elsewhere:
        assert elsewhere is not None
        return asked(project, elsewhere)


def asked(project: Project, elsewhere: Elsewhere) -> object:
    """Items of the first query."""
    model = project.model(0)
    pool = PoolElsewhere(project, 1, model, silent, elsewhere=elsewhere)
    return propose(project, 1, model=model, pool=pool).items


def grid(folder: Path, options: argparse.Namespace) -> Comparison:
    """Run tiny trials in two processes, and on local:2."""
    trials = 4 if options.small else options.trials
    path, made = draw(folder, 6, 64), iter(range(10**6))
    own = config(path, seeds=list(range(trials)))

    def run(cluster: str | None) -> list[str]:
        rows = simulate(own, folder / f"run{next(made)}", cluster=cluster)
        return [
            f"{row.trial} {row.round} {row.metric} {row.value!r}"
            for row in rows
            if timeless(row.metric)
        ]

    return paired(
        f"grid of {trials} tiny trials", partial(run, None), partial(run, "local:2"), options.turns
    )


def timeless(metric: str) -> bool:
    """Whether a metric is the same in every run."""
    return not metric.endswith("seconds")


def empty(tiles: int) -> None:
    """Send tiles of no work in shards of 500; print this process's memory as it goes."""
    size, started = 500, time.perf_counter()
    with open_cluster("local:2") as connection:
        from askmask.runtime.cluster.executor import Dask

        executor = Dask(connection, threads=1, ahead=1)
        starts = range(0, tiles, size)
        done, marks = 0, iter([*range(0, tiles, max(size, tiles // 10)), tiles + 1])
        mark = next(marks)
        print("| tiles | seconds | resident MB of driver and scheduler |\n|---|---|---|")
        for outcome in executor.map(
            count_tiles, ((start, min(start + size, tiles)) for start in starts)
        ):
            if outcome.value is None:
                sys.exit(f"a shard failed: {outcome.error}")
            done += outcome.value
            if done >= mark:
                mark = next(marks)
                print(f"| {done:,} | {time.perf_counter() - started:.1f} | {resident_mb():.0f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {done:,} | {time.perf_counter() - started:.1f} | peak {peak:.0f} |")


def count_tiles(shard: tuple[int, int]) -> int:
    """Tiles of a shard, each looked at for nothing."""
    return sum(1 for _ in range(*shard))


@dataclass(frozen=True)
class Listed:
    """A source that lists images and has none."""

    infos: tuple[ImageInfo, ...]
    classes: ClassMap = CLASSES

    def images(self) -> tuple[ImageInfo, ...]:
        """Every image."""
        return self.infos

    def read_image(self, image_id: str) -> Pixels:
        """Refuse: nobody asks for it."""
        raise AssertionError(image_id)

    def read_mask(self, image_id: str) -> Mask | None:
        """Return none, as nothing is known."""
        return dict[str, Mask]().get(image_id)


@dataclass(frozen=True)
class Drawn:
    """Executor that draws what workers would have found."""

    turn: Turn
    strategy: Strategy

    def map(
        self, function: Callable[[object], object], items: Iterable[Shard[ToScore, Scored]]
    ) -> Iterator[Outcome[tuple[float, list[Scored]]]]:
        """Answer each shard, as if it took two milliseconds a tile."""
        del function
        for index, shard in enumerate(items):
            found = [self.scored(piece) for piece in shard.pieces]
            yield Outcome(index, (0.002 * len(found), found))

    def scored(self, piece: ToScore) -> Scored:
        """Utilities and a histogram like those of a tile in a pool of a million."""
        generator = np.random.default_rng(int(piece.image_id))
        places = places_of(piece.image_id, piece.available, self.turn.rule)
        utilities = generator.random((1, len(places.new_pixels)))
        needed = self.strategy.needed(places, utilities, self.turn).astype(np.int32)
        bins = generator.integers(0, BINS, (16, 16)).astype(np.uint8)
        packed = PackedBins.of((max(piece.shape[0] // 16, 1), bins))
        return Scored(utilities[:, needed], needed, [], packed, (0.0, 0.6), {})


def query(folder: Path, tiles: int) -> None:
    """Choose a query from many tiles; print this process's memory as it goes."""
    others = {"data.start": "none", "data.validation": 0, "data.test": []}
    own = with_overrides(config(folder), others)
    strategy, turn = strategy_turn(own, 1)
    infos = tuple(ImageInfo(f"{n:07d}", 64, 64, has_mask=False) for n in range(tiles))
    started = time.perf_counter()
    print("| tiles | seconds | resident MB of the driver |\n|---|---|---|")

    def tell(progress: Progress) -> None:
        if progress.done % max(tiles // 10, 1) == 0:
            seconds = time.perf_counter() - started
            print(f"| {progress.done:,} | {seconds:.1f} | {resident_mb():.0f} |", flush=True)

    with Project.create(folder / "project", own, Listed(infos)) as project:
        model = project.model(START)
        elsewhere = Elsewhere(Drawn(turn, strategy))
        pool = PoolElsewhere(project, 1, model, tell, elsewhere=elsewhere)
        found = propose(project, 1, model=model, pool=pool).items
    assert len(found) == budget_count(turn.rule)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {tiles:,} | {time.perf_counter() - started:.1f} | peak {peak:.0f} |")


def resident_mb() -> float:
    """Memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize() / 2**20


def config(path: Path, seeds: list[int] | None = None) -> Config:
    """Settings of a network so small that what is around it counts."""
    tree = {
        "name": "discs",
        "threads": 1,
        "device": "cpu",
        "data": {"path": str(path), "start": 2, "validation": 1, "test": ["test"]},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 3}},
        "training": {"steps": 5, "batch_size": 2, "crop": 48},
        "sampling": {"samples": 10},
        "query": {"region": {"size": [24, 24], "stride": 8, "budget_regions": 10}},
        "grid": {
            "acquisitions": ["mutual_information"],
            "units": ["region"],
            "seeds": seeds or [0],
            "rounds": 2,
            "bounds": False,
            "workers": 2,
        },
    }
    return parse_config(tree)


def draw(folder: Path, tiles: int, side: int) -> Path:
    """Data set of noisy discs: `tiles` to ask about, and three more."""
    out = folder / "dataset"
    rows, cols = np.mgrid[:side, :side]
    with DatasetWriter(out, CLASSES, "drawn discs") as writer:
        for number, split in enumerate(splits(tiles + 3)):
            generator = np.random.default_rng(number)
            centre = generator.integers(side // 4, 3 * side // 4, 2)
            inside = (rows - centre[0]) ** 2 + (cols - centre[1]) ** 2 < (side / 5) ** 2
            noise = generator.normal(0, 25, (side, side, 3))
            image = np.clip(120 + 80 * inside[..., None] + noise, 0, 255).astype(np.uint8)
            labels = inside.astype(np.int16)
            assert (labels != UNLABELLED).all()
            info = ImageInfo(f"{split}_{number}", side, side, split=split)
            writer.add(info, image, Mask(labels))
    return out


def splits(count: int) -> Iterator[str]:
    """Two tiles to test on, the others to train on."""
    yield from ("test", "test")
    yield from ("train" for _ in range(count - 2))


if __name__ == "__main__":
    main()
