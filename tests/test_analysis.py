"""The statistics of a whole table: worked by hand, traceable, and quick enough for a large grid."""

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import Analysis, analyse
from askmask.experiments.stats.curve_statistics import aubc
from askmask.experiments.stats.curves import Arm
from askmask.experiments.stats.measures import METRICS, Metric
from askmask.experiments.stats.ranking import penalty_matrix
from askmask.experiments.stats.summary import summarise, write_summary
from askmask.experiments.stats.verdict import compare_strategies
from result_rows import curves, row

HERE = Path(__file__).parent
F1, BRIER = METRICS["object_f1"], METRICS["brier"]
TWO = {
    "random-region": [[0.1, 0.3, 0.5], [0.2, 0.4, 0.6], [0.3, 0.5, 0.7]],
    "margin-region": [[0.1, 0.5, 0.6], [0.2, 0.6, 0.7], [0.3, 0.7, 0.8]],
}


def analysis(rows: list[ResultRow], metric: Metric = F1) -> Analysis:
    found = analyse(rows, metric, "test")
    assert found is not None
    return found


def test_every_statistic_names_its_trials_and_seeds() -> None:
    random, margin = analysis(curves(TWO)).standings
    assert random.strategy == Arm("random", "region")
    assert random.seeds == (0, 1, 2)
    assert margin.trials == tuple(f"margin-region-seed{seed}" for seed in range(3))


def test_finals_and_areas_worked_by_hand() -> None:
    random, margin = analysis(curves(TWO)).standings
    assert random.finals == (0.5, 0.6, 0.7)
    assert random.areas == pytest.approx((0.3, 0.4, 0.5))  # straight lines
    assert margin.areas == pytest.approx((0.425, 0.525, 0.625))  # (0.1 + 2 x 0.5 + 0.6) / 4


def test_score_to_reach_is_a_share_of_the_all_data_score() -> None:
    found = analysis(curves(TWO | {"all_data-image": [[0.8], [1.0]]}))
    assert found.level == pytest.approx(0.95 * 0.9)
    assert found.level_of == "the all-data score"
    assert all(math.isnan(cost) for cost in found.standings[0].reached)


def test_score_to_reach_without_all_data_is_a_share_of_the_best_final_score() -> None:
    found = analysis(curves(TWO))
    assert found.level == pytest.approx(0.95 * 0.7)
    assert found.level_of == "the best final score"


def test_loss_has_no_score_to_reach_and_ranks_downwards() -> None:
    found = analysis(curves(TWO, metric="brier"), BRIER)
    assert math.isnan(found.level)
    assert [own.rank.mean for own in found.standings if own.rank] == [1.0, 2.0]


def test_budgets_leave_out_the_start_and_end_with_the_span() -> None:
    assert analysis(curves(TWO)).budgets == pytest.approx((0.2, 0.3))


def test_penalties_compare_scores_at_equal_cost() -> None:
    # margin is 0.2 ahead at 0.2 and 0.1 ahead at 0.3 for every seed: it wins both
    assert analysis(curves(TWO)).penalties == pytest.approx(np.array([[0, 0], [1, 0]]))


def test_penalties_read_between_the_rounds_of_other_costs() -> None:
    rows = curves(TWO) + [
        row(acquisition="margin", unit="image", seed=seed, round=round, value=value,
            labelled_fraction=0.1 + 0.2 * round)
        for seed in range(3) for round, value in enumerate((0.1 * seed, 0.1 * seed + 0.4))
    ]  # fmt: skip
    at_budgets = np.array(
        [
            [[0.3, 0.5], [0.4, 0.6], [0.5, 0.7]],
            [[0.2, 0.4], [0.3, 0.5], [0.4, 0.6]],  # halfway, and at the end
        ]
    )
    found = analysis([r for r in rows if (r.acquisition, r.unit) != ("margin", "region")])
    assert found.penalties == pytest.approx(penalty_matrix(at_budgets))
    assert found.penalties[0, 1] == 1  # type: ignore[index]


def test_trial_that_stopped_early_is_left_out() -> None:
    rows = curves(TWO | {"margin-region": [*TWO["margin-region"][:2], [0.9]]})
    found = analysis(rows)
    assert found.standings[1].seeds == (0, 1)
    assert found.shared_seeds == (0, 1)


def test_one_strategy_has_areas_but_no_ranks() -> None:
    found = analysis(curves({"random-region": TWO["random-region"]}))
    assert found.penalties is None
    assert found.standings[0].rank is None


def test_curves_without_a_shared_range_have_no_analysis() -> None:
    assert analyse([row()], F1, "test") is None


def test_missing_score_leaves_areas_nan_and_nothing_ranked() -> None:
    found = analysis(
        curves(TWO | {"margin-region": [[0.1, math.nan, 0.2], *TWO["margin-region"][1:]]})
    )
    assert math.isnan(found.standings[1].areas[0])
    assert found.standings[1].rank is None


def test_indexed_rows_are_the_table() -> None:
    rows = [*curves(TWO), row(metric="", status="failed", reason="no", round=2)]
    table = indexed(rows)
    assert list(table) == rows
    assert len(table) == len(rows)
    assert (table[0], list(table[-2:])) == (rows[0], rows[-2:])
    assert indexed(table) is table
    assert table.keys == (("object_f1", "test", "all", "all"),)
    assert list(table.of("object_f1", "test", "all", "all")) == rows[:-1]
    assert table.heads == (*(r for r in rows[:-1]), rows[-1])
    assert table.of("brier", "test", "all", "all") == ()


def test_table_makes_what_it_is_asked_for_once() -> None:
    table, made = indexed(curves(TWO)), itertools.count(1)
    assert [table.once("first", lambda: next(made)) for _ in range(3)] == [1, 1, 1]
    assert table.once("second", lambda: next(made)) == 2


def test_index_changes_no_statistic() -> None:
    rows = curves(TWO) + curves(TWO, metric="brier")
    table = indexed(rows)
    for metric, cost in itertools.product((F1, BRIER), ("labelled_fraction", "labelled_pixels")):
        assert compare_strategies(table, metric, "test", cost) == compare_strategies(
            rows, metric, "test", cost
        )
        of_table, of_rows = (analyse(own, metric, "test", cost) for own in (table, rows))
        assert of_table is not None
        assert of_rows is not None
        assert of_table.standings == of_rows.standings


def test_summary_is_json_whose_numbers_come_from_the_rows_it_names(tmp_path: Path) -> None:
    rows = curves(TWO | {"all_data-image": [[0.9]]}) + curves(TWO, split="validation")
    write_summary(tmp_path / "summary.json", rows)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    result = summary["results"][0]
    assert result["rows"] == {
        "metric": "object_f1", "split": "test", "group": "all", "class": "all",
    }  # fmt: skip
    by_fraction = result["by_cost"][0]
    standing = by_fraction["analysis"]["standings"][1]
    own = [r for r in rows if r.trial == standing["trials"][0] and r.split == "test"]
    cost, score = [r.labelled_fraction for r in own], [r.value for r in own]
    assert standing["aubc"]["values"][0] == pytest.approx(aubc(cost, score))
    assert standing["final"]["values"][0] == score[-1]
    assert standing["cost_to_reach"] == [None, None, None]  # 0.855 is not reached: no NaN in JSON
    assert by_fraction["comparisons"][0]["outcome"] == "margin · regions better"
    assert result["references"] == [
        {"name": "all_data", "values": [0.9], "mean": 0.9, "half_width": None}
    ]
    assert [found["split"] for found in summary["results"]] == ["test", "validation"]


def test_summary_tells_failures_and_how_numbers_were_made() -> None:
    failed = row(metric="", status="failed", reason="loss was nan", round=2, seed=1)
    summary = summarise([*curves(TWO), failed])
    assert summary["failures"] == [
        {"trial": "random-region-seed1", "round": 2, "reason": "loss was nan"}
    ]
    assert summary["how"]["shown"] == "p_adjusted < 0.05 and n >= 3"  # type: ignore[index]


def test_empty_table_has_a_summary() -> None:
    assert summarise([])["results"] == []


def large_grid() -> list[ResultRow]:
    """7 strategies x 2 units x 10 seeds x 20 rounds, 60 metrics and bins a round."""
    generator = np.random.default_rng(0)
    names = ("random", "a", "b", "c", "d", "e", "f")
    measured = [(metric, "test", None) for metric in METRICS]
    measured += [(metric, "validation", None) for metric in METRICS]
    measured += [("dice", split, n) for split in ("test", "other") for n in range(22)]
    return [
        row(acquisition=name, unit=unit, seed=seed, round=round, metric=metric, split=split,
            bin=place, value=float(value), labelled_fraction=0.1 + 0.02 * round,
            boundary_length=100 * (round + 1))
        for name, unit, seed, round in itertools.product(names, ("region", "image"), range(10),
                                                          range(21))
        for (metric, split, place), value in zip(measured, generator.normal(size=60), strict=True)
    ]  # fmt: skip


@pytest.mark.slow  # a time limit; other work on the machine must not fail the default run
def test_statistics_of_a_large_grid_take_less_than_ten_seconds() -> None:
    # in a process of its own: the check of shapes and types in tests would take most of the time
    code = (
        "import time, test_analysis; from askmask.experiments.stats.summary import summarise; "
        "rows = test_analysis.large_grid(); started = time.process_time(); "
        "found = summarise(rows)['results']; "
        "print(len(rows), len(found), time.process_time() - started)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=HERE
    )
    rows, results, seconds = done.stdout.split()
    assert (int(rows), int(results)) == (7 * 2 * 10 * 21 * 60, 2 * len(METRICS))
    assert float(seconds) < 10
