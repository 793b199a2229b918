"""Runs commands of askmask in processes that kill themselves at a named step, and tells the steps.

A step is anything that others can see afterwards: a file opened for writing, renamed, linked or
removed, a folder made or removed, a statement by which SQLite changes a database. Python tells each
before it happens (its audit events, SQLite's trace), so no line of askmask knows of this, and no
step can be forgotten. At a file that is opened for writing there are two steps: before it is there,
and when it is there but torn.

One process imports everything once; every command is a fork of it. Each line of its input is a job
in JSON, and each line of its output what became of it.
"""

import contextlib
import json
import os
import resource
import signal
import sqlite3
import sys
from pathlib import Path
from typing import Any, NoReturn

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OF_FILES = {"os.rename": 2, "os.remove": 1, "os.mkdir": 1, "os.rmdir": 1, "os.link": 2}
_OF_SQL = ("INSERT", "UPDATE", "DELETE", "COMMIT", "CREATE", "ALTER", "PRAGMA user_version")


class Steps:
    """Counts the steps below a folder, and kills the process before one of them."""

    def __init__(self, below: str, die_at: int | None) -> None:
        self.names: list[str] = []
        self._below = below
        self._die_at = die_at
        self._is_inside = False  # what happens while a step is looked at is none

    def __call__(self, event: str, values: tuple[Any, ...]) -> None:
        """Hear of an event, as Python tells it."""
        if self._is_inside:
            return
        self._is_inside = True
        try:
            self._hear(event, values)
        finally:
            self._is_inside = False

    def _hear(self, event: str, values: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(values[0], str | os.PathLike):
            path, flags = os.fspath(values[0]), values[2] or 0
            if flags & _WRITING and self._is_ours(path):
                self._step(f"open {self._short(path)}")
                if flags & os.O_TRUNC or not Path(path).exists():
                    self._step(f"torn {self._short(path)}", torn=path)
        elif event in _OF_FILES:
            paths = [os.fspath(path) for path in values[: _OF_FILES[event]]]
            if all(self._is_ours(path) for path in paths):
                self._step(f"{event} {' '.join(map(self._short, paths))}")

    def hear_sql(self, statement: str) -> None:
        if statement.startswith(_OF_SQL):
            self._step(" ".join(statement.split()[:3]))

    def _is_ours(self, path: str) -> bool:
        return str(Path(path).absolute()).startswith(self._below)

    def _short(self, path: str) -> str:
        return str(Path(path).absolute()).removeprefix(self._below)

    def _step(self, name: str, *, torn: str | None = None) -> None:
        if self._die_at == len(self.names):
            if torn is not None:
                with contextlib.suppress(OSError), Path(torn).open("wb") as file:
                    file.write(b"{")
            os.kill(os.getpid(), signal.SIGKILL)
        self.names.append(name)


def trace_databases(steps: Steps) -> None:
    """Have every connection that is opened from now on tell its statements."""
    connect = sqlite3.connect

    def traced(*values: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*values, **named)
        connection.set_trace_callback(steps.hear_sql)
        return connection

    sqlite3.connect = traced  # type: ignore[assignment]


def limit(limits: dict[str, int]) -> None:
    """Let this process have little: MiB of memory beyond its own, bytes of a file, open files."""
    if "memory" in limits:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
        most = pages * resource.getpagesize() + limits["memory"] * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if "file" in limits:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file"], limits["file"]))
    if "descriptors" in limits:
        used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
        most = used + limits["descriptors"]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def run(job: dict[str, Any]) -> NoReturn:
    """Run one command in this process, which ends with it."""
    import torch

    from askmask.cli.main import main

    torch.set_num_threads(1)
    os.chdir(job["below"])
    limit(job["limits"])
    steps = Steps(job["below"] + os.sep, job["die_at"])
    sys.argv = ["askmask", *job["words"]]
    trace_databases(steps)
    sys.addaudithook(steps)
    status = 0
    try:
        main()
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    if job["names"]:
        Path(job["names"]).write_text(json.dumps(steps.names), encoding="utf-8")
    os._exit(status)


def serve() -> None:
    """Run jobs until the input ends."""
    import askmask.cli.main
    import askmask.experiments.report.written
    import askmask.experiments.run.samples_study
    import askmask.loop.begin.begin
    import askmask.loop.predict  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        said, saying = os.pipe()  # no file: a command may be allowed to write none
        child = os.fork()
        if child == 0:
            os.dup2(saying, 1)
            os.dup2(saying, 2)
            os.close(saying)
            os.close(said)
            # made anew: the old ones may believe that they are files, in which one can seek
            sys.stdout, sys.stderr = (
                os.fdopen(number, "w", encoding="utf-8", closefd=False) for number in (1, 2)
            )
            run(job)
        os.close(saying)
        with os.fdopen(said, encoding="utf-8", errors="replace") as told:
            reply: dict[str, Any] = {"told": told.read()}
        _, status = os.waitpid(child, 0)
        reply["status"] = os.waitstatus_to_exitcode(status)
        print(json.dumps(reply), flush=True)  # noqa: T201 - the reply


if __name__ == "__main__":
    serve()
