"""Commands that speak with other programs: export, import."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.table import Table

from askmask.cli.arguments import AsJson, FormatName, OutPath, ProjectPath, console
from askmask.cli.output import print_json
from askmask.errors import ProjectError
from askmask.formats.by_name import exchange_format
from askmask.formats.format import Batch, Expected, Found, Item, image_names, item_name, query_names
from askmask.loop.project import Project
from askmask.records import UNLABELLED, Answer, ImageInfo, Labels, Mask, Query, Region

WHAT = {
    "queries": "asked regions without an answer, with the model's labels to start from",
    "answers": "every image with a label, as labelled so far",
    "predictions": "the newest model's labels of every image",
}

Predict = Callable[[str], tuple[Labels, npt.NDArray[np.float32]]]
"""Image id to labels and confidence per pixel."""


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
    if what not in WHAT:
        raise ProjectError(f"expected one of {', '.join(WHAT)}, got {what!r}.")
    format_ = exchange_format(format_name, tolerance=tolerance, image_prefix=image_prefix)
    if out.is_dir() and any(out.iterdir()):
        raise ProjectError(
            f"expected an empty folder, found files in {str(out)!r}. Choose another one: an export "
            "never writes over what people may have painted."
        )
    with Project.open(project) as opened:
        batch = _batch(opened, what)
        out.mkdir(parents=True, exist_ok=True)
        count = format_.write(out, batch)
    console.print(f"Exported {count} {what} as {format_name}: {out}")
    if what == "queries":
        console.print(
            f"Next: label them, then askmask import {project} PATH --format {format_name}"
        )


def import_command(
    project: ProjectPath,
    path: Annotated[Path, typer.Argument(help="File or folder to read.", metavar="PATH")],
    format_name: FormatName,
    author: Annotated[str, typer.Option(help="Who labelled.")] = "unknown",
    as_json: AsJson = False,
) -> None:
    """Take labels that were made in another program in as answers.

    All of them are kept, or none if one does not fit.
    """
    format_ = exchange_format(format_name)
    with Project.open(project) as opened:
        queries = _queries(opened)
        pool = [opened.images[image_id] for image_id in opened.pool_ids]
        expected = Expected(
            classes=opened.source.classes,
            has_background=opened.config.evaluation.has_background,
            regions=image_names(pool) | query_names(queries),
            images=opened.images,
        )
        found = format_.read(path, expected)
        rows = [(item, _take_in(opened, item, queries, format_name, author)) for item in found]
    if as_json:
        print_json([{"name": item.name, "outcome": outcome} for item, outcome in rows])
        return
    kept = sum(outcome == "kept" for _, outcome in rows)
    console.print(f"Kept {kept} answers of {len(rows)} labelled items in {path}.")
    left_out = [(item, outcome) for item, outcome in rows if outcome != "kept"]
    if left_out:
        table = Table(title="Not kept")
        table.add_column("item")
        table.add_column("why")
        for item, outcome in left_out:
            table.add_row(item.name, outcome)
        console.print(table)
    console.print(f"Next: askmask train {project}")


def _batch(project: Project, what: str) -> Batch:
    images = {info.image_id: info for info in project.images.values()}
    model = project.store.newest_model()
    predict = None if model is None else _predictor(project)
    if what == "queries":
        items = _query_items(project, predict)
    elif what == "answers":
        items = _answer_items(project)
    elif predict is None:
        raise ProjectError("expected a trained model, found none. Train one: `askmask train`.")
    else:
        items = _prediction_items(project, predict)
    return Batch(
        classes=project.source.classes,
        has_background=project.config.evaluation.has_background,
        is_prediction=what != "answers",
        model=model,
        items=items,
        images=images,
        read_image=lru_cache(maxsize=1)(project.source.read_image),
    )


def _query_items(project: Project, predict: Predict | None) -> Iterator[Item]:
    query = project.store.newest_query()
    if query is None or not project.store.unanswered(query.round):
        raise ProjectError("expected asked regions without an answer, found none. Ask first.")
    for item in project.store.unanswered(query.round):
        name, region = item_name(query, item), item.region
        if predict is None:
            yield Item(name, region, None, score=item.score)
        else:
            labels, confidence = predict(region.image_id)
            mean = float(confidence[region.slices].mean())
            yield Item(name, region, labels[region.slices], mean, item.score)


def _answer_items(project: Project) -> Iterator[Item]:
    names = _names(project.images.values())
    for image_id in project.store.labelled_images():
        labels = project.store.labelled(image_id).labels
        yield Item(names[image_id], project.images[image_id].whole, labels)


def _prediction_items(project: Project, predict: Predict) -> Iterator[Item]:
    for image_id, name in _names(project.images.values()).items():
        labels, confidence = predict(image_id)
        yield Item(name, project.images[image_id].whole, labels, float(confidence.mean()))


def _names(infos: Iterable[ImageInfo]) -> dict[str, str]:
    return {region.image_id: name for name, region in image_names(infos).items()}


def _predictor(project: Project) -> Predict:
    """Labels and confidence of the newest model; the last image is kept, regions share it."""
    from askmask.loop.train import load_judge
    from askmask.runtime.compute import configure

    finished = [r.round for r in project.store.trainings() if r.status == "finished"]
    round = max(finished)
    judge = load_judge(project, round, configure(project.config))

    @lru_cache(maxsize=1)
    def predict(image_id: str) -> tuple[Labels, npt.NDArray[np.float32]]:
        prediction = judge.predict(
            project.source.read_image(image_id),
            seed=project.config.seed,
            round=round,
            image_id=image_id,
            boundary=False,
        )
        confidence, labels = prediction.sums.mean_probs.float().cpu().max(0)
        return labels.numpy().astype(np.int16), confidence.numpy()

    return predict


def _queries(project: Project) -> list[Query]:
    newest = project.store.newest_query()
    last = 0 if newest is None else newest.round
    found = [project.store.query(round) for round in range(1, last + 1)]
    return [query for query in found if query is not None]


def _take_in(project: Project, found: Found, queries: list[Query], tool: str, author: str) -> str:
    """Keep one answer, unless it says nothing new; returns what became of it."""
    store, region = project.store, found.region
    if (found.labels == UNLABELLED).all():
        return "no pixel has a label"
    asked = [query for query in queries if region in {item.region for item in query.items}]
    open_regions: set[Region] = set()
    for query in asked:
        open_regions |= {item.region for item in store.unanswered(query.round)}
    known = store.labelled(region.image_id).labels[region.slices]
    is_new = (found.labels != UNLABELLED) & (found.labels != known)
    if region not in open_regions and not is_new.any():
        return "every label is known already"
    round, model = (asked[-1].round, asked[-1].model) if asked else (_present(queries), None)
    mask = Mask(found.labels)
    store.add_answer(Answer(region, mask, round, author=author, tool=tool, model=model))
    return "kept"


def _present(queries: list[Query]) -> int:
    return queries[-1].round if queries else 0
