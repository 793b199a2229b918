"""Parts of images at any scale equal the same parts of the whole image, shrunk by area."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from askmask.data.image_parts import TILE, Pyramid, levels, shrunk
from askmask.data.prepared import DatasetWriter, PreparedSource
from askmask.data.source import MemorySource, Pixels
from askmask.errors import SourceError
from askmask.records import ClassMap, ImageInfo, Region
from askmask.seeds import numpy_generator

HEIGHT, WIDTH = 1100, 2600


def noise(height: int, width: int) -> np.ndarray:
    return numpy_generator(0, "noise").integers(0, 256, (height, width, 3), dtype=np.uint8)


def tiff_source(folder: Path, pixels: np.ndarray, **options: object) -> PreparedSource:
    """Prepared data set with one image, "slide", that is a TIFF."""
    (folder / "images").mkdir(parents=True)
    tifffile.imwrite(folder / "images" / "slide.tif", pixels, **options)
    height, width = pixels.shape[:2]
    entry = {"id": "slide", "image": "images/slide.tif", "height": height, "width": width}
    tree = {"classes": ["background", "gland"], "made_from": "noise", "images": [entry]}
    (folder / "dataset.json").write_text(json.dumps(tree))
    return PreparedSource(folder)


def memory_source(pixels: np.ndarray) -> MemorySource:
    info = ImageInfo("slide", *pixels.shape[:2], has_mask=False)
    return MemorySource(ClassMap(("background", "gland")), {"slide": (info, pixels, None)})


KINDS: dict[str, Callable[[Path, np.ndarray], PreparedSource | MemorySource]] = {
    "memory": lambda _, pixels: memory_source(pixels),
    "tiles": lambda path, pixels: tiff_source(
        path / "d", pixels, tile=(256, 240), photometric="rgb"
    ),
    "deflate": lambda path, pixels: tiff_source(
        path / "d", pixels, tile=(128, 128), photometric="rgb", compression="zlib", predictor=True
    ),
    "strips": lambda path, pixels: tiff_source(
        path / "d", pixels, rowsperstrip=37, photometric="rgb"
    ),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_tiles_of_a_level_make_up_the_shrunk_image(tmp_path: Path, kind: str, factor: int) -> None:
    pixels = noise(HEIGHT, WIDTH)
    source = KINDS[kind](tmp_path, pixels)
    pyramid = Pyramid(source)
    (info,) = source.images()
    level = factor.bit_length() - 1
    height, width = shrunk(info, factor)

    rows = [
        np.concatenate(
            [pyramid.tile("slide", level, row, col) for col in range(-(-width // TILE))], 1
        )
        for row in range(-(-height // TILE))
    ]

    expected = np.asarray(Image.fromarray(pixels).reduce(factor))
    made = np.concatenate(rows).astype(int)
    assert made.shape == (height, width, 3)
    # coarse levels are averaged twice, and each time rounded
    assert np.abs(made - expected).max() <= (0 if factor < 4 else 1)


def test_grey_tiff_has_three_equal_channels(tmp_path: Path) -> None:
    grey = noise(70, 90)[:, :, 0]
    pyramid = Pyramid(tiff_source(tmp_path / "d", grey, tile=(16, 32)))

    tile = pyramid.tile("slide", 0, 0, 0)

    np.testing.assert_array_equal(tile, np.repeat(grey[:, :, None], 3, 2))


def test_part_of_a_tiff_equals_the_part_of_the_image(tmp_path: Path) -> None:
    pixels = noise(300, 500)
    source = tiff_source(tmp_path / "d", pixels, tile=(64, 48), photometric="rgb")
    region = Region("slide", 33, 201, 130, 97)

    part = Pyramid(source).shrunk(region, 1)

    np.testing.assert_array_equal(part, source.read_image("slide")[region.slices])


@pytest.mark.parametrize(("side", "expected"), [(1, 1), (512, 1), (513, 2), (1025, 3)])
def test_last_level_fits_into_a_tile(side: int, expected: int) -> None:
    assert levels(ImageInfo("slide", 1, side)) == expected


@pytest.mark.parametrize("place", [(-1, 0, 0), (4, 0, 0), (0, 3, 0), (0, 0, 6), (1, 0, -1)])
def test_tile_that_does_not_exist_is_an_error(place: tuple[int, int, int]) -> None:
    pyramid = Pyramid(memory_source(noise(HEIGHT, WIDTH)))

    with pytest.raises(SourceError, match="3 x 6 tiles"):
        pyramid.tile("slide", *place)


def test_unknown_image_is_an_error() -> None:
    with pytest.raises(SourceError, match="no image 'other'"):
        Pyramid(memory_source(noise(40, 40))).tile("other", 0, 0, 0)


def test_returned_tile_belongs_to_the_caller() -> None:
    pyramid = Pyramid(memory_source(noise(40, 40)))
    before = pyramid.tile("slide", 0, 0, 0)

    pyramid.tile("slide", 0, 0, 0)[:] = 0

    np.testing.assert_array_equal(pyramid.tile("slide", 0, 0, 0), before)


@pytest.mark.slow
def test_huge_tiff_is_read_in_parts(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "slide.tif"
    side, tile = 20_000, 512
    blank = np.zeros((tile, tile, 3), np.uint8)
    last = noise(tile, tile)
    count = (-(-side // tile)) ** 2
    tifffile.imwrite(
        path,
        (blank if i < count - 1 else last for i in range(count)),
        shape=(side, side, 3),
        dtype=np.uint8,
        tile=(tile, tile),
        photometric="rgb",
        compression="zlib",
    )
    entry = {"id": "slide", "image": "images/slide.tif", "height": side, "width": side}
    tree = {"classes": ["background", "gland"], "made_from": "noise", "images": [entry]}
    (tmp_path / "dataset.json").write_text(json.dumps(tree))
    pyramid = Pyramid(PreparedSource(tmp_path))

    corner = pyramid.tile("slide", 0, 39, 39)
    overview = pyramid.tile("slide", 6, 0, 0)

    left = side - 39 * tile
    np.testing.assert_array_equal(corner, last[:left, :left])
    assert overview.shape == (313, 313, 3)
    assert overview[-1, -1].min() > 60
    assert overview[:300, :300].max() == 0


def test_tiles_wanted_at_once_decode_their_image_once() -> None:
    class Counting(MemorySource):
        decoded = 0

        def read_image(self, image_id: str) -> Pixels:
            self.decoded += 1
            time.sleep(0.1)  # as long as a large image takes
            return super().read_image(image_id)

    info = ImageInfo("slide", HEIGHT, WIDTH, has_mask=False)
    classes = ClassMap(("background", "gland"))
    source = Counting(classes, {"slide": (info, noise(HEIGHT, WIDTH), None)})
    pyramid = Pyramid(source)
    places = [(0, row, col) for row in range(2) for col in range(4)] * 2

    with ThreadPoolExecutor(8) as threads:
        tiles = list(threads.map(lambda place: pyramid.tile(info.image_id, *place), places))

    assert len(tiles) == len(places)
    assert source.decoded == 1


def test_file_that_was_changed_is_decoded_anew(tmp_path: Path) -> None:
    classes = ClassMap(("background", "gland"))
    info = ImageInfo("slide", 40, 60, has_mask=False)
    with DatasetWriter(tmp_path / "d", classes, "noise") as writer:
        writer.add(info, noise(40, 60), None)
    source = PreparedSource(tmp_path / "d")
    pyramid = Pyramid(source)
    before = pyramid.shrunk(info.whole, 1)

    Image.fromarray(255 - before).save(source.image_path("slide"))

    np.testing.assert_array_equal(pyramid.shrunk(info.whole, 1), 255 - before)
