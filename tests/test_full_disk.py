"""A disk that is full is told in words, damages nothing, and work goes on when there is room.

The disk is a small file system in memory where this user may mount one (root may), and in every
case a limit on the size of files, to which the system replies much as a full disk does.
"""

import contextlib
import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import askmask.serve.worker as worker_module
from askmask.cli.main import main
from askmask.config import Config
from askmask.data.rasters import encode_mask
from askmask.errors import DiskError, StoreFull, disk_problem
from askmask.formats.painted_files import item_stem
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.progress import Progress
from askmask.serve.worker import Worker
from askmask.store.store import Store
from people import Client, Person
from served import make_project
from server_processes import (
    Server,
    assert_everything_is_kept_once,
    assert_sound,
    has_query,
    serving,
    trainings,
    wait_for,
)

Build = Callable[..., Config]


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """File system of its own in a folder; skipped where mounting is not allowed."""
    folder.mkdir()
    size = f"size={megabytes}m"
    try:
        command = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


class MountedDisk:
    """A disk that really is full."""

    def __init__(self, root: Path) -> None:
        self._filler = root.parent / "filler"

    def fill(self, _: Server | None = None) -> None:
        """Take every byte that is left."""
        with self._filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    def make_room(self, _: Server | None = None) -> None:
        """Give them back."""
        self._filler.unlink()


class LimitedFiles:
    """No file of the server may grow: to SQLite that is a disk that refuses."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fill(self, server: Server) -> None:
        """Let the server's files stay as large as the largest is."""
        size = max(path.stat().st_size for path in self._root.glob("askmask.db*"))
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def make_room(self, server: Server) -> None:
        """Let them grow again."""
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited)


Disk = MountedDisk | LimitedFiles


@pytest.fixture(params=["mounted", "limited"])
def project_on_disk(
    request: pytest.FixtureRequest, tmp_path: Path, disc_config: Build
) -> Iterator[tuple[Path, Disk]]:
    """Project with four open regions, and the disk that it lies on."""
    with contextlib.ExitStack() as opened:
        folder = tmp_path / "disk"
        if request.param == "mounted":
            opened.enter_context(mounted(folder, 2))
        root = folder / "p"
        make_project(root, disc_config()).close()
        yield root, MountedDisk(root) if request.param == "mounted" else LimitedFiles(root)


def test_full_disk_is_told_to_people_who_go_on_when_there_is_room(
    project_on_disk: tuple[Path, Disk],
) -> None:
    root, disk = project_on_disk
    until = threading.Event()
    with (
        serving(root, with_worker=False) as server,
        contextlib.closing(Client("Grace", server.port)) as grace,
    ):
        person = Person("Ada", server.port, until, think_seconds=0.0, changes_answers=True)
        person.start()
        try:
            wait_for(lambda: len(person.kept) > 2 and grace.ask("GET", "/project")[0] == 200, 60)
            disk.fill(server)
            wait_for(lambda: person.refused > 2, 60)
            assert_it_is_told(grace)
            assert_sound(root / "askmask.db")

            disk.make_room(server)
            before = len(person.kept)
            wait_for(lambda: len(person.kept) > before + 2, 60)
        finally:
            until.set()
            person.join(timeout=150)
    assert_everything_is_kept_once(root, [person])
    assert_sound(root / "askmask.db")


def assert_it_is_told(client: Client) -> None:
    """Write until that is refused: small things may still find room; then read."""
    replies: list[tuple[int, dict]] = []

    def is_refused() -> bool:
        replies.append(client.ask("POST", "/control", {"command": "pause"}))
        return replies[-1][0] == 507

    wait_for(is_refused, 60)
    error = replies[-1][1]["error"]
    assert error["code"] == "storage"
    assert "Make room on that disk" in error["message"]
    assert "what was kept before is safe" in error["message"]
    assert [client.ask("GET", path)[0] for path in ("/health", "/items", "/status")] == [200] * 3


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str]:
    """Run a command in this process; exit status and what it said on stderr."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["askmask", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
    return int(ended.value.code or 0), capsys.readouterr().err


def paint(root: Path, folder: Path) -> int:
    """Paint a mask for every region of the newest query; return how many."""
    folder.mkdir()
    with Project.open(root) as project:
        query = project.store.newest_query()
        assert query is not None
        for item in query.items:
            labels = np.ones((item.region.height, item.region.width), np.int16)
            (folder / f"{item_stem(item)}_mask.png").write_bytes(encode_mask(labels))
    return len(query.items)


def assert_one_clear_error(status: int, told: str) -> None:
    assert status == 2, told
    assert "Traceback" not in told
    assert told.startswith(("StoreFull: ", "DiskError: "))
    assert "Make room" in told


def test_tell_on_a_full_disk_ends_with_one_error_and_can_be_repeated(
    tmp_path: Path, disc_config: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted(tmp_path / "disk", 2) as folder:
        root = folder / "p"
        make_project(root, disc_config()).close()
        count = paint(root, tmp_path / "painted")
        disk = MountedDisk(root)
        disk.fill()
        status, told = run(capsys, "tell", root, "--folder", tmp_path / "painted")
        disk.make_room()
        again, _ = run(capsys, "tell", root, "--folder", tmp_path / "painted")

        assert_one_clear_error(status, told)
        assert again == 0
        assert_sound(root / "askmask.db")
        with Store(root / "askmask.db") as store:
            assert len(list(store.answers())) == count


def test_init_on_a_full_disk_ends_with_one_error(
    tmp_path: Path, disc_dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted(tmp_path / "disk", 1) as folder:
        MountedDisk(folder / "p").fill()

        assert_one_clear_error(*run(capsys, "init", folder / "p", "--data", disc_dataset))


LIMITED = """
import resource, sys
from askmask.cli.main import main
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main()
"""


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(0, marks=pytest.mark.slow),
        40_000,
        pytest.param(70_000, marks=pytest.mark.slow),
    ],
)
def test_tell_that_may_not_write_more_ends_with_one_error_and_can_be_repeated(
    tmp_path: Path, disc_config: Build, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    root = tmp_path / "p"
    make_project(root, disc_config(), asked=12).close()
    count = paint(root, tmp_path / "painted")
    words = ["tell", str(root), "--folder", str(tmp_path / "painted")]

    command = [sys.executable, "-c", LIMITED, str(limit), *words]
    full = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    again, _ = run(capsys, *words)

    assert_one_clear_error(full.returncode, full.stderr)
    assert again == 0
    assert_sound(root / "askmask.db")
    with Store(root / "askmask.db") as store:
        assert len(list(store.answers())) == count


def test_worker_waits_for_room_and_then_trains(
    tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        StoreFull("the disk is full"),
        DiskError("the disk is full"),
    ]
    with make_project(tmp_path / "p", disc_config()) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
        worker = Worker(project)
        train = Loop.train_steps

        def refused(loop: Loop, round: int) -> Iterator[Progress]:
            if refusals:
                raise refusals.pop(0)
            yield from train(loop, round)

        monkeypatch.setattr(Loop, "train_steps", refused)
        monkeypatch.setattr(worker_module, "DISK_SECONDS", 0.0)
        states = []
        while refusals:
            worker.turn()
            told = project.store.control.worker()
            if told is not None and told.state == "failed":
                states.append("full" in told.message or "No space" in told.message)
        monkeypatch.setattr(worker_module, "DISK_SECONDS", 3600.0)
        while worker.turn():
            pass

        assert states == [True] * 3
        assert [record.status for record in project.store.trainings()] == ["finished"]


def test_worker_tries_nothing_for_a_while_after_the_disk_was_full(
    tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(_: Loop, round: int) -> Iterator[Progress]:
        tried.append(round)
        yield Progress(round, "train", 1, 6)
        raise DiskError("the disk is full")

    with make_project(tmp_path / "p", disc_config()) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
        worker = Worker(project)
        monkeypatch.setattr(Loop, "train_steps", refuse)
        while worker.turn():
            pass

        assert [worker.turn() for _ in range(3)] == [False] * 3
        assert len(tried) == 1


@pytest.mark.slow
def test_server_with_its_worker_outlives_a_full_disk(tmp_path: Path, disc_config: Build) -> None:
    with mounted(tmp_path / "disk", 24) as folder:
        root = folder / "p"
        query = {"region": {"size": [16, 16], "stride": 4, "budget_regions": 60}}
        config = disc_config(query=query, serve={"train_after": 6, "ahead": 10})
        with Project.create(root, config) as project:
            oracle = MaskOracle(project.source)
            for region in project.start_regions:
                project.store.add_answer(oracle.answer(region, 0))
        disk = MountedDisk(root)
        until = threading.Event()
        with serving(root) as server:
            wait_for(lambda: has_query(root), 120)
            person = Person("Ada", server.port, until, think_seconds=0.1, changes_answers=True)
            person.start()
            try:
                disk.fill()
                wait_for(lambda: person.refused > 20, 120)
                disk.make_room()
                done = trainings(root)
                wait_for(lambda: trainings(root) > done, 300)
            finally:
                until.set()
                person.join(timeout=150)
        assert_everything_is_kept_once(root, [person])
        assert_sound(root / "askmask.db")


def test_only_refusals_of_a_disk_are_told_as_such() -> None:
    full = disk_problem(OSError(errno.ENOSPC, "No space left on device", "/somewhere/file"))

    assert disk_problem(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None
    assert str(full).startswith("expected to use '/somewhere/file', but: No space left on device")
    assert disk_problem(full) is full
