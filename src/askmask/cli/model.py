"""Commands of a trained model: evaluate, calibrate, predict, samples."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from askmask.cli.arguments import (
    AsJson,
    ClusterName,
    OutPath,
    ProjectPath,
    SendImages,
    console,
    progress_console,
)
from askmask.cli.file_options import (
    Channels,
    OrientationName,
    OwnMpp,
    SlidePart,
    TissueName,
    ValueRange,
    is_slide_project,
    refuse_options,
    slide_options,
)
from askmask.cli.output import meaning_lines, metric_tables, print_json, progress_bars
from askmask.cli.screen import Clock
from askmask.data.pictures.picture import Orientation
from askmask.data.prepare.said import own_range, reading
from askmask.data.prepare.stored_files import list_folder, list_images
from askmask.data.slides.opening import find_slides
from askmask.errors import ConfigError, unknown_name
from askmask.loop.alone import alone
from askmask.loop.predictions import Predictions, check_free
from askmask.loop.project import Project
from askmask.loop.slides.predict_options import PredictOptions
from askmask.records import MetricRow

if TYPE_CHECKING:  # they load torch
    from askmask.experiments.run.samples_study import SamplesRow
    from askmask.loop.elsewhere.workplace import Elsewhere
    from askmask.loop.slides.predicted import PredictedSlides

METHODS = ("temperature", "vector", "histogram", "isotonic", "none")
DEFAULT = "temperature"

_SHOWN = {"nll": "NLL", "brier": "Brier", "ece": "ECE", "mean_dice": "Dice"}
_LISTED = 20  # images that the table on screen shows
_COLUMNS = 3  # classes that have columns of their own there; of more, the largest are named
ABSENT = "–"  # noqa: RUF001 a dash, as tables have it


def evaluate(
    project: ProjectPath,
    cluster: ClusterName = None,
    send_images: SendImages = False,
    as_json: AsJson = False,
) -> None:
    """Judge this round's model on the validation and test images."""
    clock = Clock()
    from askmask.loop.elsewhere.workplace import workplace
    from askmask.loop.loop import Loop
    from askmask.metrics.coverage import coverage_notes

    screen = progress_console(as_json=as_json)
    with (
        Project.open(project) as opened,
        workplace(cluster, send_images=send_images) as elsewhere,
        progress_bars(screen) as show,
    ):
        loop = Loop(opened, on_progress=clock.listening(show), elsewhere=elsewhere)
        clock.lap("loading")
        rows = loop.evaluate()
        names, evaluation = opened.source.classes.names, opened.config.evaluation
        nothing_to_judge = not (opened.roles.validation or opened.roles.test)
    clock.lap("saving")
    if nothing_to_judge:
        screen.print(
            "Nothing was judged: no image is kept for validation or testing. Give whole images "
            "with their masks, and keep some by data.validation in askmask.yaml (a number of "
            "images) or by data.test (names of splits)."
        )
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        console.print(metric_tables(rows))
        for note in [] if nothing_to_judge else coverage_notes(rows, names, evaluation):
            console.print(note)
        for line in meaning_lines(row.metric for row in rows):
            console.print(line, highlight=False)
    screen.print(clock.words())


def calibrate(
    project: ProjectPath,
    method: Annotated[
        str | None,
        typer.Option(help="temperature, vector, histogram, isotonic, or none to take it back."),
    ] = None,
    compare_query: Annotated[
        bool,
        typer.Option("--compare-query", help="Also tell whether other regions would be asked."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make the newest model's confidence mean what it says, and show before and after."""
    clock = Clock()
    from askmask.loop.calibrate import fit_recalibration
    from askmask.loop.compare_queries import compare_queries
    from askmask.loop.loop import Loop
    from askmask.metrics.coverage import coverage_notes

    screen = progress_console(as_json=as_json)
    with (
        Project.open(project) as opened,
        alone(opened, screen.say),
        progress_bars(screen) as bars,
    ):
        show = clock.listening(bars)
        loop = Loop(opened, on_progress=show)
        model = opened.model()
        clock.lap("loading")
        round, chosen = model.round, _method(method, opened)
        stored = None
        if chosen == "none":
            model = model.forget_recalibration()
        else:
            stored = fit_recalibration(model, chosen, report=show)  # type: ignore[arg-type]
            model = model.recalibrate(stored)
        rows = loop.evaluate(round)
        queries = None
        notes = coverage_notes(rows, opened.source.classes.names, opened.config.evaluation)
        if compare_query:
            queries = compare_queries(model, report=show)
    if as_json:
        facts: dict[str, object] = {"round": round, "method": chosen}
        facts |= {} if stored is None else stored.facts()
        facts |= {} if queries is None else {"query": asdict(queries)}
        print_json(facts | {"rows": [asdict(row) for row in rows]})
        return
    console.print(comparison(rows))
    for note in notes:
        console.print(note)
    for line in meaning_lines(_SHOWN):
        console.print(line, highlight=False)
    if stored is None:
        console.print(f"Round {round} is not recalibrated.")
    else:
        console.print(f"Round {round}: {stored.words()}")
    if queries is not None:
        console.print(queries.words())
    console.print(clock.words())


def predict(  # noqa: PLR0913, PLR0917 - one per fact about files and machines
    project: ProjectPath,
    images: Annotated[Path, typer.Argument(help="A folder of images, or one.", metavar="IMAGES")],
    out: OutPath,
    scale: Annotated[
        float | None,
        typer.Option(help="Shrink images first; by default as the data set was.", min=0.01, max=1),
    ] = None,
    orientation: OrientationName = Orientation.APPLY,
    channels: Channels = None,
    value_range: ValueRange = None,
    mpp: OwnMpp = None,
    part: SlidePart = None,
    tissue: TissueName = None,
    cluster: ClusterName = None,
    send_images: SendImages = False,
    as_json: AsJson = False,
) -> None:
    """Write masks, confidence maps and a table for any images or slides, by the newest model."""
    clock = Clock()
    from askmask.loop.elsewhere.workplace import workplace

    if is_slide_project(project):
        said = {"scale": scale, "channels": channels, "value_range": value_range}
        refuse_options("plain images", said)
        options = slide_options(mpp, part, tissue)
        with workplace(cluster, send_images=send_images) as elsewhere:
            _predict_slides(project, images, out, options, clock, elsewhere, as_json=as_json)
        return
    refuse_options("slides", {"mpp": mpp, "part": part, "tissue": tissue})
    from askmask.loop.predict import predict_files

    check_free(out)
    files = list_images(images, skip=out)
    ignored = 0 if images.is_file() else len(list_folder(images, skip=out)) - len(files)
    screen = progress_console(as_json=as_json)
    with (
        Project.open(project) as opened,
        workplace(cluster, send_images=send_images) as elsewhere,
        progress_bars(screen) as show,
    ):
        model = opened.model()
        clock.lap("loading")
        how, heard = reading(orientation, channels, None), clock.listening(show)
        found = predict_files(
            model,
            files,
            out,
            scale=scale,
            reading=how,
            value_range=own_range(value_range),
            report=heard,
            elsewhere=elsewhere,
        )
        names, evaluation = opened.source.classes.names, opened.config.evaluation
    if as_json:
        lines = [asdict(line) for line in found.images]
        facts = {"round": model.round, "classes": names, "ignored": ignored}
        print_json(facts | {"images": lines, "problems": found.problems})
    else:
        _show(found, names, out, ignored)
        if any(line.objects is not None for line in found.images):
            smallest = evaluation.min_object_pixels
            console.print(f"Objects have {smallest} pixels or more (evaluation.min_object_pixels).")
    screen.print(clock.words())
    found.check(out)


def _predict_slides(
    project: Path,
    slides: Path,
    out: Path,
    options: PredictOptions,
    clock: Clock,
    elsewhere: "Elsewhere | None",
    *,
    as_json: bool,
) -> None:
    from askmask.loop.slides.predict_slides import predict_slides

    screen = progress_console(as_json=as_json)
    with Project.open(project) as opened, progress_bars(screen) as show:
        model = opened.model()
        clock.lap("loading")
        heard = clock.listening(show)
        found = predict_slides(
            model,
            find_slides([slides]),
            out,
            options=options,
            report=heard,
            elsewhere=elsewhere,
        )
        names = opened.source.classes.names
    if as_json:
        lines = [asdict(line) for line in found.slides]
        print_json(
            {"round": model.round, "classes": names, "slides": lines, "problems": found.problems}
        )
    else:
        console.print(slide_table(found, names))
        console.say(f"Labels, confidence, objects and slides.csv: {out}")
    screen.print(clock.words())
    found.check(out)


def slide_table(found: "PredictedSlides", names: Sequence[str]) -> Table:
    """Predicted slides, a line each."""
    table = Table(title=f"{len(found.slides)} slides predicted")
    areas = [f"{name}, mm2" for name in names]
    for heading in ("slide", "seen, mm2", *areas, "confidence", "objects"):
        table.add_column(heading, overflow="fold")
    for line in found.slides:
        mean = ABSENT if line.mean_confidence is None else f"{line.mean_confidence:.3f}"
        told = [f"{area:.3g}" for area in (line.seen_mm2, *line.areas_mm2)]
        table.add_row(line.slide, *told, mean, str(line.objects))
    return table


def samples(
    project: ProjectPath,
    counts: Annotated[
        str, typer.Option(help="Numbers of Monte Carlo samples, by commas.")
    ] = "1,5,10,20,30,50",
    as_json: AsJson = False,
) -> None:
    """Study how many Monte Carlo samples are worth their time."""
    from askmask.experiments.run.samples_study import study_sample_counts
    from askmask.metrics.coverage import means_cover

    try:
        numbers = [int(part) for part in counts.split(",")]
    except ValueError:
        raise ConfigError(f"expected numbers by commas, like 1,5,30, got {counts!r}.") from None
    with Project.open(project) as opened, progress_bars(progress_console(as_json=as_json)):
        model = opened.model()
        rows = study_sample_counts(model, numbers)
        names, evaluation = opened.source.classes.names, opened.config.evaluation
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    console.print(samples_table(rows, model.round))
    console.print(means_cover(names, has_background=evaluation.has_background))


def samples_table(rows: "Sequence[SamplesRow]", round: int) -> Table:
    """Scores by the number of samples, a line per split and number."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    title = f"Round {round}: mean of T samples"
    table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("split", "T", *metrics):
        table.add_column(heading, overflow="fold")
    for key in dict.fromkeys((row.split, row.samples) for row in rows):
        values = {r.metric: r.value for r in rows if (r.split, r.samples) == key}
        table.add_row(key[0], str(key[1]), *(f"{values[metric]:.4f}" for metric in metrics))
    return table


def comparison(rows: Sequence[MetricRow]) -> Table:
    """Scores before and after recalibration, a line per split, group and score."""
    from askmask.metrics.recalibrated import PREFIX

    table = Table(title="Before and after recalibration", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("split", "group", "score", "before", "after"):
        table.add_column(heading, overflow="fold")
    values = {(r.split, r.group, r.metric): r.value for r in rows if r.class_name == "all"}
    for split, group in dict.fromkeys((r.split, r.group) for r in rows if r.split != "all"):
        for name, shown in _SHOWN.items():
            pair = (values.get((split, group, key), math.nan) for key in (name, PREFIX + name))
            cells = (ABSENT if math.isnan(value) else f"{value:.4f}" for value in pair)
            table.add_row(split, group, shown, *cells)
    return table


def _method(method: str | None, project: Project) -> str:
    if method is None:
        configured = project.config.calibration.method
        return DEFAULT if configured == "none" else configured
    if method not in METHODS:
        raise unknown_name("recalibration method", method, METHODS)
    return method


def _show(found: Predictions, names: tuple[str, ...], out: Path, ignored: int) -> None:
    console.print(prediction_table(found, names))
    if len(found.images) > _LISTED:
        console.print(f"... and {len(found.images) - _LISTED} more, see predictions.csv")
    if ignored:
        console.print(f"{ignored} files that are no images were left out.")
    if any(line.expected_accuracy is None for line in found.images):
        console.print("Not recalibrated: `askmask calibrate` makes confidence mean accuracy.")
    console.say(f"Masks, confidence maps and predictions.csv: {out}")


def prediction_table(found: Predictions, names: Sequence[str]) -> Table:
    """Predicted images, a line each; with many classes only the largest shares are named."""
    table = Table(title=f"{len(found.images)} images predicted")
    has_columns = len(names) <= _COLUMNS
    shares = names if has_columns else ("largest classes",)
    for heading in ("image", *shares, "confidence", "expected accuracy", "objects"):
        table.add_column(heading, overflow="fold")
    for line in found.images[:_LISTED]:
        told = [f"{share:.1%}" for share in line.shares]
        if not has_columns:
            order = sorted(range(len(names)), key=lambda index: -line.shares[index])
            told = [", ".join(f"{names[index]} {told[index]}" for index in order[:_COLUMNS])]
        expected = ABSENT if line.expected_accuracy is None else f"{line.expected_accuracy:.3f}"
        objects = ABSENT if line.objects is None else str(line.objects)
        table.add_row(line.image, *told, f"{line.mean_confidence:.3f}", expected, objects)
    return table
