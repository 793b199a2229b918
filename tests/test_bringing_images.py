"""Folders as people have them: read as they meant, or refused in as few sentences as there are
causes."""

import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.cli.project import init_project
from askmask.data.masks import Overlaps
from askmask.data.pictures.picture import Orientation, Reading
from askmask.data.prepare.folder import PrepareOptions
from askmask.data.prepared import PreparedSource
from askmask.data.ranges import Percentiles
from askmask.errors import ConfigError, ProjectError, SourceError
from askmask.loop.begin.create import ImageFolders
from askmask.loop.project import Project
from brought_images import BLOB, TWO, labels, prepare, problems
from discs import draw_discs
from picture_files import photograph, save, stored, turned_file

# Links, endings, names


def test_folders_that_are_links_are_followed_and_circles_are_not(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere" / "day1" / "a.png", photograph(8, 12))
    save(tmp_path / "labels" / "day1" / "a.png", BLOB)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    (tmp_path / "images" / "day1").symlink_to(tmp_path / "elsewhere" / "day1")
    (tmp_path / "masks" / "day1").symlink_to(tmp_path / "labels" / "day1")
    (tmp_path / "elsewhere" / "day1" / "again").symlink_to(tmp_path / "images")
    assert prepare(tmp_path, PrepareOptions()).images == 1
    np.testing.assert_array_equal(labels(tmp_path, "day1/a"), BLOB > 0)


def test_link_to_nothing_is_a_problem(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    save(tmp_path / "masks" / "a.png", BLOB)
    (tmp_path / "images" / "b.png").symlink_to(tmp_path / "gone.png")
    options = PrepareOptions(allow_missing_masks=True)
    (problem,) = problems(tmp_path, options)
    assert "b.png" in problem
    assert "No such file" in problem


def test_names_pair_however_their_accents_are_stored(tmp_path: Path) -> None:
    composed, apart = (unicodedata.normalize(form, "é東京") for form in ("NFC", "NFD"))
    save(tmp_path / "images" / f"{apart}.png", photograph(8, 12))
    save(tmp_path / "masks" / f"{composed}.png", BLOB)
    prepare(tmp_path, PrepareOptions())
    assert [i.image_id for i in PreparedSource(tmp_path / "out").images()] == [composed]


def test_image_counts_by_its_content_where_its_ending_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    content = stored(Image.fromarray(photograph(8, 12)), "WEBP", lossless=True)
    (tmp_path / "images" / "a.download").write_bytes(content)
    save(tmp_path / "masks" / "a.png", BLOB)
    prepare(tmp_path, PrepareOptions())
    np.testing.assert_array_equal(
        PreparedSource(tmp_path / "out").read_image("a"), photograph(8, 12)
    )


def test_many_problems_of_one_kind_are_one_line(tmp_path: Path) -> None:
    for number in range(30):
        save(tmp_path / "images" / f"{number}.png", photograph(8, 12))
        save(tmp_path / "masks" / f"{number}_gt.png", BLOB)
    found = problems(tmp_path, TWO)
    assert len(found) == 2
    assert "30 images have no mask" in found[0]
    assert "--mask-suffix" in found[1]


# Turned photographs


def test_turned_photograph_with_a_mask_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    picture = photograph(8, 12)
    (tmp_path / "images" / "a.png").write_bytes(turned_file(picture, "PNG", 6))
    save(tmp_path / "masks" / "a.png", np.rot90(BLOB, -1))
    (problem,) = problems(tmp_path, PrepareOptions())
    assert "'a.png' is stored turned (EXIF orientation 6)" in problem
    assert "--orientation apply" in problem
    prepare(tmp_path, PrepareOptions(reading=Reading(orientation=Orientation.APPLY)))
    found = PreparedSource(tmp_path / "out").read_image("a")
    np.testing.assert_array_equal(found, np.rot90(picture, -1))
    np.testing.assert_array_equal(labels(tmp_path), np.rot90(BLOB > 0, -1))


def test_turned_photograph_without_a_mask_is_turned_as_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(turned_file(photograph(8, 12), "PNG", 6))
    options = PrepareOptions(classes=("a", "b"), allow_missing_masks=True)
    prepare(tmp_path, options, masks=None)
    found = PreparedSource(tmp_path / "out").read_image("a")
    np.testing.assert_array_equal(found, np.rot90(photograph(8, 12), -1))


# Masks of every make


def test_zero_may_be_void_and_classes_count_from_one(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(1, 4))
    save(tmp_path / "masks" / "a.png", [[0, 1, 2, 3]])
    prepare(tmp_path, PrepareOptions(classes=("x", "y", "z"), ignore_value=0))
    assert labels(tmp_path).tolist() == [[-1, 0, 1, 2]]


def test_soft_edges_are_cut_where_that_is_said(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(1, 5))
    save(tmp_path / "masks" / "a.png", [[0, 60, 127, 128, 255]])
    (problem,) = problems(tmp_path, TWO)
    assert "--kind binary --threshold 128" in problem
    prepare(tmp_path, PrepareOptions(threshold=128))
    assert labels(tmp_path).tolist() == [[0, 0, 0, 1, 1]]


def test_black_and_white_jpeg_is_cut_where_that_is_said(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(16, 16))
    mask = np.zeros((16, 16), np.uint8)
    mask[:, 8:] = 255
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "a.jpg").write_bytes(stored(Image.fromarray(mask), "JPEG", quality=30))
    (problem,) = problems(tmp_path, TWO)
    assert "is a JPEG, which changes the values" in problem
    prepare(tmp_path, PrepareOptions(kind="binary", threshold=128))
    np.testing.assert_array_equal(labels(tmp_path), mask > 0)


def test_negative_value_to_ignore(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(1, 3))
    save(tmp_path / "masks" / "a.tif", [[-1, 0, 1]], np.int32)
    prepare(tmp_path, PrepareOptions(classes=("x", "y"), ignore_value=-1))
    assert labels(tmp_path).tolist() == [[-1, 0, 1]]


def test_colours_beside_a_black_mask_are_still_colours(tmp_path: Path) -> None:
    for stem, value in (("a", [[(0, 0, 0), (9, 0, 0)]]), ("b", [[(0, 0, 0), (0, 0, 0)]])):
        save(tmp_path / "images" / f"{stem}.png", photograph(1, 2))
        save(tmp_path / "masks" / f"{stem}.png", value)
    prepare(tmp_path, PrepareOptions(palette={"x": (0, 0, 0), "y": (9, 0, 0)}))
    assert labels(tmp_path, "b").tolist() == [[0, 0]]


@pytest.mark.parametrize("kind", ["auto", "palette"])
def test_class_file_may_name_a_value_and_a_colour_to_ignore(tmp_path: Path, kind: str) -> None:
    save(tmp_path / "images" / "a.png", photograph(1, 3))
    save(tmp_path / "masks" / "a.png", [[(9, 0, 0), (0, 9, 0), (5, 5, 5)]])
    (tmp_path / "masks" / "classes.json").write_text(
        '{"classes": ["x", "y"], "colours": {"x": [9, 0, 0], "y": [0, 9, 0]},'
        ' "ignore_index": 255, "ignore_colour": [5, 5, 5]}'
    )
    prepare(tmp_path, PrepareOptions(kind=kind))
    assert labels(tmp_path).tolist() == [[0, 1, -1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PrepareOptions(kind="index", classes=("a", "b"), threshold=9), "threshold=9 is for black"),
        (PrepareOptions(threshold=0), "expected at least 1"),
        (PrepareOptions(overlaps=Overlaps.LAST), "overlaps is for instance-files"),
        (PrepareOptions(kind="instance-files", ignore_value=7), "have no such value"),
    ],
)
def test_options_that_mean_nothing_for_a_kind_are_problems(
    tmp_path: Path, options: PrepareOptions, message: str
) -> None:
    save(tmp_path / "images" / "a.png", photograph(8, 12))
    save(tmp_path / "masks" / "a" / "a.png" if options.kind == "instance-files" else
         tmp_path / "masks" / "a.png", BLOB)  # fmt: skip
    assert any(message in line for line in problems(tmp_path, options))


# Deep images


def twelve_bit(root: Path, *, hot: bool) -> None:
    shades = np.linspace(300, 2500, 10_000).astype(np.uint16).reshape(100, 100)
    for stem in "ab":
        values = shades.copy()
        if hot and stem == "b":
            values[7, 7] = 65_535
        save(root / "images" / f"{stem}.tif", values, np.uint16)


def test_hot_pixel_leaves_the_shades_of_a_set_as_they_are(tmp_path: Path) -> None:
    twelve_bit(tmp_path, hot=True)
    options = PrepareOptions(classes=("a", "b"), allow_missing_masks=True)
    summary = prepare(tmp_path, options, masks=None)
    low, high = summary.value_range  # type: ignore[misc]
    assert 300 <= low < 310
    assert 2490 < high <= 2500
    assert summary.extremes == (300, 65_535)
    assert summary.outside_range == pytest.approx(0.001, abs=2e-4)
    found = PreparedSource(tmp_path / "out").read_image("a")
    assert len(np.unique(found)) == 256


def test_range_of_each_image_by_itself_is_remembered(tmp_path: Path) -> None:
    save(tmp_path / "images" / "dark.tif", np.arange(100).reshape(10, 10) + 100, np.uint16)
    save(tmp_path / "images" / "light.tif", np.arange(100).reshape(10, 10) * 300, np.uint16)
    options = PrepareOptions(
        classes=("a", "b"),
        allow_missing_masks=True,
        range_per_image=True,
        percentiles=Percentiles(0.0, 100.0),
    )
    summary = prepare(tmp_path, options, masks=None)
    assert summary.value_range == Percentiles(0.0, 100.0)
    source = PreparedSource(tmp_path / "out")
    assert source.value_range == Percentiles(0.0, 100.0)
    for image_id in ("dark", "light"):
        image = source.read_image(image_id)
        assert (image.min(), image.max()) == (0, 255)


def test_percentiles_that_are_none_are_refused() -> None:
    with pytest.raises(ConfigError, match="0 <= low < high <= 100, got 99.0 and 1.0"):
        Percentiles(99.0, 1.0)


# Projects


def init(root: Path, *overrides: str, options: PrepareOptions = TWO, **folders: Path) -> None:
    images = ImageFolders(folders.get("images", root / "images"), folders.get("masks"), options)
    measured = ["training.seconds=9.0", "sampling.samples=4"]  # else they are, on this machine
    settings = ["threads=1", "device=cpu", *measured, *overrides]
    init_project(root / "p" / "q", None, settings, folders=images)


def test_images_that_no_network_can_look_at_are_left_out_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "images" / "fine.png", photograph(40, 40))
    save(tmp_path / "images" / "thin.png", photograph(31, 400))
    init(tmp_path)
    assert "thin" in capsys.readouterr().out
    with Project.open(tmp_path / "p" / "q") as project:
        assert project.pool_ids == ("fine",)


def test_set_of_images_that_are_all_too_small_leaves_nothing(tmp_path: Path) -> None:
    save(tmp_path / "images" / "thin.png", photograph(31, 400))
    with pytest.raises(SourceError, match=r"at least 32 x 32 .* 31 x 400 \(image 'thin'\)"):
        init(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]


@pytest.mark.parametrize("override", ["serve.train_afer=7", "data.validation=99", "seed=x"])
def test_failed_init_leaves_nothing(tmp_path: Path, override: str) -> None:
    for number in range(3):
        Image.fromarray(draw_discs(number)[0]).save(_made(tmp_path / "images") / f"{number}.png")
    with pytest.raises(ConfigError):
        init(tmp_path, override)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images"]
    init(tmp_path)
    with Project.open(tmp_path / "p" / "q") as project:
        assert len(project.images) == 3


def test_project_may_be_made_in_the_folder_that_holds_the_images(tmp_path: Path) -> None:
    save(tmp_path / "p" / "q" / "images" / "a.png", photograph(40, 40))
    init(tmp_path, images=tmp_path / "p" / "q" / "images")
    with Project.open(tmp_path / "p" / "q") as project:
        assert project.source.read_image("a").shape == (40, 40, 3)


def test_project_does_not_write_over_what_is_there(tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", photograph(40, 40))
    save(tmp_path / "p" / "q" / "dataset" / "mine.png", photograph(4, 4))
    with pytest.raises(ProjectError, match="expected no 'dataset' in"):
        init(tmp_path)
    assert [path.name for path in (tmp_path / "p" / "q").rglob("*")] == ["dataset", "mine.png"]
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["q"]


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("sign", ["dataset", "askmask.yaml", "askmask.db"])
def test_killed_init_leaves_no_project_and_the_same_words_make_it(
    tmp_path: Path, sign: str
) -> None:
    for number in range(12):
        image, mask = draw_discs(number)
        Image.fromarray(image).save(_made(tmp_path / "images") / f"{number}.png")
        save(tmp_path / "masks" / f"{number}.png", mask.labels)
    words = [sys.executable, "-m", "askmask", "init", str(tmp_path / "p")]
    words += ["--images", str(tmp_path / "images"), "--masks", str(tmp_path / "masks")]
    words += ["--classes", "ground,disc", "device=cpu", "threads=1"]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(tmp_path.glob(f".p-unfinished-*/{sign}")) and time.monotonic() < until:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.kill()
    process.wait()
    assert not (tmp_path / "p").exists()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    with Project.open(tmp_path / "p") as project:
        assert len(project.store.labelled_images()) == len(project.roles.start)
        assert len(project.roles.start) + len(project.roles.validation) == 12
