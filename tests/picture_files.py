"""Small image and mask files for tests, as annotators and publishers save them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from askmask.data.pictures.picture import MAX_PIXELS


def save(path: Path, values: object, dtype: type = np.uint8) -> Path:
    """Write values as an image file; the ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(values, dtype)).save(path)
    return path


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def huge_png(height: int, width: int) -> bytes:
    """Head of a grey PNG: whoever asks for its size needs no more."""
    assert height * width > MAX_PIXELS

    return png(height, width, 8, 0, b"")


def stored(image: Image.Image, form: str, **options: object) -> bytes:
    """A picture as Pillow writes it."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def tiff(values: object, **options: object) -> bytes:
    """Values as tifffile writes them."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, np.asarray(values), **options)
    return buffer.getvalue()


def tiff_of_imagej(values: object, **options: object) -> bytes:
    """Values as ImageJ and Fiji write them: no name of a program, but a description."""
    return tiff(values, description="ImageJ=1.54f\n", software=False, metadata=None, **options)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Part of a PNG."""
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(
    height: int, width: int, bits: int, colour_type: int, rows: bytes, *between: bytes
) -> bytes:
    """PNG written by hand, for depths that no library writes; `between` are further chunks."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    parts = (chunk(b"IHDR", header), *between, chunk(b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def turned_file(values: np.ndarray, form: str, orientation: int) -> bytes:
    """A picture that says it is to be turned before it is shown."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    if form == "TIFF":
        return tiff(values, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    options = {"lossless": True} if form == "WEBP" else {"quality": 95} if form == "JPEG" else {}
    return stored(Image.fromarray(values), form, exif=exif, **options)
