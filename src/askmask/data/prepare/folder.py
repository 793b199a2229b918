"""Any folder of images, with or without masks, as a prepared data set.

Everything is checked before anything is written, and all problems are reported at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from askmask.data.masks import MaskKind, MaskRule, Overlaps
from askmask.data.pictures.picture import AS_STORED, Reading
from askmask.data.prepare.checks import ProgressCallback
from askmask.data.prepare.class_file import CLASSES_NAME, Colour, read_classes
from askmask.data.prepare.mask_options import AUTO, WITHOUT_VALUES, MaskOptions, choose_rule
from askmask.data.prepare.object_files import assign_objects, is_in_mask_folder, pair_objects
from askmask.data.prepare.pairing import PairedImage, apply_table, index_by_stem, pair, read_table
from askmask.data.prepare.stored_files import StoredFile, list_folder
from askmask.data.prepare.writing import Plan, PrepareSummary, write_dataset
from askmask.data.prepared import check_out
from askmask.data.ranges import PERCENTILES, Percentiles, RangeChoice, ValueRange
from askmask.data.scaling import check_scale
from askmask.errors import PrepareError, SourceError


@dataclass(frozen=True)
class PrepareOptions:
    """How a folder is to be read.

    Parameters
    ----------
    kind : str
        ``"index"``, ``"palette"``, ``"binary"``, ``"instances"`` or ``"instance-files"``: what the
        masks hold; ``"auto"`` finds out where there is no doubt.
    classes : tuple of str, optional
        Names in index order.
    palette : mapping of str to colour, optional
        Colour of each class in palette masks.
    classes_file : Path, optional
        A ``classes.json`` with names and colours; by default the one in the folder of masks or in
        its parent. What is given here goes before what the file says.
    ignore_value : int, optional
        Value of pixels without a label. By default 255 in masks of indices, none in others; 0 lets
        the classes of masks of indices count from 1.
    threshold : int, optional
        Cuts black and white masks with soft edges: this value and larger ones are foreground.
    overlaps : Overlaps, optional
        Who gets a pixel that lies in several ``instance-files`` of one image.
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
        By default measured, between the percentiles.
    percentiles : Percentiles
        Of the values of all 16-bit images; by default 0.1 and 99.9, which pass over hot pixels.
    range_per_image : bool
        Whether each 16-bit image has a range of its own.
    reading : Reading
        What the owner says of files that are turned, show 0 white, or have more channels.
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
    threshold: int | None = None
    overlaps: Overlaps | None = None
    percentiles: Percentiles = PERCENTILES
    range_per_image: bool = False
    reading: Reading = AS_STORED

    @property
    def masks(self) -> MaskOptions:
        """The options of the masks."""
        return MaskOptions(
            kind=self.kind,
            ignore_value=self.ignore_value,
            threshold=self.threshold,
            overlaps=self.overlaps,
            palette=self.palette,
            ignore_colour=self.ignore_colour,
            reading=self.reading,
        )


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
        JPEG, PNG, BMP, TIFF or WebP, 8 or 16 bit, grey or RGB.
    masks : Path or None
        PNG, BMP, TIFF or lossless WebP. May be the same folder as `images`, if the masks have a
        suffix, or lie in folders named ``masks``, one file for each object.
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
    options.masks.check()
    check_out(out)
    check_scale(options.scale)
    problems: list[str] = []
    plan = make_plan(images, masks, options, problems)
    return write_dataset(plan, out, problems=problems, progress=progress)


def make_plan(
    images: Path, masks: Path | None, options: PrepareOptions, problems: list[str]
) -> Plan:
    """Plan of reading a folder, from the files' names and the masks' values.

    Parameters
    ----------
    images, masks, options
        As `prepare_folder` takes them.
    problems : list of str
        Grows by what is wrong or not clear; the plan's rule is None if it cannot be told.

    Raises
    ------
    PrepareError
        If the folders are laid out in another way than was said, in one sentence.
    """
    items = _find_items(images, masks, options, problems)
    options = _with_classes_file(masks, options, problems)
    rule, names = _mask_rule(items, options, problems)
    source = f"images {images.name!r}" + ("" if masks is None else f", masks {masks.name!r}")
    kind = "unknown" if rule is None else rule.kind.value
    return Plan(
        items,
        rule,
        names,
        f"{source} ({kind})",
        scale=options.scale,
        ranges=RangeChoice(options.value_range, options.percentiles, options.range_per_image),
        reading=options.reading,
    )


def _mask_rule(
    items: list[PairedImage], options: PrepareOptions, problems: list[str]
) -> tuple[MaskRule | None, tuple[str, ...]]:
    files = [item.mask for item in items if item.mask is not None]
    return choose_rule(files, options.classes, options.masks, problems)


def _find_items(
    images: Path, masks: Path | None, options: PrepareOptions, problems: list[str]
) -> list[PairedImage]:
    """Images with their masks and groups; adds to `problems`."""
    try:
        image_files, mask_files = _list_files(images, masks, options)
    except PrepareError:
        raise
    except SourceError as error:
        problems.append(str(error))
        return []
    images_by_stem, image_problems = index_by_stem(image_files)
    problems += image_problems
    if options.kind == MaskKind.INSTANCE_FILES:
        items, pair_problems = _pair_objects(images_by_stem, mask_files, options)
    else:
        items, pair_problems = _pair(images_by_stem, mask_files, options)
    problems += pair_problems
    if not items:
        problems.append(
            f"{str(images)!r}: no images. Give a folder of JPEG, PNG, BMP, TIFF or WebP files."
        )
    if options.groups is not None:
        rows, table_problems = read_table(options.groups)
        problems += table_problems
        if rows:
            items, row_problems = apply_table(items, rows, options.groups.name)
            problems += row_problems
    return items


def _pair(
    images: dict[str, StoredFile], mask_files: list[StoredFile], options: PrepareOptions
) -> tuple[list[PairedImage], list[str]]:
    """One mask for each image."""
    _check_layout(images, mask_files, options)
    masks, mask_problems = index_by_stem(mask_files)
    items, pair_problems = pair(
        images,
        masks,
        mask_suffix=options.mask_suffix,
        allow_missing_masks=options.allow_missing_masks,
    )
    return items, [*mask_problems, *pair_problems]


def _pair_objects(
    images: dict[str, StoredFile], mask_files: list[StoredFile], options: PrepareOptions
) -> tuple[list[PairedImage], list[str]]:
    """Several files of objects for each image."""
    return pair_objects(
        images,
        [file for file in mask_files if file.is_image],
        mask_suffix=options.mask_suffix,
        allow_missing_masks=options.allow_missing_masks,
    )


def _check_layout(
    images: dict[str, StoredFile], mask_files: list[StoredFile], options: PrepareOptions
) -> None:
    """Recognise one file for each object, where one for each image was expected.

    Raises
    ------
    PrepareError
        With one sentence in place of one for each file.
    """
    files = [file for file in mask_files if file.is_image]
    if len(files) <= len(images):
        return
    found, orphans, _ = assign_objects(images, files, mask_suffix=options.mask_suffix)
    most = max(map(len, found.values()), default=0)
    if most > 1 and len(orphans) < len(files) / 2:
        problem = (
            f"the {len(files):,} files of masks look like one for each object: up to {most} "
            f"belong to one image, e.g. {max(found.values(), key=len)[0].name!r}. Say "
            "--kind instance-files to read them so."
        )
        raise PrepareError([problem])


def _list_files(
    images: Path, masks: Path | None, options: PrepareOptions
) -> tuple[list[StoredFile], list[StoredFile]]:
    """Files of images and of masks; one folder may hold both, or lie in the other."""
    if masks is None:
        files = list_folder(images)
        _refuse_masks_as_images(images, files)
        return files, []
    if images.resolve() != masks.resolve():
        found, files = list_folder(images, skip=masks), list_folder(masks, skip=images)
        _refuse_masks_as_images(images, found)
        return found, files
    files = list_folder(images)
    if options.kind == MaskKind.INSTANCE_FILES and not options.mask_suffix:
        is_mask = [is_in_mask_folder(file) for file in files]
    elif options.mask_suffix:
        is_mask = [file.stem.endswith(options.mask_suffix) for file in files]
    else:
        _refuse_masks_as_images(images, files)
        raise SourceError(
            f"images and masks are both in {str(images)!r}. Say by what suffix the masks' names "
            "differ, or give two folders."
        )
    return (
        [file for file, chosen in zip(files, is_mask, strict=True) if not chosen],
        [file for file, chosen in zip(files, is_mask, strict=True) if chosen],
    )


def _refuse_masks_as_images(folder: Path, files: list[StoredFile]) -> None:
    """Recognise masks among the images, by the names of their folders.

    Raises
    ------
    PrepareError
        With one sentence in place of one for each file.
    """
    pictures = [file for file in files if file.is_image]
    masks = [file for file in pictures if is_in_mask_folder(file)]
    if not masks or len(masks) == len(pictures):  # a whole set of that name is what was meant
        return
    problem = (
        f"{str(folder)!r}: {len(masks):,} of its {len(pictures):,} pictures lie in folders of "
        f"masks, e.g. {masks[0].name!r}, so they are no images to label. If each of them is "
        f"one object of an image beside it, say --masks {folder} --kind instance-files; if "
        "each is the mask of an image, give the folder of images and the folder of masks."
    )
    raise PrepareError([problem])


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
    ignore_value = options.ignore_value
    if ignore_value is None and options.kind not in WITHOUT_VALUES:
        ignore_value = said.ignore_index
    return replace(
        options,
        classes=options.classes if first else said.classes,
        palette=options.palette if first else said.colours,
        ignore_value=ignore_value,
        ignore_colour=options.ignore_colour or said.ignore_colour,
    )
