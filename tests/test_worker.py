"""The worker behind the page: when it asks, trains, draws and obeys, and that it may be killed."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import askmask.worker as worker_module
from askmask.config import Config
from askmask.control import CommandName
from askmask.data.rasters import decode_mask
from askmask.errors import ProjectError, StoreError, TrainingFailed
from askmask.exclusive import only_worker
from askmask.oracle import MaskOracle
from askmask.project import Project
from askmask.worker import Worker
from askmask.workitems import ItemState, WorkItem

Build = Callable[..., Config]
SERVE = {"train_after": 2, "ask_below": 3}
QUERY = {"region": {"size": [16, 16], "stride": 8, "budget_regions": 4}}


@pytest.fixture
def cold(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    """Project without any label to start from."""
    config = disc_config(data={"start": "none"}, serve=SERVE, query=QUERY)
    with Project.create(tmp_path / "p", config) as project:
        yield project


@pytest.fixture
def warm(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    """Project with two labelled images."""
    with Project.create(tmp_path / "p", disc_config(serve=SERVE, query=QUERY)) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
        yield project


def answer(project: Project, count: int) -> None:
    """Answer the first open regions from the known masks."""
    oracle = MaskOracle(project.source)
    for item in open_items(project)[:count]:
        given = oracle.answer(item.item.region, item.round)
        client_id = f"answer-{item.round}-{item.item.rank}-xx"
        project.store.worklist.give(item.item.rank, given, client_id=client_id)


def open_items(project: Project) -> list[WorkItem]:
    return [i for i in project.store.worklist.items() if i.state is ItemState.OPEN]


def work(worker: Worker) -> None:
    """Take turns until nothing is due."""
    for _ in range(20):
        if not worker.turn():
            return
    raise AssertionError("the worker found something to do 20 times")


def state(project: Project) -> str:
    told = project.store.control.worker()
    return "" if told is None else told.state


def rounds(project: Project) -> list[tuple[int, str]]:
    return [(record.round, record.status) for record in project.store.trainings()]


def assert_no_region_was_asked_twice(project: Project) -> None:
    regions = [item.item.region for item in project.store.worklist.items()]
    assert not any(a.overlaps(b) for n, a in enumerate(regions) for b in regions[:n])


def test_without_a_label_the_first_query_needs_no_model(cold: Project) -> None:
    work(Worker(cold))

    assert rounds(cold) == []
    items = open_items(cold)
    assert len(items) == 4
    assert {(i.acquisition, i.model) for i in items} == {("random", None)}
    assert all(i.piece is not None and not i.piece.has_prediction for i in items)
    assert state(cold) == "idle"


def test_start_set_is_trained_on_before_anything_is_asked(warm: Project) -> None:
    work(Worker(warm))

    assert rounds(warm) == [(0, "finished")]
    assert {row.split for row in warm.store.metrics(0)} >= {"validation", "testA"}
    assert {item.model for item in open_items(warm)} == {"round_000.safetensors"}


def test_pieces_show_what_the_model_said(warm: Project) -> None:
    work(Worker(warm))

    for item in open_items(warm):
        facts, region = item.piece, item.item.region
        assert facts is not None
        assert facts.window.overlaps(region)
        assert (facts.window.row, facts.window.col) == (
            max(region.row - 8, 0),
            max(region.col - 8, 0),
        )
        assert facts.confidence is not None
        assert 0.5 <= facts.confidence <= 1
        pieces = warm.store.worklist.piece(item.round, item.item.rank)
        assert pieces is not None
        assert pieces[0] is not None
        assert pieces[1] is not None
        labels = decode_mask(pieces[1])
        assert labels.shape == (facts.window.height, facts.window.width)
        assert set(np.unique(labels)) <= {0, 1}


def test_next_query_is_there_before_the_last_region_is_answered(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 2)

    work(worker)

    assert rounds(warm) == [(0, "finished"), (1, "finished")]
    assert sorted({item.round for item in open_items(warm)}) == [1, 2]
    assert len(open_items(warm)) == 2 + 4
    assert_no_region_was_asked_twice(warm)


def test_query_is_asked_from_the_newest_model_that_is_finished(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 2)  # asks round 2 from model 0, then trains round 1
    work(worker)
    answer(warm, 4)

    work(worker)

    models = {item.round: item.model for item in warm.store.worklist.items()}
    assert models[1] == models[2] == "round_000.safetensors"
    assert models[3] == "round_001.safetensors"
    assert_no_region_was_asked_twice(warm)


def test_query_runs_dry_between_two_steps_of_a_training(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)
    warm.store.control.give(CommandName.TRAIN, "Ada")
    asked: list[int] = []
    look = worker._on_progress

    def answering(progress: object) -> None:
        if progress.phase == "train" and progress.done == 2:  # type: ignore[attr-defined]
            answer(warm, 3)
        look(progress)  # type: ignore[arg-type]
        asked.append(len(open_items(warm)))

    monkeypatch.setattr(worker._loop, "_report", answering)

    assert worker.turn()

    assert rounds(warm)[-1] == (1, "finished")
    assert asked[-1] == 4  # round 2, asked while round 1 was in training
    assert {item.model for item in open_items(warm)} == {"round_000.safetensors"}
    assert all(item.piece is not None for item in open_items(warm))


def test_few_answers_are_not_trained_on(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)

    work(worker)

    assert rounds(warm) == [(0, "finished")]
    assert warm.store.answers_since_training() == 1


def test_few_answers_are_trained_on_when_everybody_has_gone(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)
    monkeypatch.setattr(worker_module, "QUIET_SECONDS", -1.0)
    warm.store.worklist.lease(1, 3, "Ada")
    work(worker)
    assert rounds(warm) == [(0, "finished")]

    warm.store.worklist.release(1, 3, "Ada")
    work(worker)

    assert rounds(warm) == [(0, "finished"), (1, "finished")]


def test_train_command_trains_on_what_there_is(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)
    warm.store.control.give(CommandName.TRAIN, "Ada")

    work(worker)

    assert rounds(warm) == [(0, "finished"), (1, "finished")]
    assert warm.store.control.commands()[0].state == "done"


def test_train_command_without_a_label_is_refused(cold: Project) -> None:
    cold.store.control.give(CommandName.TRAIN, "Ada")

    work(Worker(cold))

    (command,) = cold.store.control.commands()
    assert (command.state, command.message) == ("refused", "nothing is labelled yet")


def test_ask_again_withdraws_what_nobody_holds_and_asks_by_another_strategy(
    warm: Project,
) -> None:
    worker = Worker(warm)
    work(worker)
    warm.store.worklist.lease(1, 0, "Grace")
    warm.store.control.give(CommandName.ASK_AGAIN, "Ada", "margin")

    work(worker)

    items = warm.store.worklist.items()
    assert [item.state for item in items[:4]] == [ItemState.OPEN] + [ItemState.WITHDRAWN] * 3
    assert {item.acquisition for item in items[4:]} == {"margin"}
    assert warm.store.control.commands()[0].state == "done"
    held = items[0].item.region
    assert not any(item.item.region.overlaps(held) for item in items[4:])


@pytest.mark.parametrize(
    ("name", "message"),
    [("margn", "Did you mean 'margin'"), ("mutual_information", "needs a model")],
)
def test_ask_again_by_a_strategy_that_cannot_is_refused(
    cold: Project, name: str, message: str
) -> None:
    worker = Worker(cold)
    work(worker)
    cold.store.control.give(CommandName.ASK_AGAIN, "Ada", name)

    work(worker)

    (command,) = cold.store.control.commands()
    assert command.state == "refused"
    assert message in command.message
    assert len(open_items(cold)) == 4


def test_ask_again_before_any_label_draws_others(cold: Project) -> None:
    worker = Worker(cold)
    work(worker)
    cold.store.control.give(CommandName.ASK_AGAIN, "Ada")

    work(worker)

    assert {item.round for item in open_items(cold)} == {2}


def test_when_everything_is_asked_the_worker_rests(tmp_path: Path, disc_config: Build) -> None:
    query = {"region": {"size": [64, 64], "stride": 64, "budget_regions": 5}}
    config = disc_config(serve=SERVE, query=query, data={"start": "none"})
    with Project.create(tmp_path / "p", config) as project:
        worker = Worker(project)
        for _ in range(3):
            work(worker)
            answer(project, 5)
        work(worker)

        assert len(project.store.worklist.items()) == len(project.pool_ids) == 6
        assert open_items(project) == []
        assert state(project) == "idle"
        assert project.store.answers_since_training() == 0
        assert_no_region_was_asked_twice(project)


@pytest.mark.parametrize(
    ("command", "expected"), [(CommandName.STOP, "stopped"), (CommandName.PAUSE, "paused")]
)
def test_stopped_or_paused_worker_does_nothing_until_told(
    warm: Project, command: CommandName, expected: str
) -> None:
    warm.store.control.give(command, "Ada")
    work(Worker(warm))
    assert state(warm) == expected
    assert rounds(warm) == []

    work(Worker(warm))  # another process holds to it
    assert rounds(warm) == []

    again = CommandName.START if command is CommandName.STOP else CommandName.RESUME
    warm.store.control.give(again, "Ada")
    work(Worker(warm))
    assert rounds(warm) == [(0, "finished")]


def test_stop_ends_a_training_that_runs_and_start_goes_on(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    worker = Worker(warm)
    seen: list[tuple[str, int]] = []
    tell = worker._on_progress

    def stopping(progress: object) -> None:
        seen.append((progress.phase, progress.done))  # type: ignore[attr-defined]
        if seen[-1] == ("train", 3) and seen.count(("train", 3)) == 1:
            warm.store.control.give(CommandName.STOP, "Ada")
        tell(progress)  # type: ignore[arg-type]

    monkeypatch.setattr(worker._loop, "_report", stopping)
    ended = threading.Event()
    thread = threading.Thread(target=worker.run, kwargs={"until": ended}, daemon=True)
    thread.start()
    wait_for(lambda: state(warm) == "stopped")
    assert rounds(warm) == []

    warm.store.control.give(CommandName.START, "Ada")
    wait_for(lambda: len(open_items(warm)) == 4 and state(warm) == "idle")
    ended.set()
    thread.join()

    steps = [done for phase, done in seen if phase == "train"]
    assert steps == [1, 2, 3, 3, 4, 5, 6]  # from the checkpoint of step 2
    assert state(warm) == "off"


def test_training_that_was_asked_for_and_stopped_is_taken_up_again(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)  # too few by themselves
    warm.store.control.give(CommandName.TRAIN, "Ada")
    tell = worker._on_progress

    def stopping(progress: object) -> None:
        warm.store.control.give(CommandName.STOP, "Ada")
        tell(progress)  # type: ignore[arg-type]

    monkeypatch.setattr(worker._loop, "_report", stopping)
    with pytest.raises(worker_module._Stopped):
        worker.turn()
    monkeypatch.setattr(worker._loop, "_report", tell)
    assert rounds(warm) == [(0, "finished")]
    warm.store.control.give(CommandName.START, "Ada")

    work(worker)

    assert rounds(warm) == [(0, "finished"), (1, "finished")]


def test_pause_holds_a_training_between_two_steps(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "LOOK_SECONDS", 0.02)
    worker = Worker(warm)
    seen: list[tuple[str, int]] = []
    tell = worker._on_progress

    def pausing(progress: object) -> None:
        seen.append((progress.phase, progress.done))  # type: ignore[attr-defined]
        if seen[-1] == ("train", 3):
            warm.store.control.give(CommandName.PAUSE, "Ada")
        tell(progress)  # type: ignore[arg-type]

    monkeypatch.setattr(worker._loop, "_report", pausing)
    thread = threading.Thread(target=worker.turn, daemon=True)
    thread.start()
    wait_for(lambda: seen[-1:] == [("train", 3)] and state(warm) == "paused")
    time.sleep(0.1)
    assert seen[-1] == ("train", 3)

    warm.store.control.give(CommandName.RESUME, "Ada")
    thread.join()

    assert [done for phase, done in seen if phase == "train"] == [1, 2, 3, 4, 5, 6]
    assert rounds(warm) == [(0, "finished")]


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120  # a busy machine is no failure
    while not is_true():
        assert time.monotonic() < deadline, "waited for 120 s"
        time.sleep(0.02)


def test_failed_training_is_told_and_tried_again_after_the_next_answer(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)
    train = worker._loop.train

    def fail(round_: int) -> None:
        raise TrainingFailed(f"loss nan in round {round_}")

    monkeypatch.setattr(worker._loop, "train", fail)
    answer(warm, 2)
    work(worker)
    told = warm.store.control.worker()
    assert told is not None
    assert (told.state, told.message) == ("failed", "loss nan in round 1")
    assert len(open_items(warm)) == 6  # people go on

    monkeypatch.setattr(worker._loop, "train", train)
    work(worker)
    assert rounds(warm) == [(0, "finished")]
    answer(warm, 1)
    work(worker)
    assert rounds(warm) == [(0, "finished"), (1, "finished")]
    assert state(warm) == "idle"


def test_worker_that_dies_at_any_report_is_continued_by_the_next(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    left = [0]

    def dying(worker: Worker) -> Worker:
        tell = worker._on_progress

        def report(progress: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            tell(progress)  # type: ignore[arg-type]

        monkeypatch.setattr(worker._loop, "_report", report)
        return worker

    deaths = 0
    for life in range(1, 60):
        left[0] = life
        worker = dying(Worker(warm))
        worker._is_asking = False
        try:
            work(worker)
            break
        except Killed:
            deaths += 1
    assert deaths > 5
    assert rounds(warm) == [(0, "finished")]
    assert len(warm.store.worklist.items()) == 4
    assert all(item.piece is not None for item in open_items(warm))


def test_only_one_worker_works_on_a_project(warm: Project) -> None:
    with (
        only_worker(warm.root),
        pytest.raises(ProjectError, match="no other worker"),
        only_worker(warm.root),
    ):
        pass
    with only_worker(warm.root):
        pass


def test_patient_worker_takes_over_when_the_other_ends(warm: Project) -> None:
    has_taken = threading.Event()

    def take() -> None:
        with only_worker(warm.root, patience_seconds=60.0):
            has_taken.set()

    thread = threading.Thread(target=take)
    with only_worker(warm.root):
        thread.start()
        assert not has_taken.wait(0.2)
    thread.join()

    assert has_taken.is_set()


def test_worker_goes_on_when_the_store_could_not_be_written(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("disk full")

    worker = Worker(warm)
    monkeypatch.setattr(warm.store.control, "show", fail)

    work(worker)

    assert rounds(warm) == [(0, "finished")]


def test_strategies_are_told_for_the_page(warm: Project) -> None:
    Worker(warm)

    assert {"random", "margin"} <= set(warm.store.control.fact("strategies"))
