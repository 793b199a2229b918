"""`askmask check`: what would be read is told and shown, and nothing is written but the sheet."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.data.class_colours import UNLABELLED_COLOUR, class_colours
from askmask.data.pictures.opening import open_picture
from askmask.data.prepare.contact_sheet import overlaid, write_sheet
from askmask.data.prepare.folder import PrepareOptions, make_plan
from askmask.data.prepare.overview import Overview, look, object_sizes, stored_as
from askmask.errors import PrepareError, SourceError
from askmask.records import Mask
from picture_files import photograph, save, tiff, turned_file

COLOURS = class_colours(3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, two of them with masks of two classes, 0 and 255."""
    root = tmp_path / "set"
    for number in range(3):
        save(root / "images" / f"{number}.png", photograph(40, 60, number))
    for number in range(2):
        mask = np.zeros((40, 60), np.uint8)
        mask[:10, :10] = mask[20:22, 20:25] = 255  # 100 and 10 pixels
        save(root / "masks" / f"{number}.png", mask)
    return root


def call(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if code == 0:
        assert result.exception is None, result.output
    return result.output


def overview(folder: Path, options: PrepareOptions | None = None) -> Overview:
    problems: list[str] = []
    wanted = options or PrepareOptions(allow_missing_masks=True)
    plan = make_plan(folder / "images", folder / "masks", wanted, problems)
    return look(plan, problems)


def test_folder_is_told_by_kinds_of_files_classes_and_objects(folder: Path) -> None:
    said = json.loads(call("check", folder, "--json"))
    assert said["images"][0] | {"words": "PNG, 8 bit, RGB", "files": 3} == said["images"][0]
    assert said["masks"][0] | {"files": 2, "lowest": 0, "highest": 255} == said["masks"][0]
    assert (said["kind"], said["images_without_mask"]) == ("binary", 1)
    assert said["class_pixels"] == {"background": 2 * (2400 - 110), "foreground": 220}
    assert said["object_pixels"] == [10, 10, 100, 100]
    assert said["problems"] == []


def test_words_on_screen_say_what_a_person_must_know(folder: Path) -> None:
    text = call("check", folder)
    assert "1 of 3 images have no mask." in text
    assert "Masks are read as binary" in text
    assert "4 objects, of pixels that touch: 10 to 100 pixels" in text


def test_nothing_is_written_but_the_sheet(folder: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    call("check", folder, "--sheet", tmp_path / "sheet.png")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "sheet.png"])


def test_problems_are_told_after_what_could_be_read(folder: Path) -> None:
    save(folder / "masks" / "2.png", np.zeros((5, 5), np.uint8))
    result = CliRunner().invoke(app, ["check", str(folder)])
    assert isinstance(result.exception, PrepareError)
    assert "its mask '2.png' is (5, 5)" in str(result.exception)
    assert "Masks are read as binary" in result.output


def test_images_alone_need_no_classes(folder: Path) -> None:
    text = call("check", folder / "images")
    assert "PNG, 8 bit, RGB" in text
    assert "Masks" not in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (tiff(np.zeros((2, 2), np.uint16)), "TIFF, 16 bit, grey"),
        (tiff(np.zeros((2, 2), np.int8)), "TIFF, 8 bit signed, grey"),
        (tiff(np.zeros((2, 2), np.float32)), "TIFF, 32 bit float, grey"),
        (tiff(np.zeros((2, 2), np.bool_)), "TIFF, 1 bit, grey, 0 is white"),
        (
            tiff(np.zeros((2, 2, 4), np.uint8), photometric="rgb", extrasamples=["unspecified"]),
            "TIFF, 8 bit, 4 channels",
        ),
        (
            turned_file(photograph(8, 8), "JPEG", 6),
            "JPEG (lossy), 8 bit, RGB, stored turned (6)",
        ),
    ],
)
def test_way_of_storing_is_told_in_words(content: bytes, words: str) -> None:
    assert stored_as(open_picture(content, "x")) == words


def test_objects_are_ids_or_what_touches_in_one_class() -> None:
    labels = np.array([[1, 0, 2], [0, 1, 2], [0, 0, 0]], np.int16)  # the 1s share a corner
    assert object_sizes(Mask(labels), 3) == [2, 2]
    ids = np.array([[7, 0, 3], [0, 9, 3], [0, 0, 0]], np.int32)
    assert object_sizes(Mask(labels, ids), 3) == [2, 1, 1]


def test_overlay_leaves_the_first_class_clear_and_draws_edges_in_full_colour() -> None:
    image = np.full((9, 9, 3), 100, np.uint8)
    labels = np.zeros((9, 9), np.int16)
    labels[2:7, 2:7] = 1
    labels[8, 8] = -1
    shown = overlaid(image, Mask(labels), 2)
    assert shown[0, 0].tolist() == [100, 100, 100]
    assert shown[2, 4].tolist() == list(COLOURS[1])
    # inside, 40 % of the colour over 60 % of the grey
    assert shown[4, 4].tolist() == [152, 124, 60]
    assert shown[8, 8].tolist() == list(UNLABELLED_COLOUR)


def test_sheet_shows_each_image_beside_its_mask(folder: Path, tmp_path: Path) -> None:
    assert write_sheet(overview(folder), tmp_path / "sheet.png") == 3
    with Image.open(tmp_path / "sheet.png") as picture:
        pixels = np.asarray(picture)
    edge = np.array(COLOURS[1])
    assert (pixels == edge).all(2).sum() > 20  # the outlines and the legend
    np.testing.assert_array_equal(pixels[54:94, 10:70], photograph(40, 60, 0))


def test_sheet_as_a_page_escapes_names_and_holds_its_pictures(folder: Path, tmp_path: Path) -> None:
    save(folder / "images" / "<b>東京.png", photograph(40, 60))
    write_sheet(overview(folder), tmp_path / "sheet.html")
    text = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;東京" in text
    assert "<b>" not in text
    assert text.count("data:image/png;base64,") == 4
    assert "http" not in text


def test_sheet_of_many_images_shows_some_of_all_parts(folder: Path, tmp_path: Path) -> None:
    assert write_sheet(overview(folder), tmp_path / "sheet.html", shown=2) == 2


def test_sheet_of_another_format_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"ends in \.png or \.html"):
        write_sheet(overview(folder), tmp_path / "sheet.pdf")


def test_sheet_is_drawn_of_deep_images_and_objects(folder: Path, tmp_path: Path) -> None:
    for number in range(3):
        (folder / "images" / f"{number}.png").unlink()
        save(folder / "images" / f"{number}.tif", photograph(40, 60)[:, :, 0] * 16.0, np.uint16)
    options = PrepareOptions(kind="instances", allow_missing_masks=True)
    found = overview(folder, options)
    assert found.knows_objects
    assert found.extremes == (0, 4080)
    assert write_sheet(found, tmp_path / "sheet.png") == 3
