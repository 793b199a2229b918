"""What a worker reports about itself: its state in the store, and signs of life while it works."""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Final

from askmask.errors import AskmaskError, StoreError
from askmask.progress import Progress
from askmask.records import utc_now
from askmask.store.mailbox import WorkerState
from askmask.store.store import Store

HEARTBEAT_SECONDS: Final = 5.0
_STATES: Final = {
    "train": "training",
    "evaluate": "evaluating",
    "calibrate": "evaluating",
    "ask": "asking",
    "draw": "drawing",
}

_log = logging.getLogger(__name__)


def tell_start(store: Store) -> None:
    """Tell that a worker is there, before it loads what takes seconds to load."""
    with suppress(StoreError):
        store.control.show(_starting())


def _starting() -> WorkerState:
    return WorkerState("starting", 0, 0, 0, "", os.getpid(), utc_now())


class Teller:
    """Keeps the state of a worker and writes it into the store, not too often.

    Parameters
    ----------
    store : Store
        Open; stays the caller's.
    most_often : float
        Seconds between two reports of one state.
    """

    def __init__(self, store: Store, most_often: float) -> None:
        self._store = store
        self._most_often = most_often
        self._state = _starting()
        self._told_at = 0.0

    def progress(self, progress: Progress) -> None:
        """Tell how far a work is."""
        state = replace(
            self._state,
            state=_STATES[progress.phase],
            round=progress.round,
            done=progress.done,
            total=progress.total,
            message="",
        )
        self._tell(state, force=progress.done == progress.total)

    def rest(self, state: str, message: str = "") -> None:
        """Tell that nothing is done now, and why."""
        if (state, message) != (self._state.state, self._state.message):
            resting = replace(self._state, state=state, done=0, total=0, message=message)
            self._tell(resting, force=True)

    @contextmanager
    def heartbeats(self) -> Iterator[None]:
        """Give signs of life while a step takes long; say so when work ends."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                with suppress(AskmaskError):
                    self._store.control.show(self._state)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(AskmaskError):
                self._store.control.show(replace(self._state, state="off"))

    def _tell(self, state: WorkerState, *, force: bool = False) -> None:
        is_new = state.state != self._state.state
        self._state = state
        if is_new or force or time.monotonic() - self._told_at > self._most_often:
            self._told_at = time.monotonic()
            with suppress(StoreError):  # the next one tells it
                self._store.control.show(state)
