"""A Dask cluster as an executor: the contract, killed workers, refused workers, closed doors."""

import asyncio
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

import executor_jobs as jobs
from askmask.errors import ClusterError, ConfigError
from askmask.runtime import contents
from askmask.runtime.cluster import connection as connecting
from askmask.runtime.cluster import crew, on_worker
from askmask.runtime.cluster.address import Local, Queued, Running, parse_cluster
from askmask.runtime.cluster.connection import Connection, connect
from askmask.runtime.cluster.crew import Needs
from askmask.runtime.cluster.executor import MOST_DEATHS, Dask
from askmask.runtime.executors import Outcome
from askmask.testing.executors import ExecutorContract, by_index, square
from cluster_processes import is_running, spawned_by, wait_until

# A real cluster of processes: on a busy machine Dask itself gave up waiting for its own event loop
# (10 s) once in five runs, so these are for `make test-all`.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with connect("local:2") as opened:
        yield opened


@pytest.fixture
def two_workers(connection: Connection) -> Connection:
    """Both: work begins with the first, and one that a test killed comes back after a while."""
    connection.client.wait_for_workers(2, timeout=120)
    return connection


@pytest.fixture
def executor(connection: Connection) -> Dask:
    return Dask(connection, threads=1)


class TestDask(ExecutorContract):
    @pytest.fixture
    def executor(self, connection: Connection) -> Dask:  # type: ignore[override]
        return Dask(connection, threads=1)


class TestWorkAhead(ExecutorContract):
    """Jobs that wait at the workers keep the contract, too."""

    @pytest.fixture
    def executor(self, connection: Connection) -> Dask:  # type: ignore[override]
        return Dask(connection, threads=1, ahead=1)


def die_once(folder: Path) -> str:
    """Be killed the first time, and say so the second."""
    if not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done elsewhere"


def die_always(folder: Path) -> None:
    (folder / f"death_{time.monotonic_ns()}").touch()
    os.kill(os.getpid(), signal.SIGKILL)


def die_or_square(item: Path | int) -> int | None:
    return die_always(item) if isinstance(item, Path) else square(item)


def go_on_until_seven(folder: Path) -> int:
    """Get one step further before each death; as a resumed training does."""
    done = deaths(folder)
    if done < 7:
        die_always(folder)
    return done


def deaths(folder: Path) -> int:
    return len(list(folder.glob("death_*")))


def make_lambda(_item: object) -> object:
    return lambda: None


class Unreadable:
    """Can be pickled, but not be read again."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> tuple[object, ...]:
        return refuse, (self.number,)


def refuse(_number: int) -> None:
    raise RuntimeError("not here")


def test_work_of_a_killed_worker_is_done_elsewhere(executor: Dask, tmp_path: Path) -> None:
    (outcome,) = executor.map(die_once, [tmp_path])
    assert outcome.value == "done elsewhere"


@pytest.mark.slow
def test_a_job_that_always_kills_its_worker_is_an_outcome_and_the_others_go_on(
    executor: Dask, tmp_path: Path
) -> None:
    outcomes = by_index(executor.map(die_or_square, [1, tmp_path, 2, 3]))
    assert [outcome.value for outcome in outcomes] == [1, None, 4, 9]
    assert f"its worker died {MOST_DEATHS} times in a row" in str(outcomes[1].error)
    assert deaths(tmp_path) == MOST_DEATHS


@pytest.mark.slow
def test_a_job_that_gets_further_each_time_is_not_given_up(
    connection: Connection, tmp_path: Path
) -> None:
    executor = Dask(connection, threads=1, reached=deaths)
    (outcome,) = executor.map(go_on_until_seven, [tmp_path])
    assert (outcome.value, outcome.error) == (7, None)


def test_closing_the_iterator_ends_the_running_job(connection: Connection, tmp_path: Path) -> None:
    executor = Dask(connection, threads=1, ahead=1)  # both are sent, though one worker be left
    outcomes = executor.map(run_either, [("square", tmp_path), ("wait", tmp_path)])
    next(outcomes)
    (pid,) = wait_until(lambda: worker_pids(tmp_path))
    outcomes.close()  # type: ignore[attr-defined]  # a generator
    wait_until(lambda: not is_running(pid))


def run_either(task: tuple[str, Path]) -> object:
    kind, folder = task
    return jobs.say_pid_and_wait(folder) if kind == "wait" else square(2)


def worker_pids(folder: Path) -> list[int]:
    return [int(path.name.removeprefix("pid_")) for path in folder.glob("pid_*")]


def test_a_function_that_cannot_be_sent_raises(executor: Dask) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        list(executor.map(lambda item: item, [1]))


@pytest.mark.parametrize(
    ("function", "item", "said"),
    [
        (make_lambda, 1, "result cannot be sent: "),
        (Unreadable, 1, "result cannot be read: RuntimeError: not here"),
        (square, Unreadable(1), "job cannot be loaded: RuntimeError: not here"),
    ],
)
def test_what_cannot_travel_is_an_error_of_its_job(
    executor: Dask, function: object, item: object, said: str
) -> None:
    (outcome,) = executor.map(function, [item])  # type: ignore[arg-type]
    assert str(outcome.error).startswith(said)


def test_threads_are_those_asked_for(executor: Dask) -> None:
    (outcome,) = executor.map(os.getenv, ["OMP_NUM_THREADS"])
    assert outcome.value == "1"


def test_contents_are_found_at_every_worker_by_their_digest(connection: Connection) -> None:
    content = b"weights"
    executor = Dask(connection, needs=Needs(contents=[content]))
    outcomes = list(executor.map(read_kept, [contents.digest(content)] * 4))
    assert [outcome.value for outcome in outcomes] == [content] * 4


def read_kept(name: str) -> bytes:
    path = contents.kept(name)
    assert path is not None
    return path.read_bytes()


def test_a_worker_of_another_version_is_refused_by_name(
    two_workers: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(crew, "own_versions", lambda: {"askmask": "99.1", "torch": "88.2"})
    told = "it has askmask .* and torch .*Install askmask 99.1 and torch 88.2 there"
    with pytest.raises(ClusterError, match=told):
        list(Dask(two_workers).map(square, [1]))
    assert caplog.text.count("No work is given to worker") == 2


def test_a_worker_that_does_not_see_the_images_is_refused_by_name(
    connection: Connection, tmp_path: Path
) -> None:
    needs = Needs(must_see={str(tmp_path / "dataset.json"): "digest"})
    with pytest.raises(ClusterError, match=r"does not see '.*dataset.json' as this machine does"):
        list(Dask(connection, needs=needs).map(square, [1]))


def test_a_worker_is_told_why_what_it_does_not_see_is_not_sent(
    connection: Connection, tmp_path: Path
) -> None:
    needs = Needs(must_see={str(tmp_path / "one.svs"): "digest"}, why_not_sent="Slides are large")
    with pytest.raises(ClusterError, match="as this machine does. Slides are large. Put that on"):
        list(Dask(connection, needs=needs).map(square, [1]))


def test_contents_are_sent_to_a_worker_only_once(
    two_workers: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent_to: list[str] = []
    run = two_workers.client.run

    def listen(function: object, *args: list[bytes], workers: list[str], **how: object) -> object:
        if function is on_worker.keep and args[0]:
            sent_to.extend(workers)
        return run(function, *args, workers=workers, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(two_workers.client, "run", listen)
    needs = Needs(contents=[b"weights of %d" % time.monotonic_ns()])
    for _ in range(3):
        list(Dask(two_workers, needs=needs).map(square, range(8)))
    assert sent_to
    assert len(sent_to) == len(set(sent_to))


def test_a_job_for_a_gpu_is_given_to_no_worker_without(connection: Connection) -> None:
    executor = Dask(connection, needs=Needs(device="cuda"))
    with pytest.raises(ClusterError, match="offers no GPU. Start it with --resources GPU=1"):
        list(executor.map(square, [1]))


def test_a_worker_that_is_killed_while_it_starts_is_started_again() -> None:
    others = set(spawned_by(os.getpid()))

    def kill_the_first() -> None:
        found = wait_until(lambda: set(spawned_by(os.getpid())) - others)
        os.kill(min(found), signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    with connect("local:1") as opened:
        killer.join()
        opened.client.wait_for_workers(1, timeout=120)
        assert list(Dask(opened, threads=1).map(square, [3])) == [Outcome(0, 9)]


def test_workers_that_never_start_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[object] = []

    def fail(**options: object) -> None:
        tried.append(options)
        raise RuntimeError("Nanny failed to start.")

    monkeypatch.setattr(connecting, "LocalCluster", fail)
    with pytest.raises(ClusterError, match="expected to start 2 worker processes"):  # noqa: SIM117
        with connect("local:2"):
            pass
    assert len(tried) == MOST_DEATHS


def test_a_cluster_whose_tasks_end_late_is_closed_without_an_error() -> None:
    with connect("local:1") as opened:
        opened.client.loop.add_callback(end_late, 11.0)  # Dask itself gives its loop ten seconds
    assert opened.client.status == "closed"


def test_a_worker_that_dies_late_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    close = LocalCluster.close

    def close_late(cluster: LocalCluster, timeout: float | None = None) -> None:
        close(cluster, timeout)
        raise TimeoutError  # as when a killed process is not gone within five seconds

    monkeypatch.setattr(LocalCluster, "close", close_late)
    with connect("local:1") as opened:
        (outcome,) = Dask(opened).map(square, [2])
    assert outcome.value == 4


async def end_late(seconds: float) -> None:
    """As the nanny of a worker that is just starting does on a busy machine."""
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(seconds)


def test_two_commands_have_clusters_at_once(connection: Connection) -> None:
    with connect("local:1") as other:  # a warning of Dask would be an error here
        (outcome,) = Dask(other).map(square, [3])
    assert outcome.value == 9
    (outcome,) = Dask(connection).map(square, [2])
    assert outcome.value == 4


def test_a_local_cluster_listens_on_the_loopback_address_only(two_workers: Connection) -> None:
    pids = {os.getpid(), *two_workers.client.run(os.getpid).values()}
    assert len(pids) == 3
    heard = {address for pid in pids for address in listening(pid)}
    assert heard == {"0100007F"}  # 127.0.0.1, little endian


def listening(pid: int) -> set[str]:
    """Addresses, in hexadecimal, on which a process waits for TCP connections."""
    links = [
        str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()
    ]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text("utf-8").splitlines()[1:]:
            cells = line.split()
            if cells[3] == "0A" and cells[9] in inodes:
                found.add(cells[1].partition(":")[0])
    return found


def test_a_local_cluster_answers_nobody_without_its_key(connection: Connection) -> None:
    address = connection.client.scheduler.address
    assert address.startswith("tls://127.0.0.1:")
    with pytest.raises(ClusterError, match="expected a Dask scheduler at"), connect(address):
        pass
    gc.collect()  # a client that was left would end here, behind its loop, with an error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("local:3", Local(3)),
        ("tcp://10.0.0.7:8786", Running("tcp://10.0.0.7:8786")),
        ("tls://server:1", Running("tls://server:1")),
    ],
)
def test_a_cluster_is_named_by_its_workers_or_its_address(text: str, expected: object) -> None:
    assert parse_cluster(text) == expected


@pytest.mark.parametrize("text", ["local:0", "local", "server:8786", "tcp://server", ""])
def test_other_words_are_refused_with_the_three_ways(text: str) -> None:
    with pytest.raises(ConfigError, match="local:N for N worker processes"):
        parse_cluster(text)


def test_a_file_names_a_queueing_system(tmp_path: Path) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text("system: slurm\nworkers: 4\noptions: {cores: 2}\n", encoding="utf-8")
    assert parse_cluster(str(path)) == Queued(system="slurm", workers=4, options={"cores": 2})


def test_every_problem_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text("system: cron\nworkers: 0\nqueue: gpu\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"system: .*; workers: .*; queue: "):
        parse_cluster(str(path))


@pytest.mark.parametrize("content", ["system: [", "- a\n"])
def test_a_file_that_is_no_description_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "slurm.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"slurm\.yaml"):
        parse_cluster(str(path))


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match="found no 'nowhere.yaml'"):
        parse_cluster("nowhere.yaml")


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askmask.runtime.cluster.connection._CONNECT_SECONDS", 0.5)
    told = "expected a Dask scheduler at tcp://127.0.0.1:9"
    with pytest.raises(ClusterError, match=told), connect("tcp://127.0.0.1:9"):
        pass


def test_importing_the_command_line_loads_no_dask() -> None:
    program = "import sys, askmask.cli.main; sys.exit('dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
