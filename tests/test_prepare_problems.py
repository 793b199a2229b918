"""Problems of folders and options: every one of them is told at once, and nothing is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.errors import ConfigError, PrepareError, SourceError, UnknownName
from folder_pairs import INDEX, LABELS, Folders, matches
from picture_files import photograph, save


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def test_every_problem_of_every_file_is_one_line(folders: Folders) -> None:
    folders.add("alone", None)
    folders.add("big", size=(5, 5))
    folders.add("unknown", [[0, 7, 7], [0, 1, 7]])
    folders.add("empty", np.full((2, 3), 255))
    folders.add("cut")
    folders.add("fine")
    folders.add("broken mask")
    save(folders.masks / "orphan.png", LABELS)
    save(folders.images / "fine.bmp", photograph(2, 3))
    (folders.images / "slide.svs").write_bytes(b"")
    (folders.images / "cut.png").write_bytes((folders.images / "cut.png").read_bytes()[:60])
    (folders.masks / "broken mask.png").write_bytes(b"not an image")
    assert matches(
        folders.problems(),
        r"'alone\.png': no mask 'alone'\. Add it, remove the image, or allow images without masks",
        r"'big\.png' is \(5, 5\) but its mask 'big\.png' is \(2, 3\) .*Fix the mask, or remove",
        r"'unknown\.png' holds values .*: 7 in 3 pixels, first at \(row, col\) = \(0, 1\)",
        r"'empty\.png' has no labelled pixel\. Label some, or remove the mask",
        r"cannot read 'cut\.png' as an image .*copy it again",
        r"cannot read 'broken mask\.png' as an image",
        r"'orphan\.png': no image for this mask\. Add the image, or remove the mask",
        r"'fine\.bmp', 'fine\.png': several files for 'fine'\. Keep one",
        r"'slide\.svs': '\.svs' is not read\. Convert it to one of \.bmp, ",
    )


def test_message_counts_the_problems_and_says_that_nothing_was_written(folders: Folders) -> None:
    folders.add("a", None)
    folders.add("b", None)
    folders.masks.mkdir()
    with pytest.raises(PrepareError, match=r"2 problems, nothing was written:\n  'a\.png': no"):
        folders.prepare()
    assert sorted(path.name for path in folders.root.iterdir()) == ["images", "masks"]


def test_masks_that_cannot_be_unambiguous_are_asked_about(folders: Folders) -> None:
    folders.add(mask=[[0, 1, 2], [0, 0, 1]])
    assert matches(folders.problems(PrepareOptions()), "their kind is not clear.*Say which it is")


def test_kind_that_does_not_exist_is_refused(folders: Folders) -> None:
    folders.add()
    with pytest.raises(UnknownName, match="no kind of masks 'colour'.*auto, binary, index"):
        folders.prepare(PrepareOptions(kind="colour"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PrepareOptions(kind="index"), "index masks need names of the classes"),
        (PrepareOptions(kind="index", classes=("a",)), "expected 2 to 255 names, got 1"),
        (
            PrepareOptions(kind="binary", classes=("a", "b", "c")),
            "binary masks have 2 classes, got",
        ),
        (PrepareOptions(kind="palette", classes=("a", "b")), "palette masks need a colour"),
        (
            PrepareOptions(kind="index", classes=("a", "b", "c"), ignore_value=2),
            "ignore_value=2: in index masks this value has a meaning",
        ),
        (PrepareOptions(kind="binary", ignore_value=255), "ignore_value=255: in binary masks"),
        (PrepareOptions(kind="instances", ignore_value=0), "ignore_value=0: in instances masks"),
        (
            PrepareOptions(kind="index", classes=("a", "b", "c"), value_range=(0.0, 9.0)),
            r"value_range=\(0.0, 9.0\) is for images with 16 bits .*'a\.png' has 8",
        ),
    ],
)
def test_options_that_do_not_fit_are_problems(
    folders: Folders, options: PrepareOptions, message: str
) -> None:
    folders.add()
    assert matches(folders.problems(options), message)


def test_range_that_is_upside_down_is_a_problem(folders: Folders) -> None:
    save(folders.images / "a.tif", [[0, 4000]], np.uint16)
    save(folders.masks / "a.png", [[0, 1]])
    options = PrepareOptions(kind="index", classes=("g", "t"), value_range=(9.0, 3.0))
    assert matches(folders.problems(options), r"value_range=\(9.0, 3.0\): expected low < high")


def test_images_of_different_depth_are_a_problem(folders: Folders) -> None:
    folders.add("a")
    save(folders.images / "b.tif", np.zeros((2, 3)), np.uint16)
    save(folders.masks / "b.png", LABELS)
    assert matches(folders.problems(), r"'b\.tif' has 16 bits per channel but 'a\.png' has 8")


def test_class_file_that_is_invalid_is_a_problem(folders: Folders) -> None:
    folders.add()
    (folders.masks / "classes.json").write_text("{}")
    assert matches(folders.problems(), r"classes\.json': classes: Field required")


def test_class_file_that_is_missing_is_a_problem(folders: Folders) -> None:
    folders.add()
    options = PrepareOptions(kind="binary", classes_file=folders.root / "nowhere.json")
    assert matches(
        folders.problems(options), "cannot read the classes in", "holds values that no class has"
    )


def test_mask_whose_labels_vanish_when_shrunk_is_a_problem(folders: Folders) -> None:
    folders.add(mask=[[0, 255], [255, 255]], size=(2, 2))
    options = PrepareOptions(kind="index", classes=("g", "t"), scale=0.5)
    assert matches(folders.problems(options), r"'a\.png' has no labelled pixel at scale 0\.5")


def test_folder_without_images_is_a_problem(folders: Folders) -> None:
    folders.images.mkdir()
    folders.masks.mkdir()
    assert matches(folders.problems(), r"images': no images\. Give a folder of JPEG")


def test_folder_that_does_not_exist_is_a_problem(folders: Folders) -> None:
    assert matches(folders.problems(), r"no folder '.*images'\. Check the path")


def test_one_folder_for_both_without_a_suffix_is_a_problem(folders: Folders) -> None:
    folders.add()
    with pytest.raises(PrepareError, match="images and masks are both in .*by what suffix"):
        prepare_folder(folders.images, folders.images, folders.out, options=INDEX)


def test_missing_masks_are_problems_also_without_a_folder_of_masks(folders: Folders) -> None:
    folders.add(mask=None)
    with pytest.raises(PrepareError, match=r"'a\.png': no mask 'a'"):
        prepare_folder(folders.images, None, folders.out, options=INDEX)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "image,group\na,x\na.png,y\nz,x\n",
            ["'a.png' comes twice", "no image 'z'", "no row for the image 'b'"],
        ),
        ("image,role\na,teacher\nb,\n", ["'a' has the role 'teacher'. Choose from: start"]),
        ("name,group\na,x\n", [r"expected the column 'image' and .*\['group', 'name'\]"]),
        ("image,grade\na,x\n", ["expected the column 'image' and one of"]),
        ("", [r"at least one row, got the columns \[\]"]),
        ("image,group\n" + "x" * 200_000, ["no valid CSV .*field larger than"]),
        ("x" * (16 * 2**20 + 1), ["expected a table of images, got 16,777,217 characters"]),
    ],
)
def test_table_that_does_not_fit_is_a_problem(
    folders: Folders, text: str, messages: list[str]
) -> None:
    folders.add("a")
    folders.add("b")
    table = folders.root / "table.csv"
    table.write_text(text)
    options = PrepareOptions(kind="index", classes=INDEX.classes, groups=table)
    assert matches(folders.problems(options), *messages)


def test_table_that_cannot_be_read_is_a_problem(folders: Folders) -> None:
    folders.add("a")
    table = folders.root / "table.csv"
    table.write_bytes(b"image,group\na,\xff\n")
    options = PrepareOptions(kind="index", classes=INDEX.classes, groups=table)
    assert matches(folders.problems(options), r"table\.csv': cannot be read .*CSV in UTF-8")


def test_files_that_are_links_are_followed(folders: Folders) -> None:
    folders.add("a")
    (folders.images / "b.png").symlink_to(folders.root / "secret.png")
    save(folders.root / "secret.png", photograph(2, 3))
    save(folders.masks / "b.png", LABELS)
    assert folders.prepare().images == 2


def test_output_that_holds_something_is_refused_before_anything_is_read(folders: Folders) -> None:
    folders.out.mkdir()
    (folders.out / "results.csv").touch()
    with pytest.raises(SourceError, match="absent or an empty folder"):
        folders.prepare()


def test_scale_above_one_is_refused(folders: Folders) -> None:
    with pytest.raises(ConfigError, match="expected a scale"):
        folders.prepare(PrepareOptions(scale=2.0))


def test_every_unsafe_name_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a:b", "c\x1bd", "e|f", "fine"):
        Image.new("RGB", (40, 40)).save(tmp_path / "images" / f"{name}.png")
    options = PrepareOptions(classes=("ground", "disc"), allow_missing_masks=True)
    with pytest.raises(PrepareError) as refused:
        prepare_folder(tmp_path / "images", None, tmp_path / "out", options=options)
    assert sum("no safe file name" in line for line in refused.value.problems) == 3
