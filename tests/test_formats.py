"""Exchange formats: exact round trips, independent readers, and files that do not fit."""

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image
from pycocotools import mask as reference

from askmask.data.prepare.mask_options import MaskOptions
from askmask.errors import ConfigError, ExchangeError, ShapeError, UnknownName
from askmask.formats.by_name import FORMATS, FormatOptions, exchange_format
from askmask.formats.coco.coco import Coco
from askmask.formats.coco.rle import decode_runs, encode_runs, runs_to_text, text_to_runs
from askmask.formats.format import Format, Item
from askmask.formats.label_studio.brush_rle import decode_brush, encode_brush
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.names import image_name
from askmask.formats.nnunet import NnUNet
from askmask.formats.png import IndexPng
from askmask.formats.qupath.qupath import QuPath
from askmask.records import UNLABELLED, ClassMap, Labels
from askmask.testing.exchange import (
    ASKED,
    FormatContract,
    batch,
    drawn,
    expected,
    picture,
)

NAME, REGION = next(iter(ASKED.items()))
GEOJSON = f"{image_name('slide/1')}.geojson"
VECTORS = Path(__file__).parent / "assets" / "label_studio_brush.json"
rasters = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))

label_rasters = arrays(np.int16, (8, 11), elements=st.integers(UNLABELLED, 2))


class TestIndexPng(FormatContract):
    format: Format = IndexPng()


class TestCocoRle(FormatContract):
    format: Format = Coco()


class TestCocoPolygons(FormatContract):
    format: Format = Coco(tolerance=0.0)


class TestLabelStudio(FormatContract):
    format: Format = LabelStudio()


class TestQuPath(FormatContract):
    format: Format = QuPath()


class TestNnUNet(FormatContract):
    format: Format = NnUNet()


def written(folder: Path, format_: Format, *, is_prediction: bool = False) -> Any:
    """Write the drawn labels and return the JSON that the format made."""
    item = Item(NAME, REGION, drawn(), confidence=0.75, score=12.5)
    format_.write(folder, batch([item], is_prediction=is_prediction))
    (path,) = [*folder.glob("*.json"), *folder.glob("*.geojson")]
    return json.loads(path.read_text(encoding="utf-8"))


def rewrite(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    "format_", [IndexPng(), Coco(), Coco(0.0), LabelStudio(), QuPath(), NnUNet()], ids=repr
)
@settings(deadline=None, max_examples=20)
@given(labels=label_rasters, has_background=st.booleans())
def test_any_raster_comes_back(format_: Format, labels: Labels, has_background: bool) -> None:
    with TemporaryDirectory() as folder:
        items = [Item(NAME, REGION, labels)]
        format_.write(Path(folder), batch(items, has_background=has_background))
        (found,) = format_.read(Path(folder), expected(has_background=has_background)).found
    np.testing.assert_array_equal(found.labels, labels)


@given(rasters)
def test_coco_rle_is_that_of_an_independent_encoder(pixels: np.ndarray) -> None:
    runs = encode_runs(pixels)
    theirs = reference.encode(np.asfortranarray(pixels.astype(np.uint8)))
    assert runs_to_text(runs) == theirs["counts"].decode("ascii")
    assert text_to_runs(theirs["counts"].decode("ascii")) == runs
    np.testing.assert_array_equal(decode_runs(runs, pixels.shape), pixels)


@given(rasters)
def test_brush_rle_comes_back(pixels: np.ndarray) -> None:
    np.testing.assert_array_equal(decode_brush(encode_brush(pixels), pixels.shape), pixels)


def vectors() -> list[dict[str, Any]]:
    return list(json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"])


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["shape"]))
def test_brush_rle_is_byte_for_byte_that_of_label_studios_own_kit(vector: dict[str, Any]) -> None:
    values = (np.arange(len(vector["runs"])) % 2 == 0) == vector["first"]
    pixels = np.repeat(values, vector["runs"]).reshape(vector["shape"])
    assert encode_brush(pixels) == vector["rle"]
    np.testing.assert_array_equal(decode_brush(vector["rle"], pixels.shape), pixels)


def test_brush_rle_with_single_values_is_read() -> None:
    # head: 8 bytes, 8-bit values, widths 3, 4, 8, 16; then 0 (single values), width 3, length 8
    head = f"{8:032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    bits = head + "0" + "00" + "111" + "00000000" * 4 + "11111111" * 4
    bits += "0" * (-len(bits) % 8)
    content = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert decode_brush(content, (1, 2)).tolist() == [[False, True]]


def test_brush_rle_that_is_cut_short_is_refused() -> None:
    with pytest.raises(ShapeError, match="cut short"):
        decode_brush(encode_brush(np.ones((4, 4), np.bool_))[:-3], (4, 4))


def test_brush_rle_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="expected 64 bytes"):
        decode_brush(encode_brush(np.ones((4, 5), np.bool_)), (4, 4))


def test_coco_runs_that_do_not_fill_the_raster_are_refused() -> None:
    with pytest.raises(ShapeError, match="add up to 6 pixels"):
        decode_runs([1, 4], (2, 3))


# its compiled reader is older than numpy 2's rule for __array__
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_annotations_read_the_same_with_an_independent_reader(tmp_path: Path) -> None:
    content = written(tmp_path, Coco(), is_prediction=True)
    labels = np.zeros((REGION.height, REGION.width), np.int16)
    ids = {category["id"]: category["name"] for category in content["categories"]}
    assert ids == {2: "gland", 3: "a & b", 4: "unlabelled"}
    for annotation in content["annotations"]:
        rle = annotation["segmentation"]
        pixels = reference.decode({**rle, "counts": rle["counts"].encode("ascii")}) == 1
        assert annotation["area"] == pixels.sum()
        assert annotation["iscrowd"] == (annotation["category_id"] == 4)
        rows, cols = np.nonzero(pixels)
        size = [np.ptp(cols) + 1, np.ptp(rows) + 1]
        assert annotation["bbox"] == [cols.min(), rows.min(), *size]
        value = annotation["category_id"] - 1
        labels[pixels] = UNLABELLED if annotation["iscrowd"] else value
    np.testing.assert_array_equal(labels, drawn())
    scores = {a.get("score") for a in content["annotations"] if not a["iscrowd"]}
    assert scores == {0.75}


def test_coco_polygons_are_for_objects_without_holes_only(tmp_path: Path) -> None:
    content = written(tmp_path, Coco(tolerance=0.0))
    kinds = [
        (a["category_id"], isinstance(a["segmentation"], list))
        for a in content["annotations"]
        if not a["iscrowd"]
    ]
    assert sorted(kinds) == [(2, False), (2, True), (3, True), (3, True)]


@pytest.mark.parametrize("format_", [Coco(tolerance=1.5), QuPath(tolerance=1.5)])
def test_simplified_polygons_keep_pixels_away_from_the_outline(
    tmp_path: Path, format_: Format
) -> None:
    rows, cols = np.mgrid[:24, :30]
    disc = np.hypot(rows - 11.5, cols - 14.5)
    region = expected().images["slide/1"].whole
    labels = (disc < 9).astype(np.int16)
    format_.write(tmp_path, batch([Item(image_name("slide/1"), region, labels)]))
    (found,) = format_.read(tmp_path, expected()).found
    far = np.abs(disc - 9) > 1.5 + 1.0  # a pixel's centre lies within 1 of the outline it crosses
    np.testing.assert_array_equal(found.labels[far], labels[far])


def test_label_studio_opens_a_prediction_with_score_and_picture_inside(tmp_path: Path) -> None:
    (task,) = written(tmp_path, LabelStudio(), is_prediction=True)
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("round_000.safetensors", 0.75)
    assert {r["value"]["brushlabels"][0] for r in prediction["result"]} == {
        "gland", "a & b", "unlabelled",
    }  # fmt: skip
    assert {(r["original_width"], r["original_height"]) for r in prediction["result"]} == {(11, 8)}
    assert task["data"]["image"].startswith("data:image/png;base64,")
    config = (tmp_path / "label_config.xml").read_text(encoding="utf-8")
    assert 'value="a &amp; b"' in config
    with pytest.raises(ExchangeError, match="found none .but 1 tasks without an annotation"):
        LabelStudio().read(tmp_path, expected())  # a prediction is no answer


def test_label_studio_links_pictures_by_a_prefix(tmp_path: Path) -> None:
    (task,) = written(tmp_path, LabelStudio("/data/local-files/?d=x/"))
    assert task["data"]["image"] == f"/data/local-files/?d=x/images/{NAME}.png"
    with Image.open(tmp_path / "images" / f"{NAME}.png") as picture_file:
        np.testing.assert_array_equal(picture_file, picture("slide/1")[REGION.slices])


def test_label_studio_counts_the_newest_annotation_that_was_not_skipped(tmp_path: Path) -> None:
    (task,) = written(tmp_path, LabelStudio())
    kept = task["annotations"][0] | {"updated_at": "2030-01-02T00:00:00Z"}
    older = {"result": [], "updated_at": "2030-01-01T00:00:00Z"}
    skipped = {"result": [], "updated_at": "2030-01-03T00:00:00Z", "was_cancelled": True}
    rewrite(tmp_path, "tasks.json", [task | {"annotations": [kept, older, skipped]}])
    (found,) = LabelStudio().read(tmp_path, expected()).found
    np.testing.assert_array_equal(found.labels, drawn())


def test_label_studio_polygons_and_rectangles_are_read_in_per_cent(tmp_path: Path) -> None:
    (task,) = written(tmp_path, LabelStudio())
    size = {"original_width": 11, "original_height": 8}
    corners = [[0, 0], [100, 0], [100, 50], [0, 50]]
    polygon = {"points": corners, "polygonlabels": ["gland"]}
    box = {"x": 0, "y": 75, "width": 100, "height": 25, "rectanglelabels": ["a & b"]}
    results = [
        {"id": "1", "type": "polygonlabels", "value": polygon, **size},
        {"id": "2", "type": "rectanglelabels", "value": box, **size},
    ]
    rewrite(tmp_path, "tasks.json", [task | {"annotations": [{"result": results}]}])
    (found,) = LabelStudio().read(tmp_path, expected()).found
    assert found.labels[:, 5].tolist() == [1, 1, 1, 1, 0, 0, 2, 2]


def test_label_studio_label_that_is_no_class_is_refused(tmp_path: Path) -> None:
    (task,) = written(tmp_path, LabelStudio())
    task["annotations"][0]["result"][0]["value"]["brushlabels"] = ["tumour"]
    rewrite(tmp_path, "tasks.json", [task])
    with pytest.raises(ExchangeError, match=r"one label of ground, gland.*got \['tumour'\]"):
        LabelStudio().read(tmp_path, expected())


def test_qupath_keeps_holes_and_coordinates_of_the_full_image(tmp_path: Path) -> None:
    features = written(tmp_path, QuPath())["features"]
    box = features[0]
    assert box["properties"]["classification"]["name"] == "Region*"
    assert box["properties"]["measurements"] == {"acquisition score": 12.5}
    top, left = REGION.row, REGION.col
    assert box["geometry"]["coordinates"][0][0] == [left, top]
    rings = [
        feature["geometry"]["coordinates"]
        for feature in features
        if feature["properties"]["classification"]["name"] == "gland"
    ]
    assert sorted(len(polygon) for polygon in rings) == [1, 2]
    assert all(ring[0] == ring[-1] for polygon in rings for ring in polygon)


def test_qupath_region_whose_rectangle_was_deleted_is_no_answer(tmp_path: Path) -> None:
    items = [Item(name, region, drawn()) for name, region in ASKED.items()]
    QuPath().write(tmp_path, batch(items))
    (file,) = tmp_path.glob("*.geojson")
    content = json.loads(file.read_text(encoding="utf-8"))
    rewrite(tmp_path, file.name, {**content, "features": content["features"][1:]})
    (found,) = QuPath().read(tmp_path, expected()).found
    assert found.name == "r001_002_slide_1"


def test_qupath_multipolygons_and_bare_lists_are_read(tmp_path: Path) -> None:
    box = written(tmp_path, QuPath())["features"][0]
    x, y = REGION.col, REGION.row
    squares = [
        [[[x + i, y], [x + i + 1, y], [x + i + 1, y + 1], [x + i, y + 1], [x + i, y]]]
        for i in (0, 4)
    ]
    geometry = {"type": "MultiPolygon", "coordinates": squares}
    gland = {"geometry": geometry, "properties": {"classification": {"name": "gland"}}}
    rewrite(tmp_path, GEOJSON, [box, gland])
    (found,) = QuPath().read(tmp_path, expected()).found
    assert np.argwhere(found.labels == 1).tolist() == [[0, 0], [0, 4]]


def test_qupath_class_that_is_unknown_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path, QuPath())
    content["features"][1]["properties"]["classification"]["name"] = "Tumor"
    rewrite(tmp_path, GEOJSON, content)
    with pytest.raises(ExchangeError, match="got 'Tumor' in feature 1 of"):
        QuPath().read(tmp_path, expected())


def test_nnunet_labels_are_consecutive_and_ignore_is_the_highest(tmp_path: Path) -> None:
    NnUNet().write(tmp_path, batch([Item(NAME, REGION, None)]))
    root = tmp_path / "Dataset100_askmask"
    facts = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    assert facts["labels"] == {"background": 0, "gland": 1, "a & b": 2, "ignore": 3}
    with Image.open(root / "labelsTr" / f"{NAME}.png") as labels:
        assert np.unique(labels).tolist() == [3]
    assert (root / "imagesTr" / f"{NAME}_0000.png").is_file()


def test_predicted_index_pngs_wait_to_be_painted(tmp_path: Path) -> None:
    IndexPng().write(tmp_path, batch([Item(NAME, REGION, drawn())], is_prediction=True))
    assert (tmp_path / "predictions" / f"{NAME}.png").is_file()
    with pytest.raises(ExchangeError, match="found none. Label at least one"):
        IndexPng().read(tmp_path, expected())


def test_every_problem_of_a_folder_is_told_at_once(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / f"{NAME}.png")
    Image.new("L", (11, 8), 9).save(tmp_path / "r001_002_slide_1.png")
    Image.new("L", (3, 3)).save(tmp_path / "other.png")
    with pytest.raises(ExchangeError) as caught:
        IndexPng().read(tmp_path, expected())
    assert len(caught.value.problems) == 3
    for part in ("of shape (8, 11)", "Expected 0 to 2, or 255", "got 'other'"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_path_that_is_nothing_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ExchangeError, match="expected"):
        exchange_format(name).read(tmp_path / "absent", expected())


@pytest.mark.parametrize("format_", [Coco(), LabelStudio(), QuPath()])
def test_a_file_that_is_no_json_is_told(tmp_path: Path, format_: Format) -> None:
    path = tmp_path / "x.json"
    path.write_text("[{", encoding="utf-8")
    with pytest.raises(ExchangeError, match="expected a JSON file"):
        format_.read(path, expected())


def test_coco_category_that_is_unknown_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path, Coco())
    content["categories"][0]["name"] = "tumour"
    rewrite(tmp_path, "annotations.json", content)
    with pytest.raises(ExchangeError, match="got 'tumour'"):
        Coco().read(tmp_path, expected())


def test_coco_segmentation_that_is_broken_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path, Coco())
    content["annotations"][0]["segmentation"] = [[1, 2, 3]]
    rewrite(tmp_path, "annotations.json", content)
    with pytest.raises(ExchangeError, match="has no three corners"):
        Coco().read(tmp_path, expected())


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="coco, label-studio, nnunet, png, qupath"):
        exchange_format("voc")


@pytest.mark.parametrize(
    ("name", "options", "takers"),
    [
        ("png", FormatOptions(tolerance=1.0), "--tolerance with coco, qupath only"),
        ("coco", FormatOptions(image_prefix="x"), "--image-prefix with label-studio only"),
        ("qupath", FormatOptions(empty="skip"), "--empty with coco only"),
        ("coco", FormatOptions(empty="no"), "--empty as one of background, skip, got 'no'"),
    ],
)
def test_an_option_of_another_format_is_refused(
    name: str, options: FormatOptions, takers: str
) -> None:
    with pytest.raises(ConfigError, match=takers):
        exchange_format(name, options)


@pytest.mark.parametrize("format_", [Coco, QuPath])
def test_a_negative_tolerance_of_polygons_is_refused(format_: type[Coco]) -> None:
    with pytest.raises(ConfigError, match="tolerance >= 0"):
        format_(tolerance=-1.0)


def test_white_on_black_pngs_are_asked_about_and_taken_where_that_is_said(tmp_path: Path) -> None:
    painted = np.zeros((8, 11), np.uint8)
    painted[2:4, 2:4] = 255
    Image.fromarray(painted).save(tmp_path / f"{NAME}.png")
    two = replace(expected(), classes=ClassMap(("ground", "thing")))
    with pytest.raises(ExchangeError, match="255 may be white.*--kind binary"):
        IndexPng().read(tmp_path, two)
    (found,) = IndexPng(MaskOptions(kind="binary")).read(tmp_path, two).found
    assert np.array_equal(found.labels, (painted == 255).astype(np.int16))


def test_exported_pngs_are_seen_in_colours(tmp_path: Path) -> None:
    IndexPng().write(tmp_path, batch([Item(NAME, REGION, drawn())]))
    with Image.open(tmp_path / "masks" / f"{NAME}.png") as picture:
        assert picture.mode == "P"
        assert np.asarray(picture.convert("RGB")).max() > 0


def test_options_of_masks_are_for_pngs_only() -> None:
    with pytest.raises(ConfigError, match="options of masks with png only, got one with 'coco'"):
        exchange_format("coco", FormatOptions(masks=MaskOptions(kind="binary")))
