"""Dropout as an argument: the noise of a pass is an object that the caller hands in.

`NoNoise` for a deterministic pass, `GeneratorNoise` for training (fast, one stream), `KeyedNoise`
for Monte Carlo samples: each mask is a function of (key, layer), whatever the batch or the order.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from askmask.errors import ShapeError
from askmask.seeds import derive_key, numpy_generator


@runtime_checkable
class Noise(Protocol):
    """Where a network's dropout masks come from."""

    def dropout(self, x: Tensor, p: float, layer: str) -> Tensor:
        """Return `x` (B, C, H, W) with dropout of probability `p`; `x` is not modified.

        Kept values are divided by 1 - p, so that the expectation is `x`. `layer` names the place
        in the network and is distinct for each place.
        """
        ...


class NoNoise:
    """No dropout: the pass with the expected activations."""

    def dropout(self, x: Tensor, p: float, layer: str) -> Tensor:  # noqa: ARG002 - the contract
        """Return `x` itself."""
        return x


class GeneratorNoise:
    """Dropout drawn from one `torch.Generator`, in the order of the calls.

    Parameters
    ----------
    generator : torch.Generator
        Advanced by every call; its device must be that of the activations.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def dropout(self, x: Tensor, p: float, layer: str) -> Tensor:  # noqa: ARG002 - the contract
        """Return `x` with dropout; see `Noise.dropout`."""
        if p == 0:
            return x
        # Random words cut into bits, or into numbers compared with a threshold: torch's bernoulli_
        # is many times slower on CPUs.
        size, per_word = x.numel(), 64 if p == 0.5 else 4
        words = torch.empty(-(-size // per_word), dtype=torch.int64)
        drawn = words.random_(-(2**63), 2**63 - 1, generator=self._generator).numpy()
        if p == 0.5:
            keep = np.unpackbits(drawn.view(np.uint8), count=size)
        else:
            keep = _keep(drawn.view(np.uint16)[:size], p)
        shape = x.permute(0, 2, 3, 1).shape
        mask = torch.from_numpy(keep).view(shape).permute(0, 3, 1, 2)
        kept = mask.to(x.device, x.dtype)
        dropped: Tensor = _Scaled.apply(x, kept, 1.0 / (1.0 - p))  # type: ignore[no-untyped-call]
        return dropped


class _Scaled(torch.autograd.Function):
    """``x * mask * scale`` in one pass over memory in each direction, rounded once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return torch.addcmul(x.new_zeros(()), x, mask, value=scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return torch.addcmul(gradient.new_zeros(()), gradient, mask, value=ctx.scale), None, None


class KeyedNoise:
    """Dropout whose mask is a function of (key, layer): one key for each batch element.

    Parameters
    ----------
    seed, round_, image_id
        Name the image's draws; see `askmask.seeds`.
    samples : sequence of int
        Index of the Monte Carlo sample at each place of the batch.
    """

    def __init__(self, seed: int, round_: int, image_id: str, samples: Sequence[int]) -> None:
        self._keys = [derive_key(seed, "dropout", round_, image_id, sample) for sample in samples]

    def dropout(self, x: Tensor, p: float, layer: str) -> Tensor:
        """Return `x` with dropout; see `Noise.dropout`.

        Raises
        ------
        ShapeError
            If the batch of `x` is not the number of samples.
        """
        if x.shape[0] != len(self._keys):
            raise ShapeError(
                f"expected a batch of {len(self._keys)} samples at layer {layer!r}, "
                f"got {x.shape[0]}. Expand the features to the number of samples first."
            )
        if p == 0:
            return x
        _, channels, height, width = x.shape
        masks = [keep_mask(key, layer, channels * height * width, p) for key in self._keys]
        stacked = torch.from_numpy(np.stack(masks)).view(-1, height, width, channels)
        mask = stacked.permute(0, 3, 1, 2)  # (B, C, H, W), channels last in memory
        return x * mask.to(x.device) * (1.0 / (1.0 - p))


def keep_mask(key: int, layer: str, size: int, p: float) -> np.ndarray:
    """Which of `size` activations are kept.

    Parameters
    ----------
    key : int
        128-bit key of the sample.
    layer : str
        The place in the network.
    size : int
        Number of activations.
    p : float
        Probability of dropping one, in [0, 1); exact for 0.5, else to 2**-16.

    Returns
    -------
    (size,) uint8 array
        1 where kept, 0 where dropped.
    """
    generator = numpy_generator(key, layer)
    if p == 0.5:
        packed = np.frombuffer(generator.bytes(-(-size // 8)), dtype=np.uint8)
        return np.unpackbits(packed, count=size)
    return _keep(np.frombuffer(generator.bytes(2 * size), dtype=np.uint16), p)


def _keep(uniform: np.ndarray, p: float) -> np.ndarray:
    """1 where a uniform 16-bit number is at least p * 65536."""
    return (uniform >= round(p * 65536)).view(np.uint8)
