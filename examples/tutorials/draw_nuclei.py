"""Draw a small set of fluorescence images of nuclei, as a microscope would store them.

``python draw_nuclei.py nuclei`` makes ``nuclei/images`` (16-bit TIFF, 12 bits used), masks for half
of them in ``nuclei/masks`` (one integer for each nucleus), and ``nuclei/new`` without masks. The
nuclei touch, differ in brightness, and lie on an uneven ground.
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

SIDE = 256


def draw(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One image, (H, W) uint16, and its mask, (H, W) uint16 with 0 for the ground."""
    rows, cols = np.mgrid[:SIDE, :SIDE]
    light = np.zeros((SIDE, SIDE))
    mask = np.zeros((SIDE, SIDE), np.uint16)
    for number in range(1, 31):
        row, col = generator.uniform(0, SIDE, 2)
        angle, length, width = generator.uniform((0, 11, 8), (np.pi, 17, 12))
        along = (rows - row) * np.cos(angle) + (cols - col) * np.sin(angle)
        across = (cols - col) * np.cos(angle) - (rows - row) * np.sin(angle)
        inside = ((along / length) ** 2 + (across / width) ** 2 < 1) & (mask == 0)
        mask[inside] = number
        light[inside] = generator.uniform(0.3, 1.0)
    texture = ndimage.gaussian_filter(generator.normal(size=light.shape), 2) * 0.4 * light
    ground = ndimage.gaussian_filter(generator.normal(size=light.shape), 40) * 4 + 0.15
    light = ndimage.gaussian_filter(light + texture, 1.5) + np.clip(ground, 0, 0.4)
    counts = generator.poisson(np.clip(light, 0, None) * 400) + generator.normal(
        100, 8, light.shape
    )
    return np.clip(counts * 3, 0, 4095).astype(np.uint16), mask


def main(out: Path, count: int = 12) -> None:
    """Write the folders; `count` images with half as many masks, and 2 new ones."""
    for name in ("images", "masks", "new"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for number in range(count + 2):
        image, mask = draw(np.random.default_rng(number))
        place = "images" if number < count else "new"
        tifffile.imwrite(out / place / f"field_{number:02d}.tif", image)
        if number < count // 2:
            tifffile.imwrite(out / "masks" / f"field_{number:02d}.tif", mask)
    print(f"Drawn: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
