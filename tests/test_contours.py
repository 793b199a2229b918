"""Outlines of pixels: exact both ways, simple rings, and a simplification that keeps its word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from skimage.draw import polygon2mask

from askmask.errors import ShapeError
from askmask.metrics.contours import fill, ring_length, simplify, trace

rasters = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12))


def drawn(rows: str) -> np.ndarray:
    return np.array([[mark == "#" for mark in row] for row in rows.split()])


@given(rasters)
def test_filling_the_outlines_gives_back_exactly_the_pixels(pixels: np.ndarray) -> None:
    rings = [ring for polygon in trace(pixels) for ring in polygon.rings]
    np.testing.assert_array_equal(fill(rings, pixels.shape), pixels)


@given(rasters)
def test_outlines_are_as_long_as_there_are_edges_between_set_and_unset(pixels: np.ndarray) -> None:
    padded = np.pad(pixels, 1).astype(int)
    edges = np.abs(np.diff(padded, axis=0)).sum() + np.abs(np.diff(padded, axis=1)).sum()
    length = sum(ring_length(ring) for polygon in trace(pixels) for ring in polygon.rings)
    assert length == edges


@given(rasters)
def test_no_ring_passes_a_corner_twice(pixels: np.ndarray) -> None:
    for polygon in trace(pixels):
        for ring in polygon.rings:
            assert len(np.unique(ring, axis=0)) == len(ring) >= 4


def test_a_pixel_with_a_hole_around_it_is_an_outline_with_a_hole_and_a_second_outline() -> None:
    ring, dot = trace(drawn("##### #...# #.#.# #...# #####"))
    assert ring.outer.tolist() == [[0, 0], [0, 5], [5, 5], [5, 0]]
    assert [sorted(hole.tolist()) for hole in ring.holes] == [[[1, 1], [1, 4], [4, 1], [4, 4]]]
    assert (len(dot.outer), dot.holes) == (4, ())


def test_pixels_that_touch_at_a_corner_have_two_outlines() -> None:
    assert len(trace(drawn("#. .#"))) == 2


def test_two_holes_that_touch_at_a_corner_are_two_rings() -> None:
    (polygon,) = trace(drawn("#### #.## ##.# ####"))
    assert len(polygon.holes) == 2


def test_no_pixel_has_no_outline() -> None:
    assert trace(np.zeros((3, 4), np.bool_)) == []


def test_a_polygon_beyond_the_raster_is_cut_at_its_border() -> None:
    square = np.array([[-5.0, -5.0], [-5.0, 2.0], [2.0, 2.0], [2.0, -5.0]])
    np.testing.assert_array_equal(fill([square], (3, 3)), drawn("##. ##. ..."))


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 20)), min_size=3, max_size=3))
def test_filling_a_triangle_agrees_with_an_independent_one_off_its_edges(
    corners: list[tuple[float, float]],
) -> None:
    ring = np.array(corners)
    ours, other = fill([ring], (21, 21)), polygon2mask((21, 21), ring - 0.5)
    rows, cols = np.nonzero(ours != other)
    centres = np.stack([rows, cols], axis=1) + 0.5
    assert all(_on_an_edge(centre, ring) for centre in centres)


def _on_an_edge(point: np.ndarray, ring: np.ndarray) -> bool:
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        along = end - start
        share = np.clip((point - start) @ along / max(along @ along, 1e-12), 0, 1)
        if np.hypot(*(point - start - share * along)) < 1e-6:
            return True
    return False


@given(rasters, st.floats(0, 3))
def test_no_dropped_corner_is_farther_away_than_the_tolerance(
    pixels: np.ndarray, tolerance: float
) -> None:
    for polygon in trace(pixels):
        simple = simplify(polygon.outer, tolerance)
        assert 3 <= len(simple) <= len(polygon.outer)
        ends = np.roll(simple, -1, axis=0)
        for corner in polygon.outer:
            distances = []
            for start, end in zip(simple, ends, strict=True):
                along = end - start
                share = np.clip((corner - start) @ along / (along @ along), 0, 1)
                distances.append(np.hypot(*(corner - start - share * along)))
            assert min(distances) <= tolerance + 1e-9


def test_a_staircase_becomes_its_diagonal_within_the_height_of_a_step() -> None:
    (polygon,) = trace(np.tri(8, dtype=np.bool_))
    assert len(polygon.outer) > 15
    assert len(simplify(polygon.outer, 0.75)) <= 5


def test_a_negative_tolerance_is_refused() -> None:
    with pytest.raises(ShapeError, match="tolerance >= 0"):
        simplify(np.zeros((4, 2)), -1.0)
