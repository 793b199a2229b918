"""What a sample of the pyramid is made of between its convolutions, in PyTorch or compiled.

Both forms are the same function up to rounding; see `Kernel` and ``native/pyramid.cpp``.
"""

from abc import ABC, abstractmethod
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen.network import RunningSums, contour_probs
from askmask.models.grid import upsample_behind
from askmask.query.scores import SampleSums
from askmask.runtime.kernel import Kernel, load_kernel

Maps = Float[Tensor, "_ _ _ _"]  # batch, channels, height, width; channels last in memory

_LANES: Final = 16
_MOST_CHANNELS: Final = 512


class Norm:
    """Weight and bias of a group norm."""

    def __init__(self, norm: nn.GroupNorm) -> None:
        self.groups = norm.num_groups
        self.weight = norm.weight.detach().float()
        self.bias = norm.bias.detach().float()

    def __call__(self, x: Maps) -> Maps:
        """Return the normalised maps, in their own precision."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return functional.group_norm(x, self.groups, weight, bias)


class Steps(ABC):
    """Dropout of a pass, the steps that hold one, and the sums that samples go into.

    Parameters
    ----------
    dropout : float
        Probability at every place.
    """

    def __init__(self, dropout: float) -> None:
        self._dropout = dropout

    @abstractmethod
    def dropped(self, x: Maps, noise: KeyedNoise | NoNoise, n_samples: int, layer: str) -> Maps:
        """Dropout of one map for every sample."""

    @abstractmethod
    def norm_relu_drop(self, x: Maps, norm: Norm, noise: KeyedNoise | NoNoise, layer: str) -> Maps:
        """Group norm, ReLU, dropout; `x` may be overwritten."""

    @abstractmethod
    def add_upsampled(
        self, coarse: Maps, term: Maps, noise: KeyedNoise | NoNoise, layer: str | None
    ) -> Maps:
        """Maps at twice the resolution plus a term, and dropout if there is a `layer`."""

    @abstractmethod
    def heads(
        self,
        x: Maps,
        norm: Norm,
        noise: KeyedNoise | NoNoise,
        layer: str,
        weights: tuple[Float[Tensor, "K D"], Float[Tensor, "K"]],
    ) -> Float[Tensor, "B K h w"]:
        """`norm_relu_drop` and a 1x1 convolution; float32."""

    @abstractmethod
    def new_sums(self, base: Float[Tensor, "K H W"], n_classes: int) -> "Sums":
        """Sums of the samples of an image; `base` is added to the logits of each."""


class Sums(ABC):
    """Sums over samples, from logits at stride 4."""

    @abstractmethod
    def add(self, logits: Float[Tensor, "B K h w"]) -> None:
        """Add B samples."""

    @abstractmethod
    def result(self) -> tuple[SampleSums, Float[Tensor, "H W"] | None]:
        """Sums so far, and the mean probability of a contour; new tensors, float32."""


def steps_for(width: int, dropout: float, device: torch.device) -> Steps:
    """Compiled steps where they are built and fit, else PyTorch's."""
    kernel = load_kernel() if device.type == "cpu" else None
    if kernel is None or width % _LANES or width > _MOST_CHANNELS:
        return PlainSteps(dropout)
    return CompiledSteps(dropout, kernel)


class PlainSteps(Steps):
    """In PyTorch, on any device."""

    def dropped(self, x: Maps, noise: KeyedNoise | NoNoise, n_samples: int, layer: str) -> Maps:
        """See `Steps`."""
        return noise.dropout(x.expand(n_samples, *x.shape[1:]), self._dropout, layer)

    def norm_relu_drop(self, x: Maps, norm: Norm, noise: KeyedNoise | NoNoise, layer: str) -> Maps:
        """See `Steps`."""
        return noise.dropout(functional.relu_(norm(x)), self._dropout, layer)

    def add_upsampled(
        self, coarse: Maps, term: Maps, noise: KeyedNoise | NoNoise, layer: str | None
    ) -> Maps:
        """See `Steps`."""
        x = term + upsample_behind(coarse, 2)
        return x if layer is None else noise.dropout(x, self._dropout, layer)

    def heads(
        self,
        x: Maps,
        norm: Norm,
        noise: KeyedNoise | NoNoise,
        layer: str,
        weights: tuple[Float[Tensor, "K D"], Float[Tensor, "K"]],
    ) -> Float[Tensor, "B K h w"]:
        """See `Steps`."""
        rows = self.norm_relu_drop(x, norm, noise, layer).permute(0, 2, 3, 1)
        weight, bias = weights
        logits = (rows @ weight.t().to(rows.dtype)).float() + bias
        return logits.permute(0, 3, 1, 2)

    def new_sums(self, base: Float[Tensor, "K H W"], n_classes: int) -> Sums:
        """See `Steps`."""
        return _PlainSums(base, n_classes)


class _PlainSums(Sums):
    def __init__(self, base: Float[Tensor, "K H W"], n_classes: int) -> None:
        self._base = base
        self._class_heads = 1 if n_classes == 2 else n_classes
        self._sums = RunningSums(n_classes)
        self._contour: Tensor | None = None

    def add(self, logits: Float[Tensor, "B K h w"]) -> None:
        height, width = self._base.shape[1:]
        whole = upsample_behind(logits, 4)[:, :, :height, :width] + self._base
        classes = whole[:, : self._class_heads].transpose(0, 1)
        if self._class_heads == 1:  # the second class minus the first
            classes = torch.cat([torch.zeros_like(classes), classes])
        self._sums.add(classes)
        for contour in whole[:, self._class_heads :].unbind(1):
            both = torch.stack([torch.zeros_like(contour), contour])
            added = contour_probs(both)
            self._contour = added if self._contour is None else self._contour.add_(added)

    def result(self) -> tuple[SampleSums, Float[Tensor, "H W"] | None]:
        sums = self._sums.sums()
        return sums, None if self._contour is None else self._contour / sums.n_samples


class CompiledSteps(Steps):
    """Each in one pass over memory, on CPUs, for widths that are a multiple of 16.

    Parameters
    ----------
    dropout : float
        Probability at every place.
    kernel : Kernel
        Loaded.
    """

    def __init__(self, dropout: float, kernel: Kernel) -> None:
        super().__init__(dropout)
        self._kernel = kernel

    def dropped(self, x: Maps, noise: KeyedNoise | NoNoise, n_samples: int, layer: str) -> Maps:
        """See `Steps`."""
        return noise.dropout(x.expand(n_samples, *x.shape[1:]), self._dropout, layer)

    def norm_relu_drop(self, x: Maps, norm: Norm, noise: KeyedNoise | NoNoise, layer: str) -> Maps:
        """See `Steps`."""
        x = x.contiguous(memory_format=torch.channels_last)
        masks = self._masks(x.shape[1:], noise, layer)
        self._kernel.norm_relu_drop(
            x, (norm.weight, norm.bias), norm.groups, masks, p=self._dropout
        )
        return x

    def add_upsampled(
        self, coarse: Maps, term: Maps, noise: KeyedNoise | NoNoise, layer: str | None
    ) -> Maps:
        """See `Steps`."""
        out = torch.empty(
            (len(coarse), *term.shape[1:]), dtype=term.dtype, memory_format=torch.channels_last
        )
        coarse = coarse.contiguous(memory_format=torch.channels_last)
        masks = None if layer is None else self._masks(term.shape[1:], noise, layer)
        self._kernel.add_upsampled(coarse, term, masks, out, p=self._dropout)
        return out

    def heads(
        self,
        x: Maps,
        norm: Norm,
        noise: KeyedNoise | NoNoise,
        layer: str,
        weights: tuple[Float[Tensor, "K D"], Float[Tensor, "K"]],
    ) -> Float[Tensor, "B K h w"]:
        """See `Steps`."""
        x = x.contiguous(memory_format=torch.channels_last)
        masks = self._masks(x.shape[1:], noise, layer)
        return self._kernel.norm_relu_drop_heads(
            x, (norm.weight, norm.bias), norm.groups, masks, weights, p=self._dropout
        )

    def new_sums(self, base: Float[Tensor, "K H W"], n_classes: int) -> Sums:
        """See `Steps`."""
        return _CompiledSums(base.contiguous(), n_classes, self._kernel)

    def _masks(self, shape: torch.Size, noise: KeyedNoise | NoNoise, layer: str) -> Tensor | None:
        if isinstance(noise, NoNoise) or self._dropout == 0:
            return None
        return torch.from_numpy(noise.packed_masks(shape.numel(), self._dropout, layer))


class _CompiledSums(Sums):
    def __init__(self, base: Float[Tensor, "K H W"], n_classes: int, kernel: Kernel) -> None:
        self._base = base
        self._n_classes = n_classes
        self._kernel = kernel
        self._rows = 4 if n_classes == 2 else 2 * n_classes + 1  # and one for the contour
        self._has_contour = len(base) > (1 if n_classes == 2 else n_classes)
        self._sums: Tensor | None = None
        self._n_samples = 0

    def add(self, logits: Float[Tensor, "B K h w"]) -> None:
        if self._sums is None:
            self._sums = torch.zeros(self._rows + self._has_contour, *self._base.shape[1:])
        self._kernel.add_pyramid_samples(logits, self._base, self._sums, self._n_classes)
        self._n_samples += len(logits)

    def result(self) -> tuple[SampleSums, Float[Tensor, "H W"] | None]:
        assert self._sums is not None
        n_classes, sums = self._n_classes, self._sums.clone()
        votes = sums[n_classes + 1 : self._rows]
        if n_classes == 2:  # only the votes for the second class were counted
            votes = torch.cat([self._n_samples - votes, votes])
        found = SampleSums(sums[:n_classes], sums[n_classes], votes, self._n_samples)
        return found, sums[-1] / self._n_samples if self._has_contour else None
