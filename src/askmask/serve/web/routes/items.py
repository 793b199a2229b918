"""Routes of asked regions: the list, leases, answers, and what is shown of each."""

import io
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Response
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from askmask.records import Answer, AnswerKind, Mask, unlabelled_mask
from askmask.serve.web.desk import (
    Desk,
    Somebody,
    TheDesk,
    answer_reply,
    item_reply,
    item_with_prefill,
    lease_reply,
)
from askmask.serve.web.events import MOST_EVENTS
from askmask.serve.web.labels import labels_to_runs, runs_to_labels
from askmask.serve.web.messages import (
    AnswerWithRuns,
    ChangesReply,
    GivenReply,
    HistoryReply,
    ItemsReply,
    ItemWithPrefill,
    MaybeIndex,
    NewAnswer,
    NextItem,
    Rank,
    Round,
    RoundCount,
)
from askmask.serve.web.problems import Problem
from askmask.store.item_lists import Chosen
from askmask.store.tokens import Person
from askmask.store.work_records import GivenAnswer, ItemState, RoundTally, WorkItem

router = APIRouter(prefix="/items", tags=["items"])

NEWEST_ROUNDS: Final = 100
"""So many rounds are told to a page that comes; who needs older ones asks for their regions."""
MOST_CHANGES: Final = 50
"""When more regions changed, a page reads again what it shows instead of all of them."""


LARGEST: Final = 2**31 - 1


class ItemsAsked(BaseModel):
    """Which asked regions to list, and which part of the list."""

    model_config = ConfigDict(extra="forbid")

    round: Annotated[int | None, Field(ge=0, le=LARGEST)] = None
    state: Annotated[
        Literal["open", "labels", "unsure", "artefact", "done", "conflict", "withdrawn"] | None,
        Field(description="Default: everything but withdrawn."),
    ] = None
    image: Annotated[int | None, Field(ge=0, le=LARGEST, description="Number of an image.")] = None
    text: Annotated[
        str | None, Field(min_length=1, max_length=200, description="Part of an image's id.")
    ] = None
    at: Annotated[
        str | None,
        Field(
            pattern=r"^\d{1,9}/\d{1,9}$",
            description="Round/rank: `first` counts from the first region there or after it.",
        ),
    ] = None
    first: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 100


@router.get("")
def list_items(
    person: Somebody, desk: TheDesk, asked: Annotated[ItemsAsked, Query()]
) -> ItemsReply:
    """List a part of the asked regions, by round and rank."""
    store = desk.project.store
    change = store.control.newest_event()  # read first: what comes meanwhile is told again
    image_id = None if asked.image is None else desk.image_id(asked.image)
    chosen = Chosen(asked.round, asked.state, image_id, asked.text)
    at = None
    if asked.at is not None:
        round, rank = map(int, asked.at.split("/"))
        at = round, rank
    found = store.worklist.window(chosen, first=asked.first, limit=asked.limit, at=at)
    return ItemsReply(
        items=[item_reply(item, person) for item in found.items],
        first=found.first,
        total=found.total,
        change=change,
    )


@router.get("/changes")
def list_changes(person: Somebody, desk: TheDesk, after: MaybeIndex = None) -> ChangesReply:
    """Tell what changed after an event; without one, what a page that comes must know."""
    store = desk.project.store
    change = store.control.newest_event()
    places: list[tuple[int, int]] = []
    rounds: list[int] | None = None
    is_stale = after is None or after > change
    if after is not None and not is_stale:
        events = store.control.events(after, MOST_EVENTS + 1)
        places = sorted({(e.round, e.rank) for e in events if e.rank is not None})
        rounds = sorted({e.round for e in events})[-NEWEST_ROUNDS:]
        is_stale = len(places) > MOST_CHANGES or any(e.kind == "query" for e in events)
        if len(events) > MOST_EVENTS:
            rounds, is_stale = None, True
    items = [] if is_stale else store.worklist.items_at(places)
    totals = store.worklist.totals(person.name)
    return ChangesReply(
        items=[item_reply(item, person) for item in items],
        rounds=[_round_count(t) for t in store.worklist.tallies(rounds, NEWEST_ROUNDS)],
        total=totals.standing,
        open=totals.by_state[ItemState.OPEN],
        free=totals.free,
        conflicts=totals.conflicts,
        stale=is_stale,
        change=change,
    )


@router.post("/next", response_model=ItemWithPrefill)
def take_next(asked: NextItem, person: Somebody, desk: TheDesk) -> ItemWithPrefill | Response:
    """Lease the next open region; 204 if none is free."""
    after = None if asked.after is None else (asked.after.round, asked.after.rank)
    item = desk.project.store.worklist.lease_next(person.name, after, _lease_seconds(desk))
    if item is None:
        return Response(status_code=204)
    return item_with_prefill(desk, item, person)


@router.get("/{round}/{rank}")
def read_item(round: Round, rank: Rank, person: Somebody, desk: TheDesk) -> ItemWithPrefill:
    """Tell everything of one region, with labels to start from."""
    return item_with_prefill(desk, desk.project.store.worklist.item(round, rank), person)


@router.post("/{round}/{rank}/lease")
def take_lease(round: Round, rank: Rank, person: Somebody, desk: TheDesk) -> ItemWithPrefill:
    """Take or renew a region; 409 if another person holds it."""
    worklist = desk.project.store.worklist
    lease = worklist.lease(round, rank, person.name, _lease_seconds(desk))
    item = worklist.item(round, rank)
    if lease.holder != person.name:
        shown = lease_reply(item, person)
        raise Problem(
            409,
            "leased",
            f"expected a free region, but {lease.holder} works on it. Take another one.",
            lease=None if shown is None else shown.model_dump(),
        )
    return item_with_prefill(desk, item, person)


@router.delete("/{round}/{rank}/lease", status_code=204)
def give_lease_back(round: Round, rank: Rank, person: Somebody, desk: TheDesk) -> None:
    """Give a region back."""
    worklist = desk.project.store.worklist
    worklist.item(round, rank)
    worklist.release(round, rank, person.name)


@router.post("/{round}/{rank}/answers", status_code=201)
def give_answer(
    round: Round,
    rank: Rank,
    asked: NewAnswer,
    person: Somebody,
    desk: TheDesk,
    response: Response,
) -> GivenReply:
    """Keep an answer; it is durable when the reply comes. 200 for a repetition."""
    worklist = desk.project.store.worklist
    item = worklist.item(round, rank)
    answer = _answer(desk, item, asked, person)
    receipt = worklist.give(rank, answer, client_id=asked.id, base=asked.base)
    if not receipt.is_new:
        response.status_code = 200
    item = worklist.item(round, rank)
    kept = next(
        given
        for given in worklist.history(round=round, rank=rank)
        if given.number == receipt.number
    )
    return GivenReply(
        answer=answer_reply(kept),
        item=item_reply(item, person),
        conflict=receipt.is_conflict,
    )


@router.get("/{round}/{rank}/answers")
def list_answers(round: Round, rank: Rank, _: Somebody, desk: TheDesk) -> HistoryReply:
    """List every answer to a region, oldest first."""
    worklist = desk.project.store.worklist
    worklist.item(round, rank)
    history = reversed(worklist.history(round=round, rank=rank))
    return HistoryReply(answers=[with_runs(desk, given) for given in history])


@router.get("/{round}/{rank}/thumbnail", response_class=Response)
def draw_thumbnail(
    round: Round,
    rank: Rank,
    _: Somebody,
    desk: TheDesk,
    size: Annotated[int, Query(ge=16, le=512)] = 160,
) -> Response:
    """Draw a region small, as JPEG."""
    region = desk.project.store.worklist.item(round, rank).item.region
    factor = 1
    while max(region.height, region.width) // (2 * factor) >= 2 * size:
        factor *= 2
    whole = desk.project.images[region.image_id].whole
    if factor > 1 and region == whole:
        pixels = desk.pyramid.shrunk(region, factor)
    else:
        pixels = desk.pyramid.shrunk(region, 1)
    picture = Image.fromarray(pixels)
    picture.thumbnail((size, size))
    return picture_reply(picture, "JPEG")


@router.get("/{round}/{rank}/scores.png", response_class=Response)
def read_scores(round: Round, rank: Rank, _: Somebody, desk: TheDesk) -> Response:
    """Score map of a region and around it, 0 to 255."""
    return _piece(desk, round, rank, 0, "score map")


@router.get("/{round}/{rank}/prediction.png", response_class=Response)
def read_prediction(round: Round, rank: Rank, _: Somebody, desk: TheDesk) -> Response:
    """Predicted classes of a region and around it."""
    return _piece(desk, round, rank, 1, "prediction")


def with_runs(desk: Desk, given: GivenAnswer) -> AnswerWithRuns:
    """An answer with its labels."""
    runs = None
    if given.kind == AnswerKind.LABELS:
        answer = desk.project.store.worklist.answer(given.number)
        assert answer is not None, "answers are never deleted"
        runs = labels_to_runs(answer.mask.labels)
    return AnswerWithRuns.model_validate({**answer_reply(given).model_dump(), "runs": runs})


def picture_reply(picture: Image.Image, kind: Literal["JPEG", "PNG"]) -> Response:
    """A picture as a reply that the browser may keep for an hour."""
    buffer = io.BytesIO()
    if kind == "JPEG":
        picture.save(buffer, "JPEG", quality=90)
    else:
        picture.save(buffer, "PNG", compress_level=1)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(buffer.getvalue(), media_type=f"image/{kind.lower()}", headers=headers)


def _answer(desk: Desk, item: WorkItem, asked: NewAnswer, person: Person) -> Answer:
    region, kind = item.item.region, AnswerKind(asked.kind)
    if (asked.runs is not None) != (kind is AnswerKind.LABELS):
        raise Problem(
            422, "invalid", f"expected runs exactly with the kind labels, got kind {asked.kind!r}."
        )
    if asked.runs is None:
        mask = unlabelled_mask(region)
    else:
        n_classes = len(desk.project.source.classes)
        mask = Mask(runs_to_labels(asked.runs, region.height, region.width, n_classes))
    return Answer(
        region=region,
        mask=mask,
        round=item.round,
        author=person.name,
        tool=asked.tool,
        seconds=asked.seconds,
        model=item.model,
        kind=kind,
    )


def _round_count(tally: RoundTally) -> RoundCount:
    counts = {state.value: count for state, count in tally.by_state.items()}
    return RoundCount(
        round=tally.round,
        acquisition=tally.acquisition,
        model=tally.model,
        asked_at=tally.asked_at,
        asked=tally.asked,
        conflicts=tally.conflicts,
        **counts,
    )


def _piece(desk: Desk, round: int, rank: int, which: Literal[0, 1], name: str) -> Response:
    desk.project.store.worklist.item(round, rank)
    pieces = desk.project.store.worklist.piece(round, rank)
    content = None if pieces is None else pieces[which]
    if content is None:
        raise Problem(
            404,
            "not_found",
            f"expected a {name} of region {rank} of round {round}, but the worker drew none"
            f"{' yet' if pieces is None else ''}.",
        )
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(content, media_type="image/png", headers=headers)


def _lease_seconds(desk: Desk) -> float:
    return desk.project.config.serve.lease_seconds
