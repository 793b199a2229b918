"""Images of bright discs on a noisy ground, with their masks."""

import numpy as np

from askmask.records import Mask
from askmask.seeds import numpy_generator

SIDE = 64


def draw_discs(seed: int, side: int = SIDE) -> tuple[np.ndarray, Mask]:
    """Image of a few bright discs on a noisy ground, with its mask."""
    generator = numpy_generator(seed, "discs")
    rows, cols = np.mgrid[:side, :side]
    instances = np.zeros((side, side), np.int32)
    for number in range(1, 4):
        row, col = generator.integers(8, side - 8, 2)
        radius = generator.integers(6, 12)
        instances[(rows - row) ** 2 + (cols - col) ** 2 < radius**2] = number
    image = generator.integers(0, 90, (side, side, 3)).astype(np.uint8)
    image[instances > 0] += np.array([140, 60, 100], np.uint8)
    return image, Mask((instances > 0).astype(np.int16), instances)
