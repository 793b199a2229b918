"""One round's training, from the labelled set to model files."""

import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from askmask.errors import TrainingFailed
from askmask.loop.labelled_images import LabelledSet
from askmask.loop.project import Project
from askmask.loop.round_model import build_network
from askmask.models.weights import load_model_weights, read_metadata, save_model
from askmask.progress import Listener, Progress, drive
from askmask.records import utc_now
from askmask.runtime.cache import Cache
from askmask.seeds import derive_key
from askmask.store.store import TrainingRecord
from askmask.training.fit import StepReport, TrainingResult, training_steps


@dataclass(frozen=True, slots=True)
class _Fit:
    """The arguments of one training."""

    project: Project
    round: int
    attempt: int
    member: int
    digest: str
    until: int | None


def fitting_steps(
    project: Project, round: int, *, cache: Cache | None, report: Listener
) -> Generator[Progress, None, TrainingRecord]:
    """Fit the model (or the members) of a round to every answer so far, step by step.

    A model already fitted to these answers is kept; attempts that failed before are not repeated.
    Whoever takes the steps may close the generator: repeated, it goes on from a checkpoint.

    Parameters
    ----------
    project : Project
        Open.
    round : int
        Whose model.
    cache : Cache, optional
        Where trials with the same start share trained models. What is made for several trials is
        made in one go, and told to `report` rather than yielded.
    report : callable
        See `cache`.

    Yields
    ------
    Progress
        After every step.

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
    if finished and project.has_model(round):
        return finished[-1]
    allowed = project.config.training.restart.attempts
    for attempt in range(sum(r.status == "failed" for r in past), allowed):
        started_at = utc_now()
        results = []
        for member in range(len(project.model_paths(round))):
            fit = _Fit(project, round, attempt, member, digest, until)
            results.append((yield from _fit_member(fit, cache, report)))
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


def _fit_member(
    fit: _Fit, cache: Cache | None, report: Listener
) -> Generator[Progress, None, TrainingResult]:
    target = fit.project.model_path(fit.round, fit.member)
    config = fit.project.config.training
    shared = config.start_from == "fresh"
    if cache is None or not shared:
        return (yield from _train_to(fit, target))
    failures: list[TrainingResult] = []

    def make(path: Path) -> None:
        result = drive(_train_to(fit, path), report)
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


def _train_to(fit: _Fit, target: Path) -> Generator[Progress, None, TrainingResult]:
    project, config = fit.project, fit.project.config
    seed = config.seed if fit.member == 0 else derive_key(config.seed, "member", fit.member)
    start = derive_key(seed, "attempt", fit.attempt)
    model = build_network(project.source, config, start).to(project.device)
    previous = _round_before(project, fit.round)
    if config.training.start_from == "previous" and previous is not None:
        load_model_weights(model, project.model_path(previous, fit.member))
    images = LabelledSet(
        project.source,
        project.store,
        boundary_radius=config.training.boundary_radius if model.has_boundary else None,
        until=fit.until,
    )
    steps = training_steps(
        model,
        images,
        config.training,
        seed=seed,
        round=fit.round,
        checkpoint=target.with_suffix(".checkpoint"),
        attempt=fit.attempt,
        labelled_digest=fit.digest,
    )
    result = yield from _as_progress(steps, fit.round)
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


def _as_progress(
    steps: Generator[StepReport, None, TrainingResult], round: int
) -> Generator[Progress, None, TrainingResult]:
    """Hand every step on as the loop tells of it; return what the last one came to."""
    with closing(steps):
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                result: TrainingResult = end.value
                return result
            yield Progress(round, "train", step.step, step.steps)


def _round_before(project: Project, round: int) -> int | None:
    """Last trained round before one; with queries asked ahead it need not be the one before."""
    return max(
        (r.round for r in project.store.finished_trainings() if r.round < round),
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
