"""What people command of the worker: train, ask again, stop, pause, go on."""

import threading
import time
from collections.abc import Callable

import pytest

import askmask.serve.worker as worker_module
from askmask.config import Config
from askmask.loop.project import Project
from askmask.progress import Progress
from askmask.serve.worker import Worker
from askmask.store.mailbox import CommandName
from askmask.store.work_records import ItemState
from at_work import answer, open_items, rounds, state, wait_for, work

Build = Callable[..., Config]


def test_train_command_trains_on_what_there_is(warm: Project) -> None:
    worker = Worker(warm)
    work(worker)
    answer(warm, 1)
    warm.store.control.give(CommandName.TRAIN, "Ada")

    work(worker)

    assert len(rounds(warm)) == 2
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
    first, *others = open_items(warm)
    warm.store.worklist.lease(first.round, first.item.rank, "Grace")
    warm.store.control.give(CommandName.ASK_AGAIN, "Ada", "margin")

    work(worker)

    now = {(item.round, item.item.rank): item for item in warm.store.worklist.items()}
    states = {now[item.round, item.item.rank].state for item in others}
    assert states == {ItemState.WITHDRAWN}
    held, *asked = open_items(warm)
    assert (held.round, held.item.rank) == (first.round, first.item.rank)
    assert {item.acquisition for item in asked} == {"margin"}
    assert warm.store.control.commands()[0].state == "done"
    assert not any(item.item.region.overlaps(held.item.region) for item in asked)


def test_strategy_that_was_chosen_asks_until_another_is_chosen(warm: Project) -> None:
    work(Worker(warm))
    warm.store.control.give(CommandName.ASK_AGAIN, "Ada", "margin")
    work(Worker(warm))
    answer(warm, 2)
    work(Worker(warm))  # another process, and another model
    assert {item.acquisition for item in open_items(warm)} == {"margin"}

    warm.store.control.give(CommandName.ASK_AGAIN, "Ada")
    work(Worker(warm))

    assert {item.acquisition for item in open_items(warm)} == {"predictive_entropy"}


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
    assert {item.acquisition for item in open_items(cold)} == {"random"}


def test_ask_again_before_any_label_draws_others(cold: Project) -> None:
    worker = Worker(cold)
    work(worker)
    newest = cold.store.newest_query()
    assert newest is not None
    cold.store.control.give(CommandName.ASK_AGAIN, "Ada")

    work(worker)

    assert min(item.round for item in open_items(cold)) > newest.round


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
    seen: list[tuple[str, int]] = []

    def stopping(progress: Progress) -> None:
        seen.append((progress.phase, progress.done))
        if seen[-1] == ("train", 3) and seen.count(("train", 3)) == 1:
            warm.store.control.give(CommandName.STOP, "Ada")

    worker = Worker(warm, on_progress=stopping)
    ended = threading.Event()
    thread = threading.Thread(target=worker.run, kwargs={"until": ended}, daemon=True)
    thread.start()
    wait_for(lambda: state(warm) == "stopped")
    assert rounds(warm) == []

    warm.store.control.give(CommandName.START, "Ada")
    wait_for(lambda: rounds(warm) and open_items(warm) and state(warm) == "idle")
    ended.set()
    thread.join()

    steps = [done for phase, done in seen if phase == "train"]
    assert steps == [1, 2, 3, 3, 4, 5, 6]  # from the checkpoint of step 2
    assert state(warm) == "off"


def test_training_that_was_asked_for_and_stopped_is_taken_up_again(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    stops: list[int] = []

    def stopping(progress: Progress) -> None:
        if progress.phase == "train" and rounds(warm) and not stops:
            stops.append(warm.store.control.give(CommandName.STOP, "Ada"))

    worker = Worker(warm, on_progress=stopping)
    work(worker)
    answer(warm, 1)  # too few by themselves
    warm.store.control.give(CommandName.TRAIN, "Ada")
    work(worker)
    assert (len(stops), state(warm)) == (1, "stopped")
    assert rounds(warm) == [(0, "finished")]
    warm.store.control.give(CommandName.START, "Ada")

    work(worker)

    assert len(rounds(warm)) == 2


def test_pause_holds_a_training_between_two_steps(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(worker_module, "LOOK_SECONDS", 0.02)
    seen: list[tuple[str, int]] = []

    def pausing(progress: Progress) -> None:
        seen.append((progress.phase, progress.done))
        if seen[-1] == ("train", 3):
            warm.store.control.give(CommandName.PAUSE, "Ada")

    worker, ended = Worker(warm, on_progress=pausing), threading.Event()
    thread = threading.Thread(target=worker.run, kwargs={"until": ended}, daemon=True)
    thread.start()
    wait_for(lambda: seen[-1:] == [("train", 3)] and state(warm) == "paused")
    time.sleep(0.1)
    assert seen[-1] == ("train", 3)

    warm.store.control.give(CommandName.RESUME, "Ada")
    wait_for(lambda: rounds(warm) == [(0, "finished")])
    ended.set()
    thread.join()

    assert [done for phase, done in seen if phase == "train"] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("command", "expected"), [(CommandName.STOP, "stopped"), (CommandName.PAUSE, "paused")]
)
def test_look_through_the_pool_rests_between_two_images_and_goes_on(
    warm: Project, monkeypatch: pytest.MonkeyPatch, command: CommandName, expected: str
) -> None:
    monkeypatch.setattr(worker_module, "TELL_SECONDS", 0.0)
    seen: list[int] = []

    def resting(progress: Progress) -> None:
        if progress.phase == "ask":
            seen.append(progress.done)
            if seen == [1, 2]:
                warm.store.control.give(command, "Ada")

    worker = Worker(warm, on_progress=resting)
    work(worker)
    assert (seen, state(warm)) == ([1, 2], expected)
    assert warm.store.newest_query() is None

    again = CommandName.START if command is CommandName.STOP else CommandName.RESUME
    warm.store.control.give(again, "Ada")
    work(worker)

    cold_start = [1, 2, 3, 4]  # as far as it was before the first training was due
    assert seen == [*cold_start, *range(1, len(warm.pool_ids) + 1)]
    assert len(open_items(warm)) >= 3


def test_worker_that_is_told_to_end_leaves_a_training_at_the_next_step(warm: Project) -> None:
    ended, steps = threading.Event(), []

    def ending(progress: Progress) -> None:
        if progress.phase == "train":
            steps.append(progress.done)
        if steps[-1:] == [3]:
            ended.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_module, "TELL_SECONDS", 0.0)
        Worker(warm, on_progress=ending).run(until=ended)

    assert steps == [1, 2, 3]
    assert rounds(warm) == []
    assert list((warm.root / "models").glob("*.checkpoint"))
    assert state(warm) == "off"
