"""The first query of a project without labels: typical places that differ, or random ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from askmask.config import Config
from askmask.errors import ProjectError
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import START, Project
from askmask.query.strategies.typical import typical_and_spread
from askmask.seeds import numpy_generator

Build = Callable[..., Config]


def test_each_cluster_gives_its_most_typical_point() -> None:
    generator = numpy_generator(0, "points")
    centres = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    points = np.concatenate([c + generator.standard_normal((30, 2)) for c in centres])

    chosen = typical_and_spread(points, 3, numpy_generator(0, "draw"))

    rows = [row for row, _ in chosen]
    assert sorted(row // 30 for row in rows) == [0, 1, 2]
    for row in rows:  # near the middle of its cluster, where neighbours are near
        assert np.linalg.norm(points[row] - centres[row // 30]) < 1.0


def test_outlier_is_not_typical() -> None:
    points = np.array([[0.0], [0.1], [0.2], [3.0]])

    ((row, _),) = typical_and_spread(points, 1, numpy_generator(0, "draw"))

    assert row in {1, 2}


def test_equal_points_are_chosen_once_each() -> None:
    chosen = typical_and_spread(np.zeros((5, 3)), 4, numpy_generator(0, "draw"))

    assert len({row for row, _ in chosen}) == 4


def test_no_more_rows_than_there_are() -> None:
    assert len(typical_and_spread(np.eye(3), 9, numpy_generator(0, "draw"))) == 3


@pytest.mark.parametrize("acquisition", ["random", "typical"])
def test_first_query_needs_no_label(tmp_path: Path, disc_config: Build, acquisition: str) -> None:
    config = disc_config(data={"start": "none"}, query={"acquisition": acquisition})
    with Project.create(tmp_path / "p", config) as project:
        proposed = Loop(project.with_config(config)).propose(1, model_round=START)
        query = Loop(project).ask(1, model_round=START)

        assert query.items == proposed.items
        assert query.model is None
        assert len(query.items) == 3
        regions = [item.region for item in query.items]
        assert not any(a.overlaps(b) for n, a in enumerate(regions) for b in regions[:n])
        assert {region.image_id for region in regions} <= set(project.roles.pool)


@pytest.mark.parametrize("acquisition", ["predictive_entropy", "random"])
def test_ask_makes_the_cold_start_itself(
    tmp_path: Path, disc_config: Build, acquisition: str
) -> None:
    config = disc_config(data={"start": "none"}, query={"acquisition": acquisition})
    with Project.create(tmp_path / "p", config) as project:
        loop = Loop(project)
        query = loop.ask()

        assert (query.round, query.acquisition, query.model) == (1, "random", None)
        assert loop.ask() == query  # again while it is open
        assert project.config.query.acquisition == acquisition


def test_the_circle_closes_without_any_mask(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(
        data={"start": "none", "validation": 0, "test": []}, calibration={"method": "none"}
    )
    with Project.create(tmp_path / "p", config) as project:
        loop, oracle = Loop(project), MaskOracle(project.source)
        first = loop.ask()
        loop.tell(oracle.answer(item.region, 1) for item in first.items)
        loop.train()
        second = loop.ask()

        assert (second.round, second.acquisition) == (2, "predictive_entropy")
        assert second.model == "round_001.safetensors"


def test_answers_without_a_model_are_no_cold_start(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config(data={"start": "none"})) as project:
        loop, oracle = Loop(project), MaskOracle(project.source)
        query = loop.ask()
        loop.tell(oracle.answer(item.region, 1) for item in query.items)
        with pytest.raises(ProjectError, match="expected a model of round 1"):
            loop.ask()


def test_uncertainty_before_any_training_is_refused(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config(data={"start": "none"})) as project:
        with pytest.raises(ProjectError, match="expected a model"):
            Loop(project).ask(1, model_round=START)
        assert project.store.newest_query() is None
