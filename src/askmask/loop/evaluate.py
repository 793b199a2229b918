"""How a round's model is judged: every validation and test image once, split by split."""

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from askmask.calibration import LogitScaling, ProbabilityMap, Recalibration
from askmask.loop.round_model import RoundModel
from askmask.metrics.evaluation import Evaluation
from askmask.metrics.recalibrated import RecalibratedEvaluation
from askmask.progress import Listener, Progress, drive
from askmask.records import Mask, MetricRow
from askmask.runtime.cache import Cache
from askmask.runtime.compute import use_bf16
from askmask.sampling.predictors import Image, PredictedSums

ALL_TEST = "test"
"""Name of all test splits taken together."""


def judge_shared(model: RoundModel, *, cache: Cache, report: Listener) -> tuple[MetricRow, ...]:
    """Metrics of a model as `judging_steps` computes them, once for all trials that share it."""

    def make(path: Path) -> None:
        rows = drive(judging_steps(model), report)
        path.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")

    stored, config = model.recalibration, model.config
    key = {
        "weights": model.digests[0],
        "evaluation": config.evaluation.model_dump(mode="json"),
        "bf16": use_bf16(config.sampling.precision, model.device),
        "seed": config.seed,
        "round": model.round,
        "parts": evaluation_parts(model),
        "recalibration": None if stored is None else stored.digest,
    }
    made = cache.get_or_make(key, ".json", make)
    return tuple(MetricRow(**row) for row in json.loads(made.read_text(encoding="utf-8")))


def evaluation_parts(model: RoundModel) -> list[tuple[str, tuple[str, ...]]]:
    """Names of the parts that a model is judged on, each with its image ids."""
    project, parts = model.project, list[tuple[str, tuple[str, ...]]]()
    validation = project.judged_images(model.training)
    if validation:
        parts.append(("validation", validation))
    by_split: dict[str, list[str]] = {}
    for image_id in project.roles.test:
        by_split.setdefault(project.images[image_id].split, []).append(image_id)
    parts += [(split, tuple(ids)) for split, ids in sorted(by_split.items())]
    return parts


def judging_steps(
    model: RoundModel, judging: "Judging | None" = None
) -> Generator[Progress, None, tuple[MetricRow, ...]]:
    """Judge a round's model on every validation and test split, image by image.

    Two and more test splits are also scored together, as ``"test"``. The time it took is a row
    of its own, ``evaluation_seconds``; what passes between two images does not count. Metrics are
    those of the network as it was trained; if the round has a recalibration, what it changes
    follows as rows called ``recalibrated_...``. On a validation image they come from a map that was
    fitted without that image.

    Parameters
    ----------
    model : RoundModel
        Whom.
    judging : iterator, optional
        Scores of each image alone, in the order of `evaluation_parts`; by default made here.

    Yields
    ------
    Progress
        After every image.
    """
    started = time.perf_counter()
    judges = Judges(model)
    parts = evaluation_parts(model)
    total = sum(len(ids) for _, ids in parts)
    tests = [split for split, _ in parts if split != "validation"]
    together = judges.new_scores(ALL_TEST)
    done = 0
    rows: list[MetricRow] = []
    for split, image_ids in parts:
        scores = judges.new_scores(split)
        for image_id in image_ids:
            if judging is None:
                judges.judge(scores, image_id)
            else:
                scores.merge(next(judging))
            done += 1
            left_off = time.perf_counter()
            yield Progress(model.round, "evaluate", done, total)
            started += time.perf_counter() - left_off
        rows += scores.rows()
        if split in tests:
            together.merge(scores)
    if len(tests) > 1:
        rows += together.rows()
    elapsed = time.perf_counter() - started
    rows.append(MetricRow("all", "all", "all", "evaluation_seconds", elapsed, total))
    return tuple(rows)


class Scores:
    """Scores of one split, before and, with a recalibration, after it."""

    def __init__(self, before: Evaluation, after: RecalibratedEvaluation | None) -> None:
        self.before = before
        self.after = after

    def merge(self, other: "Scores") -> None:
        """Add the images of another one of the same model and split."""
        self.before.merge(other.before)
        if self.after is not None and other.after is not None:
            self.after.merge(other.after)

    def rows(self) -> list[MetricRow]:
        """Metrics before, then those after."""
        return self.before.rows() + ([] if self.after is None else self.after.rows())


Judging = Iterator[Scores]
"""Scores of images, one after another, each of one image alone."""


class Judges:
    """A round's model, as it is and recalibrated."""

    def __init__(self, model: RoundModel) -> None:
        self._project = model.project
        self._model = model
        self._stored = model.recalibration

    def new_scores(self, split: str) -> Scores:
        """Scores of a split without an image yet."""
        classes, config = self._project.source.classes, self._project.config.evaluation
        after = None if self._stored is None else RecalibratedEvaluation(classes, config, split)
        return Scores(Evaluation(classes, config, split), after)

    def judge(self, scores: Scores, image_id: str, mask: Mask | None = None) -> None:
        """Predict an image and count it in; its mask is read unless it is given."""
        mask = self._project.truth(image_id) if mask is None else mask
        assert mask is not None, "roles give validation and test only to images with a mask"
        group = self._project.images[image_id].group
        image = self._project.source.read_image(image_id)
        recalibration = None if self._stored is None else self._stored.held_out(image_id)
        prediction, scaled = self._predicted(image, image_id, recalibration)
        boundary = prediction.boundary_probs
        boundary_probs = None if boundary is None else boundary.float().cpu().numpy()
        mean_probs = prediction.sums.mean_probs.float()
        scores.before.update(group, mean_probs.cpu().numpy(), boundary_probs, mask)
        if scores.after is None or recalibration is None:
            return  # no map is free of this image
        if isinstance(recalibration, ProbabilityMap):
            after = recalibration(mean_probs)
        elif scaled is not None:
            after = scaled
        else:
            judge = self._model.judge_with(recalibration)
            after = self._model.sums(judge, image, name=image_id).sums.mean_probs
        scores.after.update(group, after.float().cpu().numpy(), mask)

    def _predicted(
        self, image: Image, image_id: str, recalibration: Recalibration | None
    ) -> tuple[PredictedSums, Tensor | None]:
        """Prediction, and its mean probabilities after a temperature where passes tell them."""
        scaling = recalibration if isinstance(recalibration, LogitScaling) else None
        if scaling is not None and scaling.temperature is None:
            scaling = None  # shifts want the logits of every class, not log p
        whole: PredictedSums | None = None
        scaled: Tensor | None = None
        for part in self._model.parts(image, name=image_id):
            whole = part if whole is None else whole + part
            if scaling is not None and part.sums.n_samples == 1:
                # log p are logits up to a constant, which the softmax takes away
                probs = scaling(part.sums.mean_probs.float().log()[None]).softmax(1)[0]
                scaled = probs if scaled is None else scaled + probs
        assert whole is not None, "there is one view at least"
        return whole, None if scaled is None else scaled / whole.sums.n_samples
