"""The detail of the default network made ready for prediction; see `askmask.models.detail`."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.detail import Detail, Layer, in_fours
from askmask.models.frozen.pyramid_steps import Maps, Norm
from askmask.models.grid import upsample_behind


class Convolution:
    """Weights of a convolution without bias, in their precision and channels last."""

    def __init__(self, conv: nn.Conv2d, dtype: torch.dtype) -> None:
        weight = conv.weight.detach().to(dtype)
        self._weight = weight.contiguous(memory_format=torch.channels_last)
        self._padding = conv.kernel_size[0] // 2
        self._groups = conv.groups

    def __call__(self, x: Maps) -> Maps:
        """Output in the precision of the weights, which `x` has, too."""
        return functional.conv2d(x, self._weight, padding=self._padding, groups=self._groups)


class FrozenDetail:
    """All of it but the head.

    Parameters
    ----------
    detail : Detail
        Its weights are copied.
    dtype : torch.dtype
        Of weights and activations.
    """

    def __init__(self, detail: Detail, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self.n_maps = detail.n_maps
        self._first = [_Layer(detail.first, dtype), _Layer(detail.second, dtype)]
        self._down = [[_Layer(layer, dtype) for layer in layers] for layers in detail.downward()]
        self._up = [_Layer(layer, dtype) for layer in detail.upward()]

    def __call__(
        self, images: Float[Tensor, "1 3 H W"], maps: Sequence[Maps]
    ) -> Float[Tensor, "1 D h w"]:
        """What the head makes logits from; `images` normalised, `maps` of the encoder."""
        x = in_fours(images).to(self._dtype)
        maps = [own.to(self._dtype) for own in maps]
        x = torch.cat([x, *maps[:1]], 1)
        for layer in self._first:
            x = layer(x)
        found = []
        for layers, own in zip(self._down, maps[1:], strict=True):
            found.append(x)
            x = torch.cat([functional.max_pool2d(x, 2), own], 1)
            for layer in layers:
                x = layer(x)
        for layer, above in zip(reversed(self._up), reversed(found), strict=True):
            x = layer(torch.cat([above, upsample_behind(x, 2)], 1))
        return x


class _Layer:
    def __init__(self, layer: Layer, dtype: torch.dtype) -> None:
        self._conv, self._norm = Convolution(layer.conv, dtype), Norm(layer.norm)

    def __call__(self, x: Maps) -> Maps:
        return functional.relu_(self._norm(self._conv(x)))
