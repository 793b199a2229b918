import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from askmask.data.prepared import DatasetWriter, PreparedSource, check_out
from askmask.data.rasters import encode_image, encode_mask
from askmask.data.source import MemorySource, check_item
from askmask.errors import SourceError
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask
from drawn_sources import CLASSES, DrawnSourceContract, drawn_items

INFO = ImageInfo("x", 2, 3)
IMAGE = np.zeros((2, 3, 3), np.uint8)
MASK = Mask(np.zeros((2, 3), np.int16))


def write_drawn(out: Path) -> Path:
    with DatasetWriter(out, CLASSES, "drawn items", value_range=(0.0, 4095.0)) as writer:
        for info, image, mask in drawn_items().values():
            writer.add(info, image, mask)
    return out


def write(out: Path, *infos: ImageInfo, then: Callable[[], object] = lambda: None) -> None:
    with DatasetWriter(out, CLASSES, "") as writer:
        for info in infos:
            writer.add(info, IMAGE, MASK)
        then()


def edit(folder: Path, **changes: object) -> Path:
    file = folder / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return folder


class TestMemorySource(DrawnSourceContract):
    @pytest.fixture
    def source(self) -> MemorySource:
        return MemorySource(CLASSES, drawn_items())


class TestPreparedSource(DrawnSourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> PreparedSource:
        return PreparedSource(write_drawn(tmp_path / "set"))


def test_memory_source_keeps_copies_of_what_it_was_given() -> None:
    items = drawn_items()
    source = MemorySource(CLASSES, items)
    items["b"][1][:] = 0
    np.testing.assert_array_equal(source.read_image("b"), drawn_items()["b"][1])


def test_memory_source_refuses_an_image_listed_under_another_id() -> None:
    with pytest.raises(SourceError, match="'y' to be listed under its own id, got a record of 'x'"):
        MemorySource(CLASSES, {"y": (INFO, IMAGE, MASK)})


@pytest.mark.parametrize(
    ("info", "image", "mask", "message"),
    [
        (INFO, IMAGE[:1], MASK, r"'x' as \(2, 3, 3\) uint8, got \(1, 3, 3\)"),
        (INFO, IMAGE, None, "has_mask=True, but came without a mask"),
        (replace(INFO, has_mask=False), IMAGE, MASK, "has_mask=False, but came with a mask"),
        (INFO, IMAGE, Mask(np.zeros((3, 2), np.int16)), r"\(2, 3\) but its mask is \(3, 2\)"),
        (INFO, IMAGE, Mask(np.full((2, 3), UNLABELLED, np.int16)), "has no labelled pixel"),
        (INFO, IMAGE, Mask(np.full((2, 3), 3, np.int16)), r"\[-1, 2\] for 3 classes.*\[3, 3\]"),
        (INFO, IMAGE, Mask(np.full((2, 3), -2, np.int16)), r"got values in \[-2, -2\]"),
        (
            INFO,
            IMAGE,
            Mask(MASK.labels, np.full((2, 3), -1, np.int32)),
            "instance ids of 'x' >= 0",
        ),
        (
            INFO,
            IMAGE,
            Mask(np.array([[0, 0, -1]] * 2, np.int16), np.ones((2, 3), np.int32)),
            "0 where unlabelled",
        ),
    ],
)
def test_records_that_disagree_are_refused(
    info: ImageInfo, image: np.ndarray, mask: Mask | None, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        check_item(CLASSES, info, image, mask)


def test_description_says_where_the_data_come_from(tmp_path: Path) -> None:
    out = write_drawn(tmp_path / "set")
    assert PreparedSource(out).made_from == "drawn items"
    tree = json.loads((out / "dataset.json").read_text())
    assert (tree["format"], tree["version"]) == ("askmask-dataset", 1)
    assert tree["value_range"] == [0.0, 4095.0]


def test_writer_leaves_nothing_but_the_data_set(tmp_path: Path) -> None:
    write_drawn(tmp_path / "set")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_writer_fills_an_empty_folder_and_makes_missing_parents(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert len(PreparedSource(write_drawn(tmp_path / "empty")).images()) == 4
    assert len(PreparedSource(write_drawn(tmp_path / "new" / "set")).images()) == 4


def test_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write(tmp_path / "set", INFO, then=lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_writer_does_not_replace_what_appeared_meanwhile(tmp_path: Path) -> None:
    out = tmp_path / "set"
    with pytest.raises(SourceError, match="absent or an empty folder"):
        write(out, INFO, then=lambda: out.write_text("of someone else"))
    assert out.read_text() == "of someone else"
    assert len(list(tmp_path.iterdir())) == 1


def test_output_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match=r"to be absent or an empty folder.*Choose another"):
        check_out(tmp_path)
    with pytest.raises(SourceError, match="to be absent or an empty folder"):
        DatasetWriter(tmp_path / "file", CLASSES, "")


def test_data_set_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no image was added"):
        write(tmp_path / "set")


def test_more_classes_than_a_mask_can_hold_are_refused(tmp_path: Path) -> None:
    classes = ClassMap.of([str(number) for number in range(256)])
    with pytest.raises(SourceError, match="at most 255 classes, got 256"):
        DatasetWriter(tmp_path / "set", classes, "")


def test_adding_outside_the_block_is_refused(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "set", CLASSES, "")
    with pytest.raises(SourceError, match="inside the writer's `with` block"):
        writer.add(INFO, IMAGE, MASK)


def test_adding_an_id_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="'x' was added twice"):
        write(tmp_path / "set", INFO, INFO)


@pytest.mark.parametrize("image_id", ["", "../x", "/x", "a//b", "a\\b", "a\nb", "c:x", "."])
def test_ids_that_are_no_file_names_are_refused(tmp_path: Path, image_id: str) -> None:
    with pytest.raises(SourceError, match="no safe file name"):
        write(tmp_path / "set", replace(INFO, image_id=image_id))


def test_folder_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"found no dataset\.json.*askmask prepare"):
        PreparedSource(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "has version 2, this askmask reads 1. Update askmask"),
        ({"format": "other"}, "format: .*got 'other'"),
        ({"images": [{"id": "x"}]}, r"images\.0\.image: Field required"),
        ({"extra": 1}, "extra: Extra inputs"),
    ],
)
def test_descriptions_of_another_form_are_refused(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        PreparedSource(edit(write_drawn(tmp_path / "set"), **changes))


@pytest.mark.parametrize("text", ["{", "[]"])
def test_descriptions_that_are_no_mapping_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(SourceError, match="no valid"):
        PreparedSource(tmp_path)


def test_missing_files_are_found_on_opening(tmp_path: Path) -> None:
    out = write_drawn(tmp_path / "set")
    (out / "images" / "a.png").unlink()
    (out / "masks" / "b.png").unlink()
    with pytest.raises(SourceError, match=r"2 files of the data set .*'masks/b\.png'"):
        PreparedSource(out)


def test_paths_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    out = write_drawn(tmp_path / "set")
    (tmp_path / "secret.png").write_bytes(encode_image(IMAGE))
    entry = {"id": "x", "image": "../secret.png", "height": 2, "width": 3}
    with pytest.raises(SourceError, match=r"e\.g\. '\.\./secret\.png'"):
        PreparedSource(edit(out, images=[entry]))


def test_ids_that_come_twice_are_refused(tmp_path: Path) -> None:
    out = write_drawn(tmp_path / "set")
    entry = {"id": "x", "image": "images/a.png", "height": 2, "width": 5}
    with pytest.raises(SourceError, match="got 2 images but 1 ids"):
        PreparedSource(edit(out, images=[entry, entry]))


def test_files_that_vanish_or_change_are_found_on_reading(tmp_path: Path) -> None:
    out = write_drawn(tmp_path / "set")
    source = PreparedSource(out)
    (out / "images" / "a.png").unlink()
    with pytest.raises(SourceError, match=r"cannot read 'images/a\.png'.*Prepare the data set"):
        source.read_image("a")
    (out / "images" / "b.png").write_bytes(encode_image(IMAGE))
    with pytest.raises(SourceError, match=r"is \(2, 3\) but was recorded as \(3, 4\)"):
        source.read_image("b")
    (out / "masks" / "a.png").write_bytes(encode_mask(np.full((2, 5), 3, np.int16)))
    with pytest.raises(SourceError, match=r"indices below 3 in 'masks/a\.png', got 3"):
        source.read_mask("a")
