"""Steps of training: ours against a plain loop in float32, channels first.

    python benchmarks/training.py [--json] [--small] [--turns N] [--threads N] [--steps N]

The reference is given its batches; ours prepares its own and waits for them, and the share of time
that it waits is measured. First the gradients of both are compared, without dropout.
"""

import copy
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from askmask.config import TrainingConfig
from askmask.models.contract import Model, Outputs
from askmask.models.dropout import Noise, NoNoise
from askmask.models.two_decoder import TwoDecoder
from askmask.models.unet import UNet
from askmask.runtime.compute import keep_freed_memory
from askmask.training.augment import TrainingImage
from askmask.training.batches import Batch, BatchMaker
from askmask.training.fit import fit_network
from askmask.training.losses import segmentation_loss
from naive import TorchDropout, plain
from pairing import Comparison, arguments, compare, parse, show

TOLERANCE = 1e-6
"""Of the gradients, see `gradient_difference`."""


def plain_loss(outputs: Outputs, batch: Batch) -> Tensor:
    """Cross-entropy of both decoders and their branches, by torch's own; everything is labelled."""
    assert outputs.boundary is not None
    assert batch.boundary is not None
    pairs = [(x, batch.labels) for x in (outputs.foreground, *outputs.auxiliary_foreground)]
    pairs += [(x, batch.boundary) for x in (outputs.boundary, *outputs.auxiliary_boundary)]
    losses = [functional.cross_entropy(x, labels, ignore_index=-1) for x, labels in pairs]
    return torch.stack(losses).sum()


class PlainLoop:
    """A loop as scripts have it: Adam with an L2 penalty, float32, one batch after another."""

    def __init__(self, model: Model, config: TrainingConfig, batches: list[Batch]) -> None:
        self.model, self.batches, self.l2 = plain(model).train(), batches, config.l2
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, eps=config.epsilon
        )

    def __call__(self) -> float:
        """Steps over all batches; returns the last loss."""
        kernels = [p for p in self.model.parameters() if p.ndim == 4]
        for batch in self.batches:
            self.optimizer.zero_grad()
            outputs = self.model(batch.images.contiguous(), TorchDropout())
            penalty = torch.stack([0.5 * kernel.square().sum() for kernel in kernels]).sum()
            loss = plain_loss(outputs, batch) + self.l2 * penalty
            loss.backward()
            self.optimizer.step()
        return loss.item()


class OurLoop:
    """`fit_network` on images in memory; keeps how long it waited for batches."""

    def __init__(self, model: Model, images: "Images", config: TrainingConfig) -> None:
        self.model, self.images, self.config = model, images, config
        self.waited_seconds: list[float] = []
        self.round = 0

    def __call__(self) -> float:
        """Train for the config's steps; returns the last loss."""
        self.round += 1
        result = fit_network(self.model, self.images, self.config, seed=0, round=self.round)
        self.waited_seconds.append(result.waiting_seconds)
        return result.loss


@dataclass(frozen=True)
class Images:
    """Noise with discs, completely labelled."""

    items: dict[str, TrainingImage]

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Every image."""
        return tuple(self.items)

    def read(self, image_id: str) -> TrainingImage:
        """Return one of them."""
        return self.items[image_id]

    def labelled_pixels(self, image_id: str) -> int:
        """All pixels."""
        return self.items[image_id].labels.size


def drawn_images(count: int, height: int, width: int) -> Images:
    """Images of one disc each."""
    items = {}
    for number in range(count):
        generator = np.random.default_rng(number)
        rows, cols = np.mgrid[:height, :width]
        distance = np.hypot(rows - height / 2, cols - generator.integers(width // 4, width // 2))
        disc, ring = distance < height / 4, abs(distance - height / 4) < 3
        image = generator.integers(0, 200, (height, width, 3)).astype(np.uint8)
        image[disc] //= 2
        weight = np.ones((height, width), np.float32)
        labels, boundary = disc.astype(np.int16), ring.astype(np.int16)
        items[f"disc_{number}"] = TrainingImage(image, labels, boundary, weight)
    return Images(items)


def gradient_difference(model: Model, batch: Batch) -> float:
    """Norm of the difference of all gradients, relative to the norm of the reference's.

    In float64: in float32 rounding alone makes 1 %, through the batch norms of a new network.
    """
    noise: Noise = NoNoise()
    batch = replace(batch, images=batch.images.double(), weight=batch.weight.double())
    reference, ours = plain(model).double().train(), copy.deepcopy(model).double().train()
    plain_loss(reference(batch.images.contiguous(), noise), batch).backward()
    outputs = ours.to(memory_format=torch.channels_last)(batch.images, noise)
    segmentation_loss(outputs, batch.labels, batch.boundary, batch.weight).backward()
    pairs = zip(reference.parameters(), ours.parameters(), strict=True)
    both = [(a.grad, b.grad) for a, b in pairs if a.grad is not None and b.grad is not None]
    apart = torch.stack([(a - b).norm() for a, b in both]).norm()
    return float(apart / torch.stack([a.norm() for a, _ in both]).norm())


def measured(name: str, model: Model, config: TrainingConfig, turns: int) -> Comparison:
    """Compare the two loops for one network."""
    side = config.crop
    images = drawn_images(8, side + 48, side + 304)
    make = BatchMaker(images, config, 2, True, seed=0, round=0, attempt=0)
    batches = [make(step) for step in range(config.steps)]
    difference = gradient_difference(model, batches[0])
    if not difference <= TOLERANCE:
        sys.exit(f"{name}: gradients differ by {difference:.3g}, more than {TOLERANCE:.3g}.")
    ours = OurLoop(copy.deepcopy(model), images, config)
    compared = compare(
        f"{name}, batch {config.batch_size}, {side}x{side}: a step",
        PlainLoop(model, config, batches),
        ours,
        difference=lambda a, b: 0.0 if math.isfinite(a + b) else math.inf,
        turns=turns,
        items=config.steps,
        tolerance=0.0,
    )
    waited = sum(ours.waited_seconds[1:]) / config.steps / turns
    notes: dict[str, object] = {"waited_s": waited, "steps_per_second": 1 / compared.ours_s}
    return replace(compared, max_abs_difference=difference, notes=notes)


def main() -> None:
    """The paper's network and the small one."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=3, help="steps of each turn")
    options = parse(parser)
    keep_freed_memory()
    torch.manual_seed(0)
    small = options.small
    shapes: list[tuple[str, Callable[[], Model], int, int]] = [
        ("two_decoder_resnet50", partial(TwoDecoder, 2), 2 if small else 5, 128 if small else 480),
        ("unet", partial(UNet, 2), 4 if small else 8, 128 if small else 256),
    ]
    rows = []
    for name, build, batch_size, crop in shapes:
        config = TrainingConfig(
            steps=options.steps,
            batch_size=batch_size,
            crop=crop,
            learning_rate=1e-4,
            epsilon=1e-3,
            l2=1e-3,
        )
        rows.append(measured(name, build(), config, options.turns))
    show(rows, as_json=options.json)
    if not options.json:
        for row in rows:
            print(
                f"{row.name}: {row.notes['steps_per_second']:.2f} steps/s, of each step "
                f"{row.notes['waited_s']:.4f} s waiting for its batch"
            )


if __name__ == "__main__":
    main()
