"""Slides in tiles of every scale, as the page asks for them."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from askmask.data.slides.deep_zoom import TILE, deep_levels, deep_tile
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.data.slides.slide_set import SlideEntry
from askmask.data.slides.slide_source import SlideSource
from askmask.errors import SourceError
from slide_files import drawn, write_pages

PIXELS = drawn(1300, 1100)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlideSource]:
    """One slide of three levels at 0.3 micrometres, worked on at 1."""
    folder = tmp_path_factory.mktemp("slides")
    slide = write_pages(folder / "one.tif", PIXELS, mpp=0.3)
    options = SlideOptions(("background", "gland"), tissue="none")
    write_slide_set([slide], folder / "set", options)
    made = SlideSource(folder / "set")
    yield made
    made.close()


def only(source: SlideSource) -> SlideEntry:
    return source.slide_set.slides[0]


def test_tiles_of_the_first_level_are_the_slide_as_it_was_scanned(source: SlideSource) -> None:
    tile = deep_tile(source, only(source), 0, 2, 1)
    np.testing.assert_array_equal(tile, PIXELS[2 * TILE :, TILE : 2 * TILE])


def test_a_smaller_level_shows_the_same_places(source: SlideSource) -> None:
    tile = deep_tile(source, only(source), 1, 1, 0).astype(int)
    reference = Image.fromarray(PIXELS).reduce(2).crop((0, TILE, TILE, 650))
    assert tile.shape == (138, 512, 3)
    assert np.abs(tile - np.asarray(reference, int)).mean() < 6  # the grain is blurred a bit more


def test_the_last_level_is_one_tile(source: SlideSource) -> None:
    assert deep_levels(only(source)) == 3
    assert deep_tile(source, only(source), 2, 0, 0).shape == (325, 275, 3)


@pytest.mark.parametrize("place", [(3, 0, 0), (0, 3, 0), (0, 0, 3), (2, 1, 0), (-1, 0, 0)])
def test_what_is_no_tile_is_refused(source: SlideSource, place: tuple[int, int, int]) -> None:
    with pytest.raises(SourceError, match="a tile of slide 'one' with 3 levels"):
        deep_tile(source, only(source), *place)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(32, 1300), width=st.integers(32, 1100))
def test_a_viewer_that_counts_tiles_by_the_first_level_finds_all(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    slide = write_pages(folder / "one.tif", PIXELS[:height, :width], mpp=1.0, levels=1)
    write_slide_set([slide], folder / "set", SlideOptions(("a", "b"), tissue="none"))
    made = SlideSource(folder / "set")
    for level in range(deep_levels(only(made))):
        step = TILE * 2**level
        for row in range(-(-height // step)):
            for col in range(-(-width // step)):
                assert min(deep_tile(made, only(made), level, row, col).shape[:2]) >= 1
    made.close()
