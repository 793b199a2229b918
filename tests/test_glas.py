import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.config import DataConfig
from askmask.data.prepare.glas import (
    ARCHIVE_NAME,
    SPLIT_SIZES,
    fetch_glas,
    paper_roles,
    prepare_glas,
)
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.prepared import PreparedSource
from askmask.data.roles import assign_roles
from askmask.errors import ConfigError, DownloadError, PrepareError, SourceError
from file_server import Served, serving

TOP = "Warwick QU Dataset (Released 2016_07_08)"
NAMES = [f"{split}_{n}" for split, size in SPLIT_SIZES.items() for n in range(1, size + 1)]
BENIGN = 37  # of the 85 training images; any 37 will do for tests


def grade(name: str) -> str:
    """Benign for the first 37 training images by number, and for odd test images."""
    split, _, number = name.partition("_")
    is_benign = int(number) <= BENIGN if split == "train" else int(number) % 2 == 1
    return "benign" if is_benign else "malignant"


def write_layout(folder: Path, suffix: str) -> Path:
    """Tiny files in the publisher's layout: 4 x 6 pixels, two glands in each image."""
    folder.mkdir(parents=True)
    image = np.zeros((4, 6, 3), np.uint8)
    instances = np.array([[0, 0, 1, 1, 0, 0]] * 2 + [[2, 2, 0, 0, 0, 0]] * 2, np.uint8)
    for number, name in enumerate(NAMES):
        image[:] = number
        Image.fromarray(image).save(folder / f"{name}{suffix}")
        Image.fromarray(instances).save(folder / f"{name}_anno{suffix}")
    rows = "".join(f"{name}, {n % 16}, {grade(name)}, healthy\r\n" for n, name in enumerate(NAMES))
    header = "name,patient ID, grade (GlaS), grade (Sirinukunwattana et al. 2015)\r\n"
    (folder / "Grade.csv").write_bytes((header + rows).encode("utf-8-sig"))
    return folder


@pytest.fixture(scope="module")
def bmp_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_layout(tmp_path_factory.mktemp("glas") / TOP, ".bmp")


@pytest.fixture(scope="module")
def archive(bmp_layout: Path) -> Path:
    path = bmp_layout.parent / "published" / ARCHIVE_NAME
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr(f"__MACOSX/{TOP}/._Grade.csv", b"")
        for file in sorted(bmp_layout.iterdir()):
            opened.write(file, f"{TOP}/{file.name}")
    return path


@pytest.fixture(scope="module")
def prepared(archive: Path) -> tuple[Path, PrepareSummary]:
    out = archive.parent / "out"
    return out, prepare_glas(archive, out)


@pytest.fixture
def layout(bmp_layout: Path, tmp_path: Path) -> Path:
    """Copy of the layout that a test may spoil."""
    return shutil.copytree(bmp_layout, tmp_path / "glas")


def problems(source: Path, out: Path) -> tuple[str, ...]:
    with pytest.raises(PrepareError) as caught:
        prepare_glas(source, out)
    assert not out.exists()
    return caught.value.problems


def test_archive_of_the_publisher_is_prepared(prepared: tuple[Path, PrepareSummary]) -> None:
    out, summary = prepared
    assert (summary.images, summary.masks, summary.kind) == (165, 165, "instances")
    assert summary.splits == SPLIT_SIZES
    assert summary.groups == {"benign": 37 + 40, "malignant": 48 + 40}
    assert summary.roles == {"start": 10, "pool": 65, "validation": 10, "test": 80}
    # 8 of the 24 pixels of each image are gland.
    assert summary.class_shares == {"background": 16 / 24, "gland": 8 / 24}
    source = PreparedSource(out)
    assert source.classes.names == ("background", "gland")
    mask = source.read_mask("train_7")
    assert mask is not None
    assert mask.instances is not None
    assert mask.instances[:, ::2].tolist() == [[0, 1, 0]] * 2 + [[2, 0, 0]] * 2
    assert source.read_image("train_7")[0, 0].tolist() == [6, 6, 6]


def test_folder_of_png_files_is_prepared_at_half_the_size(tmp_path: Path) -> None:
    write_layout(tmp_path / "from" / TOP, ".png")
    seen: list[tuple[int, int]] = []
    summary = prepare_glas(
        tmp_path / "from",
        tmp_path / "out",
        scale=0.5,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert summary.splits == SPLIT_SIZES
    source = PreparedSource(tmp_path / "out")
    assert {(info.height, info.width) for info in source.images()} == {(2, 3)}
    mask = source.read_mask("testB_20")
    assert mask is not None
    assert mask.instances is not None
    assert mask.instances.tolist() == [[0, 1, 0], [2, 0, 0]]
    assert seen[-1] == (330, 330)
    assert source.made_from == "GlaS (Warwick-QU), 'from', scale 0.5"


def test_roles_are_those_of_the_paper(prepared: tuple[Path, PrepareSummary]) -> None:
    out, _ = prepared
    infos = PreparedSource(out).images()
    roles = assign_roles(infos, DataConfig(path=out, test=("testA", "testB")), seed=0)
    # Sorted as strings, the benign images 1 to 37 begin 1, 10, 11, 12, 13 and end 5, 6, 7, 8, 9;
    # the malignant ones 38 to 85 begin 38, 39, 4x, ...: 38 39 40 41 42 43 44 45.
    assert set(roles.start) == {
        *(f"train_{n}" for n in (1, 10, 11, 12, 13)),
        *(f"train_{n}" for n in (40, 42, 43, 44, 45)),
    }
    assert set(roles.validation) == {
        *(f"train_{n}" for n in (5, 6, 7, 8, 9)),
        *(f"train_{n}" for n in (81, 82, 83, 84, 85)),
    }
    assert (len(roles.pool), len(roles.test)) == (65, 80)


def test_roles_keep_the_grades_of_the_paper() -> None:
    training = [name for name in NAMES if name.startswith("train")]
    roles = paper_roles(training, {name: grade(name) for name in training})
    counts = Counter((role, grade(name)) for name, role in roles.items())
    assert counts == {
        ("start", "benign"): 5,
        ("start", "malignant"): 5,
        ("pool", "benign"): 27,
        ("pool", "malignant"): 38,
        ("validation", "benign"): 5,
        ("validation", "malignant"): 5,
    }


def test_everything_that_is_wrong_is_reported_at_once(layout: Path, tmp_path: Path) -> None:
    (layout / "train_3.bmp").unlink()
    (layout / "train_3_anno.bmp").unlink()
    (layout / "testA_9_anno.bmp").unlink()
    (layout / "testB_1.bmp").write_bytes(b"BM")
    (layout / "testB_2_anno.bmp").write_bytes((layout / "testB_2_anno.bmp").read_bytes()[:-9])
    Image.fromarray(np.ones((3, 3), np.uint8)).save(layout / "testB_3_anno.bmp")
    shutil.copy(layout / "train_1.bmp", layout / "extra.bmp")
    shutil.copy(layout / "train_1.bmp", layout / "train_2.png")
    table = (layout / "Grade.csv").read_bytes().replace(b"train_5, 4, benign", b"train_5, 4, ?")
    (layout / "Grade.csv").write_bytes(table)
    expected = [
        r"'train_3': this image of the 165 is missing\. Unpack or download it again",
        r"'testA_9\.bmp': no mask 'testA_9_anno'",
        r"cannot read 'testB_1\.bmp' as an image",
        r"cannot read 'testB_2_anno\.bmp' as an image",
        r"'testB_3\.bmp' is \(4, 6\) but its mask 'testB_3_anno\.bmp' is \(3, 3\)",
        r"'extra\.bmp': no image of GlaS has this name\. Remove it",
        r"'extra\.bmp': no mask 'extra_anno'",
        r"'train_2\.bmp', 'train_2\.png': several files",
        r"expected benign or malignant for 'train_5', got '\?'",
        r"expected benign or malignant for 'extra', got None",
    ]
    found = problems(layout, tmp_path / "out")
    assert len(found) == len(expected), found
    assert all(any(re.search(pattern, line) for line in found) for pattern in expected)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: f.unlink(), r"expected one Grade\.csv, at the top or in a folder, found \[\]"),
        (
            lambda f: shutil.copytree(f.parent, f.parent / "copy"),
            r"found \['Grade\.csv', 'copy/Grade\.csv'\]",
        ),
    ],
)
def test_table_of_grades_must_be_there_once(
    layout: Path, tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    spoil(layout / "Grade.csv")
    (problem,) = problems(layout, tmp_path / "out")
    assert re.search(message, problem)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"name,grade\ntrain_1,benign\n", r"columns 'name' and 'grade \(glas\)', got \['grade', "),
        (b"", r"got \[\]"),
        (b"name,grade (GlaS)\ntrain_1,\xff\n", "cannot be read .*Download it again"),
    ],
)
def test_table_of_grades_must_have_its_columns(
    layout: Path, tmp_path: Path, table: bytes, message: str
) -> None:
    (layout / "Grade.csv").write_bytes(table)
    (problem,) = problems(layout, tmp_path / "out")
    assert re.search(message, problem)


def test_damaged_archive_is_reported_file_by_file(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as opened:
        place = opened.getinfo(f"{TOP}/train_1.bmp").header_offset + 200
    content[place] ^= 0xFF
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(content)
    (problem,) = problems(damaged, tmp_path / "out")
    assert re.search(r"cannot read '.*train_1\.bmp' in .*damaged or encrypted", problem)


@pytest.mark.parametrize(("content", "found"), [(None, "nothing"), (b"text", "another kind of")])
def test_source_must_be_a_folder_or_a_zip(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    source = tmp_path / "glas.zip"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(SourceError, match=rf"found {found}.*Give the folder that holds Grade\.csv"):
        prepare_glas(source, tmp_path / "out")


def test_scale_and_output_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a scale"):
        prepare_glas(tmp_path / "nowhere", tmp_path / "out", scale=0.0)
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="absent or an empty folder"):
        prepare_glas(tmp_path / "nowhere", tmp_path)


def test_archive_is_fetched_once(archive: Path, tmp_path: Path) -> None:
    with serving(Served(archive.read_bytes())) as served:
        fetched = fetch_glas(tmp_path / "cache", url=served.url)
        assert fetch_glas(tmp_path / "cache", url=served.url) == fetched
    assert fetched.name == ARCHIVE_NAME
    assert len(served.requests) == 1
    assert fetched.read_bytes() == archive.read_bytes()


def test_page_in_place_of_the_archive_is_refused(tmp_path: Path) -> None:
    with (
        serving(Served(b"<html>Please register</html>")) as served,
        pytest.raises(DownloadError, match=r"expected a zip archive at .*a page that asks"),
    ):
        fetch_glas(tmp_path, url=served.url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (bytes(200 * 2**20), "expected a table of 165 images, got 209,715,200 bytes"),
        (b"name,grade (glas)\r\n" + b"x" * 200_000 + b",benign", "field larger than field limit"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b'"' * 100_001, "cannot be read|expected the columns"),
    ],
    ids=["bomb", "long field", "no text", "quotes"],
)
def test_hostile_table_of_grades_is_one_problem(
    archive: Path, tmp_path: Path, table: bytes, told: str
) -> None:
    hostile = tmp_path / ARCHIVE_NAME
    with (
        zipfile.ZipFile(archive) as old,
        zipfile.ZipFile(hostile, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            is_table = entry.filename.endswith("/Grade.csv")
            new.writestr(entry.filename, table if is_table else old.read(entry))
    with pytest.raises(PrepareError, match=told) as refused:
        prepare_glas(hostile, tmp_path / "out")
    assert len(refused.value.problems) == 1
    assert len(str(refused.value)) < 1000
