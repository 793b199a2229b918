"""Any network behind the contract, made ready for prediction without knowing its inside."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from askmask.calibration import LogitScaling
from askmask.models.contract import Features, Model
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen.network import Frozen, ImageSamples, RunningSums, contour_probs
from askmask.query.scores import SampleSums

_PIXELS_AT_A_TIME = {"cpu": 2**20, "cuda": 2**24}
"""Larger batches lose to cache misses on CPUs, smaller ones leave a GPU idle."""


class PlainFrozen(Frozen):
    """A network's own prefix and suffix, by autocast if not in float32.

    Parameters
    ----------
    model : Model
        Read at every prediction, so it may be trained on; its mode is put back each time.
    dtype : torch.dtype
        float32 or bfloat16.
    """

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        self._model = model
        self._dtype = dtype

    def start(
        self,
        image: Float[Tensor, "1 3 H W"],
        *,
        boundary: bool,
        scaling: LogitScaling | None = None,
        features: tuple[Tensor, ...] = (),
    ) -> ImageSamples:
        """Run the prefix; see `Frozen.start`."""
        with predicting(self._model, self._dtype):
            features = self._model.prefix(image)
        sums = RunningSums(self._model.n_classes, scaling)
        return _PlainSamples(self._model, self._dtype, features, sums, boundary=boundary)

    def samples_at_a_time(self, height: int, width: int) -> int:
        """See `Frozen.samples_at_a_time`."""
        device = next(self._model.parameters()).device.type
        pixels = _PIXELS_AT_A_TIME.get(device, 2**20)
        return max(1, min(64, pixels // (height * width)))


class _PlainSamples(ImageSamples):
    def __init__(
        self,
        model: Model,
        dtype: torch.dtype,
        features: Features,
        sums: RunningSums,
        *,
        boundary: bool,
    ) -> None:
        self._model = model
        self._dtype = dtype
        self._features = features
        self._with_boundary = boundary
        self._sums = sums
        self._boundary: Tensor | None = None

    def draw(self, noise: KeyedNoise | NoNoise, n_samples: int) -> None:
        with predicting(self._model, self._dtype):
            expanded = tuple(f.expand(n_samples, *f.shape[1:]) for f in self._features)
            outputs = self._model.suffix(expanded, noise, boundary=self._with_boundary)
        self._sums.add(outputs.foreground.transpose(0, 1))
        if outputs.boundary is not None:
            contour = contour_probs(outputs.boundary.transpose(0, 1))
            self._boundary = contour if self._boundary is None else self._boundary + contour

    def result(self) -> tuple[SampleSums, Tensor | None]:
        sums = self._sums.sums()
        return sums, None if self._boundary is None else self._boundary / sums.n_samples


@contextmanager
def predicting(model: Model, dtype: torch.dtype) -> Iterator[None]:
    """Eval mode without gradients, by autocast if `dtype` is not float32; the mode is put back."""
    was_training = model.training
    device = next(model.parameters()).device.type
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device, dtype, enabled=dtype != torch.float32):
            yield
    finally:
        model.train(was_training)
