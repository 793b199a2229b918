"""Fit a model to the labelled pixels: a function of the weights it is given, the data and a seed.

Whether the weights are fresh, and whether a failed training is repeated, is for the caller.
"""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from torch import Tensor

from askmask.config import TrainingConfig
from askmask.errors import SourceError
from askmask.models.contract import Model
from askmask.models.dropout import GeneratorNoise
from askmask.runtime.compute import use_bf16
from askmask.seeds import torch_generator
from askmask.training.batches import Batch, BatchMaker, TimedWaits, TrainingSet, prefetched
from askmask.training.checkpoint import (
    Checkpoint,
    Fingerprint,
    read_checkpoint,
    remove_checkpoint,
    write_checkpoint,
)
from askmask.training.losses import l2_penalty, segmentation_loss

__all__ = ["StepReport", "TrainingResult", "TrainingSet", "train"]

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
    """How a training ended.

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


def train(  # noqa: PLR0913 - all that a training is a function of
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
) -> TrainingResult:
    """Train `model` in place; it is left in eval mode with the averaged weights.

    On one machine, device and thread count the result is the same bit for bit for the same
    arguments, also if the process is killed and the call repeated with the same `checkpoint`.

    Parameters
    ----------
    model : Model
        Starting weights, on the device to train on. After a failure it must not be used.
    images : TrainingSet
        Read by several threads.
    config : TrainingConfig
        Everything but `start_from`, `restart` and `pseudo_label_weight`, which are the caller's.
    seed, round, attempt : int
        Key of every random draw.
    checkpoint : Path, optional
        Where the state is kept every `checkpoint_every` steps; removed at the end. One that is
        there is taken up if it is of the same arguments and starting weights, else ignored with a
        warning in the log.
    on_step : callable, optional
        Told after every step. What it raises ends the training and reaches the caller.
    labelled_digest : str
        Names the labels, such that a checkpoint of other answers is not taken up.

    Returns
    -------
    TrainingResult
        ``"failed"`` with the step and value if the loss or the weights stopped being finite.

    Raises
    ------
    SourceError
        If there is no image, or an image cannot be trained on.
    """
    if not images.image_ids:
        raise SourceError("expected at least one training image, got none. Label an image first.")
    started = time.perf_counter()
    fit = _Fit(model, config, (seed, round, attempt))
    fingerprint = {
        "config": config.model_dump(mode="json"),
        "seed": seed,
        "round": round,
        "attempt": attempt,
        "images": list(images.image_ids),
        "labels": labelled_digest,
        "weights": "" if checkpoint is None else digest_weights(model),
    }
    first, seconds_before = fit.take_up(checkpoint, fingerprint)
    started -= seconds_before
    make = BatchMaker(
        images, config, model.n_classes, fit.boundary, seed=seed, round=round, attempt=attempt
    )
    steps = range(first, config.steps)
    with prefetched(make, steps, depth=PREFETCH, workers=fit.workers) as made:
        batches = TimedWaits(made)
        for step, batch in zip(steps, batches, strict=True):
            loss, done = fit.step(step, batch), step + 1
            if not math.isfinite(loss):
                break
            if on_step is not None:
                on_step(StepReport(done, config.steps, loss, learning_rate(config, step)))
            if checkpoint is not None and done % config.checkpoint_every == 0:
                state = Checkpoint(done, time.perf_counter() - started, fit.tensors())
                write_checkpoint(checkpoint, state, fingerprint)
    reason = fit.finish(loss, f"step {done} of {config.steps}")
    if checkpoint is not None:
        remove_checkpoint(checkpoint)
    elapsed = time.perf_counter() - started
    status: Literal["finished", "failed"] = "failed" if reason else "finished"
    return TrainingResult(status, reason, done, loss, elapsed, batches.seconds)


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Learning rate of a step, counted from 0.

    Rises linearly over `warmup_steps`. Then, with t the steps since: ``constant``;
    ``exponential``, times ``decay_factor ** (t / decay_steps)``; ``cosine``, times half of
    ``1 + cos(pi t / T)`` with T the steps after the warm-up, so that it would be 0 just after the
    last one.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    since = step - config.warmup_steps
    if config.schedule == "exponential" and config.decay_steps is not None:
        return config.learning_rate * float(config.decay_factor ** (since / config.decay_steps))
    if config.schedule == "cosine":
        share = since / (config.steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))
    return config.learning_rate


def auxiliary_weight(config: TrainingConfig, step: int) -> float:
    """Weight of the branches' losses: ``0.1 ** floor(step / auxiliary_decay_steps)``, or 1."""
    if config.auxiliary_decay_steps is None:
        return 1.0
    return float(0.1 ** (step // config.auxiliary_decay_steps))


def digest_weights(model: Model) -> str:
    """Hex digest of the names and values of a model's weights and buffers."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in model.state_dict().items():
        digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


class WeightAverage:
    """Exponential moving average of a model's weights and float buffers.

    After the update of step t (from 0), ``average = d * average + (1 - d) * value`` with
    ``d = min(decay, (1 + t) / (10 + t))``: a young average forgets the start faster. Batch-norm
    statistics are averaged like weights, so that they belong together.

    Parameters
    ----------
    model : Model
        Its tensors are read at every update; they must be changed in place only.
    decay : float
        In [0, 1); 0 gives the last weights.
    """

    def __init__(self, model: Model, decay: float) -> None:
        state = model.state_dict()
        self._values = {name: t for name, t in state.items() if t.is_floating_point()}
        self._decay = decay
        self.averages = {name: tensor.clone() for name, tensor in self._values.items()}

    def update(self, step: int) -> None:
        """Take in the model's present weights."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.averages.values()), list(self._values.values()), 1 - decay)

    def hand_over(self) -> bool:
        """Put the averages into the model; returns whether all of them are finite."""
        finite = True
        for name, value in self._values.items():
            value.copy_(self.averages[name])
            finite = finite and bool(torch.isfinite(value).all())
        return finite


class _Fit:
    """What a training changes: weights, their average, the optimizer's moments."""

    def __init__(self, model: Model, config: TrainingConfig, key: tuple[int, int, int]) -> None:
        self.boundary = model.has_boundary and config.boundary_weight > 0
        self._device = next(model.parameters()).device
        # one thread keeps up with a CPU's steps; a GPU is faster than one thread prepares
        self.workers = PREFETCH if self._device.type == "cuda" else 1
        self._bf16 = use_bf16(config.precision, self._device)
        self._config, self._key = config, key
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in stubs
        self._model = model.train()
        self._average = WeightAverage(model, config.ema_decay)
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
        if self._config.l2:
            loss = loss.detach() + self._config.l2 * self._decay_kernels()
        if self._config.gradient_clip is not None:
            torch.nn.utils.clip_grad_norm_(self._trained, self._config.gradient_clip)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(self._config, step)
        self._optimizer.step()
        self._average.update(step)
        return loss.item()  # last: the only wait for the device

    def _loss(self, step: int, batch: Batch) -> Tensor:
        seed, round, attempt = self._key
        noise = GeneratorNoise(torch_generator(seed, "training dropout", round, attempt, step))
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            outputs = self._model(batch.images, noise, boundary=self.boundary)
        return segmentation_loss(
            outputs,
            batch.labels,
            batch.boundary,
            batch.weight,
            boundary_weight=self._config.boundary_weight,
            auxiliary_weight=auxiliary_weight(self._config, step),
        )

    def _decay_kernels(self) -> Tensor:
        """Add the penalty's gradient, the kernels themselves, to theirs; returns the penalty."""
        kernels = [kernel.detach() for kernel in self._kernels]
        gradients = []
        for kernel in self._kernels:
            if kernel.grad is None:  # of a decoder that is not trained
                kernel.grad = torch.zeros_like(kernel)
            gradients.append(kernel.grad)
        torch._foreach_add_(gradients, kernels, alpha=self._config.l2)
        return l2_penalty(kernels)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        moments = {
            f"optimizer.{index}.{name}": value
            for index, values in self._optimizer.state_dict()["state"].items()
            for name, value in values.items()
        }
        weights = {f"model.{name}": value for name, value in self._model.state_dict().items()}
        averages = {f"average.{name}": value for name, value in self._average.averages.items()}
        return weights | averages | moments

    def take_up(self, path: Path | None, fingerprint: Fingerprint) -> tuple[int, float]:
        """Go on from a checkpoint if there is one; returns the steps done and their seconds."""
        saved = None if path is None else read_checkpoint(path, fingerprint)
        if saved is None:
            return 0, 0.0
        _log.info("taking up the training %s after step %d", path, saved.step)
        self._restore(saved.tensors)
        return saved.step, saved.elapsed_seconds

    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        for name, value in self._model.state_dict().items():
            value.copy_(tensors[f"model.{name}"])
        for name, value in self._average.averages.items():
            value.copy_(tensors[f"average.{name}"])
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
        finite = self._average.hand_over()
        if not math.isfinite(loss):
            return f"the loss became {loss!r} at {place}"
        return None if finite else f"the weights are not finite after {place}"
