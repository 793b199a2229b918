"""`askmask serve` as its users run it: real processes, started, killed and reckoned with."""

import contextlib
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from askmask.serve.web.labels import runs_to_labels
from askmask.store.store import Store
from people import API, KEY, Person

PORTS = range(20_000, 32_000)
"""Below the ports that systems give to clients: a client that calls a dead server there may be
connected with itself, and then holds the port."""
LOOK_SECONDS = 0.05


class Server:
    """A server of a project on a port of its own, with its worker unless told otherwise.

    `descriptors` is how many files and connections the system allows it, `log` a file for what it
    and its worker say on stderr.
    """

    def __init__(
        self,
        root: Path,
        *,
        with_worker: bool = True,
        descriptors: int | None = None,
        log: Path | None = None,
    ) -> None:
        self._descriptors = descriptors
        self._log = log
        self.root = root
        self.port = free_port()
        options = ["--port", str(self.port), *([] if with_worker else ["--no-worker"])]
        self._command = [sys.executable, "-m", "askmask", "serve", str(root), *options]
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        """Start it, again on the same port, and wait until it answers."""
        # with its worker in one group, so that a test that fails leaves nobody behind
        with contextlib.nullcontext() if self._log is None else self._log.open("ab") as log:
            process = self._launched(log)
        self.process = process
        wait_for(lambda: process.poll() is not None or answers(self.port), 120)
        assert process.poll() is None, "the server ended by itself"

    def _launched(self, log: IO[bytes] | None) -> subprocess.Popen:
        return subprocess.Popen(
            self._command,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env=os.environ | {"ASKMASK_KEY": KEY},
            preexec_fn=None if self._descriptors is None else self._limit_descriptors,  # noqa: PLW1509
        )

    def _limit_descriptors(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))

    @property
    def pid(self) -> int:
        """Process of the server."""
        assert self.process is not None, "started before"
        return self.process.pid

    def worker(self) -> int | None:
        """Process of the worker that runs now."""
        return next((child for child in children(self.pid) if is_running(child)), None)

    def kill(self) -> None:
        """Kill the server alone; its worker sees the pipe close and ends soon."""
        os.kill(self.pid, signal.SIGKILL)
        self._bury()

    def kill_worker(self) -> bool:
        """Kill the worker, if one runs."""
        worker = self.worker()
        if worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        return worker is not None

    def kill_both(self) -> None:
        """Kill the server and its worker in one stroke."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._bury()

    def _bury(self) -> None:
        assert self.process is not None, "started before"
        self.process.wait()


@contextlib.contextmanager
def serving(
    root: Path,
    *,
    with_worker: bool = True,
    descriptors: int | None = None,
    log: Path | None = None,
) -> Iterator[Server]:
    """Run a server while the block does."""
    server = Server(root, with_worker=with_worker, descriptors=descriptors, log=log)
    try:
        server.start()
        yield server
    finally:
        server.kill_both()


def free_port() -> int:
    """Port that nobody listens on."""
    chance = random.Random()
    while True:
        port = chance.choice(PORTS)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port


def answers(port: int) -> bool:
    """Whether a server is there."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{API}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def wait_for(is_true: Callable[[], object], seconds: float) -> None:
    """Look again and again, and fail when it takes too long.

    Looks are counted, not the clock: a machine that stood still meanwhile is no failure.
    """
    for _ in range(round(seconds / LOOK_SECONDS)):
        if is_true():
            return
        time.sleep(LOOK_SECONDS)
    raise AssertionError(f"waited for {seconds} s")


def children(process: int) -> list[int]:
    """Processes that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1]) == process:
                found.append(int(path.parent.name))
    return found


def is_running(process: int) -> bool:
    """Whether a process is there, and is not just waiting to be buried."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def has_query(root: Path) -> bool:
    """Whether a region can be answered."""
    with Store(root / "askmask.db") as store:
        return any(item.piece is not None for item in store.worklist.open_items())


def trainings(root: Path) -> int:
    """How many trainings were finished."""
    with Store(root / "askmask.db") as store:
        return sum(record.status == "finished" for record in store.trainings())


def assert_sound(database: Path) -> None:
    """Let SQLite look through the whole file."""
    connection = sqlite3.connect(database, timeout=60)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def assert_sound_as_it_lies(root: Path, copy: Path) -> None:
    """Look through a copy of what a killed server left, before another one mends anything."""
    copy.mkdir(exist_ok=True)
    for path in root.glob("askmask.db*"):
        shutil.copy(path, copy)
    assert_sound(copy / "askmask.db")
    shutil.rmtree(copy)


def assert_acknowledged_is_kept_once(root: Path, people: list[Person]) -> int:
    """Compare what was acknowledged with what is kept, also while people go on."""
    assert [problem for person in people for problem in person.problems] == []
    told = {key: number for person in people for key, number in dict(person.kept).items()}
    connection = sqlite3.connect(root / "askmask.db", timeout=60)
    rows = connection.execute("SELECT client_id, answer FROM receipts").fetchall()
    of_people = connection.execute("SELECT count(*) FROM answers WHERE round > 0").fetchone()[0]
    connection.close()
    kept = dict(rows)
    assert told.items() <= kept.items()
    assert len(set(kept.values())) == len(kept) == len(rows)
    assert of_people >= len(rows)
    assert kept.keys() <= {key for person in people for key in dict(person.sent)}
    return len(told)


def assert_everything_is_kept_once(root: Path, people: list[Person]) -> int:
    """Compare all that people sent with all that is kept, label by label; when they have ended."""
    assert not any(person.is_alive() for person in people)
    count = assert_acknowledged_is_kept_once(root, people)
    assert count == sum(len(person.sent) for person in people)
    with Store(root / "askmask.db") as store:
        assert sum(answer.round > 0 for answer in store.answers(all_kinds=True)) == count
        for person in people:
            for key, number in person.kept.items():
                kept = store.worklist.answer(number)
                assert kept is not None
                region = kept.region
                sent = runs_to_labels(person.sent[key], region.height, region.width, 2)
                assert kept.author == person.name
                np.testing.assert_array_equal(kept.mask.labels, sent)
    return count
