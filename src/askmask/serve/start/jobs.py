"""Long work that a person began on the start's page: each a process of its own, and its progress.

A job may be ended at any time, and it ends when the server does. What it makes appears whole or not
at all: the functions that it calls see to that, the same as under a command.
"""

import asyncio
import contextlib
import json
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from askmask.serve.web.problems import Problem

State = Literal["waiting", "running", "done", "failed", "ended"]
Tree = dict[str, Any]  # Any: what JSON holds

AT_ONCE: Final = 2
"""So many run at a time; others wait."""
MOST_WAITING: Final = 10
KEPT: Final = 30
"""So many jobs that are over are remembered."""
LINE_BYTES: Final = 32 * 2**20
"""The longest line of a job: a result with its pictures."""
END_SECONDS: Final = 10.0
"""How long a job may take to clear up before it is killed."""
_OVER: Final = ("done", "failed", "ended")

_log = logging.getLogger(__name__)


@dataclass
class StartedJob:
    """One piece of work.

    Attributes
    ----------
    number : int
        From 1 on; its name in addresses.
    kind : str
        What is done, by a name that `work` knows.
    doing, done, total : str and int
        What it does now, and how far that is; `total` 0 if nobody knows.
    result : dict or None
        What came of it.
    problems : tuple of str
        Why it failed, a sentence or two each.
    file : Path or None
        What it made to be downloaded.
    """

    number: int
    kind: str
    request: Tree
    state: State = "waiting"
    doing: str = ""
    done: int = 0
    total: int = 0
    result: Tree | None = None
    problems: tuple[str, ...] = ()
    file: Path | None = None
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in _OVER


class Jobs:
    """The jobs of one server, in its event loop."""

    def __init__(self) -> None:
        self._jobs: dict[int, StartedJob] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._newest = 0

    def begin(self, kind: str, request: Tree) -> StartedJob:
        """Begin a job; it waits for its turn.

        Raises
        ------
        Problem
            503 if too many wait.
        """
        if sum(not job.is_over for job in self._jobs.values()) >= MOST_WAITING:
            raise Problem(503, "busy", f"expected fewer than {MOST_WAITING} jobs, wait for one.")
        self._newest += 1
        job = StartedJob(self._newest, kind, request)
        self._jobs[job.number] = job
        job.task = asyncio.get_running_loop().create_task(self._run(job))
        over = [old for old in self._jobs.values() if old.is_over]
        for old in over[: max(len(over) - KEPT, 0)]:
            del self._jobs[old.number]
        return job

    def job(self, number: int) -> StartedJob:
        """A job by its number; Problem 404 if there is none."""
        if number not in self._jobs:
            raise Problem(404, "not_found", f"expected the number of a job, got {number}.")
        return self._jobs[number]

    def is_busy_with(self, root: Path) -> bool:
        """Whether a job reads or writes a project."""
        return any(
            not job.is_over and job.request.get("project") == str(root)
            for job in self._jobs.values()
        )

    async def end(self, job: StartedJob) -> None:
        """End a job and wait until it has cleared up."""
        if job.task is not None and not job.task.done():
            job.task.cancel()
            await asyncio.wait([job.task])

    async def end_all(self) -> None:
        """End every job."""
        await asyncio.gather(*(self.end(job) for job in list(self._jobs.values())))

    async def _run(self, job: StartedJob) -> None:
        try:
            async with self._turns:
                job.state = "running"
                await self._work(job)
        except asyncio.CancelledError:
            job.state = "ended"
        except Exception as error:
            _log.error("the job %r failed", job.kind, exc_info=error)
            job.state, job.problems = "failed", (f"a bug in the server: {error!r}.",)

    async def _work(self, job: StartedJob) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "askmask.serve.start.work"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES,
        )
        try:
            assert process.stdin is not None, "it is a pipe"
            assert process.stdout is not None, "it is a pipe"
            request = json.dumps({"kind": job.kind, **job.request})
            process.stdin.write(f"{request}\n".encode())
            async for line in process.stdout:
                _take(job, json.loads(line))
            await process.wait()
        finally:
            await _end_process(process)
        if not job.is_over:
            problem = f"it ended with code {process.returncode}: see what askmask printed."
            job.state, job.problems = "failed", (problem,)


def _take(job: StartedJob, told: Tree) -> None:
    """What a line of a job says."""
    if "problems" in told:
        job.state, job.problems = "failed", tuple(map(str, told["problems"]))
    elif "result" in told:
        result = dict(told["result"])
        file = result.pop("file", None)
        job.file = None if file is None else Path(file)
        job.state, job.result = "done", result
    else:
        job.doing, job.done, job.total = told["doing"], int(told["done"]), int(told["total"])


async def _end_process(process: asyncio.subprocess.Process) -> None:
    """Let a process end: it clears up when its pipe closes."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
