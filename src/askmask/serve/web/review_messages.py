"""Bodies of requests and replies of the review, validated and documented."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from askmask.serve.web.messages import AnswerReply, Asked, ClientId, Index, ItemReply, Kind, Place

_LARGEST = 2**31 - 1


class AnswersAsked(BaseModel):
    """Which answers to list, and in which order."""

    model_config = ConfigDict(extra="forbid")

    round: Annotated[int | None, Field(ge=0, le=_LARGEST)] = None
    author: Annotated[str | None, Field(max_length=200)] = None
    kind: Kind | None = None
    class_index: Annotated[
        int | None, Field(ge=0, le=255, alias="class", description="Answers with such pixels.")
    ] = None
    order: Annotated[
        Literal["newest", "suspicion"],
        Field(description="By suspicion: the newest answer of each region, the oddest first."),
    ] = "newest"
    before: Annotated[int | None, Field(ge=0, le=_LARGEST)] = None
    skip: Annotated[int, Field(ge=0, le=_LARGEST, description="By suspicion only.")] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class NewAgreement(Asked):
    """Answer open regions with their predictions; `items` narrows to those that were shown."""

    id: ClientId
    min_confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    round: Index | None = None
    items: Annotated[list[Place], Field(max_length=10_000)] | None = None
    dry_run: bool = False


class AnswerWithPlace(AnswerReply):
    """An answer with its region, and what makes it suspicious.

    `differs` and `disagrees` are shares of its pixels, from the prediction and from another
    person's answer; `suspicion` is null for an answer that a newer one replaced.
    """

    image_id: str
    row: int
    col: int
    height: int
    width: int
    differs: float | None
    disagrees: float | None
    usual_seconds: float | None
    suspicion: float | None
    comments: int


class AnswersReply(BaseModel):
    """Answers, newest first, and everybody who ever answered."""

    answers: list[AnswerWithPlace]
    people: list[str]
    more: bool


class AgreedReply(BaseModel):
    """Regions that were (or, in a dry run, would be) answered with their prediction.

    `items` are the first of them, `places` all.
    """

    items: list[ItemReply]
    places: list[Place]
    count: int


class NewComment(Asked):
    """A comment on a region."""

    text: Annotated[str, Field(min_length=1, max_length=2000)]


class CommentReply(BaseModel):
    """A comment on a region."""

    number: int
    author: str
    text: str
    written_at: str


class CommentsReply(BaseModel):
    """Every comment on a region, oldest first."""

    comments: list[CommentReply]


class AgreementReply(BaseModel):
    """How far one person agrees with the others, in regions that both labelled.

    `dice` is by class, over all those regions together; null where neither used the class.
    """

    person: str
    regions: int
    dice: list[float | None]


class AgreementsReply(BaseModel):
    """Agreement of every person who labelled a region that somebody else labelled too."""

    people: list[AgreementReply]
    regions: int
