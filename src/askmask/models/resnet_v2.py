"""Pre-activation ResNet at output stride 16: the encoder of the two-decoder network.

Batch norm and ReLU come before each convolution, and what runs from unit to unit is the bare sum
(He et al. 2016, arXiv:1603.05027). The layout is that of the Gluon ResNet-50 v2 weights: the
stride of a stage sits on the 3x3 convolution of its first unit. Dropout is not in here; the
network places it between the units.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.normalization import Normalization


@dataclass(frozen=True, slots=True)
class ResNetLayout:
    """Sizes of an encoder of four stages.

    Attributes
    ----------
    stem : int
        Channels of the first convolution.
    widths : four ints
        Channels inside the bottleneck units of each stage.
    units : four ints
        Number of units in each stage.
    expansion : int
        Channels of a stage's output are its width times this.
    """

    stem: int
    widths: tuple[int, int, int, int]
    units: tuple[int, int, int, int]
    expansion: int = 4

    def channels(self, stage: int) -> int:
        """Channels of the output of `stage`, counted from 1."""
        return self.widths[stage - 1] * self.expansion


RESNET50 = ResNetLayout(stem=64, widths=(64, 128, 256, 512), units=(3, 4, 6, 3))
_STRIDES = (1, 2, 2, 1)
_DILATIONS = (1, 1, 1, 2)  # the last stage keeps stride 16 and widens its kernels instead


class ResidualUnit(nn.Module):
    """Pre-activation bottleneck unit: 1x1, 3x3, 1x1 convolutions beside a shortcut.

    Parameters
    ----------
    channels_in, width, channels_out : int
        Channels of the input, between the convolutions, and of the output.
    stride, dilation : int
        Of the 3x3 convolution.
    has_projection : bool
        Whether the shortcut is a 1x1 convolution of the activated input (first unit of a stage)
        or the input itself.
    """

    def __init__(
        self,
        channels_in: int,
        width: int,
        channels_out: int,
        *,
        stride: int,
        dilation: int,
        has_projection: bool,
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, width, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.norm3 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, channels_out, 1, bias=False)
        self.projection = (
            nn.Conv2d(channels_in, channels_out, 1, stride=stride, bias=False)
            if has_projection
            else None
        )

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Output of the unit; `x` is not modified."""
        # In-place steps act on tensors made here and save a third of the memory traffic.
        active = functional.relu_(self.norm1(x))
        shortcut = x if self.projection is None else self.projection(active)
        inner = functional.relu_(self.norm2(self.conv1(active)))
        inner = functional.relu_(self.norm3(self.conv2(inner)))
        output: Tensor = self.conv3(inner)
        return output.add_(shortcut)


class Stem(nn.Module):
    """7x7 convolution with stride 2, batch norm, ReLU, and a 3x3 maximum with stride 2."""

    floor: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        # The ReLU's floor. Published weights without a ReLU here (timm's) set it to -inf; a
        # buffer, so that a saved network knows which it has.
        self.register_buffer("floor", torch.zeros(()))

    def forward(self, x: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Activations at stride 4."""
        pooled = functional.max_pool2d(self.norm(self.conv(x)), 3, stride=2, padding=1)
        return torch.maximum(pooled, self.floor)  # the same before and after; here on a quarter


class ResNetV2(nn.Module):
    """Encoder with a stem and four stages at strides 4, 8, 16, 16.

    ``stages[s - 1][u]`` is unit u of stage s. A pixel (i, j) of a map at stride n is centred at
    the image's pixel (n * i, n * j).

    Parameters
    ----------
    layout : ResNetLayout
        Its sizes.
    """

    def __init__(self, layout: ResNetLayout = RESNET50) -> None:
        super().__init__()
        self.normalization = Normalization()
        self.stem = Stem(layout.stem)
        self.stages = nn.ModuleList()
        channels = layout.stem
        for stage in range(4):
            units = nn.ModuleList()
            for unit in range(layout.units[stage]):
                units.append(
                    ResidualUnit(
                        channels,
                        layout.widths[stage],
                        layout.channels(stage + 1),
                        stride=_STRIDES[stage] if unit == 0 else 1,
                        dilation=_DILATIONS[stage],
                        has_projection=unit == 0,
                    )
                )
                channels = layout.channels(stage + 1)
            self.stages.append(units)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def units(self, stage: int) -> tuple[ResidualUnit, ...]:
        """Units of a stage, counted from 1, in order."""
        return tuple(unit for unit in self._stage(stage) if isinstance(unit, ResidualUnit))

    def frozen_parts(self, n_stages: int) -> tuple[nn.Module, ...]:
        """Stem and the first `n_stages` stages; nothing for 0."""
        if n_stages == 0:
            return ()
        return (self.stem, *(self._stage(stage + 1) for stage in range(n_stages)))

    def _stage(self, stage: int) -> nn.ModuleList:
        units = self.stages[stage - 1]
        assert isinstance(units, nn.ModuleList)
        return units
