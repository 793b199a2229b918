"""Rows of the rounds: trainings, metrics, what the answers cost, and what trainings leave out.

Functions on an open database; callers use them through ``store``, which states the contract.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Final

from askmask.errors import StoreError
from askmask.records import MetricRow, Region, utc_now
from askmask.store.database import Database, Row

_KEPT: Final = "kept apart"
"""Name of the fact that holds them."""


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """One training, finished or failed.

    `status` is ``"finished"`` or ``"failed"``, then `reason` says why; a finished one may have a
    `reason` to doubt it, or, with 0 steps, why the model before stayed in use; `attempt` counts the
    restarts that the config's rule allows, from 0; `loss` is the last one (NaN if there is none);
    `model` the file name of the weights; `labelled_digest` what it was fitted to, and
    `newest_answer` the number of the newest answer that it read (None in old databases).
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
    newest_answer: int | None = None


@dataclass(frozen=True, slots=True)
class RoundCost:
    """Cost of the answers of one round, in several units.

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
        labelled set, see ``askmask.store.compose.Gain``.
    seconds : float
        Measured time spent; NaN unless it was measured for every answer.
    """

    round: int
    new_pixels: int
    regions: int
    images: int
    images_so_far: int
    boundary_length: int
    seconds: float


def add_training(database: Database, *records: TrainingRecord) -> None:
    """Keep trainings, finished or failed: all of them or none."""
    with database.writing() as connection:
        connection.executemany(
            "INSERT INTO trainings (round, attempt, status, reason, steps, loss, elapsed_seconds,"
            " model, labelled_digest, started_at, newest_answer)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            map(astuple, records),
        )


def trainings(database: Database) -> tuple[TrainingRecord, ...]:
    """Every training, oldest first."""
    rows = database.rows(
        "SELECT round, attempt, status, reason, steps, loss, elapsed_seconds, model,"
        " labelled_digest, started_at, newest_answer FROM trainings ORDER BY id"
    )
    return tuple(TrainingRecord(*_with_nan(row, 5)) for row in rows)


def answers_since_training(database: Database) -> int:
    """Count the answers with labels that no finished training has read."""
    rows = database.rows(
        "SELECT count(*) FROM answers WHERE kind = 'labels' AND id > ("
        " SELECT ifnull(max(newest_answer), 0) FROM trainings WHERE status = 'finished')"
    )
    return int(rows[0][0])


def answers_with_labels(database: Database) -> int:
    """Count the answers with labels."""
    return int(database.rows("SELECT count(*) FROM answers WHERE kind = 'labels'")[0][0])


def finished_trainings(database: Database, round: int | None) -> tuple[TrainingRecord, ...]:
    """Trainings that finished, of one round if given, oldest first."""
    return tuple(
        record
        for record in trainings(database)
        if record.status == "finished" and round in {None, record.round}
    )


def add_metrics(database: Database, round: int, model: str, rows: Sequence[MetricRow]) -> None:
    """Keep the metrics of a round's model; those that it has become the last ones again."""
    with database.writing() as connection:
        known = _evaluation(database, round, model)
        if known is not None:
            if known != _evaluation(database, round, None):
                connection.execute("PRAGMA defer_foreign_keys = ON")
                (last,) = connection.execute("SELECT max(id) FROM evaluations").fetchone()
                new = (last + 1, known)
                connection.execute("UPDATE evaluations SET id = ? WHERE id = ?", new)
                connection.execute("UPDATE metrics SET evaluation = ? WHERE evaluation = ?", new)
            return
        newest = connection.execute(
            "SELECT max(id) FROM trainings WHERE status = 'finished' AND round = ? AND model = ?",
            (round, model),
        ).fetchone()
        cursor = connection.execute(
            "INSERT INTO evaluations (round, model, training, evaluated_at) VALUES (?, ?, ?, ?)",
            (round, model, *newest, utc_now()),
        )
        connection.executemany(
            "INSERT INTO metrics (evaluation, position, split, stratum, class_name, metric, value,"
            " count, bin) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((cursor.lastrowid, position, *astuple(row)) for position, row in enumerate(rows)),
        )


def metrics(database: Database, round: int, model: str | None) -> tuple[MetricRow, ...]:
    """Metrics of the newest training of a round's model, in the order they were given."""
    rows = database.rows(
        "SELECT split, stratum, class_name, metric, value, count, bin FROM metrics"
        " WHERE evaluation = ? ORDER BY position",
        _evaluation(database, round, model),
    )
    return tuple(MetricRow(*_with_nan(row, 4)) for row in rows)


def costs(database: Database) -> tuple[RoundCost, ...]:
    """Cost of each round that has answers, in order."""
    rounds: dict[int, list[Row]] = {}
    for round, *row in database.rows(
        "SELECT round, image_id, row, col, height, width, new_pixels, new_boundary, seconds"
        " FROM answers ORDER BY round"
    ):
        rounds.setdefault(round, []).append(tuple(row))
    so_far: set[str] = set()
    found = []
    for round, rows in rounds.items():
        images = {row[0] for row in rows}
        so_far |= images
        found.append(
            RoundCost(
                round=round,
                new_pixels=sum(row[5] for row in rows),
                regions=len({Region(*row[:5]) for row in rows}),
                images=len(images),
                images_so_far=len(so_far),
                boundary_length=sum(row[6] for row in rows),
                seconds=sum(math.nan if row[7] is None else row[7] for row in rows),
            )
        )
    return tuple(found)


def _evaluation(database: Database, round: int, model: str | None) -> int | None:
    """Newest evaluation of a round, if nothing was trained anew since; of any model if None."""
    rows = database.rows(
        "SELECT id FROM evaluations WHERE round = ? AND ifnull(model = ?, 1) AND training IS ("
        " SELECT max(id) FROM trainings WHERE status = 'finished' AND"
        " (trainings.round, trainings.model) = (evaluations.round, evaluations.model)"
        ") ORDER BY id DESC LIMIT 1",
        round,
        model,
    )
    return int(rows[0][0]) if rows else None


def _with_nan(row: Row, column: int) -> Row:
    """Return the row with NaN in a column that SQLite, which has no NaN, keeps as NULL."""
    return tuple(math.nan if i == column and v is None else v for i, v in enumerate(row))


@dataclass(frozen=True, slots=True)
class KeptApart:
    """Labelled images that a person keeps for measuring models by.

    Attributes
    ----------
    images : tuple of str
        Their ids.
    by, at : str
        Who kept them, and when.
    since : str or None
        When the first training that leaves them out began; None before.
    """

    images: tuple[str, ...]
    by: str
    at: str
    since: str | None = None


class KeptImages:
    """Labelled images that were kept apart after the project began; reached as ``Store.kept``.

    They wait for the next training. Until it begins they can be used again; from then on trainings
    leave them out.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> KeptApart | None:
        """What is kept; None if nothing is."""
        rows = self._database.rows("SELECT value FROM facts WHERE name = ?", _KEPT)
        tree = json.loads(rows[0][0]) if rows else None
        return None if tree is None else KeptApart(**{**tree, "images": tuple(tree["images"])})

    def keep(self, images: Sequence[str], by: str) -> KeptApart:
        """Keep images from the next training on.

        Raises
        ------
        StoreError
            If some are kept already.
        """
        with self._database.writing():
            old = self.now()
            if old is not None:
                raise StoreError(
                    f"expected no images that are kept apart, found {len(old.images)}, kept by "
                    f"{old.by!r}. Load the page again."
                )
            kept = KeptApart(tuple(images), by, utc_now())
            self._write(asdict(kept))
        return kept

    def use_again(self) -> None:
        """Keep nothing apart after all; nothing happens if nothing was.

        Raises
        ------
        StoreError
            If a training has begun without them: scores of later models are to compare with its.
        """
        with self._database.writing():
            kept = self.now()
            if kept is not None and kept.since is not None:
                raise StoreError(
                    "expected images that no training has left out yet, but one has. They stay "
                    "apart, so that the scores of all models since then compare."
                )
            self._write(None)

    def leave_out(self) -> tuple[str, ...]:
        """Images that a training which begins now leaves out; from now on they stay apart."""
        kept = self.now()
        if kept is None or kept.since is not None:
            return () if kept is None else kept.images
        with self._database.writing():
            kept = self.now()  # somebody may just have changed his mind
            if kept is None:
                return ()
            self._write(asdict(replace(kept, since=kept.since or utc_now())))
        return kept.images

    def _write(self, tree: object) -> None:
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (_KEPT, json.dumps(tree))
            )
