"""Several runs of one benchmark become one table, or a clear refusal."""

import doctest
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.cli import watching
from askmask.config import Config, dump_config
from askmask.errors import ProjectError
from askmask.experiments.report.written import write_merged_report
from askmask.experiments.run.merge import Run, merge, read_run
from askmask.experiments.run.results import ResultRow, read_results, write_results
from result_rows import row

Build = Callable[..., Config]


def run_of(config: Config, rows: list[ResultRow], name: str = "a") -> Run:
    return Run(Path(name), config, rows)


def scores(seed: int, **changes: object) -> list[ResultRow]:
    return [row(seed=seed, round=r, metric="nll", **changes) for r in (0, 1)]


def test_seeds_of_two_runs_become_one_table(disc_config: Build) -> None:
    first = run_of(disc_config(grid={"seeds": [0]}), scores(0))
    other = run_of(disc_config(grid={"seeds": [1], "workers": 2}, threads=2), scores(1), "b")
    assert merge([first, other]) == [*scores(0), *scores(1)]


def test_trial_of_both_runs_is_kept_once_whatever_time_it_took(disc_config: Build) -> None:
    config = disc_config()
    runs = [run_of(config, scores(0, training_seconds=t), str(t)) for t in (1.0, 2.0)]
    assert merge(runs) == scores(0, training_seconds=1.0)


def test_trial_with_other_results_is_refused(disc_config: Build) -> None:
    config = disc_config()
    runs = [run_of(config, scores(0, value=v), f"run{v}") for v in (0.5, 0.25)]
    with pytest.raises(ProjectError, match="same results of trial 'random-region-seed0' in 'run0"):
        merge(runs)


def test_finished_trial_takes_the_place_of_a_failed_one(disc_config: Build) -> None:
    failed = [row(status="failed", reason="killed", metric="")]
    runs = [run_of(disc_config(), failed), run_of(disc_config(), scores(0), "b")]
    assert merge(runs) == merge(runs[::-1]) == scores(0)


def test_other_settings_are_refused_by_name(disc_config: Build) -> None:
    runs = [run_of(disc_config(), scores(0)), run_of(disc_config(training={"steps": 9}), [], "b")]
    with pytest.raises(ProjectError, match=r"of 'a' and 'b' differ:\n  training.steps: 6 and 9"):
        merge(runs)


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        ({"models": {"m": {}}}, {"models": {"m": {"model.name": "x"}}}, "'m' in grid.models"),
        ({}, {"options": {"random": {"beta": 2}}}, "'random' in grid.options"),
    ],
)
def test_one_name_for_two_things_is_refused(
    disc_config: Build, ours: dict[str, object], theirs: dict[str, object], message: str
) -> None:
    runs = [run_of(disc_config(grid=ours), []), run_of(disc_config(grid=theirs), [], "b")]
    with pytest.raises(ProjectError, match=f"expected one meaning of {message}"):
        merge(runs)


def test_other_images_are_refused(disc_config: Build) -> None:
    runs = [run_of(disc_config(), scores(0)), run_of(disc_config(), scores(1, count=101), "b")]
    with pytest.raises(ProjectError, match="all of test has 100 pixels in 'a' and 101 in 'b'"):
        merge(runs)


def test_compare_writes_table_and_report_into_an_empty_folder(
    tmp_path: Path, disc_config: Build
) -> None:
    for seed in (0, 1):
        run = tmp_path / f"run{seed}"
        run.mkdir()
        config = disc_config(grid={"seeds": [seed]})
        (run / "config.yaml").write_text(dump_config(config), encoding="utf-8")
        write_results(run / "results.csv", scores(seed))
    paths, out = [tmp_path / "run0", tmp_path / "run1"], tmp_path / "out"
    write_merged_report(paths, out)
    merged = read_results(out / "results.csv")
    assert [(r.seed, r.round) for r in merged] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (out / "report.html").is_file()
    with pytest.raises(ProjectError, match="expected an empty folder"):
        write_merged_report(paths, out)


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="expected a run in"):
        read_run(tmp_path)


def test_time_left_counts_what_was_done_since_it_is_watched() -> None:
    clock = watching.TimeLeft(100)
    assert clock.text(90.0, 5.0) == ""
    assert clock.text(90.0, 9.0) == ""
    assert clock.text(95.0, 3605.0) == "about 60 min left"
    assert clock.text(92.0, 3605.0) == "about 4.0 h left"
    assert clock.text(99.99, 3605.0) == "less than 1 min left"
    assert clock.text(100.0, 3605.0) == ""


def test_examples_run() -> None:
    assert doctest.testmod(watching).failed == 0
