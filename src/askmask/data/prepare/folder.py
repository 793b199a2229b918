"""Any folder of images, with or without masks, as a prepared data set.

Everything is checked before anything is written, and all problems are reported at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from askmask.data.masks import MaskKind, MaskRule
from askmask.data.prepare.checks import ProgressCallback
from askmask.data.prepare.class_file import CLASSES_NAME, Colour, check_classes, read_classes
from askmask.data.prepare.kinds import guess_kind, survey_masks
from askmask.data.prepare.pairing import Item, apply_table, index_by_stem, pair, read_table
from askmask.data.prepare.stored_files import StoredFile, list_folder
from askmask.data.prepare.writing import Plan, PrepareSummary, ValueRange, write_dataset
from askmask.data.prepared import check_out
from askmask.data.scaling import check_scale
from askmask.errors import SourceError, unknown_name
from askmask.records import UNLABELLED

AUTO = "auto"
TWO_CLASSES = ("background", "foreground")
"""Names of the classes of binary and instance masks, unless others are given."""

_TWO_CLASS_KINDS = (MaskKind.BINARY, MaskKind.INSTANCES)


@dataclass(frozen=True)
class PrepareOptions:
    """How a folder is to be read.

    Parameters
    ----------
    kind : str
        ``"index"``, ``"palette"``, ``"binary"`` or ``"instances"``: what the masks hold;
        ``"auto"`` finds out where there is no doubt.
    classes : tuple of str, optional
        Names in index order.
    palette : mapping of str to colour, optional
        Colour of each class in palette masks.
    classes_file : Path, optional
        A ``classes.json`` with names and colours; by default the one in the folder of masks or in
        its parent. What is given here goes before what the file says.
    ignore_value : int, optional
        Value of pixels without a label. By default 255 in masks of indices, none in others.
    ignore_colour : colour, optional
        Colour of pixels without a label in palette masks.
    mask_suffix : str
        What the masks' names have after the images' names, e.g. ``"_mask"``.
    allow_missing_masks : bool
        Whether images may have no mask: they are for a person to label.
    groups : Path, optional
        CSV with the column `image` and any of `group`, `split` and `role`.
    scale : float
        In (0, 1]; images are averaged over area, masks take the nearest value.
    value_range : (low, high), optional
        For 16-bit images: what becomes 0 and 255 in the whole data set; values outside saturate.
        By default the smallest and largest value of all images.
    """

    kind: str = AUTO
    classes: tuple[str, ...] | None = None
    palette: Mapping[str, Colour] | None = None
    classes_file: Path | None = None
    ignore_value: int | None = None
    ignore_colour: Colour | None = None
    mask_suffix: str = ""
    allow_missing_masks: bool = False
    groups: Path | None = None
    scale: float = 1.0
    value_range: ValueRange | None = None


def prepare_folder(
    images: Path,
    masks: Path | None,
    out: Path,
    *,
    options: PrepareOptions | None = None,
    progress: ProgressCallback | None = None,
) -> PrepareSummary:
    """Prepare a folder of images and its folder of masks.

    Sub-folders are searched too; an image and its mask have the same path below their folders,
    apart from the ending and the suffix. The image's id is that path without the ending.

    Parameters
    ----------
    images : Path
        JPEG, PNG, BMP or TIFF, 8 or 16 bit, grey or RGB.
    masks : Path or None
        PNG, BMP or TIFF. May be the same folder as `images`, if the masks have a suffix.
    out : Path
        The folder to make; absent or empty. It appears only when it is complete.
    options : PrepareOptions, optional
        How to read the files.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    PrepareSummary

    Raises
    ------
    PrepareError
        With a line for every problem of every file; nothing is written.
    SourceError
        If `out` holds something.
    ConfigError
        If the scale is not in (0, 1].
    UnknownName
        If there is no such kind of masks.
    """
    options = options or PrepareOptions()
    if options.kind not in (AUTO, *MaskKind):
        raise unknown_name("kind of masks", options.kind, [AUTO, *(k.value for k in MaskKind)])
    check_out(out)
    check_scale(options.scale)
    problems: list[str] = []
    items = _find_items(images, masks, options, problems)
    options = _with_classes_file(masks, options, problems)
    rule, names = _mask_rule(items, options, problems)
    source = f"images {images.name!r}" + ("" if masks is None else f", masks {masks.name!r}")
    kind = "unknown" if rule is None else rule.kind.value
    plan = Plan(
        items,
        rule,
        names,
        f"{source} ({kind})",
        scale=options.scale,
        value_range=options.value_range,
    )
    return write_dataset(plan, out, problems=problems, progress=progress)


def _find_items(
    images: Path, masks: Path | None, options: PrepareOptions, problems: list[str]
) -> list[Item]:
    """Images with their masks and groups; adds to `problems`."""
    try:
        image_files, mask_files = _list_files(images, masks, options)
    except SourceError as error:
        problems.append(str(error))
        return []
    images_by_stem, image_problems = index_by_stem(image_files)
    masks_by_stem, mask_problems = index_by_stem(mask_files)
    items, pair_problems = pair(
        images_by_stem,
        masks_by_stem,
        mask_suffix=options.mask_suffix,
        allow_missing_masks=options.allow_missing_masks,
    )
    problems += [*image_problems, *mask_problems, *pair_problems]
    if not items:
        problems.append(
            f"{str(images)!r}: no images. Give a folder of JPEG, PNG, BMP or TIFF files."
        )
    if options.groups is not None:
        rows, table_problems = read_table(options.groups)
        problems += table_problems
        if rows:
            items, row_problems = apply_table(items, rows, options.groups.name)
            problems += row_problems
    return items


def _list_files(
    images: Path, masks: Path | None, options: PrepareOptions
) -> tuple[list[StoredFile], list[StoredFile]]:
    """Files of images and of masks; one folder may hold both, or lie in the other."""
    if masks is None:
        return list_folder(images), []
    if images.resolve() != masks.resolve():
        return list_folder(images, skip=masks), list_folder(masks, skip=images)
    if not options.mask_suffix:
        raise SourceError(
            f"images and masks are both in {str(images)!r}. Say by what suffix the masks' names "
            "differ, or give two folders."
        )
    files = list_folder(images)
    is_mask = [file.stem.endswith(options.mask_suffix) for file in files]
    return (
        [file for file, chosen in zip(files, is_mask, strict=True) if not chosen],
        [file for file, chosen in zip(files, is_mask, strict=True) if chosen],
    )


def _with_classes_file(
    masks: Path | None, options: PrepareOptions, problems: list[str]
) -> PrepareOptions:
    """Options filled up from the ``classes.json``, if there is one; adds to `problems`."""
    path = options.classes_file
    if path is None and masks is not None:
        nearby = (masks / CLASSES_NAME, masks.parent / CLASSES_NAME)
        path = next((file for file in nearby if file.is_file()), None)
    if path is None:
        return options
    try:
        said = read_classes(path)
    except SourceError as error:
        problems.append(str(error))
        return options
    first = options.classes or options.palette  # names given here are not those of the file
    return replace(
        options,
        classes=options.classes if first else said.classes,
        palette=options.palette if first else said.colours,
        ignore_value=said.ignore_index if options.ignore_value is None else options.ignore_value,
        ignore_colour=options.ignore_colour or said.ignore_colour,
    )


def _mask_rule(
    items: list[Item], options: PrepareOptions, problems: list[str]
) -> tuple[MaskRule | None, tuple[str, ...]]:
    """How to read the masks, and the names of the classes; adds to `problems`."""
    names = options.classes or (tuple(options.palette) if options.palette else None)
    try:
        kind = _kind(items, options, None if names is None else len(names))
    except SourceError as error:
        problems.append(str(error))
        return None, names or ()
    if names is None and kind in _TWO_CLASS_KINDS:
        names = TWO_CLASSES
    wrong = _class_problems(kind, names, options)
    problems += wrong
    if wrong or names is None:
        return None, names or ()
    colours = None
    if kind is MaskKind.PALETTE and options.palette is not None:
        colours = {options.palette[name]: label for label, name in enumerate(names)}
        if options.ignore_colour is not None:
            colours[options.ignore_colour] = UNLABELLED
    return MaskRule(kind, len(names), options.ignore_value, colours), names


def _kind(items: list[Item], options: PrepareOptions, n_classes: int | None) -> MaskKind:
    if options.kind != AUTO:
        return MaskKind(options.kind)
    masks = [item.mask for item in items if item.mask is not None]
    if not masks:
        return MaskKind.INDEX  # no file is read by it
    return guess_kind(
        survey_masks(masks),
        n_classes,
        has_colours=options.palette is not None,
        ignore_value=options.ignore_value,
    )


def _class_problems(
    kind: MaskKind, names: tuple[str, ...] | None, options: PrepareOptions
) -> list[str]:
    wanted = len(TWO_CLASSES)
    if names is None:
        problem = (
            f"classes: {kind.value} masks need names of the classes. Give them in the order of "
            "their indices, or a classes.json."
        )
    elif kind in _TWO_CLASS_KINDS and len(names) != wanted:
        problem = (
            f"classes: {kind.value} masks have {wanted} classes, got {len(names)} names. "
            "Name background and foreground."
        )
    elif kind is MaskKind.PALETTE and options.palette is None:
        problem = "colours: palette masks need a colour for each class. Give a classes.json."
    else:
        palette = dict(options.palette) if kind is MaskKind.PALETTE and options.palette else None
        problems = check_classes(names, palette, options.ignore_colour)
        return problems + _ignore_problems(kind, len(names), options.ignore_value)
    return [problem]


def _ignore_problems(kind: MaskKind, n_classes: int, ignore_value: int | None) -> list[str]:
    """Complain if the value to ignore means something else as well."""
    taken: dict[MaskKind, Sequence[int]] = {
        MaskKind.INDEX: range(n_classes),
        MaskKind.BINARY: (0, 255),
        MaskKind.INSTANCES: (0,),
    }
    if ignore_value is None or ignore_value not in taken.get(kind, ()):
        return []
    problem = (
        f"ignore_value={ignore_value}: in {kind.value} masks this value has a meaning. "
        "Give another, none, or another kind of masks."
    )
    return [problem]
