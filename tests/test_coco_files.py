"""COCO as other tools write it: read as its author meant it, or refused with all problems."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from askmask.errors import ExchangeError
from askmask.formats.coco.coco import Coco
from askmask.formats.coco.rle import encode_runs
from askmask.formats.format import Intake, Item
from askmask.testing.exchange import ASKED, batch, expected

Json = dict[str, Any]

FIRST, SECOND = ASKED
SQUARE = [2.0, 1.0, 5.0, 1.0, 5.0, 4.0, 2.0, 4.0]  # columns 2 to 4, rows 1 to 3


def square() -> np.ndarray:
    pixels = np.zeros((8, 11), np.bool_)
    pixels[1:4, 2:5] = True
    return pixels


def coco(**changes: object) -> Json:
    """One image with one gland, as an annotation tool writes it."""
    content: Json = {
        "info": {"description": "by hand"},
        "licenses": [],
        "images": [{"id": 1, "file_name": f"{FIRST}.png", "height": 8, "width": 11}],
        "annotations": [
            {
                "id": 5,
                "image_id": 1,
                "category_id": 2,
                "segmentation": [SQUARE],
                "area": 9.0,
                "bbox": [2, 1, 3, 3],
                "iscrowd": 0,
                "attributes": {"occluded": False},
            }
        ],
        "categories": [{"id": 2, "name": "gland", "supercategory": "tissue"}],
    }
    return content | changes


def annotation(**changes: object) -> Json:
    found: Json = coco()["annotations"][0] | changes
    return found


def image(**changes: object) -> Json:
    found: Json = coco()["images"][0] | changes
    return found


def read(folder: Path, content: Json, format_: Coco | None = None, start: bytes = b"") -> Intake:
    path = folder / "instances.json"
    path.write_bytes(start + json.dumps(content).encode())
    return (format_ or Coco()).read(path, expected())


def test_polygon_of_a_tool_is_drawn(tmp_path: Path) -> None:
    (found,) = read(tmp_path, coco()).found
    assert found.region == ASKED[FIRST]
    np.testing.assert_array_equal(found.labels == 1, square())
    assert (found.labels[~square()] == 0).all()


@pytest.mark.parametrize(
    "file_name",
    [
        f"{FIRST}.png",
        f"images/{FIRST}.jpg",
        f"images\\{FIRST}.png",
        f"C:\\work\\images\\{FIRST}.TIF",
        FIRST,
    ],
)
def test_images_are_found_in_folders_of_any_system(tmp_path: Path, file_name: str) -> None:
    (found,) = read(tmp_path, coco(images=[image(file_name=file_name)])).found
    assert found.name == FIRST


def test_byte_order_mark_is_understood(tmp_path: Path) -> None:
    assert len(read(tmp_path, coco(), start=b"\xef\xbb\xbf").found) == 1


def test_root_category_without_annotations_is_left_alone(tmp_path: Path) -> None:
    root = {"id": 0, "name": "glands-of-colon", "supercategory": "none"}
    categories = [root, *coco()["categories"]]
    assert len(read(tmp_path, coco(categories=categories)).found) == 1


@pytest.mark.parametrize("is_list", [True, False])
def test_run_lengths_as_numbers_are_read_alone_and_in_a_list(tmp_path: Path, is_list: bool) -> None:
    rle = {"size": [8, 11], "counts": encode_runs(square())}
    content = coco(annotations=[annotation(segmentation=[rle] if is_list else rle)])
    (found,) = read(tmp_path, content).found
    np.testing.assert_array_equal(found.labels == 1, square())


def test_ids_may_be_names_if_they_are_so_everywhere(tmp_path: Path) -> None:
    content = coco(images=[image(id="a")], annotations=[annotation(image_id="a")])
    assert (read(tmp_path, content).found[0].labels == 1).sum() == 9


def test_whole_numbers_written_as_floats_are_the_same_numbers(tmp_path: Path) -> None:
    content = coco(images=[image(id=1.0, height=8.0)], annotations=[annotation(category_id=2.0)])
    assert (read(tmp_path, content).found[0].labels == 1).sum() == 9


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (coco(annotations=[annotation(segmentation=[])]), "outline .* got \\[\\]: a box is no out"),
        (coco(annotations=[annotation(segmentation=None)]), "got None: a box is no outline"),
        (coco(annotations=[annotation(segmentation=[[]])]), "polygon of 0 numbers"),
        (coco(annotations=[annotation(segmentation=SQUARE)]), "a flat list .*another pair of"),
        (coco(annotations=[annotation(segmentation=[SQUARE[:-1]])]), "a polygon of 7 numbers"),
        (coco(annotations=[annotation(segmentation=[[20.0] * 6])]), "outside of the image"),
        (coco(annotations=[annotation(segmentation=[[float("nan")] * 6])]), "a finite number at"),
        (coco(annotations=[annotation(image_id="1")]), "got '1'.*are not the same"),
        (coco(annotations=[annotation(image_id=7)]), "image_id of annotation 5, got 7"),
        (coco(annotations=[annotation(category_id=3)]), "a category of the file .* got 3"),
        (coco(images=[image(), image()]), "expected each image id once, got 1 twice"),
        (coco(images=[image(), image(id=2)]), "one set of labels for a region|none for 1"),
        (coco(images=[image(height=9)]), "of shape \\(8, 11\\), like its region, got \\(9, 11\\)"),
        (coco(images=[image(file_name="other.png")]), "got 'other'. Keep the names"),
        (coco(images=[image(height="8")]), "a valid integer at images\\[0\\].height"),
        (coco(images=None), "a valid list at images"),
        (coco(categories=[{"id": 2, "name": "tumour"}]), "got 'tumour'. Rename it"),
        (
            coco(categories=[{"id": 2, "name": "gland"}, {"id": 2, "name": "a & b"}]),
            "each category id once, got 2 for 'gland' and 'a & b'",
        ),
    ],
)
def test_file_that_would_be_misread_is_refused(tmp_path: Path, content: Json, reason: str) -> None:
    with pytest.raises(ExchangeError, match=reason):
        read(tmp_path, content)


def test_image_that_is_listed_twice_is_refused(tmp_path: Path) -> None:
    images = [image(), image(id=2)]
    annotations = [annotation(), annotation(image_id=2, id=6)]
    with pytest.raises(ExchangeError, match="expected one set of labels for a region"):
        read(tmp_path, coco(images=images, annotations=annotations))


def test_results_of_a_detector_are_named(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([annotation(score=0.5)]), encoding="utf-8")
    with pytest.raises(ExchangeError, match="the results of a detector, which name no image"):
        Coco().read(path, expected())


def test_every_problem_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    annotations = [
        annotation(segmentation=[]),
        annotation(id=6, image_id=9),
        annotation(id=7, category_id=9),
    ]
    with pytest.raises(ExchangeError) as caught:
        read(tmp_path, coco(annotations=annotations))
    assert [f"annotation {number}" in str(caught.value) for number in (5, 6, 7)] == [True] * 3
    assert len(caught.value.problems) == 3


def empty_image() -> Json:
    two = [image(), image(id=2, file_name=f"{SECOND}.png")]
    return coco(images=two)


def test_image_without_an_annotation_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match=f"none for 1: '{SECOND}'.*--empty background.*skip"):
        read(tmp_path, empty_image())


def test_image_without_an_annotation_is_background_if_that_is_said(tmp_path: Path) -> None:
    found = read(tmp_path, empty_image(), Coco(empty="background")).found
    assert (found[1].labels == 0).all()


def test_image_without_an_annotation_is_passed_over_if_that_is_said(tmp_path: Path) -> None:
    intake = read(tmp_path, empty_image(), Coco(empty="skip"))
    assert [item.name for item in intake.found] == [FIRST]
    assert dict(intake.passed_over) == {"images without an annotation": 1}


def test_exported_image_of_background_only_says_so_itself(tmp_path: Path) -> None:
    labels = np.zeros((8, 11), np.int16)
    Coco().write(tmp_path, batch([Item(FIRST, ASKED[FIRST], labels)]))
    (found,) = Coco().read(tmp_path, expected()).found
    np.testing.assert_array_equal(found.labels, labels)


def test_sliver_between_pixels_is_counted(tmp_path: Path) -> None:
    sliver = [2.6, 1.6, 2.9, 1.6, 2.9, 1.9]
    intake = read(tmp_path, coco(annotations=[annotation(), annotation(segmentation=[sliver])]))
    assert dict(intake.passed_over) == {"shapes that cover no pixel's centre": 1}
