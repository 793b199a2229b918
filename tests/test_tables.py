"""The report's tables hold the numbers of the results table, ready to read."""

import math

import pytest

from askmask.experiments.curves import METRICS
from askmask.experiments.tables import (
    areas,
    class_dice,
    comparison_table,
    costs_and_times,
    failures,
    final_scores,
    interval_text,
)
from askmask.experiments.verdict import compare
from result_rows import curves, row

F1 = METRICS["object_f1"]
TWO = {"random-region": [[0.1, 0.6], [0.2, 0.8]], "margin-region": [[0.1, 0.7], [0.2, 0.9]]}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.6, 0.8], "0.700 ± 1.271"),
        ([0.6], "0.600"),
        ([80.0, 90.0], "85.0 ± 63.5"),
        ([math.nan, 0.6], "–"),  # noqa: RUF001
        ([math.inf, 0.6], "∞"),
        ([], "–"),  # noqa: RUF001
    ],
)
def test_interval_reads_as_mean_and_half_width(values: list[float], text: str) -> None:
    assert interval_text(values) == text


def test_final_scores_are_those_of_the_last_round() -> None:
    rows = curves(TWO) + curves({"random-region": [[0.4, 0.3]]}, metric="brier")
    table = final_scores(rows, "test", "all")
    assert table.headings == (
        "Strategy",
        "Round",
        "n",
        "Labelled fraction",
        "Object F1 ↑",
        "Brier score ↓",
    )
    assert table.cells == (
        ("random · regions", "1", "2", "0.200", "0.700 ± 1.271", "0.300"),
        ("margin · regions", "1", "2", "0.200", "0.800 ± 1.271", "–"),  # noqa: RUF001
    )


def test_final_scores_leave_out_a_strategy_without_the_metrics_that_are_shown() -> None:
    rows = [row(), row(acquisition="margin", metric="mean_dice", value=math.nan)]
    assert [cells[0] for cells in final_scores(rows, "test", "all").cells] == ["random · regions"]


def test_area_and_cost_to_reach_worked_by_hand() -> None:
    # random: areas 0.35 and 0.5; 95 % of the best mean 0.8 is 0.76: seed 0 stays below, seed 1
    # rises from 0.2 to 0.8; margin: areas 0.4, 0.55; seed 0 stays below
    table = areas(curves(TWO), F1, "test")
    assert table is not None
    assert table.headings == (
        "Strategy",
        "n",
        "AUBC over 0.100 to 0.200",
        "Labelled fraction to reach 0.760",
    )
    assert table.cells == (
        ("random · regions", "2", "0.425 ± 0.953", "reached by 1 of 2"),
        ("margin · regions", "2", "0.475 ± 0.953", "reached by 1 of 2"),
    )


def test_cost_that_every_seed_reaches_is_a_mean_and_one_that_none_reaches_is_told() -> None:
    rows = curves({"random-region": [[0.1, 0.2]], "margin-region": [[0.0, 1.0]]})
    table = areas(rows, F1, "test")
    assert table is not None
    assert [cells[-1] for cells in table.cells] == ["not reached", "0.195"]  # 0.1 + 0.95 x 0.1


def test_loss_has_an_area_and_no_score_to_reach() -> None:
    table = areas(curves(TWO, metric="brier"), METRICS["brier"], "test")
    assert table is not None
    assert table.headings == ("Strategy", "n", "AUBC over 0.100 to 0.200")


def test_one_round_has_no_area() -> None:
    assert areas([row()], F1, "test") is None


def test_comparison_tells_span_seeds_interval_and_outcome() -> None:
    table = comparison_table(compare(curves(TWO), F1, "test"))
    assert table.caption == "Object F1, higher is better"
    assert table.cells == (
        (
            "margin · regions − random · regions",  # noqa: RUF001
            "0.100 to 0.200",
            "2",
            "+0.0500 (+0.0500 to +0.0500)",
            "too few seeds",
        ),
    )


def test_comparison_of_one_seed_has_no_interval_and_a_minus_is_a_minus() -> None:
    rows = curves({"random-region": [[0.1, 0.4]], "margin-region": [[0.1, 0.2]]})
    (cells,) = comparison_table(compare(rows, F1, "test")).cells
    assert cells[3] == "−0.1000"  # noqa: RUF001


def test_comparison_without_a_shared_range_has_dashes() -> None:
    rows = [row(), row(acquisition="margin")]
    (cells,) = comparison_table(compare(rows, F1, "test")).cells
    assert cells[1:] == ("–", "0", "–", "nothing to compare")  # noqa: RUF001


def test_costs_are_of_the_last_round_and_seconds_per_round() -> None:
    rows = [
        row(regions=0, images=2, boundary_length=50, training_seconds=10.0),
        row(metric="brier", regions=0, images=2, boundary_length=50, training_seconds=10.0),
        row(
            round=1,
            labelled_pixels=3000,
            regions=7,
            images=4,
            boundary_length=90,
            training_seconds=20.0,
            scoring_seconds=3.0,
        ),
        row(seed=1, round=1, labelled_pixels=4000, regions=7, images=6, boundary_length=110),
    ]
    assert costs_and_times(rows).cells == (
        ("random · regions", "1", "2", "3,500", "7", "5", "100", "15.0", "3.0", "–"),  # noqa: RUF001
    )


def test_no_failure_has_no_table() -> None:
    assert failures(curves(TWO)) is None


def test_failure_is_told_with_its_reason() -> None:
    failed = row(metric="", status="failed", reason="loss was nan at step 3", round=2, seed=1)
    table = failures([*curves(TWO), failed])
    assert table is not None
    assert table.cells == (("random-region-seed1", "2", "loss was nan at step 3"),)


def test_trial_that_stopped_without_a_reason_is_told_too() -> None:
    table = failures(curves({"random-region": [[0.1, 0.2], [0.3]]}))
    assert table is not None
    assert table.cells == (
        ("random-region-seed1", "0", "stopped after this round; no reason in the table"),
    )


def test_failed_trial_is_told_once_though_it_stopped_early() -> None:
    failed = row(metric="", status="failed", reason="killed", round=1, seed=1)
    table = failures([*curves({"random-region": [[0.1, 0.2], [0.3]]}), failed])
    assert table is not None
    assert table.cells == (("random-region-seed1", "1", "killed"),)


def test_two_classes_need_no_table_by_class() -> None:
    rows = [row(metric="dice", class_name=name) for name in ("background", "gland")]
    assert class_dice(rows, "test") is None


def test_dice_of_each_class_is_that_of_the_last_round() -> None:
    rows = [
        row(metric="dice", class_name=name, round=round_, value=value + round_ / 10)
        for name, value in (("land", 0.5), ("water", 0.6), ("road", 0.1))
        for round_ in (0, 1)
    ]
    rows.append(row(metric="dice", class_name="land", acquisition="margin"))
    table = class_dice(rows, "test")
    assert table is not None
    assert table.headings == ("Strategy", "land", "water", "road")
    assert table.cells == (
        ("random · regions", "0.600", "0.700", "0.200"),
        ("margin · regions", "0.500", "–", "–"),  # noqa: RUF001
    )
