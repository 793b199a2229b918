"""Steps of training as `askmask init` has them, against the same with PyTorch's own layers.

    python benchmarks/step_layers.py [--json] [--small] [--turns N] [--threads N] [--steps N]

The default network and the U-Net of the benchmark of few labels, on their crops of 96 x 96 pixels.
The reference computes group norms in the dtype that autocast gives, upsamples with the gradient of
`interpolate`, and runs the encoder in train mode layer by layer. All else is the same.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from unittest.mock import patch

import torch
from torch import nn

from askmask.config import TrainingConfig
from askmask.models import grid
from askmask.models.contract import Model
from askmask.models.group_norm import GroupNorm
from askmask.models.pyramid import PyramidNet
from askmask.models.unet import UNet, UNetOptions
from pairing import arguments, compare, parse, show
from training import OurLoop, drawn_images

CROP = 96


@contextmanager
def layers_of_pytorch() -> Iterator[None]:
    """Within it, networks compute their layers as PyTorch does."""
    with ExitStack() as swapped:
        for owner, name, other in (
            (grid, "_upsample", lambda x, values, taken: values(x, len(taken))),
            (GroupNorm, "forward", nn.GroupNorm.forward),
            (PyramidNet, "_folded", lambda self, _: self.encoder),
        ):
            swapped.enter_context(patch.object(owner, name, other))
        yield


class Reference(OurLoop):
    """The same loop with PyTorch's own layers."""

    def __call__(self) -> float:
        """Train for the config's steps; returns the last loss."""
        with layers_of_pytorch():
            return super().__call__()


def main() -> None:
    """Two networks."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=60, help="steps of each turn")
    options = parse(parser)
    torch.manual_seed(0)
    unet = UNetOptions(base_channels=16, depth=4, dropout=0.3)
    networks: list[tuple[str, Model, int]] = [
        ("pyramid, the default", PyramidNet(3), 4),
        ("unet", UNet(3, unet), 6),
    ]
    images = drawn_images(4, 256, 256)
    rows = []
    for name, model, batch_size in networks:
        steps = 4 if options.small else options.steps
        config = TrainingConfig(
            steps=steps, batch_size=batch_size, crop=CROP, learning_rate=1e-3, dice_weight=1.0
        )
        row = compare(
            f"{name}, batch {batch_size}, {CROP}x{CROP}: a step",
            Reference(copy.deepcopy(model), images, config),
            OurLoop(copy.deepcopy(model), images, config),
            # ours is warmed up by a training, so the losses differ; tests compare the layers
            difference=lambda a, b: 0.0 if math.isfinite(a + b) else math.inf,
            turns=options.turns,
            items=steps,
            tolerance=0.0,
        )
        rows.append(replace(row, max_abs_difference=math.nan))
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
