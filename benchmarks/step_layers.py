"""Steps of training as `askmask init` has them, against the same with PyTorch's own layers.

    python benchmarks/step_layers.py [--json] [--small] [--turns N] [--threads N] [--steps N]

The default network and the U-Net of the benchmark of few labels, on their crops of 96 x 96 pixels.
Both trainings go on in turns, step by step. The reference computes group norms in the dtype that
autocast gives, upsamples with the gradient of `interpolate`, and runs the encoder layer by layer,
batch norms and all. All else is the same.
"""

import copy
import math
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from askmask.config import TrainingConfig
from askmask.models import grid
from askmask.models.contract import Model
from askmask.models.group_norm import GroupNorm
from askmask.models.pyramid import PyramidNet
from askmask.models.unet import UNet, UNetOptions
from askmask.runtime.compute import keep_freed_memory
from askmask.training.fit import StepReport, training_steps
from pairing import Comparison, arguments, parse, show
from training import drawn_images

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


def seconds_of_steps(model: Model, config: TrainingConfig) -> tuple[list[float], list[float]]:
    """Seconds of each step of the reference and of ours, taken in turns."""
    images = drawn_images(4, 256, 256)
    theirs, ours = (
        training_steps(copy.deepcopy(model), images, config, seed=0, round=0) for _ in range(2)
    )
    both: tuple[list[float], list[float]] = ([], [])
    for _ in range(config.steps):
        with layers_of_pytorch():
            both[0].append(seconds_of(theirs))
        both[1].append(seconds_of(ours))
    return both


def seconds_of(training: Iterator[StepReport]) -> float:
    """Time of one step."""
    started = time.perf_counter()
    next(training)
    return time.perf_counter() - started


def compared(name: str, model: Model, config: TrainingConfig, turns: int) -> Comparison:
    """Medians over the steps of each turn; the first turn, which reads the images, is left out."""
    theirs, ours = (
        [statistics.median(part) for part in np.array_split(seconds, turns + 1)[1:]]
        for seconds in seconds_of_steps(model, config)
    )
    ratios = [before / after for before, after in zip(theirs, ours, strict=True)]
    return Comparison(
        name=f"{name}, batch {config.batch_size}, {CROP}x{CROP}: a step",
        ratio=statistics.median(ratios),
        ratio_range=(min(ratios), max(ratios)),
        reference_s=statistics.median(theirs),
        ours_s=statistics.median(ours),
        max_abs_difference=math.nan,  # tests compare the layers
        peak_mb=math.nan,
        turns=turns,
    )


def main() -> None:
    """Two networks."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=40, help="steps of each turn")
    options = parse(parser)
    keep_freed_memory()
    torch.manual_seed(0)
    unet = UNetOptions(base_channels=16, depth=4, dropout=0.3)
    networks: list[tuple[str, Model, int]] = [
        ("pyramid, the default", PyramidNet(3), 4),
        ("unet", UNet(3, unet), 6),
    ]
    steps = (2 if options.small else options.steps) * (options.turns + 1)
    rows = [
        compared(
            name,
            model,
            TrainingConfig(
                steps=steps, batch_size=batch_size, crop=CROP, learning_rate=1e-3, dice_weight=1.0
            ),
            options.turns,
        )
        for name, model, batch_size in networks
    ]
    show(rows, as_json=options.json)


if __name__ == "__main__":
    main()
