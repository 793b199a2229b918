"""Which image belongs to which mask, split, group and role."""

import csv
import io
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from askmask.data.prepare.stored_files import StoredFile
from askmask.data.rasters import IMAGE_SUFFIXES
from askmask.errors import SourceError

_MOST_LINES = 20  # problems of one kind that are listed one by one
LONGEST_TABLE = 16 * 2**20
"""Bytes or characters of a table of images; no data set needs as many."""
_SHOWN = 10  # columns that a message names
_NAMED = 3  # examples, where there are more
_ROLES = ("start", "pool", "validation", "test")
_COLUMNS = ("group", "split", "role")

OTHER_IMAGE_SUFFIXES = frozenset(
    {".gif", ".jp2", ".j2k", ".heic", ".heif", ".avif", ".svs", ".ndpi", ".czi", ".nd2", ".lif"}
    | {".dcm", ".nii", ".gz", ".npy", ".npz", ".mat", ".h5", ".pgm", ".ppm", ".svg", ".psd"}
)
"""Endings of files that hold images which are not read: found among the images, they are reported
rather than passed over."""


@dataclass(frozen=True)
class PairedImage:
    """One image to prepare; its labels are in one mask file, or in one file for each object."""

    image_id: str
    image: StoredFile
    mask: StoredFile | None
    split: str = "train"
    group: str | None = None
    role: str | None = None
    objects: tuple[StoredFile, ...] = ()

    @property
    def has_mask(self) -> bool:
        """Whether any file says what is in the image."""
        return self.mask is not None or bool(self.objects)

    @property
    def mask_name(self) -> str:
        """Name of the mask in messages."""
        if self.mask is not None:
            return self.mask.name
        return f"{self.objects[0].name} and {len(self.objects) - 1} more" if self.objects else ""


def index_by_stem(files: Iterable[StoredFile]) -> tuple[dict[str, StoredFile], list[str]]:
    """Images among files by their path without ending, and the problems found.

    Returns
    -------
    files : dict of str to StoredFile
        Sorted as they came.
    problems : list of str
        Stems that come twice, and images in formats that are not read.
    """
    stems: dict[str, list[StoredFile]] = defaultdict(list)
    problems = []
    for file in files:
        if file.is_image:
            stems[file.stem].append(file)
        elif file.suffix in OTHER_IMAGE_SUFFIXES:
            readable = ", ".join(sorted(IMAGE_SUFFIXES))
            problems.append(
                f"{file.name!r}: {file.suffix!r} is not read. Convert it to one of {readable}."
            )
    for stem, twins in stems.items():
        if len(twins) > 1:
            names = ", ".join(repr(twin.name) for twin in twins)
            problems.append(f"{names}: several files for {stem!r}. Keep one of them.")
    return {stem: twins[0] for stem, twins in stems.items()}, problems


def pair(
    images: dict[str, StoredFile],
    masks: dict[str, StoredFile],
    *,
    mask_suffix: str = "",
    allow_missing_masks: bool = False,
) -> tuple[list[PairedImage], list[str]]:
    """Pair images and masks by stem.

    Parameters
    ----------
    images, masks : dict of str to StoredFile
        By stem.
    mask_suffix : str
        What a mask's stem has after the image's, e.g. ``"_mask"``.
    allow_missing_masks : bool
        Whether an image may have no mask; it is then for a person to label.

    Returns
    -------
    items : list of PairedImage
        One for each image, sorted by id.
    problems : list of str
        Images without a mask, unless allowed, and masks without an image.
    """
    items = [
        PairedImage(stem, image, masks.get(composed(stem + mask_suffix)))
        for stem, image in sorted(images.items())
    ]
    expected = {composed(stem + mask_suffix) for stem in images}
    without = [] if allow_missing_masks else [item for item in items if item.mask is None]
    orphans = [mask.name for stem, mask in sorted(masks.items()) if stem not in expected]
    return items, [
        *missing_masks(without, mask_suffix),
        *condensed(
            orphans,
            [
                f"{name!r}: no image for this mask. Add the image, or remove the mask."
                for name in orphans
            ],
            "masks have no image. Add the images, remove the masks, or say what the masks' names "
            "have after the images' names: --mask-suffix _mask",
        ),
    ]


def missing_masks(items: Sequence[PairedImage], mask_suffix: str) -> list[str]:
    """Problems of images without a mask; many are told in one line."""
    cure = "remove the {}, or allow images without masks"
    return condensed(
        [item.image.name for item in items],
        [
            f"{item.image.name!r}: no mask {item.image.stem + mask_suffix!r}. Add it, "
            f"{cure.format('image')}."
            for item in items
        ],
        f"images have no mask. Add them, {cure.format('images')}; if the masks' names go on after "
        "the images' names, say how: --mask-suffix _mask",
    )


def condensed(names: Sequence[str], lines: Sequence[str], many: str) -> list[str]:
    """The lines; above a number that nobody reads, one line with a few of the names.

    Parameters
    ----------
    names, lines : sequence of str
        What each problem is of, and the line that tells it.
    many : str
        What is wrong with all of them, after their number.
    """
    if len(names) <= _MOST_LINES:
        return list(lines)
    examples = ", ".join(map(repr, names[:_NAMED]))
    return [f"{len(names):,} {many} (e.g. {examples})."]


def composed(name: str) -> str:
    """Name with its letters composed, as stems are."""
    return unicodedata.normalize("NFC", name)


def read_table(path: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Rows of a CSV with a header, and the problems found.

    Blanks around names and values do not count. Must have the column `image`, and at least one of
    `group`, `split` and `role`.
    """
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8-sig") if size <= LONGEST_TABLE else ""
    except (OSError, UnicodeDecodeError) as error:
        return [], [f"{str(path)!r}: cannot be read ({error}). Save it as CSV in UTF-8."]
    try:
        _check_length(size)
        rows = parse_csv(text)
    except SourceError as error:
        return [], [f"{str(path)!r}: {error}"]
    columns = set(rows[0]) if rows else set()
    if "image" not in columns or not columns & set(_COLUMNS):
        problem = (
            f"{str(path)!r}: expected the column 'image' and one of {list(_COLUMNS)!r}, and at "
            f"least one row, got the columns {sorted(columns)[:_SHOWN]!r}. Correct its first line."
        )
        return [], [problem]
    return rows, []


def _check_length(length: int) -> None:
    if length > LONGEST_TABLE:
        raise SourceError(
            f"expected a table of images, got {length:,} characters. Give the right file."
        )


def parse_csv(text: str) -> list[dict[str, str]]:
    """Rows of a CSV by column; blanks around names and values are taken off.

    Raises
    ------
    SourceError
        If it is larger than a table of images can be, or no CSV.
    """
    _check_length(len(text))
    reader = csv.reader(io.StringIO(text), skipinitialspace=True)
    try:
        rows = [[cell.strip() for cell in row] for row in reader]
    except csv.Error as error:
        raise SourceError(f"it is no valid CSV ({error}). Correct it.") from error
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    header = rows[0]
    return [dict(zip(header, row + [""] * len(header), strict=False)) for row in rows[1:]]


def apply_table(
    items: Sequence[PairedImage], rows: Sequence[dict[str, str]], where: str
) -> tuple[list[PairedImage], list[str]]:
    """Items with the group, split and role that a table gives them, and the problems found.

    Parameters
    ----------
    items : sequence of PairedImage
        As paired.
    rows : sequence of dict
        With `image`, an id or a file name, and what it is given; an empty cell gives nothing.
    where : str
        What to call the table in messages.
    """
    names = {composed(item.image.name): item.image_id for item in items}
    by_id: dict[str, dict[str, str]] = {}
    problems = []
    for row in rows:
        image_id = names.get(composed(row["image"]), composed(row["image"]))
        if image_id in by_id:
            problems.append(f"{where!r}: {row['image']!r} comes twice. Keep one row.")
        by_id[image_id] = row
        role = row.get("role") or None
        if role is not None and role not in _ROLES:
            problems.append(
                f"{where!r}: {row['image']!r} has the role {role!r}. "
                f"Choose from: {', '.join(_ROLES)}."
            )
    known = {item.image_id for item in items}
    problems.extend(
        f"{where!r}: no image {image_id!r}. Correct the name, or remove the row."
        for image_id in by_id
        if image_id not in known
    )
    problems.extend(
        f"{where!r}: no row for the image {item.image_id!r}. Add one."
        for item in items
        if item.image_id not in by_id
    )
    return [_with_row(item, by_id.get(item.image_id, {})) for item in items], problems


def _with_row(item: PairedImage, row: dict[str, str]) -> PairedImage:
    return replace(
        item,
        split=row.get("split") or item.split,
        group=row.get("group") or item.group,
        role=row.get("role") or item.role,
    )
