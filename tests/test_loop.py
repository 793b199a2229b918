"""The loop's verbs: what they keep, what they repeat, and that resuming changes nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from askmask.config import Config
from askmask.errors import ConfigError, ProjectError, TrainingFailed, UnknownName
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.progress import Progress
from askmask.runtime.cache import Cache

Build = Callable[..., Config]


def run(project: Project, rounds: int, **options: object) -> Loop:
    loop = Loop(project, **options)  # type: ignore[arg-type]
    assert list(loop.run(MaskOracle(project.source), rounds)) == list(range(rounds + 1))
    return loop


def table(project: Project) -> list[tuple[object, ...]]:
    """All metrics but the times."""
    return [
        (r, m.split, m.group, m.class_name, m.metric, m.bin, repr(m.value), m.count)
        for r in range(5)
        for m in project.store.metrics(r)
        if m.metric != "evaluation_seconds"
    ]


@pytest.mark.parametrize("unit", ["region", "image"])
@pytest.mark.parametrize("acquisition", ["random", "mutual_information", "variation_ratio"])
def test_every_strategy_asks_new_pixels_in_each_round(
    tmp_path: Path, disc_config: Build, unit: str, acquisition: str
) -> None:
    config = disc_config(query={"acquisition": acquisition, "unit": unit})
    with Project.create(tmp_path / "p", config) as project:
        run(project, 2)
        costs = project.store.costs()
        assert [cost.round for cost in costs] == [0, 1, 2]
        assert all(cost.new_pixels > 0 for cost in costs)
        total = sum(cost.new_pixels for cost in costs)
        assert total == project.store.labelled_pixels()


def test_regions_asked_never_overlap_each_other_or_what_was_known(
    tmp_path: Path, disc_config: Build
) -> None:
    with Project.create(tmp_path / "p", disc_config()) as project:
        run(project, 2)
        for round in (1, 2):
            query = project.store.query(round)
            assert query is not None
            regions = [item.region for item in query.items]
            assert not any(a.overlaps(b) for a in regions for b in regions if a is not b)


def test_run_equals_the_same_steps_by_hand(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config()
    with Project.create(tmp_path / "run", config) as project:
        run(project, 1)
        expected = table(project)
    with Project.create(tmp_path / "hand", config) as project:
        loop, oracle = Loop(project), MaskOracle(project.source)
        loop.tell_start(oracle)
        loop.train()
        loop.evaluate()
        query = loop.ask()
        loop.tell([oracle.answer(item.region, query.round) for item in query.items])
        loop.train()
        loop.evaluate()
        assert table(project) == expected


def test_run_stopped_between_rounds_and_resumed_equals_one_run(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config()
    with Project.create(tmp_path / "whole", config) as project:
        run(project, 2)
        expected = table(project)
    with Project.create(tmp_path / "parts", config) as project:
        run(project, 1)
    with Project.open(tmp_path / "parts") as project:
        run(project, 2)
        assert table(project) == expected


def test_repeated_verbs_do_nothing_twice(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config()) as project:
        loop = run(project, 0)
        assert loop.train() == loop.train()
        assert len(project.store.trainings()) == 1
        assert loop.evaluate() == loop.evaluate()
        assert loop.ask() == loop.ask()
        assert loop.tell_start(MaskOracle(project.source)) == 0


def test_new_answers_in_a_round_train_its_model_again(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config()) as project:
        loop = run(project, 0)
        oracle = MaskOracle(project.source)
        query = loop.ask()
        loop.tell([oracle.answer(query.items[0].region, 1)])
        half = loop.train()
        loop.evaluate()
        loop.tell([oracle.answer(item.region, 1) for item in query.items[1:]])
        whole = loop.train()
        assert half.labelled_digest != whole.labelled_digest
        rows = {m.metric: m.value for m in loop.evaluate() if m.split == "test"}
        assert (
            rows["nll"]
            == {m.metric: m.value for m in project.store.metrics(1) if m.split == "test"}["nll"]
        )


def test_shared_trainings_change_no_result(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config()
    tables = []
    for name, cache in (("a", None), ("b", Cache(tmp_path / "c")), ("c", Cache(tmp_path / "c"))):
        with Project.create(tmp_path / name, config) as project:
            run(project, 1, cache=cache)
            tables.append(table(project))
    assert tables[0] == tables[1] == tables[2]


def test_same_seed_starts_from_the_same_model_whatever_the_strategy(
    tmp_path: Path, disc_config: Build
) -> None:
    digests = []
    for acquisition in ("random", "margin"):
        config = disc_config(query={"acquisition": acquisition})
        with Project.create(tmp_path / acquisition, config) as project:
            run(project, 0)
            digests.append(table(project))
    assert digests[0] == digests[1]


def test_other_seed_gives_another_start(tmp_path: Path, disc_config: Build) -> None:
    tables = []
    for seed in (0, 1):
        with Project.create(tmp_path / str(seed), disc_config(seed=seed)) as project:
            run(project, 0)
            tables.append(table(project))
    assert tables[0] != tables[1]


def test_asking_before_training_says_what_to_do(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config()) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        with pytest.raises(ProjectError, match="expected a model of round 0 .* Train it first"):
            loop.ask()


def test_training_without_labels_says_what_to_do(tmp_path: Path, disc_config: Build) -> None:
    with (
        Project.create(tmp_path / "p", disc_config()) as project,
        pytest.raises(ProjectError, match="expected at least one labelled image"),
    ):
        Loop(project).train()


def test_empty_pool_ends_with_a_message(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(query={"unit": "image", "image": {"budget_images": 4}})
    with Project.create(tmp_path / "p", config) as project:
        loop = run(project, 1)
        with pytest.raises(ProjectError, match="expected unlabelled pixels in the pool"):
            loop.ask()


def test_unknown_strategy_is_refused_before_anything_happens(
    tmp_path: Path, disc_config: Build
) -> None:
    with (
        Project.create(tmp_path / "p", disc_config(query={"acquisition": "bald"})) as project,
        pytest.raises(UnknownName, match="mutual_information"),
    ):
        Loop(project)


def test_strategy_that_needs_more_samples_is_refused_before_anything_happens(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(query={"acquisition": "mutual_information"}, sampling={"samples": 1})
    with (
        Project.create(tmp_path / "p", config) as project,
        pytest.raises(ConfigError, match="expected at least 2 samples for 'mutual_information'"),
    ):
        Loop(project)


def test_diverged_training_is_recorded_and_repeated_only_by_the_rule(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(training={"learning_rate": 1e30, "steps": 30, "restart": {"attempts": 2}})
    with Project.create(tmp_path / "p", config) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        with pytest.raises(TrainingFailed, match=r"within 2 attempt\(s\)"):
            loop.train()
        records = project.store.trainings()
        assert [record.status for record in records] == ["failed", "failed"]
        assert [record.attempt for record in records] == [0, 1]
        assert all(record.reason for record in records)


def test_ensemble_members_train_and_score(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(sampling={"method": "ensemble", "members": 2})
    with Project.create(tmp_path / "p", config) as project:
        run(project, 1)
        assert project.model_path(1, 1).is_file()
        a, b = (project.model_path(1, m).read_bytes() for m in (0, 1))
        assert a != b


def test_warm_start_trains_another_model_than_a_fresh_one(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(training={"start_from": "previous"})
    with Project.create(tmp_path / "p", config) as project:
        run(project, 1)
        fresh = disc_config()
    with Project.create(tmp_path / "q", fresh) as other:
        run(other, 1)
        with Project.open(tmp_path / "p") as project:
            assert table(project) != table(other)


def test_progress_reaches_its_total_in_every_phase(tmp_path: Path, disc_config: Build) -> None:
    seen: dict[tuple[int, str], Progress] = {}
    with Project.create(tmp_path / "p", disc_config()) as project:
        run(project, 1, on_progress=lambda p: seen.__setitem__((p.round, p.phase), p))
    expected = {(0, "train"), (0, "evaluate"), (1, "ask"), (1, "train"), (1, "evaluate")}
    assert set(seen) == expected
    assert all(progress.done == progress.total for progress in seen.values())


def test_score_map_seen_later_is_the_one_that_the_query_saw(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(query={"unit": "image", "acquisition": "predictive_entropy"})
    with Project.create(tmp_path / "p", config) as project:
        loop = run(project, 0)
        query = loop.ask()
        item = query.items[0]
        score = loop.score_map(item.region.image_id, 1)
        assert score is not None
        assert item.score == pytest.approx(float(score.astype(np.float64).sum()), rel=1e-6)


def test_project_moves_with_its_images(tmp_path: Path, disc_config: Build) -> None:
    import shutil

    config = disc_config()
    here = tmp_path / "here"
    here.mkdir()
    shutil.copytree(config.data.path, here / "images")
    moved = disc_config(data={**config.data.model_dump(mode="json"), "path": str(here / "images")})
    with Project.create(here / "p", moved) as project:
        run(project, 0)
        expected = table(project)
    here.rename(tmp_path / "there")
    with Project.open(tmp_path / "there" / "p") as project:
        assert table(project) == expected
        run(project, 1)


def test_second_project_in_a_folder_is_refused(tmp_path: Path, disc_config: Build) -> None:
    Project.create(tmp_path / "p", disc_config()).close()
    with pytest.raises(ProjectError, match="expected no project in"):
        Project.create(tmp_path / "p", disc_config())


def test_missing_project_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="askmask init"):
        Project.open(tmp_path)
