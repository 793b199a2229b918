"""What failed in a worker, how, and when it may be tried again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from askmask.errors import (
    AskmaskError,
    ClusterError,
    DiskError,
    OutOfMemory,
    StoreBusy,
    StoreFull,
)
from askmask.runtime.memory import STARVED, memory_problem

MEMORY_SECONDS: Final = 60.0
"""How long what found too little memory is not tried again; twice as long each further time."""
LONGEST_SECONDS: Final = 3600.0
CLUSTER_SECONDS: Final = 60.0
"""How long what a cluster did not do is not tried again: nobody's answer brings it back."""

_CURE: Final = "End other programs, or prepare the images at a smaller --scale."


class Failures:
    """Failures by phase, such as "train"; each stands until an answer comes that may change it.

    What found too little memory is not helped by an answer alone: it waits for some time, too. What
    failed on a cluster only waits for some time.

    Parameters
    ----------
    newest_answer : callable
        Number of the newest answer.
    """

    def __init__(self, newest_answer: Callable[[], int]) -> None:
        self._newest_answer = newest_answer
        self._found: dict[str, tuple[int, str]] = {}  # newest answer then, and the message
        self._not_before: dict[str, float] = {}
        self._is_timed: dict[str, bool] = {}  # whether the time alone counts
        self._pause_seconds = MEMORY_SECONDS

    def has(self, phase: str) -> bool:
        """Whether a phase failed, and would fail again now."""
        if phase not in self._found:
            return False
        is_early = time.monotonic() < self._not_before.get(phase, 0.0)
        if self._is_timed[phase]:
            return is_early
        return is_early or self._found[phase][0] == self._newest_answer()

    def message(self) -> str | None:
        """What failed last and would fail again now."""
        failed = [phase for phase in self._found if self.has(phase)]
        return self._found[failed[-1]][1] if failed else None

    def forget(self) -> None:
        """Let everything be tried again: somebody wants it."""
        self._found.clear()
        self._not_before.clear()

    @contextmanager
    def noting(self, phase: str) -> Iterator[None]:
        """Note it if the block fails; too little memory is raised as `OutOfMemory`."""
        newest = self._newest_answer()
        try:
            yield
        except (StoreBusy, StoreFull, DiskError):  # no fault of the phase
            raise
        except (AskmaskError, *STARVED) as error:
            problem = memory_problem(error, f"the worker's phase {phase!r}", _CURE)
            if problem is not None:
                self._not_before[phase] = time.monotonic() + self.next_pause()
            elif not isinstance(error, AskmaskError):
                raise
            self._is_timed[phase] = isinstance(error, ClusterError)
            if self._is_timed[phase]:
                self._not_before[phase] = time.monotonic() + CLUSTER_SECONDS
            self._found.pop(phase, None)
            self._found[phase] = newest, str(problem or error)
            if problem is None or problem is error:
                raise
            raise problem from error
        self._found.pop(phase, None)
        self._not_before.pop(phase, None)

    def next_pause(self) -> float:
        """Seconds to wait after there was too little memory; longer each time."""
        pause = self._pause_seconds
        self._pause_seconds = min(2 * pause, LONGEST_SECONDS)
        return pause

    @staticmethod
    def of_memory(error: Exception) -> OutOfMemory | None:
        """Tell what did not fit outside any phase; None if the exception means something else."""
        return memory_problem(error, "the worker", _CURE)
