"""Label Studio's brush encoding: a bit stream of runs of bytes, four equal bytes a pixel.

A head says how many bytes follow (32 bits), how wide a value is (5 bits, less one), and the four
widths of a run's length (4 bits each, less one). Each block then has: a bit, 1 for a run of one
value and 0 for single values; two bits that choose the width; the length less one; the value or
the values. The intake side takes any widths, the writing side uses those of Label Studio.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Bool

from askmask.errors import ShapeError

_VALUE_BITS: Final = 8
_LENGTH_BITS: Final = (3, 4, 8, 16)
_CHANNELS: Final = 4  # red, green, blue, alpha
_LONGEST_BITS: Final = 1 + 2 + 16 + 8  # of one byte alone: its kind, width, length and value
_HEAD_BYTES: Final = 16


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


def decode_brush(content: Sequence[object], shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Raster of (H, W) = `shape`; pixels that are not wholly transparent are set.

    Raises
    ------
    ShapeError
        If the content is no bytes, is longer than any encoding of so many pixels, ends too early,
        or holds another number of pixels.
    """
    expected = shape[0] * shape[1] * _CHANNELS
    longest = expected * _LONGEST_BITS // 8 + _HEAD_BYTES
    if len(content) > longest:
        raise ShapeError(
            f"expected at most {longest:,} bytes for {shape} pixels in Label Studio's RLE, got "
            f"{len(content):,}. The brush belongs to a picture of another size."
        )
    try:
        reader = _Bits(bytes(content))  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise ShapeError(
            f"expected numbers from 0 to 255 in Label Studio's RLE, but: {error}. Export it again."
        ) from error
    total = reader.number(32)
    if total != expected:
        raise ShapeError(
            f"expected {expected} bytes for {shape} pixels in Label Studio's RLE, got {total}. "
            "The brush belongs to a picture of another size."
        )
    value_bits = reader.number(5) + 1
    widths = [reader.number(4) + 1 for _ in range(4)]
    values = np.zeros(total, np.bool_)  # whether a byte is set: nothing else is asked of it
    done = 0
    while done < total:
        is_run = reader.number(1) == 1
        length = reader.number(widths[reader.number(2)]) + 1
        if is_run:
            values[done : done + length] = reader.number(value_bits) > 0
        else:
            singles = reader.are_set(length, value_bits)
            values[done : done + length] = singles[: total - done]
        done += length
    alpha: Bool[np.ndarray, "H W"] = values[_CHANNELS - 1 :: _CHANNELS].reshape(shape)
    return alpha


class _Bits:
    """Numbers read one after the other from bytes, most significant bit first."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0

    def number(self, width: int) -> int:
        """Next `width` bits."""
        start, stop = self._take(width)
        part = int.from_bytes(self._content[start // 8 : -(-stop // 8)])
        return (part >> (-stop % 8)) & ((1 << width) - 1)

    def are_set(self, count: int, width: int) -> Bool[np.ndarray, " count"]:
        """Whether each of the next `count` numbers of `width` bits is above 0."""
        start, stop = self._take(count * width)
        part = np.frombuffer(self._content[start // 8 : -(-stop // 8)], np.uint8)
        bits = np.unpackbits(part)[start % 8 :][: count * width]
        found: Bool[np.ndarray, " count"] = bits.reshape(count, width).max(axis=1) > 0
        return found

    def _take(self, width: int) -> tuple[int, int]:
        start, stop = self._place, self._place + width
        if stop > len(self._content) * 8:
            raise ShapeError(
                "expected more bits in Label Studio's RLE, found its end. It is cut short."
            )
        self._place = stop
        return start, stop
