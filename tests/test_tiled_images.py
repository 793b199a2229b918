"""Images read in boxes: every reader keeps the contract, and says what it was given."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from askmask.data.slides.blocks import BlockCache
from askmask.data.slides.opening import open_tiled
from askmask.data.slides.openslide_file import OpenSlideImage
from askmask.data.slides.resampled import Resampled, at_mpp
from askmask.data.slides.tiled_image import Box, TiledImage
from askmask.data.slides.tiled_tiff import TiffImage
from askmask.data.slides.whole_image import WholeImage
from askmask.errors import SourceError
from askmask.testing import TiledImageContract
from slide_files import drawn, halved, levels_of, write_ome, write_pages, write_svs


def whole(image: TiledImage, level: int = 0) -> np.ndarray:
    return image.read(level, Box(0, 0, *image.levels[level]))


class TestWholeImage(TiledImageContract):
    @pytest.fixture
    def image(self) -> TiledImage:
        return WholeImage("plain.png", drawn())


class TestOmeTiff(TiledImageContract):
    @pytest.fixture
    def image(self, tmp_path: Path) -> Iterator[TiledImage]:
        image = TiffImage(write_ome(tmp_path / "a.ome.tif", drawn()))
        yield image
        image.close()


class TestOpenSlide(TiledImageContract):
    @pytest.fixture
    def image(self, tmp_path: Path) -> Iterator[TiledImage]:
        image = OpenSlideImage(write_pages(tmp_path / "a.tif", drawn(301, 423)))
        yield image
        image.close()


class TestResampled(TiledImageContract):
    @pytest.fixture
    def image(self) -> TiledImage:
        return Resampled(WholeImage("plain.png", drawn(1500, 1800)), 2.3)


# --- TIFF -----------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_ome, write_pages])
def test_every_level_of_a_pyramid_is_read_pixel_by_pixel(write, tmp_path: Path) -> None:
    image = TiffImage(write(tmp_path / "a.tif", drawn(301, 423), mpp=0.25))
    for level, expected in enumerate(levels_of(drawn(301, 423), 3)):
        np.testing.assert_array_equal(whole(image, level), expected)
    assert image.mpp == pytest.approx(0.25)
    image.close()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"rowsperstrip": 7},
        {"rowsperstrip": 7, "compression": "zlib"},
        {"compression": "lzw", "predictor": True, "rowsperstrip": 50},
        {"tile": (32, 48), "compression": "jpeg2000"},
        {"bigtiff": True, "tile": (16, 16)},
        {"byteorder": ">", "compression": "packbits"},
    ],
    ids=str,
)
def test_strips_tiles_and_packings_are_read_alike(how, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", drawn(), photometric="rgb", metadata=None, **how)
    image = TiffImage(tmp_path / "a.tif")
    assert image.levels == ((300, 420),)
    np.testing.assert_array_equal(whole(image), drawn())
    image.close()


def test_grey_goes_into_all_three_channels(tmp_path: Path) -> None:
    grey = drawn()[:, :, 0]
    tifffile.imwrite(tmp_path / "a.tif", grey, tile=(64, 64), photometric="minisblack")
    image = TiffImage(tmp_path / "a.tif")
    np.testing.assert_array_equal(whole(image), np.repeat(grey[:, :, None], 3, 2))
    image.close()


def test_tiles_that_a_sparse_file_leaves_out_are_black(tmp_path: Path) -> None:
    tile = np.full((64, 64, 3), 200, np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        tiles = iter([tile, None, None, None])
        writer.write(tiles, shape=(128, 128, 3), dtype="uint8", tile=(64, 64), photometric="rgb")
    image = TiffImage(tmp_path / "a.tif")
    assert image.read(0, Box(0, 64, 64, 64)).max() == 0
    assert image.read(0, Box(0, 0, 64, 64)).min() == 200
    image.close()


def test_an_aperio_slide_is_read_with_its_levels_and_micrometres(tmp_path: Path) -> None:
    image = TiffImage(write_svs(tmp_path / "a.svs", drawn(700, 800), mpp=0.499))
    assert image.levels == ((700, 800), (350, 400))  # and no thumbnail
    assert image.mpp == pytest.approx(0.499)
    image.close()


def test_both_readers_of_an_aperio_slide_agree(tmp_path: Path) -> None:
    path = write_svs(tmp_path / "a.svs", drawn(700, 800), mpp=0.5)
    ours, theirs = TiffImage(path), OpenSlideImage(path)
    assert (ours.levels, ours.mpp) == (theirs.levels, theirs.mpp)
    for level in range(2):
        apart = np.abs(whole(ours, level).astype(int) - whole(theirs, level))
        assert apart.max() <= 3  # two decoders of JPEG
        assert apart.mean() < 0.5
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("pixels", "how", "told"),
    [
        (drawn().astype(np.uint16), {"photometric": "rgb"}, "8-bit grey or RGB .* got uint16"),
        (np.zeros((3, 50, 60), np.uint8), {"photometric": "rgb"}, "in one plane"),
        (np.zeros((5, 50, 60), np.uint8), {"photometric": "minisblack"}, "a stack of 5"),
    ],
    ids=["16 bit", "planes", "stack"],
)
def test_other_pixels_are_refused_in_one_sentence(pixels, how, told, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "odd.tif", pixels, **how)
    with pytest.raises(SourceError, match=told) as caught:
        TiffImage(tmp_path / "odd.tif")
    assert "odd.tif" in str(caught.value)


def test_one_packed_strip_that_cannot_be_held_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("askmask.data.slides.tiled_tiff.LARGEST_SEGMENT", 10_000)
    tifffile.imwrite(
        tmp_path / "a.tif", drawn(), rowsperstrip=300, compression="zlib", photometric="rgb"
    )
    with pytest.raises(SourceError, match="Save it in tiles"):
        TiffImage(tmp_path / "a.tif")


def test_a_file_that_was_cut_short_names_itself(tmp_path: Path) -> None:
    path = tmp_path / "short.tif"
    tifffile.imwrite(path, drawn(), photometric="rgb", metadata=None)
    path.write_bytes(path.read_bytes()[:-50_000])
    image = TiffImage(path)
    with pytest.raises(SourceError, match=r"short\.tif.*ends before its pixels"):
        whole(image)
    image.close()


def test_a_closed_file_says_so(tmp_path: Path) -> None:
    image = TiffImage(write_pages(tmp_path / "a.tif", drawn()))
    image.close()
    with pytest.raises(SourceError, match="was closed"):
        whole(image)


# --- opening --------------------------------------------------------------------------------


def test_a_file_is_opened_by_what_it_is(tmp_path: Path) -> None:
    Image.fromarray(drawn()).save(tmp_path / "plain.png")
    np.testing.assert_array_equal(whole(open_tiled(tmp_path / "plain.png")), drawn())
    with closing(open_tiled(write_ome(tmp_path / "b.tif", drawn()))) as image:
        assert isinstance(image, TiffImage)


def test_what_nobody_reads_is_one_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "notes.mrxs").write_text("nothing")
    with pytest.raises(SourceError, match=r"OpenSlide cannot read 'notes\.mrxs'"):
        open_tiled(tmp_path / "notes.mrxs")
    (tmp_path / "torn.tif").write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(SourceError, match=r"torn\.tif"):
        open_tiled(tmp_path / "torn.tif")


# --- the cache ------------------------------------------------------------------------------


def test_the_cache_holds_no_more_than_its_bytes_and_drops_what_was_used_longest_ago() -> None:
    cache = BlockCache(limit_bytes=300)
    made: list[str] = []

    def make(name: str) -> np.ndarray:
        made.append(name)
        return np.zeros((10, 10, 1), np.uint8)

    for name in ("a", "b", "c", "a", "d", "a", "b"):  # d drops b
        cache.get(name, lambda name=name: make(name))
        assert cache.held_bytes <= 300
    assert made == ["a", "b", "c", "d", "b"]


def test_a_block_that_is_larger_than_the_cache_is_handed_on_and_not_kept() -> None:
    cache = BlockCache(limit_bytes=10)
    assert cache.get("a", lambda: np.ones((5, 5, 3), np.uint8)).sum() == 75
    assert cache.held_bytes == 0


def test_a_closed_image_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    cache = BlockCache()
    image = TiffImage(write_pages(tmp_path / "a.tif", drawn()), cache)
    whole(image)
    assert cache.held_bytes >= 300 * 420 * 3
    image.close()
    assert cache.held_bytes == 0


# --- another resolution ---------------------------------------------------------------------


def test_the_view_at_the_own_resolution_is_the_image() -> None:
    image = WholeImage("a", drawn(), mpp=0.5)
    np.testing.assert_array_equal(whole(at_mpp(image, 0.5)), drawn())


def test_a_view_of_a_view_s_size_is_what_pillow_makes_of_the_whole_image() -> None:
    pixels = drawn(600, 900)
    view = Resampled(WholeImage("a", pixels), 3.0)
    assert view.size == (200, 300)
    at_once = Image.fromarray(pixels).resize((300, 200), Image.Resampling.BILINEAR)
    assert np.abs(whole(view).astype(int) - np.asarray(at_once)).max() <= 1


def test_the_nearest_finer_level_is_read(tmp_path: Path) -> None:
    black = np.zeros((300, 420, 3), np.uint8)
    image = TiffImage(write_ome(tmp_path / "a.tif", black, mpp=0.25))
    seen: list[int] = []
    read = image.read
    image.read = lambda level, box: (seen.append(level), read(level, box))[1]  # type: ignore[method-assign]
    for mpp in (0.25, 0.4, 0.5, 0.9, 1.0, 4.0):
        whole(at_mpp(image, mpp))
    assert seen == [0, 0, 1, 1, 2, 2]
    image.close()


def test_slides_of_two_scanners_come_out_alike() -> None:
    fine = drawn(1200, 1600).astype(np.float64)
    smooth = np.asarray(Image.fromarray(fine.astype(np.uint8)).reduce(4).resize((1600, 1200)))
    one = at_mpp(WholeImage("a", smooth, mpp=0.25), 1.0)
    other = at_mpp(WholeImage("b", halved(smooth), mpp=0.5), 1.0)
    assert one.size == other.size == (300, 400)
    apart = np.abs(whole(one).astype(int) - whole(other))
    assert apart.mean() < 2


def test_a_slide_that_does_not_say_its_micrometres_is_refused_unless_they_are_given() -> None:
    image = WholeImage("mute.svs", drawn())
    with pytest.raises(SourceError, match=r"mute\.svs.*--mpp"):
        at_mpp(image, 1.0)
    assert at_mpp(image, 1.0, own=0.5).size == (150, 210)


def test_a_slide_that_is_too_coarse_is_refused() -> None:
    image = WholeImage("coarse.tif", drawn(), mpp=1.0)
    with pytest.raises(SourceError, match=r"coarse\.tif.*data\.mpp=1"):
        at_mpp(image, 0.5)
    assert at_mpp(image, 0.95).size == (315, 442)
