"""The two-decoder network made ready for prediction: `TwoDecoder.freeze`.

Its decoders work on cells: the 16 x 16 pixels that begin with a feature's own. The samples' sums
stay in that order and are put into rows and columns once, when they are asked for.
"""

from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor

from askmask.acquisition import SampleSums
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen import Frozen, ImageSamples, RunningSums, contour_probs
from askmask.models.frozen_resnet import FrozenEncoder, FrozenUnit, Grid, Rows, to_rows
from askmask.models.workspace import Workspace

if TYPE_CHECKING:
    from askmask.models.two_decoder import Branch, TwoDecoder

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
            self.heads = {
                boundary: tuple(
                    _FrozenBranches(tuple(getattr(d, name) for d in decoders), dtype)
                    for name in ("stage2", "stage3", "stage4")
                )
                for boundary, decoders in (
                    (False, (model.foreground,)),
                    (True, (model.foreground, model.boundary)),
                )
            }
        self.memory = Workspace()
        self._device = next(model.parameters()).device.type

    @torch.no_grad()
    def start(self, image: Float[Tensor, "1 3 H W"], *, boundary: bool) -> ImageSamples:
        """Run stages 1 and 2 and the first unit of stage 3; see `Frozen.start`."""
        x, grid = self.encoder.stem(image)
        stage1, stage2, stage3, _ = self.encoder.stages
        for unit in (*stage1, *stage2):
            x, grid = self.run(unit, x, grid)
        coarse, _ = to_rows(grid.image(x)[:, :, ::2, ::2])  # the branch of stage 2 is at stride 16
        x, grid = self.run(stage3[0], x, grid)
        logits2 = [logits.clone() for logits in self.heads[boundary][0](coarse, grid, self.memory)]
        size = (image.shape[2], image.shape[3])
        return _TwoDecoderSamples(self, x.clone(), grid, logits2, size)

    def run(self, unit: FrozenUnit, x: Rows, grid: Grid) -> tuple[Rows, Grid]:
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
        features: Rows,
        grid: Grid,
        logits2: list[Tensor],
        size: tuple[int, int],
    ) -> None:
        self._network = network
        self._features = features
        self._grid = grid
        self._logits2 = logits2
        self._size = size
        self._sums = RunningSums(network.n_classes)
        self._boundary: Tensor | None = None

    @torch.no_grad()
    def draw(self, noise: KeyedNoise | NoNoise, n_samples: int) -> None:
        network = self._network
        grid = Grid(n_samples, self._grid.height, self._grid.width)
        _, _, stage3, stage4 = network.encoder.stages
        _, branch3, branch4 = network.heads[len(self._logits2) > 1]
        shape = (n_samples, *self._features.shape)
        x = network.memory.take("x", shape, self._features.dtype, self._features.device)
        x = x.copy_(self._features).flatten(0, 1)
        self._drop(x, noise, "stage3_unit1")
        for number, unit in enumerate(stage3[1:], start=2):
            x, _ = network.run(unit, x, grid)
            self._drop(x, noise, f"stage3_unit{number}")
        total = [
            logits.add_(first)
            for logits, first in zip(branch3(x, grid, network.memory), self._logits2, strict=True)
        ]
        for number, unit in enumerate(stage4, start=1):
            x, _ = network.run(unit, x, grid)
            self._drop(x, noise, f"stage4_unit{number}")
        for logits, deepest in zip(total, branch4(x, grid, network.memory), strict=True):
            logits.add_(deepest)
        self._sums.add(total[0])
        for logits in total[1:]:
            contour = contour_probs(logits)
            self._boundary = contour if self._boundary is None else self._boundary.add_(contour)

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

    def _drop(self, x: Rows, noise: KeyedNoise | NoNoise, layer: str) -> None:
        """Apply dropout to rows, in place."""
        dropout = self._network.dropout
        if isinstance(noise, NoNoise) or dropout == 0:
            return
        size = self._grid.height * self._grid.width * x.shape[1]
        shape = (x.numel() // size, size)
        factors = self._network.memory.take("factors", shape, x.dtype, x.device)
        noise.fill_factors(factors, dropout, layer)
        x.mul_(factors.view_as(x))

    def _arrange(self, cells: Float[Tensor, "K N"]) -> Float[Tensor, "K H W"]:
        """Pixels in rows and columns from pixels in cells."""
        height, width = self._grid.height, self._grid.width
        blocks = cells.view(-1, height, width, 4, 8, 8)
        # The cell's blocks run clockwise; (K, h, w, row of blocks, column of blocks, 8, 8)
        square = blocks[:, :, :, [0, 1, 3, 2]].view(-1, height, width, 2, 2, 8, 8)
        whole = square.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, height * 16, width * 16)
        return whole[:, : self._size[0], : self._size[1]].contiguous()


class _FrozenBranches:
    """The branches of one stage in one or both decoders: one matrix product for all of them."""

    def __init__(self, branches: "tuple[Branch, ...]", dtype: torch.dtype) -> None:
        weights = [_by_blocks(branch.upsampling.weight) for branch in branches]
        self._weight = torch.cat(weights, dim=1).to(dtype)  # (D, sum of classes * 576)
        self._bias = torch.cat([branch.upsampling.bias for branch in branches]).float()
        self._scores = []
        for branch in branches:
            assert branch.score.bias is not None
            weight = branch.score.weight.flatten(1).float()
            self._scores.append((weight, branch.score.bias.float()))

    def __call__(self, rows: Rows, grid: Grid, memory: Workspace) -> list[Float[Tensor, "K B N"]]:
        """Logits >= 0 of each branch, float32, N = h * w * 256 pixels in cells."""
        height, width = grid.height, grid.width
        size = (len(rows), self._weight.shape[1])
        reach = memory.take("reach", size, rows.dtype, rows.device)
        torch.mm(rows, self._weight, out=reach)
        reach = reach.view(grid.batch, height, width, -1, _KERNEL)
        cells = reach[..., :_CELL]
        cells[:, :, :-1, :, 64:192] += reach[:, :, 1:, :, 256:384]
        cells[:, :-1, :, :, 128:256] += reach[:, 1:, :, :, 384:512]
        cells[:, :-1, :-1, :, 128:192] += reach[:, 1:, 1:, :, 512:576]
        by_class = cells.permute(3, 0, 1, 2, 4)
        inner = memory.take("cells", tuple(by_class.shape), torch.float32, rows.device)
        inner = inner.copy_(by_class).view(len(self._bias), -1)
        inner.add_(self._bias[:, None]).relu_()
        logits = []
        parts = torch.split(inner, [len(bias) for _, bias in self._scores])
        for (weight, bias), part in zip(self._scores, parts, strict=True):
            scores = torch.mm(weight, part).add_(bias[:, None]).relu_()
            logits.append(scores.view(len(bias), grid.batch, -1))
        return logits


def _by_blocks(weight: Float[Tensor, "D K 24 24"]) -> Float[Tensor, "D M"]:
    """Weights of a transposed convolution, its 576 pixels block by block."""
    blocks = weight.detach().view(*weight.shape[:2], 3, 8, 3, 8)
    order = (*_OWN, *_LEFT, *_ABOVE, *_CORNER)
    parts = [blocks[:, :, row, :, column].flatten(2) for row, column in order]
    return torch.cat(parts, dim=2).flatten(1)
