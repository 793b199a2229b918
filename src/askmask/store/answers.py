"""Rows of images, asked regions and answers: read, checked and appended.

Functions on an open database; callers use them through ``store``, which states the contract.
"""

from collections.abc import Iterator
from typing import Final

from askmask.data.rasters import decode_instances, decode_mask, encode_instances, encode_mask
from askmask.errors import ShapeError, StoreError
from askmask.records import Answer, AnswerKind, Mask, QueryItem, Region, unlabelled_mask
from askmask.store.compose import Piece, gain, grown
from askmask.store.database import Database, Row

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


def add_answer(database: Database, answer: Answer) -> int:
    """Append an answer in the transaction that is open, or in one of its own."""
    region, mask = answer.region, answer.mask
    is_labels = answer.kind is AnswerKind.LABELS
    labels = encode_mask(mask.labels) if is_labels else None
    instances = None if mask.instances is None else encode_instances(mask.instances)
    with database.writing() as connection:
        image = check_inside(database, region)
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
) -> tuple[QueryItem, ...]:
    """Asked regions by round and rank.

    The open ones are neither answered nor withdrawn; those that stand are not withdrawn, or were
    answered all the same.
    """
    rows = database.rows(
        "SELECT rank, score, new_pixels, image_id, row, col, height, width FROM ("
        " SELECT item.*,"
        " EXISTS (SELECT 1 FROM answers AS answer WHERE answer.round = item.round AND"
        " (answer.image_id, answer.row, answer.col, answer.height, answer.width)"
        " = (item.image_id, item.row, item.col, item.height, item.width)) AS is_answered,"
        " EXISTS (SELECT 1 FROM withdrawals AS gone"
        " WHERE (gone.round, gone.rank) = (item.round, item.rank)) AS is_withdrawn"
        " FROM query_items AS item WHERE ifnull(round = ?, 1) AND ifnull(image_id = ?, 1)"
        ") WHERE NOT (? AND is_answered) AND NOT (? AND is_withdrawn AND NOT is_answered)"
        " ORDER BY round, rank",
        *(round, image_id, open_only, open_only or standing_only),
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
