"""The command that says what would be read of a folder, and shows it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich import box
from rich.table import Table

from askmask.cli.arguments import AsJson, Scale, console, progress_console
from askmask.cli.file_options import (
    Channels,
    ClassNames,
    IgnoreValue,
    MaskKindName,
    MaskSuffix,
    OrientationName,
    OverlapsName,
    Threshold,
    ValueRange,
    WhiteIsZeroName,
)
from askmask.cli.output import print_json
from askmask.cli.prepare import counting
from askmask.data.prepare.folder import PrepareOptions, make_plan
from askmask.data.prepare.overview import FileGroup, Overview, look
from askmask.data.prepare.said import folder_options, reading
from askmask.data.prepare.writing import Ticks
from askmask.errors import PrepareError


def check(  # noqa: PLR0913, PLR0917 - one per fact about the files
    images: Annotated[
        Path,
        typer.Argument(help="Folder of images, or of images/ and masks/.", metavar="FOLDER"),
    ],
    masks: Annotated[Path | None, typer.Option(help="Folder of masks with the same stems.")] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Write a contact sheet of images and masks: a .png or .html file."),
    ] = None,
    classes: ClassNames = None,
    kind: MaskKindName = "auto",
    mask_suffix: MaskSuffix = "",
    ignore_value: IgnoreValue = None,
    threshold: Threshold = None,
    overlaps: OverlapsName = None,
    white_is_zero: WhiteIsZeroName = None,
    orientation: OrientationName = None,
    channels: Channels = None,
    value_range: ValueRange = None,
    scale: Scale = 1.0,
    as_json: AsJson = False,
) -> None:
    """Tell what would be read of images and masks, and show it; nothing else is written."""
    options = folder_options(
        kind=kind,
        classes=classes,
        mask_suffix=mask_suffix,
        ignore_value=ignore_value,
        threshold=threshold,
        overlaps=overlaps,
        value_range=value_range,
        files=reading(orientation, channels, white_is_zero),
        allow_missing_masks=True,
        scale=scale,
    )
    if masks is None and (images / "images").is_dir() and (images / "masks").is_dir():
        images, masks = images / "images", images / "masks"
    overview = _look(images, masks, options, as_json=as_json)
    if as_json:
        print_json(_facts(overview))
    else:
        _show(overview)
    if sheet is not None:
        from askmask.data.prepare.contact_sheet import write_sheet

        count = write_sheet(overview, sheet)
        progress_console(as_json=as_json).print(f"Contact sheet of {count} images: {sheet}")
    if overview.problems:
        raise PrepareError(overview.problems)


def _look(images: Path, masks: Path | None, options: PrepareOptions, *, as_json: bool) -> Overview:
    options.masks.check()
    problems: list[str] = []
    plan = make_plan(images, masks, options, problems)
    if masks is None:  # nobody needs to name classes to look at images
        problems = [problem for problem in problems if not problem.startswith("classes:")]
    with counting("looking", on=progress_console(as_json=as_json)) as show:
        ticks = Ticks(2 * len(plan.items), show)
        return look(plan, problems, on_item=ticks.advance)


def _show(overview: Overview) -> None:
    without = sum(not seen.item.has_mask for seen in overview.items)
    for heading, groups in (("images", overview.images), ("masks", overview.masks)):
        if groups:
            console.print(_file_table(heading, groups))
    if without and overview.masks:
        console.print(f"{without} of {len(overview.items)} images have no mask.")
    if overview.extremes is not None:
        console.print(_brightness(overview))
    if overview.plan.rule is not None and any(seen.class_pixels for seen in overview.items):
        console.print(f"Masks are read as {overview.plan.rule.kind.value}:")
        console.print(_class_table(overview))
        console.print(_objects(overview))


def _file_table(heading: str, groups: tuple[FileGroup, ...]) -> Table:
    table = Table(title=heading, box=box.SIMPLE, title_justify="left")
    for name in ("files", "stored as", "values", "rows x columns", "e.g."):
        table.add_column(name, overflow="fold")
    for group in groups:
        small, large = (f"{rows} x {cols}" for rows, cols in (group.smallest, group.largest))
        table.add_row(
            str(group.files),
            group.words,
            f"{group.lowest:g} to {group.highest:g}",
            small if small == large else f"{small} to {large}",
            group.example,
        )
    return table


def _class_table(overview: Overview) -> Table:
    pixels = overview.class_pixels
    total = max(sum(pixels.values()), 1)
    table = Table(box=box.SIMPLE)
    for name in ("class", "share", "pixels", "in images"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for label, (name, count) in enumerate(pixels.items()):
        holding = sum(bool(s.class_pixels and s.class_pixels[label]) for s in overview.items)
        table.add_row(name, f"{count / total:.1%}", f"{count:,}", str(holding))
    if overview.unlabelled_pixels:
        table.add_row("unlabelled", "", f"{overview.unlabelled_pixels:,}", "")
    return table


def _objects(overview: Overview) -> str:
    sizes = overview.object_pixels
    how = "told apart by the masks" if overview.knows_objects else "of pixels that touch"
    if not sizes.size:
        return "No objects: every labelled pixel is of the first class."
    middle = float(np.median(sizes))
    return (
        f"{sizes.size:,} objects, {how}: {sizes[0]:,} to {sizes[-1]:,} pixels, half of them "
        f"{middle:,.0f} or less, a tenth {np.percentile(sizes, 10):,.0f} or less."
    )


def _brightness(overview: Overview) -> str:
    lowest, highest = overview.extremes or (0, 0)
    rule = overview.value_range
    if isinstance(rule, tuple):
        became = f"{rule[0]:,.0f} becomes black and {rule[1]:,.0f} white"
    else:
        became = "each image has a range of its own"
    return f"Brightness: {lowest:,} to {highest:,}; {became}."


def _facts(overview: Overview) -> dict[str, object]:
    sizes = overview.object_pixels
    return {
        "images": [asdict(group) for group in overview.images],
        "masks": [asdict(group) for group in overview.masks],
        "kind": None if overview.plan.rule is None else overview.plan.rule.kind.value,
        "images_without_mask": sum(not seen.item.has_mask for seen in overview.items),
        "class_pixels": overview.class_pixels,
        "unlabelled_pixels": overview.unlabelled_pixels,
        "objects": int(sizes.size),
        "object_pixels": sizes.tolist(),
        "objects_told_apart": overview.knows_objects,
        "extremes": overview.extremes,
        "problems": list(overview.problems),
    }
