"""Objects of a raster in bands: the same as of the raster at once."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from askmask.metrics.objects import find_objects
from askmask.metrics.streamed_objects import FoundObject, StreamedObjects


def streamed(labels, contour=None, *, cuts=(), min_pixels=1, confidence=None) -> list[FoundObject]:
    objects = StreamedObjects(1, min_pixels)
    values = np.full(labels.shape, 100, np.uint8) if confidence is None else confidence
    borders = [0, *sorted(cuts), labels.shape[0]]
    for top, bottom in itertools.pairwise(borders):
        if bottom > top:
            part = None if contour is None else contour[top:bottom]
            objects.add(labels[top:bottom], values[top:bottom], part)
    return list(objects.found())


def test_an_object_by_hand() -> None:
    labels = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.uint8)
    confidence = np.array([[0] * 4, [0, 10, 20, 0], [0, 0, 0, 60], [0] * 4], np.uint8)
    (found,) = streamed(labels, cuts=[2], confidence=confidence)
    assert (found.pixels, found.confidence) == (3, 30.0)
    assert (found.top, found.left, found.bottom, found.right) == (1, 1, 3, 4)
    assert (found.row, found.col) == (pytest.approx(4 / 3), 2.0)  # rows 1, 1, 2; columns 1, 2, 3


def test_a_band_without_the_class_has_no_object() -> None:
    assert streamed(np.zeros((4, 4), np.uint8)) == []


def test_small_objects_are_left_out_also_where_a_band_cuts_one() -> None:
    labels = np.zeros((6, 8), np.uint8)
    labels[0:6, 1] = 1  # 6 pixels in pieces of 2
    labels[0, 4] = labels[2, 6] = labels[3, 6] = 1
    assert [one.pixels for one in streamed(labels, cuts=[2, 4], min_pixels=3)] == [6]


rasters = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).random((12, 14)) < 0.45
)


@given(rasters, st.lists(st.integers(1, 11), max_size=4), st.integers(1, 6))
def test_pieces_are_those_of_the_raster_at_once(inside, cuts, min_pixels) -> None:
    numbered, _ = ndimage.label(inside, np.ones((3, 3)))
    areas = np.bincount(numbered.ravel())[1:]
    boxes = ndimage.find_objects(numbered)
    expected = sorted(
        (box[0].start, box[1].start, box[0].stop, box[1].stop, int(area))
        for box, area in zip(boxes, areas, strict=True)
        if area >= min_pixels
    )
    found = streamed(inside.astype(np.uint8), cuts=cuts, min_pixels=min_pixels)
    assert sorted((o.top, o.left, o.bottom, o.right, o.pixels) for o in found) == expected


@given(rasters, rasters, st.lists(st.integers(1, 11), max_size=4), st.integers(1, 4))
def test_contours_split_as_they_do_in_a_picture(inside, contour, cuts, min_pixels) -> None:
    picture = find_objects(inside, contour, min_pixels)
    found = streamed(inside.astype(np.uint8), contour, cuts=cuts, min_pixels=min_pixels)
    assert len(found) == picture.max()


@given(rasters, rasters, st.lists(st.integers(1, 11), max_size=4))
def test_bands_change_nothing(inside, contour, cuts) -> None:
    labels = inside.astype(np.uint8)
    assert streamed(labels, contour, cuts=cuts) == streamed(labels, contour)
