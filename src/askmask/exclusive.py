"""The right to be the only worker of a project."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from askmask.errors import ProjectError

LOCK_NAME: Final = "worker.lock"


@contextmanager
def only_worker(root: Path) -> Iterator[None]:
    """Hold the right to work on a project; whoever dies gives it back.

    Raises
    ------
    ProjectError
        If another process holds it.
    """
    # SQLite's own lock: held by the system for the process, so that no kill leaves it behind.
    connection = sqlite3.connect(root / LOCK_NAME, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        connection.close()
        raise ProjectError(
            f"expected no other worker on {str(root)!r}, but one is at work. Stop it first, or "
            "leave the work to it: the page shows what it does."
        ) from error
    try:
        yield
    finally:
        connection.close()
