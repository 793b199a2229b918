"""What runs in a worker of a cluster: who it is, what it holds, and its one job at a time.

Nothing here imports torch, so that a worker says who it is at once; `get_ready` does, by what it
loads.
"""

import contextlib
import os
import pickle
import platform
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from distributed import Worker, get_worker

from askmask import __version__
from askmask.runtime.contents import file_content_digest, keep_content, kept
from askmask.runtime.executors import answer_one, limit_threads

_LOOK_SECONDS: Final = 0.2  # a job that nobody wants any more is ended this late
_one_job = threading.Lock()


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a worker says of itself.

    Attributes
    ----------
    name, host : str
        As the scheduler knows it, and its machine.
    versions : dict of str to str
        Of askmask and torch.
    gpus : float
        Its resource ``GPU``; 0 without.
    unseen : tuple of str
        Paths that it was asked for and does not see, or sees with another content.
    """

    name: str
    host: str
    versions: Mapping[str, str]
    gpus: float
    unseen: tuple[str, ...]


def own_versions() -> dict[str, str]:
    """Versions that must be the same wherever a job may run; builds of one torch are."""
    return {"askmask": __version__, "torch": metadata.version("torch").partition("+")[0]}


def introduce(
    must_see: Mapping[str, str], dask_worker: Worker
) -> Introduction:  # pragma: no cover - runs in the worker
    """Say who this worker is.

    Parameters
    ----------
    must_see : mapping
        Files by path, with the digest of their content.
    dask_worker : Worker
        Filled in by Dask.
    """
    if dask_worker.nanny and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches everyone: the nanny ends us
    return Introduction(
        name=str(dask_worker.name),
        host=platform.node(),
        versions=own_versions(),
        gpus=dask_worker.state.total_resources.get("GPU", 0.0),
        unseen=tuple(
            path for path, digest in must_see.items() if file_content_digest(path) != digest
        ),
    )


def lacking(digests: Sequence[str]) -> list[str]:  # pragma: no cover - runs in the worker
    """Which of these contents this worker was never sent."""
    return [name for name in digests if kept(name) is None]


def keep(
    contents: Sequence[bytes], dask_worker: Worker
) -> list[str]:  # pragma: no cover - runs in the worker
    """Keep contents in this worker's own folder for the jobs to come; return their digests."""
    folder = Path(dask_worker.local_directory) / "askmask"
    return [keep_content(content, folder) for content in contents]


def get_ready(
    function: bytes, threads: int | None, dask_worker: Worker
) -> None:  # pragma: no cover - runs in the worker
    """Load a function, with all that it imports, before the first job.

    Parameters
    ----------
    function : bytes
        Pickled. What cannot be loaded is told by the job.
    threads : int or None
        As for `perform`: libraries ask how many when they are loaded.
    dask_worker : Worker
        Filled in by Dask.
    """
    if not _one_job.acquire(blocking=False):
        return  # it works for somebody, so it has loaded all it needs
    try:
        limit_threads(threads or dask_worker.state.nthreads)
        with contextlib.suppress(Exception):
            pickle.loads(function)  # noqa: S301 - from the driver, as the code is
    finally:
        _one_job.release()


def perform(
    letter: bytes, index: int, threads: int | None
) -> bytes:  # pragma: no cover - runs in the worker
    """Run one job, alone in this process; return its outcome, pickled.

    Parameters
    ----------
    letter : bytes
        Function and item, pickled.
    index : int
        Place of the item.
    threads : int or None
        Threads of arithmetic; None for as many as the worker has.
    """
    worker = get_worker()
    with _one_job, _Wanted(worker):
        limit_threads(threads or worker.state.nthreads)
        pipe = _Letter(letter)
        answer_one(pipe, index)
        return pipe.answer


class _Letter:  # pragma: no cover - runs in the worker
    """One job as `answer_one` reads it, and its answer."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.answer = b""

    def recv(self) -> Any:  # Any: whatever was sent
        return pickle.loads(self._content)  # noqa: S301 - from the driver, as the code is

    def send(self, value: object) -> None:
        self.answer = pickle.dumps(value)


class _Wanted:  # pragma: no cover - runs in the worker
    """Ends this process if the job within is given up, or the scheduler is gone.

    Dask cannot end a running job, and lets it write on behind a run that was resumed. The nanny
    starts another worker in its place.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._key = worker.get_current_task()
        self._ended = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._follow, name="askmask-wanted", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _follow(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            task = self._worker.state.tasks.get(self._key)
            is_wanted = task is not None and task.state in ("executing", "long-running")
            is_connected = self._worker.status.name in ("running", "paused", "closing_gracefully")
            if not (is_wanted and is_connected) and not self._ended.is_set():
                os._exit(1)
