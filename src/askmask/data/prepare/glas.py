"""GlaS (Warwick-QU), the gland data set of the MICCAI 2015 challenge, as its publisher ships it.

The licence allows research only, so every user fetches the archive; it is never shipped.
"""

import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from askmask.data.masks import MaskKind, MaskRule
from askmask.data.prepare.checks import ProgressCallback
from askmask.data.prepare.download import download
from askmask.data.prepare.pairing import LONGEST_TABLE, PairedImage, index_by_stem, pair, parse_csv
from askmask.data.prepare.stored_files import (
    StoredFile,
    list_archive,
    list_folder,
    opened_archive,
)
from askmask.data.prepare.writing import Plan, PrepareSummary, write_dataset
from askmask.data.prepared import check_out
from askmask.data.scaling import check_scale
from askmask.errors import DownloadError, PrepareError, SourceError

ARCHIVE_NAME = "warwick_qu_dataset_released_2016_07_08.zip"
ARCHIVE_URL = "https://warwick.ac.uk/fac/cross_fac/tia/data/glascontest/download/" + ARCHIVE_NAME
"""Where the publisher keeps the archive; it has moved before, so every caller may give another."""

CLASS_NAMES = ("background", "gland")
SPLIT_SIZES = {"train": 85, "testA": 60, "testB": 20}
"""Images of each split, numbered from 1."""

_GRADES_NAME = "Grade.csv"
_GRADE_COLUMN = "grade (glas)"  # in lower case; the header has odd blanks
_MASK_SUFFIX = "_anno"
_START = {"benign": (0, 1, 2, 3, 4), "malignant": (2, 4, 5, 6, 7)}
_N_VALIDATION = 5  # of each grade


def prepare_glas(
    source: Path, out: Path, *, scale: float = 1.0, progress: ProgressCallback | None = None
) -> PrepareSummary:
    """Prepare GlaS from the publisher's folder or zip archive.

    Masks are instance masks: each gland has an id. The group is the grade, benign or malignant;
    the splits are the publisher's; the roles are those of Li & Alstrøm 2020 (see `paper_roles`).

    Parameters
    ----------
    source : Path
        Folder or zip with ``train_1.bmp``, ``train_1_anno.bmp``, ... (BMP or PNG) and
        ``Grade.csv``, at the top or in one folder.
    out : Path
        The folder to make; absent or empty. It appears only when it is complete.
    scale : float
        In (0, 1]; images are averaged over area, masks take the nearest value and keep their ids.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    PrepareSummary

    Raises
    ------
    PrepareError
        With a line for every problem, e.g. an image of the 165 that is missing.
    SourceError
        If `source` is neither a folder nor a zip archive, or `out` holds something.
    ConfigError
        If the scale is not in (0, 1].
    """
    check_out(out)
    check_scale(scale)
    if source.is_dir():
        return _prepare(list_folder(source), source.name, out, scale=scale, progress=progress)
    if not zipfile.is_zipfile(source):
        raise SourceError(
            f"expected the publisher's folder or zip archive at {str(source)!r}, found "
            f"{'another kind of file' if source.exists() else 'nothing'}. Give the folder that "
            f"holds {_GRADES_NAME}, or {ARCHIVE_NAME}."
        )
    with opened_archive(source) as archive:
        files = list_archive(archive)
        return _prepare(files, source.name, out, scale=scale, progress=progress)


def fetch_glas(
    folder: Path,
    *,
    url: str = ARCHIVE_URL,
    sha256: str | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Fetch the publisher's archive into a folder; an archive that is already there is kept.

    Parameters
    ----------
    folder : Path
        Made if absent. An interrupted transfer goes on where it stopped at the next call.
    url : str
        Address of the archive.
    sha256 : str, optional
        Checksum that it must have.
    progress : callable, optional
        Called with (bytes so far, bytes in all).

    Returns
    -------
    Path
        The archive.

    Raises
    ------
    DownloadError
        If it cannot be fetched whole, or what came is no zip archive.
    """
    target = folder / ARCHIVE_NAME
    download(url, target, sha256=sha256, progress=progress)
    if not zipfile.is_zipfile(target):
        target.unlink()
        raise DownloadError(
            f"expected a zip archive at {url!r}, but something else came, perhaps a page that asks "
            "to register. Open the address in a browser, and give the file that you get there."
        )
    return target


def paper_roles(names: Sequence[str], grades: dict[str, str]) -> dict[str, str]:
    """Roles of the training images in Li & Alstrøm 2020 (arXiv:2007.06364).

    Names are sorted as strings, per grade. The start set is at the positions 0, 1, 2, 3, 4 of the
    benign and 2, 4, 5, 6, 7 of the malignant images; the last 5 of each grade are for validation;
    the rest is the pool. For the 37 benign and 48 malignant images that makes 10, 10 and 65.

    Parameters
    ----------
    names : sequence of str
        Training images.
    grades : dict of str to str
        ``"benign"`` or ``"malignant"`` of each.

    Returns
    -------
    dict of str to str
        ``"start"``, ``"pool"`` or ``"validation"`` of each.
    """
    by_grade: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        by_grade[grades[name]].append(name)
    roles = dict.fromkeys(names, "pool")
    for grade, members in by_grade.items():
        start = [members[position] for position in _START[grade]]
        rest = [name for name in members if name not in start]
        roles.update(dict.fromkeys(start, "start"))
        roles.update(dict.fromkeys(rest[-_N_VALIDATION:], "validation"))
    return roles


def _prepare(
    files: Sequence[StoredFile],
    name: str,
    out: Path,
    *,
    scale: float,
    progress: ProgressCallback | None,
) -> PrepareSummary:
    top, grades_file = _find_grades(files, name)
    images, masks, problems = _sort_files(files, top)
    items, pair_problems = pair(images, masks, mask_suffix=_MASK_SUFFIX)
    grades, grade_problems = _read_grades(grades_file, [item.image_id for item in items])
    problems += [*_missing(images), *pair_problems, *grade_problems]
    if not problems:  # roles go by position, so they exist only for the whole data set
        items = _with_roles(items, grades)
    rule = MaskRule(MaskKind.INSTANCES, len(CLASS_NAMES))
    plan = Plan(items, rule, CLASS_NAMES, f"GlaS (Warwick-QU), {name!r}", scale=scale)
    return write_dataset(plan, out, problems=problems, progress=progress)


def _find_grades(files: Sequence[StoredFile], name: str) -> tuple[str, StoredFile]:
    """Find the table of grades; the folder it lies in is where the images are."""
    found = [file for file in files if file.name.rpartition("/")[2] == _GRADES_NAME]
    if len(found) != 1:
        problem = (
            f"{name!r}: expected one {_GRADES_NAME}, at the top or in a folder, found "
            f"{[file.name for file in found]!r}. Give the publisher's folder or zip as it is."
        )
        raise PrepareError([problem])
    return found[0].name.removesuffix(_GRADES_NAME), found[0]


def _sort_files(
    files: Sequence[StoredFile], top: str
) -> tuple[dict[str, StoredFile], dict[str, StoredFile], list[str]]:
    """Images and masks by stem below `top`, and the problems found."""
    inside = [
        replace(file, name=file.name.removeprefix(top))
        for file in files
        if file.name.startswith(top) and "/" not in file.name.removeprefix(top)
    ]
    by_stem, problems = index_by_stem(inside)
    masks = {stem: file for stem, file in by_stem.items() if stem.endswith(_MASK_SUFFIX)}
    images = {stem: file for stem, file in by_stem.items() if stem not in masks}
    return images, masks, problems


def _missing(images: dict[str, StoredFile]) -> list[str]:
    expected = {
        f"{split}_{number}" for split, size in SPLIT_SIZES.items() for number in range(1, size + 1)
    }
    lines = [
        f"{name!r}: this image of the {len(expected)} is missing. Unpack or download it again."
        for name in sorted(expected - set(images))
    ]
    lines += [
        f"{images[name].name!r}: no image of GlaS has this name. Remove it."
        for name in sorted(set(images) - expected)
    ]
    return lines


def _read_grades(file: StoredFile, names: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Grade of each image, and the problems found."""
    if file.size() > LONGEST_TABLE:
        problem = (
            f"{file.name!r}: expected a table of {sum(SPLIT_SIZES.values())} images, got "
            f"{file.size():,} bytes. Download it again."
        )
        return {}, [problem]
    try:
        rows = parse_csv(file.read().decode("utf-8-sig"))
    except (SourceError, UnicodeDecodeError) as error:
        return {}, [f"{file.name!r}: cannot be read ({error}). Download it again."]
    rows = [{" ".join(key.split()).lower(): cell for key, cell in row.items()} for row in rows]
    columns = sorted(rows[0]) if rows else []
    if not {"name", _GRADE_COLUMN} <= set(columns):
        problem = (
            f"{file.name!r}: expected the columns 'name' and {_GRADE_COLUMN!r}, got {columns!r}. "
            "Download it again."
        )
        return {}, [problem]
    grades = {row["name"]: row[_GRADE_COLUMN].lower() for row in rows}
    problems = [
        f"{file.name!r}: expected benign or malignant for {name!r}, got {grades.get(name)!r}. "
        "Download it again."
        for name in names
        if grades.get(name) not in _START
    ]
    return grades, problems


def _with_roles(items: Sequence[PairedImage], grades: dict[str, str]) -> list[PairedImage]:
    splits = {item.image_id: item.image_id.partition("_")[0] for item in items}
    training = [name for name, split in splits.items() if split == "train"]
    roles = paper_roles(training, grades)
    return [
        replace(
            item,
            split=splits[item.image_id],
            group=grades[item.image_id],
            role=roles.get(item.image_id, "test"),
        )
        for item in items
    ]
