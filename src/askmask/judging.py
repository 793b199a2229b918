"""How a round's model is judged: every validation and test image once, split by split."""

import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from askmask.cache import Cache
from askmask.fitting import load_judge
from askmask.metrics.evaluation import Evaluation
from askmask.models.weights import file_digest
from askmask.progress import Listener, Progress
from askmask.project import Project
from askmask.records import MetricRow
from askmask.sampling import Predictor

ALL_TEST = "test"
"""Name of all test splits taken together."""


def judge_round(
    project: Project,
    round_: int,
    device: torch.device,
    *,
    cache: Cache | None,
    report: Listener,
) -> tuple[MetricRow, ...]:
    """Metrics of a round's model on every validation and test split.

    Two and more test splits are also scored together, as ``"test"``. The time it took is a row
    of its own, ``evaluation_seconds``.
    """
    if cache is None:
        return _judge(project, round_, device, report)

    def make(path: Path) -> None:
        rows = _judge(project, round_, device, report)
        path.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")

    key = {
        "weights": file_digest(project.model_path(round_)),
        "evaluation": project.config.evaluation.model_dump(mode="json"),
        "seed": project.config.seed,
        "round": round_,
        "parts": evaluation_parts(project),
    }
    made = cache.get_or_make(key, ".json", make)
    return tuple(MetricRow(**row) for row in json.loads(made.read_text(encoding="utf-8")))


def evaluation_parts(project: Project) -> list[tuple[str, tuple[str, ...]]]:
    """Names of the parts that a model is judged on, each with its image ids."""
    parts: list[tuple[str, tuple[str, ...]]] = []
    if project.roles.validation:
        parts.append(("validation", project.roles.validation))
    by_split: dict[str, list[str]] = {}
    for image_id in project.roles.test:
        by_split.setdefault(project.images[image_id].split, []).append(image_id)
    parts += [(split, tuple(ids)) for split, ids in sorted(by_split.items())]
    return parts


def _judge(
    project: Project, round_: int, device: torch.device, report: Listener
) -> tuple[MetricRow, ...]:
    started = time.perf_counter()
    judge = load_judge(project, round_, device)
    parts = evaluation_parts(project)
    total = sum(len(ids) for _, ids in parts)
    tests = [split for split, _ in parts if split != "validation"]
    together = _evaluation(project, ALL_TEST)
    done = 0
    rows: list[MetricRow] = []
    for split, image_ids in parts:
        evaluation = _evaluation(project, split)
        for image_id in image_ids:
            _judge_image(project, judge, evaluation, image_id, round_)
            done += 1
            report(Progress(round_, "evaluate", done, total))
        rows += evaluation.rows()
        if split in tests:
            together.merge(evaluation)
    if len(tests) > 1:
        rows += together.rows()
    elapsed = time.perf_counter() - started
    rows.append(MetricRow("all", "all", "all", "evaluation_seconds", elapsed, total))
    return tuple(rows)


def _evaluation(project: Project, split: str) -> Evaluation:
    return Evaluation(project.source.classes, project.config.evaluation, split)


def _judge_image(
    project: Project, judge: Predictor, evaluation: Evaluation, image_id: str, round_: int
) -> None:
    mask = project.source.read_mask(image_id)
    assert mask is not None, "roles give validation and test only to images with a mask"
    prediction = judge.predict(
        project.source.read_image(image_id),
        seed=project.config.seed,
        round_=round_,
        image_id=image_id,
        boundary=True,
    )
    mean_probs = prediction.sums.mean_probs.float().cpu().numpy()
    boundary = prediction.boundary_probs
    boundary_probs = None if boundary is None else boundary.float().cpu().numpy()
    evaluation.update(project.images[image_id].group, mean_probs, boundary_probs, mask)
