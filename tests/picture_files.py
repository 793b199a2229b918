"""Small image and mask files for tests, as annotators and publishers save them."""

from pathlib import Path

import numpy as np
from PIL import Image


def save(path: Path, values: object, dtype: type = np.uint8) -> Path:
    """Write values as an image file; the ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)
    return path


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
