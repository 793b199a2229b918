"""A query as files and back: every pixel returns, and a wrong mask is refused."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from askmask.data.prepare.mask_options import MaskOptions
from askmask.data.source import MemorySource
from askmask.errors import ExchangeError, SourceError
from askmask.formats.painted_files import item_stem, read_answers, write_query
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Query, QueryItem, Region, Unit

HEIGHT, WIDTH = 40, 50
CLASSES = ClassMap(("ground", "a", "b"))
REGION = Region("slide/1", 5, 7, 12, 20)


def source() -> MemorySource:
    image = (
        np.arange(HEIGHT * WIDTH * 3, dtype=np.uint32).astype(np.uint8).reshape(HEIGHT, WIDTH, 3)
    )
    info = ImageInfo("slide/1", HEIGHT, WIDTH, has_mask=False)
    return MemorySource(CLASSES, {"slide/1": (info, image, None)})


def query() -> Query:
    item = QueryItem(0, REGION, 2.5, REGION.pixels)
    return Query(3, "margin", Unit.REGION, (item,), model="round_002.safetensors")


def score(image_id: str) -> np.ndarray:
    assert image_id == "slide/1"
    return np.linspace(0, 1, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


def prediction(image_id: str) -> np.ndarray:
    return (score(image_id) * 200 % 2 > 1).astype(np.int16)


def stem(folder: Path) -> Path:
    return folder / item_stem(query().items[0])


def write(folder: Path, score_of: Callable[[str], np.ndarray | None] = score) -> Path:
    return write_query(folder, query(), source(), score=score_of, prediction=prediction)


def test_file_names_start_with_the_place_and_hold_no_folder() -> None:
    assert item_stem(query().items[0]) == "001_slide_1"


def test_written_crop_score_and_prediction_are_those_of_the_region(tmp_path: Path) -> None:
    base = stem(write(tmp_path))
    crop = np.asarray(Image.open(f"{base}.png"))
    assert np.array_equal(crop, source().read_image("slide/1")[REGION.slices])
    assert np.array_equal(tifffile.imread(f"{base}_score.tif"), score("slide/1")[REGION.slices])
    drawn = np.asarray(Image.open(f"{base}_prediction.png"))
    assert np.array_equal(drawn, prediction("slide/1")[REGION.slices])


def test_context_keeps_the_region_bright_and_dims_the_rest(tmp_path: Path) -> None:
    context = np.asarray(Image.open(f"{stem(write(tmp_path))}_context.png"))
    image = source().read_image("slide/1")
    assert context.shape == image.shape
    assert np.array_equal(context[8:14, 10:20], image[8:14, 10:20])
    assert context[30:, :].astype(int).sum() < image[30:, :].astype(int).sum()


def test_query_file_tells_classes_and_regions(tmp_path: Path) -> None:
    facts = json.loads((write(tmp_path) / "query.json").read_text(encoding="utf-8"))
    assert facts["classes"] == ["ground", "a", "b"]
    assert facts["items"][0]["region"] == {
        "image_id": "slide/1", "row": 5, "col": 7, "height": 12, "width": 20,
    }  # fmt: skip


def test_random_query_has_no_score_file(tmp_path: Path) -> None:
    write(tmp_path, lambda image_id: None)
    assert list(tmp_path.glob("*_score.tif")) == []


def test_nothing_painted_is_no_answer(tmp_path: Path) -> None:
    assert read_answers(write(tmp_path), query(), CLASSES, author="me") == []


@given(values=st.lists(st.sampled_from([0, 1, 2, 255]), min_size=240, max_size=240))
def test_painted_mask_comes_back_pixel_for_pixel(
    tmp_path_factory: pytest.TempPathFactory, values: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("query")
    painted = np.array(values, np.uint8).reshape(12, 20)
    Image.fromarray(painted).save(f"{stem(folder)}_mask.png")
    options = MaskOptions(kind="index")
    (answer,) = read_answers(folder, query(), CLASSES, author="me", masks=options)
    expected = np.where(painted == 255, UNLABELLED, painted.astype(np.int16))
    assert np.array_equal(answer.mask.labels, expected)
    assert (answer.region, answer.round, answer.author) == (REGION, 3, "me")
    assert (answer.tool, answer.model) == ("files", "round_002.safetensors")


def test_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.new("L", (12, 20)).save(f"{stem(tmp_path)}_mask.png")
    with pytest.raises(SourceError, match=r"of shape \(12, 20\), like its region, got \(20, 12\)"):
        read_answers(tmp_path, query(), CLASSES, author="me")


def test_mask_with_a_value_that_is_no_class_is_refused(tmp_path: Path) -> None:
    Image.new("L", (20, 12), 3).save(f"{stem(tmp_path)}_mask.png")
    with pytest.raises(SourceError, match=r"3 in 240 pixels.*Expected 0 to 2, or 255"):
        read_answers(tmp_path, query(), CLASSES, author="me")


def test_mask_that_is_no_picture_is_refused(tmp_path: Path) -> None:
    Path(f"{stem(tmp_path)}_mask.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match="001_slide_1_mask"):
        read_answers(tmp_path, query(), CLASSES, author="me")


# Masks as people paint them

TWO = ClassMap(("ground", "thing"))
WHITE_ON_BLACK = np.pad(np.full((4, 4), 255, np.uint8), ((4, 4), (8, 8)))


def paint(folder: Path, values: np.ndarray, ending: str = "png") -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(values).save(f"{stem(folder)}_mask.{ending}")


def test_white_on_black_is_asked_about_and_never_taken_for_do_not_know(tmp_path: Path) -> None:
    paint(tmp_path, WHITE_ON_BLACK)
    with pytest.raises(ExchangeError, match="255 may be white.*--kind binary.*--kind index"):
        read_answers(tmp_path, query(), TWO, author="me")


def test_white_on_black_is_the_second_class_where_that_is_said(tmp_path: Path) -> None:
    paint(tmp_path, WHITE_ON_BLACK)
    options = MaskOptions(kind="binary")
    (answer,) = read_answers(tmp_path, query(), TWO, author="me", masks=options)
    assert np.array_equal(answer.mask.labels, (WHITE_ON_BLACK == 255).astype(np.int16))


def test_prediction_is_seen_in_colours_and_read_back_by_its_indices(tmp_path: Path) -> None:
    base = stem(write(tmp_path))
    with Image.open(f"{base}_prediction.png") as picture:
        colours = np.asarray(picture.convert("RGB"))
        Path(f"{base}_mask.png").write_bytes(Path(f"{base}_prediction.png").read_bytes())
    labels = prediction("slide/1")[REGION.slices]
    assert {tuple(c) for c in colours[labels == 0].tolist()} == {(0, 0, 0)}
    assert {tuple(c) for c in colours[labels == 1].tolist()} == {(230, 159, 0)}
    (answer,) = read_answers(tmp_path, query(), CLASSES, author="me")
    assert np.array_equal(answer.mask.labels, labels)


def test_prediction_saved_as_colours_is_read_back_by_them(tmp_path: Path) -> None:
    base = stem(write(tmp_path))
    with Image.open(f"{base}_prediction.png") as picture:
        painted = picture.convert("RGB")
    painted.putpixel((0, 0), (128, 128, 128))  # what unlabelled pixels look like
    painted.save(f"{base}_mask.png")
    (answer,) = read_answers(tmp_path, query(), CLASSES, author="me")
    expected = prediction("slide/1")[REGION.slices].copy()
    expected[0, 0] = UNLABELLED
    assert np.array_equal(answer.mask.labels, expected)


def test_mask_may_be_a_tiff_and_hold_object_ids(tmp_path: Path) -> None:
    ids = np.zeros((12, 20), np.uint16)
    ids[2:5, 2:5], ids[6:9, 6:9] = 300, 7
    paint(tmp_path, ids, "tif")
    options = MaskOptions(kind="instances")
    (answer,) = read_answers(tmp_path, query(), TWO, author="me", masks=options)
    assert answer.mask.instances is not None
    assert np.array_equal(answer.mask.instances, ids)


def test_two_masks_of_one_region_are_refused(tmp_path: Path) -> None:
    for ending in ("png", "tif"):
        paint(tmp_path, np.zeros((12, 20), np.uint8), ending)
    with pytest.raises(ExchangeError, match="several masks of one region"):
        read_answers(tmp_path, query(), TWO, author="me")


def test_objects_in_files_of_their_own_are_refused_for_a_region(tmp_path: Path) -> None:
    paint(tmp_path, np.zeros((12, 20), np.uint8))
    with pytest.raises(ExchangeError, match="Number them in one file, and say --kind instances"):
        read_answers(tmp_path, query(), TWO, author="me", masks=MaskOptions(kind="instance-files"))


def test_mask_that_belongs_to_no_region_is_told_and_not_passed_over(tmp_path: Path) -> None:
    paint(tmp_path, np.zeros((12, 20), np.uint8))
    Image.new("L", (20, 12)).save(tmp_path / "001_slide_2_mask.png")
    with pytest.raises(ExchangeError, match="'001_slide_2_mask.png' is no mask of a region of"):
        read_answers(tmp_path, query(), TWO, author="me")


def test_painted_masks_may_have_another_suffix(tmp_path: Path) -> None:
    Image.new("L", (20, 12), 1).save(f"{stem(tmp_path)} painted.png")
    (answer,) = read_answers(tmp_path, query(), TWO, author="me", mask_suffix=" painted")
    assert (answer.mask.labels == 1).all()
