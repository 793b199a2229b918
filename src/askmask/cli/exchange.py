"""Commands that speak with other programs: export, import."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from askmask.cli.arguments import (
    AsJson,
    FormatName,
    OutPath,
    ProjectPath,
    console,
    errors,
)
from askmask.cli.file_options import (
    IgnoreValue,
    MaskColours,
    MaskKindName,
    OrientationName,
    Threshold,
    WhiteIsZeroName,
    painted_options,
)
from askmask.cli.output import print_json
from askmask.cli.screen import Clock, command
from askmask.data.prepare.mask_options import FIND_OUT
from askmask.data.prepare.said import reading
from askmask.formats.by_name import FormatOptions
from askmask.loop.exchange import KEPT, Imported, export_project, import_answers
from askmask.loop.project import Project


def export_command(
    project: ProjectPath,
    out: OutPath,
    format_name: FormatName,
    what: Annotated[
        str, typer.Option(help="What to write: queries, answers or predictions.")
    ] = "queries",
    tolerance: Annotated[
        float | None,
        typer.Option(help="Pixels by which polygons may stray (coco, qupath); coco: RLE if unset."),
    ] = None,
    image_prefix: Annotated[
        str | None,
        typer.Option(help="label-studio: link pictures by this prefix instead of embedding them."),
    ] = None,
) -> None:
    """Write what was asked, answered or predicted for another program."""
    clock = Clock()
    options = FormatOptions(tolerance=tolerance, image_prefix=image_prefix)
    with Project.open(project) as opened:
        count = export_project(
            opened, out, what=what, format_name=format_name, options=options, lap=clock.lap
        )
    clock.lap("writing")
    console.say(f"Exported {count} {what} as {format_name}: {out}")
    console.print(clock.words())
    if what == "queries":
        console.say(
            f"Next: label them, then {command('import', project)} PATH --format {format_name}"
        )


def import_command(  # noqa: PLR0913, PLR0917 - one per fact about the file
    project: ProjectPath,
    path: Annotated[Path, typer.Argument(help="File or folder to read.", metavar="PATH")],
    format_name: FormatName,
    author: Annotated[str, typer.Option(help="Who labelled.")] = "unknown",
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="askmask-export.json of the export, if it lies neither beside PATH nor above."
        ),
    ] = None,
    empty: Annotated[
        str | None,
        typer.Option(help="coco: what images without an annotation are: background, or skip them."),
    ] = None,
    area: Annotated[
        str | None,
        typer.Option(
            help="qupath: what was looked at without a Region* rectangle: image, or regions only."
        ),
    ] = None,
    skip_kept_apart: Annotated[
        bool,
        typer.Option("--skip-kept-apart", help="Pass over images kept for validation and testing."),
    ] = False,
    kind: MaskKindName = "auto",
    ignore_value: IgnoreValue = None,
    threshold: Threshold = None,
    colours: MaskColours = None,
    white_is_zero: WhiteIsZeroName = None,
    orientation: OrientationName = None,
    as_json: AsJson = False,
) -> None:
    """Take labels that were made in another program in as answers.

    All of them are kept, or none if one does not fit.
    """
    clock = Clock()
    with Project.open(project) as opened:
        clock.lap("loading")
        masks = painted_options(
            kind=kind,
            ignore_value=ignore_value,
            threshold=threshold,
            colours=colours,
            files=reading(orientation, None, white_is_zero),
            names=opened.source.classes.names,
        )
        imported = import_answers(
            opened,
            path,
            format_name=format_name,
            author=author,
            options=FormatOptions(
                empty=empty, area=area, masks=None if masks == FIND_OUT else masks
            ),
            manifest=manifest,
            skip_kept_apart=skip_kept_apart,
            lap=clock.lap,
        )
    if as_json:
        print_json(_facts(imported))
        errors.print(clock.words())
        return
    _tell(imported, path)
    console.print(clock.words())
    console.say(f"Next: {command('train', project)}")


def _facts(imported: Imported) -> dict[str, Any]:  # Any: JSON
    items = [
        {"name": item.name, "image": item.region.image_id, "outcome": item.outcome}
        for item in imported.items
    ]
    return {"items": items, "passed_over": dict(imported.passed_over)}


def _tell(imported: Imported, path: Path) -> None:
    total = len(imported.items)
    console.print(f"Kept {imported.kept} answers of {total} labelled items in {path}.")
    if imported.passed_over:
        counts = ", ".join(f"{count} {what}" for what, count in imported.passed_over.items())
        console.print(f"Passed over: {counts}.")
    reasons = Counter(item.outcome for item in imported.items if item.outcome != KEPT)
    if reasons:
        table = Table(title="Not kept")
        table.add_column("items")
        table.add_column("why")
        table.add_column("for instance")
        for reason, count in reasons.items():
            one = next(item for item in imported.items if item.outcome == reason)
            table.add_row(str(count), reason, one.name)
        console.print(table)
