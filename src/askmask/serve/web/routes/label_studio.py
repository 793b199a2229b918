"""Label Studio's side door: what it asks of an "ML backend", answered from the project's store.

Its tasks are those of ``askmask export --format label-studio``: their names say which asked
regions they show. Predictions are what the worker drew of a region; nothing is computed here. An
annotation that Label Studio tells of becomes an answer, so the worker learns from it and asks on.

References
----------
labelstud.io/guide/ml_create and /guide/webhook_reference.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Request, Response

from askmask.errors import ExchangeError, UnknownItem
from askmask.formats.format import Expected, region_name
from askmask.formats.label_studio import brush_results, read_tasks
from askmask.records import Answer, Labels, Mask
from askmask.serve.web.desk import Desk, TheDesk
from askmask.serve.web.problems import Problem
from askmask.store.work_records import WorkItem

TOOL: Final = "label-studio"
NO_MODEL: Final = "none"
_NAME: Final = re.compile(r"r([0-9]{3,9})_([0-9]{3,9})_")
_CREATED: Final = "ANNOTATION_CREATED"
_TOLD: Final = frozenset({_CREATED, "ANNOTATION_UPDATED"})
_LONGEST_SECONDS: Final = 86_400.0

Json = dict[str, Any]  # Any: JSON
Asked = Annotated[Json, Body()]


def _allowed(request: Request, desk: TheDesk) -> None:
    """Over a network a token is needed: as a bearer, or as the password of basic authentication."""
    if not desk.needs_token:
        return
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    token = _password(given) if kind.lower() == "basic" else given.strip()
    if desk.project.store.access.person_of_token(token) is None:
        raise Problem(
            401,
            "no_session",
            "expected a token as the password of basic authentication, got none that stands. "
            "Make one: askmask token PROJECT --name label-studio.",
        )


# the requests are Label Studio's to describe, so they stand in no description of our API
router = APIRouter(
    prefix="/label-studio", include_in_schema=False, dependencies=[Depends(_allowed)]
)


@router.get("/")
@router.get("/health")
def tell_health() -> Json:
    """Tell that the backend is up."""
    return {"status": "UP", "model_class": "askmask"}


@router.post("/setup")
def set_up(desk: TheDesk) -> Json:
    """Tell the newest model; the labelling interface is the one that the export wrote."""
    return {"model_version": _model(desk)}


@router.post("/predict")
def predict(asked: Asked, desk: TheDesk) -> Json:
    """One prediction for each task, in their order; empty for a task without one."""
    tasks = asked.get("tasks")
    if not isinstance(tasks, list):
        raise Problem(422, "invalid", f"expected a list of tasks, got {type(tasks).__name__}.")
    return {"results": [_prediction(desk, task) for task in tasks], "model_version": _model(desk)}


@router.post("/webhook")
def hear(asked: Asked, desk: TheDesk, response: Response) -> Json:
    """Keep an annotation as an answer; other events are heard and left."""
    action, annotation = asked.get("action"), asked.get("annotation")
    if action not in _TOLD or not isinstance(annotation, Mapping):
        return {"status": "ignored"}
    if annotation.get("was_cancelled"):
        return {"status": "ignored"}
    item = _item(desk, asked.get("task"))
    if item is None:
        raise Problem(
            404,
            "not_found",
            "expected a task of an asked region of this project, got another. Import the tasks of "
            "`askmask export --format label-studio`, and keep their names.",
        )
    newest = item.newest
    receipt = desk.project.store.worklist.give(
        item.item.rank,
        _answer(item, annotation, _labels(desk, item, annotation), is_first=action == _CREATED),
        client_id=_client_id(item, annotation),
        # what people answered on the page meanwhile, Label Studio's people did not see
        base=newest.number if newest is not None and newest.tool == TOOL else None,
    )
    response.status_code = 201
    return {"status": "ok", "answer": receipt.number, "conflict": receipt.is_conflict}


def _model(desk: Desk) -> str:
    return desk.project.store.newest_model() or NO_MODEL


def _name(item: WorkItem) -> str:
    return region_name(item.round, item.item)


def _item(desk: Desk, task: object) -> WorkItem | None:
    """Asked region that a task shows; None if it shows none of this project."""
    facts = task.get("data") if isinstance(task, Mapping) else None
    name = str(facts.get("name")) if isinstance(facts, Mapping) else ""
    match = _NAME.match(name)
    if match is None:
        return None
    try:
        item = desk.project.store.worklist.item(int(match[1]), int(match[2]) - 1)
    except UnknownItem:
        return None
    return item if _name(item) == name else None


def _prediction(desk: Desk, task: object) -> Json:
    item = _item(desk, task)
    labels = None if item is None else desk.prediction(item)
    if item is None or labels is None:
        return {"result": [], "score": None, "model_version": _model(desk)}
    project = desk.project
    background = project.config.evaluation.has_background
    results = brush_results(_name(item), labels, project.source.classes, has_background=background)
    return {
        "result": results,
        "score": None if item.piece is None else item.piece.confidence,
        "model_version": item.model or NO_MODEL,
    }


def _labels(desk: Desk, item: WorkItem, annotation: Mapping[str, Any]) -> Labels:
    project, name = desk.project, _name(item)
    region = item.item.region
    expected = Expected(
        project.source.classes,
        project.config.evaluation.has_background,
        {name: region},
        {region.image_id: project.images[region.image_id]},
    )
    try:
        (found,) = read_tasks([{"data": {"name": name}, "annotations": [annotation]}], expected)
    except ExchangeError as error:
        raise Problem(422, "invalid", str(error)) from error
    return found.labels


def _answer(
    item: WorkItem, annotation: Mapping[str, Any], labels: Labels, *, is_first: bool
) -> Answer:
    lead = annotation.get("lead_time")  # of all sessions together: counted once
    is_time = isinstance(lead, int | float) and 0 <= lead <= _LONGEST_SECONDS
    return Answer(
        region=item.item.region,
        mask=Mask(labels),
        round=item.round,
        author=_author(annotation.get("completed_by")),
        tool=TOOL,
        seconds=float(lead) if is_first and is_time and lead is not None else None,
        model=item.model,
    )


def _author(who: object) -> str:
    """Who annotated: an address or a number at Label Studio."""
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("id")
    told = "" if who is None else f" {who}"
    return "".join(c for c in f"{TOOL}{told}" if c.isprintable())[:64].strip()


def _client_id(item: WorkItem, annotation: Mapping[str, Any]) -> str:
    """Equal for an event that is sent again, another for each change."""
    told = repr([_name(item), *(annotation.get(key) for key in ("id", "updated_at", "result"))])
    return f"ls-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
