"""The results table keeps every value, and says which cell is wrong."""

import dataclasses
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.errors import ProjectError
from askmask.experiments.run.results import (
    COLUMNS,
    ResultRow,
    read_results,
    seconds_of_steps,
    write_results,
)

ROW = ResultRow(
    trial="random-region-seed0",
    dataset="drawn",
    model="unet",
    acquisition="random",
    unit="region",
    seed=0,
    round=2,
    split="test",
    group="all",
    class_name="gland",
    metric="dice",
    value=0.1 + 0.2,
    count=40,
    labelled_pixels=1200,
    labelled_fraction=1 / 3,
    regions=7,
    images=3,
    boundary_length=91,
    contour_length=71.5,
    clicks=12,
    modelled_seconds=36.25,
    measured_seconds=30.5,
    training_seconds=12.5,
)
FAILURE = dataclasses.replace(
    ROW,
    status="failed",
    reason='loss became nan at step 4,\r\n"as logged"\r',
    split="",
    group="",
    class_name="",
    metric="",
    value=math.nan,
    count=0,
)


def same(left: ResultRow, right: ResultRow) -> bool:
    return repr(left) == repr(right)  # as ==, but NaN equals NaN


def test_headings_are_the_fixed_columns() -> None:
    assert COLUMNS == (
        "trial", "dataset", "model", "budget", "acquisition", "unit", "seed", "round", "status",
        "reason",
        "split", "group", "class", "metric", "bin", "value", "count", "labelled_pixels",
        "labelled_fraction", "regions", "images", "boundary_length", "contour_length", "clicks",
        "modelled_seconds", "measured_seconds", "training_seconds",
        "scoring_seconds", "evaluation_seconds",
    )  # fmt: skip


def test_first_line_of_the_file_is_the_headings(tmp_path: Path) -> None:
    write_results(tmp_path / "results.csv", [])
    assert (tmp_path / "results.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_table_reads_back_as_written(tmp_path: Path) -> None:
    rows = [ROW, dataclasses.replace(ROW, metric="reliability_accuracy", bin=0), FAILURE]
    write_results(tmp_path / "results.csv", rows)
    assert repr(read_results(tmp_path / "results.csv")) == repr(rows)


def test_rows_that_were_read_share_what_repeats(tmp_path: Path) -> None:
    write_results(tmp_path / "results.csv", [ROW, dataclasses.replace(ROW, value=0.25)])
    first, second = read_results(tmp_path / "results.csv")
    assert first.trial is second.trial  # a million rows with copies of their own take gigabytes
    assert first.labelled_fraction is second.labelled_fraction
    assert (first.value, second.value) == (ROW.value, 0.25)


def test_default_row_has_no_measurement() -> None:
    row = ResultRow(
        trial="t", dataset="d", model="m", acquisition="a", unit="image", seed=1, round=0
    )
    assert (row.metric, row.count, row.bin, row.is_failure) == ("", 0, None, False)
    assert math.isnan(row.value)


def test_failed_row_is_a_failure() -> None:
    assert FAILURE.is_failure
    assert not ROW.is_failure


@settings(max_examples=40, deadline=None)
@given(
    value=st.floats(),
    count=st.integers(0, 2**62),
    reason=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    bin_=st.none() | st.integers(0, 99),
)
def test_any_value_survives_the_file(
    tmp_path_factory: pytest.TempPathFactory,
    value: float,
    count: int,
    reason: str,
    bin_: int | None,
) -> None:
    path = tmp_path_factory.mktemp("table") / "results.csv"
    row = dataclasses.replace(ROW, value=value, count=count, reason=reason, bin=bin_)
    write_results(path, [row])
    assert same(read_results(path)[0], row)


def test_lone_carriage_return_in_a_reason_ends_no_line(tmp_path: Path) -> None:
    row = dataclasses.replace(FAILURE, reason="step 1\rstep 2")
    write_results(tmp_path / "results.csv", [row, row])
    assert repr(read_results(tmp_path / "results.csv")) == repr([row, row])


def test_interrupted_write_keeps_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [ROW])
    before = path.read_bytes()

    def interrupted() -> object:
        yield ROW
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_results(path, interrupted())  # type: ignore[arg-type]
    assert path.read_bytes() == before


def test_missing_table_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"found no file .*results\.csv'\. Make one"):
        read_results(tmp_path / "results.csv")


def test_wrong_heading_names_what_is_missing_and_unknown(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text(",".join(COLUMNS).replace("metric", "score") + "\n")
    with pytest.raises(ProjectError, match=r"missing \['metric'\], unknown \['score'\]"):
        read_results(path)


def test_empty_file_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "results.csv").touch()
    with pytest.raises(ProjectError, match="expected the headings trial, dataset"):
        read_results(tmp_path / "results.csv")


def test_wrong_value_names_line_column_and_cell(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [ROW, ROW])
    path.write_text(path.read_text().replace(",1200,", ",many,"))
    with pytest.raises(
        ProjectError,
        match=r"expected a whole number in column 'labelled_pixels', line 2 of .* got 'many'",
    ):
        read_results(path)


def test_unknown_status_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [dataclasses.replace(ROW, status="skipped")])
    with pytest.raises(ProjectError, match="expected 'finished' or 'failed' .* got 'skipped'"):
        read_results(path)


def test_line_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_results(path, [ROW])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ProjectError, match=r"expected 29 cells in line 2 of .*, got"):
        read_results(path)


def test_seconds_of_steps_count_each_round_of_each_trial_once() -> None:
    rows = [
        dataclasses.replace(ROW, trial="a", round=0, training_seconds=10.0),
        dataclasses.replace(ROW, trial="a", round=0, training_seconds=10.0, metric="ece"),
        dataclasses.replace(ROW, trial="a", round=1, training_seconds=4.0, scoring_seconds=2.5),
        dataclasses.replace(ROW, trial="b", round=0, training_seconds=3.0, evaluation_seconds=1.0),
        dataclasses.replace(ROW, trial="b", round=1, status="failed", training_seconds=99.0),
    ]
    assert seconds_of_steps(rows) == {"training": 17.0, "scoring": 2.5, "evaluating": 1.0}
