"""Tissue on a slide: what is found, what is left out, and where it lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.filters import threshold_otsu

from askmask.data.slides.tiled_image import Box
from askmask.data.slides.tissue_mask import (
    Stroke,
    cleaned,
    find_tissue,
    otsu,
    painted,
    stained,
    tissue_at,
)
from askmask.data.slides.whole_image import WholeImage
from slide_files import tissue_slide


def test_tissue_is_found_where_it_was_drawn_and_glass_is_not() -> None:
    image = WholeImage("slide", tissue_slide(1600, 3200, border=320))
    tissue = find_tissue(image, mpp=2.0)  # a pixel of the mask is 8 x 8 pixels
    assert tissue.shape == (200, 400)
    assert tissue[42:158, 42:358].all()
    assert not np.delete(tissue, slice(38, 162), axis=0).any()
    assert not np.delete(tissue, slice(38, 362), axis=1).any()


def test_a_slide_of_glass_has_no_tissue() -> None:
    glass = np.random.default_rng(0).integers(232, 247, (800, 800, 3)).astype(np.uint8)
    assert not find_tissue(WholeImage("glass", glass), mpp=4.0).any()


def test_a_slide_that_is_tissue_from_edge_to_edge_is_tissue() -> None:
    shades = np.random.default_rng(0).integers(60, 140, (800, 800, 1))
    pixels = np.concatenate([shades + 90, shades, shades + 50], 2).astype(np.uint8)
    assert find_tissue(WholeImage("full", pixels), mpp=4.0).all()


def test_black_around_the_glass_is_no_tissue() -> None:
    pixels = np.full((800, 800, 3), 240, np.uint8)
    pixels[:, :200] = 5
    assert not find_tissue(WholeImage("edge", pixels), mpp=4.0).any()


def test_faint_grey_blue_tissue_is_found_by_its_darkness() -> None:
    pixels = np.full((800, 800, 3), 240, np.uint8)
    pixels[200:600, 200:600] = (150, 152, 158)
    tissue = find_tissue(WholeImage("faint", pixels), mpp=4.0)
    assert tissue[55:145, 55:145].all()
    assert tissue.mean() == pytest.approx(0.25, abs=0.01)


def test_specks_are_removed_and_small_holes_filled() -> None:
    tissue = np.zeros((100, 100), bool)
    tissue[10:60, 10:60] = True
    tissue[30:33, 30:33] = False  # 9 pixels of 256 square micrometres: a hole of 0.002 mm2
    tissue[20:50, 45:55] = False  # 0.08 mm2
    tissue[80:84, 80:84] = True  # 0.004 mm2
    expected = tissue.copy()
    expected[30:33, 30:33] = True
    expected[80:84, 80:84] = False
    np.testing.assert_array_equal(cleaned(tissue), expected)


def test_colour_or_darkness_makes_tissue() -> None:
    saturation = np.array([[5, 100, 5, 100, 5]], np.uint8)
    brightness = np.array([[240, 240, 90, 90, 10]], np.uint8)  # the last is black
    assert stained(saturation, brightness).tolist() == [[False, True, True, True, False]]


@given(st.lists(st.integers(0, 255), min_size=2, max_size=200))
def test_otsu_parts_values_as_scikit_image_does(values: list[int]) -> None:
    given_ = np.array(values, np.uint8)
    ours = otsu(given_)
    if len(set(values)) == 1:
        assert ours == values[0]
        return
    theirs = threshold_otsu(given_)
    assert ((given_ > ours) == (given_ > theirs)).all()


def test_tissue_at_another_size_takes_the_value_at_each_centre() -> None:
    tissue = np.zeros((4, 4), bool)
    tissue[1, 2] = True  # 16 to 32 micrometres down, 32 to 48 to the right
    at_8 = tissue_at(tissue, Box(1, 3, 4, 4), mpp=8.0)
    expected = np.zeros((4, 4), bool)
    expected[1:3, 1:3] = True  # rows 2 and 3, columns 4 and 5 of the slide
    np.testing.assert_array_equal(at_8, expected)


def test_a_stroke_changes_what_lies_under_the_brush_and_nothing_else() -> None:
    glass = np.zeros((50, 60), np.bool_)
    everywhere = [Box(0, 0, 800, 960)]  # at 1 micrometre: 16 of them are a pixel of the mask
    stroke = Stroke(True, ((160.0, 160.0), (160.0, 640.0)), radius=48.0)
    made = painted(glass, stroke, 1.0, everywhere)
    rows, cols = np.nonzero(made)
    assert (rows.min(), rows.max()) == (7, 12)  # 160 / 16 = 10, three pixels to each side
    assert (cols.min(), cols.max()) == (7, 42)
    assert made[7:13, 12:38].all()
    assert not glass.any()


def test_the_finest_brush_paints_the_pixel_that_it_is_on() -> None:
    dot = Stroke(True, ((168.0, 40.0),), radius=1.0)
    made = painted(np.zeros((50, 60), np.bool_), dot, 1.0, [Box(0, 0, 800, 960)])
    assert np.argwhere(made).tolist() == [[10, 2]]


def test_glass_is_painted_on_tissue_within_the_given_boxes() -> None:
    tissue = np.ones((50, 60), np.bool_)
    dot = Stroke(False, ((320.0, 320.0),), radius=80.0)
    made = painted(tissue, dot, 1.0, [Box(0, 0, 800, 320)])
    assert not made[20, 16:20].any()
    assert made[:, 20:].all()


@given(
    points=st.lists(st.tuples(st.floats(-100, 900), st.floats(-100, 900)), min_size=1, max_size=6),
    radius=st.floats(0.1, 300),
)
def test_painting_tissue_and_then_glass_leaves_glass(
    points: list[tuple[float, float]], radius: float
) -> None:
    before = np.zeros((50, 60), np.bool_)
    boxes = [Box(0, 0, 800, 960)]
    more = painted(before, Stroke(True, tuple(points), radius), 1.0, boxes)
    assert not painted(more, Stroke(False, tuple(points), radius), 1.0, boxes).any()
