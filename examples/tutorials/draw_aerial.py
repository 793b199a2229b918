"""Draw a small set of aerial tiles with roads, roofs and trees.

``python draw_aerial.py aerial`` makes ``aerial/images`` (RGB PNG), ``aerial/masks`` (each class in
the colour that ``aerial/classes.json`` gives it; a white strip has no label) and ``aerial/new``.
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 192
COLOURS = {
    "ground": (132, 41, 246),
    "road": (110, 193, 228),
    "building": (60, 16, 152),
    "tree": (254, 221, 58),
}
PAINTS = np.array([(150, 130, 100), (105, 105, 110), (170, 95, 80), (60, 95, 55)], float)
UNLABELLED = (255, 255, 255)


def draw(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One tile, (H, W, 3) uint8, and its class indices, (H, W), with 255 where no label is."""
    rows, cols = np.mgrid[:SIDE, :SIDE]
    labels = np.zeros((SIDE, SIDE), np.uint8)
    slope, start = generator.uniform((-0.4, 40), (0.4, SIDE - 40))
    for distance in (rows - start - slope * cols, cols - start - slope * rows):
        labels[np.abs(distance) < 9] = 1
    for _ in range(14):
        row, col = generator.integers(0, SIDE - 40, 2)
        height, width = generator.integers(18, 40, 2)
        plot = labels[row : row + height, col : col + width]
        if (plot == 0).all():
            plot[4:-4, 4:-4] = 2
    for _ in range(20):
        row, col = generator.uniform(0, SIDE, 2)
        crown = (rows - row) ** 2 + (cols - col) ** 2 < generator.uniform(4, 9) ** 2
        labels[crown & (labels == 0)] = 3
    shade = ndimage.gaussian_filter(generator.normal(size=labels.shape), 12) * 120
    image = PAINTS[labels] + shade[..., None] + generator.normal(0, 9, (SIDE, SIDE, 3))
    labels[:6] = 255
    return np.clip(ndimage.gaussian_filter(image, (0.7, 0.7, 0)), 0, 255).astype(np.uint8), labels


def painted(labels: np.ndarray) -> np.ndarray:
    """Labels in the colours of their classes, (H, W, 3) uint8."""
    palette = np.full((256, 3), UNLABELLED, np.uint8)
    palette[: len(COLOURS)] = list(COLOURS.values())
    return palette[labels]


def main(out: Path, count: int = 12) -> None:
    """Write the folders: `count` tiles with masks, and 2 new ones."""
    for name in ("images", "masks", "new"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for number in range(count + 2):
        image, labels = draw(np.random.default_rng(number))
        place = "images" if number < count else "new"
        Image.fromarray(image).save(out / place / f"tile_{number:02d}.png")
        if number < count:
            Image.fromarray(painted(labels)).save(out / "masks" / f"tile_{number:02d}.png")
    classes = {"classes": list(COLOURS), "colours": COLOURS, "ignore_colour": UNLABELLED}
    (out / "classes.json").write_text(json.dumps(classes), encoding="utf-8")
    print(f"Drawn: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
