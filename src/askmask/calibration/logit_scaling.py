"""Temperature and vector scaling: one multiplication and shift of each class's logits.

Fitted such that the *mean* over the Monte Carlo samples is calibrated, applied to each sample: a
mean of calibrated samples would be underconfident (Rahaman & Thiery 2021, arXiv:2007.08792), and
a map of the mean alone would leave the samples' entropies, and so mutual information, behind.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from scipy.optimize import minimize, minimize_scalar
from threadpoolctl import threadpool_limits
from torch import Tensor

from askmask.errors import AskmaskError, ShapeError
from askmask.seeds import numpy_generator

LIMITS = (0.05, 20.0)
"""Temperatures that a fit may return; it ends at a limit where every pixel is right, or none."""

_GRID = 25  # temperatures looked at before the finest search, evenly spaced in log T
_RIDGE = 1e-6  # nats; keeps vector scaling finite where the classes separate perfectly
_STEPS, _FEW_STEPS = 200, 40  # of L-BFGS, on all and on few pixels
_FEW_PIXELS = 512
_SCATTERED = 12  # starts that nothing suggests
_GAIN = 1e-6  # nats; less is rounding, and keeps the result of the first start
_CHUNK = 1 << 22  # logits in float64 at a time: 32 MB


@dataclass(frozen=True, slots=True)
class LogitScaling:
    """Logits z become scale * z + shift, class by class, before the softmax.

    Attributes
    ----------
    method : str
        ``"temperature"``: all scales are 1 / T, no shift. ``"vector"``: a scale and shift a class.
    scale, shift : tuples of C floats

    References
    ----------
    Guo et al. 2017, arXiv:1706.04599, sections 4.2 and 5; before each Monte Carlo sample's
    softmax: Laves et al. 2019, arXiv:1909.13550.

    Examples
    --------
    >>> LogitScaling.of_temperature(2.0, n_classes=2)(torch.tensor([[4.0, -2.0]]))
    tensor([[ 2., -1.]])
    """

    method: str
    scale: tuple[float, ...]
    shift: tuple[float, ...]

    @classmethod
    def of_temperature(cls, temperature: float, n_classes: int) -> "LogitScaling":
        """Division of all logits by a temperature > 0."""
        return cls("temperature", (1 / temperature,) * n_classes, (0.0,) * n_classes)

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.scale)

    @property
    def temperature(self) -> float | None:
        """T, if this is temperature scaling."""
        return 1 / self.scale[0] if self.method == "temperature" else None

    def __call__(self, logits: Float[Tensor, "B C *space"]) -> Float[Tensor, "B C *space"]:
        """Scaled logits; `logits` is not modified.

        Raises
        ------
        ShapeError
            If there are not C classes.
        """
        if logits.shape[1] != self.n_classes:
            raise ShapeError(
                f"expected logits of {self.n_classes} classes, got {tuple(logits.shape)}. "
                "Fit the recalibration to this network."
            )
        if self.method == "temperature":
            return logits * self.scale[0]
        shape = (1, -1, *(1 for _ in logits.shape[2:]))
        scale = logits.new_tensor(self.scale).view(shape)
        return torch.addcmul(logits.new_tensor(self.shift).view(shape), logits, scale)


@dataclass(frozen=True, slots=True, eq=False)
class LogitSample:
    """Logits of some labelled pixels, with their labels.

    Attributes
    ----------
    logits : (S, C, n) float32 tensor
        Of S Monte Carlo samples, on the CPU.
    labels : (n,) int64 tensor
        True classes in [0, C).
    weight : float
        Labelled pixels of the image that each of the n stands for.
    """

    logits: Float[Tensor, "S C n"]
    labels: Int64[Tensor, " n"]
    weight: float = 1.0


def pooled_nll(images: Sequence[LogitSample], scaling: LogitScaling | None = None) -> float:
    """NLL of the mean over samples, in nats per pixel, after a scaling if one is given."""
    n_classes = _classes(images)
    chosen = scaling or LogitScaling.of_temperature(1.0, n_classes)
    return _Objective(images).value(np.array([*chosen.scale, *chosen.shift]))


def fit_temperature(images: Sequence[LogitSample], *, prior_images: float = 0) -> LogitScaling:
    """Temperature with the smallest NLL of the samples' mean, or one nearer to 1.

    For one sample the NLL is convex in 1 / T; for more it need not be, so the best of a grid over
    `LIMITS` is refined.

    Images differ in the temperature that they need, so that of a few may suit no other. If log T
    of n images varies about that of all with variance s^2 / n, and log T of models about 0 with
    variance t^2, its expectation is log T * n / (n + s^2 / t^2).

    Parameters
    ----------
    images : sequence of LogitSample
        At least one pixel, all with the same S and C.
    prior_images : float
        s^2 / t^2 >= 0: T becomes T to the power of n / (n + prior_images), of n images with a
        labelled pixel.

    Raises
    ------
    ShapeError
        If there is no pixel.
    AskmaskError
        If logits are not finite.
    """
    n_classes = _classes(images)
    objective = _Objective(images)

    def nll(log_temperature: float) -> float:
        scale = np.full(n_classes, math.exp(-log_temperature))
        return objective.value(np.concatenate([scale, np.zeros(n_classes)]))

    grid = np.linspace(math.log(LIMITS[0]), math.log(LIMITS[1]), _GRID)
    best = int(np.argmin([_finite(nll(point)) for point in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    found = minimize_scalar(nll, bounds=(low, high), method="bounded", options={"xatol": 1e-7})
    # the search never tries its ends, where perfectly separated pixels have their optimum
    candidates = [float(found.x), float(low), float(high)]
    n_images = sum(image.labels.numel() > 0 for image in images)
    share = n_images / (n_images + prior_images)
    return LogitScaling.of_temperature(math.exp(min(candidates, key=nll) * share), n_classes)


def fit_vector(images: Sequence[LogitSample]) -> LogitScaling:
    """Scale and shift of each class with the smallest NLL of the samples' mean (L-BFGS).

    For one sample the NLL is convex. For more it need not be, so the search also starts where
    several others, on few of the pixels, ended lowest; that result is taken if it is better by
    more than 1e-6 nats. Nothing is drawn at random, the same pixels give the same result.

    A ridge of 1e-6 towards the identity keeps it finite on separable pixels. The shifts sum to 0:
    a shift of all classes alike changes nothing. Arguments and errors as in `fit_temperature`.
    """
    n_classes = _classes(images)
    objective = _Objective(images)
    # thousands of small steps, of which threads would spend most on waiting for each other
    with threadpool_limits(limits=1):
        temperature = fit_temperature(images)
        start = np.array([*temperature.scale, *temperature.shift])
        value, found = _descend(objective, start, _STEPS)
        if max(len(image.logits) for image in images) > 1:
            few = _Objective(_thinned(images))
            ends = [_descend(few, other, _FEW_STEPS) for other in _other_starts(start)]
            other_value, other = _descend(objective, min(ends, key=lambda end: end[0])[1], _STEPS)
            found = other if other_value < value - _GAIN else found
    scale, shift = found[:n_classes], found[n_classes:]
    return LogitScaling("vector", tuple(scale.tolist()), tuple((shift - shift.mean()).tolist()))


def _descend(
    objective: "_Objective", start: Float64[np.ndarray, " n"], steps: int
) -> tuple[float, Float64[np.ndarray, " n"]]:
    """Where L-BFGS ends, and its penalised NLL there."""
    n_classes = len(start) // 2
    identity = np.array([1.0] * n_classes + [0.0] * n_classes)

    def penalised(
        parameters: Float64[np.ndarray, " n"],
    ) -> tuple[float, Float64[np.ndarray, " n"]]:
        value, gradient = objective.value_and_gradient(parameters)
        away = parameters - identity
        return value + _RIDGE * float(away @ away), gradient + 2 * _RIDGE * away

    found = minimize(
        penalised,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": steps, "ftol": 1e-12, "gtol": 1e-8},
    )
    return _finite(float(found.fun)), found.x


def _other_starts(start: Float64[np.ndarray, " n"]) -> Iterator[Float64[np.ndarray, " n"]]:
    """The identity, a start that ignores each class or turns it round, and scattered ones."""
    n_classes = len(start) // 2
    yield np.array([1.0] * n_classes + [0.0] * n_classes)
    for index in range(n_classes):
        for factor in (0.0, -1.0):
            other = start.copy()
            other[index] *= factor
            yield other
    generator = numpy_generator(0, "vector scaling", n_classes)
    for _ in range(_SCATTERED):
        yield generator.standard_normal(len(start)) * 3


def _thinned(images: Sequence[LogitSample]) -> list[LogitSample]:
    """Evenly spaced pixels of all images, about `_FEW_PIXELS` together."""
    total = sum(image.labels.numel() for image in images)
    step = max(1, total // _FEW_PIXELS)
    return [
        LogitSample(image.logits[:, :, ::step], image.labels[::step], image.weight)
        for image in images
    ]


class _Objective:
    """Weighted mean NLL of the samples' mean, as a function of scales and shifts."""

    def __init__(self, images: Sequence[LogitSample]) -> None:
        self._images = [image for image in images if image.labels.numel()]
        self._total = sum(image.weight * image.labels.numel() for image in self._images)

    def value(self, parameters: Float64[np.ndarray, " n"]) -> float:
        with torch.no_grad():
            return sum(float(part) for part in self._parts(torch.from_numpy(parameters)))

    def value_and_gradient(
        self, parameters: Float64[np.ndarray, " n"]
    ) -> tuple[float, Float64[np.ndarray, " n"]]:
        leaf = torch.from_numpy(parameters.copy()).requires_grad_()
        total, gradient = 0.0, np.zeros_like(parameters)
        for part in self._parts(leaf):  # one after another, so that no graph outlives its chunk
            total += float(part.detach())
            gradient += torch.autograd.grad(part, leaf)[0].numpy()
        return total, gradient

    def _parts(self, parameters: Tensor) -> Iterator[Tensor]:
        """Contributions of chunks of pixels to the mean NLL."""
        n_classes = parameters.numel() // 2
        scale = parameters[:n_classes].view(1, -1, 1)
        shift = parameters[n_classes:].view(1, -1, 1)
        for image in self._images:
            n_samples, _, n_pixels = image.logits.shape
            step = max(1, _CHUNK // (n_samples * n_classes))
            for start in range(0, n_pixels, step):
                logits = image.logits[:, :, start : start + step].double() * scale + shift
                labels = image.labels[start : start + step].expand(n_samples, 1, -1)
                true = logits.log_softmax(1).gather(1, labels)[:, 0]  # (S, n)
                pooled = true.logsumexp(0) - math.log(n_samples)
                yield -pooled.sum() * image.weight / self._total


def _classes(images: Sequence[LogitSample]) -> int:
    """Number of classes; refuses a fit to nothing."""
    if not any(image.labels.numel() for image in images):
        raise ShapeError(
            "expected labelled pixels to fit a recalibration to, got none. "
            "Keep images for validation: data.validation."
        )
    return int(images[0].logits.shape[1])


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise AskmaskError(
            f"expected finite logits to fit a recalibration to, got an NLL of {value!r}. "
            "The model diverged; train it again."
        )
    return value
