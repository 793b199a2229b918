"""What every image that is read in boxes guarantees; see `askmask.data.slides.tiled_image`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from askmask.data.slides.tiled_image import Box, Size, TiledImage
from askmask.errors import SourceError


class TiledImageContract:
    """Subclass it with a fixture `image`: any tiled image of 40 x 40 pixels or more, open.

    With several levels, and sides that are no multiple of a tile, every test has something to
    look at.
    """

    @pytest.fixture
    def image(self) -> TiledImage:
        """Return the image under test."""
        raise NotImplementedError

    def test_the_first_level_is_the_size_and_the_others_are_smaller(
        self, image: TiledImage
    ) -> None:
        assert image.levels[0] == image.size
        for finer, coarser in zip(image.levels, image.levels[1:], strict=False):
            assert coarser[0] <= finer[0]
            assert coarser[1] <= finer[1]

    def test_a_box_is_read_as_fresh_rgb_of_its_size(self, image: TiledImage) -> None:
        for level, (rows, cols) in enumerate(image.levels):
            box = Box(rows // 3, cols // 4, rows - rows // 3, cols // 2)
            pixels = image.read(level, box)
            assert pixels.shape == (box.height, box.width, 3)
            assert pixels.dtype == np.uint8
            before = pixels.copy()
            pixels[:] = 77
            np.testing.assert_array_equal(image.read(level, box), before)

    def test_a_pixel_is_the_same_in_every_box(self, image: TiledImage) -> None:
        for level, size in enumerate(image.levels):
            whole = Box(*_corner(size), *_most(size))
            pixels = image.read(level, whole)
            for part in _parts(whole):
                here = np.s_[part.row - whole.row :, part.col - whole.col :]
                np.testing.assert_array_equal(
                    image.read(level, part), pixels[here][: part.height, : part.width]
                )

    def test_threads_read_the_same(self, image: TiledImage) -> None:
        boxes = [part for part in _parts(Box(0, 0, *_most(image.size))) for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda box: image.read(0, box), boxes))
        for box, pixels in zip(boxes, found, strict=True):
            np.testing.assert_array_equal(pixels, image.read(0, box))

    def test_a_box_outside_is_an_error_that_names_the_image(self, image: TiledImage) -> None:
        rows, cols = image.size
        for box in (Box(0, 0, rows + 1, 1), Box(0, cols, 1, 1)):
            with pytest.raises(SourceError) as caught:
                image.read(0, box)
            assert image.name in str(caught.value)

    def test_an_absent_level_is_an_error_that_names_the_image(self, image: TiledImage) -> None:
        for level in (-1, len(image.levels)):
            with pytest.raises(SourceError) as caught:
                image.read(level, Box(0, 0, 1, 1))
            assert image.name in str(caught.value)

    def test_micrometres_per_pixel_are_positive_if_they_are_known(self, image: TiledImage) -> None:
        assert image.mpp is None or image.mpp > 0

    def test_closing_twice_does_no_harm(self, image: TiledImage) -> None:
        image.close()
        image.close()


def _corner(size: Size) -> Size:
    return size[0] // 5, size[1] // 7


def _most(size: Size) -> Size:
    """Enough to reach over several tiles, and little enough to be read at once."""
    return min(size[0] - size[0] // 5, 700), min(size[1] - size[1] // 7, 700)


def _parts(box: Box) -> list[Box]:
    """Boxes at odd places that cover a box, some of them overlapping others."""
    rows, cols = box.height // 3, box.width // 2
    return [
        Box(box.row, box.col, rows + 1, cols + 1),
        Box(box.row, box.col + cols, rows + 1, box.width - cols),
        Box(box.row + rows, box.col, box.height - rows, cols),
        Box(box.row + rows, box.col + 1, box.height - rows, box.width - 1),
    ]
