"""The right to be the only worker of a project."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from askmask.errors import DiskError, ProjectError

LOCK_NAME: Final = "worker.lock"


@contextmanager
def only_worker(root: Path, *, patience_seconds: float = 0.0) -> Iterator[None]:
    """Hold the right to work on a project; a process that dies gives it back.

    Parameters
    ----------
    root : Path
        The project's folder.
    patience_seconds : float
        How long to wait for another one to end.

    Raises
    ------
    ProjectError
        If another process holds it.
    DiskError
        If it cannot be held on that disk.
    """
    # SQLite's own lock: held by the system for the process, so that no kill leaves it behind.
    connection = None
    try:
        connection = sqlite3.connect(
            root / LOCK_NAME, timeout=patience_seconds, isolation_level=None
        )
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if connection is not None:
            connection.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise DiskError(
                f"expected to lock {str(root / LOCK_NAME)!r}, but: {error}. Check that its disk "
                "has room and may be written."
            ) from error
        raise ProjectError(
            f"expected no other worker on {str(root)!r}, but one is at work. Stop it first, or "
            "leave the work to it: the page shows what it does."
        ) from error
    try:
        yield
    finally:
        connection.close()
