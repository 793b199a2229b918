"""The workers of a cluster: who may be given work, who is refused, and who has gone."""

import contextlib
import logging
import time
from asyncio import run_coroutine_threadsafe
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final

from distributed import Client

from askmask.errors import ClusterError
from askmask.runtime.cluster import on_worker
from askmask.runtime.cluster.connection import Connection
from askmask.runtime.cluster.on_worker import Introduction, own_versions
from askmask.runtime.contents import digest

_logger = logging.getLogger(__name__)
_RESTORE_SECONDS: Final = 5.0
_UNKNOWN: Final = "it does not know askmask, or not this one"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker must have to be given work.

    Attributes
    ----------
    must_see : dict of str to str
        Files by path, with the digest of their content.
    contents : tuple of bytes
        What every worker is sent once, before its first job; jobs find it by `contents.kept`.
    device : {"cpu", "auto", "cuda"}
        As a config has it: a worker with the resource ``GPU`` runs one job per GPU, unless
        ``"cpu"``; with ``"cuda"`` no other worker is given any.
    why_not_sent : str
        Sentence, without its period, for those who wonder why files must be seen.
    """

    must_see: Mapping[str, str] = field(default_factory=dict)
    contents: Sequence[bytes] = ()
    device: str = "cpu"
    why_not_sent: str = ""


class Crew:
    """Workers that may be given work, as the scheduler knows them now.

    A worker that arrives says who it is, is sent what it must keep, and loads what the jobs import,
    all by itself, while others work. A death on that way counts against no job.

    Parameters
    ----------
    connection : Connection
        Open.
    needs : Needs
        What they must have.
    function : bytes
        Pickled; loaded by each worker before its first job, with all that it imports.
    threads : int or None
        Threads of arithmetic per job; None for as many as the worker has.
    wake : callable
        Called, in another thread, when it is worth while to `look`.
    """

    def __init__(
        self,
        connection: Connection,
        needs: Needs,
        *,
        function: bytes,
        threads: int | None,
        wake: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._needs = needs
        self._function = function
        self._threads = threads
        self._wake = wake
        self._restored = time.monotonic()
        self._last_seen = time.monotonic()
        self._coming: dict[str, Future[Introduction | Exception]] = {}
        self._refused: dict[str, str] = {}
        self._has_said = False
        self.accepted: dict[str, Introduction] = {}

    def look(self) -> None:
        """Take in who has come and gone.

        Raises
        ------
        ClusterError
            If the scheduler is gone, every worker is refused, or none came in time.
        """
        present = set(self.ask_scheduler())
        if time.monotonic() - self._restored > _RESTORE_SECONDS:
            self._restored = time.monotonic()
            self._connection.restore()
        for known in (self.accepted, self._refused):
            for gone in set(known) - present:
                del known[gone]
        self._meet(present)
        if self.accepted:
            self._last_seen = time.monotonic()
        else:
            self._complain()

    def leave(self) -> None:
        """Wait for nobody any more."""
        for coming in self._coming.values():
            coming.cancel()
        self._coming.clear()

    def ask_scheduler(self) -> Sequence[str]:
        """Addresses of the workers that the scheduler knows."""
        if self._client.status != "running":
            raise lost(self._client)
        with _answered_by(self._client):
            return list(self._client.nthreads())

    def _meet(self, present: set[str]) -> None:
        """Ask those who are new, and take in those who are ready."""
        loop: Any = self._client.loop  # Any: its type hides the loop of asyncio
        for address in sorted(present - {*self.accepted, *self._refused, *self._coming}):
            coming = run_coroutine_threadsafe(self._greet(address), loop.asyncio_loop)
            coming.add_done_callback(self._tell)
            self._coming[address] = coming
        for address, coming in list(self._coming.items()):
            if address not in present:  # Dask tries to reach it for as long as it may
                self._coming.pop(address).cancel()
            elif coming.done():
                del self._coming[address]
                with _answered_by(self._client):
                    told = coming.result()
                self._take_in(address, told)

    def _tell(self, coming: "Future[Introduction | Exception]") -> None:
        """Wake whoever waits; not for one that has gone, which would be asked without end."""
        if coming.cancelled() or coming.exception() is not None:
            return
        if not isinstance(coming.result(), OSError):
            self._wake()

    async def _greet(self, address: str) -> Introduction | Exception:
        """Ask a worker who it is, and make it ready; return what it said, or what went wrong."""
        told: Introduction | Exception = await self._ask(
            address, on_worker.introduce, dict(self._needs.must_see)
        )
        if not isinstance(told, Introduction) or self._problem(told) is not None:
            return told
        digests = [digest(content) for content in self._needs.contents]
        lacking = await self._ask(address, on_worker.lacking, digests)
        if isinstance(lacking, Exception):
            return lacking
        contents = [one for one in self._needs.contents if digest(one) in lacking]
        kept = await self._ask(address, on_worker.keep, contents)
        if isinstance(kept, Exception):
            return kept
        ready = await self._ask(address, on_worker.get_ready, self._function, self._threads)
        return ready if isinstance(ready, Exception) else told

    async def _ask(self, address: str, function: Callable[..., Any], *args: object) -> Any:
        """What a function returns or raises on a worker."""  # Any: whatever it returns
        answers = await self._client.run(function, *args, workers=[address], on_error="return")
        return answers.get(address, OSError("it has gone"))

    def _take_in(self, address: str, told: Introduction | Exception) -> None:
        """Accept a worker, or refuse it with the reason."""
        if isinstance(told, OSError):  # it has gone since, or is asked again
            return
        problem = self._problem(told)
        if problem is None and isinstance(told, Introduction):
            self.accepted[address] = told
            return
        name = f"worker {told.name!r} on {told.host}" if isinstance(told, Introduction) else ""
        self._refused[address] = f"{name or 'worker'} at {address}: {problem}"
        _logger.warning("No work is given to %s.", self._refused[address])

    def _problem(self, told: Introduction | Exception) -> str | None:
        """Why a worker is refused; None if it is not."""
        if not isinstance(told, Introduction):
            return f"{_UNKNOWN} ({type(told).__name__}: {told}). Install {_own_words()} there"
        if told.versions != own_versions():
            theirs = " and ".join(f"{name} {version}" for name, version in told.versions.items())
            return f"it has {theirs}. Install {_own_words()} there and start it again"
        if told.unseen:
            why = self._needs.why_not_sent
            return (
                f"it does not see {', '.join(map(repr, told.unseen))} as this machine does. "
                f"{why and why + '. '}Put that on a disk that all machines see under one path"
            )
        if self._needs.device == "cuda" and told.gpus < 1:
            return "it offers no GPU. Start it with --resources GPU=1, one worker for each GPU"
        return None

    def _complain(self) -> None:
        """Nobody may be given work: wait, or end with all reasons."""
        refused = "\n".join(f"  {line}." for line in self._refused.values())
        if self._refused and not self._coming:
            raise ClusterError(
                f"expected workers like this machine, got none that may be given work:\n{refused}"
            )
        waited = time.monotonic() - self._last_seen
        if waited > self._connection.patience_seconds and not self._coming:
            raise ClusterError(
                f"expected a worker at {address_of(self._client)} within "
                f"{self._connection.patience_seconds:.0f} s, found none. Start some: "
                f"`dask worker {address_of(self._client)}`. What was finished is kept."
            )
        if waited > 5 and not self._has_said:
            self._has_said = True
            _logger.warning("Waiting for a worker of the cluster.")


@contextlib.contextmanager
def _answered_by(client: Client) -> Iterator[None]:
    """Turn a connection that breaks into the error that says so."""
    try:
        yield
    except OSError as error:  # Dask's own errors of a connection, and timeouts, are such
        raise lost(client) from error


def address_of(client: Client) -> str:
    """Address of the scheduler."""
    return "its address" if client.scheduler is None else str(client.scheduler.address)


def lost(client: Client) -> ClusterError:
    """Error that says that the scheduler is gone."""
    return ClusterError(
        f"expected the scheduler at {address_of(client)} to answer, but the connection to it is "
        "lost. What was finished is kept: start the cluster again, and repeat the command "
        "(`simulate` with --resume). A worker of `serve` tries again by itself."
    )


def _own_words() -> str:
    return " and ".join(f"{name} {version}" for name, version in own_versions().items())
