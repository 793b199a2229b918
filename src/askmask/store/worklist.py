"""Asked regions while people label them: who holds which, how each ended, what the page shows.

What a worklist guarantees, tested by ``StoreContract``:

- **Nothing is lost.** `give` keeps an answer no matter who holds the region, when it comes, and
  what came before; what it returns from is durable. A repeated `give` changes nothing.
- **Nothing is hidden.** An answer whose author had not seen the newest one is a conflict, and
  stays one until somebody answers who has.
- **A lease is courtesy.** It keeps two people from the same region; it runs out by itself.
- **What was opened stays.** A region that somebody ever held may have strokes in a browser: it is
  *fresh* no more, and only a person's command withdraws it.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from askmask.errors import UnknownItem
from askmask.records import LONGEST_LEASE_SECONDS, Answer, QueryItem, Region, utc_now
from askmask.store import answers
from askmask.store.database import Database, Row
from askmask.store.events import note
from askmask.store.work_records import (
    DrawnPiece,
    GivenAnswer,
    ItemState,
    Lease,
    PieceFacts,
    Receipt,
    WorkItem,
)

LEASE_SECONDS: Final = 120.0
"""How long a region is kept for a person who gives no sign of life."""

_ANSWERS_ITEM: Final = (  # served by an index from either side
    "answer.round = item.round AND"
    " (answer.image_id, answer.row, answer.col, answer.height, answer.width)"
    " = (item.image_id, item.row, item.col, item.height, item.width)"
)
_IS_OPEN: Final = (
    "NOT EXISTS (SELECT 1 FROM withdrawals AS gone"  # noqa: S608
    " WHERE (gone.round, gone.rank) = (item.round, item.rank))"
    f" AND NOT EXISTS (SELECT 1 FROM answers AS answer WHERE {_ANSWERS_ITEM})"
)
_ITEM: Final = (
    "SELECT item.round, item.rank, item.score, item.new_pixels, item.image_id, item.row, item.col,"  # noqa: S608
    " item.height, item.width, image.position, query.acquisition, query.model,"
    " gone.round IS NOT NULL, lease.holder, lease.until, piece.row, piece.col, piece.height,"
    " piece.width, piece.low, piece.high, piece.confidence, piece.scores IS NOT NULL,"
    " piece.prediction IS NOT NULL,"
    f" (SELECT count(*) FROM answers AS answer WHERE {_ANSWERS_ITEM})"
    " FROM query_items AS item"
    " JOIN images AS image ON image.image_id = item.image_id"
    " JOIN queries AS query ON query.round = item.round"
    " LEFT JOIN withdrawals AS gone ON (gone.round, gone.rank) = (item.round, item.rank)"
    " LEFT JOIN leases AS lease ON (lease.round, lease.rank) = (item.round, item.rank)"
    " AND lease.until > ? AND lease.until <= ?"
    " LEFT JOIN pieces AS piece ON (piece.round, piece.rank) = (item.round, item.rank)"
)
_GIVEN: Final = (
    "SELECT answer.id, item.round, item.rank, image.position, answer.kind, answer.author,"
    " answer.tool, answer.answered_at, answer.seconds, receipt.base, answer.new_pixels,"
    " ifnull(receipt.is_conflict, 0) FROM {tables}"
    " JOIN images AS image ON image.image_id = item.image_id"
    " LEFT JOIN receipts AS receipt ON receipt.answer = answer.id"
)
# A cross join is read in the order in which it is written: of few regions the answers are looked
# up; of all, the answers are read from the newest on, as far as they are wanted.
_OF_FEW: Final = f"query_items AS item CROSS JOIN answers AS answer ON {_ANSWERS_ITEM}"
_OF_ALL: Final = f"answers AS answer CROSS JOIN query_items AS item ON {_ANSWERS_ITEM}"

_IS_FRESH: Final = (  # nobody answered, withdrew or ever held it
    f"{_IS_OPEN} AND NOT EXISTS (SELECT 1 FROM leases AS held"  # noqa: S608
    " WHERE (held.round, held.rank) = (item.round, item.rank))"
)
_FREE: Final = (  # open regions that nobody else holds, and whether the person does
    "SELECT item.round, item.rank, lease.holder IS NOT NULL FROM query_items AS item"  # noqa: S608
    " LEFT JOIN leases AS lease ON (lease.round, lease.rank) = (item.round, item.rank)"
    f" AND lease.until > ? AND lease.until <= ? WHERE ifnull(lease.holder = ?, 1) AND {_IS_OPEN}"
)


class Worklist:
    """Asked regions of an open database; reached as ``Store.worklist``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def items(self, round: int | None = None, rank: int | None = None) -> tuple[WorkItem, ...]:
        """Every asked region, or those of a round, or one, by round and rank."""
        newest: dict[tuple[int, int], GivenAnswer] = {}
        for given in self.history(round=round, rank=rank):
            newest.setdefault((given.round, given.rank), given)
        where, values = _conditions(("item.round = ?", round), ("item.rank = ?", rank))
        sql = f"{_ITEM}{where} ORDER BY item.round, item.rank"
        rows = self._database.rows(sql, *_lease_ends(), *values)
        return tuple(_work_item(row, newest.get((row[0], row[1]))) for row in rows)

    def open_items(self) -> tuple[WorkItem, ...]:
        """Asked regions that are neither answered nor withdrawn, by round and rank."""
        sql = f"{_ITEM} WHERE {_IS_OPEN} ORDER BY item.round, item.rank"
        return tuple(_work_item(row, None) for row in self._database.rows(sql, *_lease_ends()))

    def fresh_items(self) -> tuple[WorkItem, ...]:
        """Open regions that nobody ever held, by round and rank."""
        sql = f"{_ITEM} WHERE {_IS_FRESH} ORDER BY item.round, item.rank"
        return tuple(_work_item(row, None) for row in self._database.rows(sql, *_lease_ends()))

    def item(self, round: int, rank: int) -> WorkItem:
        """One asked region.

        Raises
        ------
        UnknownItem
            If the round did not ask it.
        """
        found = self.items(round, rank)
        if not found:
            raise UnknownItem(
                f"expected an asked region, got number {rank!r} of round {round!r}, which does "
                "not exist. Take round and rank from the list of items."
            )
        return found[0]

    def history(
        self,
        *,
        round: int | None = None,
        rank: int | None = None,
        author: str | None = None,
        kind: str | None = None,
        before: int | None = None,
        limit: int = -1,
    ) -> tuple[GivenAnswer, ...]:
        """Answers to asked regions, newest first; at most `limit`, numbered below `before`."""
        where, values = _conditions(
            ("item.round = ?", round),
            ("item.rank = ?", rank),
            ("answer.author = ?", author),
            ("answer.kind = ?", kind),
            ("answer.id < ?", before),
        )
        given = _GIVEN.format(tables=_OF_ALL if round is None else _OF_FEW)
        sql = f"{given}{where} ORDER BY answer.id DESC LIMIT ?"
        rows = self._database.rows(sql, *values, limit)
        return tuple(GivenAnswer(*row[:-1], bool(row[-1])) for row in rows)  # type: ignore[call-arg]

    def answer(self, number: int) -> Answer | None:
        """Answer of a number with its labels, from any round; None if there is none."""
        return answers.answer(self._database, number)

    def give(
        self, rank: int, answer: Answer, *, client_id: str, base: int | None = None
    ) -> Receipt:
        """Append an answer to an asked region; a second time with the same id nothing happens.

        Parameters
        ----------
        rank : int
            Place of the region in the query of ``answer.round``.
        answer : Answer
            For exactly that region.
        client_id : str
            Made by the page or script that answers, a new one for each answer.
        base : int or None
            Number of the newest answer to this region that the author had seen.

        Raises
        ------
        UnknownItem
            If the round did not ask that region.
        ReusedId
            If the id was used for another answer.
        StoreError
            If `base` is no answer to this region.
        """
        with self._database.writing():
            item = self.item(answer.round, rank)
            if item.item.region != answer.region:
                raise UnknownItem(
                    f"expected an answer for {item.item.region!r}, got one for {answer.region!r}."
                )
            return answers.write_answer(self._database, answer, client_id=client_id, base=base)

    def lease(self, round: int, rank: int, holder: str, seconds: float = LEASE_SECONDS) -> Lease:
        """Take or renew a region; return the lease that holds now, which may be another's."""
        with self._database.writing() as connection:
            standing = self.item(round, rank).lease
            if standing is not None and standing.holder != holder:
                return standing
            lease = Lease(holder, time.time() + seconds)
            connection.execute(
                "INSERT INTO leases VALUES (?, ?, ?, ?) ON CONFLICT (round, rank)"
                " DO UPDATE SET holder = excluded.holder, until = excluded.until",
                (round, rank, holder, lease.until),
            )
            if standing is None:
                note(self._database, "item", round, rank)
        return lease

    def people_at_work(self) -> int:
        """Count the people who hold a region now, be it open or answered."""
        sql = "SELECT count(DISTINCT holder) FROM leases WHERE until > ? AND until <= ?"
        return int(self._database.rows(sql, *_lease_ends())[0][0])

    def taken_since(self, answer: int) -> tuple[Region, ...]:
        """Regions with an answer numbered above `answer`, and open ones that somebody has held."""
        rows = self._database.rows(
            "SELECT image_id, row, col, height, width FROM answers WHERE id > ? UNION"  # noqa: S608
            " SELECT image_id, row, col, height, width FROM query_items AS item"
            " JOIN leases AS held ON (held.round, held.rank) = (item.round, item.rank)"
            f" WHERE {_IS_OPEN}",
            answer,
        )
        return tuple(Region(*row) for row in rows)

    def release(self, round: int, rank: int, holder: str) -> None:
        """Give a region back; nothing happens if `holder` does not hold it."""
        with self._database.writing():
            if self._release(round, rank, holder):
                note(self._database, "item", round, rank)

    def lease_next(
        self, holder: str, after: tuple[int, int] | None = None, seconds: float = LEASE_SECONDS
    ) -> WorkItem | None:
        """Take the next open region that nobody else holds; None if there is none.

        One that `holder` has already comes first. The others come by round and rank from `after`
        on, and round again; `after` itself last.
        """
        with self._database.writing():
            free = self._database.rows(_FREE, *_lease_ends(), holder)
            if not free:
                return None
            round, rank, _ = min(free, key=lambda row: _turn(row, after))
            self.lease(round, rank, holder, seconds)
            return self.item(round, rank)

    def withdraw(self, by: str) -> int:
        """Ask the open regions that nobody holds no more; return how many there were."""
        with self._database.writing():
            return self._withdraw([item for item in self.open_items() if item.lease is None], by)

    def withdraw_fresh(self, by: str, keep: Collection[tuple[int, int]] = ()) -> int:
        """Ask the fresh regions no more, but for some by round and rank; return how many."""
        with self._database.writing():
            fresh = [i for i in self.fresh_items() if (i.round, i.item.rank) not in keep]
            return self._withdraw(fresh, by)

    def forget_pieces(self, older_than: float) -> None:
        """Delete what was shown of regions withdrawn more than so many seconds ago."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than)
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM pieces WHERE (round, rank) IN (SELECT round, rank FROM withdrawals"
                " WHERE withdrawn_at < ?)",
                (limit.isoformat(timespec="milliseconds"),),
            )

    def _withdraw(self, gone: Sequence[WorkItem], by: str) -> int:
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO withdrawals VALUES (?, ?, ?, ?)",
                [(item.round, item.item.rank, by, utc_now()) for item in gone],
            )
            for round in sorted({item.round for item in gone}):
                note(self._database, "query", round)
        return len(gone)

    def add_pieces(self, round: int, pieces: Iterable[DrawnPiece]) -> None:
        """Keep what is shown of some regions of a round, all or none; again nothing happens.

        People's answers wait for it, so only few should be given at once, and already drawn.
        """
        with self._database.writing() as connection:
            for piece in pieces:
                facts, window = piece.facts, piece.facts.window
                connection.execute(
                    "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (round, rank) DO NOTHING",
                    (
                        *(round, piece.rank),
                        *(window.row, window.col, window.height, window.width),
                        *(facts.low, facts.high, facts.confidence),
                        *(piece.scores, piece.prediction),
                    ),
                )
                note(self._database, "item", round, piece.rank)

    def piece(self, round: int, rank: int) -> tuple[bytes | None, bytes | None] | None:
        """Score map and prediction of a region as PNG; None if nothing was drawn yet."""
        rows = self._database.rows(
            "SELECT scores, prediction FROM pieces WHERE (round, rank) = (?, ?)", round, rank
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def asked_at(self) -> dict[int, str]:
        """When each round's query was asked."""
        return dict(self._database.rows("SELECT round, asked_at FROM queries"))

    def people(self) -> tuple[tuple[str, int, float], ...]:
        """People who answered asked regions, how often, and in how many measured seconds."""
        rows = self._database.rows(
            "SELECT author, count(*), ifnull(sum(seconds), 0.0) FROM answers WHERE round > 0"
            " GROUP BY author ORDER BY min(id)"
        )
        return tuple((name, count, seconds) for name, count, seconds in rows)

    def _release(self, round: int, rank: int, holder: str) -> bool:
        with self._database.writing() as connection:
            # The row stays, as the sign that somebody has had the region in hand.
            cursor = connection.execute(
                "UPDATE leases SET until = 0 WHERE (round, rank, holder) = (?, ?, ?) AND until > 0",
                (round, rank, holder),
            )
            return cursor.rowcount > 0


def _lease_ends() -> tuple[float, float]:
    """Bounds of the end of a lease that holds now; one beyond them was given by another clock."""
    now = time.time()
    return now, now + LONGEST_LEASE_SECONDS


def _conditions(*wanted: tuple[str, object]) -> tuple[str, list[object]]:
    """WHERE clause of the conditions whose value is not None, and those values."""
    held = [(sql, value) for sql, value in wanted if value is not None]
    where = " WHERE " + " AND ".join(sql for sql, _ in held) if held else ""
    return where, [value for _, value in held]


def _turn(row: Row, after: tuple[int, int] | None) -> tuple[bool, bool, bool, tuple[int, int]]:
    place, is_held = (row[0], row[1]), bool(row[2])
    return (place == after, not is_held, after is not None and place < after, place)


def _work_item(row: Row, newest: GivenAnswer | None) -> WorkItem:
    round, rank, score, new_pixels, *place = row[:9]
    image, acquisition, model, is_gone, holder, until = row[9:15]
    region = Region(*place)
    if newest is not None:
        state = ItemState(newest.kind)
    else:
        state = ItemState.WITHDRAWN if is_gone else ItemState.OPEN
    return WorkItem(
        round=round,
        item=QueryItem(rank, region, score, new_pixels),
        image=image,
        acquisition=acquisition,
        model=model,
        state=state,
        lease=None if holder is None else Lease(holder, until),
        newest=newest,
        answers=row[24],
        piece=_piece_facts(region.image_id, row[15:24]),
    )


def _piece_facts(image_id: str, row: Sequence[object]) -> PieceFacts | None:
    if row[0] is None:
        return None
    *place, low, high, confidence, has_scores, has_prediction = row
    window = Region(image_id, *place)  # type: ignore[arg-type]
    return PieceFacts(window, low, high, confidence, bool(has_scores), bool(has_prediction))  # type: ignore[arg-type]
