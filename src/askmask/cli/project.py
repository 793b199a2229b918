"""Commands of a project: init, train, ask, tell, status, evaluate, doctor."""

import shutil
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from askmask.cli.folders import ImageFolders, prepare_images, settings_for
from askmask.cli.output import metric_table, print_json, progress_bars
from askmask.config import load_config
from askmask.data.prepared import PreparedSource
from askmask.errors import ConfigError, ProjectError
from askmask.formats.painted_files import read_answers, write_query
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import CONFIG_NAME, Project
from askmask.records import Query


def init_project(
    console: Console,
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
        _make_project(console, root, dataset, overrides)
        return
    prepared = root / "dataset"
    prepare_images(console, folders, prepared)
    try:
        _make_project(console, root, prepared, overrides)
    except BaseException:
        if not (root / CONFIG_NAME).exists():  # else the project stands, and needs its images
            shutil.rmtree(prepared, ignore_errors=True)
        raise


def _make_project(console: Console, root: Path, dataset: Path, overrides: list[str]) -> None:
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


def train_project(console: Console, root: Path) -> None:
    """Fit the present round's model."""
    with Project.open(root) as project, progress_bars(console) as show:
        record = Loop(project, on_progress=show).train()
    console.print(
        f"Round {record.round}: trained {record.steps} steps in {record.elapsed_seconds:.0f} s, "
        f"last loss {record.loss:.3f}. Next: askmask evaluate {root}, askmask ask {root}"
    )


def ask_project(console: Console, root: Path, *, as_json: bool) -> None:
    """Ask the next query and write it as files."""
    with Project.open(root) as project, progress_bars(console) as show:
        loop = Loop(project, on_progress=show)
        query = loop.ask()
        folder = write_query(
            query_folder(project, query),
            query,
            project.source,
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
    console.print(f"Paint *_mask.png in {folder}, then: askmask tell {root}")


def tell_project(console: Console, root: Path, author: str, folder: Path | None) -> None:
    """Take the painted masks of the present query in."""
    with Project.open(root) as project:
        query = project.store.newest_query()
        if query is None:
            raise ProjectError(f"expected a query in {str(root)!r}, found none. Ask first.")
        where = folder or query_folder(project, query)
        answers = read_answers(where, query, len(project.source.classes), author=author)
        if not answers:
            raise ProjectError(
                f"expected painted masks named *_mask.png in {str(where)!r}, found none. "
                "Save a mask beside its region, or name another folder with --folder."
            )
        open_regions = {item.region for item in project.store.unanswered(query.round)}
        new = [answer for answer in answers if answer.region in open_regions]
        count = Loop(project).tell(new)
        left = len(project.store.unanswered(query.round))
    console.print(
        f"Kept {count} answers ({len(answers) - count} were known); {left} regions of round "
        f"{query.round} are open. Next: askmask train {root}"
    )


def query_folder(project: Project, query: Query) -> Path:
    """Folder of a query's files."""
    return project.root / "queries" / f"round_{query.round:03d}"


def show_status(console: Console, root: Path, *, as_json: bool) -> None:
    """Tell where a project's loop stands."""
    with Project.open(root) as project:
        facts = _status(project)
    if as_json:
        print_json(facts)
        return
    table = Table(title=f"Project {root}", show_header=False)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), str(value))
    console.print(table)


def _status(project: Project) -> dict[str, object]:
    store = project.store
    query = store.newest_query()
    round_ = 0 if query is None else query.round
    trained = [r.round for r in store.trainings() if r.status == "finished"]
    pixels = store.labelled_pixels()
    facts: dict[str, object] = {
        "round": round_,
        "images": len(project.images),
        "pool_images": len(project.roles.pool),
        "labelled_images": len(list(store.labelled_images())),
        "labelled_pixels": pixels,
        "labelled_fraction": round(pixels / project.pool_pixels, 4),
        "regions_asked": 0 if query is None else len(query.items),
        "regions_open": len(store.unanswered(round_)) if query else 0,
        "models": [project.model_path(number).name for number in sorted(set(trained))],
    }
    if trained:
        newest = store.metrics(max(trained))
        wanted = ("mean_dice", "object_f1", "ece", "recalibrated_ece", "nll", "brier")
        for row in newest:
            if row.metric in wanted and (row.group, row.class_name) == ("all", "all"):
                facts[f"{row.split}_{row.metric}"] = round(row.value, 4)
    return facts


def evaluate_project(console: Console, root: Path, *, as_json: bool) -> None:
    """Judge the present round's model."""
    with Project.open(root) as project, progress_bars(console) as show:
        rows = Loop(project, on_progress=show).evaluate()
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    console.print(metric_table(rows))


def show_doctor(console: Console, weights: Path | None, *, as_json: bool) -> None:
    """Examine the machine."""
    from askmask.runtime.doctor import diagnose

    facts = diagnose(weights).as_dict()
    if as_json:
        print_json(facts)
        return
    table = Table(title="askmask doctor", show_header=False)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), _shown(value))
    console.print(table)
    if facts["kernel"] is None:
        console.print(
            "`askmask build-kernel` makes scoring and metrics faster; it needs a C++ compiler."
        )


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case tuple():
            return ", ".join(map(str, value)) or "none"
        case dict():
            return "\n".join(f"{name} {entry}" for name, entry in value.items())
    return str(value)
