"""Grids of maps: padding of images to coarse strides, and linear upsampling.

PyTorch's gradient of `interpolate` adds up pixel by pixel, and on CPUs takes as long as a
convolution. Here it is a sum of a few shifted maps, of rows and then of columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

MULTIPLE: Final = 32
"""Sides of images are padded to a multiple of the coarsest stride."""


def pad_to_multiple(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 G V"]:
    """Repeat the last row and column up to a multiple of the coarsest stride; channels last."""
    height, width = images.shape[2:]
    padding = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
    if not any(padding):
        return images
    padded = functional.pad(images, padding, mode="replicate")
    return padded.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of one output between features i and i + 1, or at i: what it takes of three features."""

    before: float
    own: float
    after: float


def upsample_behind(x: Float[Tensor, "B C h w"], factor: int) -> Float[Tensor, "B C H W"]:
    """Linear in between, with feature i at ``factor * i + factor - 1``.

    What lies before the first feature is equal to it.
    """
    own = ((place + 1) / factor for place in range(factor))
    return _upsample(x, _behind, [_Weights(1.0 - share, share, 0.0) for share in own])


def upsample_centred(x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    """Twice as many pixels, linear in between, with feature i at ``2 * i + 1 / 2``.

    What lies before the first feature and after the last is equal to them.
    """
    return _upsample(x, _centred, _HALVES)


_HALVES: Final = [_Weights(0.25, 0.75, 0.0), _Weights(0.0, 0.75, 0.25)]


def _behind(x: Tensor, factor: int) -> Tensor:
    height, width = x.shape[2:]
    x = functional.pad(x, (1, 0, 1, 0), mode="replicate")
    size = (factor * height + 1, factor * width + 1)
    return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)[:, :, 1:, 1:]


def _centred(x: Tensor, factor: int) -> Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def _upsample(x: Tensor, values: Callable[[Tensor, int], Tensor], taken: list[_Weights]) -> Tensor:
    if x.device.type == "cpu" and x.requires_grad and torch.is_grad_enabled():
        y: Tensor = _Upsampled.apply(x, values, taken)  # type: ignore[no-untyped-call]
        return y
    return values(x, len(taken))


class _Upsampled(torch.autograd.Function):
    """Values by `interpolate`; the gradient by shifted sums."""

    @staticmethod
    def forward(
        ctx: Any,  # Any: torch's own type lacks attributes
        x: Tensor,
        values: Callable[[Tensor, int], Tensor],
        taken: list[_Weights],
    ) -> Tensor:
        ctx.taken = taken
        return values(x, len(taken))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        taken: list[_Weights] = ctx.taken
        factor = len(taken)
        batch, channels, height, width = gradient.shape
        h, w = height // factor, width // factor
        y = gradient.permute(0, 2, 3, 1).contiguous()
        y = y.float() if y.dtype == torch.bfloat16 else y
        y = _given_back(y.view(batch, h, factor, width * channels), taken)
        y = _given_back(y.view(batch * h, w, factor, channels), taken)
        y = y.view(batch, h, w, channels).permute(0, 3, 1, 2)
        return y.to(gradient.dtype), None, None


def _given_back(
    gradient: Float[Tensor, "N L F M"], taken: list[_Weights]
) -> Float[Tensor, "N L M"]:
    """Gradient of L features from that of the F outputs of each."""
    own = _sum(gradient, [weights.own for weights in taken])
    assert own is not None
    before = _sum(gradient, [weights.before for weights in taken])
    if before is not None:
        own[:, :-1] += before[:, 1:]
        own[:, 0] += before[:, 0]
    after = _sum(gradient, [weights.after for weights in taken])
    if after is not None:
        own[:, 1:] += after[:, :-1]
        own[:, -1] += after[:, -1]
    return own


def _sum(gradient: Float[Tensor, "N L F M"], shares: list[float]) -> Float[Tensor, "N L M"] | None:
    """Weighted sum over the third axis; None if no weight is above 0."""
    total: Tensor | None = None
    for place, share in enumerate(shares):
        if share == 0:
            continue
        part = gradient[:, :, place]
        total = part * share if total is None else total.add_(part, alpha=share)
    return total
