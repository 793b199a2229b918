"""The report's tables hold the numbers of the results table, ready to read."""

import math

import pytest

from askmask.experiments.report.tables import (
    Table,
    areas,
    class_dice,
    comparison_tables,
    costs_and_times,
    failures,
    final_scores,
    interval_text,
)
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import analyse
from askmask.experiments.stats.measures import METRICS, Metric
from askmask.experiments.stats.verdict import compare_strategies
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


def table_of_areas(rows: list[ResultRow], metric: Metric = F1) -> Table:
    analysis = analyse(rows, metric, "test")
    assert analysis is not None
    return areas(analysis)


def test_area_and_cost_to_reach_worked_by_hand() -> None:
    # random: areas 0.35 and 0.5; 95 % of the best mean 0.8 is 0.76: seed 0 stays below, seed 1
    # rises from 0.2 to 0.8, 0.56 / 0.6 of the way: 0.193; margin: areas 0.4, 0.55; seed 0 stays
    # below, seed 1 rises from 0.2 to 0.9: 0.56 / 0.7 of the way: 0.18
    table = table_of_areas(curves(TWO))
    assert table.headings == ("Strategy", "n", "AUBC over 0.100 to 0.200", "Cost to reach 0.760")
    assert table.cells == (
        ("random · regions", "2", "0.425 ± 0.953", "1 of 2, first at 0.193"),
        ("margin · regions", "2", "0.475 ± 0.953", "1 of 2, first at 0.180"),
    )


def test_ranks_are_told_from_three_seeds_on() -> None:
    three = {name: [*own, own[0]] for name, own in TWO.items()}
    table = table_of_areas(curves(three))
    assert table.headings[3] == "Rank (95 % of resampled seeds)"
    assert [cells[3] for cells in table.cells] == ["2.0 (2 to 2)", "1.0 (1 to 1)"]


def test_cost_that_every_seed_reaches_is_a_mean_and_one_that_none_reaches_is_told() -> None:
    table = table_of_areas(curves({"random-region": [[0.1, 0.2]], "margin-region": [[0.0, 1.0]]}))
    assert [cells[-1] for cells in table.cells] == ["not reached", "0.195"]  # 0.1 + 0.95 x 0.1


def test_loss_has_an_area_and_no_score_to_reach() -> None:
    headings = table_of_areas(curves(TWO, metric="brier"), METRICS["brier"]).headings
    assert headings[-1] == "AUBC over 0.100 to 0.200"


def test_costs_in_pixels_are_whole_numbers() -> None:
    analysis = analyse(curves(TWO), F1, "test", "labelled_pixels")
    assert analysis is not None
    assert areas(analysis).headings[2] == "AUBC over 1,000 to 2,000"


def test_comparison_tells_seeds_interval_tests_and_outcome() -> None:
    (table,) = comparison_tables(compare_strategies(curves(TWO), F1, "test"))
    assert table.caption == "Better than random? Object F1, higher is better"
    assert table.cells == (
        (
            "margin · regions − random · regions",  # noqa: RUF001
            "2",
            "+0.0500 (+0.0500 to +0.0500)",
            "< 0.001",
            "0.500",
            "too few seeds",
        ),
    )


def test_comparison_of_one_seed_has_no_interval_and_a_minus_is_a_minus() -> None:
    rows = curves({"random-region": [[0.1, 0.4]], "margin-region": [[0.1, 0.2]]})
    (table,) = comparison_tables(compare_strategies(rows, F1, "test"))
    assert table.cells[0][2:4] == ("−0.1000", "–")  # noqa: RUF001


def test_comparison_without_a_shared_range_has_dashes() -> None:
    rows = [row(), row(acquisition="margin")]
    (table,) = comparison_tables(compare_strategies(rows, F1, "test"))
    assert table.cells[0][1:] == ("0", "–", "–", "–", "nothing to compare")  # noqa: RUF001


def test_every_question_has_its_table() -> None:
    four = {f"{name}-{unit}": [[0.1, 0.2]] for name in ("random", "margin")
            for unit in ("image", "region")}  # fmt: skip
    tables = comparison_tables(compare_strategies(curves(four), F1, "test"))
    assert [len(table.cells) for table in tables] == [2, 2]


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        (("object_f1",), "; objects by the rule one_to_one"),
        (("object_f1", "object_f1_by_glas"), "; objects by the rule glas"),
        (("object_f1", "object_f1_by_one_to_one"), "; objects by the rule one_to_one"),
        (("nll",), ""),
    ],
)
def test_final_scores_tell_the_rule_of_objects_older_tables_included(
    metrics: tuple[str, ...], told: str
) -> None:
    rows = [row(metric=metric) for metric in metrics]
    assert final_scores(rows, "test", "all").caption == f"Split test, group all{told}"


def test_bounds_stand_below_the_strategies_in_final_scores() -> None:
    rows = curves(TWO | {"all_data-image": [[0.9], [0.9]]})
    assert final_scores(rows, "test", "all").cells[-1] == (
        "all data", "0", "2", "0.100", "0.900 ± 0.000",
    )  # fmt: skip


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
        row(metric="dice", class_name=name, round=round, value=value + round / 10)
        for name, value in (("land", 0.5), ("water", 0.6), ("road", 0.1))
        for round in (0, 1)
    ]
    rows.append(row(metric="dice", class_name="land", acquisition="margin"))
    table = class_dice(rows, "test")
    assert table is not None
    assert table.headings == ("Strategy", "land", "water", "road")
    assert table.cells == (
        ("random · regions", "0.600", "0.700", "0.200"),
        ("margin · regions", "0.500", "–", "–"),  # noqa: RUF001
    )
