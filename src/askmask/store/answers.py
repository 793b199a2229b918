"""Rows of images, asked regions and answers: reading, checking and appending them.

Functions on an open database; callers use them through ``store``, which states the contract.
"""

import secrets
from collections.abc import Iterator
from dataclasses import astuple
from typing import Final

from askmask.data.rasters import decode_instances, decode_mask, encode_instances, encode_mask
from askmask.errors import ReusedId, ShapeError, StoreError
from askmask.records import Answer, AnswerKind, Mask, QueryItem, Region, unlabelled_mask
from askmask.store.compose import Piece, gain, grown
from askmask.store.database import Database, Row
from askmask.store.events import note
from askmask.store.review import note_answer
from askmask.store.work_records import Receipt

MASK_TOOL: Final = "mask"
"""`Answer.tool` of answers cut from a whole-image mask: their object ids are kept as they are."""


def whole_image(database: Database, image_id: str) -> Region:
    """Region of a known image; StoreError if it is not known."""
    rows = database.rows("SELECT height, width FROM images WHERE image_id = ?", image_id)
    if not rows:
        raise StoreError(
            f"expected an image that the database {str(database.path)!r} knows, got {image_id!r}. "
            "Add it with add_images first."
        )
    return Region(image_id, 0, 0, *rows[0])


def check_inside(database: Database, region: Region) -> Region:
    """Return the whole image of a region that lies in it."""
    image = whole_image(database, region.image_id)
    if region.row + region.height > image.height or region.col + region.width > image.width:
        raise ShapeError(
            f"expected a region inside image {region.image_id!r} of shape "
            f"{(image.height, image.width)}, got {region!r}. Answer only what was asked."
        )
    return image


def write_answer(
    database: Database, answer: Answer, *, client_id: str | None = None, base: int | None = None
) -> Receipt:
    """Append an answer; the one way in, for people, scripts, painted files and other programs.

    In the transaction that is open, or in one of its own, it checks the place, tells whether
    another answer came meanwhile, gives the author's lease back, and notes an event by which open
    pages hear of it.

    Parameters
    ----------
    database : Database
        Open.
    answer : Answer
        For any region of a known image.
    client_id : str, optional
        Made by the page that answers, a new one for each answer; a repetition adds nothing. None
        for a script or a file: then the author has seen the newest answer to this very region if
        it is his own, made with the same tool.
    base : int, optional
        Number of the newest answer to this very region that the author had seen.

    Raises
    ------
    StoreError
        If the image is not known, or `base` is no answer to this region.
    ShapeError
        If the region reaches beyond its image.
    ReusedId
        If the id was used for another answer.
    """
    with database.writing() as connection:
        check_inside(database, answer.region)
        if client_id is not None:
            repeated = _repeated(database, answer, client_id)
            if repeated is not None:
                return repeated
        known = _answers_to(database, answer)
        if base is not None and base not in known:
            raise StoreError(
                f"expected base as the number of an answer to this region, one of "
                f"{sorted(known)!r}, or none, got {base!r}."
            )
        newest = max(known, default=None)
        if client_id is None and newest is not None:
            base = newest if known[newest] == (answer.author, answer.tool) else None
        is_conflict = newest is not None and base != newest
        number = _append(database, answer)
        note_answer(database, number, answer)
        if client_id is not None or is_conflict or base is not None:
            name = client_id or secrets.token_hex(16)
            connection.execute(
                "INSERT INTO receipts VALUES (?, ?, ?, ?)", (number, name, base, is_conflict)
            )
        _tell(database, answer)
    return Receipt(number, is_new=True, is_conflict=is_conflict)


def _append(database: Database, answer: Answer) -> int:
    """Append the row of an answer; return its number."""
    region, mask = answer.region, answer.mask
    is_labels = answer.kind is AnswerKind.LABELS
    labels = encode_mask(mask.labels) if is_labels else None
    instances = None if mask.instances is None else encode_instances(mask.instances)
    with database.writing() as connection:
        image = whole_image(database, region.image_id)
        older = pieces(database, grown(region, image), with_instances=False)
        added = gain(image, Piece(region, mask), older)
        cursor = connection.execute(
            "INSERT INTO answers (round, image_id, row, col, height, width, kind, author, tool,"
            " answered_at, seconds, model, new_pixels, new_boundary, labels, instances)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(answer.round, region.image_id, region.row, region.col),
                *(region.height, region.width, answer.kind.value),
                *(answer.author, answer.tool, answer.answered_at, answer.seconds, answer.model),
                *(added.pixels, added.boundary_length, labels, instances),
            ),
        )
        number = cursor.lastrowid
    assert number is not None, "an INSERT sets the number of its row"
    return number


def _answers_to(database: Database, answer: Answer) -> dict[int, tuple[str, str]]:
    """Author and tool of every answer of the same round to the very region, by number."""
    rows = database.rows(
        "SELECT id, author, tool FROM answers"
        " WHERE (round, image_id, row, col, height, width) = (?, ?, ?, ?, ?, ?)",
        *(answer.round, *astuple(answer.region)),
    )
    return {number: (author, tool) for number, author, tool in rows}


def _repeated(database: Database, given: Answer, client_id: str) -> Receipt | None:
    rows = database.rows("SELECT answer, is_conflict FROM receipts WHERE client_id = ?", client_id)
    if not rows:
        return None
    number, is_conflict = rows[0]
    kept = answer(database, number)
    assert kept is not None, "answers are never deleted"
    same = (kept.round, kept.region, kept.kind, kept.author) == (
        *(given.round, given.region, given.kind, given.author),
    )
    if not same or (kept.mask.labels != given.mask.labels).any():
        raise ReusedId(
            f"expected a new id for a new answer, got {client_id!r}, under which answer "
            f"{number} was kept, which is another. Make an id for each answer."
        )
    return Receipt(number, is_new=False, is_conflict=bool(is_conflict))


def _tell(database: Database, answer: Answer) -> None:
    """Give the author's lease back, and note which asked region, or else which round, changed."""
    ranks = database.rows(
        "SELECT rank FROM query_items"
        " WHERE (round, image_id, row, col, height, width) = (?, ?, ?, ?, ?, ?)",
        *(answer.round, *astuple(answer.region)),
    )
    for (rank,) in ranks:
        with database.writing() as connection:
            connection.execute(
                "DELETE FROM leases WHERE (round, rank, holder) = (?, ?, ?)",
                (answer.round, rank, answer.author),
            )
        note(database, "item", answer.round, rank)
    if not ranks:
        note(database, "rounds", answer.round)


def answer(database: Database, number: int) -> Answer | None:
    """Answer of a number; None if there is none."""
    rows = database.rows(
        "SELECT image_id, row, col, height, width, labels, instances, round, author,"
        " tool, answered_at, seconds, model, kind FROM answers WHERE id = ?",
        number,
    )
    if not rows:
        return None
    *place, labels, instances, round, author, tool, when, seconds, model, kind = rows[0]
    region = Region(*place)
    mask = unlabelled_mask(region) if labels is None else _mask(region, labels, instances)
    return Answer(region, mask, round, author, tool, when, seconds, model, AnswerKind(kind))


def items(
    database: Database,
    *,
    round: int | None = None,
    image_id: str | None = None,
    open_only: bool = False,
    standing_only: bool = False,
    opened_only: bool = False,
) -> tuple[QueryItem, ...]:
    """Asked regions by round and rank.

    The open ones are neither answered nor withdrawn; those that stand are not withdrawn, or were
    answered all the same. Opened ones were answered, or somebody held them once.
    """
    rows = database.rows(
        "SELECT rank, score, new_pixels, image_id, row, col, height, width FROM ("
        " SELECT item.*,"
        " EXISTS (SELECT 1 FROM answers AS answer WHERE answer.round = item.round AND"
        " (answer.image_id, answer.row, answer.col, answer.height, answer.width)"
        " = (item.image_id, item.row, item.col, item.height, item.width)) AS is_answered,"
        " EXISTS (SELECT 1 FROM withdrawals AS gone"
        " WHERE (gone.round, gone.rank) = (item.round, item.rank)) AS is_withdrawn,"
        " EXISTS (SELECT 1 FROM leases AS held"
        " WHERE (held.round, held.rank) = (item.round, item.rank)) AS was_held"
        " FROM query_items AS item WHERE ifnull(round = ?, 1) AND ifnull(image_id = ?, 1)"
        ") WHERE NOT (? AND is_answered) AND NOT (? AND is_withdrawn AND NOT is_answered)"
        " AND NOT (? AND NOT is_answered AND NOT was_held) ORDER BY round, rank",
        *(round, image_id, open_only, open_only or standing_only, opened_only),
    )
    return tuple(QueryItem(row[0], Region(*row[3:]), *row[1:3]) for row in rows)


def pieces(
    database: Database,
    window: Region,
    *,
    with_instances: bool = True,
    until: int | None = None,
) -> Iterator[Piece]:
    """Answers that reach into a window, newest first; decoded when they are needed."""
    rows = database.rows(
        "SELECT image_id, row, col, height, width, tool, labels, iif(?, instances, NULL)"
        " FROM answers WHERE image_id = ? AND kind = 'labels' AND row < ? AND col < ?"
        " AND row + height > ? AND col + width > ? AND id <= ifnull(?, id) ORDER BY id DESC",
        *(with_instances, window.image_id),
        *(window.row + window.height, window.col + window.width, window.row, window.col),
        until,
    )
    return map(_piece, rows)


def _piece(row: Row) -> Piece:
    *place, tool, labels, instances = row
    region = Region(*place)
    return Piece(region, _mask(region, labels, instances), keeps_ids=tool == MASK_TOOL)


def _mask(region: Region, labels: bytes, instances: bytes | None) -> Mask:
    where = f"answer for {region!r}"
    ids = None if instances is None else decode_instances(instances, where)
    return Mask(decode_mask(labels, where), ids)
