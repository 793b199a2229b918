import json
from pathlib import Path

import numpy as np
import pytest

from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.prepared import PreparedSource
from askmask.records import UNLABELLED
from folder_pairs import INDEX, LABELS, Folders
from picture_files import photograph, save


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


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
