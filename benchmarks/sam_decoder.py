"""A decoder of the form and size of Segment Anything's, with random weights, as an ONNX file.

Kirillov et al., "Segment Anything", 2023, arXiv:2304.02643; MobileSAM has the same. Its masks mean
nothing, but they take as long as real ones. The encoder beside it only gives an embedding of the
right shape.
"""

import warnings
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from boxes import named

WIDTH: Final = 256
GRID: Final = 64
HEADS: Final = 8
MASKS: Final = 4
OPSET: Final = 17


class Attention(nn.Module):
    """Attention whose inner width may be a part of the outer one."""

    def __init__(self, part: int = 1) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH // part) for _ in range(3))
        self.out = nn.Linear(WIDTH // part, WIDTH)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Of (1, N, WIDTH) each."""
        q, k, v = (
            layer(x).reshape(1, x.shape[1], HEADS, -1).transpose(1, 2)
            for layer, x in ((self.q, q), (self.k, k), (self.v, v))
        )
        weights = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(3)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Points look at each other and at the image, then the image looks at the points."""

    def __init__(self) -> None:
        super().__init__()
        self.own, self.to_image, self.to_points = Attention(), Attention(2), Attention(2)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2048), nn.ReLU(), nn.Linear(2048, WIDTH))

    def forward(self, points: Tensor, image: Tensor, of_points: Tensor, of_image: Tensor) -> tuple:
        """Of tokens (1, N, WIDTH), and what tells their places."""
        a, b, c, d = self.norms
        q = points + of_points
        points = a(points + self.own(q, q, points))
        points = b(points + self.to_image(points + of_points, image + of_image, image))
        points = c(points + self.mlp(points))
        image = d(image + self.to_points(image + of_image, points + of_points, points))
        return points, image


class Decoder(nn.Module):
    """Prompts encoded and decoded, with the inputs and outputs of SAM's export to ONNX."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("waves", torch.randn(2, WIDTH // 2))
        self.kinds = nn.Embedding(5, WIDTH)
        self.no_mask = nn.Embedding(1, WIDTH)
        self.of_mask = nn.Sequential(
            nn.Conv2d(1, 4, 2, 2), nn.GELU(), nn.Conv2d(4, 16, 2, 2), nn.GELU(),
            nn.Conv2d(16, WIDTH, 1),
        )  # fmt: skip
        self.tokens = nn.Embedding(1 + MASKS, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(2))
        self.last, self.norm = Attention(2), nn.LayerNorm(WIDTH)
        self.up = nn.Sequential(
            nn.ConvTranspose2d(WIDTH, 64, 2, 2), nn.GroupNorm(1, 64), nn.GELU(),
            nn.ConvTranspose2d(64, 32, 2, 2), nn.GELU(),
        )  # fmt: skip
        self.makers = nn.ModuleList(_mlp(32) for _ in range(MASKS))
        self.judge = _mlp(MASKS)

    def places(self, at: Tensor) -> Tensor:
        """Tell places (.., 2) in [0, 1] by sines and cosines."""
        angles = 2 * torch.pi * ((2 * at - 1) @ self.waves)
        return torch.cat([angles.sin(), angles.cos()], -1)

    def forward(
        self, image_embeddings: Tensor, point_coords: Tensor, point_labels: Tensor,
        mask_input: Tensor, has_mask_input: Tensor, orig_im_size: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Masks at the picture's size, how good each is, and masks of the square."""
        of_points = self.places((point_coords + 0.5) / 1024)
        for kind in range(4):
            of_points = of_points + (point_labels == kind)[..., None] * self.kinds.weight[kind]
        points = torch.cat([self.tokens.weight[None], of_points], 1)
        given = has_mask_input * self.of_mask(mask_input)
        dense = given + (1 - has_mask_input) * self.no_mask.weight[0][None, :, None, None]
        image = (image_embeddings + dense).flatten(2).transpose(1, 2)
        steps = (torch.arange(GRID) + 0.5) / GRID
        grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
        of_image = self.places(grid).reshape(1, -1, WIDTH)
        tokens = points
        for block in self.blocks:
            tokens, image = block(tokens, image, points, of_image)
        tokens = self.norm(tokens + self.last(tokens + points, image + of_image, image))
        wide = self.up(image.transpose(1, 2).reshape(1, WIDTH, GRID, GRID))
        makers = torch.stack([m(tokens[:, n + 1]) for n, m in enumerate(self.makers)], 1)
        low = (makers @ wide.flatten(2)).reshape(1, MASKS, 4 * GRID, 4 * GRID)[:, :1]
        masks = functional.interpolate(low, scale_factor=4.0)
        return masks + 0 * orig_im_size.sum(), self.judge(tokens[:, 0]), low  # each input is used


def _mlp(out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, out),
    )


def write_pair(folder: Path) -> dict[str, object]:
    """Write both files; return the settings ``assist`` that name them."""
    folder.mkdir(parents=True, exist_ok=True)
    encoder, decoder = folder / "encoder.onnx", folder / "decoder.onnx"
    encoder.write_bytes(_encoder())
    torch.manual_seed(0)
    given = {
        "image_embeddings": torch.zeros(1, WIDTH, GRID, GRID),
        "point_coords": torch.zeros(1, 3, 2),
        "point_labels": torch.ones(1, 3),
        "mask_input": torch.zeros(1, 1, 256, 256),
        "has_mask_input": torch.zeros(1),
        "orig_im_size": torch.tensor([1024.0, 1024.0]),
    }
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # this exporter is deprecated; the new one needs a package
        torch.onnx.export(
            Decoder().eval(), tuple(given.values()), str(decoder), dynamo=False,
            input_names=list(given), output_names=["masks", "iou_predictions", "low_res_masks"],
            dynamic_axes={"point_coords": {1: "n"}, "point_labels": {1: "n"}}, opset_version=OPSET,
        )  # fmt: skip
    return named(encoder, decoder)


def _encoder() -> bytes:
    """Means of 16 x 16 pixels, times random weights: (1, WIDTH, GRID, GRID)."""
    weights = np.random.default_rng(0).normal(size=(WIDTH, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["image"], ["m"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Conv", ["m", "w"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 1024, 1024])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, WIDTH, GRID, GRID])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
