"""EfficientNet-Lite0 made ready for prediction: batch norm folded into its convolutions."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.efficientnet_lite import Block, EfficientNetLite, SameConv, pad_same
from askmask.models.frozen.resnet import affine, scaled


class _Folded:
    """A convolution with the batch norm behind it, and perhaps a ReLU6."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.BatchNorm2d, dtype: torch.dtype, *, relu6: bool
    ) -> None:
        scale, shift = affine(norm)
        self._conv = conv
        self._weight = scaled(conv.weight.detach(), scale, dtype)
        self._bias = shift.to(dtype)
        self._relu6 = relu6

    def __call__(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        conv = self._conv
        if isinstance(conv, SameConv):
            x = pad_same(x, conv)
        stride, padding = conv.stride, conv.padding
        assert not isinstance(padding, str)
        y = functional.conv2d(
            x, self._weight, self._bias, stride=stride, padding=padding, groups=conv.groups
        )
        return functional.hardtanh_(y, 0.0, 6.0) if self._relu6 else y


@dataclass(frozen=True, slots=True)
class _FoldedBlock:
    layers: tuple[_Folded, ...]
    is_residual: bool

    def __call__(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        y = x
        for layer in self.layers:
            y = layer(y)
        return y.add_(x) if self.is_residual else y


class FrozenLite:
    """See `EfficientNetLite`.

    Parameters
    ----------
    encoder : EfficientNetLite
        Its weights are copied.
    dtype : torch.dtype
        Of weights and activations.
    """

    def __init__(self, encoder: EfficientNetLite, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._levels = encoder.layout.levels
        self._stem = _Folded(encoder.stem, encoder.stem_norm, dtype, relu6=True)
        self._stages = [
            [_fold(block, dtype) for block in stage] for stage in encoder.stages_of_blocks()
        ]

    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, ...]:
        """Maps of every level, fine to coarse; `images` normalised."""
        return self.from_first(self.first(images))

    def first(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Map at stride 2, of the first stage; `images` normalised."""
        return _through(self._stages[0], self._stem(images.to(self.dtype)))

    def from_first(self, x: Float[Tensor, "B C h w"]) -> tuple[Tensor, ...]:
        """Maps of every level from that of the first stage, which is not modified."""
        levels = []
        for number, stage in enumerate(self._stages):
            x = _through(stage, x) if number > 0 else x
            if number in self._levels:
                levels.append(x)
        return tuple(levels)


def _through(stage: list[_FoldedBlock], x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
    for block in stage:
        x = block(x)
    return x


def _fold(block: Block, dtype: torch.dtype) -> _FoldedBlock:
    layers = [_Folded(block.depthwise, block.depthwise_norm, dtype, relu6=True)]
    if block.expand is not None:
        layers.insert(0, _Folded(block.expand, block.expand_norm, dtype, relu6=True))
    layers.append(_Folded(block.project, block.project_norm, dtype, relu6=False))
    return _FoldedBlock(tuple(layers), block.is_residual)
