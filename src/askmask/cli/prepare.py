"""Commands that make a prepared data set."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn

from askmask.cli.arguments import OutPath, Scale, console
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
from askmask.data.prepare import glas
from askmask.data.prepare.download import ProgressCallback
from askmask.data.prepare.folder import prepare_folder
from askmask.data.prepare.said import folder_options, reading
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.slides.slide_set import FIELD_SIDE, SlideSet
from askmask.errors import ConfigError

app = typer.Typer(
    help="Check a data set, report every problem at once, and write it in askmask's layout.",
    no_args_is_help=True,
)


@app.command("glas")
def prepare_glas_command(
    out: OutPath,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Folder or zip as the publisher ships it.", metavar="PATH"),
    ] = None,
    scale: Scale = 1.0,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the archive from the publisher first.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Address of the archive.")] = None,
) -> None:
    """Prepare GlaS (Warwick-QU), the gland data set of the MICCAI 2015 challenge."""
    if download:
        folder = source or Path.cwd()
        with counting("downloading GlaS", in_bytes=True) as show:
            source = glas.fetch_glas(folder, url=url or glas.ARCHIVE_URL, progress=show)
    if source is None:
        raise ConfigError(
            "expected --from FOLDER_OR_ZIP or --download, got neither. GlaS is at "
            f"{glas.ARCHIVE_URL} (research use only)."
        )
    with counting("preparing GlaS") as show:
        summary = glas.prepare_glas(source, out, scale=scale, progress=show)
    print_summary(summary)


@app.command("folder")
def prepare_folder_command(  # noqa: PLR0913, PLR0917 - one per fact about the files
    out: OutPath,
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    masks: Annotated[Path | None, typer.Option(help="Folder of masks with the same stems.")] = None,
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
    allow_missing_masks: Annotated[
        bool, typer.Option("--allow-missing-masks", help="Images without a mask are the pool.")
    ] = False,
    groups: Annotated[
        Path | None, typer.Option(help="CSV with the column image and group, split or role.")
    ] = None,
    scale: Scale = 1.0,
) -> None:
    """Prepare any folder of images and its folder of masks."""
    options = folder_options(
        kind=kind,
        classes=classes,
        mask_suffix=mask_suffix,
        ignore_value=ignore_value,
        threshold=threshold,
        overlaps=overlaps,
        value_range=value_range,
        files=reading(orientation, channels, white_is_zero),
        allow_missing_masks=allow_missing_masks,
        groups=groups,
        scale=scale,
    )
    with counting("preparing images") as show:
        summary = prepare_folder(images, masks, out, options=options, progress=show)
    print_summary(summary)


@app.command("demo")
def prepare_demo_command(
    out: OutPath,
    seed: Annotated[int, typer.Option(help="Another seed draws other tissue.")] = 0,
) -> None:
    """Draw a small, hard data set: tissue with touching glands, blur and artefacts."""
    from askmask.data.drawn.demo import write_demo

    write_demo(out, seed=seed)
    console.print(f"Drawn data set: {out}")


@contextmanager
def counting(
    label: str, *, in_bytes: bool = False, on: Console = console
) -> Iterator[ProgressCallback]:
    """Bar for one long step, drawn while the block runs."""
    amount = DownloadColumn() if in_bytes else TaskProgressColumn()
    with Progress(TextColumn(label), BarColumn(), amount, console=on, transient=True) as bars:
        task = bars.add_task(label, total=None)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total or None)  # 0: the server does not say

        yield show


def print_summary(summary: PrepareSummary, *, shown_as: Path | None = None) -> None:
    """Print what was prepared; `shown_as` is where it will be, if it is still to be moved."""
    counted = f"{summary.images} images, {summary.masks} masks"
    console.print(f"{shown_as or summary.out}: {counted}", soft_wrap=True)
    for heading, counts in (("groups", summary.groups), ("splits", summary.splits)):
        if counts:
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            console.print(f"  {heading}: {listed}")
    shares = summary.class_shares.items() if summary.masks else ()
    if shares:
        listed = ", ".join(f"{name} {share:.1%}" for name, share in shares)
        console.print(f"  masks: {summary.kind}")
        console.print(f"  classes: {listed}")
    if summary.extremes is not None:
        console.print(f"  brightness: {range_words(summary)}")


def range_words(summary: PrepareSummary) -> str:
    """Say what became black and white in 16-bit images."""
    lowest, highest = summary.extremes or (0, 0)
    rule = summary.value_range
    if isinstance(rule, tuple):
        low, high = rule
        return (
            f"{low:,.0f} becomes black and {high:,.0f} white; the images hold {lowest:,} to "
            f"{highest:,}, of which {summary.outside_range or 0:.2%} saturate (--value-range)"
        )
    return (
        f"each image has its own range, from {rule.low:g} to {rule.high:g} percent of its values; "
        f"the images hold {lowest:,} to {highest:,}"
        if rule is not None
        else "as stored"
    )


def print_slides(made: SlideSet) -> None:
    """Print what the slides of a new project came to."""
    fields = sum(len(slide.fields) for slide in made.slides)
    console.print(
        f"Slides at {made.mpp:g} micrometres per pixel: {len(made.slides)}, cut into fields of "
        f"about {FIELD_SIDE} x {FIELD_SIDE} pixels: {fields}"
    )
    for slide in made.slides:
        finer = f", scanned at {slide.mpp:g}" if slide.mpp != made.mpp else ""
        console.print(
            f"  {slide.id}: {slide.height} x {slide.width} pixels{finer}; tissue "
            f"{slide.tissue_share:.1%}, fields {len(slide.fields)}"
        )
