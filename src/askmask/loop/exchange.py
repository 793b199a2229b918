"""A project's queries, answers and predictions for other programs, and their labels back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.data.larger_images import Frame, PartSource
from askmask.errors import ProjectError
from askmask.formats.by_name import FormatOptions, exchange_format
from askmask.formats.format import Expected, Export, Found, Item
from askmask.formats.manifest import (
    MANIFEST_NAME,
    Manifest,
    expected_by,
    find_manifest,
    read_manifest,
)
from askmask.formats.names import image_names, known_image_names, query_names, region_name
from askmask.loop.predictions import predict_known
from askmask.loop.project import Project
from askmask.progress import Lap, unheeded
from askmask.records import UNLABELLED, Answer, Labels, Mask, Query, QueryItem, Region
from askmask.whole_folders import clear_unfinished, whole_folder

EXPORTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "queries": "asked regions without an answer, with the model's labels to start from",
        "answers": "every image with a label, as labelled so far",
        "predictions": "the newest model's labels of every image",
    }
)
"""Kinds of export, with one line on each."""

KEPT: Final = "kept"

_Predict = Callable[[str], tuple[Labels, npt.NDArray[np.float32]]]  # labels, confidence per pixel


@dataclass(frozen=True, slots=True)
class ImportedItem:
    """Outcome of one set of labels in a file.

    Attributes
    ----------
    name : str
        As the file calls it.
    region : Region
        Where it belongs.
    outcome : str
        `KEPT`, or why it was not.
    """

    name: str
    region: Region
    outcome: str


@dataclass(frozen=True, slots=True)
class Imported:
    """Result of importing a file.

    Attributes
    ----------
    items : tuple of ImportedItem
        In the order of the file.
    passed_over : mapping of str to int
        What else the file holds, and how often.
    manifest : Path or None
        The list that names went by; None if there was none, and names had to do.
    """

    items: tuple[ImportedItem, ...]
    passed_over: Mapping[str, int]
    manifest: Path | None

    @property
    def kept(self) -> int:
        """Number of answers that were kept."""
        return sum(item.outcome == KEPT for item in self.items)


def export_project(
    project: Project,
    out: Path,
    *,
    what: str,
    format_name: str,
    options: FormatOptions | None = None,
    lap: Lap = unheeded,
) -> int:
    """Write queries, answers or predictions for another program; all of it, or nothing.

    Parameters
    ----------
    project : Project
        Open.
    out : Path
        Absent or empty. What an interrupted export left beside it is cleared away.
    what : str
        One of `EXPORTS`.
    format_name : str
        One of `askmask.formats.by_name.FORMATS`.
    options : FormatOptions, optional
        None leaves everything at its default.
    lap : callable, optional
        Told what was just done, as it is done.

    Returns
    -------
    int
        Number of regions or images.

    Raises
    ------
    ProjectError
        If there are files in `out`, or there is nothing to export.
    ConfigError, UnknownName
        If there is no such format, or an option is not for it.
    ExchangeError
        If the format cannot say what the project holds.
    """
    if what not in EXPORTS:
        raise ProjectError(f"expected one of {', '.join(EXPORTS)}, got {what!r}.")
    format_ = exchange_format(format_name, options)
    target = out.resolve()
    clear_unfinished(target, last=MANIFEST_NAME)
    if target.is_dir() and any(target.iterdir()):
        held = "a whole export" if (target / MANIFEST_NAME).is_file() else "files"
        raise ProjectError(
            f"expected an empty folder, found {held} in {str(out)!r}. Choose another one: an "
            "export never writes over what people may have painted."
        )
    export = _export(project, what)
    made_by = "reading answers" if what == "answers" or export.model is None else "predicting"
    lap("loading")
    regions: dict[str, Region] = {}

    def noted() -> Iterator[Item]:
        """Hand items on, and note what each name stands for."""
        for item in export.items:
            lap(made_by)
            regions[item.name] = item.region
            yield item
            lap("writing")

    with whole_folder(target, last=MANIFEST_NAME) as unfinished:
        count = format_.write(unfinished, replace(export, items=noted()))
        manifest = Manifest(
            project.store.identity(), export.classes, export.has_background, regions
        )
        manifest.write(unfinished, format=format_name, what=what, model=export.model)
    return count


def import_answers(
    project: Project,
    path: Path,
    *,
    format_name: str,
    author: str = "unknown",
    options: FormatOptions | None = None,
    manifest: Path | None = None,
    skip_kept_apart: bool = False,
    lap: Lap = unheeded,
) -> Imported:
    """Take labels of another program in as answers; all of a file in one transaction, or nothing.

    The same file a second time adds nothing: labels are compared pixel by pixel with what is known.

    Parameters
    ----------
    project : Project
        Open.
    path : Path
        File or folder.
    format_name : str
        One of `askmask.formats.by_name.FORMATS`; the answers' tool.
    author : str
        Who labelled.
    options : FormatOptions, optional
        None leaves everything at its default.
    manifest : Path, optional
        List of the export that the file comes from. None looks for it beside the file and above;
        one that is given is taken even if it is that of another project.
    skip_kept_apart : bool
        Whether labels of images kept for validation and testing are passed over; by default they
        are refused.
    lap : callable, optional
        Told what was just done, as it is done.

    Returns
    -------
    Imported

    Raises
    ------
    ConfigError, UnknownName
        If there is no such format, or an option is not for it.
    ExchangeError
        With a line for everything that cannot be read or belongs nowhere; nothing is kept then.
    """
    format_ = exchange_format(format_name, options)
    queries = _queries(project)
    expected = _expected(project, queries, skip_kept_apart=skip_kept_apart)
    listed = manifest if manifest is not None else find_manifest(path)
    if listed is not None:
        identity = project.store.identity() if manifest is None else None
        expected = expected_by(read_manifest(listed), expected, project=identity, where=str(listed))
    intake = format_.read(path, expected)
    lap("reading")
    with project.store.together():
        items = tuple(
            ImportedItem(
                found.name, found.region, _take_in(project, found, queries, format_name, author)
            )
            for found in intake.found
        )
    lap("keeping answers")
    return Imported(items, dict(intake.passed_over), listed)


def _expected(project: Project, queries: Sequence[Query], *, skip_kept_apart: bool) -> Expected:
    pool = set(project.pool_ids)
    purposes = dict.fromkeys(project.roles.test, "testing")
    purposes |= dict.fromkeys(project.roles.validation, "validation")
    kept_apart = {
        image_id: purposes.get(image_id, "nothing")
        for image_id in project.images
        if image_id not in pool
    }
    return Expected(
        classes=project.source.classes,
        has_background=project.config.evaluation.has_background,
        regions=known_image_names(project.images.values()) | query_names(queries),
        images=project.images,
        kept_apart=kept_apart,
        skip_kept_apart=skip_kept_apart,
        frames=_frames(project),
    )


def _export(project: Project, what: str) -> Export:
    newest = project.newest_training()
    model = None if newest is None else newest.model
    if what == "answers":
        items = _answer_items(project)
    elif what == "queries":
        items = _query_items(project, None if model is None else _predictor(project))
    else:
        items = _prediction_items(project, _predictor(project))
    return Export(
        classes=project.source.classes,
        has_background=project.config.evaluation.has_background,
        is_prediction=what != "answers",
        model=model,
        items=items,
        images=project.images,
        read_image=lru_cache(maxsize=1)(project.source.read_image),
        frames=_frames(project),
    )


def _frames(project: Project) -> dict[str, Frame]:
    """Where every image lies in a larger one; empty for plain images."""
    source = project.source
    if not isinstance(source, PartSource):
        return {}
    return {image_id: source.frame(image_id) for image_id in project.images}


def _query_items(project: Project, predict: _Predict | None) -> Iterator[Item]:
    query = project.store.newest_query()
    open_items = () if query is None else project.store.unanswered(query.round)
    if query is None or not open_items:
        raise ProjectError("expected asked regions without an answer, found none. Ask first.")
    return (_query_item(query.round, item, predict) for item in open_items)


def _query_item(round: int, item: QueryItem, predict: _Predict | None) -> Item:
    name, region = region_name(round, item), item.region
    if predict is None:
        return Item(name, region, None, score=item.score)
    labels, confidence = predict(region.image_id)
    mean = float(confidence[region.slices].mean())
    return Item(name, region, labels[region.slices], mean, item.score)


def _answer_items(project: Project) -> Iterator[Item]:
    names = _names(project)
    for image_id in project.store.labelled_images():
        labels = project.store.labelled(image_id).labels
        yield Item(names[image_id], project.images[image_id].whole, labels)


def _prediction_items(project: Project, predict: _Predict) -> Iterator[Item]:
    for image_id, name in _names(project).items():
        labels, confidence = predict(image_id)
        yield Item(name, project.images[image_id].whole, labels, float(confidence.mean()))


def _names(project: Project) -> dict[str, str]:
    names = image_names(project.images.values())
    return {region.image_id: name for name, region in names.items()}


def _predictor(project: Project) -> _Predict:
    """Labels and confidence of the newest model; the last image is kept, regions share it."""
    model = project.model()

    @lru_cache(maxsize=1)
    def predict(image_id: str) -> tuple[Labels, npt.NDArray[np.float32]]:
        found = predict_known(model, image_id)
        return found.labels, found.confidence

    return predict


def _queries(project: Project) -> list[Query]:
    newest = project.store.newest_query()
    last = 0 if newest is None else newest.round
    found = [project.store.query(round) for round in range(1, last + 1)]
    return [query for query in found if query is not None]


def _take_in(
    project: Project, found: Found, queries: Sequence[Query], tool: str, author: str
) -> str:
    """Keep one answer, unless it says nothing new; returns what became of it."""
    store, region = project.store, found.region
    if (found.labels == UNLABELLED).all():
        return "no pixel has a label"
    asked = [query for query in queries if region in {item.region for item in query.items}]
    is_open = any(
        region in {item.region for item in store.unanswered(query.round)} for query in asked
    )
    known = store.labelled_region(region).labels
    is_new = (found.labels != UNLABELLED) & (found.labels != known)
    if not is_open and not is_new.any():
        forgotten = int(((found.labels == UNLABELLED) & (known != UNLABELLED)).sum())
        kept = f"; {forgotten} pixels without a label here keep theirs" if forgotten else ""
        return f"every label is known already{kept}"
    round, model = (asked[-1].round, asked[-1].model) if asked else (_present(queries), None)
    answer = Answer(region, Mask(found.labels), round, author=author, tool=tool, model=model)
    store.add_answer(answer)
    return KEPT


def _present(queries: Sequence[Query]) -> int:
    return queries[-1].round if queries else 0
