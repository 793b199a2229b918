"""A folder of files of bounded size in all, for what can be made again."""

import os
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_SHARE_KEPT: Final = 0.9  # of the limit, when files are removed
_ABANDONED_SECONDS: Final = 3600.0


class BoundedFolder:
    """Files of bounded size in all; the least recently used go first.

    Safe for several threads and processes, and at a kill: a file appears whole or not at all.
    Whoever reads one checks what it holds, since a disk may damage it.

    Parameters
    ----------
    folder : Path
        Made, for its owner alone, when something is kept.
    limit_bytes : int
        Of all files together.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._bytes: int | None = None
        self._lock = threading.Lock()

    def keep(self, path: Path, content: bytes) -> None:
        """Write a file of the folder whole, and remove others if they are too large together.

        Raises
        ------
        OSError
            If it cannot be written; nothing is left of it then.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.unfinished")
        try:
            unfinished.write_bytes(content)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in _files(self.folder))
            else:
                self._bytes += len(content)
            if self._bytes > self.limit_bytes:
                self._bytes = _remove_oldest(self.folder, int(self.limit_bytes * _SHARE_KEPT))


def note_use(path: Path) -> None:
    """Make a file of such a folder the most recently used."""
    with suppress(OSError):  # removed by another process: what was read stays read
        os.utime(path)


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    """When last used, bytes and path of every file, the least recently used first."""
    found = []
    for path in folder.iterdir():
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # removed by another process
        found.append((stat.st_mtime, stat.st_size, path))
    return sorted(found)


def _remove_oldest(folder: Path, wanted_bytes: int) -> int:
    """Remove files until no more than so many bytes are left; returns how many are."""
    files = _files(folder)
    abandoned = time.time() - _ABANDONED_SECONDS  # written by a process that was killed
    left = sum(size for _, size, _ in files)
    for used, size, path in files:
        is_unfinished = path.suffix == ".unfinished"
        if (is_unfinished and used < abandoned) or (not is_unfinished and left > wanted_bytes):
            path.unlink(missing_ok=True)
            left -= size
    return left
