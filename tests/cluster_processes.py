"""A scheduler and workers as a person starts them, and the processes behind a command."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(claim: Callable[[], Value], patience: float = 60.0) -> Value:
    """Return the first true value of the claim."""
    deadline = time.monotonic() + patience
    while not (value := claim()):
        assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain"
        time.sleep(0.02)
    return value


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # a zombie has ended


def spawned_by(parent: int) -> list[int]:
    """Processes that a Python process, or one of its children, has spawned for work."""
    family, found = {parent}, []
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            status = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if status[0] != "Z" and int(status[1]) in family:
            family.add(int(folder.name))
            found += [int(folder.name)] if b"spawn_main" in command else []
    return found


@contextmanager
def scheduler(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with _started(folder / "scheduler.log", "dask_scheduler", *options) as process:
        wait_until(lambda: _answers(port))
        yield process


@contextmanager
def workers(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start two workers, kept alive by their nannies."""
    command = (
        *("dask_worker", f"tcp://127.0.0.1:{port}", "--nworkers", "2", "--nthreads", "1"),
        *("--host", "127.0.0.1", "--no-dashboard", "--local-directory", str(folder)),
    )
    with _started(folder / "workers.log", *command, *options) as process:
        yield process


def free_port() -> int:
    with socket.socket() as connection:
        connection.bind(("127.0.0.1", 0))
        return int(connection.getsockname()[1])


@contextmanager
def _started(log: Path, module: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", f"distributed.cli.{module}", *options]
    with log.open("ab") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=file, env=environment, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
