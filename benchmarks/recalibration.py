"""Every recalibration of one trained project beside none, to see which method is worth it.

``python benchmarks/recalibration.py PROJECT`` fits each method to the validation images and scores
it on every split; nothing in the project changes. Validation images are scored by maps fitted
without them.
"""

import argparse
import math
import time
from pathlib import Path

from askmask.calibration import LogitScaling
from askmask.loop.calibrate import fit_recalibration
from askmask.loop.calibration_file import StoredRecalibration
from askmask.loop.evaluate import evaluation_parts
from askmask.loop.project import Project
from askmask.loop.round_model import RoundModel
from askmask.metrics.recalibrated import PREFIX, RecalibratedEvaluation
from askmask.records import MetricRow

METHODS = ("temperature", "vector", "histogram", "isotonic")
SHOWN = ("nll", "brier", "ece", "ece_low", "ece_high", "ece_classwise", "aurc", "mean_dice")


def main() -> None:
    """Fit, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    with Project.open(parser.parse_args().project) as project:
        compare(project)


def compare(project: Project) -> None:
    """Print a line per split and method, then the strata of all test images."""
    model = project.model()
    fits: dict[str, StoredRecalibration | None] = {"none": None}
    for method in METHODS:
        started = time.process_time()
        fits[method] = stored = fit_recalibration(model, method)
        seconds = time.process_time() - started
        print(f"{method}: fitted in {seconds:.1f} CPU s, {parameters(stored)}", flush=True)
    rows = score(model, fits)
    print("split group method " + " ".join(SHOWN))
    for split, group in dict.fromkeys((r.split, r.group) for r in next(iter(rows.values()))):
        for method, own in rows.items():
            values = [find(own, split, group, name) for name in SHOWN]
            print(split, group, method, " ".join(f"{value:.4f}" for value in values))
    for method, own in rows.items():
        for row in own:
            is_stratum = row.metric.startswith((PREFIX + "distance", PREFIX + "predicted"))
            is_risk = row.metric == PREFIX + "error_left"
            if row.split == "test" and (is_stratum or is_risk):
                place = row.class_name if row.bin is None else row.bin
                name = row.metric.removeprefix(PREFIX)
                print(method, name, place, f"{row.value:.4f}", row.count)


def score(
    model: RoundModel, fits: dict[str, StoredRecalibration | None]
) -> dict[str, list[MetricRow]]:
    """Rows of every method on every split and on all test splits together."""
    project = model.project
    config, classes = project.config.evaluation, project.source.classes
    rows: dict[str, list[MetricRow]] = {name: [] for name in fits}
    together = {name: RecalibratedEvaluation(classes, config, "test") for name in fits}
    for split, image_ids in evaluation_parts(project):
        scores = {name: RecalibratedEvaluation(classes, config, split) for name in fits}
        for image_id in image_ids:
            image, mask = project.source.read_image(image_id), project.source.read_mask(image_id)
            assert mask is not None
            for name, stored in fits.items():
                found = None if stored is None else stored.held_out(image_id)
                judge = model.plain_judge if found is None else model.judge_with(found)
                prediction = model.sums(judge, image, name=image_id)
                probs = prediction.sums.mean_probs.float().cpu().numpy()
                scores[name].update(project.images[image_id].group, probs, mask)
        for name in fits:
            rows[name] += scores[name].rows()
            if split != "validation":
                together[name].merge(scores[name])
    return {name: own + together[name].rows() for name, own in rows.items()}


def parameters(stored: StoredRecalibration) -> str:
    """What was fitted, in short."""
    if isinstance(stored.judge, LogitScaling):
        return f"scale {rounded(stored.judge.scale)}, shift {rounded(stored.judge.shift)}"
    return f"{len(stored.judge.values[-1])} steps"


def rounded(values: tuple[float, ...]) -> list[float]:
    """Three digits."""
    return [round(value, 3) for value in values]


def find(rows: list[MetricRow], split: str, group: str, name: str) -> float:
    """Value of a score over all classes."""
    for row in rows:
        key = (row.split, row.group, row.class_name, row.metric)
        if key == (split, group, "all", PREFIX + name):
            return row.value
    return math.nan


if __name__ == "__main__":
    main()
