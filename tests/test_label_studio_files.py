"""Label Studio's exports as people make them: shapes drawn, everything else counted or named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely import affinity
from shapely.geometry import Point, box

from askmask.errors import ExchangeError
from askmask.formats.format import Intake
from askmask.formats.label_studio.brush_rle import encode_brush
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.testing.exchange import ASKED, expected

Json = dict[str, Any]

NAME = next(iter(ASKED))
HEIGHT, WIDTH = 8, 11
SIZE = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}


def shape(kind: str, value: Json, label: str = "gland", **changes: object) -> Json:
    value = {**value, kind: [label]}
    return {"id": kind, "type": kind, "value": value, **SIZE, **changes}


def task(*results: object, **changes: object) -> Json:
    annotation = {"id": 1, "result": list(results), "was_cancelled": False}
    return {
        "id": 3,
        "data": {"image": "x.png", "name": NAME},
        "annotations": [annotation],
    } | changes


def read(folder: Path, *tasks: Json) -> Intake:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    return LabelStudio().read(path, expected())


def gland(intake: Intake) -> np.ndarray:
    (found,) = intake.found
    pixels: np.ndarray = found.labels == 1
    return pixels


def covered(geometry: Any) -> np.ndarray:  # Any: shapely has no types
    """Pixels whose centres an independent geometry covers."""
    return np.array(
        [
            [geometry.covers(Point(col + 0.5, row + 0.5)) for col in range(WIDTH)]
            for row in range(HEIGHT)
        ]
    )


@pytest.mark.parametrize("degrees", [0.0, 30.0, 90.0, 200.0])
def test_turned_rectangle_is_drawn_about_its_top_left_corner(
    tmp_path: Path, degrees: float
) -> None:
    value = {"x": 50, "y": 40, "width": 40, "height": 30, "rotation": degrees}
    corner = (0.5 * WIDTH, 0.4 * HEIGHT)
    upright = box(*corner, corner[0] + 0.4 * WIDTH, corner[1] + 0.3 * HEIGHT)
    reference = affinity.rotate(upright, degrees, origin=corner)  # y runs down: clockwise
    np.testing.assert_array_equal(
        gland(read(tmp_path, task(shape("rectanglelabels", value)))), covered(reference)
    )


@pytest.mark.parametrize("degrees", [0.0, 25.0, 90.0])
def test_turned_ellipse_is_drawn_about_its_centre(tmp_path: Path, degrees: float) -> None:
    value = {"x": 45, "y": 50, "radiusX": 40, "radiusY": 20, "rotation": degrees}
    unit = Point(0, 0).buffer(1, quad_segs=256)
    upright = affinity.scale(unit, 0.4 * WIDTH, 0.2 * HEIGHT)
    turned = affinity.rotate(upright, degrees, origin=(0, 0))
    reference = affinity.translate(turned, 0.45 * WIDTH, 0.5 * HEIGHT)
    np.testing.assert_array_equal(
        gland(read(tmp_path, task(shape("ellipselabels", value)))), covered(reference)
    )


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_picture_that_was_turned_on_the_screen_keeps_its_coordinates(
    tmp_path: Path, rotation: int
) -> None:
    value = {"x": 0, "y": 0, "width": 50, "height": 100}
    turned = shape("rectanglelabels", value, image_rotation=rotation)
    expected_pixels = np.zeros((HEIGHT, WIDTH), np.bool_)
    expected_pixels[:, :5] = True
    np.testing.assert_array_equal(gland(read(tmp_path, task(turned))), expected_pixels)


def test_picture_turned_by_another_angle_is_refused(tmp_path: Path) -> None:
    value = {"x": 0, "y": 0, "width": 50, "height": 100}
    with pytest.raises(ExchangeError, match="turned by 0, 90, 180 or 270 degrees, got .* 45"):
        read(tmp_path, task(shape("rectanglelabels", value, image_rotation=45)))


def test_shape_without_labels_has_those_of_the_result_with_its_id(tmp_path: Path) -> None:
    value = {"x": 0, "y": 0, "width": 100, "height": 50}
    bare = {"id": "r1", "type": "rectangle", "value": value, **SIZE}
    label = {"id": "r1", "type": "labels", "value": {**value, "labels": ["gland"]}, **SIZE}
    assert gland(read(tmp_path, task(bare, label))).sum() == 4 * WIDTH


def test_shape_that_has_no_label_anywhere_is_refused(tmp_path: Path) -> None:
    bare = {"id": "r1", "type": "rectangle", "value": {"x": 0, "y": 0, "width": 9, "height": 9}}
    with pytest.raises(ExchangeError, match="expected one label of ground, gland"):
        read(tmp_path, task(bare | SIZE))


def test_results_that_say_nothing_of_pixels_are_counted(tmp_path: Path) -> None:
    brush = shape("brushlabels", {"format": "rle", "rle": encode_brush(np.ones((8, 11), np.bool_))})
    results = [
        brush,
        {"id": "c", "type": "choices", "value": {"choices": ["good"]}},
        {"id": "t", "type": "textarea", "value": {"text": ["blurred"]}},
        {"id": "s", "type": "rating", "value": {"rating": 4}},
        {
            "id": "p",
            "type": "keypointlabels",
            "value": {"x": 1, "y": 1, "keypointlabels": ["gland"]},
        },
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right", "labels": []},
    ]
    told = task(*results)
    told["annotations"][0] |= {"comments": [{"text": "why?"}, {"text": "so"}]}
    told["annotations"].append({"result": [], "was_cancelled": True})
    intake = read(tmp_path, told, task(annotations=[], predictions=[{"result": [brush]}]))
    assert gland(intake).all()
    assert dict(intake.passed_over) == {
        "comments": 2,
        "skipped annotations": 1,
        "relations": 1,
        "results of type 'choices'": 1,
        "results of type 'textarea'": 1,
        "results of type 'rating'": 1,
        "points": 1,
        "tasks without an annotation": 1,
    }


def test_annotation_without_results_is_background_that_somebody_submitted(tmp_path: Path) -> None:
    (found,) = read(tmp_path, task()).found
    assert (found.labels == 0).all()


def test_newest_annotation_counts_in_any_time_zone(tmp_path: Path) -> None:
    full = shape("brushlabels", {"rle": encode_brush(np.ones((8, 11), np.bool_))})
    early = {"result": [], "updated_at": "2026-01-01T12:00:00.000000+02:00"}  # 10:00 at Greenwich
    late = {"result": [full], "updated_at": "2026-01-01T11:00:00Z"}
    assert gland(read(tmp_path, task(annotations=[late, early]))).all()


def test_annotations_whose_order_is_not_told_are_refused(tmp_path: Path) -> None:
    two = [{"result": []}, {"result": []}]
    with pytest.raises(ExchangeError, match="which one counts is not told"):
        read(tmp_path, task(annotations=two))


def test_old_completions_are_named(tmp_path: Path) -> None:
    old = {"id": 1, "data": {"name": NAME}, "completions": [{"result": []}]}
    with pytest.raises(ExchangeError, match='"completions" of a version before 1.0'):
        read(tmp_path, old)


def test_json_min_is_named(tmp_path: Path) -> None:
    short = {"image": "x.png", "name": NAME, "id": 1, "tag": [], "annotator": 1, "annotation_id": 2}
    with pytest.raises(ExchangeError, match="its short form .JSON-MIN.. Export .* as JSON."):
        read(tmp_path, short)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (shape("rectanglelabels", {"x": 0, "y": 0, "width": 9}), "expected this entry at height"),
        (shape("polygonlabels", {"points": [[0, 0], [1, 1]]}), "at least 3 items"),
        (
            shape("polygonlabels", {"points": [[0, 0], [9, 9], [9, 0]], "closed": False}),
            "open line",
        ),
        (shape("ellipselabels", {"x": 1, "y": 1, "radiusX": 0, "radiusY": 1}), "radii above 0"),
        (shape("brushlabels", {"format": "mask", "rle": []}), "format 'rle', got 'mask'"),
        (shape("brushlabels", {"rle": [300]}), "numbers from 0 to 255"),
        (shape("brushlabels", {"rle": []}), "cut short"),
        (shape("bitmasklabels", {"imageDataURL": "data:"}), "Draw it anew with one of these tools"),
        (
            shape("polygonlabels", {"points": []}, original_width=9),
            "picture of .8, 11., got one of",
        ),
    ],
)
def test_shape_that_cannot_be_drawn_is_refused(tmp_path: Path, result: Json, reason: str) -> None:
    with pytest.raises(ExchangeError, match=reason):
        read(tmp_path, task(result))


def test_links_keep_their_letters_by_percent_signs_where_they_are_addresses(tmp_path: Path) -> None:
    from askmask.formats.format import Item
    from askmask.testing.exchange import batch, drawn

    item = Item("r001_001_图", ASKED[NAME], drawn())
    LabelStudio("/data/local-files/?d=x/").write(tmp_path, batch([item]))
    (written,) = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert written["data"]["image"] == "/data/local-files/?d=x/images/r001_001_%E5%9B%BE.png"
    assert (tmp_path / "images" / "r001_001_图.png").is_file()
