"""Server and worker are killed at random moments while people answer, and nothing is lost."""

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.data.prepared import DatasetWriter
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import ClassMap, ImageInfo, Region
from askmask.store.store import Store
from askmask.store.work_records import ItemState
from discs import draw_discs
from people import Person, start_people
from server_processes import (
    Server,
    assert_acknowledged_is_kept_once,
    assert_everything_is_kept_once,
    assert_sound,
    assert_sound_as_it_lies,
    has_query,
    serving,
    trainings,
    wait_for,
)

Build = Callable[..., Config]
VICTIMS = ("server", "worker", "both")


@pytest.fixture
def root(tmp_path: Path, disc_config: Build) -> Path:
    """Folder of a project with a model to be trained and 512 regions to ask about."""
    out = tmp_path / "dataset"
    with DatasetWriter(out, ClassMap(("background", "disc")), "drawn discs") as writer:
        for number in range(10):
            image, mask = draw_discs(number, 128)
            writer.add(ImageInfo(f"train_{number}", 128, 128), image, mask)
    config = disc_config(
        data={"path": str(out), "start": 1, "validation": 1, "test": []},
        query={"region": {"size": [16, 16], "stride": 8, "budget_regions": 60}},
        serve={"train_after": 30, "ahead": 30},
        training={"steps": 30, "checkpoint_every": 5},
    )
    with Project.create(tmp_path / "p", config) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
    return tmp_path / "p"


def kill_at_random(root: Path, kills: int, *, seed: int, longest: float) -> dict[str, int]:
    """Kill again and again while three people answer; count who was killed.

    Between an answer and the next kill lie up to `longest` seconds.
    """
    chance = random.Random(seed)
    killed = dict.fromkeys(VICTIMS, 0)
    until = threading.Event()
    with serving(root) as server:
        wait_for(lambda: has_query(root), 120)
        # Who finds nothing open changes what he gave, so a killed worker keeps nobody from work.
        people = start_people(3, server.port, until, think_seconds=0.1, changes_answers=True)
        try:
            while sum(killed.values()) < kills:
                before = acknowledged(people)
                wait_for(lambda before=before: acknowledged(people) > before, 120)
                time.sleep(chance.uniform(0.0, longest))
                victim = chance.choice(VICTIMS)
                kill(server, victim, root)
                killed[victim] += 1
                assert_acknowledged_is_kept_once(root, people)
                assert_sound(root / "askmask.db")
        finally:
            until.set()
            for person in people:
                person.join(timeout=150)
    assert assert_everything_is_kept_once(root, people) >= kills
    assert_nothing_is_asked_twice(root)
    assert_sound(root / "askmask.db")
    return killed


def kill(server: Server, victim: str, root: Path) -> None:
    """Kill, and start what nobody else starts."""
    if victim == "worker":
        wait_for(server.kill_worker, 120)
        return
    if victim == "server":
        server.kill()
    else:
        server.kill_both()
        assert_sound_as_it_lies(root, root.parent / "copy")
    server.start()


def assert_nothing_is_asked_twice(root: Path) -> None:
    """Look for regions that share a pixel among all that were not withdrawn, round by round."""
    with Store(root / "askmask.db") as store:
        items = store.worklist.items()
    standing = [i.item.region for i in items if i.state is not ItemState.WITHDRAWN]
    assert len({i.round for i in items}) > 1
    by_image: dict[str, list[Region]] = {}
    for region in standing:
        others = by_image.setdefault(region.image_id, [])
        assert not any(region.overlaps(other) for other in others), region
        others.append(region)


def acknowledged(people: list[Person]) -> int:
    return sum(len(person.kept) for person in people)


def test_server_and_worker_killed_while_people_answer_lose_nothing(root: Path) -> None:
    killed = kill_at_random(root, 4, seed=2, longest=0.5)

    assert all(killed.values())


@pytest.mark.slow
def test_server_and_worker_killed_fifty_times_lose_nothing(root: Path) -> None:
    killed = kill_at_random(root, 50, seed=50, longest=6.0)

    assert min(killed.values()) > 5
    with serving(root):  # and the work goes on
        done = trainings(root)
        wait_for(lambda: trainings(root) > done, 300)
