"""Routes of review: the list of answers, and accepting predictions that the model is sure of."""

from typing import Annotated

from fastapi import APIRouter, Query

from askmask.records import Answer, Mask
from askmask.serve.web.desk import Somebody, TheDesk, answer_reply, item_reply
from askmask.serve.web.messages import (
    AgreedReply,
    AnswerNumber,
    AnswersReply,
    AnswerWithRuns,
    Kind,
    MaybeIndex,
    MaybeRound,
    MaybeText,
    NewAgreement,
)
from askmask.serve.web.problems import Problem
from askmask.serve.web.routes.items import with_runs
from askmask.store.work_records import ItemState, WorkItem

router = APIRouter(tags=["review"])

AGREE_TOOL = "agree"


@router.get("/answers")
def list_all_answers(
    _: Somebody,
    desk: TheDesk,
    round: MaybeRound = None,
    author: MaybeText = None,
    kind: Annotated[Kind | None, Query()] = None,
    before: MaybeIndex = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> AnswersReply:
    """List answers to asked regions, newest first."""
    found = desk.project.store.worklist.history(
        round=round, author=author, kind=kind, before=before, limit=limit + 1
    )
    return AnswersReply(
        answers=[answer_reply(given) for given in found[:limit]], more=len(found) > limit
    )


@router.get("/answers/{number}")
def read_answer(number: AnswerNumber, _: Somebody, desk: TheDesk) -> AnswerWithRuns:
    """Tell an answer with its labels."""
    found = desk.project.store.worklist.history(before=number + 1, limit=1)
    if not found or found[0].number != number:
        raise Problem(
            404, "not_found", f"expected the number of an answer to an asked region, got {number}."
        )
    return with_runs(desk, found[0])


@router.post("/agree")
def agree(asked: NewAgreement, person: Somebody, desk: TheDesk) -> AgreedReply:
    """Answer every open region whose prediction is sure enough, unless somebody works on it."""
    worklist = desk.project.store.worklist
    shown = None if asked.items is None else {(p.round, p.rank) for p in asked.items}

    def is_meant(item: WorkItem) -> bool:
        place = (item.round, item.item.rank)
        sure = item.piece is not None and (item.piece.confidence or -1.0) >= asked.min_confidence
        free = item.lease is None or item.lease.holder == person.name
        return item.state is ItemState.OPEN and sure and free and (shown is None or place in shown)

    meant = [item for item in worklist.items(asked.round) if is_meant(item)]
    done = []
    for item in meant:
        labels = desk.prediction(item)
        if labels is None:
            continue
        if not asked.dry_run:
            answer = Answer(
                region=item.item.region,
                mask=Mask(labels),
                round=item.round,
                author=person.name,
                tool=AGREE_TOOL,
                model=item.model,
            )
            client_id = f"{asked.id}/{item.round}-{item.item.rank}"
            worklist.give(item.item.rank, answer, client_id=client_id)
        done.append(worklist.item(item.round, item.item.rank))
    return AgreedReply(items=[item_reply(item, person) for item in done], count=len(done))
