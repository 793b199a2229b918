"""Executors of jobs: one after the other in this process, or in processes of their own.

An `Executor` maps a function over items and reports every item's `Outcome`. Nothing here knows
what a job does, and nothing here imports torch.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from askmask.errors import ConfigError

ItemT = TypeVar("ItemT")
ValueT = TypeVar("ValueT")

_WAKE_SECONDS: Final = 1.0  # a dead worker whose pipe a grandchild holds open is noticed this late
_GRACE_SECONDS: Final = 5.0  # between asking a worker to end and killing it

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[ValueT]):
    """End of one job: its result or its failure.

    Attributes
    ----------
    index : int
        Place of the item, from 0.
    value : object or None
        What the function returned; None if it failed.
    error : str or None
        Why there is no value, in one line; None if the job succeeded.
    details : str or None
        The traceback of a job that raised.
    """

    index: int
    value: ValueT | None = None
    error: str | None = None
    details: str | None = None


@runtime_checkable
class Executor(Protocol):
    """Runs independent jobs.

    What an implementation guarantees, tested by `askmask.testing.ExecutorContract`:

    - `map` yields exactly one outcome per item, in the order in which jobs end; `index` says
      which item it was. The iterator has a `close` method, as generators have.
    - A job that raises, exits or whose process dies is an outcome with an `error`, the exception's
      type and message, and the traceback as `details` if it raised; the others go on. A job that
      raised is not tried again. One whose process died may be, a stated number of times, if the
      implementation says so. An executor can be used again.
    - Items are read when there is room to run them, so they may come from a generator. Jobs
      start when the first outcome is asked for, and room is filled while one is waited for.
    - If the iterator is closed, or an exception such as KeyboardInterrupt passes through it, the
      running jobs are ended and no further job starts.
    - A job runs in one thread of its process from beginning to end; which process is open.
    """

    def map(
        self, function: Callable[[ItemT], ValueT], items: Iterable[ItemT]
    ) -> Iterator[Outcome[ValueT]]:
        """Run ``function(item)`` for every item.

        Parameters
        ----------
        function : callable of one item
            Defined at the top level of a module, so that it can be sent to another process.
        items : iterable
            Sent to other processes too, as are the values.

        Yields
        ------
        Outcome
            One per item, as jobs end.
        """
        ...


class Serial:
    """Runs jobs one after the other in this process, in order; a `kill -9` ends everything.

    Examples
    --------
    >>> [(outcome.value, outcome.error) for outcome in Serial().map(int, ["7", "x"])]
    [(7, None), (None, "ValueError: invalid literal for int() with base 10: 'x'")]
    """

    def map(
        self, function: Callable[[ItemT], ValueT], items: Iterable[ItemT]
    ) -> Iterator[Outcome[ValueT]]:
        """Run ``function(item)`` for every item; see `Executor.map`."""
        for index, item in enumerate(items):
            yield _attempt(index, function, item)


class Processes:
    """Runs each job in a fresh process, at most `workers` at once.

    A process per job, because a pool is broken as a whole when one of its workers dies. Processes
    are spawned, not forked: torch's threads do not survive a fork. A worker ends when its parent
    does, however that ended, so that nothing goes on writing behind a run that is resumed. It may
    start threads and programs, but no `multiprocessing` children of its own.

    Parameters
    ----------
    workers : int
        Jobs at one time, >= 1.
    threads : int or None
        Threads of arithmetic per worker, >= 1; None shares this process's cores equally.

    Raises
    ------
    ConfigError
        If a number is below 1.
    """

    def __init__(self, workers: int, threads: int | None = None) -> None:
        if workers < 1 or (threads is not None and threads < 1):
            raise ConfigError(
                f"expected workers >= 1 and threads >= 1 or None, got {workers!r}, {threads!r}."
            )
        self._workers = workers
        self.threads = threads if threads is not None else max(1, _core_count() // workers)

    def map(
        self, function: Callable[[ItemT], ValueT], items: Iterable[ItemT]
    ) -> Iterator[Outcome[ValueT]]:
        """Run ``function(item)`` for every item in its own process; see `Executor.map`.

        Raises
        ------
        Exception
            What pickling raises if the function or an item cannot be sent to a process.
        """
        waiting = enumerate(items)
        running: list[_Worker] = []
        try:
            while True:
                while len(running) < self._workers and (job := next(waiting, None)) is not None:
                    index, item = job
                    worker = _Worker(index, self.threads)
                    running.append(worker)  # first, so that an interrupted start is ended too
                    worker.start()
                    worker.send(function, item)
                if not running:
                    return
                for worker in _wait_for_any(running):
                    outcome = worker.outcome()
                    running.remove(worker)
                    yield outcome
        finally:
            _end(running)


class _Worker:
    """One job's process, seen from the parent."""

    def __init__(self, index: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.index = index
        self.pipe, self._remote = context.Pipe()
        self.process: SpawnProcess = context.Process(
            target=_work, args=(self._remote, index, threads), name=f"job-{index}", daemon=True
        )

    def start(self) -> None:
        """Start the process."""
        try:
            self.process.start()
        finally:
            self._remote.close()  # so that the pipe ends when the worker does

    def send(self, function: Callable[[ItemT], ValueT], item: ItemT) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # outcome() says why
            self.pipe.send((function, item))

    def has_ended(self) -> bool:
        """Whether there is a result, or never will be."""
        return self.pipe.poll() or not self.process.is_alive()

    def outcome(self) -> Outcome[Any]:  # Any: whatever the job returned
        """Read the result of a job that has ended, and see its process off."""
        outcome: Outcome[Any] | None = None
        try:
            if self.pipe.poll():  # a grandchild may hold the pipe of a dead worker open
                outcome = self.pipe.recv()
        except (EOFError, OSError):
            pass  # the worker died before or while it wrote
        except Exception as error:
            outcome = _failure(self.index, f"result cannot be read: {one_line(error)}")
        self.process.join(_GRACE_SECONDS)
        if outcome is None:
            outcome = _failure(self.index, cause_of_death(self.process.exitcode))
        _end([self])
        return outcome


def _wait_for_any(running: Sequence[_Worker]) -> list[_Worker]:
    """Wait until at least one job has ended; return those that have, oldest first."""
    while not (ended := [worker for worker in running if worker.has_ended()]):
        pipes = [worker.pipe for worker in running]
        wait([*pipes, *(worker.process.sentinel for worker in running)], timeout=_WAKE_SECONDS)
    return ended


def _end(workers: Sequence[_Worker]) -> None:
    """End processes, the stubborn ones by force; nothing happens to those that have ended."""
    started = [worker for worker in workers if worker.process.pid is not None]
    for worker in started:
        worker.process.terminate()
    for worker in workers:
        worker.pipe.close()
    for worker in started:
        worker.process.join(_GRACE_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def cause_of_death(exit_code: int | None) -> str:
    """Say how a process ended that left no result."""
    if exit_code is None:
        return "the process closed its pipe without a result and did not end"
    if exit_code >= 0:
        return f"the process ended with exit code {exit_code} without a result"
    name = signal.Signals(-exit_code).name
    hint = " (the system does so when memory runs out)" if name == "SIGKILL" else ""
    return f"the process was killed by {name}{hint}"


def _attempt(index: int, function: Callable[[ItemT], ValueT], item: ItemT) -> Outcome[ValueT]:
    """Run one job here; KeyboardInterrupt is not the job's and passes."""
    try:
        return Outcome(index, function(item))
    except (Exception, SystemExit) as error:
        return Outcome(index, error=one_line(error), details=traceback.format_exc())


def _failure(index: int, error: str) -> Outcome[Any]:  # Any: no value, so of any type
    return Outcome(index, error=error)


def one_line(error: BaseException) -> str:
    """Type and message of an exception, without line breaks."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _core_count() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover - systems without affinity


def _work(
    pipe: Connection, index: int, threads: int
) -> None:  # pragma: no cover - runs in the worker
    """Run a worker's one job; this is the first thing that the new process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everyone: the parent ends us
    threading.Thread(target=_follow_parent, daemon=True).start()
    limit_threads(threads)
    answer_one(pipe, index)


def _follow_parent() -> None:  # pragma: no cover - runs in the worker
    """End this process as soon as its parent has ended, even by `kill -9`."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker has a parent"
    wait([parent.sentinel])
    os._exit(1)


def limit_threads(threads: int) -> None:
    """Bound the threads of arithmetic libraries in this process.

    Parameters
    ----------
    threads : int
        Takes effect on libraries that are loaded from now on, and on torch in any case. A worker
        receives its job only afterwards, and with it whatever that imports.
    """
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)


@runtime_checkable
class Pipe(Protocol):
    """Where a job comes from and its outcome goes to, such as a `Connection`."""

    def recv(self) -> Any:  # Any: whatever was sent
        """Receive what was sent; raises EOFError if nothing will come."""
        ...

    def send(self, value: Any, /) -> None:  # Any: whatever can be pickled
        """Send a value."""
        ...


def answer_one(pipe: Pipe, index: int) -> None:
    """Receive a (function, item), run it, and send its outcome.

    Parameters
    ----------
    pipe : Pipe
        To the parent; a parent that has gone ends this without an error.
    index : int
        Place of the item.
    """
    try:
        function, item = pipe.recv()
    except EOFError:
        return
    except Exception as error:
        pipe.send(_failure(index, f"job cannot be loaded: {one_line(error)}"))
        return
    outcome = _attempt(index, function, item)
    try:
        pipe.send(outcome)
    except OSError:
        return
    except Exception as error:
        pipe.send(_failure(index, f"result cannot be sent: {one_line(error)}"))
