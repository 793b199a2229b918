"""QuPath's annotations of slides: in pixels of the slide, out and in again."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from askmask.config import Config
from askmask.data.slides import preparing
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.data.slides.slide_source import SlideSource
from askmask.errors import ExchangeError
from askmask.formats.by_name import FormatOptions
from askmask.loop.begin.slide_masks import write_slide_masks
from askmask.loop.exchange import export_project, import_answers
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.records import UNLABELLED, Answer, Mask, Region
from slide_files import drawn, write_ome

Build = Callable[..., Config]
SCALE = 0.8 / 0.37  # pixels of the slide along one of a field: no round number


@pytest.fixture
def project(tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch):
    """Fields of 128 pixels of a slide that was scanned at another size."""
    monkeypatch.setattr(preparing, "FIELD_SIDE", 128)
    slide = write_ome(tmp_path / "one.ome.tif", drawn(600, 700), mpp=0.37)
    options = SlideOptions(("background", "gland"), mpp=0.8, tissue="none")
    write_slide_set([slide], tmp_path / "set", options)
    where = {"path": str(tmp_path / "set"), "start": "none", "validation": 0, "test": []}
    with Project.create(tmp_path / "p", disc_config(data=where)) as opened:
        yield opened


def checked(region: Region) -> Mask:
    """A mask with an object, a hole in it, and pixels without a label."""
    labels = np.zeros((region.height, region.width), np.int16)
    labels[3:12, 4:15] = 1
    labels[6:8, 7:10] = 0
    labels[-4:] = UNLABELLED
    return Mask(labels)


def features(path: Path) -> list[dict]:
    return json.loads(path.read_text())["features"]


def rectangle(*corners: float, word: str = "Region*") -> dict:
    top, left, bottom, right = corners
    ring = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "annotation", "classification": {"name": word}},
    }


def write(path: Path, *drawn_: dict) -> Path:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": drawn_}))
    return path


def test_asked_regions_lie_on_the_slide_and_come_back_pixel_for_pixel(
    project: Project, tmp_path: Path
) -> None:
    query = Loop(project).ask()
    export_project(project, tmp_path / "out", what="queries", format_name="qupath")
    assert sorted(p.name for p in (tmp_path / "out").glob("*.geojson")) == ["one.geojson"]
    assert not list((tmp_path / "out" / "images").iterdir())
    drawn_ = features(tmp_path / "out" / "one.geojson")
    for item, feature in zip(query.items, drawn_, strict=True):
        field_row, field_col = map(int, item.region.image_id.partition("/")[2].split("_"))
        x, y = np.array(feature["geometry"]["coordinates"][0]).min(0)
        assert y == pytest.approx((field_row + item.region.row) * SCALE)
        assert x == pytest.approx((field_col + item.region.col) * SCALE)
    region = query.items[0].region
    project.store.add_answer(Answer(region, checked(region), 1, author="a", tool="t"))
    export_project(project, tmp_path / "answers", what="answers", format_name="qupath")
    before = {i: project.store.labelled(i).labels for i in project.store.labelled_images()}
    found = import_answers(project, tmp_path / "answers", format_name="qupath")
    assert found.kept == 0  # everything is known: the same labels came back
    after = {i: project.store.labelled(i).labels for i in project.store.labelled_images()}
    assert list(before) == list(after) == [region.image_id]
    np.testing.assert_array_equal(before[region.image_id], after[region.image_id])


def test_a_rectangle_that_a_person_drew_is_cut_into_the_fields_that_it_covers(
    project: Project, tmp_path: Path
) -> None:
    looked_at = rectangle(100 * SCALE, 100 * SCALE, 140 * SCALE, 150 * SCALE)
    gland = rectangle(110 * SCALE, 120 * SCALE, 135 * SCALE, 145 * SCALE, word="gland")
    path = write(tmp_path / "one.geojson", looked_at, gland)
    found = import_answers(project, path, format_name="qupath")
    assert found.kept == 4
    regions = {(i.region.image_id, i.region.height, i.region.width) for i in found.items}
    assert regions == {
        ("one/0_0", 28, 28), ("one/0_128", 28, 22), ("one/128_0", 12, 28), ("one/128_128", 12, 22)
    }  # fmt: skip
    inside = sum((project.store.labelled(i).labels == 1).sum() for i in project.images)
    assert inside == 25 * 25
    assert project.store.labelled_pixels() == 40 * 50


def test_annotations_that_exist_already_become_masks_of_fields(
    project: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    looked_at = rectangle(100 * SCALE, 100 * SCALE, 140 * SCALE, 150 * SCALE)
    gland = rectangle(110 * SCALE, 120 * SCALE, 135 * SCALE, 145 * SCALE, word="gland")
    write(folder / "one.geojson", looked_at, gland)
    assert write_slide_masks(tmp_path / "set", folder, has_background=True) == 4
    source = SlideSource(tmp_path / "set")
    known = {i.image_id: source.read_mask(i.image_id) for i in source.images() if i.has_mask}
    assert list(known) == ["one/0_0", "one/0_128", "one/128_0", "one/128_128"]
    assert sum((mask.labels == 1).sum() for mask in known.values()) == 25 * 25
    assert sum(mask.labelled.sum() for mask in known.values()) == 40 * 50
    corner = known["one/0_0"].labels
    assert (corner[100:, 100:] >= 0).all()
    assert (corner[:100] == UNLABELLED).all()
    source.close()


def test_annotations_of_no_slide_are_all_named(project: Project, tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    folder.mkdir()
    for name in ("other", "third"):
        write(folder / f"{name}.geojson", rectangle(0, 0, 90, 90))
    with pytest.raises(ExchangeError, match=r"'other\.geojson'.*\n.*'third\.geojson'"):
        write_slide_masks(tmp_path / "set", folder, has_background=True)
    assert not (tmp_path / "set" / "masks").exists()


@pytest.mark.parametrize(
    ("name", "shapes", "told"),
    [
        ("one", [rectangle(9000, 9000, 9100, 9100)], "lies beside it"),
        ("one", [rectangle(0, 0, 90, 90, word="gland")], "expected a rectangle"),
        ("other", [rectangle(0, 0, 90, 90)], "expected the name of an asked region"),
    ],
)
def test_what_lies_nowhere_is_refused(name, shapes, told, project, tmp_path: Path) -> None:
    path = write(tmp_path / f"{name}.geojson", *shapes)
    with pytest.raises(ExchangeError, match=told):
        import_answers(project, path, format_name="qupath")
    assert project.store.labelled_pixels() == 0


def test_a_whole_slide_is_never_taken_as_looked_at(project: Project, tmp_path: Path) -> None:
    path = write(tmp_path / "one.geojson", rectangle(0, 0, 90, 90, word="gland"))
    with pytest.raises(ExchangeError, match="also not with --area image"):
        import_answers(project, path, format_name="qupath", options=FormatOptions(area="image"))


def test_a_triangle_is_no_rectangle(project: Project, tmp_path: Path) -> None:
    shape = rectangle(0, 0, 90, 90)
    del shape["geometry"]["coordinates"][0][2]
    with pytest.raises(ExchangeError, match="got another shape"):
        import_answers(project, write(tmp_path / "one.geojson", shape), format_name="qupath")
