"""What a table says beside itself: the rule of objects, the smallest one, classes of a mean."""

import pytest

from askmask.config import EvaluationConfig
from askmask.metrics.coverage import coverage_notes, means_cover, objects_are
from askmask.records import MetricRow


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        (("object_f1", "object_f1_by_glas"), "GlaS rule"),
        (("object_f1", "object_f1_by_one_to_one"), "one-to-one rule"),
    ],
)
def test_a_table_that_tells_its_rule_filtered_both_sides(
    metrics: tuple[str, ...], told: str
) -> None:
    words = objects_are(metrics, 40)
    assert words is not None
    assert told in words
    assert "those under 40 pixels are left out, true and predicted ones alike." in words


def test_an_older_table_is_one_to_one_and_filtered_predictions_only() -> None:
    words = objects_are(["object_f1"], 40)
    assert words is not None
    assert "one-to-one rule" in words
    assert "those under 40 pixels are left out, predicted ones only." in words


def test_nothing_is_said_of_a_filter_that_leaves_nothing_out() -> None:
    words = objects_are(["object_f1_by_glas"], 1)
    assert words is not None
    assert "left out" not in words


@pytest.mark.parametrize("has_background", [True, False])
def test_notes_name_the_classes_of_a_mean(has_background: bool) -> None:
    config = EvaluationConfig(has_background=has_background)
    rows = [MetricRow("test", "all", "all", "mean_dice", 0.5, 10)]
    names = ("sky", "roof", "tree")
    expected = means_cover(names, has_background=has_background)
    assert coverage_notes(rows, names, config) == [expected]
    assert ("sky is the background" in expected) == has_background
