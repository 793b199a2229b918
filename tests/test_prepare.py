import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.prepared import PreparedSource
from askmask.errors import ConfigError, PrepareError, SourceError, UnknownName
from askmask.records import UNLABELLED
from picture_files import photograph, save

INDEX = PrepareOptions(kind="index", classes=("ground", "thing", "other"))
LABELS = [[0, 1, 2], [0, 255, 2]]


class Folders:
    """Images and masks to prepare, and where to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = root / "images"
        self.masks = root / "masks"
        self.out = root / "out"

    def add(
        self, stem: str = "a", mask: object = LABELS, *, size: tuple[int, int] = (2, 3)
    ) -> None:
        save(self.images / f"{stem}.png", photograph(*size))
        if mask is not None:
            save(self.masks / f"{stem}.png", mask)

    def prepare(self, options: PrepareOptions = INDEX) -> PrepareSummary:
        return prepare_folder(self.images, self.masks, self.out, options=options)

    def problems(self, options: PrepareOptions = INDEX) -> tuple[str, ...]:
        with pytest.raises(PrepareError) as caught:
            self.prepare(options)
        assert not self.out.exists()
        return caught.value.problems

    def labels(self, image_id: str = "a") -> list[list[int]]:
        mask = PreparedSource(self.out).read_mask(image_id)
        assert mask is not None
        return mask.labels.tolist()  # type: ignore[no-any-return]


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def matches(problems: tuple[str, ...], *patterns: str) -> bool:
    """Whether the problems are these, one pattern each, in any order."""
    assert len(problems) == len(patterns), problems
    return all(any(re.search(pattern, line) for line in problems) for pattern in patterns)


# What is written


def test_folder_pair_becomes_a_data_set(folders: Folders) -> None:
    folders.add("b")
    folders.add("sub/a.1", [[1, 1], [0, 0]], size=(2, 2))
    summary = folders.prepare()
    source = PreparedSource(folders.out)
    assert [info.image_id for info in source.images()] == ["b", "sub/a.1"]
    np.testing.assert_array_equal(source.read_image("b"), photograph(2, 3))
    assert folders.labels("b") == [[0, 1, 2], [0, UNLABELLED, 2]]
    assert source.made_from == "images 'images', masks 'masks' (index)"
    assert summary == PrepareSummary(
        out=folders.out,
        images=2,
        masks=2,
        kind="index",
        class_pixels={"ground": 4, "thing": 3, "other": 2},
        unlabelled_pixels=1,
        splits={"train": 2},
        groups={},
        roles={},
    )
    assert summary.class_shares == {"ground": 4 / 9, "thing": 3 / 9, "other": 2 / 9}


def test_images_and_masks_may_have_different_endings(folders: Folders) -> None:
    save(folders.images / "a.JPG", np.full((8, 8, 3), 90, np.uint8))
    save(folders.masks / "a.bmp", np.ones((8, 8)))
    save(folders.images / "b.tiff", photograph(2, 3))
    save(folders.masks / "b.tif", LABELS)
    assert folders.prepare().images == 2


def test_progress_counts_checks_and_writes(folders: Folders) -> None:
    folders.add("a")
    folders.add("b")
    seen: list[tuple[int, int]] = []
    prepare_folder(
        folders.images,
        folders.masks,
        folders.out,
        options=INDEX,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_black_and_white_masks_are_recognised(folders: Folders) -> None:
    folders.add(mask=[[0, 255, 0], [0, 0, 255]])
    summary = folders.prepare(PrepareOptions())
    assert (summary.kind, folders.labels()) == ("binary", [[0, 1, 0], [0, 0, 1]])
    assert PreparedSource(folders.out).classes.names == ("background", "foreground")


def test_instance_masks_keep_their_ids(folders: Folders) -> None:
    folders.add()
    save(folders.masks / "a.png", [[0, 300, 300], [0, 0, 7]], np.uint16)
    folders.prepare(PrepareOptions(kind="instances", classes=("ground", "cell")))
    mask = PreparedSource(folders.out).read_mask("a")
    assert mask is not None
    assert mask.instances is not None
    assert mask.instances.tolist() == [[0, 300, 300], [0, 0, 7]]


def test_class_file_beside_the_masks_names_classes_and_colours(folders: Folders) -> None:
    folders.add(mask=[[(9, 0, 0), (0, 9, 0), (5, 5, 5)]] * 2)
    tree = {
        "classes": ["land", "road"],
        "colours": {"road": [0, 9, 0], "land": [9, 0, 0]},
        "ignore_colour": [5, 5, 5],
    }
    (folders.root / "classes.json").write_text(json.dumps(tree))
    summary = folders.prepare(PrepareOptions())
    assert summary.kind == "palette"
    assert folders.labels() == [[0, 1, UNLABELLED]] * 2


def test_class_file_also_serves_masks_of_indices(folders: Folders) -> None:
    folders.add(mask=[[0, 1, 255]] * 2)
    tree = {"classes": ["land", "road", "sea"], "ignore_index": 255}
    save(folders.masks / "a.png", [[0, 1, 255]] * 2)
    (folders.masks / "classes.json").write_text(json.dumps(tree))
    assert folders.prepare(PrepareOptions()).class_pixels == {"land": 2, "road": 2, "sea": 0}


def test_classes_that_are_given_go_before_the_file(folders: Folders) -> None:
    folders.add(mask=[[0, 1, 1]] * 2)
    (folders.masks / "classes.json").write_text('{"classes": ["x", "y", "z"]}')
    folders.prepare(PrepareOptions(classes=("ground", "thing")))
    assert PreparedSource(folders.out).classes.names == ("ground", "thing")


def test_palette_that_is_given_names_the_classes(folders: Folders) -> None:
    folders.add(mask=[[(9, 0, 0), (0, 9, 0), (9, 0, 0)]] * 2)
    folders.prepare(PrepareOptions(palette={"land": (9, 0, 0), "road": (0, 9, 0)}))
    assert PreparedSource(folders.out).classes.names == ("land", "road")
    assert folders.labels() == [[0, 1, 0]] * 2


def test_one_folder_may_hold_images_and_masks_with_a_suffix(folders: Folders) -> None:
    save(folders.images / "a.png", photograph(2, 3))
    save(folders.images / "a_mask.png", LABELS)
    options = PrepareOptions(kind="index", classes=INDEX.classes, mask_suffix="_mask")
    summary = prepare_folder(folders.images, folders.images, folders.out, options=options)
    assert (summary.images, summary.masks) == (1, 1)


@pytest.mark.parametrize("nested", ["masks", "images"])
def test_folder_of_masks_may_lie_in_the_folder_of_images_or_around_it(
    folders: Folders, nested: str
) -> None:
    outer, inner = folders.root / "set", folders.root / "set" / nested
    images, masks = (outer, inner) if nested == "masks" else (inner, outer)
    save(images / "a.png", photograph(2, 3))
    save(masks / "a.png", LABELS)
    assert prepare_folder(images, masks, folders.out, options=INDEX).masks == 1


def test_images_without_masks_are_the_pool_if_that_is_allowed(folders: Folders) -> None:
    folders.add("a")
    folders.add("b", None)
    options = PrepareOptions(kind="index", classes=INDEX.classes, allow_missing_masks=True)
    summary = folders.prepare(options)
    assert (summary.images, summary.masks) == (2, 1)
    assert [info.has_mask for info in PreparedSource(folders.out).images()] == [True, False]


def test_no_mask_at_all_is_enough_to_start_from(folders: Folders) -> None:
    folders.add("a", None)
    options = PrepareOptions(classes=("ground", "thing"), allow_missing_masks=True)
    summary = prepare_folder(folders.images, None, folders.out, options=options)
    assert summary.masks == 0
    assert all(np.isnan(share) for share in summary.class_shares.values())


def test_table_gives_groups_splits_and_roles(folders: Folders) -> None:
    for stem in "abc":
        folders.add(stem)
    table = folders.root / "table.csv"
    table.write_text(
        "image, group ,split,role\na.png,benign,,start\nb,malignant,testA,\nc,,,pool\n"
    )
    options = PrepareOptions(kind="index", classes=INDEX.classes, groups=table)
    summary = folders.prepare(options)
    found = [(i.group, i.split, i.role) for i in PreparedSource(folders.out).images()]
    assert found == [
        ("benign", "train", "start"),
        ("malignant", "testA", None),
        (None, "train", "pool"),
    ]
    assert summary.splits == {"testA": 1, "train": 2}
    assert summary.groups == {"benign": 1, "malignant": 1}
    assert summary.roles == {"pool": 1, "start": 1}


def test_scale_shrinks_images_and_masks_together(folders: Folders) -> None:
    folders.add(mask=[[0, 0, 1, 1]] * 2, size=(2, 4))
    folders.prepare(PrepareOptions(kind="index", classes=("g", "t"), scale=0.5))
    source = PreparedSource(folders.out)
    expected = photograph(2, 4).reshape(1, 2, 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(source.read_image("a"), expected, atol=1.0)
    assert folders.labels() == [[0, 1]]
    assert source.made_from.endswith(", scale 0.5")
    assert source.scale == 0.5
    assert json.loads((folders.out / "dataset.json").read_text())["scale"] == 0.5


def test_data_set_of_before_tells_its_scale_in_words(folders: Folders) -> None:
    folders.add(mask=[[0, 0, 1, 1]] * 2, size=(2, 4))
    folders.prepare(PrepareOptions(kind="index", classes=("g", "t"), scale=0.5))
    path = folders.out / "dataset.json"
    before = json.loads(path.read_text())
    del before["scale"]
    path.write_text(json.dumps(before))

    assert PreparedSource(folders.out).scale == 0.5
    path.write_text(json.dumps(before | {"made_from": "images at scale 0.5 of something"}))
    assert PreparedSource(folders.out).scale == 1


def test_deep_images_share_one_measured_range(folders: Folders) -> None:
    save(folders.images / "a.tif", [[1000, 2000]], np.uint16)
    save(folders.images / "b.png", [[2000, 3000]], np.uint16)
    for stem in "ab":
        save(folders.masks / f"{stem}.png", [[0, 1]])
    summary = folders.prepare()
    source = PreparedSource(folders.out)
    # (2000 - 1000) / 2000 * 255 = 127.5, to even 128: the same in both images
    assert source.read_image("a")[0, :, 0].tolist() == [0, 128]
    assert source.read_image("b")[0, :, 0].tolist() == [128, 255]
    assert summary.value_range == (1000.0, 3000.0)
    tree = json.loads((folders.out / "dataset.json").read_text())
    assert tree["value_range"] == [1000.0, 3000.0]


def test_deep_images_take_the_range_that_is_given(folders: Folders) -> None:
    save(folders.images / "a.tif", [[0, 4000]], np.uint16)
    save(folders.masks / "a.png", [[0, 1]])
    options = PrepareOptions(kind="index", classes=("g", "t"), value_range=(0.0, 2000.0))
    assert folders.prepare(options).value_range == (0.0, 2000.0)
    assert PreparedSource(folders.out).read_image("a")[0, :, 0].tolist() == [0, 255]


def test_other_files_and_hidden_files_are_passed_over(folders: Folders) -> None:
    folders.add()
    (folders.images / "notes.txt").write_text("stained on Monday")
    save(folders.images / ".thumbnails" / "a.png", photograph(2, 3))
    assert folders.prepare().images == 1


# What is reported, all at once


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
