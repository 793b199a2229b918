"""The workers of a cluster: who may be given work, who is refused, and who has gone."""

import contextlib
import logging
import time
from asyncio import run_coroutine_threadsafe
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from typing import Any, Final

from distributed import Client

from askmask.errors import ClusterError
from askmask.runtime.cluster import on_worker
from askmask.runtime.cluster.connection import Connection
from askmask.runtime.cluster.on_worker import Introduction, own_versions

_logger = logging.getLogger(__name__)
_RESTORE_SECONDS: Final = 5.0
_ANSWER_SECONDS: Final = 1.0  # how often a worker that was asked is looked for
_UNKNOWN: Final = "it does not know askmask, or not this one"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker must have to be given work.

    Attributes
    ----------
    must_see : dict of str to str
        Files by path, with the digest of their content.
    contents : tuple of bytes
        What every worker is sent once, before its first job; jobs find it by `on_worker.kept`.
    device : {"cpu", "auto", "cuda"}
        As a config has it: a worker with the resource ``GPU`` runs one job per GPU, unless
        ``"cpu"``; with ``"cuda"`` no other worker is given any.
    """

    must_see: Mapping[str, str] = field(default_factory=dict)
    contents: Sequence[bytes] = ()
    device: str = "cpu"


class Crew:
    """Workers that may be given work, as the scheduler knows them now.

    Parameters
    ----------
    connection : Connection
        Open.
    needs : Needs
        What they must have.
    """

    def __init__(self, connection: Connection, needs: Needs) -> None:
        self._connection = connection
        self._client = connection.client
        self._needs = needs
        self._restored = time.monotonic()
        self._last_seen = time.monotonic()
        self._seen: set[str] = set()
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
        self._seen &= present
        if time.monotonic() - self._restored > _RESTORE_SECONDS:
            self._restored = time.monotonic()
            self._connection.restore()
        for gone in (*(set(self.accepted) - present), *(set(self._refused) - present)):
            self.accepted.pop(gone, None)
            self._refused.pop(gone, None)
        arrived = sorted(present - self._seen)
        if arrived:
            self._meet(arrived)
        if self.accepted:
            self._last_seen = time.monotonic()
        else:
            self._complain()

    def ask_scheduler(self) -> Sequence[str]:
        """Addresses of the workers that the scheduler knows."""
        if self._client.status != "running":
            raise lost(self._client)
        with _answered_by(self._client):
            return list(self._client.nthreads())

    def _meet(self, arrived: list[str]) -> None:
        told = self._answers(arrived, on_worker.introduce, dict(self._needs.must_see))
        welcome = [address for address in arrived if self._is_welcome(address, told.get(address))]
        if welcome and self._needs.contents:
            sent = self._answers(welcome, on_worker.keep, list(self._needs.contents))
            welcome = [address for address in welcome if isinstance(sent.get(address), list)]
        self._seen |= {*welcome, *self._refused}  # others died meanwhile, or are asked again
        self.accepted |= {address: told[address] for address in welcome}

    def _answers(
        self, addresses: list[str], function: Callable[..., Any], *args: object
    ) -> dict[str, Any]:
        """What a function returns or raises on each worker; nothing of one that goes meanwhile.

        Dask tries for the whole time limit of a connection to reach a worker that was killed, so
        each is asked by itself, for as long as the scheduler knows it.
        """

        async def ask(address: str) -> Any:  # Any: as below
            return await self._client.run(function, *args, workers=[address], on_error="return")

        loop: Any = self._client.loop  # Any: its type hides the loop of asyncio
        waiting = {
            address: run_coroutine_threadsafe(ask(address), loop.asyncio_loop)
            for address in addresses
        }
        answers: dict[str, Any] = {}  # Any: whatever the function returns
        while waiting:
            done, _ = wait(waiting.values(), timeout=_ANSWER_SECONDS, return_when=FIRST_COMPLETED)
            present = set(self.ask_scheduler())
            for address, asked in list(waiting.items()):
                if asked in done:
                    with _answered_by(self._client):
                        answers |= waiting.pop(address).result()
                elif address not in present:
                    waiting.pop(address).cancel()
        return answers

    def _is_welcome(self, address: str, told: Introduction | Exception | None) -> bool:
        if told is None or isinstance(told, OSError):  # it has gone since
            return False
        problem = self._problem(told)
        if problem is None:
            return True
        name = f"worker {told.name!r} on {told.host}" if isinstance(told, Introduction) else ""
        self._refused[address] = f"{name or 'worker'} at {address}: {problem}"
        _logger.warning("No work is given to %s.", self._refused[address])
        return False

    def _problem(self, told: Introduction | Exception) -> str | None:
        """Why a worker is refused; None if it is not."""
        if not isinstance(told, Introduction):
            return f"{_UNKNOWN} ({type(told).__name__}: {told}). Install {_own_words()} there"
        if told.versions != own_versions():
            theirs = " and ".join(f"{name} {version}" for name, version in told.versions.items())
            return f"it has {theirs}. Install {_own_words()} there and start it again"
        if told.unseen:
            return (
                f"it does not see {', '.join(map(repr, told.unseen))} as this machine does. Put "
                "that on a disk that all machines see under one path"
            )
        if self._needs.device == "cuda" and told.gpus < 1:
            return "it offers no GPU. Start it with --resources GPU=1, one worker for each GPU"
        return None

    def _complain(self) -> None:
        """Nobody may be given work: wait, or end with all reasons."""
        refused = "\n".join(f"  {line}." for line in self._refused.values())
        if self._refused and len(self._refused) == len(self._seen):
            raise ClusterError(
                f"expected workers like this machine, got none that may be given work:\n{refused}"
            )
        waited = time.monotonic() - self._last_seen
        if waited > self._connection.patience_seconds:
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
        "(`simulate` with --resume)."
    )


def _own_words() -> str:
    return " and ".join(f"{name} {version}" for name, version in own_versions().items())
