"""Label Studio's brush encoding: a bit stream of runs of bytes, four equal bytes a pixel.

A head says how many bytes follow (32 bits), how wide a value is (5 bits, less one), and the four
widths of a run's length (4 bits each, less one). Each block then has: a bit, 1 for a run of one
value and 0 for single values; two bits that choose the width; the length less one; the value or
the values. The reading side takes any widths, the writing side uses those of Label Studio.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool

from askmask.errors import ShapeError

_VALUE_BITS: Final = 8
_LENGTH_BITS: Final = (3, 4, 8, 16)
_CHANNELS: Final = 4  # red, green, blue, alpha


def encode_brush(pixels: Bool[np.ndarray, "H W"]) -> list[int]:
    """Bytes of a raster, row by row; set pixels are opaque.

    Parameters
    ----------
    pixels : (H, W) bool array
        Not modified.

    Returns
    -------
    list of int
        Each in [0, 255]: the value of ``rle`` in a result of type ``brushlabels``.
    """
    flat = pixels.ravel()
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate([[0], borders])
    lengths = np.diff(np.concatenate([starts, [flat.size]])) * _CHANNELS
    text = [f"{flat.size * _CHANNELS:032b}", f"{_VALUE_BITS - 1:05b}"]
    text += [f"{bits - 1:04b}" for bits in _LENGTH_BITS]
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        value = "11111111" if flat[start] else "00000000"
        left = length
        while left > 0:
            run = min(left, 2 ** _LENGTH_BITS[-1])
            choice = next(i for i, bits in enumerate(_LENGTH_BITS) if run <= 2**bits)
            text.append(f"1{choice:02b}{run - 1:0{_LENGTH_BITS[choice]}b}{value}")
            left -= run
    stream = "".join(text)
    stream += "0" * (8 - len(stream) % 8)  # as Label Studio does: a whole byte where none is needed
    bits = np.frombuffer(stream.encode("ascii"), np.uint8) - ord("0")
    return np.packbits(bits).tolist()


def decode_brush(content: Sequence[int], shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Raster of (H, W) = `shape`; pixels that are not wholly transparent are set.

    Raises
    ------
    ShapeError
        If the stream ends too early or holds another number of pixels.
    """
    bits = np.unpackbits(np.array(content, np.uint8))
    reader = _Bits("".join(map(str, bits.tolist())))
    total = reader.number(32)
    expected = shape[0] * shape[1] * _CHANNELS
    if total != expected:
        raise ShapeError(
            f"expected {expected} bytes for {shape} pixels in Label Studio's RLE, got {total}. "
            "The brush belongs to a picture of another size."
        )
    value_bits = reader.number(5) + 1
    widths = [reader.number(4) + 1 for _ in range(4)]
    values: list[int] = []
    lengths: list[int] = []
    done = 0
    while done < total:
        is_run = reader.number(1) == 1
        length = reader.number(widths[reader.number(2)]) + 1
        done += length
        if is_run:
            values.append(reader.number(value_bits))
            lengths.append(length)
        else:
            values += [reader.number(value_bits) for _ in range(length)]
            lengths += [1] * length
    flat = np.repeat(np.array(values, np.int64), lengths)[:total]
    alpha: Bool[np.ndarray, "H W"] = flat.reshape(*shape, _CHANNELS)[:, :, -1] > 0
    return alpha


class _Bits:
    """Numbers read one after the other from a text of bits."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def number(self, width: int) -> int:
        """Next `width` bits, most significant first."""
        part = self._text[self._place : self._place + width]
        if len(part) < width:
            raise ShapeError(
                "expected more bits in Label Studio's RLE, found its end. It is cut short."
            )
        self._place += width
        return int(part, 2)
