"""Slides as a source of images: their fields, their tissue, and what surrounds a field."""

import json
from pathlib import Path

import numpy as np
import pytest

from askmask.config import DataConfig
from askmask.data.from_config import open_source
from askmask.data.larger_images import Frame, PartSource, askable_pixels, frame_of, read_around
from askmask.data.slides import preparing
from askmask.data.slides.opening import find_slides
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.data.slides.slide_set import SET_NAME, field_boxes
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tiled_image import Box
from askmask.errors import ConfigError, PrepareError, SourceError
from askmask.testing import SourceContract
from fakes import drawn_source
from slide_files import drawn, tissue_slide, write_ome, write_pages, write_svs

CLASSES = ("background", "gland")
SIDE = 256
MIDDLE = Box(300, 300, 400, 600)  # where the tissue lies, at the working resolution


@pytest.fixture(autouse=True)
def _small_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparing, "FIELD_SIDE", SIDE)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2000 x 2400 pixels of half a micrometre, tissue in the middle."""
    path = tmp_path_factory.mktemp("slides") / "one.ome.tif"
    return write_ome(path, tissue_slide(2000, 2400, border=600), mpp=0.5, tile=256)


@pytest.fixture
def source(slide: Path, tmp_path: Path):
    write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES))
    opened = SlideSource(tmp_path / "set")
    yield opened
    opened.close()


class TestSlideSource(SourceContract):
    """The fields of a slide are images like any others."""

    @pytest.fixture
    def source(self, slide: Path, tmp_path: Path):
        write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES))
        opened = SlideSource(tmp_path / "set")
        yield opened
        opened.close()


# --- fields ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        ((100, 1024), [(0, 0, 100, 1024)]),
        ((1535, 10), [(0, 0, 1535, 10)]),
        ((1536, 10), [(0, 0, 1024, 10), (1024, 0, 512, 10)]),
        ((5, 2100), [(0, 0, 5, 1024), (0, 1024, 5, 1076)]),
    ],
)
def test_fields_cover_a_slide_and_none_is_a_sliver(size, parts) -> None:
    assert [(b.row, b.col, b.height, b.width) for b in field_boxes(size, 1024)] == parts


def test_only_fields_with_tissue_are_images(source: SlideSource) -> None:
    ids = [info.image_id for info in source.images()]
    assert ids == [f"one/{row}_{col}" for row in (256, 512) for col in (256, 512, 768)]
    assert {info.group for info in source.images()} == {"one"}
    share = source.slide_set.slides[0].tissue_share
    assert share == pytest.approx(0.2, abs=0.02)  # 400 x 600 of 1000 x 1200


def test_a_field_holds_the_slide_s_pixels_at_the_working_resolution(source: SlideSource) -> None:
    colour = source.read_image("one/512_512")[50:150, 50:150].mean((0, 1))
    np.testing.assert_allclose(colour, (190, 90, 150), atol=2)


def test_surroundings_are_the_neighbouring_fields_and_end_with_the_slide(
    source: SlideSource,
) -> None:
    seen = read_around(source, "one/256_256", 300)
    assert seen.pixels.shape == (256 + 256 + 300, 256 + 256 + 300, 3)  # 256 left of it and above
    assert seen.inner == (slice(256, 512), slice(256, 512))
    np.testing.assert_array_equal(seen.pixels[seen.inner], source.read_image("one/256_256"))
    below = source.read_image("one/512_512")
    np.testing.assert_array_equal(seen.pixels[512:812, 512:812][:256, :256], below)


def test_only_tissue_is_askable(source: SlideSource) -> None:
    for info in source.images():
        row, col = (int(part) for part in info.image_id.removeprefix("one/").split("_"))
        rows, cols = np.mgrid[row : row + info.height, col : col + info.width]
        inside = (rows >= MIDDLE.row) & (rows < MIDDLE.bottom)
        inside &= (cols >= MIDDLE.col) & (cols < MIDDLE.right)
        askable = source.askable(info.image_id)
        assert askable.shape == (info.height, info.width)
        assert (askable != inside).mean() < 0.06  # a pixel of the mask is 16 across


def test_a_field_knows_where_it_lies_on_its_slide(source: SlideSource) -> None:
    assert source.frame("one/256_512") == Frame("one", 512.0, 1024.0, 2.0)


def test_without_looking_for_tissue_all_of_a_slide_may_be_asked(slide: Path, tmp_path: Path):
    made = write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES, tissue="none"))
    assert len(made.slides[0].fields) == 4 * 5
    source = SlideSource(tmp_path / "set")
    assert source.askable("one/0_0").all()


def test_plain_images_have_no_surroundings_and_are_askable_everywhere() -> None:
    plain = drawn_source(1)
    assert not isinstance(plain, PartSource)
    seen = read_around(plain, "disc_0")
    np.testing.assert_array_equal(seen.pixels[seen.inner], plain.read_image("disc_0"))
    assert seen.pixels.shape == (64, 64, 3)
    assert askable_pixels(plain, "disc_0") is None
    assert frame_of(plain, "disc_0") is None


def test_many_slides_share_few_open_files(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("askmask.data.slides.slide_source.MOST_OPEN", 2)
    paths = [
        write_pages(tmp_path / f"{n}.tif", drawn(100, 120, n), mpp=1.0, levels=1) for n in range(5)
    ]
    write_slide_set(paths, tmp_path / "set", SlideOptions(CLASSES, tissue="none"))
    source = SlideSource(tmp_path / "set")
    for _ in range(2):
        for number in range(5):
            np.testing.assert_array_equal(
                source.read_image(f"{number}/0_0"), drawn(100, 120, number)
            )
            assert source.open_slides <= 2
    source.close()
    assert source.open_slides == 0


# --- what is refused ------------------------------------------------------------------------


def test_every_slide_that_cannot_be_used_is_named_at_once(tmp_path: Path) -> None:
    slides = tmp_path / "slides"
    slides.mkdir()
    write_svs(slides / "mute.svs", drawn(300, 300), mpp=None, levels=1)
    write_pages(slides / "coarse.tif", drawn(300, 300), mpp=4.0)
    (slides / "torn.tif").write_bytes(b"II*\0nothing at all")
    write_pages(slides / "tiny.tif", drawn(20, 20), mpp=1.0, levels=1)
    write_pages(slides / "empty.tif", np.full((300, 300, 3), 240, np.uint8), mpp=1.0)
    with pytest.raises(PrepareError) as caught:
        write_slide_set(find_slides([slides]), tmp_path / "set", SlideOptions(CLASSES))
    told = {problem.partition(":")[0]: problem for problem in caught.value.problems}
    assert set(told) == {"mute.svs", "coarse.tif", "torn.tif", "tiny.tif", "empty.tif"}
    assert "--mpp" in told["mute.svs"]
    assert "data.mpp=4" in told["coarse.tif"]
    assert "at least 32 x 32" in told["tiny.tif"]
    assert "--tissue none" in told["empty.tif"]


def test_the_micrometres_that_are_given_are_for_slides_that_say_none(tmp_path: Path) -> None:
    paths = [
        write_svs(tmp_path / "mute.svs", drawn(512, 512), mpp=None, levels=1),
        write_svs(tmp_path / "told.svs", drawn(512, 512), mpp=0.5, levels=1),
    ]
    options = SlideOptions(CLASSES, own_mpp=0.25, tissue="none")
    made = write_slide_set(paths, tmp_path / "set", options)
    assert [slide.mpp for slide in made.slides] == [0.25, 0.5]
    assert [slide.fields[0][2:] for slide in made.slides] == [(128, 128), (256, 256)]


def test_two_slides_of_one_name_are_refused(tmp_path: Path) -> None:
    one = write_pages(tmp_path / "a.tif", drawn(), mpp=1.0)
    (tmp_path / "more").mkdir()
    other = write_pages(tmp_path / "more" / "A.tif", drawn(), mpp=1.0)
    with pytest.raises(PrepareError, match="Rename one of them"):
        write_slide_set([one, other], tmp_path / "set", SlideOptions(CLASSES, tissue="none"))


def test_a_slide_that_was_moved_or_exchanged_is_named(tmp_path: Path) -> None:
    one = write_pages(tmp_path / "a.tif", drawn(), mpp=1.0)
    other = write_pages(tmp_path / "b.tif", drawn(), mpp=1.0)
    write_slide_set([one, other], tmp_path / "set", SlideOptions(CLASSES, tissue="none"))
    one.unlink()
    other.write_bytes(other.read_bytes() + b"more")
    with pytest.raises(SourceError, match=r"a\.tif' is missing; .*b\.tif' has"):
        SlideSource(tmp_path / "set")


def test_an_unreadable_description_names_the_file(tmp_path: Path) -> None:
    (tmp_path / SET_NAME).write_text('{"version": 1, "classes": 3}')
    with pytest.raises(SourceError, match=r"slides\.json.*no valid set of slides"):
        SlideSource(tmp_path)
    (tmp_path / SET_NAME).write_text('{"version": 9}')
    with pytest.raises(SourceError, match="Update askmask"):
        SlideSource(tmp_path)


def test_the_config_s_resolution_must_be_that_of_the_slides(slide: Path, tmp_path: Path) -> None:
    write_slide_set([slide], tmp_path / "set", SlideOptions(CLASSES))
    assert isinstance(open_source(DataConfig(path=tmp_path / "set", mpp=1.0)), SlideSource)
    with pytest.raises(ConfigError, match=r"data\.mpp=1, .* got 0\.5"):
        open_source(DataConfig(path=tmp_path / "set", mpp=0.5))


def test_a_resolution_is_for_slides_only(disc_dataset: Path) -> None:
    with pytest.raises(ConfigError, match="expected slides in .* leave data.mpp out"):
        open_source(DataConfig(path=disc_dataset, mpp=0.5))


def test_slides_move_with_their_project(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    path = write_pages(tmp_path / "lab" / "a.tif", drawn(), mpp=1.0)
    write_slide_set([path], tmp_path / "lab" / "set", SlideOptions(CLASSES, tissue="none"))
    (tmp_path / "lab").rename(tmp_path / "moved")
    source = SlideSource(tmp_path / "moved" / "set")
    assert source.read_image("a/0_0").shape == (300, 256, 3)
    source.close()
    entry = json.loads((tmp_path / "moved" / "set" / SET_NAME).read_text())["slides"][0]
    assert entry["file"] == "../a.tif"
