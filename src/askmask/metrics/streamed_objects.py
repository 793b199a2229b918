"""Objects of a raster that comes in bands of rows, for rasters that are never whole in memory.

An object is a connected piece of a class (8 neighbours). Where a contour was predicted, a piece
that it cuts into two or more is as many objects, each without the pixels of the contour; so a
contour can split objects and never removes one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Int, UInt8
from scipy import ndimage, sparse
from scipy.sparse import csgraph

_NEIGHBOURS: Final = np.ones((3, 3), np.bool_)
_SUMS: Final = ("area", "rows", "cols", "confidence")
_LEAST: Final = ("top", "left")
_MOST: Final = ("bottom", "right")
_NONE: Final = -1

Columns = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object; coordinates in pixels of the raster.

    Attributes
    ----------
    label : int
        Its class.
    row, col : float
        Centre of mass, at pixel centres.
    top, left, bottom, right : int
        Its box, half-open.
    pixels : int
        Its area.
    confidence : float
        Mean over its pixels, in the unit that was handed in.
    """

    label: int
    row: float
    col: float
    top: int
    left: int
    bottom: int
    right: int
    pixels: int
    confidence: float


@dataclass(slots=True)
class _Pieces:
    """Connected pieces of one set of pixels, band by band.

    A piece that is too small and ends within its band is dropped at once, so what is held is
    bounded by the objects, not by the specks.
    """

    min_pixels: int
    count: int = 0
    columns: list[Columns] = field(default_factory=list)
    merges: list[npt.NDArray[np.int64]] = field(default_factory=list)
    last_row: npt.NDArray[np.int64] | None = None

    def add(
        self, pixels: Bool[np.ndarray, "h W"], confidence: UInt8[np.ndarray, "h W"], top: int
    ) -> Int[np.ndarray, "h W"]:
        """Take in a band; returns the number of the piece of each pixel, -1 where there is none."""
        numbered = np.empty(pixels.shape, np.int32)
        found = int(ndimage.label(pixels, _NEIGHBOURS, output=numbered))
        sizes = np.bincount(numbered.ravel(), minlength=found + 1)
        keep = sizes >= self.min_pixels
        keep[numbered[0]] = True
        keep[numbered[-1]] = True
        keep[0] = False
        numbers = np.full(found + 1, _NONE, np.int64)
        numbers[keep] = self.count + np.arange(np.count_nonzero(keep))
        self.count += int(np.count_nonzero(keep))
        self.columns.append(_measured(numbered, found, confidence, top, keep))
        ids: npt.NDArray[np.int64] = numbers[numbered]
        if self.last_row is not None:
            self.merges.append(_touching(self.last_row, ids[0]))
        self.last_row = ids[-1].copy()
        return ids

    def roots(self) -> tuple[int, npt.NDArray[np.int32]]:
        """Count the pieces that are left when touching ones are one; and which each became."""
        pairs = np.concatenate([np.zeros((0, 2), np.int64), *self.merges])
        ones = np.ones(len(pairs), np.int8)
        graph = sparse.coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), (self.count, self.count))
        count, roots = csgraph.connected_components(graph, directed=False)
        return int(count), roots

    def totals(self, count: int, roots: npt.NDArray[np.int32]) -> Columns:
        """Columns of the merged pieces."""
        whole = {
            name: np.concatenate([np.zeros(0), *(part[name] for part in self.columns)])
            for name in (*_SUMS, *_LEAST, *_MOST)
        }
        made = {n: np.bincount(roots, whole[n], count).astype(np.float64) for n in _SUMS}
        for name in _LEAST:
            made[name] = np.full(count, np.inf)
            np.minimum.at(made[name], roots, whole[name])
        for name in _MOST:
            made[name] = np.zeros(count)
            np.maximum.at(made[name], roots, whole[name])
        return made


class StreamedObjects:
    """Objects of one class, from bands of rows that are handed in from top to bottom.

    Parameters
    ----------
    label : int
        The class.
    min_pixels : int
        Smaller objects are left out.
    """

    def __init__(self, label: int, min_pixels: int) -> None:
        self._label = label
        self._min_pixels = min_pixels
        self._wholes = _Pieces(min_pixels)
        self._cores = _Pieces(min_pixels)
        self._homes: list[npt.NDArray[np.int64]] = []  # of each core, a piece that it lies in
        self._row = 0

    def add(
        self,
        labels: UInt8[np.ndarray, "h W"],
        confidence: UInt8[np.ndarray, "h W"],
        contour: Bool[np.ndarray, "h W"] | None,
    ) -> None:
        """Take in the next band.

        Parameters
        ----------
        labels : (h, W) uint8 array
            Class of each pixel.
        confidence : (h, W) uint8 array
            Averaged over each object.
        contour : (h, W) bool array or None
            Where a contour was predicted; None in every band, or in none.
        """
        inside = labels == self._label
        whole = self._wholes.add(inside, confidence, self._row)
        if contour is not None:
            before = self._cores.count
            core = self._cores.add(inside & ~contour, confidence, self._row)
            homes = np.full(self._cores.count - before, _NONE, np.int64)
            here = core >= 0
            homes[core[here] - before] = whole[here]
            self._homes.append(homes)
        self._row += labels.shape[0]

    def found(self) -> Iterator[FoundObject]:
        """Every object, in the order of their first rows."""
        n_wholes, roots = self._wholes.roots()
        wholes = self._wholes.totals(n_wholes, roots)
        lists = [wholes]
        if self._homes and self._cores.count:
            n_cores, core_roots = self._cores.roots()
            cores = self._cores.totals(n_cores, core_roots)
            home = np.zeros(n_cores, np.int64)
            home[core_roots] = roots[np.concatenate(self._homes)]
            large = cores["area"] >= self._min_pixels
            is_split = np.bincount(home[large], minlength=n_wholes) >= 2
            lists = [_chosen(wholes, ~is_split), _chosen(cores, large & is_split[home])]
        merged = {name: np.concatenate([part[name] for part in lists]) for name in wholes}
        merged = _chosen(merged, merged["area"] >= self._min_pixels)
        for index in np.lexsort((merged["left"], merged["top"])).tolist():
            yield self._one({name: float(values[index]) for name, values in merged.items()})

    def _one(self, at: dict[str, float]) -> FoundObject:
        return FoundObject(
            label=self._label,
            row=at["rows"] / at["area"],
            col=at["cols"] / at["area"],
            top=int(at["top"]),
            left=int(at["left"]),
            bottom=int(at["bottom"]),
            right=int(at["right"]),
            pixels=int(at["area"]),
            confidence=at["confidence"] / at["area"],
        )


def _measured(
    numbered: npt.NDArray[np.int32],
    count: int,
    confidence: npt.NDArray[np.uint8],
    top: int,
    keep: npt.NDArray[np.bool_],
) -> Columns:
    """Sums and boxes of the pieces of a band that are kept."""
    flat = numbered.ravel()
    height, width = numbered.shape
    lines = np.repeat(np.arange(top, top + height, dtype=np.float64), width)
    columns = np.tile(np.arange(width, dtype=np.float64), height)
    made: Columns = {
        "area": np.bincount(flat, minlength=count + 1).astype(np.float64),
        "rows": _summed(flat, lines, count),
        "cols": _summed(flat, columns, count),
        "confidence": _summed(flat, confidence.ravel().astype(np.float64), count),
    }
    boxes = np.zeros((count + 1, 4))
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        rows, cols = box
        boxes[number] = rows.start + top, cols.start, rows.stop + top, cols.stop
    for column, name in enumerate((*_LEAST, *_MOST)):
        made[name] = boxes[:, column]
    return _chosen(made, keep)


def _summed(
    flat: npt.NDArray[np.int32], values: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.float64]:
    return np.bincount(flat, values, count + 1).astype(np.float64)


def _touching(above: npt.NDArray[np.int64], below: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n, 2) pieces that are neighbours across the border of two bands."""
    pairs = []
    for shift in (-1, 0, 1):
        one = above[max(shift, 0) : above.size + min(shift, 0)]
        other = below[max(-shift, 0) : below.size + min(-shift, 0)]
        both = (one >= 0) & (other >= 0)
        pairs.append(np.stack([one[both], other[both]], 1))
    return np.unique(np.concatenate(pairs), axis=0)


def _chosen(columns: Columns, keep: npt.NDArray[np.bool_]) -> Columns:
    return {name: values[keep] for name, values in columns.items()}
