"""A page's worker whose models score the pool elsewhere: the same regions, whatever fails there."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from askmask.cli.main import app
from askmask.errors import ClusterError, ConfigError
from askmask.loop.ask import asking_by
from askmask.loop.elsewhere.workplace import Elsewhere, lasting_workplace
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.loop.stream.look import Look
from askmask.runtime.cluster import first_step
from askmask.runtime.cluster.first_step import LastingCluster
from askmask.runtime.executors import Outcome, Serial
from askmask.serve import failures
from askmask.serve.worker import Worker
from at_work import answer, open_items, rounds, state, wait_for, work
from cluster_processes import free_port, is_running, scheduler, spawned_by, workers

HERE = Elsewhere(Serial())


@pytest.fixture
def trained(warm: Project) -> Project:
    """Project with a model of its two labelled images."""
    Loop(warm).train(0)
    return warm


class Broken:
    """Executor whose cluster is lost after some jobs, the first time."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.calls = 0

    def map(
        self, function: Callable[..., object], items: Iterable[object]
    ) -> Iterator[Outcome[object]]:
        self.calls += 1
        for outcome in Serial().map(function, items):
            if self.jobs == 0 and self.calls == 1:
                raise ClusterError("the scheduler is lost.")
            self.jobs -= 1
            yield outcome


def whole(look: Look) -> Look:
    while not look.is_done:
        look.advance()
    return look


@pytest.mark.parametrize(
    "acquisition", ["mutual_information", pytest.param("kmeans_entropy", marks=pytest.mark.slow)]
)
def test_look_elsewhere_sees_and_chooses_what_a_look_here_does(
    trained: Project, acquisition: str
) -> None:
    project = asking_by(trained, acquisition)
    here = whole(Look(project, project.model(0), 1))
    elsewhere = whole(Look(project, project.model(0), 1, elsewhere=HERE))

    assert elsewhere.seen == here.seen
    items = here.choose(6)
    assert elsewhere.choose(6) == items
    assert elsewhere.counts(items) == here.counts(items)
    assert elsewhere.extremes == here.extremes
    maps = [look.score_map(items[0].region.image_id) for look in (here, elsewhere)]
    assert maps[0] is not None
    assert maps[1] is not None
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-3)  # the first is kept in 16 bits


def test_look_whose_cluster_was_lost_goes_on_with_the_image_that_was_next(trained: Project) -> None:
    broken = Broken(jobs=2)
    look = Look(trained, trained.model(0), 1, elsewhere=Elsewhere(broken))
    with pytest.raises(ClusterError, match="the scheduler is lost"):
        whole(look)
    seen = len(look.seen)
    assert 0 < seen < look.total

    whole(look)

    assert broken.calls == 2
    assert look.choose(6) == whole(Look(trained, trained.model(0), 1)).choose(6)


def test_look_that_ended_sends_no_more_jobs(trained: Project) -> None:
    begun = []

    class Waiting:
        def map(
            self, function: Callable[..., object], items: Iterable[object]
        ) -> Iterator[Outcome[object]]:
            for index, item in enumerate(items):
                begun.append(index)
                wait_for(lambda: is_ended)
                yield Outcome(index, function(item))

    is_ended = False
    look = Look(trained, trained.model(0), 1, elsewhere=Elsewhere(Waiting()))
    assert not look.is_ready()
    wait_for(lambda: bool(begun))
    look.end()
    is_ended = True
    wait_for(lambda: not any(thread.name == "look" for thread in threading.enumerate()))
    assert begun == [0]


def test_worker_whose_models_score_elsewhere_asks_their_regions(trained: Project) -> None:
    worker = Worker(trained, elsewhere=HERE)
    work(worker)
    assert state(trained) == "idle"
    asked = open_items(trained)
    assert {item.model for item in asked} == {trained.model(0).name}
    best = whole(Look(trained, trained.model(0), asked[0].round)).choose(len(asked))
    assert {item.item.region for item in asked} == {item.region for item in best}


def test_worker_without_its_cluster_trains_on_and_tries_again_after_a_while(
    trained: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(failures.time, "monotonic", lambda: now)
    worker = Worker(trained, elsewhere=Elsewhere(Broken(jobs=0)))
    work(worker)
    told = trained.store.control.worker()
    assert told is not None
    assert (told.state, told.message) == ("failed", "the scheduler is lost.")
    assert open_items(trained) == []

    now += failures.CLUSTER_SECONDS + 1
    work(worker)

    assert state(trained) == "idle"
    assert len(open_items(trained)) >= 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve", "p", "--cluster", "local:2", "--no-worker"], "either --no-worker or --cluster"),
        (["serve", "p", "--cluster", "somewhere"], "expected a cluster, got 'somewhere'"),
        (["serve", "p", "--send-images"], "expected --cluster with --send-images"),
    ],
)
def test_words_that_do_not_fit_are_refused_before_anything_is_served(
    words: list[str], told: str
) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code != 0
    assert told in " ".join(str(result.exception or result.output).split())


def test_missing_extra_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_step, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'askmask\[cluster\]'"):
        first_step.check_cluster("local:2")


@pytest.mark.slow  # every worker imports torch
def test_cluster_that_was_lost_is_reached_again(tmp_path: Path) -> None:
    port = free_port()
    lasting = LastingCluster(f"tcp://127.0.0.1:{port}")
    with scheduler(tmp_path, port) as hub:
        first = lasting.connection()
        assert lasting.connection() is first
        hub.kill()
        wait_for(lambda: first.client.status != "running")
    with pytest.raises(ClusterError, match="expected a Dask scheduler at"):
        lasting.connection()
    with scheduler(tmp_path, port):
        assert lasting.connection().client.status == "running"
    lasting.close()


@pytest.mark.slow  # every worker imports torch
def test_cluster_looks_as_this_process_does(trained: Project) -> None:
    expected = whole(Look(trained, trained.model(0), 1)).choose(6)
    for send_images in (False, True):
        with lasting_workplace("local:2", send_images=send_images) as place:
            assert place is not None
            look = Look(trained, trained.model(0), 1, elsewhere=place)
            assert whole(look).choose(6) == expected


def asked_by_model(project: Project) -> bool:
    name = project.model(0).name
    return any(item.model == name for item in open_items(project))


def message(project: Project) -> str:
    told = project.store.control.worker()
    return "" if told is None else told.message


@pytest.mark.slow  # a server, its worker and their cluster
def test_server_waits_for_a_cluster_that_comes_later(trained: Project, tmp_path: Path) -> None:
    port = free_port()
    words = ["--port", str(free_port()), "--cluster", f"tcp://127.0.0.1:{port}"]
    with askmask("serve", trained.root, *words) as server:
        wait_for(lambda: "expected a Dask scheduler at" in message(trained))
        assert not asked_by_model(trained)
        with scheduler(tmp_path, port), workers(tmp_path, port):
            wait_for(lambda: asked_by_model(trained))
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 0


@pytest.mark.slow  # a worker and its cluster
def test_worker_with_processes_of_its_own_ends_with_them(trained: Project) -> None:
    with askmask("work", trained.root, "--cluster", "local:2") as worker:
        wait_for(lambda: asked_by_model(trained))
        answer(trained, 2)
        wait_for(lambda: len(rounds(trained)) == 2)
        wait_for(lambda: state(trained) == "idle")
        processes = spawned_by(worker.pid)
        assert len(processes) >= 2
        worker.terminate()
        assert worker.wait(timeout=60) == 0
        wait_for(lambda: not any(is_running(pid) for pid in processes))


@contextmanager
def askmask(*words: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "askmask", *map(str, words)]
    process = subprocess.Popen(command, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
