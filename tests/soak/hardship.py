"""What befalls a machine: processes that stand still, locks, full disks, clocks set back."""

import contextlib
import os
import resource
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from people import Client, start_people
from server_processes import (
    Server,
    answers,
    assert_everything_is_kept_once,
    assert_sound,
    has_query,
    serving,
    wait_for,
)
from soak.site import PATIENCE_SECONDS, assert_no_traceback, attacked, make_site

FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
"""Debian's library that tells a process another time; without it the clock stays as it is."""


def stop_worker(folder: Path) -> dict[str, object]:
    """Stop the worker as SIGSTOP does, which it cannot notice; another must take its place."""
    root = make_site(folder)
    with attacked(root, with_worker=True) as server:
        wait_for(lambda: has_query(root), PATIENCE_SECONDS)
        time.sleep(65)  # a worker that has lived so long is looked after
        stopped = server.worker()
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        started = time.monotonic()
        wait_for(lambda: server.worker() not in {None, stopped}, 240)
        return {"seconds until another worker": round(time.monotonic() - started)}


def stop_server(folder: Path, seconds: float = 5.0) -> dict[str, object]:
    """Stop the server for a while; what people sent meanwhile is kept."""
    root = make_site(folder)
    log = root.parent / "server.log"
    until = threading.Event()
    with serving(root, log=log) as server:
        wait_for(lambda: has_query(root), PATIENCE_SECONDS)
        people = start_people(2, server.port, until, changes_answers=True)
        for _ in range(3):
            time.sleep(1)
            os.kill(server.pid, signal.SIGSTOP)
            time.sleep(seconds)
            os.kill(server.pid, signal.SIGCONT)
            wait_for(lambda: answers(server.port), 10)
        until.set()
        for person in people:
            person.join(timeout=150)
    assert_no_traceback(log)
    return {"answers kept": assert_everything_is_kept_once(root, people)}


def lock_from_outside(folder: Path, seconds: float = 20.0) -> dict[str, object]:
    """Hold the database from outside; reading goes on, writing waits or is told."""
    root = make_site(folder)
    with attacked(root, with_worker=True) as server:
        wait_for(lambda: has_query(root), PATIENCE_SECONDS)
        client = Client("Ada", server.port)
        assert client.ask("GET", "/items")[0] == 200
        outside = sqlite3.connect(root / "askmask.db", isolation_level=None, timeout=60)
        outside.execute("BEGIN IMMEDIATE")
        longest, ends = 0.0, time.monotonic() + seconds
        while time.monotonic() < ends:
            started = time.monotonic()
            assert client.ask("GET", "/items")[0] == 200
            longest = max(longest, time.monotonic() - started)
            time.sleep(0.1)
        outside.execute("ROLLBACK")
        outside.close()
        status = client.ask("POST", "/items/next", {})[0]
        client.close()
        assert status in {200, 204}
        assert longest < 1.0
        return {"seconds held": seconds, "slowest read ms": round(1000 * longest)}


def fill_disk(folder: Path, times: int = 5) -> dict[str, object]:
    """Let no file of the server grow for a while, again and again; nothing acknowledged is lost."""
    root = make_site(folder)
    log = root.parent / "server.log"
    until = threading.Event()
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    with serving(root, log=log) as server:
        wait_for(lambda: has_query(root), PATIENCE_SECONDS)
        people = start_people(2, server.port, until, changes_answers=True)
        for _ in range(times):
            size = max(path.stat().st_size for path in root.glob("askmask.db*"))
            for process in (server.pid, server.worker()):
                if process is not None:
                    with contextlib.suppress(ProcessLookupError):
                        limit = (size, resource.RLIM_INFINITY)
                        resource.prlimit(process, resource.RLIMIT_FSIZE, limit)
            time.sleep(2)
            for process in (server.pid, server.worker()):
                if process is not None:
                    with contextlib.suppress(ProcessLookupError):
                        resource.prlimit(process, resource.RLIMIT_FSIZE, unlimited)
            wait_for(_grows(people), 120)
        until.set()
        for person in people:
            person.join(timeout=150)
    assert_no_traceback(log)
    assert_sound(root / "askmask.db")
    refused = sum(person.refused for person in people)
    return {"answers kept": assert_everything_is_kept_once(root, people), "told full": refused}


def _grows(people: list) -> Callable[[], bool]:
    before = sum(len(person.kept) for person in people)
    return lambda: sum(len(person.kept) for person in people) > before


@contextmanager
def clock_set_back(days: int) -> Iterator[None]:
    """Start processes in the past, as after a clock was set right."""
    assert FAKETIME is not None
    told = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"-{days}d"}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def set_clock_back(folder: Path) -> dict[str, object]:
    """Take every region, set the clock back a day, and see that somebody else gets one."""
    if FAKETIME is None:
        return {"left out": "no libfaketime here (Debian: apt-get install faketime)"}
    root = make_site(folder)
    with serving(root):
        wait_for(lambda: has_query(root), PATIENCE_SECONDS)
    with serving(root, with_worker=False) as server:
        taken = _take_all("Ada", server)
    assert taken > 0
    with clock_set_back(1), serving(root, with_worker=False) as server:
        begun = time.monotonic()
        wait_for(lambda: _take_all("Grace", server) > 0, 150)
        return {"regions taken": taken, "seconds": round(time.monotonic() - begun)}


def _take_all(name: str, server: Server) -> int:
    client = Client(name, server.port)
    count, after = 0, None
    with contextlib.closing(client):
        while True:
            status, item = client.ask("POST", "/items/next", {"after": after})
            if status != 200 or count > 200:
                return count
            after = {"round": item["round"], "rank": item["rank"]}
            count += 1


ALL: dict[str, Callable[[Path], dict[str, object]]] = {
    "worker stopped": stop_worker,
    "server stopped": stop_server,
    "database locked": lock_from_outside,
    "disk full": fill_disk,
    "clock set back": set_clock_back,
}


def endure(folder: Path, names: list[str] | None = None) -> dict[str, object]:
    """Let every hardship befall a server; return what each came to."""
    found: dict[str, object] = {}
    for name in names or ALL:
        place = folder / name
        place.mkdir()
        found[name] = ALL[name](place)
        shutil.rmtree(place)
    return found
