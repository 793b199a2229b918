"""SQLite database of a project: every image, query, answer, training and metric; crash-safe.

What a store guarantees, tested by ``StoreContract``:

- **Durable.** What a method has written when it returns is there after a kill or a power cut;
  what was being written is there whole or not at all.
- **Appended.** Answers, queries, trainings and metrics are never changed or deleted; the database
  itself refuses to change an answer.
- **Ordered.** Answers come oldest first, in the order in which they were added (clocks do not
  count); images in the order in which they were first added.
- **Shared.** Several processes may read and write one file; a `Store` may be used from several
  threads, but not across a fork.
- **Owned.** Every returned array is fresh and belongs to the caller.

The labelled set is what ``labelled`` tells: composed from the answers, never stored.
"""

import hashlib
import math
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from askmask.data.rasters import decode_instances, decode_mask, encode_instances, encode_mask
from askmask.errors import ShapeError, StoreError
from askmask.labelled import Piece, compose, gain, grown, mask_digest
from askmask.records import (
    Answer,
    ImageInfo,
    Mask,
    MetricRow,
    Query,
    QueryItem,
    Region,
    Unit,
    utc_now,
)
from askmask.schema import connect

MASK_TOOL: Final = "mask"
"""`Answer.tool` of answers cut from a whole-image mask: their object ids are kept as they are."""

_Rows = list[tuple[Any, ...]]  # Any: columns of different types
_REGION = "image_id, row, col, height, width"
_PIECE = f"{_REGION}, tool, labels, instances"


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One training, finished or failed.

    `status` is ``"finished"`` or ``"failed"``, then `reason` says why; `attempt` counts the
    restarts that the config's rule allows, from 0; `loss` is the last one (NaN if there is none);
    `model` the file name of the weights; `labelled_digest` what it was fitted to.
    """

    round: int
    attempt: int
    status: str
    reason: str | None
    steps: int
    loss: float
    elapsed_seconds: float
    model: str
    labelled_digest: str
    started_at: str


@dataclass(frozen=True, slots=True)
class RoundCost:
    """What the answers of one round cost, in several currencies.

    Attributes
    ----------
    round : int
        The round that asked; 0 for the start set.
    new_pixels : int
        Pixels that had no label before: each pixel of the labelled set counts in one round.
    regions : int
        Different regions that were answered.
    images : int
        Different images with an answer of this round.
    images_so_far : int
        Different images with an answer of this round or an earlier one.
    boundary_length : int
        Edges between neighbouring pixels of different classes that the answers added to the
        labelled set, see ``askmask.labelled.Gain``.
    seconds : float
        Measured time spent; NaN if it was not measured for every answer.
    """

    round: int
    new_pixels: int
    regions: int
    images: int
    images_so_far: int
    boundary_length: int
    seconds: float


class Store:
    """An open database; close it, or use it in a ``with`` block.

    Parameters
    ----------
    path : Path
        The file, made if it is absent; its folder must exist.

    Raises
    ------
    StoreError
        From every method: if the database cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path)
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._digests: dict[str, tuple[int, bytes]] = {}

    def add_images(self, infos: Iterable[ImageInfo]) -> None:
        """Make images known; those that are known already are brought up to date.

        Raises
        ------
        StoreError
            If a known image has another size now: its labels would not fit. Nothing is added.
        """
        with self._writing() as connection:
            known = {info.image_id: info for info in self.images()}
            for info in infos:
                old = known.get(info.image_id, info)
                if (old.height, old.width) != (info.height, info.width):
                    raise StoreError(
                        f"expected image {info.image_id!r} of shape {(old.height, old.width)} as "
                        f"before, got {(info.height, info.width)}. Give changed images a new name."
                    )
                connection.execute(
                    "INSERT INTO images VALUES (?, (SELECT count(*) FROM images), ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (image_id) DO UPDATE SET split = excluded.split,"
                    " stratum = excluded.stratum, role = excluded.role,"
                    " has_mask = excluded.has_mask",
                    astuple(info),
                )

    def images(self) -> tuple[ImageInfo, ...]:
        """Every known image."""
        rows = self._rows(
            "SELECT image_id, height, width, split, stratum, role, has_mask"
            " FROM images ORDER BY position"
        )
        return tuple(ImageInfo(*row[:6], bool(row[6])) for row in rows)

    def add_query(self, query: Query) -> None:
        """Keep what is asked in a round; adding the same again changes nothing.

        Raises
        ------
        StoreError
            If the round has another query already, or there is nothing in this one.
        ShapeError
            If a region reaches beyond its image.
        """
        if query.round < 1 or not query.items:
            raise StoreError(
                f"expected a query of a round >= 1 with at least one region, got round "
                f"{query.round} with {len(query.items)}. The start set needs no query."
            )
        with self._writing() as connection:
            kept = self.query(query.round)
            if kept is not None:
                _refuse_other_query(kept, query)
                return
            connection.execute(
                "INSERT INTO queries VALUES (?, ?, ?, ?, ?, ?)",
                (
                    *(query.round, query.acquisition, query.unit.value),
                    *(query.model, query.elapsed_seconds, utc_now()),
                ),
            )
            for item in query.items:
                self._check_inside(item.region)
                connection.execute(
                    "INSERT INTO query_items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (query.round, item.rank, *astuple(item.region), item.score, item.new_pixels),
                )

    def query(self, round_: int) -> Query | None:
        """Query of a round; None if nothing was asked in it."""
        rows = self._rows(
            "SELECT acquisition, unit, model, elapsed_seconds FROM queries WHERE round = ?", round_
        )
        if not rows:
            return None
        acquisition, unit, model, elapsed_seconds = rows[0]
        items = self._items("round = ?", round_)
        return Query(round_, acquisition, Unit(unit), items, model, elapsed_seconds)

    def newest_query(self) -> Query | None:
        """Query of the last round that has one; None before the first."""
        newest = self._rows("SELECT max(round) FROM queries")[0][0]
        return None if newest is None else self.query(newest)

    def unanswered(self, round_: int) -> tuple[QueryItem, ...]:
        """Items of a round's query, best first, without an answer of that round to that region."""
        return self._items(f"round = ? AND NOT {_IS_ANSWERED}", round_)

    def pending(self, image_id: str) -> tuple[Region, ...]:
        """Regions of an image that were asked in any round and not answered."""
        items = self._items(f"image_id = ? AND NOT {_IS_ANSWERED}", image_id)
        return tuple(item.region for item in items)

    def asked(self, image_id: str) -> npt.NDArray[np.bool_]:
        """Pixels that need not be asked: labelled, or in a region of any query.

        A pixel that was asked and answered with "I do not know" counts as asked, so that it does
        not come again and again.

        Returns
        -------
        (H, W) bool array
        """
        asked = self.labelled(image_id).labelled
        for item in self._items("image_id = ?", image_id):
            asked[item.region.slices] = True
        return asked

    def add_answer(self, answer: Answer) -> int:
        """Append an answer in one transaction; return its number.

        Raises
        ------
        StoreError
            If the image is not known.
        ShapeError
            If the region reaches beyond its image, or a label or object id is out of range.
        """
        region, mask = answer.region, answer.mask
        labels = encode_mask(mask.labels)
        instances = None if mask.instances is None else encode_instances(mask.instances)
        with self._writing() as connection:
            image = self._check_inside(region)
            new = Piece(region, mask)
            added = gain(image, new, self._pieces(grown(region, image), with_instances=False))
            cursor = connection.execute(
                f"INSERT INTO answers (round, {_REGION}, author, tool, answered_at, seconds, model,"
                " new_pixels, new_boundary, labels, instances)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(answer.round, *astuple(region), answer.author, answer.tool),
                    *(answer.answered_at, answer.seconds, answer.model),
                    *(added.pixels, added.boundary_length, labels, instances),
                ),
            )
            number = cursor.lastrowid
        assert number is not None, "an INSERT sets the number of its row"
        return number

    def answers(self, image_id: str | None = None, round_: int | None = None) -> Iterator[Answer]:
        """Answers, oldest first, of one image or round if given; read one at a time."""
        numbers = self._rows(
            "SELECT id FROM answers WHERE kind = 'labels' AND ifnull(image_id = ?, 1)"
            " AND ifnull(round = ?, 1) ORDER BY id",
            image_id,
            round_,
        )
        for (number,) in numbers:
            row = self._rows(
                f"SELECT {_PIECE}, round, author, answered_at, seconds, model"
                " FROM answers WHERE id = ?",
                number,
            )[0]
            piece = _piece(row[:8])
            round_of, author, answered_at, seconds, model = row[8:]
            yield Answer(
                *(piece.region, piece.mask, round_of, author, row[5], answered_at, seconds, model)
            )

    def labelled(self, image_id: str) -> Mask:
        """Newest label of every pixel of an image; composed as ``askmask.labelled`` says.

        Raises
        ------
        StoreError
            If the image is not known.
        """
        whole = self._whole(image_id)
        return compose(whole, self._pieces(whole))

    def labelled_images(self) -> tuple[str, ...]:
        """Ids of the images with at least one label."""
        rows = self._rows(
            "SELECT image_id FROM images WHERE image_id IN"
            " (SELECT image_id FROM answers WHERE new_pixels > 0) ORDER BY position"
        )
        return tuple(image_id for (image_id,) in rows)

    def labelled_pixels(self) -> int:
        """Number of pixels that have a label, each counted once."""
        return int(self._rows("SELECT ifnull(sum(new_pixels), 0) FROM answers")[0][0])

    def labelled_digest(self) -> str:
        """32 hex digits that are equal where the labelled sets are.

        When, by whom and in how many answers the labels came does not matter.
        """
        rows = self._rows(
            "SELECT image_id, max(id) FROM answers GROUP BY image_id HAVING sum(new_pixels) > 0"
            " ORDER BY image_id"
        )
        digest = hashlib.blake2b(digest_size=16)
        for image_id, newest in rows:
            known = self._digests.get(image_id)
            if known is None or known[0] != newest:
                known = (newest, mask_digest(self.labelled(image_id)))
                self._digests[image_id] = known
            digest.update(f"{len(image_id)}:{image_id}".encode())
            digest.update(known[1])
        return digest.hexdigest()

    def answered_rounds(self) -> tuple[int, ...]:
        """Rounds with at least one answer, in order."""
        rows = self._rows("SELECT DISTINCT round FROM answers ORDER BY round")
        return tuple(round_ for (round_,) in rows)

    def costs(self) -> tuple[RoundCost, ...]:
        """Return the cost of each round that has answers, in order."""
        regions: dict[int, int] = dict(
            self._rows(
                f"SELECT round, count(*) FROM (SELECT DISTINCT round, {_REGION} FROM answers)"
                " GROUP BY round"
            )
        )
        images: dict[int, set[str]] = {}
        for round_, image_id in self._rows("SELECT DISTINCT round, image_id FROM answers"):
            images.setdefault(round_, set()).add(image_id)
        sums = self._rows(
            "SELECT round, sum(new_pixels), sum(new_boundary),"
            " iif(count(seconds) = count(*), sum(seconds), NULL)"
            " FROM answers GROUP BY round ORDER BY round"
        )
        so_far: set[str] = set()
        costs = []
        for round_, pixels, boundary, seconds in sums:
            so_far |= images[round_]
            counts = (pixels, regions[round_], len(images[round_]), len(so_far), boundary)
            costs.append(RoundCost(round_, *counts, math.nan if seconds is None else seconds))
        return tuple(costs)

    def add_training(self, record: TrainingRecord) -> None:
        """Keep a training, finished or failed."""
        columns = "round, attempt, status, reason, steps, loss, elapsed_seconds, model"
        with self._writing() as connection:
            connection.execute(
                f"INSERT INTO trainings ({columns}, labelled_digest, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                astuple(record),
            )

    def trainings(self) -> tuple[TrainingRecord, ...]:
        """Every training, oldest first."""
        rows = self._rows(
            "SELECT round, attempt, status, reason, steps, loss, elapsed_seconds, model,"
            " labelled_digest, started_at FROM trainings ORDER BY id"
        )
        return tuple(TrainingRecord(*_with_nan(row, 5)) for row in rows)

    def newest_model(self) -> str | None:
        """File name of the newest model whose training finished; None before the first."""
        rows = self._rows(
            "SELECT model FROM trainings WHERE status = 'finished' ORDER BY id DESC LIMIT 1"
        )
        return rows[0][0] if rows else None

    def add_metrics(self, round_: int, model: str, rows: Sequence[MetricRow]) -> None:
        """Keep the metrics of a round's model in one transaction; a second time does nothing."""
        with self._writing() as connection:
            if self._evaluation(round_, model) is not None:
                return
            cursor = connection.execute(
                "INSERT INTO evaluations (round, model, evaluated_at) VALUES (?, ?, ?)",
                (round_, model, utc_now()),
            )
            connection.executemany(
                "INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        *(cursor.lastrowid, position, row.split, row.group, row.class_name),
                        *(row.metric, row.bin, row.value, row.count),
                    )
                    for position, row in enumerate(rows)
                ),
            )

    def metrics(self, round_: int, model: str | None = None) -> tuple[MetricRow, ...]:
        """Metrics of a round's model, by default the one evaluated last; may be empty."""
        evaluation = self._evaluation(round_, model)
        rows = self._rows(
            "SELECT split, stratum, class_name, metric, value, count, bin FROM metrics"
            " WHERE evaluation = ? ORDER BY position",
            evaluation,
        )
        return tuple(MetricRow(*_with_nan(row, 4)) for row in rows)

    def close(self) -> None:
        """Close the database; may be called again."""
        with self._lock:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, that other writers wait for; rolled back if the block raises."""
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _rows(self, sql: str, *values: object) -> _Rows:
        with self._using() as connection:
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._process:
            raise StoreError(
                f"expected the process that opened {str(self.path)!r}, got a fork of it. "
                "Open a Store in each process."
            )
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise StoreError(
                    f"expected to use the database {str(self.path)!r}, but: {error}. "
                    "Nothing of this step was written; when the cause is gone, repeat it."
                ) from error

    def _items(self, condition: str, value: object) -> tuple[QueryItem, ...]:
        rows = self._rows(
            f"SELECT rank, {_REGION}, score, new_pixels FROM query_items AS item"
            f" WHERE {condition} ORDER BY round, rank",
            value,
        )
        return tuple(QueryItem(row[0], Region(*row[1:6]), *row[6:]) for row in rows)

    def _pieces(self, window: Region, *, with_instances: bool = True) -> list[Piece]:
        """Answers that reach into a window, oldest first."""
        columns = _PIECE if with_instances else _PIECE.replace("instances", "NULL")
        rows = self._rows(
            f"SELECT {columns} FROM answers WHERE image_id = ? AND kind = 'labels' AND row < ?"
            " AND col < ? AND row + height > ? AND col + width > ? ORDER BY id",
            *(window.image_id, window.row + window.height, window.col + window.width),
            *(window.row, window.col),
        )
        return [_piece(row) for row in rows]

    def _whole(self, image_id: str) -> Region:
        rows = self._rows("SELECT height, width FROM images WHERE image_id = ?", image_id)
        if not rows:
            raise StoreError(
                f"expected an image that the database {str(self.path)!r} knows, got {image_id!r}. "
                "Add it with add_images first."
            )
        return Region(image_id, 0, 0, *rows[0])

    def _check_inside(self, region: Region) -> Region:
        """Return the whole image of a region that lies in it."""
        image = self._whole(region.image_id)
        if region.row + region.height > image.height or region.col + region.width > image.width:
            raise ShapeError(
                f"expected a region inside image {region.image_id!r} of shape "
                f"{(image.height, image.width)}, got {region!r}. Answer only what was asked."
            )
        return image

    def _evaluation(self, round_: int, model: str | None) -> int | None:
        rows = self._rows(
            "SELECT id FROM evaluations WHERE round = ? AND ifnull(model = ?, 1)"
            " ORDER BY id DESC LIMIT 1",
            round_,
            model,
        )
        return int(rows[0][0]) if rows else None


_IS_ANSWERED = (
    "EXISTS (SELECT 1 FROM answers AS answer WHERE answer.round = item.round"
    " AND (answer.image_id, answer.row, answer.col, answer.height, answer.width)"
    " = (item.image_id, item.row, item.col, item.height, item.width))"
)


def _piece(row: tuple[Any, ...]) -> Piece:  # Any: columns of different types
    *place, tool, labels, instances = row
    region = Region(*place)
    where = f"answer for {region!r}"
    ids = None if instances is None else decode_instances(instances, where)
    return Piece(region, Mask(decode_mask(labels, where), ids), keeps_ids=tool == MASK_TOOL)


def _refuse_other_query(kept: Query, query: Query) -> None:
    """Raise unless both ask the same, however long each took."""
    same = (kept.acquisition, kept.unit, kept.model) == (query.acquisition, query.unit, query.model)
    if not same or kept.items != query.items:
        raise StoreError(
            f"expected no other query in round {query.round}, which asks {len(kept.items)} "
            f"regions by {kept.acquisition!r}; got {len(query.items)} by {query.acquisition!r}. "
            "Answer the query that stands, and ask in the next round."
        )


def _with_nan(row: tuple[Any, ...], column: int) -> list[Any]:  # Any: columns of different types
    """Return the row with NaN in a column that SQLite, which has no NaN, keeps as NULL."""
    return [math.nan if i == column and value is None else value for i, value in enumerate(row)]
