"""Small stand-ins: a two-layer model, drawn images in memory, and a training set of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from askmask.data.source import MemorySource
from askmask.models.contract import Features, Model, Outputs
from askmask.models.dropout import Noise
from askmask.records import ClassMap, ImageInfo, Mask
from askmask.seeds import numpy_generator, torch_generator
from askmask.training.augment import TrainingImage


class TinyModel(Model):
    """A 3x3 convolution with batch norm, dropout, and one 1x1 convolution per decoder."""

    def __init__(self, n_classes: int, boundary: bool = True, *, seed: int = 0) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.has_boundary = boundary
        self.encoder = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.foreground = nn.Conv2d(8, n_classes, 1)
        self.contour = nn.Conv2d(8, 2, 1) if boundary else None
        generator = torch_generator(seed, "tiny")
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-0.3, 0.3, generator=generator)
            self.norm.weight.fill_(1.0)

    def prefix(self, images: Tensor) -> Features:
        return (torch.relu(self.norm(self.encoder(images - 0.5))),)

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        dropped = noise.dropout(features[0], 0.5, "hidden")
        contour = self.contour(dropped) if self.contour is not None and boundary else None
        return Outputs(self.foreground(dropped), contour)


def draw_disc(seed: int, side: int = 64) -> tuple[np.ndarray, Mask]:
    """One bright disc on a noisy ground, (side, side), with its mask."""
    generator = numpy_generator(seed, "disc")
    row, col = generator.integers(side // 4, 3 * side // 4, 2)
    rows, cols = np.mgrid[:side, :side]
    disc = (rows - row) ** 2 + (cols - col) ** 2 < (side // 5) ** 2
    image = generator.integers(0, 120, (side, side, 3)).astype(np.uint8)
    image[disc] += np.uint8(120)
    return image, Mask(disc.astype(np.int16), disc.astype(np.int32))


def drawn_source(n: int) -> MemorySource:
    """`n` drawn images of 64 x 64 pixels with masks, ids "disc_0", "disc_1", ..."""
    items = {}
    for number in range(n):
        info = ImageInfo(f"disc_{number}", 64, 64, group="even" if number % 2 == 0 else "odd")
        items[info.image_id] = (info, *draw_disc(number))
    return MemorySource(ClassMap(("background", "disc")), items)


class MemoryTrainingSet:
    """Training images held in memory."""

    def __init__(self, items: Mapping[str, TrainingImage]) -> None:
        self._items = dict(items)
        self.image_ids: Sequence[str] = tuple(self._items)

    def read(self, image_id: str) -> TrainingImage:
        return self._items[image_id]

    def labelled_pixels(self, image_id: str) -> int:
        return int(self._items[image_id].answered().sum())


def drawn_training_image(seed: int, side: int = 64) -> TrainingImage:
    """A drawn disc, every pixel labelled; its contour is the disc's outermost ring."""
    image, mask = draw_disc(seed, side)
    disc = mask.labels == 1
    inner = disc & np.roll(disc, 1, 0) & np.roll(disc, -1, 0) & np.roll(disc, 1, 1)
    boundary = (disc & ~(inner & np.roll(disc, -1, 1))).astype(np.int16)
    return TrainingImage(image, mask.labels, boundary, np.ones((side, side), np.float32))


def drawn_training_set(n: int) -> MemoryTrainingSet:
    """`n` drawn discs, completely labelled."""
    return MemoryTrainingSet({f"disc_{i}": drawn_training_image(i) for i in range(n)})
