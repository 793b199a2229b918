"""Masks with one file for each object: found, read, or refused."""

from pathlib import Path

import numpy as np
import pytest

from askmask.data.masks import Overlaps
from askmask.data.prepare.folder import PrepareOptions
from askmask.data.prepared import PreparedSource
from brought_images import BLOB, TWO, instances, labels, prepare, problems
from picture_files import photograph, save

OBJECTS = PrepareOptions(kind="instance-files")


def shifted(rows: int) -> np.ndarray:
    return np.roll(BLOB, rows, axis=0)


@pytest.mark.parametrize(
    "names", ["a/1.png a/2.png", "a_1.png a_2.png", "a-cell 1.png a-cell 2.png"]
)
def test_files_of_objects_are_found_by_folder_or_by_name(tmp_path: Path, names: str) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    first, second = names.replace("l 1", "l_1").replace("l 2", "l_2").split()
    save(tmp_path / "masks" / first, BLOB)
    save(tmp_path / "masks" / second, shifted(3))
    summary = prepare(tmp_path, OBJECTS)
    assert (summary.masks, summary.kind) == (1, "instance-files")
    np.testing.assert_array_equal(instances(tmp_path), (BLOB > 0) + 2 * (shifted(3) > 0))
    np.testing.assert_array_equal(labels(tmp_path), (BLOB > 0) | (shifted(3) > 0))


def nuclei(root: Path, images: int, objects: int) -> Path:
    """A tree as public sets of nuclei come: a folder for each image, one mask for each nucleus."""
    for number in range(images):
        folder = root / "set" / f"cell{number}"
        save(folder / "images" / f"cell{number}.png", photograph(40, 40, number))
        for place in range(objects):
            mask = np.zeros((40, 40), np.uint8)
            mask[place, 5:9] = 255
            save(folder / "masks" / f"{place:08x}.png", mask)
    return root / "set"


def test_tree_of_images_and_objects_is_read(tmp_path: Path) -> None:
    nuclei(tmp_path, 3, 30)
    summary = prepare(tmp_path, OBJECTS, images="set", masks="set")
    assert (summary.images, summary.masks) == (3, 3)
    assert [i.image_id for i in PreparedSource(tmp_path / "out").images()] == [
        "cell0",
        "cell1",
        "cell2",
    ]
    assert instances(tmp_path, "cell1").max() == 30


@pytest.mark.parametrize("masks", [None, "set"])
def test_tree_of_images_and_objects_is_recognised_in_one_sentence(
    tmp_path: Path, masks: str | None
) -> None:
    nuclei(tmp_path, 3, 30)
    (problem,) = problems(tmp_path, TWO, images="set", masks=masks)
    assert "90 of its 93 pictures lie in folders of masks" in problem
    assert "--kind instance-files" in problem


def test_objects_where_one_mask_was_expected_are_recognised_in_one_sentence(
    tmp_path: Path,
) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    for number in range(25):
        save(tmp_path / "masks" / "a" / f"{number}.png", BLOB)
    (problem,) = problems(tmp_path, TWO)
    assert "25 files of masks look like one for each object" in problem
    assert "up to 25 belong to one image" in problem


def test_objects_that_share_pixels_are_asked_about(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    save(tmp_path / "masks" / "a" / "1.png", BLOB)
    save(tmp_path / "masks" / "a" / "2.png", shifted(1))  # 8 of its 12 pixels lie in the first
    (problem,) = problems(tmp_path, OBJECTS)
    assert "8 pixels of 'a.png' belong to several objects, first in 'a/2.png'" in problem
    assert "--overlaps first or --overlaps last" in problem
    prepare(tmp_path, PrepareOptions(kind="instance-files", overlaps=Overlaps.FIRST))
    assert np.bincount(instances(tmp_path).ravel())[1:].tolist() == [12, 4]


def test_last_object_gets_shared_pixels_where_that_is_said(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    save(tmp_path / "masks" / "a" / "1.png", BLOB)
    save(tmp_path / "masks" / "a" / "2.png", shifted(1))
    prepare(tmp_path, PrepareOptions(kind="instance-files", overlaps=Overlaps.LAST))
    assert np.bincount(instances(tmp_path).ravel())[1:].tolist() == [4, 12]


def test_every_problem_of_objects_is_told_at_once(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    save(tmp_path / "images" / "a_b.png", photograph(8, 12))
    save(tmp_path / "images" / "c.png", photograph(8, 12))
    save(tmp_path / "masks" / "a" / "empty.png", np.zeros((8, 12)))
    save(tmp_path / "masks" / "a" / "many.png", BLOB // 2 + shifted(3))
    save(tmp_path / "masks" / "a" / "sized.png", np.full((4, 4), 255))
    save(tmp_path / "masks" / "a_b_1.png", BLOB)
    save(tmp_path / "masks" / "stray.png", BLOB)
    save(tmp_path / "masks" / "a" / "fine.png", BLOB)
    found = problems(tmp_path, OBJECTS)
    assert sorted(part for line in found for part in (
        "holds no object", "expected one object", "objects of one image", "could be of",
        "no image for it", "no mask 'c'",
    ) if part in line) == sorted((
        "holds no object", "expected one object", "objects of one image", "could be of",
        "no image for it", "no mask 'c'",
    ))  # fmt: skip
