"""DICOM slides: a folder of files is one slide, read by OpenSlide like any pyramid."""

from pathlib import Path

import numpy as np
import pytest

from askmask.data.slides.opening import find_slides, open_tiled, slide_bytes, slide_name
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tiled_image import Box
from askmask.errors import PrepareError, SourceError
from dicom_slides import write_dicom
from slide_files import drawn, levels_of, write_pages

PIXELS = drawn(300, 420)


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    return write_dicom(tmp_path / "scans" / "one.2", PIXELS, mpp=0.5)


def test_a_folder_of_dicom_files_is_read_as_a_pyramid(slide: Path) -> None:
    image = open_tiled(slide)
    assert (image.name, image.mpp) == ("one.2", 0.5)
    assert image.levels == ((300, 420), (150, 210))
    for number, level in enumerate(levels_of(PIXELS, 2)):
        np.testing.assert_array_equal(image.read(number, Box(0, 0, *level.shape[:2])), level)
    image.close()


def test_a_slide_is_its_folder_whichever_way_it_is_named(slide: Path) -> None:
    one, other = sorted(slide.iterdir())
    assert find_slides([slide.parent]) == [slide]
    assert find_slides([slide]) == [slide]
    assert find_slides([one, other, slide]) == [slide]
    assert slide_name(slide) == "one.2"
    assert slide_bytes(slide) == one.stat().st_size + other.stat().st_size


def test_a_project_has_the_fields_of_a_dicom_slide(slide: Path, tmp_path: Path) -> None:
    found = find_slides([slide.parent])
    write_slide_set(found, tmp_path / "set", SlideOptions(("a", "b"), mpp=0.5, tissue="none"))
    source = SlideSource(tmp_path / "set")
    assert [info.image_id for info in source.images()] == ["one.2/0_0"]
    np.testing.assert_array_equal(source.read_image("one.2/0_0"), PIXELS)
    assert source.entry_of(slide) == source.slide_set.slides[0]
    source.close()


def test_a_slide_that_lost_a_file_is_told_at_once(slide: Path, tmp_path: Path) -> None:
    write_slide_set([slide], tmp_path / "set", SlideOptions(("a", "b"), tissue="none"))
    sorted(slide.iterdir())[1].unlink()
    with pytest.raises(SourceError, match=r"one\.2' has [\d,]+ bytes, not"):
        SlideSource(tmp_path / "set")


def test_a_damaged_level_is_told_as_often_as_it_is_read(slide: Path) -> None:
    path = max(slide.iterdir(), key=lambda file: file.stat().st_size)
    path.write_bytes(path.read_bytes()[:-5000])
    image = open_tiled(slide)
    for _ in range(2):  # OpenSlide itself says nothing else after a first error
        with pytest.raises(SourceError, match=r"cannot read a part of 'one\.2' \("):
            image.read(0, Box(256, 380, 40, 40))
    image.close()


def test_two_dicom_slides_in_a_folder_are_refused_with_what_settles_it(slide: Path) -> None:
    write_dicom(slide, drawn(200, 200, seed=1), mpp=0.5, series=2)
    with pytest.raises(SourceError, match="found those of 2. Put each slide into a folder") as told:
        find_slides([slide])
    named = [Path(word) for word in str(told.value).split() if word.endswith(".dcm")]
    assert find_slides(named) == named
    write_dicom(slide.with_name("three"), PIXELS, mpp=0.5, series=3)
    assert find_slides([*named, slide.with_name("three")])[2] == slide.with_name("three")


def test_files_of_one_slide_are_not_taken_for_several(slide: Path) -> None:
    write_dicom(slide, drawn(200, 200, seed=1), mpp=0.5, series=2)
    first, second, *_ = sorted(slide.iterdir())
    with pytest.raises(SourceError, match="are files of one DICOM slide. Give one of them"):
        find_slides([first, second])


def test_a_dicom_slide_beside_other_slides_is_refused(slide: Path) -> None:
    write_pages(slide / "two.tif", PIXELS, mpp=0.5)
    with pytest.raises(SourceError, match="in a folder of their own, found 2 of them"):
        find_slides([slide])


def test_a_dicom_file_that_is_no_slide_is_named(slide: Path) -> None:
    (slide / "note.dcm").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(SourceError, match=r"cannot read '.*note\.dcm' as a file of a DICOM slide"):
        find_slides([slide])


def test_a_folder_without_slides_says_what_slides_end_in(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected slides in .* \.dcm, "):
        find_slides([tmp_path])
    with pytest.raises(SourceError, match="expected a DICOM slide in the folder"):
        open_tiled(tmp_path)


def test_slides_of_one_name_are_refused(slide: Path, tmp_path: Path) -> None:
    other = write_pages(tmp_path / "one.2.tif", PIXELS, mpp=0.5)
    with pytest.raises(PrepareError, match=r"would both be called 'one\.2'"):
        write_slide_set([slide, other], tmp_path / "set", SlideOptions(("a", "b")))
