"""One round's training, from the labelled set to model files, and the way back from the files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch

from askmask.calibration import LogitScaling, ProbabilityMap, Recalibration
from askmask.config import Config
from askmask.errors import ProjectError, TrainingFailed
from askmask.loop.calibration_file import load_recalibration
from askmask.loop.labelled_images import LabelledSet
from askmask.loop.project import Project
from askmask.models.build import build_model
from askmask.models.contract import Model
from askmask.models.weights import load_model_weights, read_metadata, save_model
from askmask.progress import Listener, Progress
from askmask.records import Labels, utc_now
from askmask.runtime.cache import Cache
from askmask.sampling.mapped_mean import MappedMean
from askmask.sampling.predictors import Deterministic, Ensemble, MonteCarloDropout, Predictor
from askmask.seeds import derive_key
from askmask.store.store import TrainingRecord
from askmask.training.fit import TrainingResult, train

START: Final = -1
"""Stands for a round before the first: a model as it is before any training."""


@dataclass(frozen=True, slots=True)
class _Fit:
    """The arguments of one training."""

    project: Project
    round: int
    attempt: int
    member: int
    device: torch.device
    digest: str
    until: int | None
    report: Listener


def fit_round(
    project: Project,
    round: int,
    device: torch.device,
    *,
    cache: Cache | None,
    report: Listener,
) -> TrainingRecord:
    """Fit the model (or the members) of a round to every answer so far.

    A model already fitted to these answers is kept; attempts that failed before are not repeated.

    Raises
    ------
    TrainingFailed
        If every attempt that the config allows failed.
    """
    # Answers may come in while a model trains; it sees those that were there when it began.
    until = project.store.newest_answer()
    digest = project.store.labelled_digest(until=until)
    past = [r for r in project.store.trainings() if (r.round, r.labelled_digest) == (round, digest)]
    finished = [r for r in past if r.status == "finished"]
    if finished and all(path.is_file() for path in project.model_paths(round)):
        return finished[-1]
    allowed = project.config.training.restart.attempts
    for attempt in range(sum(r.status == "failed" for r in past), allowed):
        started_at = utc_now()
        results = [
            _fit_member(_Fit(project, round, attempt, member, device, digest, until, report), cache)
            for member in range(len(project.model_paths(round)))
        ]
        failed = [result for result in results if result.status == "failed"]
        worst = failed[0] if failed else results[0]
        record = TrainingRecord(
            round=round,
            attempt=attempt,
            status=worst.status,
            reason=worst.reason,
            steps=worst.steps,
            loss=worst.loss,
            elapsed_seconds=sum(result.elapsed_seconds for result in results),
            model=project.model_path(round).name,
            labelled_digest=digest,
            started_at=started_at,
            newest_answer=until,
        )
        project.store.add_training(record)
        if record.status == "finished":
            return record
    reasons = [r.reason for r in project.store.trainings() if r.round == round and r.reason]
    raise TrainingFailed(
        f"expected a finished training in round {round} within {allowed} attempt(s), but: "
        f"{'; '.join(reasons)}. Lower training.learning_rate, or raise training.restart.attempts."
    )


def load_predictor(project: Project, round: int, device: torch.device) -> Predictor:
    """Sampler of a round's model, recalibrated if the model has been and the config wants it.

    Raises
    ------
    ProjectError
        If that round has no model, or a recalibration that is not of this model.
    """
    stored = load_recalibration(project, round) if project.config.calibration.asking else None
    scaling = None if stored is None else stored.sampler
    return sampler_of(project.config, load_models(project, round, device), scaling)


def load_sampler(
    project: Project, round: int, n_samples: int, device: torch.device
) -> MonteCarloDropout:
    """Dropout sampler of a round's model with another number of samples than the config's."""
    precision = project.config.sampling.precision
    model = load_models(project, round, device)[0]
    return MonteCarloDropout(model, n_samples, precision=precision)


def load_encoder(project: Project, round: int, device: torch.device) -> Model:
    """First model of a round, in eval mode, for its features; `START`: with starting weights."""
    if round == START:
        return _build(project, project.config.seed).to(device).eval()
    return load_models(project, round, device)[0]


def load_judge(project: Project, round: int, device: torch.device) -> Predictor:
    """Predictor that a round's model is judged by, recalibrated if the model has been.

    Raises
    ------
    ProjectError
        As `load_predictor`.
    """
    stored = load_recalibration(project, round)
    recalibration = None if stored is None else stored.judge
    return judge_of(project.config, load_models(project, round, device), recalibration)


def sampler_of(
    config: Config, models: Sequence[Model], scaling: LogitScaling | None = None
) -> Ensemble | MonteCarloDropout:
    """Predictor whose samples are scored: dropout or ensemble."""
    precision, samples = config.sampling.precision, config.sampling.samples
    if config.sampling.method == "ensemble":
        return Ensemble(models, precision, scaling=scaling)
    return MonteCarloDropout(models[0], samples, precision=precision, scaling=scaling)


def judge_of(
    config: Config, models: Sequence[Model], recalibration: Recalibration | None = None
) -> Predictor:
    """Predictor that a model is judged by: one plain pass, or a mean of samples."""
    if isinstance(recalibration, ProbabilityMap):
        return MappedMean(judge_of(config, models), recalibration)
    precision, samples = config.sampling.precision, config.evaluation.samples
    if len(models) > 1:
        return Ensemble(models, precision, scaling=recalibration)
    if samples == 0:
        return Deterministic(models[0], precision, scaling=recalibration)
    return MonteCarloDropout(models[0], samples, precision=precision, scaling=recalibration)


def load_models(project: Project, round: int, device: torch.device) -> list[Model]:
    """Network of a round, or every member of an ensemble, in eval mode.

    Raises
    ------
    ProjectError
        If the round has no model.
    """
    models = []
    for path in project.model_paths(round):
        if not path.is_file():
            raise ProjectError(
                f"expected a model of round {round} at {str(path)!r}, found none. "
                "Train it first: `askmask train`."
            )
        model = _build(project, 0, pretrained=False)
        load_model_weights(model, path)
        models.append(model.to(device).eval())
    return models


def _build(project: Project, seed: int, *, pretrained: bool = True) -> Model:
    config = project.config.model
    if not pretrained:  # every weight is about to be read from a file
        config = config.model_copy(update={"weights": None})
    return build_model(config, len(project.source.classes), seed)


def _fit_member(fit: _Fit, cache: Cache | None) -> TrainingResult:
    target = fit.project.model_path(fit.round, fit.member)
    config = fit.project.config.training
    shared = config.start_from == "fresh" and config.pseudo_label_weight == 0
    if cache is None or not shared:
        return _train_to(fit, target)
    failures: list[TrainingResult] = []

    def make(path: Path) -> None:
        result = _train_to(fit, path)
        if result.status == "failed":
            failures.append(result)
            raise TrainingFailed(str(result.reason))

    try:
        made = cache.get_or_make(_fingerprint(fit), ".safetensors", make)
    except TrainingFailed:
        return failures[0]
    target.unlink(missing_ok=True)
    target.hardlink_to(made)  # a copy of 100 MB in every trial would be the same bytes
    return _result_of(made)


def _fingerprint(fit: _Fit) -> dict[str, object]:
    """Everything that a training is a function of, within one grid."""
    config = fit.project.config
    return {
        "model": config.model.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json"),
        "seed": config.seed,
        "threads": config.threads,
        "round": fit.round,
        "attempt": fit.attempt,
        "member": fit.member,
        "labelled": fit.digest,
    }


def _train_to(fit: _Fit, target: Path) -> TrainingResult:
    project, config = fit.project, fit.project.config
    seed = config.seed if fit.member == 0 else derive_key(config.seed, "member", fit.member)
    model = _build(project, derive_key(seed, "attempt", fit.attempt)).to(fit.device)
    previous = _round_before(project, fit.round)
    if config.training.start_from == "previous" and previous is not None:
        load_model_weights(model, project.model_path(previous, fit.member))
    images = LabelledSet(
        project.source,
        project.store,
        boundary_radius=config.training.boundary_radius if model.has_boundary else None,
        until=fit.until,
        pseudo_labels=_pseudo_labels(fit),
        pseudo_label_weight=config.training.pseudo_label_weight,
    )
    result = train(
        model,
        images,
        config.training,
        seed=seed,
        round=fit.round,
        checkpoint=target.with_suffix(".checkpoint"),
        on_step=lambda step: fit.report(Progress(fit.round, "train", step.step, step.steps)),
        attempt=fit.attempt,
        labelled_digest=fit.digest,
    )
    if result.status == "finished":
        save_model(
            model,
            target,
            {
                "askmask": "model",
                "round": str(fit.round),
                "steps": str(result.steps),
                "loss": repr(result.loss),
                "elapsed_seconds": repr(result.elapsed_seconds),
                "model": json.dumps(config.model.model_dump(mode="json")),
                "classes": json.dumps(list(project.source.classes.names)),
            },
        )
    return result


def _round_before(project: Project, round: int) -> int | None:
    """Last trained round before one; with queries asked ahead it need not be the one before."""
    return max(
        (r.round for r in project.store.trainings() if r.status == "finished" and r.round < round),
        default=None,
    )


def _result_of(path: Path) -> TrainingResult:
    """Result of a training that another trial did, from what it wrote beside the weights."""
    metadata = read_metadata(path)
    return TrainingResult(
        status="finished",
        reason=None,
        steps=int(metadata["steps"]),
        loss=float(metadata["loss"]),
        elapsed_seconds=float(metadata["elapsed_seconds"]),
    )


def _pseudo_labels(fit: _Fit) -> dict[str, Labels]:
    """Previous model's labels of partly labelled images; none in round 0 or when switched off."""
    project = fit.project
    previous = _round_before(project, fit.round)
    if project.config.training.pseudo_label_weight == 0 or previous is None:
        return {}
    judge = load_judge(project, previous, fit.device)
    predict = partial(judge.predict, seed=project.config.seed, round=fit.round, boundary=False)
    labels: dict[str, Labels] = {}
    for image_id in project.store.labelled_images(until=fit.until):
        mask = project.store.labelled(image_id, until=fit.until)
        if not mask.labelled.all():
            prediction = predict(project.source.read_image(image_id), image_id=image_id)
            labels[image_id] = prediction.sums.mean_probs.argmax(0).cpu().numpy().astype(np.int16)
    return labels
