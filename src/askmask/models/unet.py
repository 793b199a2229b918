"""A small U-Net (Ronneberger et al. 2015, arXiv:1505.04597) with dropout in its decoder only.

The whole encoder and the bottleneck's convolutions are the prefix, so Monte Carlo samples cost a
decoder each.
"""

from typing import Final, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.contract import Features, Model, Outputs
from askmask.models.dropout import Noise
from askmask.models.grid import upsample_centred
from askmask.models.group_norm import GroupNorm
from askmask.models.normalization import Normalization
from askmask.options import Options

_GROUPS: Final = 8


class UNetOptions(Options):
    """Options of the network ``unet``.

    Attributes
    ----------
    base_channels : int
        Channels at full resolution, a multiple of 8; they double at each level.
    depth : int
        Number of times the resolution is halved.
    dropout : float
        Probability after the bottleneck and after every level of the decoder but the finest.
    norm : str
        ``"group"``: each image by itself, the same in training and prediction. ``"batch"``: by
        running statistics, which need some hundred steps before they can be trusted.
    """

    base_channels: int = Field(16, ge=8, le=256, multiple_of=_GROUPS)
    depth: int = Field(4, ge=1, le=6)
    dropout: float = Field(0.3, ge=0, lt=1)
    norm: Literal["group", "batch"] = "group"


class _Block(nn.Module):
    """Two 3x3 convolutions, each followed by its norm and a ReLU."""

    def __init__(self, channels_in: int, channels_out: int, norm: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm1 = _norm(channels_out, norm)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = _norm(channels_out, norm)
        for conv in (self.conv1, self.conv2):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        x = functional.relu_(self.norm1(self.conv1(x)))
        return functional.relu_(self.norm2(self.conv2(x)))


class UNet(Model):
    """U-Net with a foreground and a boundary head on one decoder.

    Parameters
    ----------
    n_classes : int
        Channels of the foreground logits.
    options : UNetOptions
        Its sizes, dropout and norm.

    Notes
    -----
    Images are padded at the bottom and the right, by repeating the last row and column, to a
    multiple of ``2 ** depth``.
    """

    has_boundary = True

    def __init__(
        self,
        n_classes: int,
        options: UNetOptions = UNetOptions(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self._dropout = options.dropout
        self._depth = options.depth
        widths = [options.base_channels * 2**level for level in range(options.depth + 1)]
        self.normalization = Normalization()
        self.down = nn.ModuleList(
            _Block(before, after, options.norm)
            for before, after in zip([3, *widths[:-1]], widths, strict=True)
        )
        self.up = nn.ModuleList(  # up[level] makes the map at resolution 1 / 2**level
            _Block(widths[level + 1] + widths[level], widths[level], options.norm)
            for level in range(options.depth)
        )
        self.foreground_head = nn.Conv2d(widths[0], n_classes, 1)
        self.boundary_head = nn.Conv2d(widths[0], 2, 1)

    def prefix(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Maps of every level of the encoder, coarsest last, and an empty tensor of image size.

        The last tensor, (B, 0, H, W), carries the size that the logits are cropped to.
        """
        x = self.normalization(images)
        height, width = images.shape[2:]
        multiple = 2**self._depth
        padding = (0, -width % multiple, 0, -height % multiple)
        if any(padding):
            x = functional.pad(x, padding, mode="replicate")
            x = x.contiguous(memory_format=torch.channels_last)
        levels = [self.down[0](x)]
        for block in list(self.down)[1:]:
            levels.append(block(functional.max_pool2d(levels[-1], 2)))
        return (*levels, images[:, :0])

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        """Decoder with its dropout, and the heads."""
        *levels, sized = features
        x = noise.dropout(levels[-1], self._dropout, "bottleneck")
        for level in reversed(range(self._depth)):
            x = upsample_centred(x)
            x = self.up[level](torch.cat([x, levels[level]], dim=1))
            if level > 0:  # noise at full resolution would only speckle the map
                x = noise.dropout(x, self._dropout, f"up{level}")
        x = x[:, :, : sized.shape[2], : sized.shape[3]]
        return Outputs(
            foreground=self.foreground_head(x),
            boundary=self.boundary_head(x) if boundary else None,
        )


def _norm(channels: int, norm: str) -> nn.Module:
    return GroupNorm(_GROUPS, channels) if norm == "group" else nn.BatchNorm2d(channels)
