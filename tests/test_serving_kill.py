"""Server and worker are killed at random moments while people answer, and nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.data.prepared import DatasetWriter
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import ClassMap, ImageInfo
from discs import draw_discs
from server_processes import serving, trainings, wait_for
from soak.kills import VICTIMS, kill_at_random

Build = Callable[..., Config]


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


def test_server_and_worker_killed_while_people_answer_lose_nothing(root: Path) -> None:
    killed = kill_at_random(root, 4, seed=2, longest=0.5)

    assert all(killed.values())


@pytest.mark.slow
def test_server_and_worker_killed_fifty_times_lose_nothing(root: Path) -> None:
    killed = kill_at_random(root, 50, seed=50, longest=6.0)

    assert min(killed[victim] for victim in VICTIMS) > 5
    with serving(root):  # and the work goes on
        done = trainings(root)
        wait_for(lambda: trainings(root) > done, 300)
