"""Frozen records of labelling: leases, drafts and what became of an asked region."""

from dataclasses import dataclass
from enum import StrEnum

from askmask.records import QueryItem, Region


class ItemState(StrEnum):
    """State of an asked region; the kind of the newest answer if there is one."""

    OPEN = "open"
    LABELS = "labels"
    UNSURE = "unsure"
    ARTEFACT = "artefact"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Lease:
    """The person who holds a region, and until when in seconds since 1970."""

    holder: str
    until: float


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """An answer to an asked region, without its labels.

    `image` is the image's number; `base` the number of the newest answer that its author had seen
    (None: none, or not told); `is_conflict`: another one had come meanwhile.
    """

    number: int
    round: int
    rank: int
    image: int
    kind: str
    author: str
    tool: str
    answered_at: str
    seconds: float | None
    base: int | None
    new_pixels: int
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """Facts about the maps that show a region and its surroundings, in `window`.

    `low` and `high` are the scores that are 0 and 255 in the drawn map; `confidence` is the mean
    over the region of the probability of the predicted class; `close` the share of its pixels whose
    two likeliest classes are about as likely.
    """

    window: Region
    low: float | None
    high: float | None
    confidence: float | None
    has_scores: bool
    has_prediction: bool
    close: float | None = None


@dataclass(frozen=True, slots=True)
class DrawnPiece:
    """A piece with its maps as PNG, None where there are none; `rank` is its region's."""

    rank: int
    facts: PieceFacts
    scores: bytes | None
    prediction: bytes | None


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An asked region with all that happened to it; `image` is the image's number."""

    round: int
    item: QueryItem
    image: int
    acquisition: str
    model: str | None
    state: ItemState
    lease: Lease | None
    newest: GivenAnswer | None
    answers: int
    piece: PieceFacts | None

    @property
    def is_conflict(self) -> bool:
        """Whether the newest answer did not know of the one before it."""
        return self.newest is not None and self.newest.is_conflict


@dataclass(frozen=True, slots=True)
class Receipt:
    """Result of `Worklist.give`; `is_new` is false for a repetition."""

    number: int
    is_new: bool
    is_conflict: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a list of asked regions: it begins at place `first` (from 0) of `total`."""

    items: tuple[WorkItem, ...]
    first: int
    total: int


@dataclass(frozen=True, slots=True)
class Totals:
    """Count of the asked regions by state.

    `leased`: open ones that somebody holds; `free`: open ones that a certain person could take.
    """

    by_state: dict[ItemState, int]
    conflicts: int
    leased: int
    free: int

    @property
    def standing(self) -> int:
        """Count of all that were not withdrawn."""
        return sum(self.by_state.values()) - self.by_state[ItemState.WITHDRAWN]


@dataclass(frozen=True, slots=True)
class RoundTally:
    """Count of the regions that one round asked, by state."""

    round: int
    acquisition: str
    model: str | None
    asked_at: str
    asked: int
    conflicts: int
    by_state: dict[ItemState, int]
