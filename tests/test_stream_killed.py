"""Regions are asked a few at a time while server and worker are killed: no answer is lost."""

import threading
from pathlib import Path

import pytest

from askmask.loop.project import Project
from askmask.store.work_records import ItemState
from people import Person
from server_processes import serving, trainings, wait_for
from soak.kills import VICTIMS, kill_at_random
from soak.site import make_site

pytestmark = pytest.mark.slow


def test_stream_killed_fifty_times_keeps_each_acknowledged_answer_once(tmp_path: Path) -> None:
    # nothing is labelled at first: a cold start asks, then one model after another
    root = make_site(tmp_path, images=14, side=192, start="none")

    killed = kill_at_random(root, 50, seed=14, longest=3.0, think_seconds=0.5, train_every=10)

    assert sum(killed[victim] for victim in VICTIMS) == 50
    assert min(killed[victim] for victim in VICTIMS) > 5
    assert_models_took_turns(root)
    assert_work_goes_on(root)


def assert_models_took_turns(root: Path) -> None:
    """Regions were asked before any model and by several, and better ones took others' places."""
    with Project.open(root) as project:
        items = project.store.worklist.items()
    assert len({item.model for item in items} - {None}) > 2
    assert any(item.model is None for item in items)
    assert any(item.state is ItemState.WITHDRAWN for item in items)
    assert any(item.answers and item.model is None for item in items)


def assert_work_goes_on(root: Path) -> None:
    """Who comes afterwards gets regions, and a model learns from the answers."""
    until = threading.Event()
    with serving(root) as server:
        done = trainings(root)
        late = Person("late", server.port, until, changes_answers=True)
        late.start()
        wait_for(lambda: trainings(root) > done, 300)
        until.set()
        late.join(timeout=150)
    assert late.problems == []
    assert late.kept.keys() == late.sent.keys() != set()
