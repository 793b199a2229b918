"""The tables of a project's database, and how an older database becomes a present one.

Only SQL and its bookkeeping; what the tables mean is told in ``store``. A migration and the note
that it ran share one transaction, so a database always stands at one version exactly.
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from askmask.errors import StoreError
from askmask.records import utc_now

APPLICATION_ID: Final = 0x61736B6D  # "askm", in the file's header
BUSY_SECONDS: Final = 30.0


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

MIGRATIONS: Final[tuple[Migration, ...]] = (_FIRST,)


def connect(path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> sqlite3.Connection:
    """Open a project's database, make it if it is absent, and bring it to the newest version.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    migrations : tuple of Migration
        Every step, oldest first.

    Returns
    -------
    sqlite3.Connection
        In autocommit mode, with write-ahead log, foreign keys and busy timeout switched on; may
        be used from several threads, one at a time.

    Raises
    ------
    StoreError
        If the file is no askmask database, is of a newer version, or cannot be opened.
    """
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise StoreError(
            f"expected a database at {str(path)!r}, but: {error}. Make its folder, or check that "
            "you may write there."
        ) from error
    try:
        _refuse_strangers(connection, path, migrations[-1].version)
        _configure(connection, path)
        for migration in migrations:
            _apply(connection, migration)
    except sqlite3.Error as error:
        connection.close()
        raise StoreError(
            f"expected to open the database {str(path)!r}, but: {error}. Close other programs "
            "that use it; if it is damaged, take the newest copy."
        ) from error
    except BaseException:
        connection.close()
        raise
    return connection


def version_of(connection: sqlite3.Connection) -> int:
    """Return the schema's version; 0 in a database without tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_strangers(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Look before anything is written: a foreign database stays as it is."""
    try:
        identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
        tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise StoreError(
            f"expected an askmask database at {str(path)!r}, but: {error}. Name another file."
        ) from error
    if tables and identity != APPLICATION_ID:
        raise StoreError(
            f"expected an askmask database at {str(path)!r}, got an SQLite file of another program "
            f"(application id {identity:#x}). Name another file."
        )
    version = version_of(connection)
    if version > newest:
        raise StoreError(
            f"expected a database of version {newest} or older at {str(path)!r}, got version "
            f"{version}. Install a newer askmask, or take a copy of the database from before."
        )


def _configure(connection: sqlite3.Connection, path: Path) -> None:
    mode = _write_ahead(connection)
    if mode != "wal":
        raise StoreError(
            f"expected a disk with shared memory for {str(path)!r}, got journal mode {mode!r}. "
            "Move the project to a local disk: network disks lose answers."
        )
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # an answer outlives a power cut too


def _write_ahead(connection: sqlite3.Connection) -> str:
    """Switch the write-ahead log on; SQLite does not wait here when another process does so too."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
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
        connection.execute("ROLLBACK")
        raise
