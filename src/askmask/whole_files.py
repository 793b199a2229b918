"""Files that appear whole or not at all, whatever happens while they are written."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_ENDING: Final = ".unfinished"
_being_written: set[str] = set()
"""Names of this process: one that died may have had the same number, as in a container."""


def write_atomically(path: Path, content: str | bytes, *, durable: bool = True) -> None:
    """Write a file, or replace it whole.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    content : str or bytes
        Text is written as UTF-8, line ends as they are.
    durable : bool
        Whether the disk must hold file and name when this returns. False for what only tells how
        far something is.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is untouched.
    """
    with replacing(path, durable=durable) as unfinished:
        unfinished.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Hand out a place beside a file for a block to write to, and then put it in the file's place.

    The name of that place is of this process and call alone, so two that write one file at once
    leave one of both. It begins with a dot and keeps the file's last suffix. If the block raises,
    nothing is left; what a killed process left is cleared away by the next that writes the file.

    Parameters
    ----------
    path : Path
        The file; its folder must exist.
    durable : bool
        As for `write_atomically`.

    Yields
    ------
    Path
        Where to write; no file is there yet.
    """
    clear_leftovers(path)
    name = f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}{_ENDING}{path.suffix}"
    unfinished = path.with_name(name)
    _being_written.add(name)
    try:
        yield unfinished
        if durable:
            flush(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
        _being_written.discard(name)
    if durable:
        flush(path.parent)


def clear_leftovers(path: Path) -> None:
    """Remove what processes that were killed while they wrote a file left beside it."""
    before, after = f".{path.stem}.", f"{_ENDING}{path.suffix}"
    for other in os.scandir(path.parent):
        if other.name.startswith(before) and other.name.endswith(after):
            owner = other.name.removeprefix(before).partition("-")[0]
            if owner.isdecimal() and not _is_being_written(other.name, int(owner)):
                Path(other.path).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder."""
    if path.is_dir() and os.name == "nt":  # a folder cannot be opened there
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_being_written(name: str, process: int) -> bool:
    if process == os.getpid():
        return name in _being_written
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is somebody else's
        return True
    return True
