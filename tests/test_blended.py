"""Rasters predicted in tiles that fade into each other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from askmask.data.slides.tiled_image import Box
from askmask.loop.slides import blended
from askmask.loop.slides.blended import blended_rows


@pytest.fixture(autouse=True, scope="module")
def _small_tiles():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blended, "TILE", 32)
        patch.setattr(blended, "RAMP", 4)
        yield


def kept(values: np.ndarray, is_seen: np.ndarray) -> np.ndarray:
    return np.concatenate([values, is_seen[None]])


def put_together(size, n_values: int, predict) -> tuple[np.ndarray, np.ndarray]:
    found = list(blended_rows(size, n_values, predict, kept))
    tops = [row.top for row in found]
    heights = [row.layers.shape[1] for row in found]
    assert tops == [0, *np.cumsum(heights)[:-1]]  # one after the other, without a gap
    layers = np.concatenate([row.layers for row in found], 1)
    return layers[:-1], layers[-1] > 0


sizes = st.tuples(st.integers(20, 110), st.integers(20, 110))


@given(sizes)
def test_what_every_tile_says_of_a_pixel_is_what_comes_out(size: tuple[int, int]) -> None:
    truth = np.random.default_rng(0).random((2, *size)).astype(np.float32)
    values, is_seen = put_together(size, 2, lambda box: truth[:, *box.slices])
    assert is_seen.all()
    np.testing.assert_allclose(values, truth, rtol=1e-5)


@given(sizes)
def test_tiles_that_see_far_enough_say_what_the_whole_raster_says(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).random(size)
    whole = ndimage.uniform_filter(image, 5, mode="nearest")

    def filtered(box: Box) -> np.ndarray:
        top, left = max(box.row - 2, 0), max(box.col - 2, 0)
        seen = image[top : box.bottom + 2, left : box.right + 2]
        made = ndimage.uniform_filter(seen, 5, mode="nearest")
        inner = made[box.row - top :, box.col - left :][: box.height, : box.width]
        return inner[None].astype(np.float32)

    values, _ = put_together(size, 1, filtered)
    np.testing.assert_allclose(values[0], whole, atol=1e-5)


def test_one_tile_gives_way_to_the_next_in_a_straight_line() -> None:
    def left_or_right(box: Box) -> np.ndarray:
        return np.full((1, box.height, box.width), float(box.col > 0), np.float32)

    values, _ = put_together((20, 64), 1, left_or_right)
    expected = np.concatenate([np.zeros(28), (np.arange(8) + 0.5) / 8, np.ones(28)])
    np.testing.assert_allclose(values[0], np.tile(expected, (20, 1)), atol=1e-6)


def test_where_no_tile_was_looked_at_nothing_is_seen_and_neighbours_keep_their_values() -> None:
    def only_the_first(box: Box) -> np.ndarray | None:
        return None if box.col > 0 else np.ones((1, box.height, box.width), np.float32)

    values, is_seen = put_together((20, 64), 1, only_the_first)
    assert is_seen[:, :36].all()  # its own 32 columns, and the 4 it reaches beyond
    assert not is_seen[:, 36:].any()
    assert (values[0][is_seen] == 1).all()
    assert (values[0][~is_seen] == 0).all()


@given(sizes, st.integers(1, 3))
def test_going_on_from_a_row_is_as_if_nothing_had_stopped(size, first: int) -> None:
    truth = np.random.default_rng(2).random((1, *size)).astype(np.float32)

    def tile(box: Box) -> np.ndarray:
        return truth[:, *box.slices] * (1 + box.row)

    whole = list(blended_rows(size, 1, tile, kept))
    if first >= len(whole):
        return
    carry = whole[first - 1].carry
    again = list(blended_rows(size, 1, tile, kept, first=first, carry=carry))
    for one, other in zip(whole[first:], again, strict=True):
        assert (one.number, one.top) == (other.number, other.top)
        np.testing.assert_array_equal(one.layers, other.layers)
