"""How many samples are worth it: one stream, judged at several T."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from askmask.config import Config
from askmask.errors import ConfigError
from askmask.experiments.run.samples_study import study_sample_counts
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project

Build = Callable[..., Config]
CPU = torch.device("cpu")


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Project:
    project = Project.create(tmp_path / "p", disc_config(evaluation={"samples": 3}))
    assert list(Loop(project).run(MaskOracle(project.source), 0)) == [0]
    return project


def test_mean_of_all_samples_is_judged_as_the_loop_judges_it(project: Project) -> None:
    rows = study_sample_counts(project.model(0), [3])
    loop = {
        (m.split, m.metric): m.value
        for m in project.store.metrics(0)
        if (m.group, m.class_name) == ("all", "all") and m.bin is None
    }
    compared = [r for r in rows if r.metric in {"nll", "brier", "ece", "mean_dice"}]
    assert len(compared) == 12
    for row in compared:
        assert row.value == pytest.approx(loop[row.split, row.metric], abs=1e-5)


def test_every_count_has_every_metric_on_every_part(project: Project) -> None:
    rows = study_sample_counts(project.model(0), [1, 2, 4])
    assert {(row.split, row.samples) for row in rows} == {
        (split, count) for split in ("validation", "testA", "testB") for count in (1, 2, 4)
    }
    assert all(row.images == 2 for row in rows)


def test_more_samples_take_more_time(project: Project) -> None:
    rows = study_sample_counts(project.model(0), [1, 8], acquisition="predictive_entropy")
    seconds = {(r.split, r.samples): r.value for r in rows if r.metric == "seconds"}
    assert seconds["testA", 8] > seconds["testA", 1] > 0


def test_scores_agree_with_themselves_at_the_largest_count(project: Project) -> None:
    rows = study_sample_counts(project.model(0), [2, 5])
    own = [r.value for r in rows if r.metric == "rank_correlation" and r.samples == 5]
    assert own == pytest.approx([1.0] * 3)


@pytest.mark.parametrize("counts", [[], [0, 3]])
def test_impossible_counts_are_refused(project: Project, counts: list[int]) -> None:
    with pytest.raises(ConfigError, match="expected numbers of samples >= 1"):
        study_sample_counts(project.model(0), counts)


def test_study_without_images_to_judge_on_says_so(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(data={"validation": 0, "test": []})
    with (
        Project.create(tmp_path / "q", config) as project,
        pytest.raises(ConfigError, match="found none. Set data.validation or data.test"),
    ):
        study_sample_counts(project.model(0), [1])
