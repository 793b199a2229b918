"""What other settings make of the labels that a run bought: train on the same answers again.

``python benchmarks/retrained.py RUN OUT.csv --at region=5 image=1 --set training.steps=450`` takes
every finished trial of RUN, the answers that it had at a round (here round 5 where it asked
regions, 1 where it asked images), trains on them with its config and the given changes, and judges
the model on its test images. So labels are held fixed and only the settings differ. One row per
trial is added to OUT.csv as it is measured; what is there is not done again.
"""

import argparse
import csv
import json
import math
from pathlib import Path

import yaml

from askmask.config import with_overrides
from askmask.loop.labelled_images import LabelledSet
from askmask.loop.project import Project
from askmask.metrics.evaluation import ALL, Evaluation
from askmask.models.build import build_model
from askmask.runtime.compute import configure
from askmask.sampling.judge import judge_of
from askmask.seeds import derive_key
from askmask.training.fit import fit_network

METRICS = ("mean_dice", "object_f1", "nll", "brier", "ece")
COLUMNS = ("trial", "round", "labelled_fraction", "changes", *METRICS)


def main() -> None:
    """Train and judge what is missing, trial by trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--at", nargs="+", required=True, help="unit=round")
    parser.add_argument("--set", nargs="+", required=True, help="key=value, as in a config")
    parser.add_argument("--trials", nargs="*", help="names; by default all that are finished")
    options = parser.parse_args()
    rounds = {unit: int(text) for unit, text in (part.split("=") for part in options.at)}
    changes = {key: yaml.safe_load(text) for key, text in (p.split("=", 1) for p in options.set)}
    written = " ".join(sorted(options.set))
    for folder in sorted((options.run / "trials").iterdir()):
        finished = json.loads((folder / "progress.json").read_text())["phase"] == "finished"
        if not finished or (options.trials and folder.name not in options.trials):
            continue
        with Project.open(folder) as project:
            round = rounds.get(str(project.config.query.unit))
            if round is None or known(options.out, folder.name, round, written):
                continue
            if round not in {training.round for training in project.store.trainings()}:
                print(f"{folder.name} has no round {round}: left out", flush=True)
                continue
            changed = project.with_config(with_overrides(project.config, changes))
            fraction, values = measure(changed, round)
        shown = [values.get(name, math.nan) for name in METRICS]
        row = [folder.name, round, fraction, written, *shown]
        print(*row, flush=True)
        with options.out.open("a", newline="") as file:
            csv.writer(file).writerow(row)


def known(out: Path, trial: str, round: int, changes: str) -> bool:
    """Whether the table has this row; without a table, one with headings is begun."""
    if not out.exists():
        out.write_text(",".join(COLUMNS) + "\r\n", newline="")
    with out.open(newline="") as file:
        return any(
            (row["trial"], row["round"], row["changes"]) == (trial, str(round), changes)
            for row in csv.DictReader(file)
        )


def measure(project: Project, round: int) -> tuple[float, dict[str, float]]:
    """Labelled share, and the metrics of a model trained on a round's answers, all test images."""
    config, device = project.config, configure(project.config)
    (until,) = {r.newest_answer for r in project.store.trainings() if r.round == round}
    weights = derive_key(config.seed, "attempt", 0)  # those that the trial began with
    model = build_model(config.model, len(project.source.classes), weights).to(device)
    radius = config.training.boundary_radius if model.has_boundary else None
    images = LabelledSet(project.source, project.store, boundary_radius=radius, until=until)
    result = fit_network(model, images, config.training, seed=config.seed, round=round)
    if result.status == "failed":
        print(f"{project.root.name}, round {round}: {result.reason}", flush=True)
        return math.nan, dict.fromkeys(METRICS, math.nan)
    judge = judge_of(config, [model])
    scores = Evaluation(project.source.classes, config.evaluation, "test")
    for image_id in project.roles.test:
        image, mask = project.source.read_image(image_id), project.source.read_mask(image_id)
        assert mask is not None
        prediction = judge.predict(
            image, seed=config.seed, round=round, image_id=image_id, boundary=True
        )
        boundary = prediction.boundary_probs
        scores.update(
            project.images[image_id].group,
            prediction.sums.mean_probs.float().cpu().numpy(),
            None if boundary is None else boundary.float().cpu().numpy(),
            mask,
        )
    values = {
        row.metric: row.value
        for row in scores.rows()
        if (row.group, row.class_name, row.bin) == (ALL, ALL, None)
    }
    return project.store.labelled_pixels(until) / project.pool_pixels, values


if __name__ == "__main__":
    main()
