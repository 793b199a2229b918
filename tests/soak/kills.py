"""Server and worker killed at random moments while people answer, and the reckoning at the end."""

import random
import threading
import time
from pathlib import Path
from typing import Final

import numpy as np

from askmask.loop.project import Project
from askmask.store.work_records import ItemState
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
from soak.site import PATIENCE_SECONDS

VICTIMS: Final = ("server", "worker", "both")


def kill_at_random(
    root: Path,
    kills: int,
    *,
    seed: int,
    longest: float,
    think_seconds: float = 0.1,
    train_every: int | None = None,
) -> dict[str, int]:
    """Kill again and again while three people answer; count who was killed.

    Between an answer and the next kill lie up to `longest` seconds. After every `train_every` kills
    a training is let come to its end, so that one model after another asks; by default none is.
    """
    chance = random.Random(seed)
    killed = dict.fromkeys(VICTIMS, 0)
    until = threading.Event()
    with serving(root) as server:
        wait_for(lambda: has_query(root), PATIENCE_SECONDS)
        # Who finds nothing open changes what he gave, so a killed worker keeps nobody from work.
        people = start_people(
            3, server.port, until, think_seconds=think_seconds, changes_answers=True
        )
        try:
            while sum(killed.values()) < kills:
                if train_every is not None and sum(killed.values()) % train_every == 0:
                    done = trainings(root)
                    wait_for(lambda done=done: trainings(root) > done, PATIENCE_SECONDS)
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
    killed["answers"] = assert_everything_is_kept_once(root, people)
    assert killed["answers"] >= kills
    assert_every_region_brings_what_it_promised(root)
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


def assert_every_region_brings_what_it_promised(root: Path) -> None:
    """Count the pixels of each region that no earlier one covers, of those not withdrawn.

    When little of an image is left, a region may reach over what was asked before; as new counts
    only the rest of it.
    """
    with Project.open(root) as project:
        store, sizes = project.store, project.images
        items = store.worklist.items()
    assert len({i.round for i in items}) > 1
    asked = {name: np.zeros((info.height, info.width), bool) for name, info in sizes.items()}
    for item in (i.item for i in items if i.state is not ItemState.WITHDRAWN):
        place = asked[item.region.image_id][item.region.slices]
        assert np.count_nonzero(~place) == item.new_pixels > 0, item
        place[:] = True


def acknowledged(people: list[Person]) -> int:
    """Count the answers that the server said it kept."""
    return sum(len(person.kept) for person in people)
