"""Jobs on the workers of a cluster, behind the contract of `askmask.runtime.executors`."""

import pickle
import queue
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from distributed import Future, KilledWorker

from askmask.runtime.cluster import on_worker
from askmask.runtime.cluster.connection import MOST_DEATHS, Connection
from askmask.runtime.cluster.crew import Crew, Needs, lost
from askmask.runtime.executors import Outcome, one_line

Item = TypeVar("Item")
Value = TypeVar("Value")

_LOOK_SECONDS: Final = 1.0  # how often it is looked who has come and gone
_NEVER: Final = -1e9
_FETCH_SECONDS: Final = 5.0  # a result whose worker died meanwhile is given up this late

Reached = Callable[[Any], Any]  # Any: items, and how far each is, as the caller compares them


class Dask:
    """Runs jobs on workers of a Dask cluster, one at a time in each worker process.

    Each job is sent to one worker by name. A job whose worker died is done again by another one;
    after `MOST_DEATHS` in a row without getting further it is an outcome with an error. A job that
    raised is not tried again. A job that is given up, because the iterator was closed, or this
    process or the scheduler ended, is ended with its worker process, which Dask's nanny replaces.

    Parameters
    ----------
    connection : Connection
        Open, and stays the caller's.
    needs : Needs
        What a worker must have to be given work.
    threads : int or None
        Threads of arithmetic per job; None for as many as the worker has.
    ahead : int
        Jobs that wait at each worker while it works, >= 0: 1 hides the way to the scheduler, but
        is too early for jobs of which some take long.
    reached : callable, optional
        ``reached(item)``: how far an item's work has come on disk, larger for further. A job that
        is further than at its worker's last death has not killed it in vain and goes on.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        needs: Needs | None = None,
        threads: int | None = None,
        ahead: int = 0,
        reached: Reached | None = None,
    ) -> None:
        self._connection = connection
        self._needs = needs or Needs()
        self._threads = threads
        self._ahead = ahead
        self._reached = reached

    def map(
        self, function: Callable[[Item], Value], items: Iterable[Item]
    ) -> Iterator[Outcome[Value]]:
        """Run ``function(item)`` for every item; see `askmask.runtime.executors.Executor.map`.

        Raises
        ------
        ClusterError
            If the scheduler is gone, or no worker may be given work.
        Exception
            What pickling raises if the function or an item cannot be sent.
        """
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        crew = Crew(
            self._connection,
            self._needs,
            function=pickle.dumps(function),
            threads=self._threads,
            wake=lambda: ended.put(None),
        )
        turn = _Turn(
            connection=self._connection,
            crew=crew,
            ended=ended,
            threads=self._threads,
            may_use_gpu=self._needs.device != "cpu",
            room=1 + self._ahead,
            reached=self._reached,
        )
        waiting = (
            _Job(index, item, pickle.dumps((function, item))) for index, item in enumerate(items)
        )
        try:
            yield from turn.outcomes(waiting)
        finally:
            turn.give_up()
            crew.leave()


@dataclass(slots=True, eq=False)
class _Job:
    """One item on its way."""

    index: int
    item: Any  # Any: as the caller has it
    letter: bytes
    deaths: int = 0
    mark: Any = None  # Any: as `reached` gives it
    address: str = ""
    future: Future[bytes] | None = None
    fetch_seconds: float = _FETCH_SECONDS


@dataclass(slots=True, kw_only=True)
class _Turn:
    """One call of `Dask.map`."""

    connection: Connection
    crew: Crew
    threads: int | None
    may_use_gpu: bool
    room: int
    reached: Reached | None
    ended: "queue.SimpleQueue[Any]"  # Any: Dask's keys; None if the crew has changed
    again: deque[_Job] = field(default_factory=deque)
    running: dict[Any, _Job] = field(default_factory=dict)  # Any: Dask's keys
    looked: float = _NEVER
    name: str = field(default_factory=lambda: f"askmask-{uuid.uuid4().hex}")
    sent: int = 0

    def outcomes(self, waiting: Iterator[_Job]) -> Iterator[Outcome[Any]]:
        """Outcomes of jobs as they end, until none is left."""
        is_empty = False
        while True:
            if time.monotonic() - self.looked > _LOOK_SECONDS:
                yield from self._look()
            while not is_empty or self.again:
                address = self._free_worker()
                if address is None:
                    break
                job = self.again.popleft() if self.again else next(waiting, None)
                if job is None:
                    is_empty = True
                    break
                self._send(job, address)
            if is_empty and not self.running and not self.again:
                return
            outcome = self._next_outcome()
            if outcome is not None:
                yield outcome

    def give_up(self) -> None:
        """Let nothing more start; what runs is ended by its worker."""
        if self.connection.client.status == "running":  # else nobody is there to be told
            for job in self.running.values():
                _drop(job)
        self.running.clear()

    def _free_worker(self) -> str | None:
        """Worker with the least to do, if any has room."""
        load = dict.fromkeys(self.crew.accepted, 0)
        for job in self.running.values():
            if job.address in load:
                load[job.address] += 1
        address = min(load, key=load.__getitem__, default=None)
        return address if address is not None and load[address] < self.room else None

    def _send(self, job: _Job, address: str) -> None:
        if job.mark is None and self.reached is not None:
            job.mark = self.reached(job.item)
        self.sent += 1
        key = (self.name, self.sent)
        has_gpu = self.may_use_gpu and self.crew.accepted[address].gpus >= 1
        job.address = address
        job.future = self.connection.client.submit(
            *(on_worker.perform, job.letter, job.index, self.threads),
            key=key,
            workers=[address],
            allow_other_workers=False,
            resources={"GPU": 1} if has_gpu else None,
            pure=False,
        )
        self.running[key] = job
        job.future.add_done_callback(lambda future: self.ended.put(future.key))

    def _look(self) -> Iterator[Outcome[Any]]:
        """See who has come and gone; jobs of workers that have gone are done again."""
        self.looked = time.monotonic()
        self.crew.look()
        orphans: dict[str, list[Any]] = {}
        for key, job in self.running.items():
            if job.address not in self.crew.accepted:
                orphans.setdefault(job.address, []).append(key)
        for keys in orphans.values():  # the first was at work, those behind it are innocent
            for place, key in enumerate(keys):
                outcome = self._again(self.running.pop(key), has_killed=place == 0)
                if outcome is not None:
                    yield outcome

    def _next_outcome(self) -> Outcome[Any] | None:
        """Outcome of a job that has ended; None if none has for a while, or it is done again."""
        try:
            key = self.ended.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return None
        if key is None:
            self.looked = _NEVER
        job = self.running.get(key)
        if job is None or job.future is None:  # nobody's, or it was sent again meanwhile
            return None
        if job.future.status == "cancelled":
            raise lost(self.connection.client)
        try:
            answer = job.future.result(timeout=job.fetch_seconds)
        except TimeoutError:
            job.fetch_seconds *= 2
            self.ended.put(key)
            return None
        except KilledWorker:
            return self._again(self.running.pop(key), has_killed=True)
        except Exception as error:
            del self.running[key]
            return Outcome(job.index, error=f"job cannot be run: {one_line(error)}")
        del self.running[key]
        job.future.release()
        return _read(job.index, answer)

    def _again(self, job: _Job, *, has_killed: bool) -> Outcome[Any] | None:
        """Put a job whose worker died back in front, or give it up."""
        _drop(job)
        mark = None if self.reached is None else self.reached(job.item)
        if mark is not None and (job.mark is None or mark > job.mark):
            job.deaths, job.mark = 0, mark
        job.deaths += has_killed
        if job.deaths < MOST_DEATHS:
            self.again.append(job)
            return None
        error = (
            f"its worker died {job.deaths} times in a row without getting further, last at "
            f"{job.address}. Memory may have run out: that worker's log says more"
        )
        return Outcome(job.index, error=error)


def _drop(job: _Job) -> None:
    """Let the cluster forget a job."""
    if job.future is not None:
        job.future.cancel(reason="given up", msg="given up")
        job.future = None


def _read(index: int, answer: bytes) -> Outcome[Any]:
    try:
        outcome: Outcome[Any] = pickle.loads(answer)  # noqa: S301 - from a worker of ours
    except Exception as error:
        return Outcome(index, error=f"result cannot be read: {one_line(error)}")
    return outcome
