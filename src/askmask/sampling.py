"""Monte Carlo samples of one image: the prefix once, then sums of the samples and no sample kept.

A `Predictor` turns an image into the sums that scores and metrics are made of. What it draws is
keyed by (seed, round, image, sample), so neither the other images nor the number of samples
computed at a time changes anything (the latter up to rounding). No scores here, no files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from askmask.acquisition import SampleSums
from askmask.errors import ConfigError, ShapeError
from askmask.models.contract import Features, Model, Outputs
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.recalibration import LogitScaling

Image = npt.NDArray[Any]  # Any: another dtype than uint8 gets a message of ours
"""(H, W, 3) RGB, uint8."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a predictor knows of an image.

    Attributes
    ----------
    sums : SampleSums
        Over the samples of the foreground decoder, on the model's device.
    boundary_probs : (H, W) float tensor or None
        Mean probability of a contour over the samples; None when not asked for, or without a
        boundary head.
    """

    sums: SampleSums
    boundary_probs: Float[Tensor, "H W"] | None


@runtime_checkable
class Predictor(Protocol):
    """Something that predicts one image at a time.

    Guarantees: equal arguments give equal results, whatever was predicted before; the image is
    not modified; the returned tensors belong to the caller and need no gradient; a model handed in
    keeps its mode (train or eval) and weights. Not safe for use by several threads at once.
    """

    @property
    def n_samples(self) -> int:
        """Samples in the sums of each prediction."""
        ...

    def predict(
        self, image: Image, *, seed: int, round_: int, image_id: str, boundary: bool
    ) -> Prediction:
        """Predict an image.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB, H and W >= 32.
        seed, round_, image_id
            Name the draws, see `askmask.seeds`.
        boundary : bool
            Whether to compute the boundary head, too; false is faster.

        Raises
        ------
        ShapeError
            If the image is no such array.
        """
        ...


class MonteCarloDropout:
    """Samples with dropout, as in Gal & Ghahramani 2016 (arXiv:1506.02142).

    Parameters
    ----------
    model : Model
        Sampled in eval mode: batch norm uses its running statistics.
    n_samples : int
        S >= 1.
    chunk : int
        Samples computed at a time: more cost memory, fewer use small images badly. Results are
        independent of it up to rounding.
    scaling : LogitScaling, optional
        Recalibration of the class logits of every sample.
    """

    def __init__(
        self,
        model: Model,
        n_samples: int,
        chunk: int = 3,
        *,
        scaling: LogitScaling | None = None,
    ) -> None:
        if n_samples < 1 or chunk < 1:
            raise ConfigError(
                f"expected n_samples >= 1 and chunk >= 1, got {n_samples!r} and {chunk!r}."
            )
        self._model = model
        self._n_samples = n_samples
        self._chunk = chunk
        self._scaling = scaling

    @property
    def n_samples(self) -> int:
        """Samples in the sums of each prediction."""
        return self._n_samples

    def predict(
        self, image: Image, *, seed: int, round_: int, image_id: str, boundary: bool
    ) -> Prediction:
        """Predict an image from S dropout masks; see `Predictor.predict`."""
        names = (seed, round_, image_id)
        return self._predict(image, range(self._n_samples), names, boundary=boundary)

    def sums(
        self, image: Image, samples: range, *, seed: int, round_: int, image_id: str
    ) -> SampleSums:
        """Sums of some of the samples of an image, to be added to those of others.

        ``sums(image, range(0, a)) + sums(image, range(a, b))`` is ``sums(image, range(0, b))`` up
        to rounding: sample s is the same whoever asks for it, and may lie beyond `n_samples`.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB, H and W >= 32.
        samples : range
            Which samples; at least one, none negative.
        seed, round_, image_id
            Name the draws, see `askmask.seeds`.

        Raises
        ------
        ConfigError
            If `samples` is empty or has a negative one.
        ShapeError
            If the image is no such array.
        """
        if not samples or min(samples) < 0:
            raise ConfigError(f"expected one or more samples >= 0, got {samples!r}.")
        return self._predict(image, samples, (seed, round_, image_id), boundary=False).sums

    def stream(
        self, image: Image, *, seed: int, round_: int, image_id: str
    ) -> Iterator[SampleSums]:
        """Sums of the first 1, 2, ..., S samples of an image, as they are drawn.

        Arguments as in `predict`; the last sums are those of `predict`, up to rounding.
        """
        chunks = [range(sample, sample + 1) for sample in range(self._n_samples)]
        for total in self._stream(image, chunks, (seed, round_, image_id), boundary=False):
            yield total.prediction().sums

    def _predict(
        self, image: Image, samples: range, names: tuple[int, int, str], *, boundary: bool
    ) -> Prediction:
        starts = range(0, len(samples), self._chunk)
        chunks = [samples[start : start + self._chunk] for start in starts]
        *_, total = self._stream(image, chunks, names, boundary=boundary)
        return total.prediction()

    def _stream(
        self,
        image: Image,
        chunks: Sequence[range],
        names: tuple[int, int, str],
        *,
        boundary: bool,
    ) -> Iterator["_Stream"]:
        """Running sums after each chunk of samples; `names` are seed, round and image id."""
        total = _Stream(self._scaling)
        with _inference(self._model):
            features = self._model.prefix(_to_batch(image, self._model))
        for samples in chunks:
            noise = KeyedNoise(*names, samples)
            with _inference(self._model):  # left while the caller has its turn
                repeated = _repeat(features, len(samples))
                total.add(self._model.suffix(repeated, noise, boundary=boundary))
            yield total

    def logits(self, image: Image, *, seed: int, round_: int, image_id: str) -> Iterator[Tensor]:
        """Class logits of the samples, chunk by chunk, before any recalibration."""
        with _inference(self._model):
            features = self._model.prefix(_to_batch(image, self._model))
        for start in range(0, self._n_samples, self._chunk):
            samples = range(start, min(start + self._chunk, self._n_samples))
            noise = KeyedNoise(seed, round_, image_id, samples)
            with _inference(self._model):
                repeated = _repeat(features, len(samples))
                outputs = self._model.suffix(repeated, noise, boundary=False)
            yield outputs.foreground


class Deterministic:
    """One pass without dropout.

    Parameters
    ----------
    model : Model
        Used in eval mode.
    scaling : LogitScaling, optional
        Recalibration of the class logits.
    """

    n_samples = 1

    def __init__(self, model: Model, *, scaling: LogitScaling | None = None) -> None:
        self._model = model
        self._scaling = scaling

    def predict(
        self,
        image: Image,
        *,
        seed: int,  # noqa: ARG002 - the contract; nothing is drawn
        round_: int,  # noqa: ARG002
        image_id: str,  # noqa: ARG002
        boundary: bool,
    ) -> Prediction:
        """Predict an image by the expected activations; see `Predictor.predict`."""
        total = _Stream(self._scaling)
        with _inference(self._model):
            total.add(self._model(_to_batch(image, self._model), NoNoise(), boundary=boundary))
        return total.prediction()

    def logits(
        self,
        image: Image,
        *,
        seed: int,  # noqa: ARG002 - the contract; nothing is drawn
        round_: int,  # noqa: ARG002
        image_id: str,  # noqa: ARG002
    ) -> Iterator[Tensor]:
        """Class logits of the pass, before any recalibration."""
        with _inference(self._model):
            outputs = self._model(_to_batch(image, self._model), NoNoise(), boundary=False)
        yield outputs.foreground


class Ensemble:
    """One pass without dropout from each of several models (Lakshminarayanan et al. 2017).

    Parameters
    ----------
    models : sequence of Model
        The members, trained from different seeds; at least one, all with the same classes.
    scaling : LogitScaling, optional
        Recalibration of the class logits of every member.

    References
    ----------
    Lakshminarayanan et al. 2017, arXiv:1612.01474.
    """

    def __init__(self, models: Sequence[Model], *, scaling: LogitScaling | None = None) -> None:
        classes = sorted({model.n_classes for model in models})
        if len(classes) != 1:
            raise ConfigError(
                f"expected one or more models with the same number of classes, got {len(models)} "
                f"with {classes!r}. Train every member on the same data set."
            )
        self._models = tuple(models)
        self._scaling = scaling

    @property
    def n_samples(self) -> int:
        """Number of members."""
        return len(self._models)

    def predict(
        self,
        image: Image,
        *,
        seed: int,  # noqa: ARG002 - the contract; nothing is drawn
        round_: int,  # noqa: ARG002
        image_id: str,  # noqa: ARG002
        boundary: bool,
    ) -> Prediction:
        """Predict an image by every member; see `Predictor.predict`."""
        total = _Stream(self._scaling)
        for model in self._models:
            with _inference(model):
                total.add(model(_to_batch(image, model), NoNoise(), boundary=boundary))
        return total.prediction()

    def logits(
        self,
        image: Image,
        *,
        seed: int,  # noqa: ARG002 - the contract; nothing is drawn
        round_: int,  # noqa: ARG002
        image_id: str,  # noqa: ARG002
    ) -> Iterator[Tensor]:
        """Class logits of one member after another, before any recalibration."""
        for model in self._models:
            with _inference(model):
                outputs = model(_to_batch(image, model), NoNoise(), boundary=False)
            yield outputs.foreground


class _Stream:
    """Running sums of the outputs of the samples of one image."""

    def __init__(self, scaling: LogitScaling | None) -> None:
        self._scaling = scaling
        self._sums: SampleSums | None = None
        self._boundary: Tensor | None = None

    def add(self, outputs: Outputs) -> None:
        logits = outputs.foreground
        if self._scaling is not None:
            logits = self._scaling(logits)
        sums = SampleSums.of(logits.softmax(1))
        self._sums = sums if self._sums is None else self._sums + sums
        if outputs.boundary is not None:
            # Softmax of two classes: the second one's probability is a sigmoid of the difference.
            contour = (outputs.boundary[:, 1] - outputs.boundary[:, 0]).sigmoid().sum(0)
            self._boundary = contour if self._boundary is None else self._boundary + contour

    def prediction(self) -> Prediction:
        assert self._sums is not None
        mean = None if self._boundary is None else self._boundary / self._sums.n_samples
        return Prediction(self._sums, mean)


def _repeat(features: Features, n_samples: int) -> Features:
    """Features of one image as those of `n_samples` images, without a copy."""
    return tuple(feature.expand(n_samples, *feature.shape[1:]) for feature in features)


def _to_batch(image: Image, model: Model) -> Tensor:
    """(1, 3, H, W) float tensor in [0, 1] on the model's device, channels last in memory."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ShapeError(
            f"expected a uint8 image of shape (H, W, 3), got {image.dtype} {image.shape}. "
            f"Convert it to 8-bit RGB."
        )
    # A copy, because arrays from files may be read-only, and views may run backwards.
    pixels = torch.from_numpy(np.array(image, order="C")).to(next(model.parameters()).device)
    return pixels.permute(2, 0, 1)[None].float().div_(255)


@contextmanager
def _inference(model: Model) -> Iterator[None]:
    """Eval mode without gradients; the model's mode is put back afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
