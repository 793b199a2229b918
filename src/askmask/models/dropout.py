"""Dropout as an argument: the noise of a pass is an object that the caller hands in.

`NoNoise` for a deterministic pass, `GeneratorNoise` for training (fast, one stream), `KeyedNoise`
for Monte Carlo samples: each mask is a function of (key, layer), whatever the batch or the order.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from askmask.errors import ShapeError
from askmask.runtime.kernel import load_kernel
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
    seed, round, image_id
        Name the image's draws; see `askmask.seeds`.
    samples : sequence of int
        Index of the Monte Carlo sample at each place of the batch.
    """

    def __init__(self, seed: int, round: int, image_id: str, samples: Sequence[int]) -> None:
        self._keys = [derive_key(seed, "dropout", round, image_id, sample) for sample in samples]

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
        # Activations are counted channels last: that is how they lie in memory.
        size = channels * height * width
        factors = torch.empty((len(self._keys), size), dtype=x.dtype, device=x.device)
        self.fill_factors(factors, p, layer)
        return x * factors.view(-1, height, width, channels).permute(0, 3, 1, 2)

    def packed_masks(self, size: int, p: float, layer: str) -> npt.NDArray[np.uint8]:
        """Packed masks of every sample at a place, (B, bytes); see `packed_keep_mask`."""
        kernel = load_kernel()
        if kernel is None:
            return np.stack([packed_keep_mask(key, layer, size, p) for key in self._keys])
        words = -(-size // 64)
        return np.stack(
            [kernel.keep_mask(derive_key(key, layer), _threshold(p), words) for key in self._keys]
        )

    def fill_factors(self, factors: Tensor, p: float, layer: str) -> None:
        """Fill (B, size) with what each activation is multiplied with: 0 or 1 / (1 - p)."""
        packed = torch.from_numpy(self.packed_masks(factors.shape[1], p, layer))
        # Eight factors for each byte, looked up: the fastest way from bits to numbers in PyTorch.
        table = _factor_table(1.0 / (1.0 - p), factors.dtype, factors.device)
        index = packed.to(factors.device).flatten().int()
        if factors.shape[1] == packed.shape[1] * 8 and factors.is_contiguous():
            torch.index_select(table, 0, index, out=factors.view(-1, 8))
            return
        eights = table.index_select(0, index).view(len(self._keys), -1)
        factors.copy_(eights[:, : factors.shape[1]])


def packed_keep_mask(key: int, layer: str, size: int, p: float) -> npt.NDArray[np.uint8]:
    """Which of `size` activations are kept, one bit each.

    Parameters
    ----------
    key : int
        128-bit key of the sample.
    layer : str
        The place in the network.
    size : int
        Number of activations.
    p : float
        Probability of dropping one, in [0, 1), to 2**-16.

    Returns
    -------
    (8 * ceil(size / 64),) uint8 array
        Bit a % 8 (the lowest first) of byte a // 8 is 1 if activation a is kept. Bits beyond
        `size` mean nothing.

    Notes
    -----
    An activation is kept if a uniform 16-bit number is at least p * 2**16. The numbers are drawn
    for 64 activations at a time, one bit of each in a word, the highest first, until all 64 are
    decided: one word for p = 0.5, ten on average for an arbitrary p.
    """
    draw = _words_of(key, layer)
    threshold = _threshold(p)
    keep = np.zeros(-(-size // 64), dtype="<u8")
    open_ = ~keep  # activations whose number equals the threshold so far
    places: npt.NDArray[np.intp] | None = None
    for bit in range(15, -1, -1):
        rest = threshold & ((1 << (bit + 1)) - 1)
        if rest == 0:
            break
        if bit == 7:
            places = np.flatnonzero(open_)  # a quarter of the words: draw for these alone
            whole, keep, open_ = keep, keep[places], open_[places]
        uniform = draw(len(open_))
        if rest >> bit:
            open_ &= uniform
        else:
            keep |= open_ & uniform
            open_ &= ~uniform
    keep |= open_
    if places is not None:
        whole[places] = keep
        keep = whole
    return keep.view(np.uint8)


def keep_mask(key: int, layer: str, size: int, p: float) -> npt.NDArray[np.uint8]:
    """Which of `size` activations are kept: (size,), 1 where kept; see `packed_keep_mask`."""
    return np.unpackbits(packed_keep_mask(key, layer, size, p), count=size, bitorder="little")


def _threshold(p: float) -> int:
    """Which 16-bit numbers drop an activation: those below."""
    return min(round(p * 65536), 65535)


def _words_of(key: int, layer: str) -> Callable[[int], npt.NDArray[np.uint64]]:
    """Function that draws the next so many 64-bit words of a place, lowest byte first."""
    generator = numpy_generator(key, layer).bit_generator

    def draw(count: int) -> npt.NDArray[np.uint64]:
        words: npt.NDArray[np.uint64] = generator.random_raw(count)
        return words.astype("<u8", copy=False)

    return draw


@lru_cache(maxsize=32)
def _factor_table(scale: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(256, 8) factors of eight activations for each value of a byte of a packed mask."""
    values = np.arange(256, dtype=np.uint8)[:, None]
    bits = torch.from_numpy(np.unpackbits(values, axis=1, bitorder="little"))
    return (bits.double() * scale).to(device, dtype)


def _keep(uniform: npt.NDArray[np.uint16], p: float) -> npt.NDArray[np.uint8]:
    """1 where a uniform 16-bit number is at least p * 65536."""
    return (uniform >= round(p * 65536)).view(np.uint8)
