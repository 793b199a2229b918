"""DICOM slides written by hand: as much of the standard as OpenSlide asks for, a file per level."""

import struct
from pathlib import Path

import numpy as np

from slide_files import Pixels, levels_of

SOP_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.6"  # VL whole slide microscopy image
UNPACKED = "1.2.840.10008.1.2.1"  # explicit VR, little endian
ROOT = "1.2.826.0.1.3680043.8.498"
TILE = 64


def write_dicom(
    folder: Path, pixels: Pixels, *, mpp: float, series: int = 1, levels: int = 2
) -> Path:
    """Write a slide into a folder, with names as scanners give them; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels_of(pixels, levels)):
        instance = f"{ROOT}.{series}.{number + 1}"
        spacing = mpp / 1000 * pixels.shape[0] / level.shape[0]
        content = _instance(level, instance, f"{ROOT}.{series}", spacing, is_first=number == 0)
        (folder / f"{instance}.dcm").write_bytes(content)
    return folder


def _instance(pixels: Pixels, uid: str, series: str, spacing: float, *, is_first: bool) -> bytes:
    height, width = pixels.shape[:2]
    frames = _frames(pixels)
    kind = "ORIGINAL\\PRIMARY\\VOLUME\\NONE" if is_first else "DERIVED\\PRIMARY\\VOLUME\\RESAMPLED"
    spacings = _element(0x0028, 0x0030, "DS", f"{spacing}\\{spacing}")
    measures = _item(_element(0x0018, 0x0050, "DS", "0.001") + spacings)
    meta = b"".join(
        [
            _element(0x0002, 0x0001, "OB", b"\0\1"),
            _element(0x0002, 0x0002, "UI", SOP_CLASS),
            _element(0x0002, 0x0003, "UI", uid),
            _element(0x0002, 0x0010, "UI", UNPACKED),
            _element(0x0002, 0x0012, "UI", f"{ROOT}.9"),
        ]
    )
    body = [
        _element(0x0008, 0x0008, "CS", kind),
        _element(0x0008, 0x0016, "UI", SOP_CLASS),
        _element(0x0008, 0x0018, "UI", uid),
        _element(0x0008, 0x0060, "CS", "SM"),
        _element(0x0020, 0x000D, "UI", f"{series}.7"),
        _element(0x0020, 0x000E, "UI", series),
        _element(0x0020, 0x0052, "UI", f"{series}.8"),
        _element(0x0020, 0x9311, "CS", "TILED_FULL"),
        _element(0x0028, 0x0002, "US", 3),
        _element(0x0028, 0x0004, "CS", "RGB"),
        _element(0x0028, 0x0006, "US", 0),
        _element(0x0028, 0x0008, "IS", str(len(frames))),
        _element(0x0028, 0x0010, "US", TILE),
        _element(0x0028, 0x0011, "US", TILE),
        _element(0x0028, 0x0100, "US", 8),
        _element(0x0028, 0x0101, "US", 8),
        _element(0x0028, 0x0102, "US", 7),
        _element(0x0028, 0x0103, "US", 0),
        _element(0x0048, 0x0006, "UL", width),
        _element(0x0048, 0x0007, "UL", height),
        _element(0x0048, 0x0302, "UL", 1),
        _element(0x0048, 0x0303, "UL", 1),
        _element(0x5200, 0x9229, "SQ", _item(_element(0x0028, 0x9110, "SQ", measures))),
        _element(0x7FE0, 0x0010, "OB", b"".join(frames)),
    ]
    length = _element(0x0002, 0x0000, "UL", len(meta))
    return b"\0" * 128 + b"DICM" + length + meta + b"".join(body)


def _frames(pixels: Pixels) -> list[bytes]:
    height, width = pixels.shape[:2]
    frames = []
    for row in range(0, height, TILE):
        for col in range(0, width, TILE):
            frame = np.zeros((TILE, TILE, 3), np.uint8)
            part = pixels[row : row + TILE, col : col + TILE]
            frame[: part.shape[0], : part.shape[1]] = part
            frames.append(frame.tobytes())
    return frames


def _element(group: int, number: int, kind: str, value: str | int | bytes) -> bytes:
    if isinstance(value, int):
        value = struct.pack({"US": "<H", "UL": "<I"}[kind], value)
    if isinstance(value, str):
        value = value.encode()
        value += (b"\0" if kind == "UI" else b" ") * (len(value) % 2)
    long = kind in {"OB", "SQ"}
    size = struct.pack("<2xI" if long else "<H", len(value))
    return struct.pack("<HH2s", group, number, kind.encode()) + size + value


def _item(content: bytes) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(content)) + content
