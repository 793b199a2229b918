"""QuPath's GeoJSON as QuPath and people write it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import shape as reference

from askmask.errors import ExchangeError
from askmask.formats.format import Intake, Item
from askmask.formats.names import image_name
from askmask.formats.qupath.qupath import QuPath
from askmask.testing.exchange import ASKED, IMAGES, batch, expected

Json = dict[str, Any]

NAME, REGION = next(iter(ASKED.items()))
WHOLE = IMAGES["slide/1"].whole
FILE = f"{image_name('slide/1')}.geojson"


def rectangle(row: float, col: float, height: float, width: float, **properties: object) -> Json:
    corners = [(col, row), (col + width, row), (col + width, row + height), (col, row + height)]
    geometry = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def region_box(**properties: object) -> Json:
    box = (REGION.row, REGION.col, REGION.height, REGION.width)
    return rectangle(*box, **{"classification": {"name": "Region*"}, "name": NAME, **properties})


def gland(**properties: object) -> Json:
    """Rows 1 to 2 and columns 2 to 4 of the region."""
    facts = {"classification": {"name": "gland"}, **properties}
    return rectangle(REGION.row + 1, REGION.col + 2, 2, 3, **facts)


def read(folder: Path, content: object, format_: QuPath | None = None, name: str = FILE) -> Intake:
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return (format_ or QuPath()).read(folder / name, expected())


def collection(*features: Json) -> Json:
    return {"type": "FeatureCollection", "features": list(features)}


def test_annotations_in_a_region_are_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, collection(region_box(), gland())).found
    assert found.region == REGION
    assert np.argwhere(found.labels == 1).tolist() == [
        [row, col] for row in (1, 2) for col in (2, 3, 4)
    ]


def test_feature_without_properties_has_no_class_and_is_named(tmp_path: Path) -> None:
    bare = gland() | {"properties": None}
    with pytest.raises(ExchangeError, match="got None in feature 1 of .* Set its class"):
        read(tmp_path, collection(region_box(), bare))


def test_one_feature_alone_is_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, gland(), QuPath(area="image")).found
    assert found.region == WHOLE
    assert (found.labels == 1).sum() == 6


def test_sub_classes_of_newer_versions_are_joined(tmp_path: Path) -> None:
    newer = gland(classification={"names": ["Tumor", "low"], "color": [1, 2, 3]})
    with pytest.raises(ExchangeError, match="got 'Tumor: low' in feature 1"):
        read(tmp_path, collection(region_box(), newer))


def test_file_without_a_rectangle_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="--area image; if .* no answer, with --area regions"):
        read(tmp_path, collection(gland()))


def test_whole_image_counts_without_a_rectangle_if_that_is_said(tmp_path: Path) -> None:
    (found,) = read(tmp_path, collection(gland()), QuPath(area="image")).found
    assert found.region == WHOLE


def test_file_without_a_rectangle_is_no_answer_if_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="but 1 files without a rectangle"):
        read(tmp_path, collection(gland()), QuPath(area="regions"))


def test_detections_are_counted(tmp_path: Path) -> None:
    cell = gland(objectType="cell")
    intake = read(tmp_path, collection(region_box(), cell, cell))
    assert dict(intake.passed_over) == {"objects of type 'cell'": 2}
    assert (intake.found[0].labels == 0).all()


def test_rectangle_that_was_moved_is_refused(tmp_path: Path) -> None:
    box = (REGION.row + 2, REGION.col, REGION.height, REGION.width)
    moved = rectangle(*box, classification={"name": "Region*"}, name=NAME)
    with pytest.raises(ExchangeError, match="it was moved or resized"):
        read(tmp_path, collection(moved, gland()))


def test_rectangle_in_the_file_of_another_image_is_refused(tmp_path: Path) -> None:
    other = f"{image_name('slide:1')}.geojson"
    with pytest.raises(ExchangeError, match="expected rectangles of image 'slide:1' in .*slide_1-"):
        read(tmp_path, collection(region_box(), gland()), name=other)


@pytest.mark.parametrize(
    ("geometry", "reason"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, "a Polygon or a MultiPolygon, got 'Point'"),
        ({"type": "Polygon", "coordinates": [[[1, 2]]]}, "at least 3 items"),
        ({"type": "Polygon", "coordinates": [[[1], [2], [3]]]}, "at least 2 items"),
        ({"type": "MultiPolygon", "coordinates": []}, "at least 1 item"),
        (None, "expected an object at geometry"),
    ],
)
def test_geometry_that_is_no_area_is_refused(tmp_path: Path, geometry: object, reason: str) -> None:
    with pytest.raises(ExchangeError, match=reason):
        read(tmp_path, collection(region_box(), gland() | {"geometry": geometry}))


@pytest.mark.parametrize("tolerance", [0.0, 1.0, 2.0, 4.0])
def test_exported_polygons_are_valid_by_an_independent_test(
    tmp_path: Path, tolerance: float
) -> None:
    noise = np.random.default_rng(3).random((24, 30)) < 0.55
    item = Item(image_name("slide/1"), WHOLE, noise.astype(np.int16))
    QuPath(tolerance).write(tmp_path, batch([item]))
    features = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["features"]
    assert len(features) > 10
    assert all(reference(feature["geometry"]).is_valid for feature in features)
