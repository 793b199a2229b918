"""The plain way to sample, to compare with: whole passes, one sample at a time, in float32 NCHW.

What the paper's code does, with torch's own modules: `functional.dropout` and
`conv_transpose2d`, images channels first, probabilities of every sample kept.
"""

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.contract import Model
from askmask.models.dropout import KeyedNoise, Noise, NoNoise
from askmask.models.normalization import Normalization
from askmask.models.two_decoder import Upsampling
from askmask.query.scores import SampleSums


class TorchDropout:
    """torch's dropout, from its global generator: fast to write, not repeatable by key."""

    def dropout(self, x: Tensor, p: float, layer: str) -> Tensor:  # noqa: ARG002 - the contract
        """Return `x` with dropout."""
        return functional.dropout(x, p, training=True)


def plain(model: Model) -> Model:
    """Copy of a network in torch's plain form, channels first."""
    copied = copy.deepcopy(model).to(memory_format=torch.contiguous_format)
    for parent in list(copied.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Upsampling):
                setattr(parent, name, _PlainUpsampling(child))
            elif isinstance(child, Normalization):
                setattr(parent, name, _PlainNormalization(child))
    return copied


class NaiveSampler:
    """S whole passes of a network.

    Parameters
    ----------
    model : Model
        Copied; the copy keeps its layers, but in torch's plain form.
    """

    def __init__(self, model: Model) -> None:
        self._model = plain(model).eval()

    @torch.no_grad()
    def sums(
        self, image: np.ndarray, n_samples: int, key: tuple[int, int, str] | None = None
    ) -> SampleSums:
        """Sums of the samples, by the engine's masks for a `key`, else by torch's own.

        `key` is (seed, round, image id). With it the masks cost more than torch's own, so only the
        other way is to be timed.
        """
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float().contiguous() / 255
        probs = []
        for sample in range(n_samples):
            noise: Noise = TorchDropout() if key is None else KeyedNoise(*key, [sample])
            probs.append(self._model(pixels, noise, boundary=True).foreground.softmax(1)[0])
        return SampleSums.of(torch.stack(probs))

    @torch.no_grad()
    def mean(self, image: np.ndarray) -> np.ndarray:
        """Probabilities (C, H, W) of the pass without dropout."""
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float().contiguous() / 255
        outputs = self._model(pixels, NoNoise(), boundary=True)
        return outputs.foreground.softmax(1)[0].numpy()


class _PlainUpsampling(nn.Module):
    def __init__(self, ours: Upsampling) -> None:
        super().__init__()
        self.weight = ours.weight
        self.bias = ours.bias

    def forward(self, features: Tensor, size: tuple[int, int]) -> Tensor:
        whole = functional.conv_transpose2d(features, self.weight, self.bias, stride=16)
        return whole[:, :, 8 : 8 + size[0], 8 : 8 + size[1]]


class _PlainNormalization(nn.Module):
    def __init__(self, ours: Normalization) -> None:
        super().__init__()
        self.register_buffer("mean", ours.mean)
        self.register_buffer("std", ours.std)

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std
