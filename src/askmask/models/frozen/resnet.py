"""Pre-activation units and stem with batch norm folded away, on rows of features.

A map of B images of h x w features is kept as its rows, (B * h * w, D): one feature a row, which is
how channels last lies in memory, so a 1x1 convolution is a matrix product.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from askmask.models.frozen.workspace import Workspace
from askmask.models.resnet_v2 import ResidualUnit, ResNetV2, Stem

MapRows = Float[Tensor, "_ _"]  # features, channels


@dataclass(frozen=True, slots=True)
class MapSize:
    """Sizes of a map that is kept as rows."""

    batch: int
    height: int
    width: int

    def image(self, rows: MapRows) -> Float[Tensor, "B D h w"]:
        """View rows as a map, channels last in memory."""
        view = rows.view(self.batch, self.height, self.width, -1)
        return view.permute(0, 3, 1, 2)


def to_rows(images: Float[Tensor, "B D h w"]) -> tuple[MapRows, MapSize]:
    """Rows of a map, without a copy if it is channels last in memory."""
    batch, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(-1, channels)
    return rows, MapSize(batch, height, width)


class Activation:
    """Batch norm and ReLU as a clamp, whose scale and shift go into the layers behind it.

    With y = g x + b, relu(y) is g (max(x, c) - c) for g > 0 and g (min(x, c) - c) for g < 0, where
    c = -b / g. So the activation is a clamp of x, and a linear layer behind it takes the weights
    W g and the bias -W g c. One pass over the memory instead of two, and x is rounded once less.

    Parameters
    ----------
    norm : nn.BatchNorm2d
        Its running statistics are used.
    dtype : torch.dtype
        Of the activations.
    """

    def __init__(self, norm: nn.BatchNorm2d, dtype: torch.dtype) -> None:
        scale, shift = affine(norm)
        is_constant = scale == 0  # relu(b) whatever x is: clamped to 0, and a term of the bias
        corner = torch.where(is_constant, 0.0, -shift / scale).to(dtype)
        infinite = torch.full_like(corner, float("inf"))
        self.low = torch.where(scale < 0, -infinite, corner)
        self.high = torch.where(scale > 0, infinite, corner)
        self._needs_high = bool((scale <= 0).any())
        self._scale = scale
        self._corner = corner.double()
        self._constant = torch.where(is_constant, shift.clamp(min=0), 0.0)

    def __call__(self, x: MapRows, out: Tensor | None = None) -> MapRows:
        """Clamp rows; `x` is not modified."""
        if self._needs_high:
            return torch.clamp(x, self.low, self.high, out=out)
        return torch.maximum(x, self.low, out=out)

    def fold_into(
        self, weight: Float[Tensor, "E D"], bias: Float[Tensor, "E"] | None, dtype: torch.dtype
    ) -> "Linear":
        """Layer on clamped rows that equals a layer on the activation's true values."""
        folded = (weight.double() * self._scale).to(dtype)
        # From the rounded weight and corner, so that they cancel where the ReLU is shut.
        offset = weight.double() @ self._constant - folded.double() @ self._corner
        return Linear(folded, offset if bias is None else offset + bias)


class Linear:
    """A 1x1 convolution as a matrix product."""

    def __init__(self, weight: Float[Tensor, "E D"], bias: Float[Tensor, "E"] | None) -> None:
        self.weight = weight.t().contiguous()  # (D, E), which the product reads fastest
        self.bias = None if bias is None else bias.to(weight.dtype)

    def __call__(self, rows: MapRows, out: Tensor | None = None) -> MapRows:
        """Product with the weights, plus the bias."""
        if self.bias is None:
            return torch.mm(rows, self.weight, out=out)
        return torch.addmm(self.bias, rows, self.weight, out=out)

    def add_to(self, total: MapRows, rows: MapRows) -> MapRows:
        """Add the product to `total`, in place."""
        return total.addmm_(rows, self.weight)


class FrozenUnit:
    """A `ResidualUnit` on rows."""

    def __init__(self, unit: ResidualUnit, dtype: torch.dtype) -> None:
        self.activation = Activation(unit.norm1, dtype)
        scale2, shift2 = affine(unit.norm2)
        scale3, shift3 = affine(unit.norm3)
        conv1 = unit.conv1.weight.flatten(1).double() * scale2[:, None]
        self.conv1 = self.activation.fold_into(conv1, shift2, dtype)
        self.projection = (
            None
            if unit.projection is None
            else self.activation.fold_into(unit.projection.weight.flatten(1), None, dtype)
        )
        self._weight2 = scaled(unit.conv2.weight, scale3, dtype)
        self._bias2 = shift3.to(dtype)
        self._dilation = int(unit.conv2.dilation[0])
        self._stride = int(unit.conv2.stride[0])
        self.conv3 = Linear(unit.conv3.weight.flatten(1).to(dtype), None)

    def __call__(
        self, x: MapRows, active: MapRows, grid: MapSize, memory: Workspace
    ) -> tuple[MapRows, MapSize]:
        """Output of the unit from its input and the clamped input.

        `x` is overwritten where it is the shortcut: where the unit has no projection. Else the
        output lies in the buffer ``"projected"``.
        """
        size = (len(active), self.conv1.weight.shape[1])
        inner = memory.take("inner", size, active.dtype, active.device)
        inner, small = self._conv2(grid.image(self.conv1(active, out=inner).relu_()))
        shortcut = x
        if self.projection is not None:
            if self._stride > 1:
                active, _ = to_rows(grid.image(active)[:, :, :: self._stride, :: self._stride])
            size = (len(active), self.projection.weight.shape[1])
            shortcut = memory.take("projected", size, active.dtype, active.device)
            self.projection(active, out=shortcut)
        return self.conv3.add_to(shortcut, inner), small

    def _conv2(self, x: Float[Tensor, "B D h w"]) -> tuple[MapRows, MapSize]:
        y = functional.conv2d(
            x,
            self._weight2,
            self._bias2,
            stride=self._stride,
            padding=self._dilation,
            dilation=self._dilation,
        )
        return to_rows(y.relu_())


class FrozenEncoder:
    """Everything of a `ResNetV2`, unit by unit.

    The stem and stage 1 are float32 whatever the dtype of the rest: they run once per image, and
    what they round away is missing from every sample alike, so that samples do not average it out.
    """

    def __init__(self, encoder: ResNetV2, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._normalization = encoder.normalization
        self._stem = encoder.stem
        self._weight, self._bias = _fold_stem(encoder.stem)
        self.stages = [
            [
                FrozenUnit(unit, torch.float32 if stage == 1 else dtype)
                for unit in encoder.units(stage)
            ]
            for stage in (1, 2, 3, 4)
        ]

    def stem(self, images: Float[Tensor, "B 3 H W"]) -> tuple[MapRows, MapSize]:
        """Normalise images and run the stem."""
        x = self._normalization(images)
        x = functional.conv2d(x, self._weight, self._bias, stride=2, padding=3)
        x = torch.clamp_(x, min=self._stem.floor.item())
        return to_rows(functional.max_pool2d(x, 3, stride=2, padding=1))


def affine(norm: nn.BatchNorm2d) -> tuple[Float[Tensor, "D"], Float[Tensor, "D"]]:
    """Scale and shift of a batch norm in eval mode, float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    scale = norm.weight.double() / (variance.double() + norm.eps).sqrt()
    return scale, norm.bias.double() - mean.double() * scale


def _fold_stem(stem: Stem) -> tuple[Tensor, Tensor]:
    scale, shift = affine(stem.norm)
    return scaled(stem.conv.weight, scale, torch.float32), shift.float()


def scaled(
    weight: Float[Tensor, "E D h w"], scale: Float[Tensor, "E"], dtype: torch.dtype
) -> Float[Tensor, "E D h w"]:
    """Weights times a factor for each output, rounded once; channels last."""
    result = torch.empty_like(weight, dtype=dtype, memory_format=torch.channels_last)
    for number, factor in enumerate(scale):  # all at once would need their float64 copies
        result[number] = weight[number].double() * factor
    return result
