"""Lists of asked regions, read a window at a time; what a look costs grows with the window only.

Functions on an open database; callers use them through ``store.worklist``, which states the
contract.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from askmask.records import LONGEST_LEASE_SECONDS, QueryItem, Region
from askmask.store.database import Database, Row
from askmask.store.work_records import (
    GivenAnswer,
    ItemState,
    Lease,
    PieceFacts,
    RoundTally,
    Totals,
    Window,
    WorkItem,
)

Place = tuple[int, int]
"""An asked region by its round and rank."""

DONE: Final = "done"
CONFLICT: Final = "conflict"

_ROWS: Final = (
    "SELECT item.round, item.rank, item.score, item.new_pixels, item.image_id, item.row, item.col,"
    " item.height, item.width, image.position, query.acquisition, query.model,"
    " state.state, state.answers, lease.holder, lease.until,"
    " newest.id, newest.kind, newest.author, newest.tool, newest.answered_at, newest.seconds,"
    " receipt.base, newest.new_pixels, ifnull(receipt.is_conflict, 0),"
    " piece.row, piece.col, piece.height, piece.width, piece.low, piece.high, piece.confidence,"
    " piece.scores IS NOT NULL, piece.prediction IS NOT NULL, piece.close"
    " FROM ({places}) AS state"
    " CROSS JOIN query_items AS item ON (item.round, item.rank) = (state.round, state.rank)"
    " JOIN images AS image ON image.image_id = item.image_id"
    " JOIN queries AS query ON query.round = item.round"
    " LEFT JOIN answers AS newest ON newest.id = state.newest"
    " LEFT JOIN receipts AS receipt ON receipt.answer = newest.id"
    " LEFT JOIN leases AS lease ON (lease.round, lease.rank) = (item.round, item.rank)"
    " AND lease.until > ? AND lease.until <= ?"
    " LEFT JOIN pieces AS piece ON (piece.round, piece.rank) = (item.round, item.rank)"
    " ORDER BY item.round, item.rank"
)
_STATES: Final = "SELECT * FROM item_states AS state"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which asked regions a list has; every member that is None chooses all.

    Attributes
    ----------
    round : int or None
        The round that asked.
    state : str or None
        A state, ``"done"`` (answered in any way) or ``"conflict"``; None: all but withdrawn ones.
    image_id : str or None
        The image they lie in.
    text : str or None
        A part of the image's id, in small or large letters.
    """

    round: int | None = None
    state: str | None = None
    image_id: str | None = None
    text: str | None = None

    def where(self) -> tuple[str, list[object]]:
        """Condition on ``item_states AS state``, and its values."""
        states = {
            None: "state.state <> 'withdrawn'",
            CONFLICT: "state.is_conflict = 1",
            DONE: "state.state IN ('labels', 'unsure', 'artefact')",
        }
        of_image = "(state.round, state.rank) IN (SELECT round, rank FROM query_items WHERE {})"
        is_plain = self.state not in states
        wanted: tuple[tuple[str, object], ...] = (
            ("state.state = ?", self.state if is_plain else None),
            ("state.round = ?", self.round),
            (of_image.format("image_id = ?"), self.image_id),
            (of_image.format("instr(lower(image_id), lower(?))"), self.text),
        )
        held = [(sql, value) for sql, value in wanted if value is not None]
        conditions = [] if is_plain else [states[self.state]]
        conditions += [sql for sql, _ in held]
        return " AND ".join(conditions), [value for _, value in held]


def all_items(database: Database, where: str, *values: object) -> tuple[WorkItem, ...]:
    """Asked regions for which a condition on ``item_states AS state`` holds, by round and rank."""
    places = f"{_STATES} WHERE {where}"
    return _items(database, places, values)


def items_at(database: Database, places: Sequence[Place]) -> tuple[WorkItem, ...]:
    """Those of some places that were asked, by round and rank."""
    if not places:
        return ()
    listed = ", ".join(["(?, ?)"] * len(places))
    where = f"(state.round, state.rank) IN (VALUES {listed})"
    return all_items(database, where, *(number for place in places for number in place))


def window(
    database: Database, chosen: Chosen, *, first: int, limit: int, at: Place | None = None
) -> Window:
    """Part of a list, by round and rank.

    `first` is counted from the beginning, or with `at` from the first region there or after it
    (then it may be negative); a window never begins before the list.
    """
    where, values = chosen.where()
    counted = f"SELECT count(*) FROM item_states AS state WHERE {where}"  # noqa: S608
    ((total,),) = database.rows(counted, *values)
    if at is not None:
        before = f"{counted} AND (state.round, state.rank) < (?, ?)"
        ((position,),) = database.rows(before, *values, *at)
        first += position
    first = max(0, first)
    places = f"{_STATES} WHERE {where} ORDER BY state.round, state.rank LIMIT ? OFFSET ?"
    return Window(_items(database, places, (*values, limit, first)), first, total)


def next_free(database: Database, holder: str, after: Place | None) -> Place | None:
    """Next open region that nobody else holds, in the order that `Worklist.lease_next` states."""
    free = (
        "SELECT state.round, state.rank FROM item_states AS state"
        " LEFT JOIN leases AS lease ON (lease.round, lease.rank) = (state.round, state.rank)"
        " AND lease.until > ? AND lease.until <= ?"
        " WHERE state.state = 'open' AND ifnull(lease.holder = ?, 1)"
        " AND {} ORDER BY state.round, state.rank LIMIT 1"
    )
    held = (
        "SELECT state.round, state.rank FROM leases AS lease CROSS JOIN item_states AS state"
        " ON (state.round, state.rank) = (lease.round, lease.rank)"
        " WHERE lease.until > ? AND lease.until <= ? AND lease.holder = ?"
        " AND state.state = 'open' AND (state.round, state.rank) <> (?, ?)"
        " ORDER BY (state.round, state.rank) < (?, ?), state.round, state.rank LIMIT 1"
    )
    start = (-1, -1) if after is None else after
    known = (*lease_ends(), holder)
    turns = (
        (held, (*start, *start)),
        (free.format("(state.round, state.rank) > (?, ?)"), start),
        (free.format("(state.round, state.rank) <= (?, ?)"), start),
    )
    for sql, values in turns:
        rows = database.rows(sql, *known, *values)
        if rows:
            return rows[0][0], rows[0][1]
    return None


def totals(database: Database, holder: str) -> Totals:
    """Count the asked regions; `free` are those that `holder` could take."""
    counts: dict[str, int] = dict(
        database.rows("SELECT state, count(*) FROM item_states GROUP BY state")
    )
    ((conflicts,),) = database.rows("SELECT count(*) FROM item_states WHERE is_conflict = 1")
    ((leased, of_others),) = database.rows(
        "SELECT count(*), ifnull(sum(lease.holder <> ?), 0) FROM leases AS lease"
        " CROSS JOIN item_states AS state"
        " ON (state.round, state.rank) = (lease.round, lease.rank)"
        " WHERE lease.until > ? AND lease.until <= ? AND state.state = 'open'",
        *(holder, *lease_ends()),
    )
    by_state = {state: counts.get(state.value, 0) for state in ItemState}
    still_open = by_state[ItemState.OPEN]
    return Totals(by_state, conflicts, leased, still_open - of_others)


def tallies(
    database: Database, *, rounds: Iterable[int] | None = None, newest: int = -1
) -> tuple[RoundTally, ...]:
    """Count the regions of some rounds, by default of the `newest` ones, by their states."""
    wanted = None if rounds is None else list(rounds)
    chosen = (
        "SELECT round FROM queries ORDER BY round DESC LIMIT ?"
        if wanted is None
        else f"VALUES {', '.join(['(?)'] * len(wanted))}"
    )
    if wanted == []:
        return ()
    rows = database.rows(
        "SELECT query.round, query.acquisition, query.model, query.asked_at, count(*),"  # noqa: S608
        " sum(state.is_conflict),"
        + ", ".join(f"sum(state.state = '{state.value}')" for state in ItemState)
        + " FROM queries AS query CROSS JOIN item_states AS state ON state.round = query.round"
        f" WHERE query.round IN ({chosen}) GROUP BY query.round ORDER BY query.round",
        *([newest] if wanted is None else wanted),
    )
    return tuple(_tally(row) for row in rows)


def lease_ends() -> tuple[float, float]:
    """Bounds of the end of a lease that holds now; one beyond them was given by another clock."""
    now = time.time()
    return now, now + LONGEST_LEASE_SECONDS


def _items(database: Database, places: str, values: Sequence[object]) -> tuple[WorkItem, ...]:
    rows = database.rows(_ROWS.format(places=places), *values, *lease_ends())
    return tuple(_work_item(row) for row in rows)


def _tally(row: Row) -> RoundTally:
    round, acquisition, model, asked_at, asked, conflicts, *counts = row
    by_state = dict(zip(ItemState, counts, strict=True))
    return RoundTally(round, acquisition, model, asked_at, asked, conflicts, by_state)


def _work_item(row: Row) -> WorkItem:
    round, rank, score, new_pixels, *place = row[:9]
    image, acquisition, model, state, n_answers, holder, until = row[9:16]
    given = row[16:25]
    region = Region(*place)
    is_answered = given[0] is not None
    return WorkItem(
        round=round,
        item=QueryItem(rank, region, score, new_pixels),
        image=image,
        acquisition=acquisition,
        model=model,
        state=ItemState(state),
        lease=None if holder is None else Lease(holder, until),
        newest=_newest(given, round, rank, image) if is_answered else None,
        answers=n_answers,
        piece=_piece_facts(region.image_id, row[25:35]),
    )


def _newest(row: Row, round: int, rank: int, image: int) -> GivenAnswer:
    number, kind, author, tool, answered_at, seconds, base, new_pixels, is_conflict = row
    return GivenAnswer(
        number=number,
        round=round,
        rank=rank,
        image=image,
        kind=kind,
        author=author,
        tool=tool,
        answered_at=answered_at,
        seconds=seconds,
        base=base,
        new_pixels=new_pixels,
        is_conflict=bool(is_conflict),
    )


def _piece_facts(image_id: str, row: Sequence[object]) -> PieceFacts | None:
    if row[0] is None:
        return None
    *place, low, high, confidence, has_scores, has_prediction, close = row
    window = Region(image_id, *place)  # type: ignore[arg-type]
    return PieceFacts(
        window=window,
        low=low,  # type: ignore[arg-type]
        high=high,  # type: ignore[arg-type]
        confidence=confidence,  # type: ignore[arg-type]
        has_scores=bool(has_scores),
        has_prediction=bool(has_prediction),
        close=close,  # type: ignore[arg-type]
    )
