"""The worker behind the page: when it asks, trains and draws, and that it may be killed."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import askmask.serve.ahead as ahead_module
import askmask.serve.worker as worker_module
from askmask.config import Config
from askmask.data.rasters import decode_mask
from askmask.errors import ProjectError, SourceError, StoreError, TrainingFailed
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.progress import Progress
from askmask.runtime.worker_lock import only_worker
from askmask.serve.ahead import RegionsAhead
from askmask.serve.teller import tell_start
from askmask.serve.worker import Worker
from askmask.store.mailbox import CommandName
from askmask.store.work_records import ItemState
from at_work import answer, open_items, rounds, state, work

Build = Callable[..., Config]
SERVE = {"train_after": 2, "ahead": 3}
QUERY = {"region": {"size": [16, 16], "stride": 8, "budget_regions": 4}}


def assert_no_region_was_asked_twice(project: Project) -> None:
    items = project.store.worklist.items()
    regions = [item.item.region for item in items if item.state is not ItemState.WITHDRAWN]
    assert not any(a.overlaps(b) for n, a in enumerate(regions) for b in regions[:n])


def test_without_a_label_regions_are_asked_without_a_model(cold: Project) -> None:
    work(Worker(cold))

    assert rounds(cold) == []
    items = open_items(cold)
    assert len(items) >= 3
    assert {(i.acquisition, i.model) for i in items} == {("random", None)}
    assert all(i.piece is not None and not i.piece.has_prediction for i in items)
    assert state(cold) == "idle"


def test_worker_that_is_being_loaded_is_told_as_starting_then_as_idle(cold: Project) -> None:
    tell_start(cold.store)
    told = [state(cold)]
    worker = Worker(cold)
    while worker.turn():
        pass

    assert [*told, state(cold)] == ["starting", "idle"]
    worker = cold.store.control.worker()
    assert worker is not None
    assert worker.is_alive


def test_start_set_is_trained_on_and_its_model_asks_in_place_of_the_cold_start(
    warm: Project,
) -> None:
    work(Worker(warm))

    assert rounds(warm) == [(0, "finished")]
    assert {row.split for row in warm.store.metrics(0)} >= {"validation", "testA"}
    assert {item.model for item in open_items(warm)} == {"round_000.safetensors"}
    gone = [i for i in warm.store.worklist.items() if i.state is ItemState.WITHDRAWN]
    assert {item.model for item in gone} == {None}


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


def test_regions_that_run_low_come_before_a_training_that_is_due(warm: Project) -> None:
    phases: list[str] = []
    worker = Worker(warm, on_progress=lambda progress: phases.append(progress.phase))
    work(worker)
    answer(warm, len(open_items(warm)) - 1)
    phases.clear()

    while not phases:
        assert worker.turn()

    assert phases[0] == "train"
    assert len(open_items(warm)) > 3
    assert_no_region_was_asked_twice(warm)


def test_regions_are_asked_with_their_predictions(warm: Project) -> None:
    undrawn: list[int] = []

    class Looking(Worker):
        def turn(self) -> bool:
            is_busy = super().turn()
            items = [i for i in open_items(warm) if i.model is not None]
            undrawn.append(sum(item.piece is None for item in items))
            return is_busy

    work(Looking(warm))

    assert sum(undrawn) == 0
    assert any(item.model is not None for item in open_items(warm))


def test_training_learns_from_the_answers_and_its_model_asks_anew(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 2)

    work(worker)

    assert len(rounds(warm)) == 2
    newest = warm.newest_training()
    assert newest is not None
    assert {i.model for i in open_items(warm)} == {warm.model_path(newest.round).name}
    assert_no_region_was_asked_twice(warm)


def test_regions_are_topped_up_between_two_steps_of_a_training(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    fresh: list[int] = []

    def answering(progress: Progress) -> None:
        if progress.phase == "train" and rounds(warm):
            fresh.append(len(warm.store.worklist.fresh_items()))
            if progress.done == 2:
                answer(warm, len(open_items(warm)) - 1)

    worker = Worker(warm, on_progress=answering)
    work(worker)
    answer(warm, 1)
    warm.store.control.give(CommandName.TRAIN, "Ada")
    while len(rounds(warm)) < 2:
        assert worker.turn()

    assert len(fresh) == 6
    assert min(fresh) >= 3
    assert {item.model for item in open_items(warm)} == {"round_000.safetensors"}
    assert all(item.piece is not None for item in open_items(warm))


def test_few_answers_are_not_trained_on(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)

    work(worker)

    assert rounds(warm) == [(0, "finished")]
    assert warm.store.answers_since_training() == 1


def test_next_training_waits_until_the_model_has_looked_for_as_long_as_it_was_trained(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)
    monkeypatch.setattr(RegionsAhead, "has_looked_for", lambda _, seconds: seconds < 0)
    answer(warm, 3)
    work(worker)
    assert len(rounds(warm)) == 1  # though 2 are enough

    answer(warm, 1)
    work(worker)

    assert len(rounds(warm)) == 2


def test_few_answers_are_trained_on_when_everybody_has_gone(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)
    monkeypatch.setattr(worker_module, "QUIET_SECONDS", -1.0)
    held = open_items(warm)[0]
    warm.store.worklist.lease(held.round, held.item.rank, "Ada")
    work(worker)
    assert len(rounds(warm)) == 1

    warm.store.worklist.release(held.round, held.item.rank, "Ada")
    work(worker)

    assert len(rounds(warm)) == 2


def test_when_everything_is_asked_the_worker_rests(tmp_path: Path, disc_config: Build) -> None:
    query = {"region": {"size": [64, 64], "stride": 64}}
    config = disc_config(serve=SERVE | {"train_after": 100}, query=query, data={"start": "none"})
    with Project.create(tmp_path / "p", config) as project:
        worker = Worker(project)
        for _ in range(3):
            work(worker)
            answer(project, 6)
        work(worker)

        asked = [i for i in project.store.worklist.items() if i.state is not ItemState.WITHDRAWN]
        assert len(asked) == len(project.pool_ids) == 6
        assert open_items(project) == []
        assert state(project) == "idle"
        assert project.store.answers_since_training() == 0
        assert_no_region_was_asked_twice(project)


def test_failed_training_is_told_and_tried_again_after_the_next_answer(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)
    train = Loop.train_steps

    def fail(_: Loop, round: int) -> Iterator[Progress]:
        yield Progress(round, "train", 1, 6)
        raise TrainingFailed(f"loss nan in round {round}")

    monkeypatch.setattr(Loop, "train_steps", fail)
    answer(warm, 2)
    work(worker)
    told = warm.store.control.worker()
    assert told is not None
    assert told.state == "failed"
    assert told.message.startswith("loss nan in round")
    assert len(open_items(warm)) >= 3  # people go on

    monkeypatch.setattr(Loop, "train_steps", train)
    work(worker)
    assert len(rounds(warm)) == 1
    answer(warm, 1)
    work(worker)
    assert len(rounds(warm)) == 2
    assert state(warm) == "idle"


def test_worker_that_dies_at_any_report_is_continued_by_the_next(warm: Project) -> None:
    class Killed(BaseException):
        pass

    left = [0]

    def die(_: Progress) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    deaths = 0
    for life in range(1, 60):
        left[0] = life
        try:
            work(Worker(warm, on_progress=die))
            break
        except Killed:
            deaths += 1
    assert deaths > 5
    assert rounds(warm) == [(0, "finished")]
    assert_no_region_was_asked_twice(warm)
    assert all(item.piece is not None for item in open_items(warm))


def test_image_that_cannot_be_drawn_keeps_nobody_from_labelling_nor_the_worker_from_training(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)

    def fail(*_: object, **__: object) -> None:
        raise SourceError("image 'train_1' is gone")

    monkeypatch.setattr(ahead_module, "draw_region", fail)
    monkeypatch.setattr(worker_module, "draw_pieces", fail)
    answer(warm, len(open_items(warm)) - 1)
    for _ in range(4):  # after a failure it rests for a moment
        work(worker)

    assert len(rounds(warm)) == 2
    assert len(open_items(warm)) >= 3
    told = warm.store.control.worker()
    assert told is not None
    assert (told.state, told.message) == ("failed", "image 'train_1' is gone")


def test_failure_is_told_as_long_as_it_lasts_whatever_else_is_done(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(warm)
    work(worker)

    def fail(_: Loop, round: int) -> Iterator[Progress]:
        yield Progress(round, "train", 1, 6)
        raise TrainingFailed(f"loss nan in round {round}")

    monkeypatch.setattr(Loop, "train_steps", fail)
    answer(warm, 2)
    work(worker)
    warm.store.control.give(CommandName.ASK_AGAIN, "Ada")  # shows "asking" for a while
    work(worker)

    told = warm.store.control.worker()
    assert told is not None
    assert told.state == "failed"
    assert told.message.startswith("loss nan in round")


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
