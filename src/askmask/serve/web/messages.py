"""Bodies of requests and replies between the page and the server, validated and documented."""

from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from askmask.config import ObjectRule

_LARGEST = 2**31 - 1

ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
Index = Annotated[int, Field(ge=0, le=_LARGEST)]
Round = Annotated[int, Path(alias="round", ge=0, le=_LARGEST, description="Round that asked.")]
MaybeRound = Annotated[int | None, Query(alias="round", ge=0, le=_LARGEST)]
Rank = Annotated[int, Path(ge=0, le=_LARGEST, description="Place in the round's query, from 0.")]
ImageNumber = Annotated[int, Path(ge=0, le=_LARGEST, description="Number of an image, from 0.")]
Level = Annotated[int, Path(ge=0, le=32, description="The image shrunk by 2 to this power.")]
TileIndex = Annotated[int, Path(ge=0, le=_LARGEST, description="Place of a tile.")]
AnswerNumber = Annotated[int, Path(ge=1, le=_LARGEST, description="Number of an answer.")]
MaybeIndex = Annotated[int | None, Query(ge=0, le=_LARGEST)]
Coordinate = Annotated[int, Query(ge=0, le=_LARGEST)]
Side = Annotated[int, Query(ge=1, le=_LARGEST)]
MaybeText = Annotated[str | None, Query(max_length=200)]
Kind = Literal["labels", "unsure", "artefact"]
Runs = Annotated[list[int], Field(description="Row-major [value, count, ...]; 255 is unlabelled.")]


class Asked(BaseModel):
    """Body of a request; an unknown member is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewSession(Asked):
    """Log in by token, or on this machine by name and the key of the printed address."""

    name: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    key: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    token: Annotated[str | None, Field(min_length=1, max_length=200)] = None


class Place(Asked):
    """An asked region."""

    round: Index
    rank: Index


class NextItem(Asked):
    """Request for the next region."""

    after: Place | None = None


class NewAnswer(Asked):
    """An answer to an asked region."""

    id: ClientId
    kind: Kind
    runs: Runs | None = None
    seconds: Annotated[float | None, Field(ge=0, le=86_400, allow_inf_nan=False)] = None
    tool: Annotated[str, Field(pattern=r"^[a-z0-9+_ -]{1,64}$")]
    base: Annotated[int | None, Field(ge=1, le=_LARGEST)] = None


class NewCommand(Asked):
    """Command for the worker."""

    command: Literal["start", "pause", "resume", "stop", "train", "ask_again"]
    acquisition: Annotated[str | None, Field(min_length=1, max_length=64)] = None


class SessionReply(BaseModel):
    """The person who is logged in."""

    name: str
    role: Literal["annotate", "admin"]
    token_required: bool


class HealthReply(BaseModel):
    """Sign that the server runs."""

    status: Literal["ok"]
    version: str


class ClassReply(BaseModel):
    """A class and its colour on the page."""

    index: int
    name: str
    color: str


class BudgetReply(BaseModel):
    """Budget of a query; one member is set, the others null."""

    regions: int | None
    pixels: int | None
    images: int | None


class ProjectReply(BaseModel):
    """Facts that do not change while people work; `id` is made once with the project's database."""

    id: str
    name: str
    classes: list[ClassReply]
    unlabelled: int
    unit: str
    acquisition: str
    acquisitions: list[str]
    budget: BudgetReply
    images: int
    pool_images: int
    validation_images: int
    lease_seconds: float
    idle_seconds: float
    max_body_bytes: int
    tile: int
    mpp: float | None
    assistant: bool
    version: str


class LeaseReply(BaseModel):
    """The person who holds a region."""

    name: str
    mine: bool
    until: str
    seconds_left: float


class AnswerReply(BaseModel):
    """An answer, without labels."""

    number: int
    round: int
    rank: int
    image: int
    kind: Kind
    author: str
    tool: str
    answered_at: str
    seconds: float | None
    base: int | None
    new_pixels: int
    conflict: bool


class AnswerWithRuns(AnswerReply):
    """An answer with its labels; null for kinds without."""

    runs: Runs | None


class PieceReply(BaseModel):
    """Facts about the maps that show a region and its surroundings."""

    row: int
    col: int
    height: int
    width: int
    scores: bool
    prediction: bool
    low: float | None
    high: float | None
    confidence: float | None
    close: float | None


class ItemReply(BaseModel):
    """An asked region with its state and answers."""

    round: int
    rank: int
    image: int
    image_id: str
    row: int
    col: int
    height: int
    width: int
    score: float
    new_pixels: int
    acquisition: str
    model: str | None
    state: Literal["open", "labels", "unsure", "artefact", "withdrawn"]
    lease: LeaseReply | None
    answer: AnswerReply | None
    answers: int
    conflict: bool
    piece: PieceReply | None


class Prefill(BaseModel):
    """Labels to start from."""

    model_config = ConfigDict(populate_by_name=True)

    origin: Annotated[Literal["answer", "prediction", "none"], Field(alias="from")]
    runs: Runs


class ItemWithPrefill(ItemReply):
    """An asked region, ready to be worked on."""

    prefill: Prefill


class RoundCount(BaseModel):
    """How many regions of a round's query are in each state."""

    round: int
    acquisition: str
    model: str | None
    asked_at: str
    asked: int
    open: int
    labels: int
    unsure: int
    artefact: int
    withdrawn: int
    conflicts: int


class ItemsReply(BaseModel):
    """Part of a list of asked regions, from place `first` of `total` on."""

    items: list[ItemReply]
    first: int
    total: int
    change: int


class ChangesReply(BaseModel):
    """Changes since an event, and counts of all asked regions.

    `items` and `rounds` are those that changed; `stale`: so many changed that lists must be read
    anew. `free` counts the open regions that the person who asks could take.
    """

    items: list[ItemReply]
    rounds: list[RoundCount]
    total: int
    open: int
    free: int
    conflicts: int
    stale: bool
    change: int


class GivenReply(BaseModel):
    """An answer that was kept."""

    answer: AnswerReply
    item: ItemReply
    conflict: bool


class HistoryReply(BaseModel):
    """Every answer to one region, oldest first."""

    answers: list[AnswerWithRuns]


class WindowReply(BaseModel):
    """Labels known in a window of an image."""

    row: int
    col: int
    height: int
    width: int
    runs: Runs


class CommandReply(BaseModel):
    """A command that was given."""

    command: int
    state: Literal["waiting", "done", "refused"]


class CommandRecord(CommandReply):
    """A command and whether it was carried out."""

    name: str
    acquisition: str | None
    by: str
    at: str
    message: str


class CommandsReply(BaseModel):
    """Commands, newest first."""

    commands: list[CommandRecord]


class ScoresCoverReply(BaseModel):
    """What the scores of the rounds leave out, and the rule by which an object was found.

    `words` says all of it in sentences. `object_rule` is the rule of the newest scores with
    objects, and the config's before there are any.
    """

    mean_classes: list[str]
    background: str | None
    object_rule: ObjectRule
    min_object_pixels: int
    words: list[str]


class StatusReply(BaseModel):
    """State of the loop, as `askmask.serve.web.status` puts it together."""

    worker: dict[str, Any]  # Any: numbers, texts and nulls of a report
    queue: dict[str, Any]
    acquisitions: list[str]
    rounds: list[dict[str, Any]]
    scores_cover: ScoresCoverReply
    curve: dict[str, Any]
    forecast: dict[str, Any] | None
    changed: dict[str, Any] | None
    calibration: dict[str, Any] | None
    cost: dict[str, Any]
    people: list[dict[str, Any]]
    conflicts: int
    has_validation: bool
    notes: list[str]
