"""The default network: ImageNet features, a pyramid of sums with dropout, and detail at full size.

An EfficientNet-Lite0 that keeps its weights gives maps at strides 4, 8, 16 and 32. They are
summed from coarse to fine (Lin et al. 2017, feature pyramids, arXiv:1612.03144), with dropout on
every sum; the logits are made at stride 4. What stride 4 cannot say comes from the detail, a small
U-Net on the pixels and the encoder's finer maps (`askmask.models.detail`). Its logits are added at
full resolution, the same ones to every sample.

So everything that differs between samples is a few small convolutions, and the rest is computed
once for an image: the encoder even once for all rounds.
"""

from typing import Final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.contract import Features, Model, Outputs
from askmask.models.detail import GROUPS, MOST_LEVELS, Detail, Layer, in_fours, small_head
from askmask.models.dropout import Noise
from askmask.models.efficientnet_lite import LITE0, EfficientNetLite, LiteLayout
from askmask.models.frozen.lite import FrozenLite
from askmask.models.frozen.network import Frozen
from askmask.models.frozen.pyramid import FrozenPyramid
from askmask.models.grid import pad_to_multiple, upsample_behind
from askmask.models.group_norm import GroupNorm
from askmask.models.normalization import Normalization
from askmask.models.weights import digest_tensors
from askmask.options import Options

_SCALE: Final = 127 / 255, 128 / 255  # the published weights expect (255 x - 127) / 128
LEVELS: Final = ("stride32", "stride16", "stride8")


class PyramidOptions(Options):
    """Options of the network ``pyramid``.

    Attributes
    ----------
    width : int
        Channels of every sum, a multiple of 16.
    detail : int
        Channels of the detail at half the image's resolution; a multiple of 8.
    detail_levels : int
        Resolutions that the detail works at. With 1 it sees the pixels around a place alone. Each
        further one halves the resolution and doubles the channels; then the encoder's maps of
        these strides are seen as well.
    dropout : float
        Probability on every sum and before the heads. A multiple of 1/4 or 1/8 is drawn several
        times faster than other numbers, see `askmask.models.dropout.packed_keep_mask`.
    thaw_stages : int
        So many of the encoder's seven stages, the last ones, are trained, too. Their batch norms
        keep the statistics of ImageNet.
    """

    width: int = Field(64, ge=16, le=512, multiple_of=16)
    detail: int = Field(16, ge=8, le=128, multiple_of=GROUPS)
    detail_levels: int = Field(3, ge=1, le=MOST_LEVELS)
    dropout: float = Field(0.25, ge=0, lt=1)
    thaw_stages: int = Field(0, ge=0, le=7)


class SeparableLayer(nn.Module):
    """3x3 convolution of each channel, 1x1 convolution of all, group norm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = GroupNorm(GROUPS, channels)
        nn.init.kaiming_normal_(self.pointwise.weight, nonlinearity="relu")

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Output >= 0, of the same size."""
        return functional.relu_(self.norm(self.pointwise(self.depthwise(x))))


class Lateral(nn.Module):
    """From a map of the encoder to a term of the pyramid: 1x1 convolution, group norm."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.norm = GroupNorm(GROUPS, channels_out)

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D h w"]:
        """Output of the same size."""
        y: Tensor = self.norm(self.conv(x))
        return y


class PyramidNet(Model):
    """Segmentation network with a foreground and a boundary head on frozen ImageNet features.

    Parameters
    ----------
    n_classes : int
        Channels of the foreground logits.
    options : PyramidOptions
        Sizes, dropout, thawing.
    _layout : LiteLayout
        Sizes of the encoder; tests take small ones.

    Notes
    -----
    Images are padded at the bottom and the right, by repeating the last row and column, to a
    multiple of 32. Every norm outside the encoder is a group norm, so the pass without dropout
    judges like the mean of samples, and a training can be short.
    """

    has_boundary = True

    def __init__(
        self,
        n_classes: int,
        options: PyramidOptions = PyramidOptions(),  # noqa: B008 - frozen
        *,
        _layout: LiteLayout = LITE0,
    ) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.options = options
        mean, std = ((value,) * 3 for value in _SCALE)
        self.normalization = Normalization(mean, std)
        self.encoder = EfficientNetLite(_layout)
        width = options.width
        self.laterals = nn.ModuleList(Lateral(channels, width) for channels in _layout.channels)
        self.levels = nn.ModuleList(Layer(width, width) for _ in LEVELS)  # coarse to fine
        self.finest = SeparableLayer(width)
        self.foreground_head = small_head(width, n_classes)
        self.boundary_head = small_head(width, 2)
        maps = (_layout.stages[0].channels, *_layout.channels)[: options.detail_levels]
        seen = maps if options.detail_levels > 1 else ()
        self.detail = Detail(options.detail, n_classes + 2, seen, options.dropout)
        self._thawed = tuple(self.encoder.stages)[7 - options.thaw_stages :]
        self.encoder.requires_grad_(requires_grad=False)
        for stage in self._thawed:
            stage.requires_grad_(requires_grad=True)
        self._folding: tuple[object, FrozenLite] | None = None

    def train(self, mode: bool = True) -> "PyramidNet":
        """Switch to train or eval mode; the encoder's batch norms stay in eval mode."""
        super().train(mode)
        self.encoder.eval()
        return self

    def lateral_layers(self) -> list[Lateral]:
        """Return the layers from the encoder's maps to the terms of the sums, fine to coarse."""
        return [layer for layer in self.laterals if isinstance(layer, Lateral)]

    def level_layers(self) -> list[Layer]:
        """Return the layers at strides 32, 16 and 8."""
        return [layer for layer in self.levels if isinstance(layer, Layer)]

    def encoder_digest(self) -> str:
        """Hex digest of what the maps of the encoder depend on beside the image."""
        return digest_tensors({**self.encoder.state_dict(), **self.normalization.state_dict()})

    def _folded(self, dtype: torch.dtype) -> FrozenLite:
        """Return the encoder as predictions use it, a quarter faster; made anew if it changed."""
        tensors = self.encoder.state_dict(keep_vars=True).values()
        device = next(self.encoder.parameters()).device.type
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
        # torch counts changes in place there, and has no public name for it
        state = (dtype, *((tensor.data_ptr(), tensor._version) for tensor in tensors))  # noqa: SLF001
        if self._folding is None or self._folding[0] != state:
            with torch.no_grad():
                self._folding = state, FrozenLite(self.encoder, dtype)
        return self._folding[1]

    def freeze(self, dtype: torch.dtype) -> Frozen:
        """Fold and lay out the weights for prediction; see `Model.freeze`."""
        return FrozenPyramid(self, dtype)

    def prefix(self, images: Float[Tensor, "B 3 H W"]) -> Features:
        """Terms of the pyramid, the coarsest level, the image's size, and the detail's logits.

        The fifth tensor, (B, 0, H, W), carries the size that the logits are cropped to. In train
        mode the detail has dropout, too, so what it is made from comes in place of its logits.
        """
        x = pad_to_multiple(self.normalization(images))
        encoder = self._folded(x.dtype) if self.training and not self._thawed else self.encoder
        first = encoder.first(x)
        maps = encoder.from_first(first)
        fine, *middle, coarse = (
            lateral(level) for lateral, level in zip(self.laterals, maps, strict=True)
        )
        seen = (first, *maps)[: self.detail.n_maps]
        detail = (in_fours(x), *seen) if self.training else (self.detail(in_fours(x), seen),)
        return (fine, *middle, self.levels[0](coarse), images[:, :0], *detail)

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        """Sums from coarse to fine with their dropout, and the heads."""
        fine, eighth, sixteenth, coarse, sized, detail, *seen = features
        if self.training:
            detail = self.detail(detail, seen, noise)
        dropout = self.options.dropout
        x = noise.dropout(coarse, dropout, LEVELS[0])
        for term, level, name in zip(
            (sixteenth, eighth), list(self.levels)[1:], LEVELS[1:], strict=True
        ):
            x = noise.dropout(level(term + upsample_behind(x, 2)), dropout, name)
        x = noise.dropout(fine + upsample_behind(x, 2), dropout, "stride4")
        x = noise.dropout(self.finest(x), dropout, "heads")
        height, width = sized.shape[2:]
        own, contour = detail[:, : self.n_classes], detail[:, self.n_classes :]
        foreground = upsample_behind(self.foreground_head(x), 4) + own
        outputs = foreground[:, :, :height, :width]
        if not boundary:
            return Outputs(foreground=outputs)
        both = upsample_behind(self.boundary_head(x), 4) + contour
        return Outputs(foreground=outputs, boundary=both[:, :, :height, :width])
