"""A folder that appears whole or not at all, even if its making is interrupted."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from askmask.errors import ProjectError


@contextmanager
def staged_folder(target: Path, *, last: str) -> Iterator[Path]:
    """Make a folder beside its place and move it there at the end.

    An error removes it, and the folders above it that were made for it. A killed process leaves a
    hidden folder beside the place, and nothing in it. The hidden folder lies as deep as the target,
    so paths relative to one are right for the other.

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
    made = _missing_parents(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = place.parent / f".{place.name}-unfinished-{secrets.token_hex(4)}"
    folder.mkdir()
    try:
        yield folder
        _move(folder, place, last)
        made = []
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for parent in made:
            parent.rmdir()


def _missing_parents(place: Path) -> list[Path]:
    """Folders above a place that do not exist, the innermost first."""
    return [parent for parent in place.parents if not parent.exists()]


def _move(folder: Path, place: Path, last: str) -> None:
    if not place.exists() or not any(place.iterdir()):
        if place.exists():
            place.rmdir()
        folder.rename(place)
        return
    entries = sorted(folder.iterdir(), key=lambda entry: (entry.name == last, entry.name))
    taken = [entry.name for entry in entries if (place / entry.name).exists()]
    if taken:
        raise ProjectError(
            f"expected no {' and no '.join(map(repr, taken))} in {str(place)!r}, found them. "
            "Choose another folder, or move them away."
        )
    for entry in entries:
        entry.rename(place / entry.name)
