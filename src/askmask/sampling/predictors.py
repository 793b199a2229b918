"""Monte Carlo samples of one image: the prefix once, then sums of the samples and no sample kept.

A `Predictor` turns an image into the sums that scores and metrics are made of. What it draws is
keyed by (seed, round, image, sample), so neither the other images nor the number of samples
computed at a time changes anything (the latter up to rounding). No scores here, no files.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from askmask.calibration import LogitScaling
from askmask.errors import ConfigError, ShapeError
from askmask.models.contract import Model
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen.network import Frozen, ImageSamples
from askmask.models.frozen.plain import PlainFrozen
from askmask.models.normalization import MIN_SIDE
from askmask.query.scores import SampleSums
from askmask.runtime.compute import use_bf16
from askmask.runtime.memory import is_out_of_memory
from askmask.sampling.feature_store import FeatureStore

_log = logging.getLogger(__name__)

Image = npt.NDArray[Any]  # Any: another dtype than uint8 gets a message of ours
"""(H, W, 3) RGB, uint8."""


@dataclass(frozen=True, slots=True, eq=False)
class PredictedSums:
    """Prediction of an image, as sums over samples.

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

    def __add__(self, other: "PredictedSums") -> "PredictedSums":
        """Prediction from the samples of both, of the same image; neither is modified."""
        sums, own, its = self.sums + other.sums, self.boundary_probs, other.boundary_probs
        if own is None or its is None:
            return PredictedSums(sums, None)
        share = other.sums.n_samples / sums.n_samples
        return PredictedSums(sums, own.lerp(its, share))


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
        self, image: Image, *, seed: int, round: int, image_id: str, boundary: bool
    ) -> PredictedSums:
        """Predict an image.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB, H and W >= 32.
        seed, round, image_id
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
    chunk : int, optional
        Samples computed at a time; by default as many as are fastest for the image's size.
        Results are independent of it up to rounding.
    precision : str
        ``"fp32"``, ``"bf16"``, or ``"auto"``: bfloat16 where the hardware computes in it.
    scaling : LogitScaling, optional
        Recalibration of the class logits of every sample.
    features : FeatureStore, optional
        Where what no training changes is kept; by default nowhere.
    """

    def __init__(
        self,
        model: Model,
        n_samples: int,
        chunk: int | None = None,
        precision: str = "auto",
        *,
        scaling: LogitScaling | None = None,
        features: FeatureStore | None = None,
    ) -> None:
        if n_samples < 1 or (chunk is not None and chunk < 1):
            raise ConfigError(
                f"expected n_samples >= 1 and chunk >= 1, got {n_samples!r} and {chunk!r}."
            )
        self._network = _Network(model, precision, scaling, features)
        self._n_samples = n_samples
        self._chunk = chunk

    @property
    def n_samples(self) -> int:
        """Samples in the sums of each prediction."""
        return self._n_samples

    def predict(
        self, image: Image, *, seed: int, round: int, image_id: str, boundary: bool
    ) -> PredictedSums:
        """Predict an image from S dropout masks; see `Predictor.predict`."""
        names = (seed, round, image_id)
        return PredictedSums(
            *self._drawn(image, range(self._n_samples), names, boundary=boundary).result()
        )

    def features(self, image: Image) -> tuple[Tensor, ...]:
        """Maps of an image that no training changes, coarsest last; from where they are kept.

        Empty for a network without such a part, and where none are kept. Others are computed.
        """
        return self._network.features(image)

    def sums(
        self, image: Image, samples: range, *, seed: int, round: int, image_id: str
    ) -> SampleSums:
        """Sums of some of the samples of an image, to be added to those of others.

        ``sums(image, range(0, a)) + sums(image, range(a, b))`` is ``sums(image, range(0, b))`` up
        to rounding: sample s is the same in every call, and may lie beyond `n_samples`.

        Parameters
        ----------
        image : (H, W, 3) uint8 array
            RGB, H and W >= 32.
        samples : range
            Which samples; at least one, none negative.
        seed, round, image_id
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
        names = (seed, round, image_id)
        return self._drawn(image, samples, names, boundary=False).result()[0]

    def _drawn(
        self, image: Image, numbers: range, names: tuple[int, int, str], *, boundary: bool
    ) -> ImageSamples:
        """Some samples of an image; fewer of them at a time where memory does not hold them."""
        while True:
            samples = self._network.start(image, boundary=boundary)
            chunk = self._chunk or self._network.samples_at_a_time(image)
            try:
                _draw(samples, numbers, chunk, names)
            except (MemoryError, RuntimeError) as error:
                if chunk == 1 or not is_out_of_memory(error):
                    raise
                self._chunk = chunk // 2
                _log.warning("too little memory for %d samples at a time: %s", chunk, error)
            else:
                return samples

    def stream(self, image: Image, *, seed: int, round: int, image_id: str) -> Iterator[SampleSums]:
        """Sums of the first 1, 2, ..., S samples of an image, as they are drawn.

        Arguments as in `predict`; the last sums are those of `predict`, up to rounding.
        """
        samples = self._network.start(image, boundary=False)
        for sample in range(self._n_samples):
            samples.draw(KeyedNoise(seed, round, image_id, [sample]), 1)
            yield samples.result()[0]


def _draw(
    samples: ImageSamples, numbers: Sequence[int], chunk: int, names: tuple[int, int, str]
) -> None:
    """Draw some of the samples in chunks; `names` are seed, round and image id."""
    for start in range(0, len(numbers), chunk):
        part = numbers[start : start + chunk]
        samples.draw(KeyedNoise(*names, part), len(part))


class Deterministic:
    """One pass without dropout.

    Parameters
    ----------
    model : Model
        Used in eval mode.
    precision : str
        As for `MonteCarloDropout`.
    scaling : LogitScaling, optional
        Recalibration of the class logits.
    features : FeatureStore, optional
        Where what no training changes is kept; by default nowhere.
    """

    n_samples = 1

    def __init__(
        self,
        model: Model,
        precision: str = "auto",
        *,
        scaling: LogitScaling | None = None,
        features: FeatureStore | None = None,
    ) -> None:
        self._network = _Network(model, precision, scaling, features)

    def predict(
        self,
        image: Image,
        *,
        seed: int,  # noqa: ARG002 - the contract; nothing is drawn
        round: int,  # noqa: ARG002
        image_id: str,  # noqa: ARG002
        boundary: bool,
    ) -> PredictedSums:
        """Predict an image by the expected activations; see `Predictor.predict`."""
        return self._network.mean(image, boundary=boundary)


class Ensemble:
    """One pass without dropout from each of several models (Lakshminarayanan et al. 2017).

    Parameters
    ----------
    models : sequence of Model
        The members, trained from different seeds; at least one, all with the same classes.
    precision : str
        As for `MonteCarloDropout`.
    scaling : LogitScaling, optional
        Recalibration of the class logits of every member.
    features : FeatureStore, optional
        Where what no training changes is kept; by default nowhere.

    References
    ----------
    Lakshminarayanan et al. 2017, arXiv:1612.01474.
    """

    def __init__(
        self,
        models: Sequence[Model],
        precision: str = "auto",
        *,
        scaling: LogitScaling | None = None,
        features: FeatureStore | None = None,
    ) -> None:
        classes = sorted({model.n_classes for model in models})
        if len(classes) != 1:
            raise ConfigError(
                f"expected one or more models with the same number of classes, got {len(models)} "
                f"with {classes!r}. Train every member on the same data set."
            )
        self._networks = [_Network(model, precision, scaling, features) for model in models]

    @property
    def n_samples(self) -> int:
        """Number of members."""
        return len(self._networks)

    def predict(
        self,
        image: Image,
        *,
        seed: int,  # noqa: ARG002 - the contract; nothing is drawn
        round: int,  # noqa: ARG002
        image_id: str,  # noqa: ARG002
        boundary: bool,
    ) -> PredictedSums:
        """Predict an image by every member; see `Predictor.predict`."""
        members = [network.mean(image, boundary=boundary) for network in self._networks]
        sums = members[0].sums
        for member in members[1:]:
            sums = sums + member.sums
        contours = [m.boundary_probs for m in members if m.boundary_probs is not None]
        return PredictedSums(sums, torch.stack(contours).mean(0) if contours else None)


class _Network:
    """A model's frozen form, made at the first prediction and again if the weights change."""

    def __init__(
        self,
        model: Model,
        precision: str,
        scaling: LogitScaling | None,
        features: FeatureStore | None,
    ) -> None:
        self._model = model
        self._features = features
        self._scaling = scaling
        self._precision = precision
        self._frozen: Frozen | None = None
        self._frozen_state: tuple[tuple[int, int], ...] = ()

    def start(self, image: Image, *, boundary: bool) -> ImageSamples:
        """Check and convert an image, and compute what no dropout touches."""
        batch = self._batch(image)
        frozen = self._up_to_date()
        kept = self._kept_features(frozen, image, batch)
        return frozen.start(batch, boundary=boundary, scaling=self._scaling, features=kept)

    def features(self, image: Image) -> tuple[Tensor, ...]:
        """Return what no training changes of an image; empty if there is no such part."""
        return self._kept_features(self._up_to_date(), image, self._batch(image))

    def _batch(self, image: Image) -> Float[Tensor, "1 3 H W"]:
        """Check an image and convert it: channels last in memory, values in [0, 1]."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ShapeError(
                f"expected a uint8 image of shape (H, W, 3), got {image.dtype} {image.shape}. "
                f"Convert it to 8-bit RGB."
            )
        if min(image.shape[:2]) < MIN_SIDE:
            raise ShapeError(
                f"expected an image of H, W >= {MIN_SIDE}, got {image.shape[:2]}. Pad smaller "
                "images, or leave them out of the data set."
            )
        # A copy, because arrays from files may be read-only, and views may run backwards.
        pixels = torch.from_numpy(np.array(image, order="C")).to(self._device)
        return pixels.permute(2, 0, 1)[None].float().div_(255)

    def _kept_features(self, frozen: Frozen, image: Image, batch: Tensor) -> tuple[Tensor, ...]:
        if self._features is None or frozen.features_key is None:
            return ()
        kind = f"{'bf16' if self._is_bf16 else 'fp32'} on {batch.device.type}"
        kept = self._features.get(frozen.features_key, image, kind, lambda: frozen.features(batch))
        return tuple(feature.to(batch.device) for feature in kept)

    def mean(self, image: Image, *, boundary: bool) -> PredictedSums:
        """Predict by the pass without dropout."""
        samples = self.start(image, boundary=boundary)
        samples.draw(NoNoise(), 1)
        return PredictedSums(*samples.result())

    def samples_at_a_time(self, image: Image) -> int:
        return self._up_to_date().samples_at_a_time(image.shape[0], image.shape[1])

    @property
    def _device(self) -> torch.device:
        return next(self._model.parameters()).device

    @property
    def _is_bf16(self) -> bool:
        return use_bf16(self._precision, self._device)

    def _up_to_date(self) -> Frozen:
        # Every change of a tensor in place counts up its version.
        tensors = self._model.state_dict(keep_vars=True).values()
        state = tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)  # noqa: SLF001
        if self._frozen is None or state != self._frozen_state:
            dtype = torch.bfloat16 if self._is_bf16 else torch.float32
            self._frozen = self._model.freeze(dtype) or PlainFrozen(self._model, dtype)
            self._frozen_state = state
        return self._frozen
