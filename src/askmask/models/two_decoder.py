"""Two decoders on a pre-activation ResNet: the network of Li & Alstrøm 2020 (arXiv:2007.06364).

One decoder for the classes (foreground), one for the contours (boundary). Each adds up the logits
of three branches, from the outputs of stages 2, 3 and 4 of the encoder.
"""

import math
from typing import Any, Final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.contract import Features, Model, Outputs
from askmask.models.dropout import Noise
from askmask.models.frozen.network import Frozen
from askmask.models.frozen.two_decoder import FrozenTwoDecoder
from askmask.models.resnet_v2 import RESNET50, ResNetLayout, ResNetV2
from askmask.options import Options

_KERNEL: Final = 24
_STRIDE: Final = 16
# Rows of the kernel before the pixel that a feature is centred at: each pixel is then reached by
# the feature nearest to it, and the ceil(H / 16) features of H rows reach them all.
_BEFORE: Final = _STRIDE // 2


class TwoDecoderOptions(Options):
    """Options of the network ``two_decoder_resnet50``.

    Attributes
    ----------
    dropout : float
        Probability after every unit of stages 3 and 4; nowhere else.
    freeze_stages : int
        Stem and so many stages keep their weights and batch-norm statistics; 0 trains everything.
    """

    dropout: float = Field(0.5, ge=0, lt=1)
    freeze_stages: int = Field(0, ge=0, le=3)


class Upsampling(nn.Module):
    """Transposed convolution, kernel 24 and stride 16, aligned with the pixels of its features.

    Feature (i, j), whose receptive field is centred at the image's pixel (16 i, 16 j), reaches
    rows 16 i - 8 ... 16 i + 15 and the like columns.

    Parameters
    ----------
    channels_in, channels_out : int
        Channels of the features and of the output.

    Notes
    -----
    Computed as one matrix product and an overlap-add, equal to `conv_transpose2d` up to rounding
    and several times faster on CPUs for few output channels.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_in, channels_out, _KERNEL, _KERNEL))
        self.bias = nn.Parameter(torch.empty(channels_out))

    def forward(
        self, features: Float[Tensor, "B D h w"], size: tuple[int, int]
    ) -> Float[Tensor, "B C H W"]:
        """Output at `size` (H, W), where h = ceil(H / 16) and w = ceil(W / 16)."""
        pixels = features.permute(0, 2, 3, 1)  # (B, h, w, D), no copy
        patches = pixels @ self.weight.flatten(1)  # (B, h, w, C * 24 * 24)
        inside: Tensor = _OverlapAdd.apply(patches, size)  # type: ignore[no-untyped-call]
        return inside + self.bias.view(1, -1, 1, 1)


class _OverlapAdd(torch.autograd.Function):
    """Sum of the patches, each at its feature's place, cut to the image.

    `fold` with a backward that reads the patches through a view: `unfold` is many times slower.
    """

    @staticmethod
    def forward(ctx: Any, patches: Tensor, size: tuple[int, int]) -> Tensor:
        _, height, width, _ = patches.shape
        whole = functional.fold(
            patches.flatten(1, 2).transpose(1, 2),
            (_reach(height), _reach(width)),
            _KERNEL,
            stride=_STRIDE,
        )
        ctx.patches = patches.shape
        return whole[:, :, _BEFORE : _BEFORE + size[0], _BEFORE : _BEFORE + size[1]]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        below, right = (
            _reach(n) - _BEFORE - length
            for n, length in zip(ctx.patches[1:3], gradient.shape[2:], strict=True)
        )
        whole = functional.pad(gradient, (_BEFORE, right, _BEFORE, below))
        windows = whole.unfold(2, _KERNEL, _STRIDE).unfold(3, _KERNEL, _STRIDE)
        return windows.permute(0, 2, 3, 1, 4, 5).reshape(ctx.patches), None


def _reach(n_features: int) -> int:
    """Pixels that so many features in a row add to."""
    return (n_features - 1) * _STRIDE + _KERNEL


class Branch(nn.Module):
    """From the output of a stage to logits: transposed convolution, ReLU, 1x1 convolution, ReLU.

    Parameters
    ----------
    channels_in : int
        Channels of the stage.
    n_classes : int
        Channels of the logits.

    Notes
    -----
    A ReLU ends the branch, so a channel that is negative everywhere is 0, gets no gradient and
    never comes back. The start keeps both ReLUs open almost everywhere: biases of 1, a transposed
    convolution whose output then spreads by about 0.25 around it, a 1x1 convolution that starts
    as the identity with a little noise. All classes start near equal, as after a usual start.
    """

    def __init__(self, channels_in: int, n_classes: int) -> None:
        super().__init__()
        self.upsampling = Upsampling(channels_in, n_classes)
        self.score = nn.Conv2d(n_classes, n_classes, 1)
        # Every output pixel adds up (24 / 16)^2 features of channels_in channels each.
        terms = channels_in * (_KERNEL / _STRIDE) ** 2
        nn.init.normal_(self.upsampling.weight, std=0.25 / math.sqrt(terms))
        nn.init.ones_(self.upsampling.bias)
        nn.init.normal_(self.score.weight, std=0.05)
        with torch.no_grad():
            self.score.weight += torch.eye(n_classes).view(n_classes, n_classes, 1, 1)
        assert self.score.bias is not None
        nn.init.zeros_(self.score.bias)

    def forward(
        self, features: Float[Tensor, "B D h w"], size: tuple[int, int]
    ) -> Float[Tensor, "B C H W"]:
        """Logits >= 0 at `size` (H, W)."""
        return functional.relu_(self.score(functional.relu_(self.upsampling(features, size))))


class Decoder(nn.Module):
    """Three branches, from stages 2, 3 and 4; its logits are their sum."""

    def __init__(self, layout: ResNetLayout, n_classes: int) -> None:
        super().__init__()
        self.stage2 = Branch(layout.channels(2), n_classes)
        self.stage3 = Branch(layout.channels(3), n_classes)
        self.stage4 = Branch(layout.channels(4), n_classes)


class TwoDecoder(Model):
    """Segmentation network with a foreground and a boundary decoder on a ResNet-50 v2.

    The prefix ends with the first unit of stage 3, before its dropout, and holds the branches of
    stage 2, which no dropout touches.

    Parameters
    ----------
    n_classes : int
        Channels of the foreground logits.
    options : TwoDecoderOptions
        Dropout and freezing.
    _layout : ResNetLayout
        Sizes of the encoder; tests take small ones.

    Notes
    -----
    Train it with Adam's epsilon at 1e-3, as the paper does. A step of Adam with 1e-8 moves all
    2048 inputs of a branch by the learning rate, and its last ReLU soon shuts for good: on GlaS,
    at a learning rate of 1e-3, the branch of stage 4 was 0 everywhere within 40 steps.

    Judge it by Monte Carlo samples, too. Its batch norms learn statistics of activations that nine
    dropouts have spread out, so a pass without dropout is off their scale (Li et al. 2019,
    arXiv:1801.05134): after 90 steps on GlaS its Dice was 0.19, that of 5 samples 0.78.
    """

    has_boundary = True

    def __init__(
        self,
        n_classes: int,
        options: TwoDecoderOptions = TwoDecoderOptions(),  # noqa: B008 - frozen
        *,
        _layout: ResNetLayout = RESNET50,
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.encoder = ResNetV2(_layout)
        self.foreground = Decoder(_layout, n_classes)
        self.boundary = Decoder(_layout, 2)
        self._dropout = options.dropout
        self._freeze_stages = options.freeze_stages
        for part in self.encoder.frozen_parts(self._freeze_stages):
            # Nothing before a trained weight keeps a graph, so the frozen part costs no backward.
            part.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> "TwoDecoder":
        """Switch to train or eval mode; frozen stages stay in eval mode."""
        super().train(mode)
        for part in self.encoder.frozen_parts(self._freeze_stages):
            part.eval()
        return self

    def prefix(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """First unit of stage 3, and the logits of both branches of stage 2."""
        size = (images.shape[2], images.shape[3])
        x = self.encoder.normalization(images)
        x = self.encoder.stem(x)
        for unit in (*self.encoder.units(1), *self.encoder.units(2)):
            x = unit(x)
        # Stage 2 is at stride 8 here. Its branch is at stride 16 like the others, as in the
        # paper's encoder, where the same subsampling ends stage 2.
        stage2 = x[:, :, ::2, ::2]
        return (
            self.encoder.units(3)[0](x),
            self.foreground.stage2(stage2, size),
            self.boundary.stage2(stage2, size),
        )

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        """Rest of the encoder with its dropout, and the decoders."""
        x, foreground2, boundary2 = features
        stage3 = noise.dropout(x, self._dropout, "stage3_unit1")
        for number, unit in enumerate(self.encoder.units(3)[1:], start=2):
            stage3 = noise.dropout(unit(stage3), self._dropout, f"stage3_unit{number}")
        stage4 = stage3
        for number, unit in enumerate(self.encoder.units(4), start=1):
            stage4 = noise.dropout(unit(stage4), self._dropout, f"stage4_unit{number}")
        size = (foreground2.shape[2], foreground2.shape[3])
        branches = (
            foreground2,
            self.foreground.stage3(stage3, size),
            self.foreground.stage4(stage4, size),
        )
        boundary_branches = (
            (boundary2, self.boundary.stage3(stage3, size), self.boundary.stage4(stage4, size))
            if boundary
            else ()
        )
        return Outputs(
            foreground=branches[0] + branches[1] + branches[2],
            boundary=(
                boundary_branches[0] + boundary_branches[1] + boundary_branches[2]
                if boundary_branches
                else None
            ),
            auxiliary_foreground=branches if self.training else (),
            auxiliary_boundary=boundary_branches if self.training else (),
        )

    def freeze(self, dtype: torch.dtype) -> Frozen:
        """Fold and lay out the weights for prediction; see `Model.freeze`."""
        return FrozenTwoDecoder(self, self._dropout, dtype)
