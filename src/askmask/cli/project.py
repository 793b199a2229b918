"""Commands of a project's loop: init, train, ask, tell, status."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from askmask.cli.arguments import AsJson, MaskKindName, Overrides, ProjectPath, console
from askmask.cli.folders import ImageFolders, prepare_images, settings_for
from askmask.cli.output import print_json, progress_bars
from askmask.config import load_config
from askmask.data.prepared import PreparedSource
from askmask.errors import ConfigError, ProjectError
from askmask.formats.painted_files import read_answers, write_query
from askmask.loop.project import CONFIG_NAME, Project
from askmask.records import Query


def init(
    project: ProjectPath,
    overrides: Overrides = None,
    dataset: Annotated[Path | None, typer.Option("--data", help="A prepared data set.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of images, in its place.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of masks with the same stems.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Class names in index order, by commas: background,gland")
    ] = None,
    kind: MaskKindName = "auto",
) -> None:
    """Make a project from images or a prepared data set, and take in the masks that are known."""
    folders = None if images is None else ImageFolders(images, masks, classes, kind)
    init_project(project, dataset, overrides or [], folders=folders)


def train(project: ProjectPath) -> None:
    """Fit this round's model to everything labelled so far."""
    from askmask.loop.loop import Loop

    with Project.open(project) as opened, progress_bars(console) as show:
        record = Loop(opened, on_progress=show).train()
    console.print(
        f"Round {record.round}: trained {record.steps} steps in {record.elapsed_seconds:.0f} s, "
        f"last loss {record.loss:.3f}. Next: askmask evaluate {project}, askmask ask {project}"
    )


def ask(project: ProjectPath, as_json: AsJson = False) -> None:
    """Choose what to label next, and write it as files to be painted."""
    from askmask.loop.loop import Loop

    with Project.open(project) as opened, progress_bars(console) as show:
        loop = Loop(opened, on_progress=show)
        query = loop.ask()
        folder = write_query(
            query_folder(opened, query),
            query,
            opened.source,
            score=lambda image_id: loop.score_map(image_id, query.round),
            prediction=lambda image_id: loop.predicted_labels(image_id, query.round - 1),
        )
    if as_json:
        print_json(asdict(query) | {"folder": str(folder)})
        return
    table = Table(title=f"Round {query.round}: {query.acquisition}, {len(query.items)} asked")
    for heading in ("#", "image", "row", "col", "size", "score"):
        table.add_column(heading)
    for item in query.items:
        region = item.region
        size = f"{region.height}x{region.width}"
        place = (str(item.rank + 1), region.image_id, str(region.row), str(region.col), size)
        table.add_row(*place, f"{item.score:.4g}")
    console.print(table)
    console.print(f"Paint *_mask.png in {folder}, then: askmask tell {project}")


def tell(
    project: ProjectPath,
    author: Annotated[str, typer.Option(help="Who painted the masks.")] = "unknown",
    folder: Annotated[
        Path | None, typer.Option(help="Where the masks are, if not in the query's folder.")
    ] = None,
) -> None:
    """Read the painted masks of the present query back as answers."""
    from askmask.loop.loop import Loop

    with Project.open(project) as opened:
        query = opened.store.newest_query()
        if query is None:
            raise ProjectError(f"expected a query in {str(project)!r}, found none. Ask first.")
        where = folder or query_folder(opened, query)
        answers = read_answers(where, query, opened.source.classes, author=author)
        if not answers:
            raise ProjectError(
                f"expected painted masks named *_mask.png in {str(where)!r}, found none. "
                "Save a mask beside its region, or name another folder with --folder."
            )
        open_regions = {item.region for item in opened.store.unanswered(query.round)}
        new = [answer for answer in answers if answer.region in open_regions]
        count = Loop(opened).tell(new)
        left = len(opened.store.unanswered(query.round))
    console.print(
        f"Kept {count} answers ({len(answers) - count} were known); {left} regions of round "
        f"{query.round} are open. Next: askmask train {project}"
    )


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
    folders: ImageFolders | None = None,
) -> None:
    """Make a project and take in the masks of its start images.

    From a prepared data set, or from `folders`, which are checked and prepared inside the project.

    Raises
    ------
    ConfigError
        Unless exactly one of the two is given.
    PrepareError
        With a line for every problem of every image; nothing is left behind then.
    """
    if (dataset is None) == (folders is None):
        raise ConfigError(
            "expected either --data DATASET or --images FOLDER, got both or neither. Give the one "
            "that you have."
        )
    if (root / CONFIG_NAME).exists():
        raise ProjectError(
            f"expected no project in {str(root)!r}, found {CONFIG_NAME}. "
            "Choose another folder, or go on with that project."
        )
    if folders is None:
        assert dataset is not None, "checked above"
        _make_project(root, dataset, overrides)
        return
    prepared = root / "dataset"
    prepare_images(folders, prepared)
    try:
        _make_project(root, prepared, overrides)
    except BaseException:
        if not (root / CONFIG_NAME).exists():  # else the project stands, and needs its images
            shutil.rmtree(prepared, ignore_errors=True)
        raise


def _make_project(root: Path, dataset: Path, overrides: list[str]) -> None:
    from askmask.loop.loop import Loop
    from askmask.loop.oracle import MaskOracle

    base = Path(__file__).parent / "templates" / "askmask.yaml"
    fitting = settings_for(PreparedSource(dataset).images())
    config = load_config(base, [f"data.path={dataset.resolve()}", *fitting, *overrides])
    with Project.create(root, config) as project:
        count = Loop(project).tell_start(MaskOracle(project.source))
        roles = project.roles
        console.print(
            f"Project {root}: {count} labelled images to start from, {len(roles.validation)} kept "
            f"for validation, {len(roles.pool)} in the pool. Settings: {root / CONFIG_NAME}"
        )
        if not roles.validation:
            console.print(
                "No image is kept for validation, so nothing will tell whether the model gets "
                "better: label a few whole images, and give their masks."
            )
    first = "askmask serve" if count == 0 else "askmask train"
    console.print(f"Next: {first} {root}" + ("" if count == 0 else f", or askmask serve {root}"))


def query_folder(project: Project, query: Query) -> Path:
    """Folder of a query's files."""
    return project.root / "queries" / f"round_{query.round:03d}"


def _status(project: Project) -> dict[str, object]:
    store = project.store
    query = store.newest_query()
    present = 0 if query is None else query.round
    trained = [r.round for r in store.trainings() if r.status == "finished"]
    pixels = store.labelled_pixels()
    facts: dict[str, object] = {
        "round": present,
        "images": len(project.images),
        "pool_images": len(project.roles.pool),
        "labelled_images": len(list(store.labelled_images())),
        "labelled_pixels": pixels,
        "labelled_fraction": round(pixels / project.pool_pixels, 4),
        "regions_asked": 0 if query is None else len(query.items),
        "regions_open": len(store.unanswered(present)) if query else 0,
        "models": [project.model_path(number).name for number in sorted(set(trained))],
    }
    if trained:
        newest = store.metrics(max(trained))
        wanted = ("mean_dice", "object_f1", "ece", "recalibrated_ece", "nll", "brier")
        for row in newest:
            if row.metric in wanted and (row.group, row.class_name) == ("all", "all"):
                facts[f"{row.split}_{row.metric}"] = round(row.value, 4)
    return facts
