"""A worker at its work, turn by turn: what tests of it do and look at."""

import time
from collections.abc import Callable

from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.serve.worker import Worker
from askmask.store.work_records import ItemState, WorkItem

MOST_TURNS = 200
"""A turn is a moment: a training of a few steps takes several on a busy machine."""


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
    for _ in range(MOST_TURNS):
        if not worker.turn():
            return
    raise AssertionError(f"the worker found something to do {MOST_TURNS} times")


def state(project: Project) -> str:
    told = project.store.control.worker()
    return "" if told is None else told.state


def rounds(project: Project) -> list[tuple[int, str]]:
    return [(record.round, record.status) for record in project.store.trainings()]


def wait_for(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120  # a busy machine is no failure
    while not is_true():
        assert time.monotonic() < deadline, "waited for 120 s"
        time.sleep(0.02)
