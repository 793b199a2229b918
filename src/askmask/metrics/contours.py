"""Outlines of sets of pixels as polygons along pixel edges, and the pixels of polygons; pure maths.

A vertex (row, col) is a corner of pixels: pixel (i, j) covers rows i ... i + 1 and columns
j ... j + 1. `trace` follows pixel edges, so `fill` gives back exactly the pixels that were traced.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from askmask.errors import ShapeError

Ring = Float64[np.ndarray, "_ 2"]
"""Corners (row, col) of a closed line, N >= 3, the first one not repeated."""

_Corner = tuple[int, int]
_CROSSINGS_AT_ONCE = 1_000_000  # some 50 MB


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """One connected set of pixels: its outline and the outlines of its holes.

    Rings do not cross themselves or each other; they may touch in single points. The outline runs
    clockwise as seen on the screen (rows downwards), holes run the other way.
    """

    outer: Ring
    holes: tuple[Ring, ...]

    @property
    def rings(self) -> tuple[Ring, ...]:
        """Outline and holes."""
        return (self.outer, *self.holes)


def trace(pixels: Bool[np.ndarray, "H W"]) -> list[Polygon]:
    """Outlines of the connected components (4 neighbours) of a set of pixels.

    Parameters
    ----------
    pixels : (H, W) bool array
        Not modified.

    Returns
    -------
    list of Polygon
        In the order of the components' first pixels; corners are integers from (0, 0) to (H, W),
        straight runs have no corner inside. Empty if no pixel is set.

    Examples
    --------
    >>> [polygon] = trace(np.array([[True, True]]))
    >>> polygon.outer.tolist()
    [[0.0, 0.0], [0.0, 2.0], [1.0, 2.0], [1.0, 0.0]]
    """
    from scipy import ndimage  # slow to import, and `--help` needs none of it

    components, _ = ndimage.label(pixels)
    polygons = []
    for number, box in enumerate(ndimage.find_objects(components), start=1):
        assert box is not None, "labels have no gaps"
        origin = np.array([box[0].start, box[1].start], np.float64)
        rings = [ring + origin for ring in _rings(components[box] == number)]
        outer = [ring for ring in rings if _signed_area(ring) > 0]
        assert len(outer) == 1, "a component has one outline"
        holes = tuple(ring for ring in rings if _signed_area(ring) < 0)
        polygons.append(Polygon(outer[0], holes))
    return polygons


def ring_length(ring: Ring) -> float:
    """Length of a closed ring, in pixel edges.

    Examples
    --------
    >>> ring_length(np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 2.0], [1.0, 0.0]]))
    6.0
    """
    return float(np.hypot(*(np.roll(ring, -1, axis=0) - ring).T).sum())


def simplify(ring: Ring, tolerance: float) -> Ring:
    """Ring with fewer corners, no dropped corner farther than `tolerance` from the new line.

    Parameters
    ----------
    ring : (N, 2) float64 array
        Not modified.
    tolerance : float
        Pixels, >= 0. 0 only drops corners on straight lines.

    Returns
    -------
    (M, 2) float64 array
        3 <= M <= N of the ring's corners, in order, the first one among them. The result may cross
        itself where the tolerance is wider than a part of the set.

    Raises
    ------
    ShapeError
        If the tolerance is negative.

    References
    ----------
    Douglas & Peucker 1973, doi:10.3138/FM57-6770-U75U-7727, on the two halves between the first
    corner and the one farthest from it.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [0.0, 4.0], [0.5, 4.0], [4.0, 4.0], [4.0, 0.0]])
    >>> len(simplify(square, 0.0)), len(simplify(square, 3.0))
    (4, 3)
    """
    simple: Ring = ring[kept_corners(ring, tolerance)]
    return simple


def kept_corners(ring: Ring, tolerance: float) -> Bool[np.ndarray, " _"]:
    """Which corners of a ring `simplify` keeps; three or more.

    Raises
    ------
    ShapeError
        If the tolerance is negative.
    """
    if not tolerance >= 0:
        raise ShapeError(f"expected a tolerance >= 0 pixels, got {tolerance!r}.")
    kept = np.zeros(len(ring), np.bool_)
    if len(ring) <= 3:
        return ~kept
    far = int(np.hypot(*(ring - ring[0]).T).argmax())
    kept[[0, far]] = True
    keep_between(ring, kept, (0, far), tolerance)
    keep_between(ring, kept, (far, len(ring)), tolerance)
    found = np.flatnonzero(kept)
    if len(found) < 3:  # a sliver: keep the corner that spans most area beside the two ends
        kept[int(_distances(ring, ring[found[0]], ring[found[1]]).argmax())] = True
    return kept


def keep_between(
    ring: Ring, kept: Bool[np.ndarray, " _"], ends: tuple[int, int], tolerance: float
) -> None:
    """Mark the corners between two kept ones that Douglas and Peucker's rule keeps.

    Parameters
    ----------
    ring : (N, 2) float64 array
        Not modified.
    kept : (N,) bool array
        Changed in place.
    ends : (int, int)
        Two kept corners, the first before the last; the last may be N, which is corner 0 again.
    tolerance : float
        Pixels.
    """
    closed = np.concatenate([ring, ring[:1]])
    spans = [ends]
    while spans:
        first, last = spans.pop()
        split, distance = farthest_corner(closed, first, last)
        if distance > tolerance:
            kept[split] = True
            spans += [(first, split), (split, last)]


def farthest_corner(line: Ring, first: int, last: int) -> tuple[int, float]:
    """Corner between two others that lies farthest from the line between them, and how far.

    (`first`, -1.0) if there is none between them.
    """
    if last - first < 2:
        return first, -1.0
    distances = _distances(line[first + 1 : last], line[first], line[last])
    worst = int(distances.argmax())
    return first + 1 + worst, float(distances[worst])


def fill(rings: Iterable[Ring], shape: tuple[int, int]) -> Bool[np.ndarray, "H W"]:
    """Pixels whose centres lie inside an odd number of rings.

    Parameters
    ----------
    rings : iterable of (N, 2) float64 arrays
        Outlines and holes of any number of polygons; they may reach beyond the raster.
    shape : (int, int)
        H and W.

    Returns
    -------
    (H, W) bool array

    Notes
    -----
    A centre exactly on a line counts to the right of it and below it, so that polygons that share
    an edge share no pixel and leave none out.

    Examples
    --------
    >>> fill([np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 2.0], [1.0, 0.0]])], (2, 3)).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    height, width = shape
    toggles = np.zeros((height, width + 1), np.int32)
    for ring in rings:
        for rows, cols in _crossings(ring, height):
            places = np.clip(np.ceil(cols - 0.5), 0, width).astype(np.intp)
            np.add.at(toggles, (rows, places), 1)
    inside: Bool[np.ndarray, "H W"] = toggles.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def count_crossings(ring: Ring, height: int) -> int:
    """How often a ring crosses the centre lines of the rows of a raster: what filling it costs."""
    first, stop = _crossed_rows(ring, np.roll(ring, -1, axis=0), height)
    return int((stop - first).sum())


def _crossed_rows(
    start: Ring, end: Ring, height: int
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """First row whose centre line each edge crosses, and the row after the last one."""
    top, bottom = np.minimum(start[:, 0], end[:, 0]), np.maximum(start[:, 0], end[:, 0])
    first = np.clip(np.ceil(top - 0.5), 0, height).astype(np.intp)
    stop = np.clip(np.ceil(bottom - 0.5), 0, height).astype(np.intp)
    return first, np.maximum(stop, first)


def _crossings(ring: Ring, height: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows whose centre line an edge crosses, and the column of each crossing, part by part."""
    end = np.roll(ring, -1, axis=0)
    first, stop = _crossed_rows(ring, end, height)
    counts = stop - first
    for part in np.array_split(np.arange(len(ring)), int(counts.sum()) // _CROSSINGS_AT_ONCE + 1):
        edge = np.repeat(part, counts[part])
        before = np.repeat(counts[part].cumsum() - counts[part], counts[part])
        rows = np.arange(len(edge)) - before + first[edge]
        share = (rows + 0.5 - ring[edge, 0]) / (end[edge, 0] - ring[edge, 0])
        yield rows, ring[edge, 1] + share * (end[edge, 1] - ring[edge, 1])


def _rings(inside: Bool[np.ndarray, "H W"]) -> list[Ring]:
    """Every closed line between set and unset pixels, the set ones on its right-hand side."""
    left_over = _edges(inside)
    rings = []
    while left_over:
        corner = next(iter(left_over))
        path, place = [corner], {corner: 0}
        heading = None
        while path:
            corner = _step(left_over, path[-1], heading)
            if corner not in place:
                heading = (corner[0] - path[-1][0], corner[1] - path[-1][1])
                place[corner] = len(path)
                path.append(corner)
                continue
            # The line came back to a corner of its own: cut the loop off, so no ring has a knot.
            loop = path[place[corner] :]
            rings.append(_without_straight(np.array(loop, np.float64)))
            for passed in loop[1:]:
                del place[passed]
            del path[place[corner] + 1 :]
            if corner not in left_over:
                break
            heading = None
    return rings


def _edges(inside: Bool[np.ndarray, "H W"]) -> dict[_Corner, list[_Corner]]:
    """Next corners by corner, of all pixel edges with a set pixel to the right of the heading."""
    padded = np.pad(inside, 1)
    core = padded[1:-1, 1:-1]
    following: dict[_Corner, list[_Corner]] = {}
    for unset, start, step in (
        (~padded[:-2, 1:-1], (0, 0), (0, 1)),  # above: head right
        (~padded[1:-1, 2:], (0, 1), (1, 0)),  # to the right: head down
        (~padded[2:, 1:-1], (1, 1), (0, -1)),  # below: head left
        (~padded[1:-1, :-2], (1, 0), (-1, 0)),  # to the left: head up
    ):
        for row, col in np.argwhere(core & unset).tolist():
            corner = (row + start[0], col + start[1])
            following.setdefault(corner, []).append((corner[0] + step[0], corner[1] + step[1]))
    return following


def _step(
    left_over: dict[_Corner, list[_Corner]], corner: _Corner, heading: _Corner | None
) -> _Corner:
    """Take one edge away; where two leave a corner, the right turn keeps diagonal pixels apart."""
    choices = left_over[corner]
    chosen = choices[0]
    if len(choices) > 1 and heading is not None:
        right = (corner[0] + heading[1], corner[1] - heading[0])
        chosen = right if right in choices else chosen
    choices.remove(chosen)
    if not choices:
        del left_over[corner]
    return chosen


def _without_straight(ring: Ring) -> Ring:
    """Ring without the corners where its direction does not change."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    bent: Ring = ring[turns]
    return bent


def _signed_area(ring: Ring) -> float:
    """Area in pixels; > 0 where the ring runs clockwise on the screen."""
    following = np.roll(ring, -1, axis=0)
    return float((ring[:, 1] * following[:, 0] - following[:, 1] * ring[:, 0]).sum() / 2)


def _distances(points: Ring, start: np.ndarray, end: np.ndarray) -> Float64[np.ndarray, " N"]:
    """Distance of each point from the segment between two points."""
    along = end - start
    share = np.clip((points - start) @ along / max(float(along @ along), 1e-300), 0, 1)
    rows, cols = (points - start - share[:, None] * along).T
    distances: Float64[np.ndarray, " N"] = np.hypot(rows, cols)
    return distances
