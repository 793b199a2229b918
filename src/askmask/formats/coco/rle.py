"""COCO's run-length encoding of binary rasters, in both of its forms.

Runs go down the columns, first column first, and start with the unset pixels. ``counts`` is a list
of run lengths, or a string: from the fourth run on, the difference to the run two before, in
groups of five bits, least first, the sixth bit of a character says that more follow.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from askmask.errors import ShapeError

_FIRST = 48  # code of the character of the value 0
_MOST_BITS = 60  # of a run: no image has more pixels


def encode_runs(pixels: Bool[np.ndarray, "H W"]) -> list[int]:
    """Run lengths of a raster.

    Examples
    --------
    >>> encode_runs(np.array([[False, True], [True, True]]))
    [1, 3]
    """
    flat = pixels.ravel(order="F")
    borders = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], borders, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def decode_runs(runs: Sequence[int], shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Raster of (H, W) = `shape` of run lengths; the inverse of `encode_runs`.

    Raises
    ------
    ShapeError
        If a run is negative or they do not add up to the raster.
    """
    total = sum(runs)
    if total != shape[0] * shape[1] or min(runs, default=0) < 0:
        raise ShapeError(
            f"expected runs >= 0 that add up to {shape[0] * shape[1]} pixels of {shape}, got a sum "
            f"of {total} and a smallest run of {min(runs, default=0)}. The encoding belongs to "
            "another size, or is damaged."
        )
    lengths = np.array(runs, np.int64)  # after the check: any number may stand in a file
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return flat.reshape(shape, order="F")


def runs_to_text(runs: Sequence[int]) -> str:
    """Compressed form of run lengths.

    Examples
    --------
    >>> runs_to_text([6, 1, 40, 4])
    '61X13'
    """
    characters = []
    for index, run in enumerate(runs):
        value = run - runs[index - 2] if index > 2 else run
        more = True
        while more:
            bits, value = value & 31, value >> 5  # an arithmetic shift: the sign stays
            more = value != (-1 if bits & 16 else 0)
            characters.append(chr(_FIRST + (bits | (32 if more else 0))))
    return "".join(characters)


def text_to_runs(text: str) -> list[int]:
    """Run lengths of the compressed form; the inverse of `runs_to_text`.

    Raises
    ------
    ShapeError
        If the text holds other characters or ends inside a number.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - _FIRST
        if not 0 <= bits < 64:
            raise ShapeError(f"expected characters of COCO's RLE, got {character!r}.")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32 and shift < _MOST_BITS:
            continue
        if bits & 32:
            raise ShapeError("expected runs of moderate length in COCO's RLE, got an endless one.")
        if bits & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ShapeError("expected a whole number at the end of COCO's RLE, got a part of one.")
    return runs
