"""One SQLite file: opened with every guard on, then read and written in short transactions.

Knows no table; those are in ``schema``, and what they mean in ``store``.
"""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from askmask.errors import AskmaskError, StoreBusy, StoreError, StoreFull
from askmask.store.read_only import copied, is_read_only, open_as_it_lies
from askmask.store.schema import APPLICATION_ID, MIGRATIONS, Migration, migrate, version_of

BUSY_SECONDS: Final = 30.0
"""How long a process waits for another one's transaction; they take milliseconds."""

_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)
"""SQLite's errors; of a damaged file it may quote what is no text."""

Row = tuple[Any, ...]  # Any: columns of different types


class Database:
    """An open database, for several threads of one process; other processes may use it too.

    Parameters
    ----------
    path : Path
        The file, made if it is absent; its folder must exist.

    Attributes
    ----------
    is_read_only : bool
        Whether the file is there and may not be written; then `writing` is refused.

    Raises
    ------
    StoreError
        From every method: if the database cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_read_only = is_read_only(path)
        self._copied: tempfile.TemporaryDirectory[str] | None = None
        self._connection = self._to_be_read() if self.is_read_only else open_database(path)
        self._lock = threading.RLock()
        # A writer may wait long for another process, but nobody needs to wait to read: with a
        # write-ahead log, readers see the last state that was committed.
        self._reader = self._connection if self.is_read_only else _connect_reader(path)
        self._reader_lock = threading.Lock()
        self._writer: int | None = None
        self._process = os.getpid()

    def rows(self, sql: str, *values: object) -> list[Row]:
        """Every row of one SELECT, which sees one state of the database.

        Inside a transaction of the same thread it sees what that wrote.
        """
        if self._writer == threading.get_ident():
            with self._using() as connection:
                return connection.execute(sql, values).fetchall()
        with self._using_reader() as connection:
            return connection.execute(sql, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, that other writers wait for; rolled back if the block raises.

        Inside another one of the same thread it is a part of that one.
        """
        if self.is_read_only:
            raise StoreFull(
                f"expected to write to the database {str(self.path)!r}, but it may only be read. "
                "Get the right to write to it and its folder, or copy the project to another disk."
            )
        with self._using() as connection:
            if connection.in_transaction:
                yield connection
                return
            # A deferred transaction that read first could not wait: it would fail as locked.
            connection.execute("BEGIN IMMEDIATE")
            self._writer = threading.get_ident()
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._writer = None

    def close(self) -> None:
        """Close the file; may be called again."""
        with self._lock, self._reader_lock:
            self._reader.close()  # first: who closes last folds the log into the file
            self._connection.close()
        if self._copied is not None:
            self._copied.cleanup()

    def _to_be_read(self) -> sqlite3.Connection:
        """Connection to a database that may not be written, or to a copy of it."""
        try:
            connection = open_as_it_lies(self.path)
        except _UNREADABLE as error:
            cure = "if it is damaged, take the newest copy."
            raise _problem("open", self.path, error, cure) from error
        if connection is not None:
            return connection
        copy, self._copied = copied(self.path)
        return open_database(copy)

    def _using(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._alone(self._lock, self._connection)

    def _using_reader(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._alone(self._reader_lock, self._reader)

    @contextmanager
    def _alone(
        self, lock: AbstractContextManager[object], connection: sqlite3.Connection
    ) -> Iterator[sqlite3.Connection]:
        if os.getpid() != self._process:
            raise StoreError(
                f"expected the process that opened {str(self.path)!r}, got a fork of it. "
                "Open a Store in each process."
            )
        with lock:
            try:
                yield connection
            except _UNREADABLE as error:
                cure = "when the cause is gone, repeat it."
                raise _problem("use", self.path, error, cure) from error


def damage(error: BaseException, path: Path) -> StoreError | None:
    """Build the error that tells of a row that no version of askmask writes.

    None if the exception was not raised while the store read something, or tells it already.

    Parameters
    ----------
    error : exception
        Raised while a project was open.
    path : Path
        Its database.
    """
    if isinstance(error, AskmaskError | OSError | MemoryError) or not isinstance(error, Exception):
        return None
    trace = error.__traceback__
    while trace is not None and "askmask.store." not in trace.tb_frame.f_globals["__name__"]:
        trace = trace.tb_next
    if trace is None:
        return None
    return StoreError(
        f"expected rows as askmask writes them in the database {str(path)!r}, but reading them "
        f"failed: {error!r}. If the file is damaged, take the newest copy; if it is not, this is "
        "a defect of askmask."
    )


def _problem(verb: str, path: Path, error: Exception, cure: str) -> StoreError:
    """Return the error that says what a caller can do: wait, free the disk, or else `cure`."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    told = f"expected to {verb} the database {str(path)!r}, but: {error}"
    kept = "Nothing of this step was written"
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusy(
            f"{told}. {kept}. Close other programs that hold it, or wait; then repeat it."
        )
    if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}:
        return StoreFull(
            f"{told} ({_room(path)}). {kept}, and what was kept before is safe. Make room on that "
            "disk (or lift a quota, or get the right to write), then repeat it."
        )
    return StoreError(f"{told}. {kept}; {cure}")


def _room(path: Path) -> str:
    """How much the disk of a file can take, in words."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return "its disk does not answer"
    return f"{free / 1e6:.1f} MB are free there"


def open_database(path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> sqlite3.Connection:
    """Open a project's database, make it if it is absent, and bring it to the newest version.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    migrations : sequence of Migration
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
        _make_private(path)
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except (sqlite3.Error, OSError) as error:
        raise StoreError(
            f"expected a database at {str(path)!r}, but: {error}. Make its folder, or check that "
            "you may write there."
        ) from error
    try:
        _refuse_strangers(connection, path, migrations[-1].version)
        _configure(connection, path)
        for migration in migrations:
            migrate(connection, migration)
    except _UNREADABLE as error:
        connection.close()
        cure = "close other programs that use it; if it is damaged, take the newest copy."
        raise _problem("open", path, error, cure) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _make_private(path: Path) -> None:
    """Make an absent database readable by its owner alone: it holds names and digests of tokens.

    SQLite gives the files of its log the rights of the database.
    """
    with suppress(OSError):  # it exists, or SQLite will say what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def _connect_reader(path: Path) -> sqlite3.Connection:
    """Second connection to an open database, that cannot write."""
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as error:
        cure = "let this process open more files (ulimit -n), then repeat it."
        raise _problem("open", path, error, cure) from error
    return connection


def _refuse_strangers(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Look before anything is written: a foreign database stays as it is."""
    try:
        # In this order: tables that another process makes meanwhile come with their id.
        tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
        identity = int(connection.execute("PRAGMA application_id").fetchone()[0])
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
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
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
