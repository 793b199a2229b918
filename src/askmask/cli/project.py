"""Commands of a project's loop: init, train, ask, tell, status."""

from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from askmask.cli.arguments import (
    AsJson,
    ClusterName,
    Overrides,
    ProjectPath,
    SendImages,
    console,
    progress_console,
)
from askmask.cli.file_options import (
    Channels,
    ClassNames,
    IgnoreValue,
    MaskColours,
    MaskKindName,
    MaskSuffix,
    OrientationName,
    OverlapsName,
    OwnMpp,
    SlidePaths,
    Threshold,
    TissueName,
    ValueRange,
    WhiteIsZeroName,
    painted_options,
    slide_choice,
)
from askmask.cli.output import print_json, progress_bars
from askmask.cli.prepare import counting, print_slides, print_summary
from askmask.cli.screen import Clock, Screen, command
from askmask.config import load_written_config
from askmask.data.from_config import open_source
from askmask.data.prepare.folder import PrepareOptions
from askmask.data.prepare.said import folder_options, reading
from askmask.data.slides.slide_set import read_slide_set
from askmask.errors import ConfigError, ProjectError
from askmask.formats.painted_files import MASK_SUFFIX, read_answers, write_query
from askmask.loop.alone import alone
from askmask.loop.begin.create import SLIDES_FOLDER, ImageFolders, Slides, create_project
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import CONFIG_NAME, Project
from askmask.records import UNLABELLED, Answer, Query

if TYPE_CHECKING:  # it loads torch
    from askmask.loop.loop import Loop


def init(  # noqa: PLR0913, PLR0917 - one per fact about the files
    project: ProjectPath,
    overrides: Overrides = None,
    dataset: Annotated[Path | None, typer.Option("--data", help="A prepared data set.")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Images from another package, in its place.", metavar="PACKAGE:FACTORY"),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images, in its place.")] = None,
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
    slides: SlidePaths = None,
    mpp: OwnMpp = None,
    tissue: TissueName = None,
) -> None:
    """Make a project from images, slides or a prepared data set, and take in known masks."""
    clock = Clock()
    options = folder_options(
        kind=kind,
        classes=classes,
        mask_suffix=mask_suffix,
        ignore_value=ignore_value,
        threshold=threshold,
        overlaps=overlaps,
        value_range=value_range,
        files=reading(orientation, channels, white_is_zero),
    )
    if slides is not None:
        given = slide_choice(slides, mpp, tissue, options, masks)
        init_project(project, dataset, overrides or [], folders=given, source=source, clock=clock)
        return
    if mpp is not None or tissue is not None:
        raise ConfigError(
            "expected --slides SLIDES with --mpp and --tissue, got none: they say how slides are "
            "read. Give the slides, or leave them out."
        )
    if images is None and (masks is not None or options != PrepareOptions()):
        raise ConfigError(
            "options of images and masks were given without --images: a prepared data set is read "
            "as it was prepared. Give --images FOLDER, or leave them out."
        )
    folders = None if images is None else ImageFolders(images, masks, options)
    init_project(project, dataset, overrides or [], folders=folders, source=source, clock=clock)


def train(project: ProjectPath) -> None:
    """Fit this round's model to everything labelled so far."""
    clock = Clock()
    from askmask.loop.loop import Loop

    with (
        Project.open(project) as opened,
        alone(opened, console.say),
        progress_bars(console) as show,
    ):
        loop = Loop(opened, on_progress=clock.listening(show))
        _take_in_known_masks(loop)
        clock.lap("loading")
        record = loop.train()
    clock.lap("saving and recalibrating")
    told = f"{record.reason}."
    if record.steps > 0:  # else the model before stays in use
        told = f"trained {record.steps} steps in {record.elapsed_seconds:.0f} s, "
        told += f"last loss {record.loss:.3f}."
        if record.reason is not None:
            told += f" But {record.reason}: label more, and train again."
    console.print(f"Round {record.round}: {told} {clock.words()}")
    console.say(f"Next: {command('evaluate', project)}, {command('ask', project)}")


def _take_in_known_masks(loop: "Loop", screen: Screen = console) -> None:
    """Take in masks that the data set has and the project lacks; say so."""
    taken = loop.tell_start(MaskOracle(loop.project.source))
    if taken:
        screen.print(f"Took in {taken} known masks that the project lacked.")


def ask(
    project: ProjectPath,
    cluster: ClusterName = None,
    send_images: SendImages = False,
    as_json: AsJson = False,
) -> None:
    """Choose what to label next, and write it as files to be painted."""
    clock = Clock()
    from askmask.loop.elsewhere.workplace import workplace
    from askmask.loop.loop import Loop
    from askmask.loop.slides.overviews import write_overviews

    screen = progress_console(as_json=as_json)
    with (
        Project.open(project) as opened,
        alone(opened, screen.say),
        workplace(cluster, send_images=send_images) as elsewhere,
        progress_bars(screen) as show,
    ):
        loop = Loop(opened, on_progress=clock.listening(show), elsewhere=elsewhere)
        _take_in_known_masks(loop, screen)
        clock.lap("loading")
        query = loop.ask()
        is_first = query.model is None  # asked cold: no model has said anything yet
        predicted = partial(loop.predicted_labels, round=query.round - 1)
        folder = write_query(
            query_folder(opened, query),
            query,
            opened.source,
            score=lambda image_id: None if is_first else loop.score_map(image_id, query.round),
            prediction=None if is_first else predicted,
        )
        write_overviews(opened, query, folder)
        area = _square_mm(opened, sum(item.new_pixels for item in query.items))
    clock.lap("writing")
    screen.print(clock.words())
    if as_json:
        print_json(asdict(query) | {"folder": str(folder)} | area)
        return
    table = Table(title=f"Round {query.round}: {query.acquisition}, {len(query.items)} asked")
    for heading in ("#", "image", "row", "col", "size", "score"):
        table.add_column(heading, overflow="fold")
    for item in query.items:
        region = item.region
        size = f"{region.height}x{region.width}"
        place = (str(item.rank + 1), region.image_id, str(region.row), str(region.col), size)
        table.add_row(*place, f"{item.score:.4g}")
    console.print(table)
    for square_mm in area.values():
        console.print(f"Together {square_mm:.3g} mm2 to label.")
    console.say(f"Paint *_mask.png in {folder}, then: {command('tell', project)}")


def tell(  # noqa: PLR0913, PLR0917 - one per fact about the files
    project: ProjectPath,
    author: Annotated[str, typer.Option(help="Who painted the masks.")] = "unknown",
    folder: Annotated[
        Path | None, typer.Option(help="Where the masks are, if not in the query's folder.")
    ] = None,
    mask_suffix: MaskSuffix = MASK_SUFFIX,
    kind: MaskKindName = "auto",
    ignore_value: IgnoreValue = None,
    threshold: Threshold = None,
    colours: MaskColours = None,
    white_is_zero: WhiteIsZeroName = None,
    orientation: OrientationName = None,
) -> None:
    """Read the painted masks of the present query back as answers."""
    clock = Clock()
    from askmask.loop.loop import Loop

    with Project.open(project) as opened:
        clock.lap("loading")
        query = opened.store.newest_query()
        if query is None:
            raise ProjectError(f"expected a query in {str(project)!r}, found none. Ask first.")
        where = folder or query_folder(opened, query)
        classes = opened.source.classes
        options = painted_options(
            kind=kind,
            ignore_value=ignore_value,
            threshold=threshold,
            colours=colours,
            files=reading(orientation, None, white_is_zero),
            names=classes.names,
        )
        answers = read_answers(
            where, query, classes, author=author, masks=options, mask_suffix=mask_suffix
        )
        if not answers:
            raise ProjectError(
                f"expected painted masks named *{mask_suffix}.png in {str(where)!r}, found none. "
                "Save a mask beside its region, or name another folder with --folder."
            )
        clock.lap("reading masks")
        open_regions = {item.region for item in opened.store.unanswered(query.round)}
        new = [a for a in answers if a.region in open_regions or _is_corrected(opened, a)]
        count = Loop(opened).tell(new)
        left = len(opened.store.unanswered(query.round))
    clock.lap("keeping answers")
    console.print(
        f"Kept {count} answers ({len(answers) - count} were known); {left} regions of round "
        f"{query.round} are open."
    )
    console.print(clock.words())
    console.say(f"Next: {command('train', project)}")


def _is_corrected(project: Project, answer: Answer) -> bool:
    """Whether a mask gives some pixel another label than is known."""
    labels = answer.mask.labels
    known = project.store.labelled_region(answer.region).labels
    return bool(((labels != UNLABELLED) & (labels != known)).any())


def status(project: ProjectPath, as_json: AsJson = False) -> None:
    """Tell where the loop stands: round, labelled, pending, models, newest scores."""
    with Project.open(project) as opened:
        facts = _status(opened)
    if as_json:
        print_json(facts)
        return
    table = Table(title=f"Project {project}", show_header=False)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), str(value))
    console.print(table)


def init_project(
    root: Path,
    dataset: Path | None,
    overrides: list[str],
    *,
    folders: ImageFolders | Slides | None = None,
    source: str | None = None,
    clock: Clock | None = None,
) -> None:
    """Make a project as `create_project` does, and tell what it came to."""
    clock = clock or Clock()
    with nullcontext() if folders is None else counting("checking images") as show:
        begun = create_project(
            root,
            dataset=dataset,
            folders=folders,
            source=source,
            overrides=overrides,
            progress=show,
            lap=clock.lap,
            on_prepared=lambda summary: print_summary(summary, shown_as=root / "dataset"),
        )
    from askmask.serve.start.known import note_project

    note_project(root)
    if isinstance(folders, Slides):
        print_slides(read_slide_set(root / SLIDES_FOLDER))
    for note in begun.notes:
        console.print(note)
    console.say(
        f"Project {root}: {begun.labelled} labelled images to start from, {begun.validation} kept "
        f"for validation, {begun.pool} in the pool. Settings, and why: {root / CONFIG_NAME}"
    )
    if not begun.validation:
        console.print(
            "No image is kept for validation, so nothing will tell whether the model gets "
            "better: label a few whole images, and give their masks."
        )
    console.print(_means_of(root))
    console.print(clock.words())
    first, other = ("serve", "ask") if begun.labelled == 0 else ("train", "serve")
    console.say(f"Next: {command(first, root)}, or {command(other, root)}")


def _means_of(root: Path) -> str:
    """Which classes the means of a new project cover, and the setting that changes it."""
    from askmask.metrics.coverage import means_cover

    config = load_written_config(root / CONFIG_NAME)
    names = open_source(config.data).classes.names
    has_background = config.evaluation.has_background
    words = means_cover(names, has_background=has_background)
    if has_background:
        words += (
            " If it is a class like the others, set evaluation.has_background to false in "
            "askmask.yaml before you train."
        )
    return words


def query_folder(project: Project, query: Query) -> Path:
    """Folder of a query's files."""
    return project.root / "queries" / f"round_{query.round:03d}"


def _square_mm(project: Project, pixels: int) -> dict[str, float]:
    """Area of so many pixels of slides; empty for plain images, whose scale nobody knows."""
    from askmask.data.slides.slide_source import SlideSource

    source = project.source
    if not isinstance(source, SlideSource):
        return {}
    return {"area_mm2": round(pixels * source.mpp**2 / 1e6, 6)}


def _of_slides(project: Project, pixels: int) -> dict[str, object]:
    """Labelled area, and how much there is; empty for plain images."""
    from askmask.data.slides.slide_source import SlideSource

    source = project.source
    if not isinstance(source, SlideSource):
        return {}
    slides = source.slide_set.slides
    areas = [slide.height * slide.width * slide.mpp**2 / 1e6 for slide in slides]
    tissue = sum(
        area * source.tissue_share(slide) for area, slide in zip(areas, slides, strict=True)
    )
    return {
        "slides": len(slides),
        "labelled_mm2": round(pixels * source.mpp**2 / 1e6, 4),
        "tissue_mm2": round(tissue, 2),
    }


def _status(project: Project) -> dict[str, object]:
    from askmask.metrics.coverage import means_cover, objects_are

    store = project.store
    query = store.newest_query()
    present = 0 if query is None else query.round
    trained, newest = store.finished_trainings(), project.newest_training()
    pixels = store.labelled_pixels()
    facts: dict[str, object] = {
        "round": present,
        "images": len(project.images),
        "pool_images": len(project.roles.pool),
        "labelled_images": len(list(store.labelled_images())),
        "labelled_pixels": pixels,
        "labelled_fraction": round(pixels / project.pool_pixels, 4),
        **_of_slides(project, pixels),
        "regions_asked": 0 if query is None else len(query.items),
        "regions_open": len(store.unanswered(present)) if query else 0,
        "models": [project.model_path(n).name for n in sorted({r.round for r in trained})],
    }
    facts["means"] = means_cover(
        project.source.classes.names, has_background=project.config.evaluation.has_background
    )
    if newest is not None:
        rows = store.metrics(newest.round)
        smallest = project.config.evaluation.min_object_pixels
        facts["objects"] = objects_are((row.metric for row in rows), smallest) or "not scored"
        wanted = ("mean_dice", "object_f1", "ece", "recalibrated_ece", "nll", "brier")
        for row in rows:
            if row.metric in wanted and (row.group, row.class_name) == ("all", "all"):
                facts[f"{row.split}_{row.metric}"] = round(row.value, 4)
    return facts
