"""Files with anything anywhere: they are read, or refused in words; nothing else ever comes out."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from askmask.errors import ExchangeError
from askmask.formats.coco.coco import Coco
from askmask.formats.documents import MAX_BYTES, read_document
from askmask.formats.format import Format, Item
from askmask.formats.label_studio.brush_rle import encode_brush
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.manifest import MANIFEST_NAME, Manifest, read_manifest
from askmask.formats.nnunet import NnUNet
from askmask.formats.qupath.qupath import QuPath
from askmask.testing.exchange import ASKED, CLASSES, batch, drawn, expected
from json_places import Json, changed, every_place, without

STRANGE: list[Json] = [
    None, True, False, 0, 1, -1, 2, 0.5, 1e308, -1e308, 10**400, math.nan, math.inf, "", "x", "2",
    "\ud800", "a/b\\c", [], {}, [[]], [None], [0], {"x": []}, [[1, 2, 3, 4, 5, 6]], [[1e308] * 6],
    [[math.nan] * 6], {"size": [8, 11], "counts": "o" * 200}, {"size": [8, 11], "counts": [10**30]},
    {"size": [8, 11], "counts": [-1, 89]}, {"name": None}, {"names": [5]}, [["rle"]],
]  # fmt: skip


def shapes() -> list[Json]:
    """A result of every kind that Label Studio's people draw."""
    size = {"original_width": 11, "original_height": 8, "image_rotation": 0}
    corners = [[0, 0], [100, 0], [100, 50]]
    box = {"x": 0, "y": 75, "width": 100, "height": 25, "rotation": 30}
    oval = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 30, "rotation": 30}
    brush = {"format": "rle", "rle": encode_brush(drawn() == 1)}
    found = [
        ("polygonlabels", {"points": corners, "closed": True}),
        ("rectanglelabels", box),
        ("ellipselabels", oval),
        ("brushlabels", brush),
    ]
    results: list[Json] = [
        {"id": kind, "type": kind, "value": value | {kind: ["gland"]}, **size}
        for kind, value in found
    ]
    results.append({"id": "c", "type": "choices", "value": {"choices": ["good"]}})
    results.append({"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"})
    return results


def document(format_: Format, folder: Path) -> tuple[Path, Json]:
    """Main file of a valid export, and its content."""
    items = [Item(name, region, drawn(), score=1.0) for name, region in ASKED.items()]
    format_.write(folder, batch(items))
    (path,) = [*folder.glob("*.json"), *folder.glob("*.geojson"), *folder.glob("*/dataset.json")]
    content = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(format_, LabelStudio):
        content[0]["annotations"][0]["result"] = shapes()
    return path, content


FORMATS = (Coco(), Coco(0.0), LabelStudio(), QuPath(), NnUNet())


@pytest.fixture(scope="module", params=FORMATS, ids=repr)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Format, Path, Json]:
    """A format, the main file of an export that is changed again and again, and its content."""
    return (request.param, *document(request.param, tmp_path_factory.mktemp("export")))


def refusal(read: Callable[[], object]) -> tuple[str, ...]:
    """Problems that reading tells; none if it succeeds. Any other exception is a failure."""
    try:
        found = read()
    except ExchangeError as error:
        return error.problems
    assert found
    return ()


def read_or_refused(format_: Format, path: Path) -> None:
    folder = path.parent.parent if path.name == "dataset.json" else path.parent
    for line in refusal(lambda: format_.read(folder, expected()).found):
        assert "expected" in line or "cannot" in line or "more" in line
        assert len(line) < 2000


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_file_with_one_strange_value_is_read_or_refused(
    written: tuple[Format, Path, Json], data: st.DataObject
) -> None:
    format_, path, content = written
    place = data.draw(st.sampled_from(list(every_place(content))), label="place")
    value = data.draw(st.sampled_from(STRANGE), label="value")
    path.write_text(json.dumps(changed(content, place, value)), encoding="utf-8")
    read_or_refused(format_, path)


@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_file_with_one_entry_missing_or_moved_is_read_or_refused(
    written: tuple[Format, Path, Json], data: st.DataObject
) -> None:
    format_, path, content = written
    places = list(every_place(content))
    place, other = data.draw(st.tuples(*[st.sampled_from(places)] * 2), label="places")
    part = content
    for step in other:
        part = part[step]
    for mutated in (changed(content, place, part), without(content, place)):
        path.write_text(json.dumps(mutated), encoding="utf-8")
        read_or_refused(format_, path)


@settings(deadline=None, max_examples=30)
@given(place=st.floats(0, 1), byte=st.integers(0, 255), is_cut=st.booleans())
def test_file_with_one_damaged_byte_or_cut_short_is_read_or_refused(
    written: tuple[Format, Path, Json], place: float, byte: int, is_cut: bool
) -> None:
    format_, path, original = written
    content = bytearray(json.dumps(original).encode())
    position = int(place * (len(content) - 1))
    content[position] = byte
    path.write_bytes(content[:position] if is_cut else content)
    read_or_refused(format_, path)


@pytest.mark.slow
def test_every_strange_value_at_every_place_is_read_or_refused(
    written: tuple[Format, Path, Json],
) -> None:
    format_, path, content = written
    for place in every_place(content):
        for mutated in [*(changed(content, place, v) for v in STRANGE), without(content, place)]:
            path.write_text(json.dumps(mutated), encoding="utf-8")
            read_or_refused(format_, path)


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_strange_manifest_is_read_or_refused(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        Manifest("p", CLASSES, True, ASKED).write(Path(folder))
        path = Path(folder) / MANIFEST_NAME
        content = json.loads(path.read_text(encoding="utf-8"))
        place = data.draw(st.sampled_from(list(every_place(content))), label="place")
        value = data.draw(st.sampled_from(STRANGE), label="value")
        path.write_text(json.dumps(changed(content, place, value)), encoding="utf-8")
        refusal(lambda: read_manifest(path))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("format_", [Coco(), LabelStudio(), QuPath()], ids=repr)
@settings(deadline=None, max_examples=30)
@given(content=json_values)
@example(content=[])
@example(content={})
def test_any_json_is_refused(format_: Format, content: Json) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(ExchangeError, match="expected"):
            format_.read(path, expected())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"1" * 5_000, "Exceeds the limit"),
        (b'{"images": [], "images": []}', "'images' comes twice"),
        (b"\xff\xfe\x00", "codec can't decode"),
        (b"", "Expecting value"),
        (b"\x89PNG\r\n", "codec can't decode"),
    ],
    ids=["deep list", "deep object", "long number", "twice", "cut utf-16", "empty", "picture"],
)
def test_text_that_is_no_json_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ExchangeError, match=f"expected a JSON file at .*{reason}"):
        read_document(path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_of_other_programs_are_understood(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes('{"name": "почка"}'.encode(encoding))
    assert read_document(path) == {"name": "почка"}


def test_too_large_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: takes no room
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    with pytest.raises(ExchangeError, match="at most 1,073,741,824 bytes"):
        read_document(path)


def zigzag(corners: int) -> list[float]:
    """A line that runs up and down a picture of 8 rows and 11 columns."""
    x = np.linspace(0, 11, corners)
    y = np.where(np.arange(corners) % 2 == 0, 0.0, 8.0)
    return np.stack([x, y], axis=1).ravel().tolist()


def coco_with(segmentation: Json, folder: Path) -> Callable[[], object]:
    path, content = document(Coco(), folder)
    content["annotations"][0]["segmentation"] = segmentation
    path.write_text(json.dumps(content), encoding="utf-8")
    return lambda: Coco().read(folder, expected())


def test_outline_that_winds_more_often_than_pixels_can_show_is_refused(tmp_path: Path) -> None:
    read = coco_with([zigzag(20_000)], tmp_path)
    with pytest.raises(ExchangeError, match="crosses the rows of .* times at most, got"):
        read()


def test_brush_that_is_longer_than_any_encoding_is_refused(tmp_path: Path) -> None:
    path, content = document(LabelStudio(), tmp_path)
    content[0]["annotations"][0]["result"][3]["value"]["rle"] = [1] * 100_000
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ExchangeError, match="expected at most 1,204 bytes for .* pixels"):
        LabelStudio().read(tmp_path, expected())
