"""Routes of a Label Studio "ML backend", answered from the project's store.

Its tasks are those of ``askmask export --format label-studio``: their names say which asked
regions they show. Predictions are what the worker drew of a region; nothing is computed here. An
annotation that Label Studio tells of becomes an answer, so the worker learns from it and asks on.

Requests are as large as Label Studio makes them, so they are read, checked and answered on threads,
a few at a time: the page never waits for them.

References
----------
labelstud.io/guide/ml_create and /guide/webhook_reference.
"""

import asyncio
import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.concurrency import run_in_threadpool

from askmask.errors import ExchangeError, UnknownItem
from askmask.formats.documents import decode_document, parse, shown
from askmask.formats.format import Expected
from askmask.formats.label_studio.label_studio import brush_results
from askmask.formats.label_studio.reading import read_tasks
from askmask.formats.names import region_name
from askmask.records import Answer, Labels, Mask
from askmask.serve.web.desk import Desk, TheDesk
from askmask.serve.web.problems import Problem
from askmask.store.tokens import Person
from askmask.store.work_records import WorkItem

TOOL: Final = "label-studio"
NO_MODEL: Final = "none"
MOST_TASKS: Final = 1000
"""How many tasks one request may ask predictions for."""
MOST_RESULTS: Final = 1000
"""How many results one annotation may have: a region is small."""

_AT_ONCE: Final = 2
_NAME: Final = re.compile(r"r([0-9]{3,9})_([0-9]{3,9})_")
_CREATED: Final = "ANNOTATION_CREATED"
_TOLD: Final = frozenset({_CREATED, "ANNOTATION_UPDATED"})
_LONGEST_SECONDS: Final = 86_400.0

Json = dict[str, Any]  # Any: JSON


class _Predict(BaseModel):
    """What a request for predictions says; Label Studio says more, which is left alone."""

    model_config = ConfigDict(extra="ignore", strict=True)
    tasks: list[object] = Field(max_length=MOST_TASKS)


class _Annotation(BaseModel):
    """An annotation, as far as it becomes an answer."""

    model_config = ConfigDict(extra="ignore", strict=True)
    id: object = None
    result: list[object] = Field(max_length=MOST_RESULTS)
    was_cancelled: bool | None = None
    updated_at: str | None = None
    lead_time: object = None
    completed_by: object = None


_PREDICT: Final = TypeAdapter(_Predict).validate_python
_ANNOTATION: Final = TypeAdapter(_Annotation).validate_python


def _allowed(request: Request, desk: TheDesk) -> None:
    """A token is needed always: as a bearer, or as the password of basic authentication."""
    if person_of(desk, request.headers) is None:
        raise Problem(
            401,
            "no_session",
            "expected a token as the password of basic authentication, got none that stands. "
            "Make one: askmask token PROJECT --name label-studio.",
        )


def person_of(desk: Desk, headers: Mapping[str, str]) -> Person | None:
    """Owner of the token that a request brings; None without one."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    token = _password(given) if kind.lower() == "basic" else given.strip()
    return desk.project.store.access.person_of_token(token)


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
async def predict_tasks(request: Request, desk: TheDesk) -> Response:
    """One prediction for each task, in their order; empty for a task without one."""
    return await _answered(request, desk, _predictions)


@router.post("/webhook")
async def hear(request: Request, desk: TheDesk) -> Response:
    """Keep an annotation as an answer; other events are heard and left."""
    return await _answered(request, desk, _heard)


async def _answered(
    request: Request, desk: Desk, work: Callable[[Desk, Mapping[str, object]], tuple[int, Json]]
) -> Response:
    """Do a request's work on a thread, when it is its turn."""
    content = await request.body()

    def reply() -> Response:
        try:
            asked = decode_document(content, "the body")
            if not isinstance(asked, dict):
                raise Problem(422, "invalid", f"expected a JSON object, got {shown(asked)}.")
            status, told = work(desk, asked)
        except ExchangeError as error:
            raise Problem(422, "invalid", str(error)) from error
        except RecursionError:
            raise Problem(422, "invalid", "expected a body that is not nested so deeply.") from None
        return Response(json.dumps(told), status, media_type="application/json")

    async with _turns(request):
        return await run_in_threadpool(reply)


def _turns(request: Request) -> asyncio.Semaphore:
    """Turns of a server: one for each request that may be worked on at once."""
    state = request.app.state
    if not hasattr(state, "label_studio_turns"):
        state.label_studio_turns = asyncio.Semaphore(_AT_ONCE)
    turns: asyncio.Semaphore = state.label_studio_turns
    return turns


def _predictions(desk: Desk, asked: Mapping[str, object]) -> tuple[int, Json]:
    tasks = parse(_PREDICT, asked, "the request").tasks
    found: dict[str, Json] = {}  # the same task again costs nothing
    results = []
    for task in tasks:
        name = _task_name(task)
        if name not in found:
            found[name] = _prediction(desk, name)
        results.append(found[name])
    return 200, {"results": results, "model_version": _model(desk)}


def _heard(desk: Desk, asked: Mapping[str, object]) -> tuple[int, Json]:
    action = asked.get("action")
    if not isinstance(action, str) or action not in _TOLD or asked.get("annotation") is None:
        return 200, {"status": "ignored"}
    annotation = parse(_ANNOTATION, asked["annotation"], "the annotation")
    if annotation.was_cancelled:
        return 200, {"status": "ignored"}
    item = _item(desk, _task_name(asked.get("task")))
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
    return 201, {"status": "ok", "answer": receipt.number, "conflict": receipt.is_conflict}


def _model(desk: Desk) -> str:
    newest = desk.project.newest_training()
    return NO_MODEL if newest is None else newest.model


def _name(item: WorkItem) -> str:
    return region_name(item.round, item.item)


def _task_name(task: object) -> str:
    """Name that the export gave to a task; empty if it has none."""
    facts = task.get("data") if isinstance(task, Mapping) else None
    name = facts.get("name") if isinstance(facts, Mapping) else None
    return name if isinstance(name, str) else ""


def _item(desk: Desk, name: str) -> WorkItem | None:
    """Asked region that a task of that name shows; None if it shows none of this project."""
    match = _NAME.match(name)
    if match is None:
        return None
    try:
        item = desk.project.store.worklist.item(int(match[1]), int(match[2]) - 1)
    except UnknownItem:
        return None
    return item if name in {_name(item), older_name(item)} else None


def older_name(item: WorkItem) -> str:
    """Name that askmask 0.1 gave: tasks may stand in Label Studio for long."""
    image_id = item.item.region.image_id
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in image_id)
    return f"r{item.round:03d}_{item.item.rank + 1:03d}_{stem}"


def _prediction(desk: Desk, name: str) -> Json:
    item = _item(desk, name)
    labels = None if item is None else desk.prediction(item)
    if item is None or labels is None:
        return {"result": [], "score": None, "model_version": _model(desk)}
    project = desk.project
    background = project.config.evaluation.has_background
    results = brush_results(name, labels, project.source.classes, has_background=background)
    return {
        "result": results,
        "score": None if item.piece is None else item.piece.confidence,
        "model_version": item.model or NO_MODEL,
    }


def _labels(desk: Desk, item: WorkItem, annotation: _Annotation) -> Labels:
    project, name = desk.project, _name(item)
    region = item.item.region
    expected = Expected(
        project.source.classes,
        project.config.evaluation.has_background,
        {name: region},
        {},
    )
    task = {"data": {"name": name}, "annotations": [{"result": annotation.result}]}
    (found,) = read_tasks([task], expected, "the request").found
    return found.labels


def _answer(item: WorkItem, annotation: _Annotation, labels: Labels, *, is_first: bool) -> Answer:
    lead = annotation.lead_time  # of all sessions together: counted once
    is_time = (
        isinstance(lead, int | float)
        and not isinstance(lead, bool)
        and 0 <= lead <= _LONGEST_SECONDS
    )
    return Answer(
        region=item.item.region,
        mask=Mask(labels),
        round=item.round,
        author=_author(annotation.completed_by),
        tool=TOOL,
        seconds=float(lead) if is_first and is_time and isinstance(lead, int | float) else None,
        model=item.model,
    )


def _author(who: object) -> str:
    """Who annotated: an address or a number at Label Studio."""
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("id")
    told = "" if who is None else f" {who:.64}" if isinstance(who, str) else f" {shown(who)}"
    return "".join(c for c in f"{TOOL}{told}" if c.isprintable())[:64].strip()


def _client_id(item: WorkItem, annotation: _Annotation) -> str:
    """Equal for an event that is sent again, another for each change."""
    told = json.dumps([_name(item), annotation.id, annotation.updated_at, annotation.result])
    return f"ls-{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _password(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
