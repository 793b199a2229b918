"""What people look at when they review answers: the suspicious first, and what was said of regions.

What is noted of an answer when it comes (`note_answer`) follows from the answer, the prediction
that was drawn and the answers before it. A database of an older version has no such notes of its
old answers; they come without a suspicion then.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Final

import numpy as np

from askmask.data.rasters import decode_mask
from askmask.errors import UnknownItem
from askmask.records import UNLABELLED, Answer, Labels, utc_now
from askmask.store.database import Database, Row
from askmask.store.events import note

HASTY_SHARE: Final = 0.25
"""An answer in less than this share of its author's usual time is hasty."""
USUAL_ANSWERS: Final = 5
"""Before so many timed answers nobody knows what is usual for a person."""

_USUAL: Final = (
    "SELECT author, avg(seconds) AS seconds FROM answers WHERE round > 0 AND seconds > 0"  # noqa: S608
    f" GROUP BY author HAVING count(seconds) >= {USUAL_ANSWERS}"
)
_SUSPICION: Final = (  # the largest of three shares
    "max(ifnull(notes.differs, 0.0), ifnull(notes.disagrees, 0.0),"
    f" ifnull(1 - answer.seconds / ({HASTY_SHARE} * usual.seconds), 0.0))"
)
_SUSPECTS: Final = (
    "SELECT answer.id, notes.differs, notes.disagrees, usual.seconds,"  # noqa: S608
    f" {_SUSPICION} AS suspicion FROM item_states AS state"
    " CROSS JOIN answers AS answer ON answer.id = state.newest"
    " LEFT JOIN answer_notes AS notes ON notes.answer = answer.id"
    f" LEFT JOIN ({_USUAL}) AS usual ON usual.author = answer.author"
)


@dataclass(frozen=True, slots=True)
class Suspect:
    """The newest answer to a region, and what makes it suspicious.

    `differs` and `disagrees` are shares of its pixels, from the prediction and from somebody else's
    answer; `usual_seconds` what its author usually takes; `suspicion`, in [0, 1], the largest
    reason to look at it again.
    """

    number: int
    differs: float | None
    disagrees: float | None
    usual_seconds: float | None
    suspicion: float


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote about a region."""

    number: int
    author: str
    text: str
    written_at: str


class Review:
    """Notes on answers, and comments, of an open database; reached as ``Store.review``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def suspects(self, *, limit: int, skip: int = 0, **wanted: object) -> tuple[Suspect, ...]:
        """Newest answers of regions, the most suspicious first, then the newest.

        `wanted` may hold `round`, `author`, `kind` and `class_index`.
        """
        where, values = conditions(wanted)
        rows = self._database.rows(
            f"{_SUSPECTS} WHERE {where} ORDER BY suspicion DESC, answer.id DESC LIMIT ? OFFSET ?",
            *(*values, limit, skip),
        )
        return tuple(Suspect(*row) for row in rows)

    def notes(self, number: int) -> Suspect | None:
        """What is known of one answer; None if it is not the newest of its region."""
        rows = self._database.rows(f"{_SUSPECTS} WHERE answer.id = ?", number)
        return Suspect(*rows[0]) if rows else None

    def comments(self, round: int, rank: int) -> tuple[Comment, ...]:
        """Comments on a region, oldest first."""
        rows = self._database.rows(
            "SELECT id, author, text, written_at FROM comments WHERE (round, rank) = (?, ?)"
            " ORDER BY id",
            *(round, rank),
        )
        return tuple(Comment(*row) for row in rows)

    def add_comment(self, round: int, rank: int, author: str, text: str) -> Comment:
        """Keep a comment on a region.

        Raises
        ------
        UnknownItem
            If the round did not ask it.
        """
        with self._database.writing() as connection:
            known = "SELECT 1 FROM query_items WHERE (round, rank) = (?, ?)"
            if not self._database.rows(known, round, rank):
                raise UnknownItem(
                    f"expected an asked region, got number {rank!r} of round {round!r}, which "
                    "does not exist. Take round and rank from the list of items."
                )
            written_at = utc_now()
            cursor = connection.execute(
                "INSERT INTO comments (round, rank, author, text, written_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (round, rank, author, text, written_at),
            )
            note(self._database, "item", round, rank)
        assert cursor.lastrowid is not None, "an INSERT sets the number of its row"
        return Comment(cursor.lastrowid, author, text, written_at)

    def count_comments(self, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """How many comments each of some regions has, by round and rank; none is left out."""
        if not places:
            return {}
        listed = ", ".join(["(?, ?)"] * len(places))
        rows = self._database.rows(
            "SELECT round, rank, count(*) FROM comments"  # noqa: S608
            f" WHERE (round, rank) IN (VALUES {listed}) GROUP BY round, rank",
            *(number for place in places for number in place),
        )
        return {(round, rank): count for round, rank, count in rows}

    def answered_twice(self, limit: int) -> dict[tuple[int, int], tuple[int, ...]]:
        """Regions with labels by two people or more: each one's newest answer, by number.

        Of the regions answered last, at most `limit`.
        """
        rows = self._database.rows(
            "SELECT item.round, item.rank, max(answer.id) FROM (SELECT round, rank FROM item_states"
            " WHERE answers > 1 ORDER BY newest DESC) AS state"
            " CROSS JOIN query_items AS item ON (item.round, item.rank) = (state.round, state.rank)"
            " CROSS JOIN answers AS answer ON answer.kind = 'labels' AND"
            " (answer.round, answer.image_id, answer.row, answer.col, answer.height, answer.width)"
            " = (item.round, item.image_id, item.row, item.col, item.height, item.width)"
            " GROUP BY item.round, item.rank, answer.author"
        )
        found: dict[tuple[int, int], list[int]] = {}
        for round, rank, number in rows:
            found.setdefault((round, rank), []).append(number)
        double = [(place, tuple(sorted(n))) for place, n in found.items() if len(n) > 1]
        double.sort(key=lambda entry: entry[1][-1], reverse=True)
        return dict(double[:limit])


def conditions(wanted: dict[str, object]) -> tuple[str, list[object]]:
    """Conditions on ``answers AS answer``, and their values; a member that is None has none."""
    sql = {
        "round": "answer.round = ?",
        "author": "answer.author = ?",
        "kind": "answer.kind = ?",
        "class_index": "EXISTS (SELECT 1 FROM answer_classes AS has"
        " WHERE (has.answer, has.class) = (answer.id, ?))",
    }
    held = [(sql[name], value) for name, value in wanted.items() if value is not None]
    return " AND ".join(text for text, _ in held) or "1", [value for _, value in held]


def note_answer(database: Database, number: int, answer: Answer) -> None:
    """Note what a review needs of an answer to an asked region that was just appended.

    Within the transaction that appended it. Nothing is noted of an answer without labels.
    """
    places = database.rows(
        "SELECT item.rank, piece.row, piece.col, piece.prediction FROM query_items AS item"
        " LEFT JOIN pieces AS piece ON (piece.round, piece.rank) = (item.round, item.rank)"
        " WHERE (item.round, item.image_id, item.row, item.col, item.height, item.width)"
        " = (?, ?, ?, ?, ?, ?) LIMIT 1",
        *(answer.round, *astuple(answer.region)),
    )
    labels = answer.mask.labels
    if not places or (labels == UNLABELLED).all():
        return
    differs = _share_apart(labels, _prediction(answer, places[0]))
    disagrees = _share_apart(labels, _labels_of_another(database, number, answer))
    classes, pixels = np.unique(labels[labels != UNLABELLED], return_counts=True)
    with database.writing() as connection:
        connection.execute(
            "INSERT INTO answer_notes VALUES (?, ?, ?)", (number, differs, disagrees)
        )
        connection.executemany(
            "INSERT INTO answer_classes VALUES (?, ?, ?)",
            [(number, int(c), int(n)) for c, n in zip(classes, pixels, strict=True)],
        )


def _prediction(answer: Answer, place: Row) -> Labels | None:
    _, row, col, content = place
    if content is None:
        return None
    region = answer.region
    top, left = region.row - row, region.col - col
    window = decode_mask(content, "prediction")
    return window[top : top + region.height, left : left + region.width]


def _labels_of_another(database: Database, number: int, answer: Answer) -> Labels | None:
    """Labels of the newest answer to the very region by another person, before this one."""
    rows = database.rows(
        "SELECT labels FROM answers WHERE kind = 'labels' AND author <> ? AND id < ?"
        " AND (round, image_id, row, col, height, width) = (?, ?, ?, ?, ?, ?)"
        " ORDER BY id DESC LIMIT 1",
        *(answer.author, number, answer.round, *astuple(answer.region)),
    )
    return decode_mask(rows[0][0], "answer") if rows else None


def _share_apart(labels: Labels, others: Labels | None) -> float | None:
    """Share of the pixels with a label in both that have another; None where there are none."""
    if others is None:
        return None
    both = (labels != UNLABELLED) & (others != UNLABELLED)
    return float((labels != others)[both].mean()) if both.any() else None
