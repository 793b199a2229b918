"""Real processes: eight people on one server while it trains; how server and worker end."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.data.prepared import DatasetWriter
from askmask.errors import ConfigError
from askmask.oracle import MaskOracle
from askmask.project import Project
from askmask.records import ClassMap, ImageInfo
from askmask.store import Store
from discs import draw_discs
from people import API, Person, start_people

Build = Callable[..., Config]
QUERY = {"region": {"size": [16, 16], "stride": 4, "budget_regions": 60}}
SERVE = {"train_after": 6, "ask_below": 10}


@pytest.fixture
def root(tmp_path: Path, disc_config: Build) -> Path:
    """Folder of a project with two labelled images, whose trainings take a second or two."""
    root = tmp_path / "p"
    training = {"steps": 30, "batch_size": 2, "crop": 48, "ema_decay": 0.5, "checkpoint_every": 5}
    config = disc_config(query=QUERY, serve=SERVE, training=training)
    with Project.create(root, config) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
    return root


@pytest.fixture
def large_root(tmp_path: Path, disc_config: Build) -> Path:
    """Folder of a project with 4096 regions to ask about."""
    out = tmp_path / "dataset"
    with DatasetWriter(out, ClassMap(("background", "disc")), "drawn discs") as writer:
        for number in range(18):
            image, mask = draw_discs(number, 256)
            writer.add(ImageInfo(f"train_{number}", 256, 256), image, mask)
    data = {"path": str(out), "start": 1, "validation": 1, "test": []}
    query = {"region": {"size": [16, 16], "stride": 8, "budget_regions": 60}}
    serve = {"train_after": 100, "ask_below": 40}
    with Project.create(
        tmp_path / "p", disc_config(data=data, query=query, serve=serve, training={"steps": 60})
    ) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
    return tmp_path / "p"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def start(root: Path, port: int, **limits: int) -> subprocess.Popen:
    """Start `askmask serve`; wait until it answers."""
    code = "; ".join(
        [
            "import resource, sys",
            *(f"resource.setrlimit(resource.{n}, ({v}, {v}))" for n, v in limits.items()),
            "from askmask.cli import main",
            "main()",
        ]
    )
    command = [sys.executable, "-c", code, "serve", str(root), "--port", str(port)]
    # with its worker in one group, so that a test that fails leaves nobody behind
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
    wait_for(lambda: process.poll() is not None or answers(port), 60)
    assert process.poll() is None
    return process


def end(process: subprocess.Popen) -> None:
    """End a server and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def serving(root: Path) -> Iterator[int]:
    """Port of a server that runs while the block does."""
    port = free_port()
    process = start(root, port)
    try:
        yield port
    finally:
        end(process)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{API}/health", timeout=5) as reply:
            return reply.status == 200
    except OSError:
        return False


def wait_for(is_true: Callable[[], object], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"waited for {seconds} s"
        time.sleep(0.05)


def assert_sound(root: Path) -> None:
    connection = sqlite3.connect(root / "askmask.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def assert_everything_is_kept_once(root: Path, people: list[Person]) -> int:
    """Compare what was acknowledged with what is kept; return how many answers there are."""
    assert [problem for person in people for problem in person.problems] == []
    connection = sqlite3.connect(root / "askmask.db")
    kept = dict(connection.execute("SELECT client_id, answer FROM receipts"))
    authors = dict(connection.execute("SELECT id, author FROM answers"))
    connection.close()
    told = {key: number for person in people for key, number in person.kept.items()}
    assert told.items() <= kept.items()
    assert len(set(told.values())) == len(told)
    for person in people:
        assert all(authors[number] == person.name_ for number in person.kept.values())
    return len(told)


def crowd(root: Path, seconds: float, *, think_seconds: float) -> tuple[int, list[Person]]:
    """Let eight people answer for a while, and until a model learned from them."""
    until = threading.Event()
    with serving(root) as port:
        wait_for(lambda: has_query(root), 120)
        people = start_people(8, port, until, think_seconds=think_seconds)
        time.sleep(seconds)
        try:
            wait_for(lambda: trainings(root) >= 2, 120)
        finally:
            until.set()
            for person in people:
                person.join(timeout=90)
    count = assert_everything_is_kept_once(root, people)
    assert_sound(root)
    assert sum(person.conflicts for person in people) == 0  # leases kept them apart
    taken = [place for person in people for place in person.taken]
    assert len(taken) == len(set(taken))
    return count, people


def trainings(root: Path) -> int:
    with Store(root / "askmask.db") as store:
        return sum(record.status == "finished" for record in store.trainings())


def test_eight_people_at_once_lose_and_double_nothing(root: Path) -> None:
    count, _ = crowd(root, 8, think_seconds=0.05)

    assert count > 12


@pytest.mark.slow
def test_eight_people_at_once_for_ten_minutes(large_root: Path) -> None:
    count, _ = crowd(large_root, 600, think_seconds=1.0)

    assert count > 1000


def worker_of(root: Path) -> int | None:
    """Process of the worker, as it told."""
    with Store(root / "askmask.db") as store:
        worker = store.control.worker()
    return None if worker is None or not worker.is_alive else worker.process


def has_query(root: Path) -> bool:
    with Store(root / "askmask.db") as store:
        return any(item.piece is not None for item in store.worklist.items())


@pytest.mark.slow
def test_worker_ends_with_its_server(root: Path) -> None:
    port = free_port()
    process = start(root, port)
    wait_for(lambda: worker_of(root) is not None, 60)
    worker = worker_of(root)
    assert worker is not None

    process.kill()
    process.wait()

    wait_for(lambda: not is_running(worker), 30)
    end(process)


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return state[0] != "Z"


@pytest.mark.slow
def test_server_ends_in_good_order_when_told(root: Path) -> None:
    process = start(root, free_port())

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=30) == 0
    end(process)


def test_network_without_a_token_is_refused(root: Path) -> None:
    from askmask.web.serving import serve

    with pytest.raises(ConfigError, match="askmask token"):
        serve(root, host="0.0.0.0", port=free_port(), with_worker=False)
