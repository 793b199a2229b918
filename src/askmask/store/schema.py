"""The tables of a project's database, version by version.

Only SQL and its bookkeeping: what the columns mean is told in ``store``, and how a file is opened
in ``database``. A step and the note that it ran share one transaction, so a database always stands
at one version exactly. A step that was released is never edited: a change is a further step.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from askmask.records import utc_now
from askmask.store import work_tables

APPLICATION_ID: Final = 0x61736B6D
"""Number in the header of every askmask database: the letters "askm"."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step from version `version` - 1 to `version`."""

    version: int
    note: str
    statements: tuple[str, ...]


_FIRST = Migration(
    1,
    "images, queries, answers, trainings and metrics",
    (
        """
        CREATE TABLE migrations (
            version INTEGER PRIMARY KEY, note TEXT NOT NULL, applied_at TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE images (
            image_id TEXT PRIMARY KEY,
            position INTEGER NOT NULL UNIQUE,
            height INTEGER NOT NULL CHECK (height > 0),
            width INTEGER NOT NULL CHECK (width > 0),
            split TEXT NOT NULL,
            stratum TEXT,
            role TEXT,
            has_mask INTEGER NOT NULL CHECK (has_mask IN (0, 1))
        ) STRICT
        """,
        """
        CREATE TABLE queries (
            round INTEGER PRIMARY KEY CHECK (round >= 1),
            acquisition TEXT NOT NULL,
            unit TEXT NOT NULL CHECK (unit IN ('region', 'image')),
            model TEXT,
            elapsed_seconds REAL,
            asked_at TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE query_items (
            round INTEGER NOT NULL REFERENCES queries (round),
            rank INTEGER NOT NULL,
            image_id TEXT NOT NULL REFERENCES images (image_id),
            row INTEGER NOT NULL,
            col INTEGER NOT NULL,
            height INTEGER NOT NULL,
            width INTEGER NOT NULL,
            score REAL NOT NULL,
            new_pixels INTEGER NOT NULL,
            PRIMARY KEY (round, rank)
        ) STRICT
        """,
        "CREATE INDEX query_items_of_image ON query_items (image_id)",
        # new_pixels and new_boundary never change after: they depend on older answers only.
        # The rasters stand last, so that counting does not read them.
        """
        CREATE TABLE answers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            round INTEGER NOT NULL CHECK (round >= 0),
            image_id TEXT NOT NULL REFERENCES images (image_id),
            row INTEGER NOT NULL,
            col INTEGER NOT NULL,
            height INTEGER NOT NULL,
            width INTEGER NOT NULL,
            kind TEXT NOT NULL DEFAULT 'labels' CHECK (kind IN ('labels', 'unsure', 'artefact')),
            author TEXT NOT NULL,
            tool TEXT NOT NULL,
            answered_at TEXT NOT NULL,
            seconds REAL,
            model TEXT,
            new_pixels INTEGER NOT NULL CHECK (new_pixels >= 0),
            new_boundary INTEGER NOT NULL CHECK (new_boundary >= 0),
            labels BLOB,
            instances BLOB,
            CHECK ((kind = 'labels') = (labels IS NOT NULL)),
            CHECK (labels IS NOT NULL OR instances IS NULL)
        ) STRICT
        """,
        "CREATE INDEX answers_of_image ON answers (image_id, id, new_pixels)",
        "CREATE INDEX answers_of_round ON answers (round, image_id, row, col, height, width)",
        """
        CREATE TRIGGER answers_are_not_changed BEFORE UPDATE ON answers
        BEGIN SELECT RAISE (ABORT, 'answers are only appended, never changed'); END
        """,
        """
        CREATE TRIGGER answers_are_not_deleted BEFORE DELETE ON answers
        BEGIN SELECT RAISE (ABORT, 'answers are only appended, never deleted'); END
        """,
        # INSERT OR REPLACE deletes without calling the trigger above
        """
        CREATE TRIGGER answers_are_not_replaced BEFORE INSERT ON answers
        WHEN EXISTS (SELECT 1 FROM answers WHERE id = NEW.id)
        BEGIN SELECT RAISE (ABORT, 'answers are only appended, never replaced'); END
        """,
        """
        CREATE TABLE trainings (
            id INTEGER PRIMARY KEY,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('finished', 'failed')),
            reason TEXT,
            steps INTEGER NOT NULL,
            loss REAL,
            elapsed_seconds REAL NOT NULL,
            model TEXT NOT NULL,
            labelled_digest TEXT NOT NULL,
            started_at TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE evaluations (
            id INTEGER PRIMARY KEY,
            round INTEGER NOT NULL,
            model TEXT NOT NULL,
            evaluated_at TEXT NOT NULL
        ) STRICT
        """,
        "CREATE UNIQUE INDEX evaluations_of_model ON evaluations (round, model)",
        """
        CREATE TABLE metrics (
            evaluation INTEGER NOT NULL REFERENCES evaluations (id),
            position INTEGER NOT NULL,
            split TEXT NOT NULL,
            stratum TEXT NOT NULL,
            class_name TEXT NOT NULL,
            metric TEXT NOT NULL,
            bin INTEGER,
            value REAL,
            count INTEGER NOT NULL,
            PRIMARY KEY (evaluation, position)
        ) STRICT
        """,
    ),
)

_EVALUATIONS_OF_TRAININGS = Migration(
    2,
    "an evaluation belongs to a training, so a repeated training is evaluated again",
    (
        "ALTER TABLE evaluations ADD COLUMN training INTEGER REFERENCES trainings (id)",
        """
        UPDATE evaluations SET training = (
            SELECT max(id) FROM trainings
            WHERE status = 'finished'
            AND (trainings.round, trainings.model) = (evaluations.round, evaluations.model)
        )
        """,
        "DROP INDEX evaluations_of_model",
        # a model that was not trained here has no training; NULLs would count as different
        """
        CREATE UNIQUE INDEX evaluations_of_training
        ON evaluations (round, model, ifnull(training, 0))
        """,
    ),
)

_PEOPLE = Migration(
    3,
    "people at work: leases, receipts, withdrawn regions, tokens, and what the worker does",
    (
        # How far a training had read: what came later is new to it.
        "ALTER TABLE trainings ADD COLUMN newest_answer INTEGER",
        # What a client said beside an answer to an asked region. `base`: the newest answer that
        # the person had seen; is_conflict: another one had come meanwhile.
        """
        CREATE TABLE receipts (
            answer INTEGER PRIMARY KEY REFERENCES answers (id),
            client_id TEXT NOT NULL UNIQUE,
            base INTEGER REFERENCES answers (id),
            is_conflict INTEGER NOT NULL CHECK (is_conflict IN (0, 1))
        ) STRICT
        """,
        """
        CREATE TRIGGER receipts_are_not_changed BEFORE UPDATE ON receipts
        BEGIN SELECT RAISE (ABORT, 'receipts are only appended, never changed'); END
        """,
        """
        CREATE TRIGGER receipts_are_not_deleted BEFORE DELETE ON receipts
        BEGIN SELECT RAISE (ABORT, 'receipts are only appended, never deleted'); END
        """,
        # Asked, then asked no more: neither pending nor kept from the next query.
        """
        CREATE TABLE withdrawals (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            withdrawn_by TEXT NOT NULL,
            withdrawn_at TEXT NOT NULL,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        """,
        """
        CREATE TABLE leases (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            holder TEXT NOT NULL,
            until REAL NOT NULL,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        """,
        # What the page shows of an asked region: drawn by the worker, read by the server.
        """
        CREATE TABLE pieces (
            round INTEGER NOT NULL,
            rank INTEGER NOT NULL,
            row INTEGER NOT NULL,
            col INTEGER NOT NULL,
            height INTEGER NOT NULL,
            width INTEGER NOT NULL,
            low REAL,
            high REAL,
            confidence REAL,
            scores BLOB,
            prediction BLOB,
            PRIMARY KEY (round, rank),
            FOREIGN KEY (round, rank) REFERENCES query_items (round, rank)
        ) STRICT
        """,
        """
        CREATE TABLE tokens (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('annotate', 'admin')),
            digest BLOB NOT NULL UNIQUE,
            made_at TEXT NOT NULL,
            revoked_at TEXT
        ) STRICT
        """,
        """
        CREATE TABLE sessions (
            digest BLOB PRIMARY KEY,
            name TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('annotate', 'admin')),
            token INTEGER REFERENCES tokens (id),
            started_at TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE commands (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            name TEXT NOT NULL,
            acquisition TEXT,
            given_by TEXT NOT NULL,
            given_at TEXT NOT NULL,
            state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'refused')),
            message TEXT NOT NULL DEFAULT ''
        ) STRICT
        """,
        """
        CREATE TABLE worker (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            state TEXT NOT NULL,
            round INTEGER NOT NULL,
            done INTEGER NOT NULL,
            total INTEGER NOT NULL,
            message TEXT NOT NULL,
            process INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            heartbeat REAL NOT NULL
        ) STRICT
        """,
        # What only the worker knows, and the server tells: the strategies, for one.
        """
        CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT
        """,
        # What changed, for open pages: a page that missed some fetches them again.
        """
        CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL CHECK (kind IN ('item', 'query', 'rounds')),
            round INTEGER NOT NULL,
            rank INTEGER
        ) STRICT
        """,
    ),
)

_IDENTITY = Migration(
    4,
    "a database has an id, and the asked region of an answer is found without a search",
    (
        # Made once: a browser that keeps work for a project recognises the project by this.
        """
        CREATE TABLE identity (
            only_one INTEGER PRIMARY KEY CHECK (only_one = 1),
            id TEXT NOT NULL
        ) STRICT
        """,
        "INSERT INTO identity VALUES (1, lower(hex(randomblob(16))))",
        "CREATE INDEX items_by_place ON query_items (round, image_id, row, col, height, width)",
    ),
)

_ITEM_STATES = Migration(
    5,
    "states of asked regions, kept so that lists need not be read; notes and comments of reviews",
    work_tables.STATEMENTS,
)

MIGRATIONS: Final[tuple[Migration, ...]] = (
    *(_FIRST, _EVALUATIONS_OF_TRAININGS, _PEOPLE, _IDENTITY, _ITEM_STATES),
)
"""Every step, oldest first, numbered from 1 without a gap."""


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema's version; 0 in a database without tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migration: Migration) -> None:
    """Take one step, unless the database is there already; whole or not at all.

    Parameters
    ----------
    connection : sqlite3.Connection
        In autocommit mode.
    migration : Migration
        The step; the database is at its version or above, or just below.
    """
    if version_of(connection) >= migration.version:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version_of(connection) < migration.version:  # another process may have been quicker
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(
                "INSERT INTO migrations VALUES (?, ?, ?)",
                (migration.version, migration.note, utc_now()),
            )
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {migration.version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
