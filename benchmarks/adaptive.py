"""Ask with adaptive samples and with T for every image: time, and how much of the score is kept.

    python benchmarks/adaptive.py [--project DIR --round N] [--json] [--small] [--turns N]

Without a project: drawn tissue and a small network, trained for a moment. Both queries are judged
by samples that neither of them saw.
"""

import logging
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from askmask.config import parse_config, with_overrides
from askmask.data.drawn.demo import write_demo
from askmask.loop.ask import propose
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.query.scores import score_map
from askmask.records import QueryItem, Region
from pairing import Comparison, arguments, compare, parse, show

CPU = torch.device("cpu")
ACQUISITIONS = ("predictive_entropy", "mutual_information")
LIMIT = 30


class Drawn(logging.Handler):
    """Reads the number of samples per image that `askmask.loop.ask` logs."""

    per_image = float("nan")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first value of the message."""
        if isinstance(record.args, tuple) and "samples per image" in str(record.msg):
            self.per_image = float(str(record.args[0]))


class Judge:
    """Scores regions by `samples` samples that come after the first T."""

    def __init__(self, project: Project, round: int, acquisition: str, samples: int) -> None:
        self._project, self._round, self._acquisition = project, round, acquisition
        self._samples = range(1000, 1000 + samples)
        self._sampler = project.model(round - 1).dropout_sampler(LIMIT)
        self._known: dict[Region, float] = {}

    def worth(self, items: Iterable[QueryItem]) -> float:
        """Sum of the scores of a query's regions, over pixels that may be asked."""
        regions = [item.region for item in items]
        for image_id in {r.image_id for r in regions if r not in self._known}:
            sums = self._sampler.sums(
                self._project.source.read_image(image_id),
                self._samples,
                seed=self._project.config.seed,
                round=self._round,
                image_id=image_id,
            )
            score = score_map(self._acquisition, sums).cpu().numpy().astype(float)
            score[self._project.store.asked(image_id)] = 0
            for region in regions:
                if region.image_id == image_id:
                    self._known[region] = float(score[region.slices].sum())
        return sum(self._known[region] for region in regions)


def drawn_project(folder: Path, *, small: bool) -> Project:
    """Project on drawn tissue with a model of round 0."""
    size = (96, 96) if small else (160, 160)
    write_demo(folder / "data", n_train=10 if small else 40, n_validation=1, n_test=1, size=size)
    tree = {
        "name": "adaptive",
        "data": {"path": str(folder / "data"), "start": 4, "validation": 0, "test": ["test"]},
        "model": {
            "name": "unet",
            "options": {"base_channels": 8, "depth": 3, "dropout": 0.3},
        },
        "training": {"steps": 20 if small else 80, "batch_size": 4, "crop": size[0] // 2},
        "query": {"region": {"size": [48, 48], "stride": 16, "budget_regions": 5 if small else 20}},
    }
    project = Project.create(folder / "project", parse_config(tree))
    loop = Loop(project)
    loop.tell_start(MaskOracle(project.source))
    loop.train()
    return project


def asked(project: Project, round: int) -> tuple[QueryItem, ...]:
    """What a round would ask; nothing is kept."""
    return propose(project, round).items


def row(project: Project, round: int, acquisition: str, turns: int, judged: int) -> Comparison:
    """Compare for one acquisition function."""
    shared = {"query.acquisition": acquisition, "sampling.samples": LIMIT}
    fixed = Project(project.root, with_overrides(project.config, shared), project.source)
    ours = {**shared, "sampling.adaptive": True}
    adaptive = Project(project.root, with_overrides(project.config, ours), project.source)
    judge = Judge(fixed, round, acquisition, judged)
    drawn = Drawn()
    logger = logging.getLogger("askmask.loop.ask")
    logger.setLevel(logging.INFO)
    logger.addHandler(drawn)
    found = compare(
        f"{acquisition}: adaptive against T = {LIMIT}; difference = share of the score lost",
        partial(asked, fixed, round),
        partial(asked, adaptive, round),
        difference=lambda a, b: 1 - judge.worth(b) / judge.worth(a),
        turns=turns,
    )
    logger.removeHandler(drawn)
    notes: dict[str, object] = {
        "samples_per_image": drawn.per_image,
        "share_kept": 1 - found.max_abs_difference,
        "judged_by_samples": judged,
        "images": len(fixed.pool_ids),
    }
    return replace(found, notes=notes)


def main() -> None:
    """Compare, then print."""
    parser = arguments("Adaptive samples against a fixed number.")
    parser.add_argument("--project", type=Path, help="a project with a trained model; only read")
    parser.add_argument("--round", type=int, default=1, help="the round to ask for")
    parser.add_argument("--judged-by", type=int, default=300, help="samples of the judge")
    options = parse(parser)
    turns, judged = (1, 60) if options.small else (options.turns, options.judged_by)
    with tempfile.TemporaryDirectory() as folder:
        if options.project is None:
            project = drawn_project(Path(folder), small=options.small)
        else:
            project = Project.open(options.project)
        rows = [row(project, options.round, name, turns, judged) for name in ACQUISITIONS]
        project.close()
    show(rows, as_json=options.json)
    if not options.json:
        for found in rows:
            print(found.name.split(":")[0], found.notes)


if __name__ == "__main__":
    main()
