"""A database that may only be read: on a disk, or in a folder, where this user may not write.

SQLite's write-ahead log needs to write beside the database even to read it. So a database that was
closed in order is read as it lies, which promises SQLite that nobody changes it; one with a log
that is not folded in, or of an older version, is copied, and the copy is opened.
"""

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path
from urllib.parse import quote

from askmask.store.schema import MIGRATIONS, version_of


def is_read_only(path: Path) -> bool:
    """Whether a database is there, and this process may not write to it or beside it."""
    return path.is_file() and not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))


def open_as_it_lies(path: Path) -> sqlite3.Connection | None:
    """Open a database that was closed in order, of the newest version; None if it is no such.

    It must not be changed as long as the connection is open: another user who may write to it, and
    does, can make reading fail.
    """
    log = path.with_name(f"{path.name}-wal")
    if log.is_file() and log.stat().st_size:
        return None
    connection = sqlite3.connect(
        f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    if version_of(connection) != MIGRATIONS[-1].version:
        connection.close()
        return None
    return connection


def copied(path: Path) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """Copy a database with its log; the copy is there as long as the folder that is returned."""
    folder = tempfile.TemporaryDirectory(prefix="askmask-")
    for name in (path.name, f"{path.name}-wal"):
        if path.with_name(name).is_file():
            shutil.copyfile(path.with_name(name), Path(folder.name) / name)
    return Path(folder.name) / path.name, folder
