"""What is read out of the results table, worked by hand."""

import math

import pytest

from askmask.errors import ProjectError
from askmask.experiments.stats.curves import (
    Arm,
    ReliabilityBin,
    complete_seeds,
    groups,
    has_values,
    mean_curve,
    references,
    reliability_bins,
    scores,
    seed_curves,
    splits,
    strategies,
)
from askmask.experiments.stats.measures import METRICS, metric_named
from result_rows import curves, reliability, row

RANDOM_REGIONS = Arm("random", "region")


def test_label_of_a_strategy_is_for_people() -> None:
    assert Arm("mutual_information", "region").label == "mutual information · regions"
    assert Arm("random", "image").label == "random · whole images"


def test_unknown_unit_keeps_its_name() -> None:
    assert Arm("random", "superpixel").label == "random · superpixel"


def test_metric_says_its_unit_and_which_way_is_better() -> None:
    assert METRICS["nll"].axis == "NLL (nats per pixel)"
    assert METRICS["nll"].direction == "lower is better"
    assert METRICS["object_f1"].axis == "Object F1"
    assert METRICS["object_f1"].direction == "higher is better"


def test_strategies_stand_random_first_and_regions_before_images() -> None:
    rows = [
        row(acquisition=acquisition, unit=unit)
        for acquisition in ("margin", "random")
        for unit in ("image", "region")
    ]
    assert [s.label for s in strategies(rows)] == [
        "random · regions",
        "random · whole images",
        "margin · regions",
        "margin · whole images",
    ]


def test_models_and_data_sets_are_told_only_where_there_are_several() -> None:
    rows = [row(), row(model="other")]
    assert [s.label for s in strategies(rows)] == [
        "random · other · regions",
        "random · unet · regions",
    ]
    rows = [row(), row(dataset="other")]
    assert [s.label for s in strategies(rows)] == [
        "random · drawn · regions", "random · other · regions",
    ]  # fmt: skip


def test_bounds_are_no_strategies() -> None:
    rows = [row(), row(acquisition="all_data", unit="image"), row(acquisition="start_set")]
    assert strategies(rows) == (RANDOM_REGIONS,)
    assert [s.label for s in references(rows)] == ["all data", "start set"]


def test_strategy_owns_the_rows_of_its_model() -> None:
    first, second = strategies([row(), row(model="other")])
    assert [first.owns(row()), second.owns(row())] == [False, True]


def test_unknown_metric_keeps_its_name_and_recalibration_is_told() -> None:
    assert metric_named("recalibrated_nll").label == "NLL, recalibrated"
    assert metric_named("recalibrated_nll").lower_is_better
    assert metric_named("my_score").label == "my score"


def test_split_that_counts_first_is_test() -> None:
    rows = [row(split=split) for split in ("validation", "testB", "test", "testA")]
    assert splits(rows) == ("test", "testA", "testB", "validation")


def test_groups_of_a_split_leave_out_all() -> None:
    rows = [row(group="malignant"), row(), row(group="benign"), row(group="x", split="testA")]
    assert groups(rows, "test") == ("benign", "malignant")


def test_scores_are_of_one_metric_over_all_classes() -> None:
    wanted = row(round=3)
    others = [
        row(metric="dice"),
        row(split="validation"),
        row(group="benign"),
        row(class_name="gland"),
        row(bin=2),
        row(status="failed"),
    ]
    assert scores([*others, wanted], "object_f1", "test") == (wanted,)


def test_two_values_for_one_round_are_refused() -> None:
    with pytest.raises(ProjectError, match="for trial 'random-region-seed0', round 2, got 2"):
        scores([row(round=2), row(round=2, value=0.6)], "object_f1", "test")


def test_metric_that_is_nowhere_a_number_has_no_values() -> None:
    assert not has_values([row(value=math.nan), row(value=math.inf)])
    assert has_values([row(value=math.nan), row(value=0.0)])


def test_mean_curve_averages_cost_and_score_of_a_round() -> None:
    rows = [
        row(seed=1, round=1, labelled_fraction=0.4, value=0.8),
        row(seed=0, round=1, labelled_fraction=0.2, value=0.6),
        row(acquisition="margin", round=1),
    ]
    (point,) = mean_curve(rows, RANDOM_REGIONS)
    assert (point.round, point.seeds, point.costs, point.values) == (
        1,
        (0, 1),
        (0.2, 0.4),
        (0.6, 0.8),
    )
    assert point.cost == pytest.approx(0.3)
    assert point.mean == pytest.approx(0.7)
    assert point.half_width == pytest.approx(1.27062, abs=1e-5)  # t(1) 12.7062 x 0.1414 / 1.4142


def test_mean_curve_stands_in_the_order_of_rounds() -> None:
    rows = curves({"random-region": [[0.1, 0.2, 0.3]]})
    assert [point.round for point in mean_curve(rows[::-1], RANDOM_REGIONS)] == [0, 1, 2]


def test_mean_curve_can_stand_on_another_cost() -> None:
    (point,) = mean_curve([row(boundary_length=77)], RANDOM_REGIONS, "boundary_length")
    assert point.cost == 77


def test_seed_curves_keep_the_seeds_apart() -> None:
    rows = curves({"random-region": [[0.1, 0.2], [0.3]], "margin-region": [[0.9]]})
    assert seed_curves(rows, RANDOM_REGIONS) == {0: ([0.1, 0.2], [0.1, 0.2]), 1: ([0.1], [0.3])}


def test_seed_that_stopped_early_is_not_complete() -> None:
    rows = curves({"random-region": [[0.1, 0.2], [0.3], [0.1, 0.5]]})
    assert complete_seeds(rows, RANDOM_REGIONS) == (0, 2)


def test_no_row_has_no_complete_seed() -> None:
    assert complete_seeds([], RANDOM_REGIONS) == ()


def test_reliability_of_several_seeds_is_weighted_by_pixels() -> None:
    # confidence (0.60 x 100 + 0.66 x 300) / 400 = 0.645; accuracy (0.5 x 100 + 0.7 x 300) / 400
    rows = [
        *reliability({6: (0.60, 0.5, 100), 0: (math.nan, math.nan, 0)}, seed=0),
        *reliability({6: (0.66, 0.7, 300), 9: (0.95, 0.9, 50)}, seed=1),
    ]
    first, second = reliability_bins(rows, RANDOM_REGIONS, "test")
    assert (first.index, first.count) == (6, 400)
    assert first.confidence == pytest.approx(0.645)
    assert first.accuracy == pytest.approx(0.65)
    assert second == ReliabilityBin(9, 0.95, 0.9, 50)


def test_reliability_is_that_of_each_seeds_last_round() -> None:
    rows = [
        *reliability({6: (0.61, 0.1, 10)}, round=0),
        *reliability({6: (0.62, 0.2, 20)}, round=1),
    ]
    assert reliability_bins(rows, RANDOM_REGIONS, "test") == (ReliabilityBin(6, 0.62, 0.2, 20),)


def test_strategy_without_bins_has_no_reliability() -> None:
    assert reliability_bins([row()], RANDOM_REGIONS, "test") == ()
