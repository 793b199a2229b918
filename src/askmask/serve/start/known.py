"""The projects that this user opened lately, in a file of the user's config folder.

It is a convenience and no record: a project is what lies in its folder, and one that is not in the
list can be opened by its folder.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from askmask.loop.project import CONFIG_NAME
from askmask.records import utc_now
from askmask.runtime.user_folders import user_config
from askmask.whole_files import write_atomically

LIST_NAME: Final = "projects.json"
MOST: Final = 50
"""So many projects are remembered; the ones opened longest ago go first."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A project that was opened.

    Attributes
    ----------
    root : Path
        Its folder, absolute.
    opened_at : str
        When it was opened last, ISO 8601 in UTC.
    """

    root: Path
    opened_at: str

    @property
    def project_id(self) -> str:
        """12 hex digits of the folder: the project's name in addresses."""
        return project_id(self.root)

    @property
    def is_there(self) -> bool:
        """Whether there is a project in the folder now."""
        return (self.root / CONFIG_NAME).is_file()


def project_id(root: Path) -> str:
    """12 hex digits that stand for a folder in addresses."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]


def known_projects() -> tuple[Known, ...]:
    """Every project in the list, the one that was opened last first.

    A list that cannot be read counts as empty, with a warning.
    """
    path = user_config() / LIST_NAME
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return tuple(Known(Path(str(row["root"])), str(row["opened_at"])) for row in rows)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        _log.warning("the list of projects in %s cannot be read (%s); it begins anew", path, error)
        return ()


def note_project(root: Path) -> Known:
    """Put a project first in the list; one that cannot be written is told in the log."""
    known = Known(root.resolve(), utc_now())

    def with_it(others: tuple[Known, ...]) -> tuple[Known, ...]:
        return (known, *(other for other in others if other.root != known.root))

    _change(with_it)
    return known


def forget_project(root: Path) -> None:
    """Take a project out of the list; its folder stays as it is."""
    gone = root.resolve()
    _change(lambda others: tuple(other for other in others if other.root != gone))


def _change(change: Callable[[tuple[Known, ...]], tuple[Known, ...]]) -> None:
    try:
        with _alone():
            kept = change(known_projects())[:MOST]
            tree = [{**asdict(known), "root": str(known.root)} for known in kept]
            write_atomically(user_config() / LIST_NAME, json.dumps(tree, indent=1) + "\n")
    except OSError as error:
        _log.warning("the list of projects could not be written: %s", error)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes from changing the list meanwhile."""
    folder = user_config()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{LIST_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
