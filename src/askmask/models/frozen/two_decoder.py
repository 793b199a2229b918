"""The two-decoder network made ready for prediction: `TwoDecoder.freeze`.

Its decoders work on cells: the 16 x 16 pixels that begin with a feature's own. The samples' sums
stay in that order and are put into rows and columns once, when they are asked for.
"""

import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen.network import Frozen, ImageSamples, RunningSums, contour_probs
from askmask.models.frozen.resnet import (
    Activation,
    FrozenEncoder,
    FrozenUnit,
    MapRows,
    MapSize,
    to_rows,
)
from askmask.models.frozen.workspace import Workspace
from askmask.query.scores import SampleSums
from askmask.runtime.kernel import load_kernel

if TYPE_CHECKING:
    from askmask.models.two_decoder import Branch, TwoDecoder
from askmask.calibration import LogitScaling

_CELL: Final = 256  # pixels of a cell, 16 x 16, as four blocks of 8 x 8
_KERNEL: Final = 576  # pixels that a feature reaches, 24 x 24, as nine such blocks
_FEATURES_AT_A_TIME: Final = {"cpu": 3400, "cuda": 2**17}
"""On CPUs two samples of 528 x 784 pixels: more lose to cache misses."""

# A feature reaches three rows and three columns of blocks; the middle ones and the last are its
# own cell's. Blocks (row, column) by whose cell they lie in, in the order of the weights:
_OWN: Final = ((1, 1), (1, 2), (2, 2), (2, 1))
_LEFT: Final = ((1, 0), (2, 0))  # added to blocks 1 and 2 of the cell to the left
_ABOVE: Final = ((0, 2), (0, 1))  # to blocks 2 and 3 of the cell above
_CORNER: Final = ((0, 0),)  # to block 2 of the cell above and to the left


class FrozenTwoDecoder(Frozen):
    """See `askmask.models.two_decoder`; made by `TwoDecoder.freeze`."""

    def __init__(self, model: "TwoDecoder", dropout: float, dtype: torch.dtype) -> None:
        with torch.no_grad():
            encoder = model.encoder
            self.encoder = FrozenEncoder(encoder, dtype)
            self.n_classes = model.n_classes
            self.dropout = dropout
            decoders = (model.foreground, model.boundary)
            both = tuple(
                _FrozenBranches(tuple(getattr(d, name) for d in decoders), dtype)
                for name in ("stage2", "stage3", "stage4")
            )
            self.heads = {True: both, False: tuple(branches.first() for branches in both)}
        self.memory = Workspace()
        self._device = next(model.parameters()).device.type
        self.kernel = load_kernel() if self._device == "cpu" else None

    @torch.no_grad()
    def start(
        self,
        image: Float[Tensor, "1 3 H W"],
        *,
        boundary: bool,
        scaling: LogitScaling | None = None,
        features: tuple[Tensor, ...] = (),  # noqa: ARG002 - there are none
    ) -> ImageSamples:
        """Run stages 1 and 2 and the first unit of stage 3; see `Frozen.start`."""
        x, grid = self.encoder.stem(image)
        stage1, stage2, stage3, _ = self.encoder.stages
        for unit in stage1:
            x, grid = self.run(unit, x, grid)
        x = x.to(self.encoder.dtype)
        for unit in stage2:
            x, grid = self.run(unit, x, grid)
        coarse, _ = to_rows(grid.image(x)[:, :, ::2, ::2])  # the branch of stage 2 is at stride 16
        x, grid = self.run(stage3[0], x, grid)
        logits2 = [logits.clone() for logits in self.heads[boundary][0](coarse, grid, self.memory)]
        size = (image.shape[2], image.shape[3])
        kept, sums = x.clone(), RunningSums(self.n_classes, scaling)
        self.memory.clear()  # the first stages' maps are larger than what samples need
        return _TwoDecoderSamples(self, kept, grid, logits2, size, sums)

    def run(self, unit: FrozenUnit, x: MapRows, grid: MapSize) -> tuple[MapRows, MapSize]:
        """Output of a unit; `x` may be overwritten."""
        active = self.memory.take("active", tuple(x.shape), x.dtype, x.device)
        return unit(x, unit.activation(x, out=active), grid, self.memory)

    def samples_at_a_time(self, height: int, width: int) -> int:
        """See `Frozen.samples_at_a_time`."""
        features = -(-height // 16) * -(-width // 16)
        limit = _FEATURES_AT_A_TIME.get(self._device, 3400)
        return max(1, min(64, limit // features))


class _TwoDecoderSamples(ImageSamples):
    def __init__(
        self,
        network: FrozenTwoDecoder,
        features: MapRows,
        grid: MapSize,
        logits2: list[Tensor],
        size: tuple[int, int],
        sums: RunningSums,
    ) -> None:
        self._network = network
        self._features = features
        self._grid = grid
        self._logits2 = logits2
        self._size = size
        self._sums = sums
        self._boundary: Tensor | None = None
        self._gathered: tuple[Tensor, ...] | None = None

    @torch.no_grad()
    def draw(self, noise: KeyedNoise | NoNoise, n_samples: int) -> None:
        network, memory = self._network, self._network.memory
        grid = MapSize(n_samples, self._grid.height, self._grid.width)
        _, _, stage3, stage4 = network.encoder.stages
        _, branch3, branch4 = network.heads[len(self._logits2) > 1]
        shape = (n_samples, *self._features.shape)
        x = memory.take("x", shape, self._features.dtype, self._features.device).flatten(0, 1)
        active = self._drop(x, noise, "stage3_unit1", stage3[1].activation, source=self._features)
        following = [*stage3[2:], stage4[0]]
        for number, (unit, after) in enumerate(zip(stage3[1:], following, strict=True), start=2):
            x, _ = unit(x, active, grid, memory)
            active = self._drop(x, noise, f"stage3_unit{number}", after.activation)
        middle = x  # stage 4 begins with a projection, so it leaves this as it is
        for number, unit in enumerate(stage4, start=1):
            x, _ = unit(x, active, grid, memory)
            norm = stage4[number].activation if number < len(stage4) else None
            active = self._drop(x, noise, f"stage4_unit{number}", norm)
        one = MapSize(1, grid.height, grid.width)
        samples = zip(middle.chunk(n_samples), x.chunk(n_samples), strict=True)
        for features3, features4 in samples:  # one at a time: what they reach is large
            reach3 = branch3.reach(features3, one, memory, "reach3")
            self._add(reach3, branch4.reach(features4, one, memory, "reach4"), 1)

    def result(self) -> tuple[SampleSums, Tensor | None]:
        sums = self._sums.sums()
        arranged = SampleSums(
            self._arrange(sums.sum_probs),
            self._arrange(sums.sum_entropy[None])[0],
            self._arrange(sums.votes),
            sums.n_samples,
        )
        if self._boundary is None:
            return arranged, None
        return arranged, self._arrange(self._boundary[None])[0] / sums.n_samples

    def _drop(
        self,
        x: MapRows,
        noise: KeyedNoise | NoNoise,
        layer: str,
        after: Activation | None,
        source: MapRows | None = None,
    ) -> MapRows:
        """Apply dropout to rows, in place; returns them as the next layer's activation has them.

        The result lies in the buffer ``"active"``; without a next layer it is `x`. With a `source`,
        `x` becomes the dropout of its rows, which are the same for each sample.
        """
        network, kernel = self._network, self._network.kernel
        source = x if source is None else source
        active = x
        if after is not None:
            active = network.memory.take("active", tuple(x.shape), x.dtype, x.device)
        size = self._grid.height * self._grid.width * x.shape[1]
        if isinstance(noise, NoNoise) or network.dropout == 0:
            if source is not x:
                x.view(-1, *source.shape).copy_(source)
        elif kernel is not None and x.shape[1] % 16 == 0:
            masks = torch.from_numpy(noise.packed_masks(size, network.dropout, layer))
            scale = 1.0 / (1.0 - network.dropout)
            bounds = None if after is None else (after.low, after.high)
            target = None if after is None else active
            kernel.drop_and_clamp(source, x, target, masks, bounds, scale)
            return active
        else:
            shape = (-1, *source.shape)
            factors = network.memory.take("factors", (x.numel() // size, size), x.dtype, x.device)
            noise.fill_factors(factors, network.dropout, layer)
            torch.mul(source.view(shape), factors.view(shape), out=x.view(shape))
        return x if after is None else after(x, out=active)

    def _add(self, reach3: Tensor, reach4: Tensor, n_samples: int) -> None:
        """Add samples from what the branches of stages 3 and 4 reach."""
        _, branch3, branch4 = self._network.heads[len(self._logits2) > 1]
        kernel = self._network.kernel
        if kernel is not None and self._sums.takes_two_plain_classes:
            n_pixels = self._grid.height * self._grid.width * _CELL
            sums = self._sums.two_classes(n_pixels, n_samples, reach3.device)
            kernel.add_samples((reach3, reach4), self._weights(), sums, len(self._logits2))
            if len(self._logits2) > 1:
                self._boundary = sums[4]
            return
        memory = self._network.memory
        total = branch3.logits(reach3, memory)
        for logits, deepest in zip(total, branch4.logits(reach4, memory), strict=True):
            logits.add_(deepest)
        for logits, shallow in zip(total, self._logits2, strict=True):
            logits.add_(shallow)
        self._sums.add(total[0])
        for contour in (contour_probs(logits) for logits in total[1:]):
            self._boundary = contour if self._boundary is None else self._boundary.add_(contour)

    def _weights(self) -> tuple[Tensor, ...]:
        """Arguments of `Kernel.add_samples` beside the samples; gathered once."""
        if self._gathered is None:
            _, *branches = self._network.heads[len(self._logits2) > 1]
            self._gathered = (
                torch.cat([logits.squeeze(1) for logits in self._logits2]),
                torch.stack([branch.bias for branch in branches]),
                torch.stack([branch.packed_scores() for branch in branches]),
            )
        return self._gathered

    def _arrange(self, cells: Float[Tensor, "K N"]) -> Float[Tensor, "K H W"]:
        """Pixels in rows and columns from pixels in cells."""
        places = _places_in_cells(*self._size, self._grid.width, cells.device)
        return cells.index_select(1, places).view(-1, *self._size)


@lru_cache(maxsize=1)  # images of one size follow one another
def _places_in_cells(
    height: int, width: int, cells_in_a_row: int, device: torch.device
) -> Int[Tensor, " pixels"]:
    """Where each pixel of an image, row by row, lies among the pixels in cells."""
    rows = torch.arange(height, dtype=torch.int32, device=device)[:, None]
    columns = torch.arange(width, dtype=torch.int32, device=device)
    lower, right = rows % 16 // 8, columns % 16 // 8  # 1 in these blocks of a cell
    down = rows // 16 * cells_in_a_row * _CELL + rows % 8 * 8
    along = columns // 16 * _CELL + columns % 8
    clockwise = 64 * (3 * lower + right - 2 * lower * right)  # blocks 0, 1 above 3, 2
    return (down + along + clockwise).flatten()


class _FrozenBranches:
    """The branches of one stage in one or both decoders: one matrix product for all of them."""

    def __init__(self, branches: "tuple[Branch, ...]", dtype: torch.dtype) -> None:
        weights = [_by_blocks(branch.upsampling.weight) for branch in branches]
        self.weight = torch.cat(weights, dim=1).to(dtype)  # (D, sum of classes * 576)
        self.bias = torch.cat([branch.upsampling.bias for branch in branches]).float()
        self.scores = []
        for branch in branches:
            assert branch.score.bias is not None
            weight = branch.score.weight.flatten(1).float()
            self.scores.append((weight, branch.score.bias.float()))

    def first(self) -> "_FrozenBranches":
        """The first decoder's branch alone, on the same weights."""
        alone = copy.copy(self)
        alone.scores = self.scores[:1]
        alone.bias = self.bias[: len(self.scores[0][1])]
        alone.weight = self.weight[:, : len(alone.bias) * _KERNEL]
        return alone

    def __call__(
        self, rows: MapRows, grid: MapSize, memory: Workspace
    ) -> list[Float[Tensor, "K B N"]]:
        """Logits >= 0 of each branch, float32, N = h * w * 256 pixels in cells."""
        return self.logits(self.reach(rows, grid, memory, "reach3"), memory)

    def reach(
        self, rows: MapRows, grid: MapSize, memory: Workspace, name: str
    ) -> Float[Tensor, "B h w M 576"]:
        """Contribution of each feature to the pixels that it reaches; lies in the buffer `name`."""
        size = (len(rows), self.weight.shape[1])
        reach = memory.take(name, size, rows.dtype, rows.device)
        torch.mm(rows, self.weight, out=reach)
        return reach.view(grid.batch, grid.height, grid.width, -1, _KERNEL)

    def logits(
        self, reach: Float[Tensor, "B h w M 576"], memory: Workspace
    ) -> list[Float[Tensor, "K B N"]]:
        """Logits of each branch from what its features reach, which is overwritten."""
        cells = reach[..., :_CELL]
        cells[:, :, :-1, :, 64:192] += reach[:, :, 1:, :, 256:384]
        cells[:, :-1, :, :, 128:256] += reach[:, 1:, :, :, 384:512]
        cells[:, :-1, :-1, :, 128:192] += reach[:, 1:, 1:, :, 512:576]
        by_class = cells.permute(3, 0, 1, 2, 4)
        inner = memory.take("cells", tuple(by_class.shape), torch.float32, reach.device)
        inner = inner.copy_(by_class).view(len(self.bias), -1)
        inner.add_(self.bias[:, None]).relu_()
        logits = []
        parts = torch.split(inner, [len(bias) for _, bias in self.scores])
        for (weight, bias), part in zip(self.scores, parts, strict=True):
            scores = torch.mm(weight, part).add_(bias[:, None]).relu_()
            logits.append(scores.view(len(bias), reach.shape[0], -1))
        return logits

    def packed_scores(self) -> Float[Tensor, "heads 6"]:
        """Weights and biases of the last convolution of branches with two classes."""
        return torch.stack([torch.cat([w.flatten(), b]) for w, b in self.scores])


def _by_blocks(weight: Float[Tensor, "D K 24 24"]) -> Float[Tensor, "D M"]:
    """Weights of a transposed convolution, its 576 pixels block by block."""
    blocks = weight.detach().view(*weight.shape[:2], 3, 8, 3, 8)
    order = (*_OWN, *_LEFT, *_ABOVE, *_CORNER)
    parts = [blocks[:, :, row, :, column].flatten(2) for row, column in order]
    return torch.cat(parts, dim=2).flatten(1)
