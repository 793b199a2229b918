"""Fit a model to the labelled pixels: a function of the weights it is given, the data and a seed.

Whether the weights are fresh, and whether a failed training is repeated, is for the caller.
"""

import logging
import math
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from torch import Tensor

from askmask.config import TrainingConfig
from askmask.errors import SourceError
from askmask.models.contract import Model
from askmask.models.dropout import GeneratorNoise
from askmask.models.weights import digest_tensors
from askmask.progress import drive
from askmask.runtime.compute import use_bf16
from askmask.seeds import torch_generator
from askmask.training import best_weights, plan
from askmask.training.batches import Batch, BatchMaker, TimedWaits, TrainingSet, prefetched
from askmask.training.checkpoint import (
    Checkpoint,
    Fingerprint,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)
from askmask.training.losses import l2_penalty, segmentation_loss
from askmask.training.schedule import auxiliary_weight, learning_rate
from askmask.training.weight_average import WeightAverage

__all__ = ["StepReport", "TrainingResult", "TrainingSet", "fit_network", "training_steps"]

_log = logging.getLogger(__name__)

PREFETCH: Final = 4
"""Batches prepared ahead; only the waiting depends on it, never the result."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """Progress: `step` of `steps` are done, the last one with this loss and learning rate."""

    step: int
    steps: int
    loss: float
    learning_rate: float


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """Result of a training.

    Attributes
    ----------
    status : "finished" or "failed"
        Whether the model may be used.
    reason : str or None
        Why it failed.
    steps : int
        Steps done, the one that failed included.
    loss : float
        Loss of the last step, the penalty on the weights included.
    elapsed_seconds : float
        Over all interruptions; work that was lost by them is not counted.
    waiting_seconds : float
        Waited for batches since it was last taken up; much of it means slow disks or crops.
    """

    status: Literal["finished", "failed"]
    reason: str | None
    steps: int
    loss: float
    elapsed_seconds: float
    waiting_seconds: float = 0.0


def fit_network(  # noqa: PLR0913 - all that a training is a function of
    model: Model,
    images: TrainingSet,
    config: TrainingConfig,
    *,
    seed: int,
    round: int,
    checkpoint: Path | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    attempt: int = 0,
    labelled_digest: str = "",
    validate: Callable[[Model], float] | None = None,
) -> TrainingResult:
    """Train `model` in place; it is left in eval mode with the averaged weights.

    With ``config.seconds`` a few steps are tried first, and the number of steps that fit into that
    time is fixed; from then on nothing depends on the clock. See ``training.plan``.

    On one machine, device and thread count the result is the same bit for bit for the same
    arguments, also if the process is killed and the call repeated with the same `checkpoint`.

    Parameters
    ----------
    model : Model
        Starting weights, on the device to train on. After a failure it must not be used.
    images : TrainingSet
        Read by several threads.
    config : TrainingConfig
        Everything but `start_from`, `restart`, `keep` and `keep_better`, which are the caller's.
    seed, round, attempt : int
        Key of every random draw.
    checkpoint : Path, optional
        Where the state is kept every `checkpoint_every` steps; removed at the end. One that is
        there is taken up if it is of the same arguments and starting weights, else ignored with a
        warning in the log.
    on_step : callable, optional
        Called after every step. An exception that it raises ends the training and is passed on.
    labelled_digest : str
        Names the labels, such that a checkpoint of other answers is not taken up.
    validate : callable, optional
        Loss of a model on images that it does not learn from; a function of its weights. It is
        asked a few times in the last fifth of the training, and the averaged weights with the
        lowest loss are left in the model rather than the last ones.

    Returns
    -------
    TrainingResult
        ``"failed"`` with the step and value if the loss or the weights stopped being finite.

    Raises
    ------
    SourceError
        If there is no image, or an image cannot be trained on.
    """
    steps = training_steps(
        model,
        images,
        config,
        seed=seed,
        round=round,
        checkpoint=checkpoint,
        attempt=attempt,
        labelled_digest=labelled_digest,
        validate=validate,
    )
    return drive(steps, on_step or (lambda _: None))


def training_steps(  # noqa: PLR0913 - all that a training is a function of
    model: Model,
    images: TrainingSet,
    config: TrainingConfig,
    *,
    seed: int,
    round: int,
    checkpoint: Path | None = None,
    attempt: int = 0,
    labelled_digest: str = "",
    validate: Callable[[Model], float] | None = None,
) -> Generator[StepReport, None, TrainingResult]:
    """Train as `fit_network` does, step by step; the caller decides what happens between two steps.

    Between two steps the model must not be changed. To stop for good, close the generator: what
    follows from the last checkpoint is then done again. Time that passes between the steps does
    not count as training.

    Yields
    ------
    StepReport
        After every step.
    """
    if not images.image_ids:
        raise SourceError("expected at least one training image, got none. Label an image first.")
    started = time.perf_counter()
    key = (seed, round, attempt)
    boundary = model.has_boundary and config.boundary_weight > 0
    make = BatchMaker(
        images, config, model.n_classes, boundary, seed=seed, round=round, attempt=attempt
    )
    kept = _Kept(
        checkpoint,
        {
            "config": config.model_dump(mode="json"),
            "seed": seed,
            "round": round,
            "attempt": attempt,
            "images": list(images.image_ids),
            "labels": labelled_digest,
            "weights": "" if checkpoint is None else digest_weights(model),
        },
    )
    saved = kept.read()
    steps = _planned(model, make, config, key, validate) if saved is None else saved.steps
    fit = _Fit(model, plan.of_steps(config, steps), key)
    first = 0
    if saved is not None:
        fit.restore(saved)
        started -= saved.elapsed_seconds
        first = saved.step
    elif config.seconds is not None:
        kept.write(fit.state(0, time.perf_counter() - started))  # the plan stands from here on
    with prefetched(make, range(first, steps), depth=PREFETCH, workers=fit.workers) as made:
        batches = TimedWaits(made)
        for step, batch in enumerate(batches, first):
            loss, done = fit.step(step, batch), step + 1
            if not math.isfinite(loss):
                break
            if validate is not None and best_weights.is_judged(done, steps):
                fit.judge(validate, done)
            left_off = time.perf_counter()
            yield StepReport(done, steps, loss, learning_rate(fit.config, step))
            started += time.perf_counter() - left_off
            if done < steps and done % config.checkpoint_every == 0:
                kept.write(fit.state(done, time.perf_counter() - started))
    reason = fit.finish(loss, f"step {done} of {steps}")
    kept.remove()
    elapsed = time.perf_counter() - started
    status: Literal["finished", "failed"] = "failed" if reason else "finished"
    return TrainingResult(status, reason, done, loss, elapsed, batches.seconds)


def _planned(
    model: Model,
    make: BatchMaker,
    config: TrainingConfig,
    key: tuple[int, int, int],
    validate: Callable[[Model], float] | None,
) -> int:
    """Steps to do; with a time to keep, some are tried on the model, which is as before then."""
    if config.seconds is None or config.steps <= plan.TRIED_STEPS:
        return config.steps
    started = time.perf_counter()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit = _Fit(model, config, key)
    tries = range(plan.TRIED_STEPS)
    with prefetched(make, tries, depth=PREFETCH, workers=fit.workers) as batches:
        each = plan.step_seconds(fit.step(step, batch) for step, batch in enumerate(batches))
    judging = time.perf_counter()
    if validate is not None:
        fit.judge(validate, plan.TRIED_STEPS)
    now = time.perf_counter()
    model.load_state_dict(before)
    left = config.seconds - (now - started) - len(best_weights.LAST_PARTS) * (now - judging)
    steps = plan.steps_in_time(config, left, each + (now - judging) / best_weights.EVERY)
    _log.info("training %d steps in about %.0f s, %.3f s each", steps, config.seconds, each)
    return steps


def digest_weights(model: Model) -> str:
    """Hex digest of the names and values of a model's weights and buffers."""
    return digest_tensors(model.state_dict())


class _Kept:
    """Where the state of a training is kept; nowhere without a path."""

    def __init__(self, path: Path | None, fingerprint: Fingerprint) -> None:
        self._path = path
        self._of = fingerprint

    def read(self) -> Checkpoint | None:
        saved = None if self._path is None else read_checkpoint(self._path, self._of)
        if saved is not None:
            _log.info("taking up the training %s after step %d", self._path, saved.step)
        return saved

    def write(self, state: Checkpoint) -> None:
        if self._path is not None:
            write_checkpoint(self._path, state, self._of)

    def remove(self) -> None:
        if self._path is not None:
            remove_checkpoint(self._path)


class _Fit:
    """What a training changes: weights, their average, the optimizer's moments."""

    def __init__(self, model: Model, config: TrainingConfig, key: tuple[int, int, int]) -> None:
        self.config = config
        self._boundary = model.has_boundary and config.boundary_weight > 0
        self._device = next(model.parameters()).device
        # one thread keeps up with a CPU's steps; a GPU is faster than one thread prepares
        self.workers = PREFETCH if self._device.type == "cuda" else 1
        self._bf16 = use_bf16(config.precision, self._device)
        self._key = key
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in stubs
        self._model = model.train()
        self._average = WeightAverage(model, config.ema_decay)
        self._best = best_weights.BestWeights()
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._kernels = [p for p in self._trained if p.ndim == 4]  # of convolutions
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
        self._optimizer = kind(
            self._trained,
            lr=config.learning_rate,
            eps=config.epsilon,
            weight_decay=config.weight_decay,
            fused=self._device.type in {"cpu", "cuda"},
        )

    def step(self, step: int, batch: Batch) -> float:
        """One update; returns its loss, which may not be finite."""
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._loss(step, batch.to(self._device))
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.l2:
            loss = loss.detach() + self.config.l2 * self._decay_kernels()
        if self.config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._trained, self.config.gradient_clip)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self._optimizer.step()
        self._average.update(step)
        return loss.item()  # last: the only wait for the device

    def _loss(self, step: int, batch: Batch) -> Tensor:
        seed, round, attempt = self._key
        noise = GeneratorNoise(torch_generator(seed, "training dropout", round, attempt, step))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            outputs = self._model(batch.images, noise, boundary=self._boundary)
        return segmentation_loss(
            outputs,
            batch.labels,
            batch.boundary,
            batch.weight,
            boundary_weight=self.config.boundary_weight,
            auxiliary_weight=auxiliary_weight(self.config, step),
            dice_weight=self.config.dice_weight,
            label_smoothing=self.config.label_smoothing,
        )

    def _decay_kernels(self) -> Tensor:
        """Add the penalty's gradient, the kernels themselves, to theirs; returns the penalty."""
        kernels = [kernel.detach() for kernel in self._kernels]
        gradients = []
        for kernel in self._kernels:
            if kernel.grad is None:  # of a decoder that is not trained
                kernel.grad = torch.zeros_like(kernel)
            gradients.append(kernel.grad)
        torch._foreach_add_(gradients, kernels, alpha=self.config.l2)
        return l2_penalty(kernels)

    def judge(self, validate: Callable[[Model], float], done: int) -> None:
        """Keep the averaged weights of now if their loss on other images is the best so far."""
        with self._average.lent():
            self._model.eval()
            loss = validate(self._model)
            self._model.train()
        counted = best_weights.comparable_loss(loss, done, self.config.steps)
        self._best.offer(self._average.averages, counted)

    def state(self, done: int, elapsed_seconds: float) -> Checkpoint:
        """Everything that the next step and the end depend on."""
        tensors = self._tensors()
        return Checkpoint(done, elapsed_seconds, tensors, self.config.steps, self._best.loss)

    def _tensors(self) -> dict[str, Tensor]:
        moments = {
            f"optimizer.{index}.{name}": value
            for index, values in self._optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        weights = {f"model.{name}": value for name, value in self._model.state_dict().items()}
        averages = {f"average.{name}": value for name, value in self._average.averages.items()}
        best = {f"best.{name}": value for name, value in self._best.tensors.items()}
        return weights | averages | moments | best

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint."""
        tensors = saved.tensors
        for name, value in self._model.state_dict().items():
            value.copy_(tensors[f"model.{name}"])
        self._average.restore({name: tensors[f"average.{name}"] for name in self._average.averages})
        best = {n.removeprefix("best."): t for n, t in tensors.items() if n.startswith("best.")}
        self._best.restore(best, saved.best_loss)
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".")
                weight = self._trained[int(index)]
                # the fused kernels expect moments laid out in memory like their weight
                like = torch.empty_like(weight) if value.shape == weight.shape else value
                state.setdefault(int(index), {})[name] = like.copy_(value).detach()
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state, "param_groups": groups})

    def finish(self, loss: float, place: str) -> str | None:
        """Leave the averaged weights in the model, in eval mode; returns why it failed, if so."""
        self._model.eval()
        if self._best.tensors:
            self._average.restore(self._best.tensors)
        finite = self._average.hand_over()
        if not math.isfinite(loss):
            return f"the loss became {loss!r} at {place}"
        return None if finite else f"the weights are not finite after {place}"
