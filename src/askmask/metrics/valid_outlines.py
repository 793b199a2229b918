"""Outlines with fewer corners that still bound a valid polygon; pure maths.

Douglas and Peucker's rule (`askmask.metrics.contours.simplify`) looks at one line at a time, so a
wide tolerance lets a ring cross itself, a hole, or leave a hole outside. `simplify_polygon` puts
corners back wherever that happens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int

from askmask.metrics.contours import (
    Polygon,
    Ring,
    farthest_corner,
    keep_between,
    kept_corners,
)

_PAIRS_AT_ONCE = 1_000_000  # of edges that are compared in one step: some 100 MB

Edges = Float64[np.ndarray, "N 2 2"]
"""Start and end (row, col) of each edge."""

_Place = tuple[int, int]  # number of a ring, and of a corner in it


def simplify_polygon(polygon: Polygon, tolerance: float) -> Polygon:
    """Polygon with fewer corners, valid as the Simple Features standard means it.

    Its rings do not cross or touch, except in corners that two rings of `polygon` share, and every
    hole lies inside the outline.

    Parameters
    ----------
    polygon : Polygon
        As `trace` gives it: corners are whole numbers, rings touch each other in shared corners at
        most. Not modified.
    tolerance : float
        Pixels, >= 0: no dropped corner is farther from the new line. Corners that would make the
        polygon invalid are kept, so a wide tolerance may drop fewer of them. 0 only drops corners
        on straight lines.

    Returns
    -------
    Polygon
        With the rings of `polygon` in their order, each of 3 corners or more, taken from its own.

    Raises
    ------
    ShapeError
        If the tolerance is negative.

    References
    ----------
    OGC 06-103r4, section 6.1.11, for what is valid; Saalfeld 1999,
    doi:10.1559/152304099782424901, for putting corners back where the line turned out wrong.
    """
    lines = [_Line(ring, kept_corners(ring, tolerance), tolerance) for ring in polygon.rings]
    while wrong := _crossing(lines) or _touching(lines) or _misplaced(lines):
        returned = [lines[number].put_back(corner) for number, corner in wrong]
        assert any(returned), "the polygon itself is valid"
    outer, *holes = (line.corners for line in lines)
    return Polygon(outer, tuple(holes))


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A ring and which of its corners are kept."""

    ring: Ring
    kept: Bool[np.ndarray, " _"]
    tolerance: float

    @property
    def corners(self) -> Ring:
        corners: Ring = self.ring[self.kept]
        return corners

    def put_back(self, first: int) -> bool:
        """Keep the farthest corner that the edge from `first` on skips; False if it skips none."""
        after = np.flatnonzero(self.kept[first + 1 :])
        last = first + 1 + int(after[0]) if len(after) else len(self.ring)
        closed = np.concatenate([self.ring, self.ring[:1]])
        corner, distance = farthest_corner(closed, first, last)
        if distance < 0:
            return False
        self.kept[corner] = True
        keep_between(self.ring, self.kept, (first, corner), self.tolerance)
        keep_between(self.ring, self.kept, (corner, last), self.tolerance)
        return True


def _crossing(lines: Sequence[_Line]) -> list[_Place]:
    """Start of every edge that meets another one in a point that both may not share."""
    places = _places(lines)
    edges = np.concatenate(
        [np.stack([c, np.roll(c, -1, axis=0)], axis=1) for c in (line.corners for line in lines)]
    )
    owner = np.array([number for number, _ in places])
    wrong = np.zeros(len(edges), np.bool_)
    for one, other in _near_pairs(edges):
        bad = _meet_wrongly(edges[one], edges[other], owner[one] == owner[other])
        wrong[one[bad]] = True
        wrong[other[bad]] = True
    return [places[i] for i in np.flatnonzero(wrong)]


def _places(lines: Sequence[_Line]) -> list[_Place]:
    return [(n, int(c)) for n, line in enumerate(lines) for c in np.flatnonzero(line.kept)]


def _near_pairs(edges: Edges) -> Iterator[tuple[Int[np.ndarray, " P"], Int[np.ndarray, " P"]]]:
    """Every pair of edges whose boxes share a point, in parts of bounded size."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    order = np.argsort(low[:, 0], kind="stable")
    low, high = low[order], high[order]
    # Edge i can meet those after it that start no lower on the screen than it ends.
    counts = np.searchsorted(low[:, 0], high[:, 0], side="right") - np.arange(len(edges)) - 1
    first = 0
    while first < len(edges):
        total = counts[first:].cumsum()
        last = first + max(int(np.searchsorted(total, _PAIRS_AT_ONCE, side="right")), 1)
        taken = counts[first:last]
        one = np.repeat(np.arange(first, first + len(taken)), taken)
        other = one + 1 + np.arange(taken.sum()) - np.repeat(taken.cumsum() - taken, taken)
        near = (low[one, 1] <= high[other, 1]) & (low[other, 1] <= high[one, 1])
        yield order[one[near]], order[other[near]]
        first = last


def _meet_wrongly(
    one: Edges, other: Edges, is_same_ring: Bool[np.ndarray, " P"]
) -> Bool[np.ndarray, " P"]:
    """Whether two edges share more than the corner that neighbours or touching rings share."""
    a, b, c, d = one[:, 0], one[:, 1], other[:, 0], other[:, 1]
    of_c, of_d, of_a, of_b = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    crosses = (of_c * of_d < 0) & (of_a * of_b < 0)
    ends_on_the_other = np.stack(
        [
            (of_c == 0) & _is_between(a, b, c),
            (of_d == 0) & _is_between(a, b, d),
            (of_a == 0) & _is_between(c, d, a),
            (of_b == 0) & _is_between(c, d, b),
        ]
    ).sum(axis=0)
    is_next = (b == c).all(axis=1) | (a == d).all(axis=1)
    is_fork = (a == c).all(axis=1) | (b == d).all(axis=1)
    # Where two edges share a corner and nothing else, two of the four ends lie on the other edge.
    share_a_corner = (is_next | is_fork) & (ends_on_the_other == 2)
    is_allowed = share_a_corner & (is_next | ~is_same_ring)
    is_wrong: Bool[np.ndarray, " P"] = crosses | ((ends_on_the_other > 0) & ~is_allowed)
    return is_wrong


def _side(
    start: Float64[np.ndarray, "P 2"],
    end: Float64[np.ndarray, "P 2"],
    point: Float64[np.ndarray, "P 2"],
) -> Float64[np.ndarray, " P"]:
    """Sign of the side of a line on which a point lies; exact, as corners are whole numbers."""
    along, to = end - start, point - start
    side: Float64[np.ndarray, " P"] = np.sign(along[:, 0] * to[:, 1] - along[:, 1] * to[:, 0])
    return side


def _is_between(
    start: Float64[np.ndarray, "P 2"],
    end: Float64[np.ndarray, "P 2"],
    point: Float64[np.ndarray, "P 2"],
) -> Bool[np.ndarray, " P"]:
    """Whether a point lies in the box of an edge."""
    low, high = np.minimum(start, end), np.maximum(start, end)
    inside: Bool[np.ndarray, " P"] = ((low <= point) & (point <= high)).all(axis=1)
    return inside


def _touching(lines: Sequence[_Line]) -> list[_Place]:
    """Edges at every corner where two rings do not touch but pass through each other."""
    at: dict[tuple[float, float], list[_Place]] = {}
    for place in _places(lines) if len(lines) > 1 else []:
        row, col = lines[place[0]].ring[place[1]].tolist()
        at.setdefault((row, col), []).append(place)
    wrong = []
    for places in at.values():
        for one, other in combinations(places, 2):
            if _pass_through(lines[one[0]], one[1], lines[other[0]], other[1]):
                wrong += [one, other, _before(lines, one), _before(lines, other)]
    return wrong


def _pass_through(one: _Line, first: int, other: _Line, second: int) -> bool:
    """Whether the edges of two rings alternate around the corner that both have."""
    back, ahead = _headings(one, first)
    span = (ahead - back) % (2 * np.pi)
    return len({(heading - back) % (2 * np.pi) < span for heading in _headings(other, second)}) == 2


def _headings(line: _Line, corner: int) -> tuple[float, float]:
    """Angles from a corner to the kept one before it and to the one after it."""
    kept = np.flatnonzero(line.kept)
    place = int(np.searchsorted(kept, corner))
    neighbours = line.ring[[kept[place - 1], kept[(place + 1) % len(kept)]]]
    rows, cols = (neighbours - line.ring[corner]).T
    back, ahead = np.arctan2(rows, cols).tolist()
    return back, ahead


def _before(lines: Sequence[_Line], place: _Place) -> _Place:
    """Start of the edge that ends in a corner."""
    number, corner = place
    kept = np.flatnonzero(lines[number].kept)
    return number, int(kept[int(np.searchsorted(kept, corner)) - 1])


def _misplaced(lines: Sequence[_Line]) -> list[_Place]:
    """Start of every edge that skips corners, if a hole left the outline or lies in another."""
    outer, *holes = (line.corners for line in lines)
    is_right = all(_holds(outer, hole) for hole in holes) and not any(
        _holds(one, two) or _holds(two, one) for one, two in combinations(holes, 2)
    )
    return [] if is_right else [place for place in _places(lines) if not _is_whole(lines, place)]


def _is_whole(lines: Sequence[_Line], place: _Place) -> bool:
    """Whether the edge from a corner on is one of the ring itself."""
    line, corner = lines[place[0]], place[1]
    return bool(line.kept[(corner + 1) % len(line.kept)])


def _holds(outer: Ring, inner: Ring) -> bool:
    """Whether a ring surrounds another one, which it does not cross."""
    common = (inner[:, None] == outer[None]).all(axis=2).any(axis=1)
    row, col = inner[np.flatnonzero(~common)[0]]
    start, end = outer, np.roll(outer, -1, axis=0)
    spans = (start[:, 0] <= row) != (end[:, 0] <= row)
    start, end = start[spans], end[spans]
    share = (row - start[:, 0]) / (end[:, 0] - start[:, 0])
    return bool((start[:, 1] + share * (end[:, 1] - start[:, 1]) > col).sum() % 2)
