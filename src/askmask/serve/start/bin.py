"""Putting a project away: into a bin folder beside it, from which it can be moved back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from askmask.errors import ProjectError
from askmask.loop.project import CONFIG_NAME, DATABASE_NAME
from askmask.runtime.worker_lock import LOCK_NAME, only_worker

BIN_NAME: Final = "askmask-bin"
PATIENCE_SECONDS: Final = 10.0
"""How long a worker that was just told to end may take."""
_OWN: Final = frozenset(
    {CONFIG_NAME, DATABASE_NAME, f"{DATABASE_NAME}-wal", f"{DATABASE_NAME}-shm"}
    | {LOCK_NAME, f"{LOCK_NAME}-journal"}
    | {"models", "queries", "reports", "scores", "dataset", "slides"}
)
"""Entries that askmask makes in the folder of a project."""


def put_away(root: Path) -> Path:
    """Move a project into the bin folder beside it.

    The bin is on the same disk, so nothing is copied, and the move is whole or did not happen. If
    the folder holds other files than the project's, only the project's own are moved, the settings
    first: without them it is no project any more.

    Parameters
    ----------
    root : Path
        The project's folder; nobody serves it.

    Returns
    -------
    Path
        Where it is now.

    Raises
    ------
    ProjectError
        If there is no project, or somebody works on it.
    """
    place = root.resolve()
    if not (place / CONFIG_NAME).is_file():
        raise ProjectError(f"expected a project in {str(root)!r}, found no {CONFIG_NAME}.")
    with only_worker(place, patience_seconds=PATIENCE_SECONDS):
        target = _free_place(place)
        others = [entry.name for entry in place.iterdir() if entry.name not in _OWN]
        if not others:
            place.rename(target)
            return target
        target.mkdir()
        own = sorted(_OWN, key=lambda name: name != CONFIG_NAME)
        for name in own:
            if (place / name).exists() and not name.startswith(LOCK_NAME):
                (place / name).rename(target / name)
    (place / LOCK_NAME).unlink(missing_ok=True)
    return target


def _free_place(place: Path) -> Path:
    folder = place.parent / BIN_NAME
    folder.mkdir(exist_ok=True)
    now = datetime.now(UTC).astimezone().strftime("%Y-%m-%d-%H%M%S")
    target = folder / f"{place.name}-{now}"
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{place.name}-{now}-{number}"
    return target
