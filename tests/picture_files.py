"""Small image and mask files for tests, as annotators and publishers save them."""

import struct
import zlib
from pathlib import Path

import numpy as np
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

    def chunk(kind: bytes, content: bytes) -> bytes:
        checked = kind + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
