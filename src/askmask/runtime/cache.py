"""Results that several trials share, e.g. the model of round 0: each is made once and reused.

Trials with one seed start from the same labelled set and the same weights, so their first
training is the same function of the same arguments. The key holds every argument.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from askmask.whole_files import flush


def user_cache() -> Path:
    """Folder of this user for what can be made again: ``$XDG_CACHE_HOME/askmask``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "askmask"


class Cache:
    """A folder of files by key; safe for several processes.

    Parameters
    ----------
    folder : Path
        Made if absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get_or_make(
        self, key: Mapping[str, object], suffix: str, make: Callable[[Path], None]
    ) -> Path:
        """Path of the file of `key`, made by ``make(path)`` if it does not exist.

        Parameters
        ----------
        key : mapping
            Every argument that the content depends on; must be JSON.
        suffix : str
            Ending of the file's name, with its dot.
        make : callable
            Writes the file at the path it is given. One process at a time makes a key; if it
            raises or is killed, no file appears and the next one makes it.
        """
        text = json.dumps(key, sort_keys=True)
        name = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        path = self._folder / f"{name}{suffix}"
        with (self._folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                # One name for all, under the lock: what is made finds its own checkpoint beside it.
                unfinished = path.with_name(f"{name}.unfinished{suffix}")
                make(unfinished)
                flush(unfinished)
                unfinished.replace(path)
                flush(self._folder)
        return path
