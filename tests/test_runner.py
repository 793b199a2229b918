"""A grid of trials: paired, resumable after kill -9, failures as rows."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config, dump_config
from askmask.data.prepared import DatasetWriter
from askmask.errors import ConfigError, ProjectError, UnknownName
from askmask.experiments.run.grid import Trial, trials
from askmask.experiments.run.results import ResultRow
from askmask.experiments.run.runner import (
    FAILURE_NAME,
    PROGRESS_NAME,
    Job,
    collect,
    gallery_of_run,
    reached,
    read_progress,
    simulate,
)
from askmask.loop import train
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.query.score_histograms import POOL
from askmask.records import ClassMap, ImageInfo, Unit
from discs import SIDE, draw_discs

Build = Callable[..., Config]
TIMES = {"training_seconds", "scoring_seconds", "evaluation_seconds"}
START = "from askmask.cli.main import main; main()"


def without_times(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


def small_grid(build: Build, **grid: object) -> Config:
    return build(grid={"acquisitions": ["mutual_information"], "units": ["region"], **grid})


def test_trials_are_ordered_seed_by_seed(disc_config: Build) -> None:
    planned = trials(disc_config(grid={"seeds": [0, 1]}))
    assert [trial.seed for trial in planned] == [0] * 4 + [1] * 4
    assert len({trial.name for trial in planned}) == 8


def test_trial_changes_only_its_strategy_and_seed(disc_config: Build) -> None:
    config = disc_config()
    own = Trial("margin", Unit.IMAGE, 7).config(config)
    assert (own.query.acquisition, own.query.unit, own.seed) == ("margin", Unit.IMAGE, 7)
    assert own.training == config.training


def test_unknown_strategy_in_a_grid_is_refused_before_it_starts(disc_config: Build) -> None:
    with pytest.raises(UnknownName, match="no acquisition function 'entropyy'"):
        trials(disc_config(grid={"acquisitions": ["entropyy"]}))


def test_grid_leaves_one_table_with_every_trial_round_and_group(
    tmp_path: Path, disc_config: Build
) -> None:
    seen: list[tuple[str, str | None]] = []
    rows = simulate(
        disc_config(grid={"rounds": 1}),
        tmp_path / "run",
        on_trial=lambda trial, error: seen.append((trial.name, error)),
    )
    assert {row.trial for row in rows} == {name for name, _ in seen}
    assert {error for _, error in seen} == {None}
    assert {row.round for row in rows} == {0, 1}
    assert {row.split for row in rows} == {"validation", "testA", "testB", "test", POOL}
    scored = {(row.acquisition, row.round) for row in rows if row.metric == "asked_score"}
    assert scored == {("mutual_information", 1)}  # random has no score, round 0 no query
    assert {row.group for row in rows} == {"all", "even", "odd"}
    assert all(0 < row.labelled_fraction < 1 for row in rows)
    assert rows == collect(tmp_path / "run")


def test_trials_of_one_seed_are_equal_in_round_0(tmp_path: Path, disc_config: Build) -> None:
    rows = simulate(disc_config(grid={"rounds": 0}), tmp_path / "run")

    def scores(acquisition: str, unit: str) -> list[tuple[object, ...]]:
        own = [r for r in rows if (r.acquisition, r.unit) == (acquisition, unit)]
        return [(r.split, r.group, r.metric, r.bin, repr(r.value)) for r in own]

    expected = scores("random", "image")
    assert expected
    assert scores("mutual_information", "region") == expected


@pytest.fixture(scope="module")
def two_seeds(tmp_path_factory: pytest.TempPathFactory, disc_config: Build) -> Path:
    """A run of two seeds in one process; nothing writes to it."""
    out = tmp_path_factory.mktemp("two seeds") / "run"
    simulate(small_grid(disc_config, seeds=[0, 1], rounds=1), out)
    return out


def test_first_seed_leaves_pictures_of_what_was_asked(two_seeds: Path) -> None:
    pictures = gallery_of_run(two_seeds)
    assert {item.title for item in pictures} == {"mutual_information-region-seed0"}
    assert {item.round for item in pictures} == {1}


def test_models_of_earlier_rounds_are_deleted_unless_kept(
    tmp_path: Path, disc_config: Build, two_seeds: Path
) -> None:
    simulate(small_grid(disc_config, rounds=1, keep_models=True), tmp_path / "all")
    few, every = (
        sorted(path.name for path in run.glob("trials/*seed0/models/*.safetensors"))
        for run in (two_seeds, tmp_path / "all")
    )
    assert few == ["round_001.safetensors"]
    assert every == ["round_000.safetensors", "round_001.safetensors"]


@pytest.mark.slow
def test_workers_change_no_result(tmp_path: Path, disc_config: Build, two_seeds: Path) -> None:
    simulate(small_grid(disc_config, seeds=[0, 1], rounds=1, workers=2), tmp_path / "two")
    one, two = (without_times(run / "results.csv") for run in (two_seeds, tmp_path / "two"))
    assert one == two


def test_failed_trial_is_a_row_and_the_others_go_on(tmp_path: Path, disc_config: Build) -> None:
    config = disc_config(
        training={"learning_rate": 1e30, "steps": 30}, grid={"rounds": 1, "units": ["region"]}
    )
    rows = simulate(config, tmp_path / "run")
    failed = [row for row in rows if row.is_failure]
    # Each of the two trials has a row for its failed training and one for itself.
    assert [row.reason.split(" at ")[0] for row in failed[::2]] == ["the loss became nan"] * 2
    assert all("within 1 attempt(s)" in row.reason for row in failed[1::2])
    assert (tmp_path / "run" / "trials" / failed[0].trial / FAILURE_NAME).is_file()


def test_image_without_a_mask_to_answer_from_is_refused_before_anything_runs(
    tmp_path: Path, disc_config: Build
) -> None:
    with DatasetWriter(tmp_path / "data", ClassMap(("background", "disc")), "discs") as writer:
        for number in range(5):
            image, mask = draw_discs(number)
            info = ImageInfo(f"image_{number}", SIDE, SIDE, has_mask=number != 3)
            writer.add(info, image, mask if info.has_mask else None)
    data = {"path": str(tmp_path / "data"), "start": 1, "validation": 1, "test": []}

    with pytest.raises(ConfigError, match=r"found none of 1: 'image_3'\. Add their masks"):
        simulate(disc_config(data=data), tmp_path / "run")

    assert not (tmp_path / "run").exists()


def test_training_without_enough_memory_is_no_row_once_it_was_repeated(
    tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_grid(disc_config, seeds=[0], rounds=0)

    def refuse(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as starved:
        starved.setattr(train, "_train_to", refuse)
        rows = simulate(config, tmp_path / "run")
    assert [row.reason[:41] for row in rows] == ["OutOfMemory: expected more memory for tra"]

    rows = simulate(config, tmp_path / "run", resume=True)

    assert not any(row.is_failure for row in rows)
    assert without_times(tmp_path / "run" / "results.csv")


def test_run_in_a_used_folder_needs_resume(
    tmp_path: Path, disc_config: Build, two_seeds: Path
) -> None:
    config = small_grid(disc_config, seeds=[0, 1], rounds=1)
    with pytest.raises(ProjectError, match="Add --resume to go on"):
        simulate(config, two_seeds)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file.txt").touch()
    with pytest.raises(ProjectError, match="found other files"):
        simulate(config, tmp_path / "other")


def test_resume_with_other_settings_is_refused(disc_config: Build, two_seeds: Path) -> None:
    with pytest.raises(ProjectError, match="expected the settings of the run"):
        simulate(small_grid(disc_config, seeds=[0, 1], rounds=2), two_seeds, resume=True)


def test_resumed_finished_run_does_nothing_new(
    tmp_path: Path, disc_config: Build, two_seeds: Path
) -> None:
    shutil.copytree(two_seeds, tmp_path / "run")
    before = (tmp_path / "run" / "results.csv").read_bytes()
    config = small_grid(disc_config, seeds=[0, 1], rounds=1)
    assert simulate(config, tmp_path / "run", resume=True) == collect(two_seeds)
    assert (tmp_path / "run" / "results.csv").read_bytes() == before  # times and all


def test_collecting_where_no_run_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="found no config.yaml"):
        collect(tmp_path)


def test_trial_that_waits_for_the_first_round_of_its_seed_gets_further_with_it(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(grid={"seeds": [0, 1]})
    maker, waiting, other = (
        Job(trial, tmp_path / trial.name, tmp_path / "cache", config, gallery=False)
        for trial in (*trials(config)[:2], trials(config)[4])
    )
    steps = [
        {"round": 0, "phase": "train", "done": 3},
        {"round": 0, "phase": "train", "done": 4},
        {"round": 0, "phase": "evaluate", "done": 1},
        {"round": 1, "phase": "ask", "done": 0},
        {"phase": "finished"},
    ]
    maker.root.mkdir()
    marks = [reached(waiting)]
    for step in steps:
        (maker.root / PROGRESS_NAME).write_text(json.dumps(step), encoding="utf-8")
        marks.append(reached(waiting))

    assert marks[:5] == sorted(set(marks[:5]))
    assert marks[5] == marks[4]  # what the other one does then is its own
    assert reached(other) == marks[0]  # a trial of another seed


def test_progress_of_a_trial_that_has_not_started_is_empty(tmp_path: Path) -> None:
    assert read_progress(tmp_path, Trial("random", Unit.REGION, 0)) == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("round", "phase"),
    [
        pytest.param(1, "ask", marks=pytest.mark.long),
        (0, "train"),
        (2, "evaluate"),
        (0, "evaluate"),
        (1, "train"),
        (2, "train"),
    ],
)
def test_killed_run_resumed_equals_an_uninterrupted_one(
    tmp_path: Path, disc_config: Build, uninterrupted: list[dict[str, str]], round: int, phase: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(dump_config(killable(disc_config)), encoding="utf-8")
    out = tmp_path / "run"
    command = [sys.executable, "-c", START, "simulate", str(path), "--out", str(out), "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    trial = trials(killable(disc_config))[0]
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        report = read_progress(out, trial)
        if (report.get("round"), report.get("phase")) == (round, phase):
            break
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / "results.csv").exists() or without_times(out / "results.csv") == uninterrupted
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)
    assert without_times(out / "results.csv") == uninterrupted


def killable(build: Build) -> Config:
    return build(
        training={"steps": 40},
        grid={"acquisitions": ["mutual_information"], "units": ["region"], "rounds": 2},
    )


@pytest.fixture(scope="module")
def uninterrupted_rows() -> dict[str, list[dict[str, str]]]:
    return {}


@pytest.fixture
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory,
    disc_config: Build,
    uninterrupted_rows: dict[str, list[dict[str, str]]],
) -> list[dict[str, str]]:
    """Table of a run that nobody killed, made once."""
    if not uninterrupted_rows:
        out = tmp_path_factory.mktemp("whole") / "run"
        rows: list[ResultRow] = simulate(killable(disc_config), out)
        assert rows
        uninterrupted_rows["rows"] = without_times(out / "results.csv")
    return uninterrupted_rows["rows"]


def test_bounds_are_trials_of_every_grid_and_share_the_first_round(
    tmp_path: Path, disc_config: Build
) -> None:
    config = small_grid(disc_config, rounds=1, bounds=True)
    assert [trial.name for trial in trials(config)] == [
        "all_data-image-seed0",
        "start_set-image-seed0",
        "mutual_information-region-seed0",
    ]
    rows = simulate(config, tmp_path / "run")
    scores = {
        (row.acquisition, row.round, row.labelled_fraction): row.value
        for row in rows
        if (row.metric, row.split, row.group, row.class_name) == ("nll", "test", "all", "all")
    }
    assert len(scores) == 4
    fractions = {name: fraction for name, round, fraction in scores if round == 0}
    assert fractions == {"all_data": 1.0, "start_set": 1 / 3, "mutual_information": 1 / 3}
    start = [value for (name, round, _), value in scores.items() if round == 0]
    assert start[1] == start[2] != start[0]
    assert len(list((tmp_path / "run" / "cache").glob("*.safetensors"))) == 3


def test_models_and_budgets_are_variants_with_paired_starts(
    tmp_path: Path, disc_config: Build
) -> None:
    config = small_grid(
        disc_config,
        rounds=1,
        models={"narrow": {}, "wide": {"model.options": {"base_channels": 16, "depth": 2}}},
        budgets={
            "one": {"query.region.budget_regions": 1},
            "two": {"query.region.budget_regions": 2},
        },
    )
    rows = simulate(config, tmp_path / "run")
    regions = {(r.model, r.budget): r.regions - 2 for r in rows if r.round == 1}
    assert regions == {
        ("narrow", "one"): 1, ("narrow", "two"): 2, ("wide", "one"): 1, ("wide", "two"): 2
    }  # fmt: skip
    first = {
        (r.model, r.budget): r.value
        for r in rows
        if (r.round, r.metric, r.split, r.group) == (0, "nll", "test", "all")
    }
    assert first["narrow", "one"] == first["narrow", "two"] != first["wide", "one"]


def test_every_trial_of_a_seed_starts_from_the_same_images_and_weights(
    tmp_path: Path, disc_config: Build
) -> None:
    config = disc_config(
        grid={"acquisitions": ["random", "margin"], "units": ["image", "region"], "seeds": [0, 1]},
        training={"steps": 1},
    )
    starts: dict[int, set[object]] = {}
    for trial in trials(config):
        with Project.create(tmp_path / trial.name, trial.config(config)) as project:
            loop = Loop(project)
            loop.tell_start(MaskOracle(project.source))
            loop.train()
            weights = project.model_path(0).read_bytes()
            tensors = weights[
                8 + int.from_bytes(weights[:8], "little") :
            ]  # times are in the header
            starts.setdefault(trial.seed, set()).add((project.roles.start, tensors))
    assert [len(found) for found in starts.values()] == [1, 1]
    assert starts[0] != starts[1]


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"options": {"margin": {}}}, "grid.options, got some for"),
        ({"models": {"a b": {}}}, "in a name of grid.models"),
        ({"budgets": {"a": {"seed": 3}}}, "grid.budgets.a, got"),
        ({"options": {"mutual_information": {"beta": 2}}}, "has no options"),
        ({"models": {"a": {"model.nam": "unet"}}}, "unknown key"),
    ],
)
def test_grid_that_makes_no_sense_is_refused(
    disc_config: Build, grid: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        trials(small_grid(disc_config, **grid))
