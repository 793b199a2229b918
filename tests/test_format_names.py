"""Names of images, regions and classes: every letter stays, and no two things change places."""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from askmask.errors import ConfigError, ExchangeError
from askmask.formats.coco.coco import Coco
from askmask.formats.format import Expected, Export, Format, Item
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.manifest import Manifest, expected_by, find_manifest, read_manifest
from askmask.formats.names import image_names, known_image_names, region_name, safe_stem
from askmask.formats.nnunet import NnUNet
from askmask.formats.png import IndexPng
from askmask.formats.qupath.qupath import QuPath
from askmask.records import UNLABELLED, ClassMap, ImageInfo, QueryItem, Region

FORMATS = [IndexPng(), Coco(), Coco(0.0), LabelStudio(), QuPath(), NnUNet()]
PEOPLES = [
    "图像一", "图像二", "画像", "이미지", "почка", "печень", "νεφρό", "ήπαρ", "a 1", "a_1", "a/1",
    "A_1", "कोशिका", "café", "cafe\u0301", "con", ".hidden", "end.", "x" * 300,
]  # fmt: skip

image_ids = st.lists(
    st.sampled_from(PEOPLES) | st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True
)
class_names = st.text(min_size=1, max_size=12) | st.sampled_from(
    ["unlabelled", "unlabelled (class)", "Ignore*", "Region*", "ignore", "background", "Tumor: low",
     'a "b"', "a, b", "<&>", "=1+1", "核", "ядро", "x" * 200]
)  # fmt: skip


def infos(ids: Sequence[str]) -> list[ImageInfo]:
    return [ImageInfo(image_id, 3, 4) for image_id in ids]


@pytest.mark.parametrize("name", ["图像一", "почка", "νεφρό", "कोशिका", "a_1", "GR-7.2"])
def test_names_keep_the_letters_of_every_script(name: str) -> None:
    assert safe_stem(name) == name
    assert list(image_names(infos([name]))) == [name]


def test_names_that_files_cannot_have_are_changed_and_told_apart_by_digits() -> None:
    names = list(image_names(infos(["a 1", "a_1", "a/1"])))
    assert names[1] == "a_1"
    assert names[0].startswith("a_1-")
    assert names[2].startswith("a_1-")
    assert len(set(names)) == 3


@given(image_ids)
def test_no_two_images_share_a_name_on_any_system(ids: list[str]) -> None:
    names = image_names(infos(ids))
    assert [region.image_id for region in names.values()] == ids
    folded = {unicodedata.normalize("NFC", name.casefold()) for name in names}
    assert len(folded) == len(ids)
    for name in names:
        assert len(name.encode()) <= 140
        assert safe_stem(name)[:100] == name[:100]


@given(image_ids, st.randoms(use_true_random=False))
def test_a_name_does_not_depend_on_the_order_of_the_images(ids: list[str], random: object) -> None:
    shuffled = list(ids)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert image_names(infos(ids)) == image_names(infos(shuffled))


@given(image_ids, image_ids)
def test_a_name_of_an_export_means_the_same_image_when_others_came(
    ids: list[str], more: list[str]
) -> None:
    names = image_names(infos(ids))
    known = known_image_names(infos(list(dict.fromkeys([*more, *ids]))))
    for name, region in names.items():
        assert known.get(name, region) == region  # the same, or nobody's: then it is refused


def test_region_names_start_with_round_and_place() -> None:
    item = QueryItem(0, Region("图/一", 0, 0, 2, 2), 1.0, 4)
    assert region_name(3, item) == "r003_001_图_一"


@pytest.mark.parametrize("format_", FORMATS, ids=repr)
@settings(deadline=None, max_examples=15)
@given(ids=image_ids)
@example(ids=["图像一", "图像二", "почка", "νεφρό", "a 1", "a_1"])
@example(ids=["A", "a", "é", "e\u0301"])
def test_labels_of_every_image_come_back_to_it_whatever_it_is_called(
    format_: Format, ids: list[str]
) -> None:
    known = {info.image_id: info for info in infos(ids)}
    names = image_names(known.values())
    rasters = [np.full((3, 4), UNLABELLED, np.int16) for _ in ids]
    for number, raster in enumerate(rasters):
        raster.flat[number] = 1  # another pixel in each image
    items = [Item(n, r, labels) for (n, r), labels in zip(names.items(), rasters, strict=True)]
    classes = ClassMap(("ground", "gland"))
    black = np.zeros((3, 4, 3), np.uint8)
    regions = known_image_names(known.values())
    with TemporaryDirectory() as folder:
        out = Path(folder)
        format_.write(out, Export(classes, True, False, None, items, known, lambda _: black))
        found = format_.read(out, Expected(classes, True, regions, known)).found
    for number, image_id in enumerate(ids):
        (one,) = [item for item in found if item.region.image_id == image_id]
        np.testing.assert_array_equal(one.labels, rasters[number])


def is_visible(name: str) -> bool:
    try:
        return bool(ClassMap((name, f"not {name}")))
    except ConfigError:
        return False


@pytest.mark.parametrize("format_", FORMATS, ids=repr)
@settings(deadline=None, max_examples=40)
@given(names=st.lists(class_names, min_size=2, max_size=4, unique=True), rest=st.booleans())
@example(names=["ground", "unlabelled", "unlabelled (class)"], rest=True)
@example(names=["Ignore*", "Region*"], rest=False)
@example(names=["tissue", "background", "ignore"], rest=True)
def test_classes_come_back_whatever_they_are_called(
    format_: Format, names: list[str], rest: bool
) -> None:
    assume(all(map(is_visible, names)))  # the others are refused, below
    assume(len({name.replace(" ", "") for name in names}) == len(names))  # for QuPath, below
    classes = ClassMap(tuple(names))
    labels = np.array([range(-1, len(names))], np.int16)
    region = Region("i", 0, 0, *labels.shape)
    known = {"i": ImageInfo("i", *labels.shape)}
    black = np.zeros((*labels.shape, 3), np.uint8)
    items = [Item("i", region, labels)]
    with TemporaryDirectory() as folder:
        out = Path(folder)
        format_.write(out, Export(classes, rest, False, None, items, known, lambda _: black))
        (found,) = format_.read(out, Expected(classes, rest, {"i": region}, known)).found
    np.testing.assert_array_equal(found.labels, labels)


def test_classes_that_qupath_cannot_tell_apart_are_refused(tmp_path: Path) -> None:
    classes = ClassMap(("a:b", "a: b"))
    with pytest.raises(ExchangeError, match="'a:b' and 'a: b', which are both 'a: b' there"):
        QuPath().write(tmp_path, Export(classes, False, False, None, [], {}, np.zeros))


@pytest.mark.parametrize(
    "name", ["", " ", " gland", "gland\n", "a\nb", "a\x00b", "\ud800", "a\u2028b", "x" * 201]
)
def test_class_names_that_nobody_can_see_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected class names of 1 to 200 characters"):
        ClassMap(("ground", name))


CLASSES = ClassMap(("ground", "gland"))
KNOWN = {"图": ImageInfo("图", 3, 4)}
WHOLE = KNOWN["图"].whole


def expected() -> Expected:
    return Expected(CLASSES, True, {}, KNOWN)


def test_manifest_comes_back(tmp_path: Path) -> None:
    manifest = Manifest("p1", CLASSES, True, {"r001_001_图": Region("图", 0, 1, 2, 3), "图": WHOLE})
    manifest.write(tmp_path, format="coco", model=None)
    assert read_manifest(tmp_path / "askmask-export.json") == manifest


@pytest.mark.parametrize("inside", [".", "annotations.json", "masks", "Dataset1/labelsTr"])
def test_manifest_is_found_beside_and_above(tmp_path: Path, inside: str) -> None:
    Manifest("p1", CLASSES, True, {}).write(tmp_path)
    (tmp_path / "Dataset1" / "labelsTr").mkdir(parents=True)
    found = find_manifest(tmp_path / inside)
    assert found is not None
    assert found.samefile(tmp_path / "askmask-export.json")


def test_names_of_the_manifest_go_before_all_others(tmp_path: Path) -> None:
    manifest = Manifest("p1", CLASSES, True, {"x": WHOLE})
    known = expected_by(manifest, expected(), project="p1", where="m")
    assert known.regions == {"x": WHOLE}


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        (Manifest("p2", CLASSES, True, {}), "one of another project.*--manifest m"),
        (Manifest("p1", ClassMap(("gland", "ground")), True, {}), "Export again since the classes"),
        (Manifest("p1", CLASSES, False, {}), "with has_background True in 'm'"),
        (Manifest("p1", CLASSES, True, {"x": Region("y", 0, 0, 3, 4)}), "got 'y'. Take its entry"),
        (Manifest("p1", CLASSES, True, {"x": Region("图", 0, 0, 9, 4)}), "inside image '图'"),
    ],
    ids=["project", "classes", "background", "image", "size"],
)
def test_manifest_that_does_not_fit_is_refused(manifest: Manifest, reason: str) -> None:
    with pytest.raises(ExchangeError, match=reason):
        expected_by(manifest, expected(), project="p1", where="m")


def test_manifest_of_another_project_is_taken_if_it_is_given() -> None:
    manifest = Manifest("p2", CLASSES, True, {"x": WHOLE})
    assert expected_by(manifest, expected(), project=None, where="m").regions == {"x": WHOLE}
