"""Contours: where objects meet, never where labelling stops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from skimage.filters import sobel
from skimage.morphology import dilation, disk

from askmask.data.targets import boundary_target
from askmask.errors import ConfigError
from askmask.records import UNLABELLED, Mask

shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
instance_rasters = shapes.flatmap(
    lambda shape: arrays.arrays(np.int32, shape, elements=st.integers(0, 3))
)


def mask_of(instances: np.ndarray) -> Mask:
    instances = np.asarray(instances, np.int32)
    return Mask((instances > 0).astype(np.int16), instances)


def two_touching_glands() -> np.ndarray:
    instances = np.zeros((20, 20), np.int32)
    instances[4:16, 2:10] = 1
    instances[4:16, 10:18] = 2
    return instances


def test_contour_of_a_worked_case() -> None:
    # Rows of [0 0 0 5 5]: the horizontal Sobel (right minus left) is non-zero at columns 2 and 3.
    target = boundary_target(mask_of(np.tile([0, 0, 0, 5, 5], (3, 1))), radius=0.0)
    assert target.tolist() == [[0, 0, 1, 1, 0]] * 3


def test_touching_objects_are_kept_apart() -> None:
    target = boundary_target(mask_of(two_touching_glands()), radius=0.0)
    assert (target[6:14, 9:11] == 1).all()
    assert (target[6:14, 5] == 0).all()


def test_without_instances_the_class_raster_is_used_so_touching_objects_merge() -> None:
    labels = mask_of(two_touching_glands()).labels
    target = boundary_target(Mask(labels), radius=0.0)
    assert (target[6:14, 9:11] == 0).all()
    assert (target[6:14, 1:3] == 1).all()


@given(instance_rasters, st.integers(0, 4))
def test_fully_labelled_target_equals_sobel_and_disk_of_scikit_image(
    instances: np.ndarray, radius: int
) -> None:
    # scikit-image works in floats: the sums of a flat patch may differ from 0 by rounding.
    edge = np.pad(instances, 1, mode="edge").astype(float)
    expected = dilation((sobel(edge) > 1e-9)[1:-1, 1:-1].astype(np.uint8), disk(radius))
    assert (boundary_target(mask_of(instances), float(radius)) == expected).all()


def test_border_of_an_answered_region_is_no_contour() -> None:
    labels = np.full((20, 20), UNLABELLED, np.int16)
    labels[5:15, 5:15] = 1
    target = boundary_target(Mask(labels))
    assert (target[5:15, 5:15] == 0).all()


@given(instance_rasters, st.data())
def test_target_is_unlabelled_exactly_where_the_mask_is(
    instances: np.ndarray, draw: st.DataObject
) -> None:
    hidden = draw.draw(arrays.arrays(np.bool_, instances.shape))
    labels = np.where(hidden, UNLABELLED, instances > 0).astype(np.int16)
    target = boundary_target(Mask(labels, np.where(hidden, 0, instances).astype(np.int32)))
    assert ((target == UNLABELLED) == hidden).all()
    assert np.isin(target[~hidden], (0, 1)).all()


def test_answer_in_an_object_sees_the_same_contour_as_the_whole_mask() -> None:
    whole = mask_of(two_touching_glands())
    labels = np.full((20, 20), UNLABELLED, np.int16)
    labels[6:14, 4:16] = whole.labels[6:14, 4:16]
    instances = np.where(labels == UNLABELLED, 0, whole.instances).astype(np.int32)
    partial, complete = boundary_target(Mask(labels, instances), 1.0), boundary_target(whole, 1.0)
    assert (partial[6:14, 4:16] == complete[6:14, 4:16]).all()


def test_nothing_labelled_gives_nothing_but_unlabelled() -> None:
    target = boundary_target(Mask(np.full((3, 4), UNLABELLED, np.int16)))
    assert target.dtype == np.int16
    assert (target == UNLABELLED).all()


def test_one_object_over_the_whole_image_has_no_contour() -> None:
    assert (boundary_target(mask_of(np.full((5, 5), 9))) == 0).all()


def test_large_ids_do_not_overflow() -> None:
    instances = np.full((4, 8), 2**31 - 1, np.int32)
    instances[:, 4:] = 2**31 - 2
    assert (boundary_target(mask_of(instances), 0.0)[:, 3:5] == 1).all()


def test_mask_is_not_modified() -> None:
    mask = mask_of(two_touching_glands())
    before = (mask.labels.copy(), mask.instances.copy())
    boundary_target(mask)
    assert (mask.labels == before[0]).all()
    assert (mask.instances == before[1]).all()


def test_negative_radius_is_refused() -> None:
    with pytest.raises(ConfigError, match="radius >= 0 pixels, got -1"):
        boundary_target(mask_of(np.zeros((2, 2))), -1.0)
