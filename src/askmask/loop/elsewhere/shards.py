"""Jobs of some seconds, cut from pieces of work as the machines turn out to be fast or slow."""

import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from askmask.errors import AskmaskError, ClusterError
from askmask.loop.elsewhere.bench import Bench
from askmask.runtime.executors import Executor

_logger = logging.getLogger(__name__)

Piece = TypeVar("Piece")
Result = TypeVar("Result")

SECONDS: Final = 2.0
"""Work of a job: so much that a thousandth of it is lost on the way."""
_LEAST_PARTS: Final = 8  # of what is left, so that all workers end at about the same time


@dataclass(frozen=True, slots=True)
class Shard(Generic[Piece, Result]):
    """One job: what is done, with which bench, for which pieces."""

    work: Callable[[Bench, Piece], Result]
    bench: Bench
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Done(Generic[Result]):
    """Result of a piece, or why there is none.

    Attributes
    ----------
    place : int
        Of the piece, in the sequence that was handed in.
    result : object or None
        What was made of it; None also if nothing was to be made.
    problem : AskmaskError or None
        Why there is no result.
    """

    place: int
    result: Result | None = None
    problem: AskmaskError | None = None


def run_shard(shard: Shard[Any, Any]) -> tuple[float, list[Any]]:  # Any: pieces of all kinds
    """Work on the pieces of a shard; return the seconds of all but the first, and the results.

    A piece that askmask refuses has its error as its result.
    """
    found: list[Any] = []
    started = time.perf_counter()
    for place, piece in enumerate(shard.pieces):
        if place == 1:
            started = time.perf_counter()  # the first one also loads what the others need
        try:
            found.append(shard.work(shard.bench, piece))
        except AskmaskError as error:
            found.append(error)
    return time.perf_counter() - started, found


def in_shards(
    executor: Executor,
    work: Callable[[Bench, Piece], Result],
    bench: Bench,
    pieces: Sequence[Any],  # Any: what `fill` makes pieces of
    fill: Callable[[Any], Piece] = lambda piece: piece,
    *,
    parts: int | None = None,
    ahead: int | None = None,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[Done[Result]]:
    """Do some work on every piece, in the order in which it is done.

    A shard whose workers died is tried once more piece by piece, so that one piece that cannot be
    worked on costs no other.

    Parameters
    ----------
    executor : Executor
        Where it is done.
    work : callable
        ``work(bench, piece)``, at the top level of a module.
    bench : Bench
        What all pieces need.
    pieces : sequence
        What is worked on.
    fill : callable
        Makes of each what is sent, just before it is sent: it adds pixels, for example.
    parts : int, optional
        Jobs of equal size in all, for an executor that starts a process for each; by default as
        many as give jobs of `SECONDS`.
    ahead : int, optional
        A piece is sent only if it lies less than this many places behind the first one that has no
        outcome, so that whoever needs them in order holds no more. By default it is not limited.
    is_wanted : callable
        Asked before a job is sent; once it says no, those that run are waited for, and no more are
        sent.
    """
    cutter = _Cutter(len(pieces), parts, ahead)
    while cutter.has_work and is_wanted():
        groups: dict[int, range] = {}

        def shards(groups: dict[int, range] = groups) -> Iterator[Shard[Piece, Result]]:
            while cutter.may_cut and is_wanted():
                groups[len(groups)] = group = cutter.cut()
                yield Shard(work, bench, tuple(fill(pieces[place]) for place in group))

        outcomes = executor.map(run_shard, shards())
        again: list[range] = []
        for outcome in outcomes:
            group = groups[outcome.index]
            if outcome.value is not None:
                seconds, results = outcome.value
                cutter.note(seconds, len(group))
                cutter.settle(group)
                yield from map(_done, group, results)
            elif len(group) > 1 and outcome.details is None:
                again += [range(place, place + 1) for place in group]
            else:
                _logger.info("a job failed: %s", outcome.details)
                problem = ClusterError(f"{outcome.error or 'no result'}.")
                cutter.settle(group)
                yield from (Done(place, problem=problem) for place in group)
        cutter.put_back(again)


def in_order(items: Iterable[Done[Result]]) -> Iterator[Done[Result]]:
    """Results in the order of their pieces; those that come early are held."""
    early: dict[int, Done[Result]] = {}
    due = 0
    for item in items:
        early[item.place] = item
        while due in early:
            yield early.pop(due)
            due += 1


def named(problem: AskmaskError, image_id: str, follows: str) -> AskmaskError:
    """Problem of an image, which a lost worker does not name; other problems do."""
    if not isinstance(problem, ClusterError):
        return problem
    return ClusterError(f"image {image_id!r} cannot be worked on, so {follows}: {problem}")


def _done(place: int, result: Any) -> Done[Any]:  # Any: a result, or an error
    if isinstance(result, AskmaskError):
        return Done(place, problem=result)
    return Done(place, result)


class _Cutter:
    """Cuts pieces into shards, as long as those before turned out to take."""

    def __init__(self, total: int, parts: int | None, ahead: int | None) -> None:
        self._next = 0
        self._total = total
        self._parts = parts
        self._ahead = total if ahead is None else ahead
        self._due = 0  # the first piece without an outcome
        self._early: set[int] = set()
        self._back: deque[range] = deque()
        self._seconds_each: float | None = None

    @property
    def has_work(self) -> bool:
        """Whether there are pieces that are in no shard."""
        return bool(self._back) or self._next < self._total

    @property
    def may_cut(self) -> bool:
        """Whether there is a next shard that does not lie too far ahead."""
        return bool(self._back) or self._next < min(self._total, self._due + self._ahead)

    def settle(self, group: range) -> None:
        """Take in that pieces have an outcome."""
        self._early.update(group)
        while self._due in self._early:
            self._early.remove(self._due)
            self._due += 1

    def cut(self) -> range:
        """Places of the next shard."""
        if self._back:
            return self._back.popleft()
        start = self._next
        self._next += self._size(self._total - start)
        return range(start, self._next)

    def put_back(self, groups: Iterable[range]) -> None:
        """Let pieces be cut again, in these groups."""
        self._back.extend(groups)

    def note(self, seconds: float, pieces: int) -> None:
        """Take in the time of a shard; a single piece tells nothing of the time of the next."""
        if pieces < 2:
            return
        each = seconds / (pieces - 1)
        before = self._seconds_each
        self._seconds_each = each if before is None else (before + each) / 2

    def _size(self, left: int) -> int:
        """Pieces of a shard, of `left` ones; two until it is known how long they take."""
        if self._parts is not None:
            return min(left, math.ceil(self._total / self._parts))
        if self._seconds_each is None:
            return min(left, 2)
        wanted = math.ceil(SECONDS / max(self._seconds_each, 1e-6))
        return max(1, min(wanted, math.ceil(left / _LEAST_PARTS)))
