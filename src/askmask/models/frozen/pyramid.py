"""The default network made ready for prediction: `PyramidNet.freeze`.

What no dropout touches is computed once: the maps of the encoder (which may be kept from another
time, see `Frozen.features`), the terms of the pyramid, the coarsest level, the detail. A sample is
then two small convolutions at strides 16 and 8, a separable one at stride 4, and sums. Of two
classes only the difference of the logits is made, for their softmax needs no more.
"""

from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.calibration import LogitScaling
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen.detail import Convolution, FrozenDetail
from askmask.models.frozen.lite import FrozenLite
from askmask.models.frozen.network import Frozen, ImageSamples
from askmask.models.frozen.pyramid_steps import Maps, Norm, Sums, steps_for
from askmask.models.grid import pad_to_multiple
from askmask.query.scores import SampleSums

if TYPE_CHECKING:
    from askmask.models.pyramid import PyramidNet

_PIXELS_AT_A_TIME: Final = {"cpu": 2**21, "cuda": 2**25}
"""On CPUs eight samples of 512 x 512 pixels: a sixth faster than two, and 100 MB."""


class FrozenPyramid(Frozen):
    """See `askmask.models.pyramid`; made by `PyramidNet.freeze`."""

    def __init__(self, model: "PyramidNet", dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.n_classes = model.n_classes
        self._device = next(model.parameters()).device
        self._normalization = model.normalization
        self.steps = steps_for(model.options.width, model.options.dropout, self._device)
        with torch.no_grad():
            self._encoder = FrozenLite(model.encoder, dtype)
            self._laterals = [
                (Convolution(lateral.conv, dtype), Norm(lateral.norm))
                for lateral in model.lateral_layers()
            ]
            self.levels = [
                (Convolution(level.conv, dtype), Norm(level.norm)) for level in model.level_layers()
            ]
            finest = model.finest
            self.depthwise = Convolution(finest.depthwise, dtype)
            self.pointwise = Convolution(finest.pointwise, dtype)
            self.last_norm = Norm(finest.norm)
            self._detail = FrozenDetail(model.detail, dtype)
            self._detail_head = _head(model.detail.head)
            self._heads = (_head(model.foreground_head), _head(model.boundary_head))
        self.features_key = None if model.options.thaw_stages else model.encoder_digest()

    @torch.no_grad()
    def features(self, image: Float[Tensor, "1 3 H W"]) -> tuple[Tensor, ...]:
        """Maps of the encoder; see `Frozen.features`."""
        return self._encoder(pad_to_multiple(self._normalization(image)))

    @torch.no_grad()
    def start(
        self,
        image: Float[Tensor, "1 3 H W"],
        *,
        boundary: bool,
        scaling: LogitScaling | None = None,
        features: tuple[Tensor, ...] = (),
    ) -> "ImageSamples":
        """Compute what no dropout touches; see `Frozen.start`."""
        padded = pad_to_multiple(self._normalization(image))
        n_maps = self._detail.n_maps
        # the first map is too large to be kept on disk, so it is computed with kept features, too
        first = [self._encoder.first(padded)] if n_maps or not features else []
        levels = features or self._encoder.from_first(*first)
        terms = [
            norm(conv(level.to(self.dtype)))
            for (conv, norm), level in zip(self._laterals, levels, strict=True)
        ]
        conv, norm = self.levels[0]
        terms[-1] = functional.relu_(norm(conv(terms[-1])))
        mixing = _mixing(self.n_classes, boundary=boundary, scaling=scaling, device=self._device)
        weight, bias = (torch.cat(parts) for parts in zip(*self._heads, strict=True))
        size = (image.shape[2], image.shape[3])
        seen = (*first, *levels)[:n_maps]
        base = self._base(self._detail(padded, seen), mixing)[:, : size[0], : size[1]]
        return _PyramidSamples(
            self,
            [term.contiguous(memory_format=torch.channels_last) for term in terms],
            (mixing[0] @ weight, mixing[0] @ bias),
            self.steps.new_sums(base.contiguous(), self.n_classes),
        )

    def samples_at_a_time(self, height: int, width: int) -> int:
        """See `Frozen.samples_at_a_time`."""
        pixels = _PIXELS_AT_A_TIME.get(self._device.type, 2**21)
        return max(1, min(64, pixels // (height * width)))

    def _base(
        self, x: Float[Tensor, "1 D g v"], mixing: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "K G V"]:
        """Logits of the detail, mixed as those of the samples are, and the shift."""
        weight, bias = self._detail_head
        matrix, shift = mixing
        # the head makes K logits for each of four pixels, pixel fastest: mix K, keep the pixels
        fours = matrix @ weight.view(matrix.shape[1], -1)  # (L, 4 * D)
        weight = fours.view(len(matrix) * 4, -1).to(self.dtype)
        bias = (matrix @ bias.view(-1, 4) + shift[:, None]).flatten()
        logits = functional.conv2d(x, weight[:, :, None, None]).float() + bias.view(1, -1, 1, 1)
        return functional.pixel_shuffle(logits, 2)[0]


class _PyramidSamples(ImageSamples):
    def __init__(
        self,
        network: FrozenPyramid,
        terms: list[Maps],
        heads: tuple[Float[Tensor, "K D"], Float[Tensor, "K"]],
        sums: Sums,
    ) -> None:
        self._network = network
        self._terms = terms
        self._heads = heads
        self._sums = sums

    @torch.no_grad()
    def draw(self, noise: KeyedNoise | NoNoise, n_samples: int) -> None:
        network, steps = self._network, self._network.steps
        fine, eighth, sixteenth, coarsest = self._terms
        x = steps.dropped(coarsest, noise, n_samples, "stride32")
        middle = ((sixteenth, "stride16"), (eighth, "stride8"))
        for (term, layer), (conv, norm) in zip(middle, network.levels[1:], strict=True):
            x = conv(steps.add_upsampled(x, term, noise, None))
            x = steps.norm_relu_drop(x, norm, noise, layer)
        x = steps.add_upsampled(x, fine, noise, "stride4")
        x = network.pointwise(network.depthwise(x))
        self._sums.add(steps.heads(x, network.last_norm, noise, "heads", self._heads))

    def result(self) -> tuple[SampleSums, Float[Tensor, "H W"] | None]:
        return self._sums.result()


def _head(head: nn.Conv2d) -> tuple[Float[Tensor, "K D"], Float[Tensor, "K"]]:
    assert head.bias is not None
    return head.weight.detach().flatten(1).float(), head.bias.detach().float()


def _mixing(
    n_classes: int, *, boundary: bool, scaling: LogitScaling | None, device: torch.device
) -> tuple[Float[Tensor, "L K"], Float[Tensor, "L"]]:
    """What becomes of the network's K = C + 2 logits before the softmax: a matrix and a shift.

    Classes are scaled; two of them become the second minus the first, as do those of a contour.
    """
    scale = torch.tensor([1.0] * n_classes if scaling is None else scaling.scale)
    shift = torch.tensor([0.0] * n_classes if scaling is None else scaling.shift)
    classes = torch.cat([torch.diag(scale), torch.zeros(n_classes, 2)], dim=1)
    if n_classes == 2:
        classes, shift = classes[1:] - classes[:1], shift[1:] - shift[:1]
    if boundary:
        contour = torch.tensor([[0.0] * n_classes + [-1.0, 1.0]])
        classes, shift = torch.cat([classes, contour]), torch.cat([shift, torch.zeros(1)])
    return classes.to(device), shift.to(device)
