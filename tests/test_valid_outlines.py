"""Simplified polygons are valid by an independent test, and no farther away than they may be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage
from shapely.geometry import LinearRing, Point
from shapely.geometry import Polygon as Reference
from shapely.validation import explain_validity

from askmask.errors import ShapeError
from askmask.metrics.contours import Polygon, trace
from askmask.metrics.valid_outlines import simplify_polygon

rasters = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=16))
tolerances = st.sampled_from([0.0, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 20.0])


def reference(polygon: Polygon) -> Reference:
    return Reference(polygon.outer, [hole.tolist() for hole in polygon.holes])


def drawn(rows: str) -> Polygon:
    (polygon,) = trace(np.array([[mark == "#" for mark in row] for row in rows.split()]))
    return polygon


def blobs(seed: int, side: int) -> np.ndarray:
    """Smooth shapes with holes and bays, of some 40 pixels, as tissue has them."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    return ndimage.gaussian_filter(noise, 3) > 0


@settings(deadline=None, max_examples=100)
@given(rasters, tolerances)
def test_simplified_polygons_are_valid(pixels: np.ndarray, tolerance: float) -> None:
    for polygon in trace(pixels):
        found = reference(simplify_polygon(polygon, tolerance))
        assert found.is_valid, explain_validity(found)
        assert found.area > 0


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.0, 3.0, 6.0])
def test_simplified_polygons_of_smooth_shapes_are_valid(tolerance: float) -> None:
    polygons = [polygon for seed in range(4) for polygon in trace(blobs(seed, 120))]
    assert len(polygons) > 50
    for polygon in polygons:
        found = reference(simplify_polygon(polygon, tolerance))
        assert found.is_valid, explain_validity(found)


@settings(deadline=None, max_examples=50)
@given(rasters, tolerances)
def test_no_dropped_corner_is_farther_away_than_the_tolerance(
    pixels: np.ndarray, tolerance: float
) -> None:
    for polygon in trace(pixels):
        simple = simplify_polygon(polygon, tolerance)
        for ring, fewer in zip(polygon.rings, simple.rings, strict=True):
            line = LinearRing(fewer)
            assert max(line.distance(Point(corner)) for corner in ring) <= tolerance + 1e-9


@given(rasters)
def test_tolerance_zero_keeps_every_corner(pixels: np.ndarray) -> None:
    for polygon in trace(pixels):
        for ring, same in zip(polygon.rings, simplify_polygon(polygon, 0.0).rings, strict=True):
            np.testing.assert_array_equal(ring, same)


def test_a_hole_in_a_bump_stays_inside_the_outline() -> None:
    polygon = drawn(".###.... .#.#.... .###.... ######## ########")
    simple = simplify_polygon(polygon, 3.0)
    assert reference(simple).is_valid
    assert len(simple.outer) > len(simplify_polygon(drawn("######## ########"), 3.0).outer)


def test_wide_tolerance_drops_most_corners_of_a_smooth_shape() -> None:
    rows, cols = np.mgrid[:60, :60]
    (polygon,) = trace(np.hypot(rows - 29.5, cols - 29.5) < 25)
    assert len(polygon.outer) > 100
    assert len(simplify_polygon(polygon, 2.0).outer) <= 12


@pytest.mark.parametrize("tolerance", [-1.0, float("nan")])
def test_a_tolerance_that_is_no_distance_is_refused(tolerance: float) -> None:
    with pytest.raises(ShapeError, match="tolerance >= 0"):
        simplify_polygon(drawn("##"), tolerance)
