"""Real processes: eight people on one server while it trains; how server and worker end."""

import errno
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.data.prepared import DatasetWriter
from askmask.errors import ConfigError
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import ClassMap, ImageInfo
from askmask.serve.address import Address
from discs import draw_discs
from people import start_people
from server_processes import (
    assert_everything_is_kept_once,
    assert_sound,
    free_port,
    has_query,
    is_running,
    serving,
    trainings,
    wait_for,
)

Build = Callable[..., Config]
QUERY = {"region": {"size": [16, 16], "stride": 4, "budget_regions": 60}}
SERVE = {"train_after": 6, "ahead": 10}


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
    serve = {"train_after": 100, "ahead": 40}
    with Project.create(
        tmp_path / "p", disc_config(data=data, query=query, serve=serve, training={"steps": 60})
    ) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
    return tmp_path / "p"


def crowd(root: Path, seconds: float, **habits: float | bool) -> int:
    """Let eight people answer for a while, and until a model learned from them; count answers."""
    until = threading.Event()
    with serving(root) as server:
        wait_for(lambda: has_query(root), 120)
        people = start_people(8, server.port, until, **habits)
        try:
            time.sleep(seconds)
            wait_for(lambda: trainings(root) >= 2, 120)
        finally:
            until.set()
            for person in people:
                person.join(timeout=150)
    count = assert_everything_is_kept_once(root, people)
    assert_sound(root / "askmask.db")
    assert sum(person.conflicts for person in people) == 0  # leases kept them apart
    taken = [place for person in people for place in person.taken]
    assert len(taken) == len(set(taken))
    return count


@pytest.mark.slow
def test_eight_people_at_once_lose_and_double_nothing(root: Path) -> None:
    assert crowd(root, 3, think_seconds=0.05) > 12


@pytest.mark.slow
def test_eight_people_at_once_for_ten_minutes(large_root: Path) -> None:
    assert crowd(large_root, 600, think_seconds=1.0, changes_answers=True) > 1000


@pytest.mark.slow
def test_worker_ends_with_its_server(root: Path) -> None:
    with serving(root) as server:
        wait_for(server.worker, 60)
        worker = server.worker()
        assert worker is not None

        server.kill()

        wait_for(lambda: not is_running(worker), 30)


@pytest.mark.parametrize(
    "told", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_server_ends_well_and_after_its_worker_when_told(root: Path, told: signal.Signals) -> None:
    with serving(root) as server:
        wait_for(server.worker, 60)
        worker = server.worker()
        assert server.process is not None
        assert worker is not None
        server.process.send_signal(told)

        assert server.process.wait(timeout=60) == 0
        assert not is_running(worker)


def test_network_without_a_token_is_refused(root: Path) -> None:
    from askmask.serve.web.server import serve

    with pytest.raises(ConfigError, match="askmask token"):
        serve(root, Address(host="0.0.0.0", port=free_port()), with_worker=False)


def test_port_that_is_taken_is_refused_before_a_worker_starts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from askmask.serve.web import server

    monkeypatch.setattr(server.WorkerKeeper, "start", lambda _: pytest.fail("a worker started"))
    port = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()

        with pytest.raises(ConfigError, match=f"{port}, but: Address already in use.*--port N"):
            server.serve(root, Address(port=port))


def test_address_of_another_machine_is_refused(root: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"an address to serve on, got '192\.0\.2\.1'"),
        Address(host="192.0.2.1", port=free_port()).sockets(),
    ):
        pass


def test_worker_that_was_stopped_by_a_signal_is_replaced(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from askmask.serve.web import server

    monkeypatch.setattr(server, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(server, "LONG_LIFE_SECONDS", 0.0)
    monkeypatch.setattr(server, "FIRST_PAUSE_SECONDS", 0.05)
    stopped: list[int] = []
    keeper = server.WorkerKeeper(
        root, lambda: keeper.process is not None and keeper.process.pid in stopped
    )
    keeper.start()
    try:
        wait_for(lambda: keeper.process is not None, 30)
        assert keeper.process is not None
        first = keeper.process.pid
        os.kill(first, signal.SIGSTOP)
        stopped.append(first)

        wait_for(lambda: keeper.process is not None and keeper.process.pid != first, 30)

        assert not is_running(first)
    finally:
        keeper.end()


def test_worker_is_kept_although_it_cannot_be_started_for_a_while(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from askmask.serve.web import server

    monkeypatch.setattr(server, "FIRST_PAUSE_SECONDS", 0.05)
    start, tries = subprocess.Popen, []

    def start_at_the_third(*arguments: object, **options: object) -> object:
        tries.append(arguments)
        if len(tries) < 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return start(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(server.subprocess, "Popen", start_at_the_third)
    keeper = server.WorkerKeeper(root)
    keeper.start()
    try:
        wait_for(lambda: keeper.process is not None, 30)
        assert len(tries) == 3
    finally:
        keeper.end()
