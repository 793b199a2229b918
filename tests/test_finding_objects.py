"""Objects of a predicted mask: components, split where a contour runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from askmask.errors import ShapeError
from askmask.metrics.objects import (
    connected_objects,
    find_objects,
)
from raster_pairs import masks


def two_blocks() -> np.ndarray:
    foreground = np.zeros((12, 24), bool)
    foreground[2:10, 2:22] = True
    return foreground


def test_without_contours_objects_are_the_components() -> None:
    foreground = two_blocks()
    foreground[:, 11:13] = False
    objects = find_objects(foreground, None, 1)
    assert (objects == ndimage.label(foreground)[0]).all()


def test_contour_splits_an_object_and_its_pixels_go_to_the_nearer_side() -> None:
    contour = np.zeros((12, 24), bool)
    contour[:, 10:14] = True
    objects = find_objects(two_blocks(), contour, 1)
    assert (objects[2:10, 2:12] == 1).all()
    assert (objects[2:10, 12:22] == 2).all()
    assert ((objects > 0) == two_blocks()).all()


def test_contour_over_a_whole_object_does_not_remove_it() -> None:
    objects = find_objects(two_blocks(), np.ones((12, 24), bool), 10)
    assert (objects == two_blocks()).all()


def test_splinter_beyond_a_contour_is_no_object_of_its_own() -> None:
    contour = np.zeros((12, 24), bool)
    contour[:, 18:21] = True  # leaves one column of 8 pixels on the right
    objects = find_objects(two_blocks(), contour, 9)
    assert (objects == two_blocks()).all()


def test_components_smaller_than_the_limit_are_dropped() -> None:
    foreground = two_blocks()
    foreground[0, 0] = True
    assert (find_objects(foreground, None, 2)[0, 0], find_objects(foreground, None, 1)[0, 0]) == (
        0,
        1,
    )


def test_pixels_go_to_a_core_of_their_own_component() -> None:
    # The lower strip has no core; the cores above, though near, belong to another component.
    foreground = np.zeros((9, 24), bool)
    foreground[0:5, :] = True
    foreground[6:9, :] = True
    contour = np.zeros((9, 24), bool)
    contour[:, 11:13] = True
    contour[6:9, :] = True
    objects = find_objects(foreground, contour, 20)
    assert np.unique(objects[6:9]).tolist() == [3]
    assert np.unique(objects[0:5]).tolist() == [1, 2]


def test_lumen_belongs_to_its_gland_and_an_object_inside_stays() -> None:
    foreground = np.ones((11, 11), bool)
    foreground[1:10, 1:10] = False
    foreground[4:7, 4:7] = True
    objects = find_objects(foreground, None, 1)
    assert (objects[4:7, 4:7] == 2).all()
    assert (np.delete(objects.ravel(), np.flatnonzero(objects == 2)) == 1).all()


def test_opening_to_the_image_border_is_no_hole() -> None:
    foreground = np.ones((5, 5), bool)
    foreground[0:3, 2] = False
    assert (find_objects(foreground, None, 1) == foreground).all()


def test_components_touch_by_corners() -> None:
    assert connected_objects(np.eye(3, dtype=bool)).max() == 1


@settings(deadline=None, max_examples=50)
@given(masks, st.integers(1, 6))
def test_every_component_that_is_large_enough_is_covered_by_objects_of_its_own(
    pair: tuple[np.ndarray, np.ndarray], min_pixels: int
) -> None:
    foreground, contour = pair
    objects = find_objects(foreground, contour, min_pixels)
    components, n = ndimage.label(foreground, np.ones((3, 3)))
    areas = ndimage.sum_labels(foreground, components, np.arange(1, n + 1))
    for component, area in enumerate(areas, start=1):
        inside = objects[components == component]
        assert (inside > 0).all() or area < min_pixels
    ids = np.unique(objects[objects > 0])
    assert ids.tolist() == list(range(1, len(ids) + 1))
    assert (np.bincount(objects.ravel())[1:] >= min_pixels).all()


@settings(deadline=None, max_examples=50)
@given(masks)
def test_find_objects_changes_no_input(pair: tuple[np.ndarray, np.ndarray]) -> None:
    foreground, contour = pair
    before = foreground.copy(), contour.copy()
    find_objects(foreground, contour, 2)
    assert (foreground == before[0]).all()
    assert (contour == before[1]).all()


def test_boundary_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape \(12, 24\), got \(2, 2\)"):
        find_objects(two_blocks(), np.zeros((2, 2), bool), 1)
