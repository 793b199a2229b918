"""How good is a model of few labels, at equal processor seconds? The default against others.

    python benchmarks/few_labels.py TABLE.csv --data glas=data/glas-half:testA+testB \
        --networks default unet forest --images 5 --seconds 60 --seeds 0 1 2

Each row is one training: the settings of `askmask init` with a network, or a random forest on
classical filters (`forest.py`), on `--images` whole images or as many pixels in random regions,
for so many processor seconds (steps are planned from a few tried ones; `all` trains to the
template's number of steps). Judged on the test splits without sampling, in one pass; recalibrated
on two validation images, by the temperature that suits them best. The network `init` is the default
judged and recalibrated as `askmask init` sets it up, and has a second row, `init in one pass`, of
the same weights judged like the others. Rows that the table has are not measured again. `--summary`
prints means over seeds.
"""

import argparse
import csv
import itertools
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from askmask.calibration import fit_temperature
from askmask.calibration.logit_scaling import LogitSample
from askmask.config import Config, load_config, with_overrides
from askmask.data.from_config import open_source
from askmask.data.prepared import PreparedSource
from askmask.loop.begin.begin import TEMPLATE
from askmask.loop.begin.machine_speed import Speed
from askmask.loop.begin.settings import fitting_settings
from askmask.loop.begin.survey import Survey
from askmask.loop.calibrate import recalibrate_round
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import START, Project
from askmask.metrics.evaluation import Evaluation
from askmask.progress import Progress
from askmask.records import UNLABELLED, MetricRow
from forest import Forest

GIVEN = ("data", "calibration", "training.seconds", "sampling.samples")
"""Settings that are the benchmark's; the others follow the images, as in `askmask init`."""
TRIED = 60  # the first ones read images that later ones find in memory, so the last half counts
VALIDATION_PIXELS = 20_000

ALIKE = {"evaluation.views": 1, "calibration.prior_images": 0}
"""How networks are compared: every one gains by views of an image."""
ONE_PASS = "init in one pass"

# Settings of each network beside those of the template; a network is compared at its own best.
NETWORKS: dict[str, dict[str, Any]] = {  # Any: settings of all kinds
    "default": {},
    "init": {},
    "one level": {"model.options": {"detail": 32, "detail_levels": 1}},  # the default of before
    "unet": {
        "model": {"name": "unet", "options": {"base_channels": 16, "depth": 4, "dropout": 0.3}},
        "training.learning_rate": 2e-3,
        "training.ema_decay": 0.99,
        "training.batch_size": 6,
        "training.dice_weight": 0.0,
    },
    "paper": {
        "model": {
            "name": "two_decoder_resnet50",
            "weights": None,
            "options": {"dropout": 0.2, "freeze_stages": 2},
        },
        "training.learning_rate": 1e-3,
        "training.ema_decay": 0.95,
        "training.batch_size": 4,
        "training.crop": 192,
        "training.dice_weight": 0.0,
    },
}


@dataclass(frozen=True, slots=True)
class Row:
    """One training and its scores on the test images."""

    data: str
    network: str
    unit: str
    images: int
    seconds: str
    seed: int
    steps: int
    processor_seconds: float
    labelled_pixels: int
    mean_dice: float
    object_f1: float
    nll: float
    ece: float
    recalibrated_nll: float
    recalibrated_ece: float

    @property
    def key(self) -> tuple[str, ...]:
        """What was measured."""
        names = ("data", "network", "unit", "images", "seconds", "seed")
        return tuple(str(getattr(self, name)) for name in names)


def config_of(
    data: str, network: str, seed: int, images: int, arguments: argparse.Namespace
) -> Config:
    """Settings of `askmask init` for a data set, with a network."""
    path, _, tests = data.partition(":")
    config = load_config(TEMPLATE, [f"data.path={Path(path).resolve()}"])
    source = open_source(config.data)
    config = fitting_settings(config, source, no_speed, given=GIVEN).applied_to(config)
    overrides: dict[str, Any] = {
        "seed": seed,
        "threads": 1,
        "data.start": images,
        "data.validation": 2,
        "data.test": tests.split("+"),
        "training.seconds": None,
        "training.start_from": "fresh",
        "training.keep_better": False,
        "query.acquisition": "random",
    }
    if network != "init":
        overrides |= ALIKE
    overrides |= NETWORKS.get(network, {})
    if network == "paper":
        overrides["model"]["weights"] = str(arguments.weights.resolve())
    for override in arguments.set:
        name, _, value = override.partition("=")
        overrides[name] = value
    return with_overrides(config, overrides)


def no_speed(config: Config, seen: Survey) -> Speed:
    """Stand in for the measured speed of this machine: seconds and samples are given here."""
    raise AssertionError(f"nothing of {config.name!r} and {seen!r} depends on it")


def label(project: Project, unit: str) -> None:
    """Answer the start images, or random regions of as many pixels from all over the pool."""
    loop, oracle = Loop(project), MaskOracle(project.source)
    if unit == "images":
        loop.tell_start(oracle)
        return
    loop.ask(1, model_round=START)
    loop.tell(oracle.answer(item.region, 1) for item in project.store.unanswered(1))


def region_overrides(config: Config, images: int) -> dict[str, Any]:
    """Cold start with random regions that have as many pixels as so many images."""
    infos = [i for i in PreparedSource(config.data.path).images() if i.split == "train"]
    mean = statistics.mean(info.height * info.width for info in infos)
    return {
        "data.start": "none",
        "query.region.budget_regions": None,
        "query.region.budget_pixels": round(images * mean),
    }


def measure(
    data: tuple[str, str], network: str, unit: str, images: int, seconds: str, seed: int, arguments
) -> list[Row]:
    """Train once and judge; of `init` twice."""
    config = config_of(data[1], network, seed, images, arguments)
    if unit == "regions":
        config = with_overrides(config, region_overrides(config, images))
    judged: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        if network == "forest":
            with Project.create(Path(folder) / "p", config) as project:
                label(project, unit)
                steps, used, scores = forest_scores(project, seed)
                pixels = project.store.labelled_pixels()
        else:
            if seconds != "all":
                tried = planned_steps(config, Path(folder) / "tried", unit, float(seconds))
                config = with_overrides(config, {"training.steps": tried})
            with Project.create(Path(folder) / "p", config) as project:
                label(project, unit)
                used, scores = network_scores(project)
                pixels = project.store.labelled_pixels()
                if network == "init":
                    judged[ONE_PASS] = scores_alike(project)
            steps = config.training.steps
    judged = {network: scores, **judged}
    return [
        Row(data[0], name, unit, images, seconds, seed, steps, round(used, 1), pixels, **own)
        for name, own in judged.items()
    ]


def planned_steps(config: Config, root: Path, unit: str, seconds: float) -> int:
    """Steps that fit into so many processor seconds, from a few that are tried."""
    marks: list[float] = []

    def listen(progress: Progress) -> None:
        if progress.phase == "train":
            marks.append(time.process_time())

    short = with_overrides(config, {"training.steps": TRIED, "calibration.method": "none"})
    with Project.create(root, short) as project:
        label(project, unit)
        started = time.process_time()
        Loop(project, on_progress=listen).train(0 if unit == "images" else 1)
    per_step = statistics.median(np.diff(marks[TRIED // 2 :]))
    overhead = marks[0] - started  # what comes before the first step, weights and masks read
    return max(20, int((seconds - overhead) / per_step))


def network_scores(project: Project) -> tuple[float, dict[str, float]]:
    """Processor seconds of the training alone, and the scores."""
    marks: list[float] = []

    def listen(progress: Progress) -> None:
        if progress.phase == "train":
            marks.append(time.process_time())

    loop = Loop(project, on_progress=listen)
    started = time.process_time()
    round = loop.round
    loop.train(round)
    return marks[-1] - started, picked(loop.evaluate(round))


def scores_alike(project: Project) -> dict[str, float]:
    """Scores of the last model when it is judged and recalibrated like the other networks."""
    alike = project.with_config(with_overrides(project.config, ALIKE))
    round = Loop(alike).round
    recalibrate_round(alike.model(round))
    return picked(Loop(alike).evaluate(round))


def forest_scores(project: Project, seed: int) -> tuple[int, float, dict[str, float]]:
    """Trees, processor seconds and scores of a forest on the same labels."""
    source, store = project.source, project.store
    forest = Forest(len(source.classes), seed)
    started = time.process_time()
    for image_id in store.labelled_images():
        forest.add(source.read_image(image_id), store.labelled(image_id).labels)
    forest.fit()
    used = time.process_time() - started
    samples = []
    for image_id in project.roles.validation:
        mask = source.read_mask(image_id)
        assert mask is not None
        logits = torch.from_numpy(np.log(forest.probs(source.read_image(image_id))))
        places = np.flatnonzero(mask.labels.ravel() != UNLABELLED)
        chosen = np.random.default_rng(seed).choice(
            places, min(VALIDATION_PIXELS, places.size), replace=False
        )
        true = torch.from_numpy(mask.labels.ravel()[chosen].astype(np.int64))
        samples.append(LogitSample(logits.flatten(1)[None][:, :, torch.from_numpy(chosen)], true))
    scaling = fit_temperature(samples)
    config = project.config.evaluation
    before = Evaluation(source.classes, config, "test")
    after = Evaluation(source.classes, config, "test")
    for image_id in project.roles.test:
        mask = source.read_mask(image_id)
        assert mask is not None
        probs = forest.probs(source.read_image(image_id))
        before.update(None, probs, None, mask)
        scaled = scaling(torch.from_numpy(np.log(probs))[None])[0].softmax(0).numpy()
        after.update(None, scaled, None, mask)
    rows = before.rows()
    rows += [
        MetricRow(r.split, r.group, r.class_name, f"recalibrated_{r.metric}", r.value, r.count)
        for r in after.rows()
        if r.metric in {"nll", "ece"}
    ]
    return 100, used, picked(rows)


def picked(rows: Any) -> dict[str, float]:
    """The scores of the table, over all test images."""
    names = ("mean_dice", "object_f1", "nll", "ece", "recalibrated_nll", "recalibrated_ece")
    tests = [row for row in rows if row.split not in {"validation", "all"}]
    split = "test" if any(row.split == "test" for row in tests) else tests[0].split
    values = {
        row.metric: row.value
        for row in tests
        if (row.split, row.group, row.class_name) == (split, "all", "all") and row.bin is None
    }
    return {name: round(values.get(name, float("nan")), 4) for name in names}


def read(path: Path) -> list[Row]:
    """Rows that were measured before."""
    if not path.is_file():
        return []
    kinds = {field.name: field.type for field in fields(Row)}
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(**{name: kinds[name](value) for name, value in line.items()})
            for line in csv.DictReader(file)
        ]


def append(path: Path, row: Row) -> None:
    """Add a row, and a heading before the first."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Row)], lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(asdict(row))


def summary(rows: list[Row]) -> str:
    """Means over seeds as a Markdown table."""
    columns = ("mean_dice", "object_f1", "nll", "ece", "recalibrated_nll", "recalibrated_ece")
    names = ("Dice", "object F1", "NLL", "ECE", "NLL after", "ECE after")
    lines = [
        f"| data | labels | processor s | network | n | steps | {' | '.join(names)} |",
        "|---" * (6 + len(names)) + "|",
    ]
    by_arm: dict[tuple[object, ...], list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r.data, r.unit, r.images, r.seconds, r.network)):
        key = (row.data, row.unit, row.images, row.seconds, row.network)
        by_arm.setdefault(key, []).append(row)
    for (data, unit, images, seconds, network), own in by_arm.items():
        means = (statistics.mean(getattr(row, column) for row in own) for column in columns)
        shown = " | ".join(f"{mean:.3f}" for mean in means)
        labels = f"{images} images" if unit == "images" else f"{images} images' pixels as regions"
        steps = round(statistics.mean(row.steps for row in own))
        arm = f"{data} | {labels} | {seconds} | {network}"
        lines.append(f"| {arm} | {len(own)} | {steps} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--data", nargs="+", default=[], metavar="NAME=PATH:SPLIT+SPLIT")
    parser.add_argument("--networks", nargs="+", default=["default", "unet", "forest"])
    parser.add_argument("--units", nargs="+", default=["images"])
    parser.add_argument("--images", nargs="+", type=int, default=[5])
    parser.add_argument("--seconds", nargs="+", default=["60"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--weights", type=Path, help="ResNet-50 v2, for the network `paper`.")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE")
    parser.add_argument("--summary", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    known = {row.key for row in read(arguments.table)}
    data = [tuple(given.split("=", 1)) for given in arguments.data]
    runs = itertools.product(
        arguments.seeds,
        arguments.images,
        arguments.seconds,
        arguments.units,
        data,
        arguments.networks,
    )
    for seed, images, seconds, unit, own, network in runs:
        if (own[0], network, unit, str(images), seconds, str(seed)) in known:
            continue
        for row in measure(own, network, unit, images, seconds, seed, arguments):
            append(arguments.table, row)
            print(*(f"{k}={v}" for k, v in asdict(row).items()), flush=True)
    if arguments.summary:
        print(summary(read(arguments.table)))


if __name__ == "__main__":
    sys.exit(main())
