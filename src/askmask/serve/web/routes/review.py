"""Routes of review: answers and what makes them suspicious, comments, and agreeing to the model."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Query

from askmask.records import Answer, Mask
from askmask.serve.web.agreement import agreement_of_people
from askmask.serve.web.desk import Desk, Somebody, TheDesk, answer_reply, item_reply
from askmask.serve.web.messages import AnswerNumber, AnswerWithRuns, Place, Rank, Round
from askmask.serve.web.problems import Problem
from askmask.serve.web.review_messages import (
    AgreedReply,
    AgreementReply,
    AgreementsReply,
    AnswersAsked,
    AnswersReply,
    AnswerWithPlace,
    CommentReply,
    CommentsReply,
    NewAgreement,
    NewComment,
)
from askmask.serve.web.routes.items import with_runs
from askmask.store.review import Suspect
from askmask.store.work_records import GivenAnswer, WorkItem

router = APIRouter(tags=["review"])

AGREE_TOOL: Final = "agree"
MOST_AGREED: Final = 10_000
TOLD_OF_AGREED: Final = 12


@router.get("/answers")
def list_all_answers(
    _: Somebody, desk: TheDesk, asked: Annotated[AnswersAsked, Query()]
) -> AnswersReply:
    """List answers to asked regions, newest first or the most suspicious first."""
    store = desk.project.store
    if asked.order == "suspicion":
        suspects = store.review.suspects(
            limit=asked.limit + 1,
            skip=asked.skip,
            round=asked.round,
            author=asked.author,
            kind=asked.kind,
            class_index=asked.class_index,
        )
        found = store.worklist.answers_numbered([suspect.number for suspect in suspects])
    else:
        found = store.worklist.history(
            round=asked.round,
            author=asked.author,
            kind=asked.kind,
            class_index=asked.class_index,
            before=asked.before,
            limit=asked.limit + 1,
        )
        notes = (store.review.notes(given.number) for given in found)
        suspects = tuple(note for note in notes if note is not None)
    return AnswersReply(
        answers=_with_places(desk, found[: asked.limit], suspects),
        people=sorted(name for name, _, _ in store.worklist.people()),
        more=len(found) > asked.limit,
    )


def _with_places(
    desk: Desk, found: Sequence[GivenAnswer], suspects: Iterable[Suspect]
) -> list[AnswerWithPlace]:
    store = desk.project.store
    places = sorted({(given.round, given.rank) for given in found})
    items = {(i.round, i.item.rank): i.item.region for i in store.worklist.items_at(places)}
    comments = store.review.count_comments(places)
    by_number = {suspect.number: suspect for suspect in suspects}
    replies = []
    for given in found:
        region = items[given.round, given.rank]
        noted = by_number.get(given.number)
        replies.append(
            AnswerWithPlace(
                **answer_reply(given).model_dump(),
                image_id=region.image_id,
                row=region.row,
                col=region.col,
                height=region.height,
                width=region.width,
                differs=None if noted is None else noted.differs,
                disagrees=None if noted is None else noted.disagrees,
                usual_seconds=None if noted is None else noted.usual_seconds,
                suspicion=None if noted is None else noted.suspicion,
                comments=comments.get((given.round, given.rank), 0),
            )
        )
    return replies


@router.get("/items/{round}/{rank}/comments")
def list_comments(round: Round, rank: Rank, _: Somebody, desk: TheDesk) -> CommentsReply:
    """List what was written about a region."""
    desk.project.store.worklist.item(round, rank)
    found = desk.project.store.review.comments(round, rank)
    return CommentsReply(comments=[CommentReply(**asdict(comment)) for comment in found])


@router.post("/items/{round}/{rank}/comments", status_code=201)
def write_comment(
    round: Round, rank: Rank, asked: NewComment, person: Somebody, desk: TheDesk
) -> CommentReply:
    """Write something about a region, for everybody who opens it."""
    text = asked.text.strip()
    if not text:
        raise Problem(422, "invalid", "expected a comment, got blanks only.")
    comment = desk.project.store.review.add_comment(round, rank, person.name, text)
    return CommentReply(**asdict(comment))


@router.get("/agreement")
def tell_agreement(_: Somebody, desk: TheDesk) -> AgreementsReply:
    """Tell how far people agree who labelled the same regions, by person and class."""
    found, n_regions = agreement_of_people(desk.project.store, len(desk.project.source.classes))
    people = [
        AgreementReply(person=one.person, regions=one.regions, dice=list(one.dice)) for one in found
    ]
    return AgreementsReply(people=people, regions=n_regions)


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
        is_free = item.lease is None or item.lease.holder == person.name
        return is_free and (shown is None or (item.round, item.item.rank) in shown)

    found = worklist.sure(asked.min_confidence, asked.round, MOST_AGREED)
    done = []
    for item in filter(is_meant, found):
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
        done.append((item.round, item.item.rank))
    told = worklist.items_at(done[:TOLD_OF_AGREED])
    return AgreedReply(
        items=[item_reply(item, person) for item in told],
        places=[Place(round=round, rank=rank) for round, rank in done],
        count=len(done),
    )
