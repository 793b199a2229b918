"""Asking with and without recalibration: what is compared, and that nothing is kept of it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from askmask.calibration import LogitScaling
from askmask.cli.main import app
from askmask.config import Config
from askmask.errors import ProjectError
from askmask.loop.calibrate import fit_recalibration
from askmask.loop.calibration_file import save_recalibration
from askmask.loop.compare_queries import compare_queries, shared_pixels
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.records import Region

Build = Callable[..., Config]
CPU = torch.device("cpu")


@pytest.fixture
def opened(tmp_path: Path, trained_discs: Callable[..., Path]):
    trained = trained_discs(query={"acquisition": "mutual_information"})
    with Project.open(shutil.copytree(trained, tmp_path / "p")) as project:
        yield project


def recalibrate(project: Project, temperature: float) -> None:
    stored = fit_recalibration(project.model(0), "temperature")
    scaling = LogitScaling.of_temperature(temperature, 2)
    path = project.recalibration_path(0)
    save_recalibration(path, replace(stored, judge=scaling, sampler=scaling, folds=()))


def test_shared_pixels_of_a_case_worked_by_hand(opened: Project) -> None:
    # 4 x 4 and 2 x 2 pixels; half of the first is covered, and nothing of the second.
    name, other = opened.roles.pool[:2]
    first = (Region(name, 0, 0, 4, 4), Region(other, 0, 0, 2, 2))
    covering = (Region(name, 0, 2, 8, 8), Region(name, 1, 2, 3, 3), Region(other, 9, 9, 2, 2))
    assert shared_pixels(opened, first, covering) == 8 / 20
    assert shared_pixels(opened, first, first) == 1
    assert shared_pixels(opened, first, ()) == 0


def test_recalibration_that_changes_nothing_asks_the_same(opened: Project) -> None:
    recalibrate(opened, 1.0)
    found = compare_queries(opened.model(0))
    assert (found.regions, found.same_regions, found.shared) == (3, 3, 1)
    assert found.pixels == 3 * 24 * 24
    assert 0 <= found.shared_by_chance <= 1


def test_comparison_asks_as_the_loop_would_and_keeps_nothing(opened: Project) -> None:
    recalibrate(opened, 20.0)
    found = compare_queries(opened.model(0))
    assert opened.store.newest_query() is None
    assert opened.config.calibration.asking
    with_map = {item.region for item in Loop(opened).propose(1).items}
    opened.recalibration_path(0).unlink()
    without = [item.region for item in Loop(opened).propose(1).items]
    assert found.same_regions == len(with_map & set(without))
    assert found.shared == shared_pixels(opened, without, tuple(with_map))


def test_asking_can_be_left_to_the_samples_as_they_are(opened: Project) -> None:
    image = opened.source.read_image(opened.roles.pool[0])
    names = {"seed": 0, "round": 0, "image_id": "a", "boundary": False}
    before = opened.model(0).sampler.predict(image, **names).sums.sum_entropy
    recalibrate(opened, 5.0)
    assert not torch.equal(opened.model(0).sampler.predict(image, **names).sums.sum_entropy, before)
    calibration = opened.config.calibration.model_copy(update={"asking": False})
    opened.config = opened.config.model_copy(update={"calibration": calibration})
    assert torch.equal(opened.model(0).sampler.predict(image, **names).sums.sum_entropy, before)


def test_comparison_without_map_or_by_random_is_refused(
    opened: Project, tmp_path: Path, disc_config: Build
) -> None:
    with pytest.raises(ProjectError, match="expected a recalibration of round 0"):
        compare_queries(opened.model(0))
    query = opened.config.query.model_copy(update={"acquisition": "random"})
    opened.config = opened.config.model_copy(update={"query": query})
    with pytest.raises(ProjectError, match="got 'random', which no recalibration changes"):
        compare_queries(opened.model(0))


def test_calibrate_tells_whether_other_regions_would_be_asked(opened: Project) -> None:
    words = ["calibrate", str(opened.root), "--compare-query"]
    text = CliRunner().invoke(app, words, catch_exceptions=False).stdout
    assert "Asked by mutual_information with and without" in " ".join(text.split())
    facts = json.loads(CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False).stdout)
    assert facts["query"]["regions"] == 3
