"""Folders that appear whole or not at all, whatever happens while they are filled.

A folder is filled in a hidden place beside its own and then moved there. The process that fills it
holds a lock on the hidden folder, which the system gives back however that process ends. So the
next process that makes the same folder knows what was abandoned, and clears it away.
"""

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from askmask.errors import ProjectError
from askmask.whole_files import flush, write_atomically

_JOURNAL: Final = ".moving.json"
"""In a hidden folder whose entries are moved one by one: what they are, so that it can be undone.

It is written before the first entry is moved.
"""


@contextmanager
def whole_folder(target: Path, *, last: str) -> Iterator[Path]:
    """Make a folder beside its place and move it there at the end, where the disk holds it.

    An error removes it, and the folders above it that were made for it. What a killed process left
    is cleared away when the same folder is made again (see `clear_unfinished`). The hidden folder
    lies as deep as the target, so paths relative to one are right for the other.

    Parameters
    ----------
    target : Path
        The folder to make. If it holds something already, what is made is moved into it, one entry
        at a time.
    last : str
        The entry that says that all is there: it is moved after the others.

    Yields
    ------
    Path
        The folder to fill.

    Raises
    ------
    ProjectError
        If the target holds an entry of the same name as one of those made; nothing is moved then.
    """
    place = target.resolve()
    made = [parent for parent in place.parents if not parent.exists()]
    place.parent.mkdir(parents=True, exist_ok=True)
    clear_unfinished(place, last=last)
    folder, lock = _locked_folder(place)
    try:
        yield folder
        _flush_tree(folder)
        _move(folder, place, last)
        made = []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
        for parent in made:
            parent.rmdir()


def clear_unfinished(target: Path, *, last: str) -> None:
    """Remove what processes that were killed while they made a folder left beside it and in it.

    Of a folder whose entries were being moved, those that had arrived are removed, unless all had.

    Parameters
    ----------
    target, last
        As for `whole_folder`.
    """
    place = target.resolve()
    name = re.compile(rf"\.{re.escape(place.name)}-unfinished(-[0-9a-f]{{8}})?")
    for entry in os.scandir(place.parent) if place.parent.is_dir() else ():
        if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
            lock = _lock(Path(entry.path))
            if lock is not None:
                _undo(Path(entry.path), place, last)
                shutil.rmtree(entry.path, ignore_errors=True)
                os.close(lock)


def _locked_folder(place: Path) -> tuple[Path, int]:
    """Make a hidden folder, and hold its lock."""
    while True:
        folder = place.parent / f".{place.name}-unfinished-{secrets.token_hex(4)}"
        folder.mkdir()
        lock = _lock(folder)
        if lock is not None and folder.exists():
            return folder, lock
        if lock is not None:  # taken for abandoned before it had its lock
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Descriptor that holds the lock of a folder; None if another process has it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _flush_tree(folder: Path) -> None:
    for path, _, names in os.walk(folder):
        for name in names:
            flush(Path(path, name))
        flush(Path(path))


def _move(folder: Path, place: Path, last: str) -> None:
    if not place.exists() or not any(place.iterdir()):
        if place.exists():
            place.rmdir()
        folder.rename(place)
        flush(place.parent)
        return
    entries = sorted(folder.iterdir(), key=lambda entry: (entry.name == last, entry.name))
    taken = [entry.name for entry in entries if (place / entry.name).exists()]
    if taken:
        raise ProjectError(
            f"expected no {' and no '.join(map(repr, taken))} in {str(place)!r}, found them. "
            "Choose another folder, or move them away."
        )
    journal = {entry.name: _identity(entry) for entry in entries}
    write_atomically(folder / _JOURNAL, json.dumps(journal))
    for entry in entries:
        entry.rename(place / entry.name)
    flush(place)


def _undo(folder: Path, place: Path, last: str) -> None:
    """Remove from a place what was moved there of a folder, if not all was."""
    try:
        journal = json.loads((folder / _JOURNAL).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    moved = {
        name for name, identity in journal.items() if _identity(place / name) == tuple(identity)
    }
    if last in moved:
        return
    for name in moved:
        path = place / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _identity(path: Path) -> tuple[int, int] | None:
    """What names the very file or folder on its disk; None if there is none."""
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        return found.st_dev, found.st_ino
    return None
