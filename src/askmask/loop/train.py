"""One round's training, from the labelled set to model files."""

import hashlib
import json
import math
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from askmask.errors import OutOfMemory, TrainingFailed
from askmask.loop.in_use.standing import validation_loss
from askmask.loop.in_use.taking_up import take_up
from askmask.loop.labelled_images import LabelledSet
from askmask.loop.project import CONFIG_NAME, Project
from askmask.loop.round_model import build_network
from askmask.models.weights import load_model_weights, read_metadata, save_model
from askmask.progress import Listener, Progress, drive
from askmask.records import utc_now
from askmask.runtime.cache import Cache
from askmask.runtime.memory import STARVED, memory_problem
from askmask.seeds import derive_key
from askmask.store.store import TrainingRecord
from askmask.training.fit import StepReport, TrainingResult, training_steps
from askmask.training.plan import of_steps


@dataclass(frozen=True, slots=True)
class _Fit:
    """The arguments of one training."""

    project: Project
    round: int
    attempt: int
    member: int
    digest: str
    until: int | None
    without: tuple[str, ...]
    steps: int | None

    @property
    def is_staged(self) -> bool:
        """Whether the weights wait beside their place until it is clear what they become.

        A round may be fitted again from its own weights, or lose against them: what a repetition
        starts from must stay as it was until the training is recorded.
        """
        training = self.project.config.training
        return training.start_from == "previous" or training.keep_better

    @property
    def target(self) -> Path:
        """Where the weights are written."""
        path = self.project.model_path(self.round, self.member)
        return _waiting(path) if self.is_staged else path

    @property
    def before(self) -> int | None:
        """Round whose model is in use while this one is fitted; None before the first."""
        for record in reversed(self.project.store.finished_trainings()):
            is_this = (record.round, record.labelled_digest) == (self.round, self.digest)
            is_earlier = record.round <= self.round and not is_this
            if is_earlier and self.project.has_model(record.round):
                return record.round
        return None


def fitting_steps(
    project: Project, round: int, *, cache: Cache | None, report: Listener
) -> Generator[Progress, None, TrainingRecord]:
    """Fit the model (or the members) of a round to every answer so far, step by step.

    Answers in images that are kept for validation are left out.

    A model already fitted to these answers is kept; attempts that failed before are not repeated.
    A training by time that is repeated, because its files are gone, does the steps it did.
    The caller may close the generator; a repeated training goes on from the checkpoint.

    With `keep_better` a model that is worse than the one before is put aside, as a failed training
    with its reason, and the record returned is of the model before, which stays in use.

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
    OutOfMemory
        If a step does not fit into memory. It is recorded as a failed training, and does not count
        as an attempt: it may be repeated when settings or machine have changed.
    """
    # Answers may come in while a model trains; it sees those that were there when it began.
    until = project.store.newest_answer()
    without = project.store.kept.leave_out()
    digest = project.store.labelled_digest(until=until, without=without)
    past = [r for r in project.store.trainings() if (r.round, r.labelled_digest) == (round, digest)]
    finished = [r for r in past if r.status == "finished"]
    if finished and project.has_model(round):
        _clear_candidates(project, round)
        return finished[-1]
    steps = next((r.steps for r in reversed(finished) if r.steps), None)
    name = project.model_path(round).name  # what was put aside has another
    first = sum((r.status, r.model) == ("failed", name) for r in past)
    allowed = project.config.training.restart.attempts
    for attempt in range(first, allowed):
        fits = [
            _Fit(project, round, attempt, member, digest, until, without, steps)
            for member in range(len(project.model_paths(round)))
        ]
        try:
            record = yield from _fit_members(fits, cache, report)
        except STARVED as error:
            raise _recorded_as_too_large(fits[0], error) or error from error
        if record.status == "finished":
            candidates = [fit.target for fit in fits]
            return take_up(project, record, candidates, before=fits[0].before)
        project.store.add_training(record)
    reasons = [r.reason for r in project.store.trainings() if r.round == round and r.reason]
    raise TrainingFailed(
        f"expected a finished training in round {round} within {allowed} attempt(s), but: "
        f"{'; '.join(reasons)}. Lower training.learning_rate, or raise training.restart.attempts."
    )


def _clear_candidates(project: Project, round: int) -> None:
    """Remove what a training that was killed after it had been recorded left beside its place."""
    for path in project.model_paths(round):
        _waiting(path).unlink(missing_ok=True)


def _waiting(path: Path) -> Path:
    """Where weights wait beside their place."""
    return path.with_suffix(".candidate.safetensors")


def _fit_members(
    fits: Sequence[_Fit], cache: Cache | None, report: Listener
) -> Generator[Progress, None, TrainingRecord]:
    """Fit a model, or every member of an ensemble; one failure fails all."""
    first, started_at = fits[0], utc_now()
    results = []
    for fit in fits:
        results.append((yield from _fit_member(fit, cache, report)))  # noqa: PERF401 - it yields
    failed = [result for result in results if result.status == "failed"]
    worst = failed[0] if failed else results[0]
    return TrainingRecord(
        round=first.round,
        attempt=first.attempt,
        status=worst.status,
        reason=worst.reason,
        steps=worst.steps,
        loss=worst.loss,
        elapsed_seconds=sum(result.elapsed_seconds for result in results),
        model=first.project.model_path(first.round).name,
        labelled_digest=first.digest,
        started_at=started_at,
        newest_answer=first.until,
    )


def _recorded_as_too_large(fit: _Fit, error: Exception) -> OutOfMemory | None:
    """Keep in the store that a training found too little memory; None if that is not why."""
    training = fit.project.config.training
    problem = memory_problem(
        error,
        f"training on batches of {training.batch_size} crops of {training.crop} x {training.crop} "
        "pixels",
        f"Lower training.batch_size or training.crop in {CONFIG_NAME}, or end other programs.",
    )
    if problem is not None:
        fit.project.store.add_training(
            TrainingRecord(
                round=fit.round,
                attempt=fit.attempt,
                status="failed",
                reason=str(problem),
                steps=0,
                loss=math.nan,
                elapsed_seconds=0.0,
                model="",  # there is none, and it is no attempt
                labelled_digest=fit.digest,
                started_at=utc_now(),
                newest_answer=fit.until,
            )
        )
    return problem


def _fit_member(
    fit: _Fit, cache: Cache | None, report: Listener
) -> Generator[Progress, None, TrainingResult]:
    target = fit.target
    if fit.is_staged and target.is_file():  # killed before it was recorded
        if read_metadata(target).get("of") == _mark(fit):
            return _result_of(target)
        target.unlink()
    if cache is None or fit.is_staged:
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
    config, roles = fit.project.config, fit.project.roles
    judged = {"images": roles.validation, "by": config.evaluation.samples}
    return {
        "model": config.model.model_dump(mode="json"),
        "training": config.training.model_dump(mode="json"),
        "seed": config.seed,
        "threads": config.threads,
        "round": fit.round,
        "attempt": fit.attempt,
        "member": fit.member,
        "labelled": fit.digest,
        "judged": judged if config.training.keep == "best" else None,
    }


def _mark(fit: _Fit) -> str:
    """Digest of what a training is a function of; kept beside its weights."""
    return hashlib.blake2b(json.dumps(_fingerprint(fit)).encode(), digest_size=16).hexdigest()


def _train_to(fit: _Fit, target: Path) -> Generator[Progress, None, TrainingResult]:
    project, config = fit.project, fit.project.config
    seed = config.seed if fit.member == 0 else derive_key(config.seed, "member", fit.member)
    start = derive_key(seed, "attempt", fit.attempt)
    model = build_network(project.source, config, start).to(project.device)
    training, before = config.training, fit.before
    goes_on = training.start_from == "previous"
    if goes_on and before is not None and not project.knows_validation(before):
        load_model_weights(model, project.model_path(before, fit.member))
    if fit.steps is not None and training.seconds is not None:
        training = of_steps(training, fit.steps)
    images = LabelledSet(
        project.source,
        project.store,
        boundary_radius=training.boundary_radius if model.has_boundary else None,
        until=fit.until,
        without=fit.without,
    )
    steps = training_steps(
        model,
        images,
        training,
        seed=seed,
        round=fit.round,
        checkpoint=target.with_suffix(".checkpoint"),
        attempt=fit.attempt,
        labelled_digest=fit.digest,
        validate=validation_loss(project, fit.round) if training.keep == "best" else None,
    )
    result = yield from _as_progress(steps, fit.round)
    if result.status == "finished":
        save_model(
            model,
            target,
            {
                "askmask": "model",
                "round": str(fit.round),
                "of": _mark(fit),
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
