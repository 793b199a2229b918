"""Asked regions while people label them: who holds which, how each ended, what the page shows.

What a worklist guarantees, tested by ``StoreContract``:

- **Nothing is lost.** `give` keeps an answer no matter who holds the region, when it comes, and
  what came before; what it returns from is durable. A repeated `give` changes nothing.
- **Nothing is hidden.** An answer whose author had not seen the newest one is a conflict, and
  stays one until somebody answers who has.
- **A lease is courtesy.** It keeps two people from the same region; it runs out by itself.
- **What was opened stays.** A region that somebody ever held may have strokes in a browser: it is
  *fresh* no more, and only a person's command withdraws it.
- **A look is cheap.** What one region, one window of a list or the next free region costs does not
  grow with the number of regions that were asked; counts and the start of a window read an index.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from askmask.errors import UnknownItem
from askmask.records import Answer, Region, utc_now
from askmask.store import answers, item_lists
from askmask.store.database import Database
from askmask.store.events import note
from askmask.store.item_lists import Chosen, Place
from askmask.store.work_records import (
    DrawnPiece,
    GivenAnswer,
    Lease,
    Receipt,
    RoundTally,
    Totals,
    Window,
    WorkItem,
)

LEASE_SECONDS: Final = 120.0
"""How long a region is kept for a person who gives no sign of life."""

_ANSWERS_ITEM: Final = (  # served by an index from either side
    "answer.round = item.round AND"
    " (answer.image_id, answer.row, answer.col, answer.height, answer.width)"
    " = (item.image_id, item.row, item.col, item.height, item.width)"
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

_HAS_CLASS: Final = (
    "EXISTS (SELECT 1 FROM answer_classes AS has WHERE (has.answer, has.class) = (answer.id, ?))"
)
_IS_SURE: Final = (
    "EXISTS (SELECT 1 FROM pieces WHERE (pieces.round, pieces.rank) = (state.round, state.rank)"
    " AND confidence >= ?)"
)

_IS_FRESH: Final = (  # nobody answered, withdrew or ever held it
    "state.state = 'open' AND NOT EXISTS (SELECT 1 FROM leases AS held"
    " WHERE (held.round, held.rank) = (state.round, state.rank))"
)


class Worklist:
    """Asked regions of an open database; reached as ``Store.worklist``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def items(self, round: int | None = None, rank: int | None = None) -> tuple[WorkItem, ...]:
        """Every asked region, or those of a round, or one, by round and rank."""
        where, values = _conditions(("state.round = ?", round), ("state.rank = ?", rank))
        return item_lists.all_items(self._database, where, *values)

    def open_items(self) -> tuple[WorkItem, ...]:
        """Asked regions that are neither answered nor withdrawn, by round and rank."""
        return item_lists.all_items(self._database, "state.state = 'open'")

    def fresh_items(self) -> tuple[WorkItem, ...]:
        """Open regions that nobody ever held, by round and rank."""
        return item_lists.all_items(self._database, _IS_FRESH)

    def count_fresh(self) -> int:
        """Count the open regions that nobody ever held."""
        sql = f"SELECT count(*) FROM item_states AS state WHERE {_IS_FRESH}"  # noqa: S608
        return int(self._database.rows(sql)[0][0])

    def held(self) -> tuple[WorkItem, ...]:
        """Regions that somebody holds now, answered or not, by round and rank."""
        leased = "SELECT round, rank FROM leases WHERE until > ? AND until <= ?"
        where = f"(state.round, state.rank) IN ({leased})"
        return item_lists.all_items(self._database, where, *item_lists.lease_ends())

    def items_at(self, places: Sequence[Place]) -> tuple[WorkItem, ...]:
        """Those of some places (round, rank) that were asked, by round and rank."""
        return item_lists.items_at(self._database, places)

    def window(
        self, chosen: Chosen, *, first: int = 0, limit: int = -1, at: Place | None = None
    ) -> Window:
        """Part of a list: from place `first`, counted from the first region at `at` or after it."""
        return item_lists.window(self._database, chosen, first=first, limit=limit, at=at)

    def undrawn(self, limit: int) -> tuple[WorkItem, ...]:
        """Open regions of which no piece was drawn, those in hand first, then by round and rank."""
        rows = self._database.rows(
            "SELECT state.round, state.rank FROM item_states AS state LEFT JOIN leases AS lease"
            " ON (lease.round, lease.rank) = (state.round, state.rank)"
            " AND lease.until > ? AND lease.until <= ?"
            " WHERE state.state = 'open' AND state.is_drawn = 0"
            " ORDER BY lease.holder IS NULL, state.round, state.rank LIMIT ?",
            *(*item_lists.lease_ends(), limit),
        )
        found = {(i.round, i.item.rank): i for i in self.items_at([(r[0], r[1]) for r in rows])}
        return tuple(found[row[0], row[1]] for row in rows)

    def sure(self, confidence: float, round: int | None, limit: int) -> tuple[WorkItem, ...]:
        """Open regions whose prediction is at least so sure, by round and rank."""
        where, values = _conditions(
            ("state.round = ?", round),
            (_IS_SURE, confidence),
        )
        where = f"state.state = 'open' AND {where} ORDER BY state.round, state.rank LIMIT ?"
        return item_lists.all_items(self._database, where, *values, limit)

    def has_open(self, at_least: int = 1) -> bool:
        """Whether so many regions are open."""
        rows = self._database.rows(
            "SELECT 1 FROM item_states WHERE state = 'open' LIMIT 1 OFFSET ?", at_least - 1
        )
        return bool(rows)

    def totals(self, holder: str = "") -> Totals:
        """Count the asked regions by state, and those that a person could take."""
        return item_lists.totals(self._database, holder)

    def tallies(
        self, rounds: Iterable[int] | None = None, newest: int = -1
    ) -> tuple[RoundTally, ...]:
        """Count the regions of some rounds, or of the newest ones, by state; oldest round first."""
        return item_lists.tallies(self._database, rounds=rounds, newest=newest)

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
        class_index: int | None = None,
        before: int | None = None,
        limit: int = -1,
    ) -> tuple[GivenAnswer, ...]:
        """Answers to asked regions, newest first; at most `limit`, numbered below `before`."""
        where, values = _conditions(
            ("item.round = ?", round),
            ("item.rank = ?", rank),
            ("answer.author = ?", author),
            ("answer.kind = ?", kind),
            (_HAS_CLASS, class_index),
            ("answer.id < ?", before),
        )
        given = _GIVEN.format(tables=_OF_ALL if round is None else _OF_FEW)
        sql = f"{given} WHERE {where} ORDER BY answer.id DESC LIMIT ?"
        rows = self._database.rows(sql, *values, limit)
        return tuple(GivenAnswer(*row[:-1], bool(row[-1])) for row in rows)  # type: ignore[call-arg]

    def answers_numbered(self, numbers: Sequence[int]) -> tuple[GivenAnswer, ...]:
        """Answers to asked regions by their numbers, in the order in which those are given."""
        given = _GIVEN.format(tables=_OF_ALL)
        listed = ", ".join("?" * len(numbers))
        rows = self._database.rows(f"{given} WHERE answer.id IN ({listed})", *numbers)
        found = {row[0]: GivenAnswer(*row[:-1], bool(row[-1])) for row in rows}  # type: ignore[call-arg]
        return tuple(found[number] for number in numbers)

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
        return int(self._database.rows(sql, *item_lists.lease_ends())[0][0])

    def taken_since(self, answer: int) -> tuple[Region, ...]:
        """Regions with an answer numbered above `answer`, and open ones that somebody has held."""
        rows = self._database.rows(
            "SELECT image_id, row, col, height, width FROM answers WHERE id > ? UNION"
            " SELECT image_id, row, col, height, width FROM query_items AS item"
            " JOIN leases AS held ON (held.round, held.rank) = (item.round, item.rank)"
            " JOIN item_states AS state ON (state.round, state.rank) = (item.round, item.rank)"
            " WHERE state.state = 'open'",
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
            found = item_lists.next_free(self._database, holder, after)
            if found is None:
                return None
            round, rank = found
            self.lease(round, rank, holder, seconds)
            return self.item(round, rank)

    def withdraw(self, by: str) -> int:
        """Ask the open regions that nobody holds no more; return how many there were."""
        with self._database.writing():
            gone = self._database.rows(
                "SELECT state.round, state.rank FROM item_states AS state"
                " LEFT JOIN leases AS lease"
                " ON (lease.round, lease.rank) = (state.round, state.rank)"
                " AND lease.until > ? AND lease.until <= ?"
                " WHERE state.state = 'open' AND lease.holder IS NULL",
                *item_lists.lease_ends(),
            )
            return self._withdraw([(round, rank) for round, rank in gone], by)

    def withdraw_fresh(self, by: str, keep: Collection[Place] = ()) -> int:
        """Ask the fresh regions no more, but for some by round and rank; return how many."""
        with self._database.writing():
            places = [(item.round, item.item.rank) for item in self.fresh_items()]
            return self._withdraw([place for place in places if place not in keep], by)

    def forget_pieces(self, older_than: float) -> None:
        """Delete what was shown of regions withdrawn more than so many seconds ago."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than)
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM pieces WHERE (round, rank) IN (SELECT round, rank FROM withdrawals"
                " WHERE withdrawn_at < ?)",
                (limit.isoformat(timespec="milliseconds"),),
            )

    def _withdraw(self, gone: Sequence[Place], by: str) -> int:
        with self._database.writing() as connection:
            connection.executemany(
                "INSERT INTO withdrawals VALUES (?, ?, ?, ?)",
                [(*place, by, utc_now()) for place in gone],
            )
            for round in sorted({round for round, _ in gone}):
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
                    "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (round, rank) DO NOTHING",
                    (
                        *(round, piece.rank),
                        *(window.row, window.col, window.height, window.width),
                        *(facts.low, facts.high, facts.confidence),
                        *(piece.scores, piece.prediction, facts.close),
                    ),
                )
                note(self._database, "item", round, piece.rank)

    def piece(self, round: int, rank: int) -> tuple[bytes | None, bytes | None] | None:
        """Score map and prediction of a region as PNG; None if nothing was drawn yet."""
        rows = self._database.rows(
            "SELECT scores, prediction FROM pieces WHERE (round, rank) = (?, ?)", round, rank
        )
        return (rows[0][0], rows[0][1]) if rows else None

    def people(self) -> tuple[tuple[str, int, float], ...]:
        """People who answered asked regions, how often, and in how many measured seconds."""
        rows = self._database.rows(
            "SELECT author, count(*), ifnull(sum(seconds), 0.0) FROM answers WHERE round > 0"
            " GROUP BY author ORDER BY min(id)"
        )
        return tuple((name, count, seconds) for name, count, seconds in rows)

    def measured_time(self) -> tuple[int, float]:
        """How many answers to asked regions were timed, and their seconds."""
        sql = "SELECT count(seconds), ifnull(sum(seconds), 0.0) FROM answers WHERE round > 0"
        count, seconds = self._database.rows(sql)[0]
        return int(count), float(seconds)

    def _release(self, round: int, rank: int, holder: str) -> bool:
        with self._database.writing() as connection:
            # The row stays, as the sign that somebody has had the region in hand.
            cursor = connection.execute(
                "UPDATE leases SET until = 0 WHERE (round, rank, holder) = (?, ?, ?) AND until > 0",
                (round, rank, holder),
            )
            return cursor.rowcount > 0


def _conditions(*wanted: tuple[str, object]) -> tuple[str, list[object]]:
    """Conjunction of the conditions whose value is not None, and those values."""
    held = [(sql, value) for sql, value in wanted if value is not None]
    return " AND ".join(sql for sql, _ in held) or "1", [value for _, value in held]
