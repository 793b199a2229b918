"""SQLite database of a project: every image, query, answer, training and metric; crash-safe.

What a store guarantees, tested by ``StoreContract``:

- **Durable.** What a method has written when it returns is there after a kill or a power cut;
  what was being written is there whole or not at all.
- **Appended.** Answers, queries, trainings and metrics are never changed or deleted; the database
  itself refuses to change an answer.
- **Ordered.** Answers are numbered upwards in the order in which they were added (clocks do not
  count) and come oldest first; images come in the order in which they were first added.
- **Shared.** Several processes may read and write one file; a `Store` may be used from several
  threads, but not across a fork.
- **Owned.** Every returned array is fresh and belongs to the caller.

The labelled set is a query, never stored: ``labelled`` composes it from the answers. Because
answers are only appended, `until`, the number of an answer, tells the labelled set as it was when
that answer had just come; a training that reads with one `until` sees one set, even if people
answer meanwhile.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from askmask.errors import StoreError
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
from askmask.store import answers
from askmask.store import rounds as ledger
from askmask.store.answers import MASK_TOOL
from askmask.store.compose import compose, mask_digest
from askmask.store.database import Database
from askmask.store.mailbox import Control
from askmask.store.review import Review
from askmask.store.rounds import KeptImages, RoundCost, TrainingRecord
from askmask.store.tokens import Access
from askmask.store.worklist import Worklist

__all__ = ["MASK_TOOL", "RoundCost", "Store", "TrainingRecord"]


class Store:
    """An open database; close it, or use it in a ``with`` block.

    Parameters
    ----------
    path : Path
        The file, made if it is absent; its folder must exist.

    Attributes
    ----------
    database : Database
        The file behind it, for reading what no method tells.
    worklist : Worklist
        The asked regions as people work on them.
    access : Access
        Tokens and sessions.
    control : Control
        What people ask of the worker, and what it tells them.
    review : Review
        Notes on answers, and comments on regions.
    kept : KeptImages
        Labelled images that trainings leave out.

    Raises
    ------
    StoreError
        From every method: if the database cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = Database(path)
        self.worklist = Worklist(self.database)
        self.access = Access(self.database)
        self.control = Control(self.database)
        self.review = Review(self.database)
        self.kept = KeptImages(self.database)
        self._digests: dict[str, tuple[int, bytes]] = {}  # newest answer's number, digest

    @property
    def is_read_only(self) -> bool:
        """Whether the file may not be written; methods that would write raise `StoreFull` then."""
        return self.database.is_read_only

    def identity(self) -> str:
        """32 hex digits, made with the database; no other has them, but for copies of it."""
        return str(self.database.rows("SELECT id FROM identity")[0][0])

    def add_images(self, infos: Iterable[ImageInfo]) -> None:
        """Make images known; those that are known already are brought up to date.

        Raises
        ------
        StoreError
            If a known image has another size now: its labels would not fit. Nothing is added.
        """
        with self.database.writing() as connection:
            known = {info.image_id: info for info in self.images()}
            for info in infos:
                old = known.get(info.image_id)
                if old == info:
                    continue
                if old is not None and (old.height, old.width) != (info.height, info.width):
                    raise StoreError(
                        f"expected image {info.image_id!r} of shape {(old.height, old.width)} as "
                        f"before, got {(info.height, info.width)}. Give changed images a new name."
                    )
                connection.execute(
                    "INSERT INTO images (position, image_id, height, width, split, stratum, role,"
                    " has_mask) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (image_id) DO UPDATE SET split = excluded.split, stratum ="
                    " excluded.stratum, role = excluded.role, has_mask = excluded.has_mask",
                    (len(known), *astuple(info)),
                )
                known[info.image_id] = info

    def images(self) -> tuple[ImageInfo, ...]:
        """Every known image."""
        rows = self.database.rows(
            "SELECT image_id, height, width, split, stratum, role, has_mask"
            " FROM images ORDER BY position"
        )
        return tuple(ImageInfo(*row[:-1], bool(row[-1])) for row in rows)  # type: ignore[call-arg]

    def add_query(self, query: Query) -> None:
        """Keep what is asked in a round; adding the same again changes nothing.

        Raises
        ------
        StoreError
            If the round has another query already, an image is not known, or nothing is asked.
        ShapeError
            If a region reaches beyond its image.
        """
        if query.round < 1 or not query.items:
            raise StoreError(
                f"expected a query of a round >= 1 with at least one region, got round "
                f"{query.round} with {len(query.items)}. The start set needs no query."
            )
        with self.database.writing() as connection:
            kept = self.query(query.round)
            if kept is not None:
                _refuse_other_query(kept, query)
                return
            unit, seconds = query.unit.value, query.elapsed_seconds
            connection.execute(
                "INSERT INTO queries (round, acquisition, unit, model, elapsed_seconds, asked_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (query.round, query.acquisition, unit, query.model, seconds, utc_now()),
            )
            for item in query.items:
                answers.check_inside(self.database, item.region)
                connection.execute(
                    "INSERT INTO query_items (round, rank, image_id, row, col, height, width,"
                    " score, new_pixels) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (query.round, item.rank, *astuple(item.region), item.score, item.new_pixels),
                )

    def query(self, round: int) -> Query | None:
        """Query of a round; None if nothing was asked in it."""
        rows = self.database.rows(
            "SELECT acquisition, unit, model, elapsed_seconds FROM queries WHERE round = ?", round
        )
        if not rows:
            return None
        acquisition, unit, model, elapsed_seconds = rows[0]
        items = answers.items(self.database, round=round)
        return Query(round, acquisition, Unit(unit), items, model, elapsed_seconds)

    def newest_query(self) -> Query | None:
        """Query of the last round that has one; None before the first."""
        ((newest,),) = self.database.rows("SELECT max(round) FROM queries")
        return None if newest is None else self.query(newest)

    def unanswered(self, round: int) -> tuple[QueryItem, ...]:
        """Items of a round's query, best first, without an answer of that round to that region.

        Withdrawn ones are left out.
        """
        return answers.items(self.database, round=round, open_only=True)

    def pending(self, image_id: str) -> tuple[Region, ...]:
        """Regions of an image that were asked in any round, not answered in it, not withdrawn."""
        open_items = answers.items(self.database, image_id=image_id, open_only=True)
        return tuple(item.region for item in open_items)

    def asked(self, image_id: str, *, fresh_too: bool = True) -> npt.NDArray[np.bool_]:
        """Pixels that need not be asked: labelled, or in a region of any query.

        A pixel that was asked and answered with "I do not know" counts as asked, so that it does
        not come again and again; a region that was withdrawn before anybody answered does not.
        Without `fresh_too`, one that is open and that nobody ever held does not, either.

        Returns
        -------
        (H, W) bool array
        """
        asked = self._compose(image_id, with_instances=False).labelled
        rows = answers.items(
            self.database, image_id=image_id, standing_only=True, opened_only=not fresh_too
        )
        for item in rows:
            asked[item.region.slices] = True
        return asked

    def add_answer(self, answer: Answer) -> int:
        """Append an answer in one transaction, as `answers.write_answer` says; return its number.

        Raises
        ------
        StoreError
            If the image is not known.
        ShapeError
            If the region reaches beyond its image, or a label or object id is out of range.
        """
        return answers.write_answer(self.database, answer).number

    @contextmanager
    def together(self) -> Iterator[None]:
        """Keep all that the block adds, or nothing if it raises or the process dies.

        Other writers wait until the block ends.
        """
        with self.database.writing():
            yield

    def answers(
        self, image_id: str | None = None, round: int | None = None, *, all_kinds: bool = False
    ) -> Iterator[Answer]:
        """Answers, oldest first, of one image or round if given; read one at a time.

        Those without labels (kinds "unsure" and "artefact") come only with `all_kinds`.
        """
        numbers = self.database.rows(
            "SELECT id FROM answers WHERE (? OR kind = 'labels') AND ifnull(image_id = ?, 1)"
            " AND ifnull(round = ?, 1) ORDER BY id",
            *(all_kinds, image_id, round),
        )
        for (number,) in numbers:
            answer = answers.answer(self.database, number)
            assert answer is not None, "answers are never deleted"
            yield answer

    def newest_answer(self) -> int:
        """Return the number of the newest answer; 0 before the first."""
        return int(self.database.rows("SELECT ifnull(max(id), 0) FROM answers")[0][0])

    def labelled(self, image_id: str, until: int | None = None) -> Mask:
        """Newest label of every pixel of an image; composed as ``askmask.store.compose`` says.

        Raises
        ------
        StoreError
            If the image is not known.
        """
        return self._compose(image_id, until=until)

    def labelled_region(self, region: Region) -> Mask:
        """Newest label of every pixel of a region; reads no answer that does not reach into it.

        Raises
        ------
        StoreError
            If the image is not known.
        ShapeError
            If the region reaches beyond it.
        """
        answers.check_inside(self.database, region)
        return compose(region, answers.pieces(self.database, region))

    def labelled_images(self, until: int | None = None) -> tuple[str, ...]:
        """Ids of the images with at least one label."""
        rows = self.database.rows(
            "SELECT image_id FROM images WHERE image_id IN (SELECT image_id FROM answers"
            " WHERE new_pixels > 0 AND id <= ifnull(?, id)) ORDER BY position",
            until,
        )
        return tuple(image_id for (image_id,) in rows)

    def labelled_pixels(self, until: int | None = None) -> int:
        """Count the pixels that have a label, each once."""
        sql = "SELECT ifnull(sum(new_pixels), 0) FROM answers WHERE id <= ifnull(?, id)"
        return int(self.database.rows(sql, until)[0][0])

    def labelled_pixels_of_images(self) -> dict[str, int]:
        """Count the pixels that have a label, by the id of their image."""
        sql = "SELECT image_id, sum(new_pixels) FROM answers GROUP BY image_id"
        return dict(self.database.rows(sql))

    def labelled_digest(self, until: int | None = None, *, without: Sequence[str] = ()) -> str:
        """32 hex digits that are equal where the labelled sets are, some images left out.

        When, by whom and in how many answers the labels came does not matter.
        """
        rows = self.database.rows(
            "SELECT image_id, max(id) FROM answers WHERE id <= ifnull(?, id)"
            " GROUP BY image_id HAVING sum(new_pixels) > 0 ORDER BY image_id",
            until,
        )
        digest = hashlib.blake2b(digest_size=16)
        for image_id, newest in (row for row in rows if row[0] not in without):
            number, of_image = self._digests.get(image_id, (0, b""))
            if number != newest:
                of_image = mask_digest(self.labelled(image_id, until=newest))
                self._digests[image_id] = (newest, of_image)
            digest.update(f"{len(image_id)}:{image_id}".encode())
            digest.update(of_image)
        return digest.hexdigest()

    def answered_rounds(self) -> tuple[int, ...]:
        """Rounds with at least one answer, in order."""
        rows = self.database.rows("SELECT DISTINCT round FROM answers ORDER BY round")
        return tuple(round for (round,) in rows)

    def costs(self) -> tuple[RoundCost, ...]:
        """Return the cost of each round that has answers, in order."""
        return ledger.costs(self.database)

    def add_training(self, *records: TrainingRecord) -> None:
        """Keep trainings, finished or failed: all of them or none."""
        ledger.add_training(self.database, *records)

    def trainings(self) -> tuple[TrainingRecord, ...]:
        """Every training, oldest first."""
        return ledger.trainings(self.database)

    def finished_trainings(self, round: int | None = None) -> tuple[TrainingRecord, ...]:
        """Trainings that finished, in the order they did; of one round if given."""
        return ledger.finished_trainings(self.database, round)

    def answers_since_training(self) -> int:
        """Count the answers with labels that no finished training has read."""
        return ledger.answers_since_training(self.database)

    def answers_with_labels(self) -> int:
        """Count the answers with labels, known masks included."""
        return ledger.answers_with_labels(self.database)

    def add_metrics(self, round: int, model: str, rows: Sequence[MetricRow]) -> None:
        """Keep the metrics of a round's model in one transaction, as the last of that round.

        A second time the first rows stay, as the last again. They belong to the newest finished
        training of that model in that round: after the next, `metrics` is empty until it is judged.
        """
        ledger.add_metrics(self.database, round, model, rows)

    def metrics(self, round: int, model: str | None = None) -> tuple[MetricRow, ...]:
        """Metrics of a round's model, by default the one evaluated last; may be empty."""
        return ledger.metrics(self.database, round, model)

    def close(self) -> None:
        """Close the database; may be called again."""
        self.database.close()

    def __enter__(self) -> "Store":  # noqa: PYI034 (beartype refuses Self in a method)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _compose(
        self, image_id: str, *, until: int | None = None, with_instances: bool = True
    ) -> Mask:
        whole = answers.whole_image(self.database, image_id)
        newest_first = answers.pieces(
            self.database, whole, until=until, with_instances=with_instances
        )
        return compose(whole, newest_first)


def _refuse_other_query(kept: Query, query: Query) -> None:
    """Raise unless both ask the same, however long each took."""
    same = (kept.acquisition, kept.unit, kept.model) == (query.acquisition, query.unit, query.model)
    if not same or kept.items != query.items:
        raise StoreError(
            f"expected no other query in round {query.round}, which asks {len(kept.items)} "
            f"regions by {kept.acquisition!r}; got {len(query.items)} by {query.acquisition!r}. "
            "Answer the query that stands, and ask in the next round."
        )
