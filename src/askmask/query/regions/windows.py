"""Windows of one image: where they lie, their sums, and a greedy choice without overlap."""

import itertools
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int, Shaped

from askmask.config import Grid
from askmask.errors import ShapeError

_BLOCK: Final = 32  # windows whose sums are one matrix product; more would multiply more zeros


def window_origins(
    length: int, size: int, stride: int, grid: Grid = "regular"
) -> Int[np.ndarray, " n"]:
    """First pixels of the windows along one axis; the last window ends flush with the axis.

    Parameters
    ----------
    length, size, stride : int
        Pixels of the axis, of a window and between windows, each >= 1. A window longer than the
        axis is clipped to it.
    grid : str
        ``"regular"``: every multiple of the stride, and the flush one. ``"paper"``: as the paper's
        code lays them, which leaves out the multiple before the flush one where that is less than
        a stride away: ``(length - size + 1) // stride`` multiples, and the flush one.

    Returns
    -------
    (n,) int array
        Ascending, to ``length - size``. From 0, with a last step of at most `stride`; for
        ``"paper"`` the last step can be almost twice the stride, and an axis with fewer than
        `stride` places has the flush one alone. A stride larger than `size` leaves gaps.

    Raises
    ------
    ShapeError
        If a number is below 1.

    Examples
    --------
    >>> window_origins(10, 4, 4)
    array([0, 4, 6])
    >>> window_origins(3, 4, 4)
    array([0])
    >>> window_origins(10, 4, 4, "paper")
    array([0, 6])

    References
    ----------
    ``"paper"``: `calculate_score_for_patch` of github.com/lyn1874/region_based_active_learning.
    """
    if min(length, size, stride) < 1:
        raise ShapeError(
            f"expected length, size and stride >= 1, got {length!r}, {size!r}, {stride!r}."
        )
    last = max(length - size, 0)
    if grid == "paper" and stride > 1:
        return np.append(np.arange((last + 1) // stride) * stride, last)
    regular = np.arange(0, last + 1, stride)
    return regular if regular[-1] == last else np.append(regular, last)


def window_sums(
    values: Shaped[np.ndarray, "H W"],
    size: tuple[int, int],
    stride: int,
    grid: Grid = "regular",
) -> Float64[np.ndarray, "rows cols"]:
    """Sum of every window, in float64.

    Rows are summed within the cells between window borders, cells to windows, then columns to
    windows. Unlike with differences of a summed-area table nothing cancels: sums of integers are
    exact up to 2**53, and sums of values >= 0 have a relative error of at most (H + W) 2**-53.

    Parameters
    ----------
    values : (H, W) array of any real or bool dtype
        Finite. Not modified.
    size : (int, int)
        Rows and columns of a window; clipped to the array.
    stride, grid
        Where windows lie, see `window_origins`.

    Returns
    -------
    (rows, cols) float64 array
        The sum at [i, j] belongs to the window at ``window_origins(H, ...)[i]`` and
        ``window_origins(W, ...)[j]``.

    Examples
    --------
    Rows 0-1 and 1-2, columns 0-1 and 1-2: 1+2+4+5, 2+3+5+6, 4+5+7+8, 5+6+8+9.

    >>> window_sums(np.arange(1, 10).reshape(3, 3), (2, 2), 1)
    array([[12., 16.],
           [24., 28.]])
    """
    (top, bottom), (left, right) = (
        _intervals(length, extent, stride, grid)
        for length, extent in zip(values.shape, size, strict=True)
    )
    borders = np.unique(np.concatenate([top, bottom]))
    cells = _cells(values, borders)  # (cells, W): the only step that reads every pixel
    first, last = np.searchsorted(borders, top), np.searchsorted(borders, bottom)
    columns = _interval_sums(cells, first, last)  # (rows, W)
    return _interval_sums(columns.T, left, right).T


def _intervals(
    length: int, size: int, stride: int, grid: Grid
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """First pixels of the windows along one axis, and those after their last."""
    origins = window_origins(length, size, stride, grid)
    return origins, origins + min(size, length)


def without_overlap(
    order: npt.NDArray[np.intp],
    rows: npt.NDArray[np.int_],
    cols: npt.NDArray[np.int_],
    size: tuple[int, int],
    limit: int | None = None,
) -> npt.NDArray[np.intp]:
    """Greedy choice in a given order.

    Parameters
    ----------
    order : (n,) int array
        Flat indices into the (rows, cols) grid of windows, best first; each at most once.
    rows, cols : int arrays
        First pixels of the windows, ascending, as from `window_origins`.
    size : (int, int)
        Rows and columns of a window.
    limit : int, optional
        How many to choose at most.

    Returns
    -------
    (k,) int array
        The first members of `order`, in that order, that overlap no earlier member of the result.

    Examples
    --------
    Windows of 2 columns at columns 0, 1, 2: the middle one first leaves no room.

    >>> without_overlap(np.array([1, 0, 2]), np.array([0]), np.arange(3), (1, 2))
    array([1])
    """
    flags = bytearray(len(rows) * len(cols))  # plain bytes: the loop below reads one at a time
    dropped = np.frombuffer(flags, dtype=np.uint8).reshape(len(rows), len(cols))
    top = np.searchsorted(rows, rows - size[0], side="right")
    bottom = np.searchsorted(rows, rows + size[0])
    left = np.searchsorted(cols, cols - size[1], side="right")
    right = np.searchsorted(cols, cols + size[1])
    chosen: list[int] = []
    for index in order.tolist():
        if len(chosen) == limit:
            break
        if flags[index]:
            continue
        chosen.append(index)
        i, j = divmod(index, len(cols))
        dropped[top[i] : bottom[i], left[j] : right[j]] = 1
    return np.array(chosen, dtype=np.intp)


def _cells(
    values: Shaped[np.ndarray, "L M"], borders: npt.NDArray[np.int_]
) -> Float64[np.ndarray, "cells M"]:
    """Sum the rows between neighbouring borders, in float64."""
    if values.dtype == np.bool_:
        values = values.view(np.uint8)  # numpy adds numbers several times faster than truths
    cells = np.empty((len(borders) - 1, values.shape[1]))
    for cell, (start, end) in zip(cells, itertools.pairwise(borders.tolist()), strict=True):
        np.add.reduce(values[start:end], axis=0, dtype=np.float64, out=cell)
    return cells


def _interval_sums(
    values: Float64[np.ndarray, "L M"],
    first: npt.NDArray[np.int_],
    last: npt.NDArray[np.int_],
) -> Float64[np.ndarray, "n M"]:
    """Sums of values[first[i] : last[i]]: products with 0/1 matrices, a block of sums at a time."""
    sums = np.empty((len(first), values.shape[1]))
    for block in range(0, len(first), _BLOCK):
        starts, ends = first[block : block + _BLOCK, None], last[block : block + _BLOCK, None]
        low, high = int(starts[0, 0]), int(ends[-1, 0])
        place = np.arange(low, high)
        inside = ((place >= starts) & (place < ends)).astype(np.float64)  # (block, high - low)
        np.matmul(inside, values[low:high], out=sums[block : block + _BLOCK])
    return sums
