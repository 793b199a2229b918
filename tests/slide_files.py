"""Pyramids of drawn pixels, written by tifffile in the ways that slides come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from askmask.loop.slides import blended, predict_slides

Pixels = npt.NDArray[np.uint8]


def drawn(height: int = 300, width: int = 420, seed: int = 0) -> Pixels:
    """Smooth colours with some grain: shrinking it changes it, and every place looks different."""
    rows, cols = np.mgrid[0:height, 0:width]
    planes = [rows * 255 // height, cols * 255 // width, (rows + 2 * cols) % 256]
    grain = np.random.default_rng(seed).integers(-20, 21, (height, width, 3))
    return np.clip(np.stack(planes, 2) + grain, 0, 255).astype(np.uint8)


def tissue_slide(
    height: int = 1500, width: int = 2000, *, seed: int = 0, border: int = 300
) -> Pixels:
    """Bright glass with one piece of stained tissue in its middle."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 242, np.int16)
    inside = np.s_[border : height - border, border : width - border]
    image[inside] = (190, 90, 150)
    image += rng.integers(-8, 9, image.shape, np.int16)
    return np.clip(image, 0, 255).astype(np.uint8)


def halved(pixels: Pixels) -> Pixels:
    """Every second side: means of 2 x 2 pixels."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    blocks = pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, -1)
    return blocks.mean((1, 3)).round().astype(np.uint8)


def levels_of(pixels: Pixels, count: int) -> list[Pixels]:
    """The image and its halves."""
    found = [pixels]
    for _ in range(count - 1):
        found.append(halved(found[-1]))
    return found


def write_ome(
    path: Path, pixels: Pixels, *, mpp: float | None = None, levels: int = 3, tile: int = 64
) -> Path:
    """OME-TIFF, its smaller levels in sub-IFDs."""
    metadata: dict[str, object] = {"axes": "YXS"}
    if mpp is not None:
        metadata |= {f"PhysicalSize{axis}": mpp for axis in "XY"}
        metadata |= {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    shape = (tile, tile)
    with tifffile.TiffWriter(path, ome=True) as writer:
        first, *others = levels_of(pixels, levels)
        how = {"tile": shape, "compression": "zlib", "photometric": "rgb"}
        writer.write(first, subifds=levels - 1, metadata=metadata, **how)
        for level in others:
            writer.write(level, subfiletype=1, **how)
    return path


def write_pages(path: Path, pixels: Pixels, *, mpp: float | None = None, levels: int = 3) -> Path:
    """BigTIFF, its smaller levels as further pages; OpenSlide's generic TIFF."""
    resolution = {} if mpp is None else {"resolution": (1e4 / mpp, 1e4 / mpp)}
    unit = {} if mpp is None else {"resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, level in enumerate(levels_of(pixels, levels)):
            writer.write(
                level,
                tile=(64, 64),
                compression="zlib",
                photometric="rgb",
                subfiletype=int(number > 0),
                metadata=None,
                **(resolution if number == 0 else {}),
                **(unit if number == 0 else {}),
            )
    return path


def write_svs(path: Path, pixels: Pixels, *, mpp: float | None = 0.5, levels: int = 2) -> Path:
    """What Aperio's scanners write, as far as readers look at it: JPEG tiles, and a description."""
    told = "" if mpp is None else f"|MPP = {mpp:g}"
    with tifffile.TiffWriter(path) as writer:
        for number, level in enumerate(levels_of(pixels, levels)):
            height, width = level.shape[:2]
            writer.write(
                level,
                tile=(128, 128),
                compression="jpeg",
                photometric="ycbcr",
                subsampling=(1, 1),
                metadata=None,
                description=f"Aperio Image Library v11.2.1\n{width}x{height} (128x128){told}",
            )
            if number == 0:  # the thumbnail lies between them
                writer.write(
                    levels_of(pixels, 3)[-1],
                    rowsperstrip=16,
                    compression="jpeg",
                    photometric="ycbcr",
                    subsampling=(1, 1),
                    metadata=None,
                    description="Aperio Image Library v11.2.1\nthumbnail",
                )
    return path


@contextmanager
def small_tiles() -> Iterator[None]:
    """Predict slides in tiles so small that a drawn one has several."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (blended, predict_slides):
            patch.setattr(module, "TILE", 128)
            patch.setattr(module, "RAMP", 32)
        yield
