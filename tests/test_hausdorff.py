"""The Hausdorff distance of two objects, by hand and against scikit-image."""

import numpy as np
import pytest
from hypothesis import given, settings
from skimage.metrics import hausdorff_distance as skimage_hausdorff

from askmask.metrics.objects import (
    hausdorff_distance,
)
from raster_pairs import masks


def test_hausdorff_of_a_worked_case() -> None:
    # From (0, 0) the other set's nearest pixel is (3, 4), 5 away; back from (3, 4) also 5.
    one, other = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    one[0, 0] = other[3, 4] = True
    assert hausdorff_distance(one, other) == 5


def test_hausdorff_sees_the_middle_of_a_ring() -> None:
    # The outlines of disc and ring agree outside; the disc's centre is 2 away from the ring.
    ring = np.ones((5, 5), bool)
    ring[1:4, 1:4] = False
    assert hausdorff_distance(np.ones((5, 5), bool), ring) == 2


@settings(deadline=None, max_examples=50)
@given(masks)
def test_hausdorff_equals_scikit_image(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert hausdorff_distance(*pair) == pytest.approx(skimage_hausdorff(*pair))


@settings(deadline=None, max_examples=50)
@given(masks)
def test_hausdorff_is_symmetric(pair: tuple[np.ndarray, np.ndarray]) -> None:
    one, other = pair
    assert hausdorff_distance(one, other) == hausdorff_distance(other, one)
