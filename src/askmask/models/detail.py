"""What the default network adds to its pyramid at full resolution: logits that know no samples.

A pass with dropout only touches the pyramid, so all of this is computed once for an image.
"""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.dropout import Noise, NoNoise
from askmask.models.grid import upsample_behind
from askmask.models.group_norm import GroupNorm

GROUPS: Final = 8
MOST_LEVELS: Final = 3


class Layer(nn.Module):
    """3x3 convolution, group norm, ReLU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = GroupNorm(GROUPS, channels_out)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity="relu")

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """Output >= 0, of the same size."""
        return functional.relu_(self.norm(self.conv(x)))


class Detail(nn.Module):
    """Logits at full resolution from the pixels and, with several levels, from the encoder.

    Computed at half the resolution, of which each place knows its four pixels and makes the logits
    of all four: as good as layers at full resolution here, and several times faster. Each further
    level halves the resolution again and doubles the channels; what it finds goes up again beside
    what was found above (Ronneberger et al. 2015, U-Net, arXiv:1505.04597). With several levels
    each sees the encoder's map of its stride.

    Parameters
    ----------
    channels : int
        At half the resolution, a multiple of 8.
    n_logits : int
        Channels of the output.
    maps : sequence of int
        Channels of the encoder's maps at strides 2, 4 and 8, as many as levels; none for one.
    dropout : float
        Probability, in training alone, on what goes up.
    """

    def __init__(
        self, channels: int, n_logits: int, maps: Sequence[int] = (), dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.n_maps = len(maps)
        self.first = Layer(12 + sum(maps[:1]), channels)
        self.second = Layer(channels, channels)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        above = channels
        for number, channels_of_map in enumerate(maps[1:], start=1):
            inside = channels * 2**number
            out = inside if number < len(maps) - 1 else inside // 2
            layers = Layer(above + channels_of_map, inside), Layer(inside, out)
            self.down.append(nn.Sequential(*layers))
            self.up.append(Layer(above + out, above))
            above = inside
        self.head = small_head(channels, 4 * n_logits)

    def forward(
        self,
        fours: Float[Tensor, "B 12 h w"],
        maps: Sequence[Float[Tensor, "B _ _ _"]] = (),
        noise: Noise = NoNoise(),  # noqa: B008 - it has no state
    ) -> Float[Tensor, "B K H W"]:
        """Logits, from pixels four by four (`in_fours`) and the encoder's maps, fine to coarse."""
        x = self.second(self.first(torch.cat([fours, *maps[:1]], 1)))
        found = [x]
        for layers, own in zip(self.down, maps[1:], strict=True):
            x = layers(torch.cat([functional.max_pool2d(x, 2), own], 1))
            found.append(x)
        for number in range(len(self.up), 0, -1):
            below = upsample_behind(noise.dropout(x, self.dropout, f"detail{number}"), 2)
            x = self.up[number - 1](torch.cat([found[number - 1], below], 1))
        return functional.pixel_shuffle(self.head(x), 2)

    def downward(self) -> list[list[Layer]]:
        """Return the layers of each further level, fine to coarse."""
        return [
            [layer for layer in layers.children() if isinstance(layer, Layer)]
            for layers in self.down
        ]

    def upward(self) -> list[Layer]:
        """Return the layer that joins each level with what comes from below, fine to coarse."""
        return [layer for layer in self.up if isinstance(layer, Layer)]


def in_fours(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 12 h w"]:
    """Pixels of images of even sides, four to a place; channels last."""
    return functional.pixel_unshuffle(images, 2).contiguous(memory_format=torch.channels_last)


def small_head(channels: int, n_logits: int) -> nn.Conv2d:
    """1x1 convolution that starts near 0, so that all classes start nearly equal."""
    head = nn.Conv2d(channels, n_logits, 1)
    nn.init.normal_(head.weight, std=0.01)
    assert head.bias is not None
    nn.init.zeros_(head.bias)
    return head
