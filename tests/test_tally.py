"""Histograms of what was asked count the right pixels, in bounded memory."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.errors import ProjectError
from askmask.query.score_histograms import (
    BINS,
    MAX_KEPT,
    MAX_PIXELS,
    ScoreCounts,
    ScoreTally,
    read_counts,
    write_counts,
)
from askmask.records import QueryItem, Region


def item(row: int, col: int, height: int, width: int, image_id: str = "a") -> QueryItem:
    return QueryItem(0, Region(image_id, row, col, height, width), 1.0, height * width)


def nonzero(counts: tuple[int, ...]) -> dict[int, int]:
    return {place: count for place, count in enumerate(counts) if count}


def test_asked_pixels_are_counted_by_their_score_worked_by_hand() -> None:
    # two classes: bins of 1 / 40; 0.05 is in bin 2, 0.5 in bin 20, 1.5 above all edges
    tally = ScoreTally(2)
    score = np.array([[0.05, 0.5], [0.5, 1.5]])
    tally.add("a", score, np.array([[True, True], [True, True]]))
    counts = tally.counts([item(0, 1, 2, 1)])
    assert counts is not None
    assert nonzero(counts.pool) == {2: 1, 20: 2, BINS: 1}
    assert nonzero(counts.asked) == {20: 1, BINS: 1}


def test_largest_score_is_in_the_last_bin_and_not_above_it() -> None:
    tally = ScoreTally(2)
    tally.add("a", np.array([[1.0]]), np.ones((1, 1), bool))
    counts = tally.counts([])
    assert counts is not None
    assert nonzero(counts.pool) == {BINS - 1: 1}


def test_labelled_pixels_count_nowhere_and_overlapping_regions_once() -> None:
    tally = ScoreTally(2)
    available = np.array([[True, True, False]])
    tally.add("a", np.full((1, 3), 0.5), available)
    counts = tally.counts([item(0, 0, 1, 2), item(0, 1, 1, 2)])
    assert counts is not None
    assert nonzero(counts.pool) == nonzero(counts.asked) == {20: 2}


def test_score_below_zero_by_rounding_counts_in_the_first_bin() -> None:
    tally = ScoreTally(2)
    tally.add("a", np.full((1, 1), -1e-7), np.ones((1, 1), bool))
    counts = tally.counts([])
    assert counts is not None
    assert nonzero(counts.pool) == {0: 1}
    assert nonzero(counts.asked) == {}


def test_bins_reach_to_the_largest_entropy_of_many_classes() -> None:
    tally = ScoreTally(6)
    tally.add("a", np.full((1, 1), math.log(6) * 0.999), np.ones((1, 1), bool))
    counts = tally.counts([])
    assert counts is not None
    assert counts.upper == pytest.approx(math.log(6))
    assert nonzero(counts.pool) == {BINS - 1: 1}


def test_nothing_scored_has_no_histogram() -> None:
    assert ScoreTally(2).counts([item(0, 0, 1, 1)]) is None


def test_region_of_an_image_without_a_score_counts_nowhere() -> None:
    tally = ScoreTally(2)
    tally.add("a", np.full((1, 1), 0.5), np.ones((1, 1), bool))
    counts = tally.counts([item(0, 0, 1, 1, "b")])
    assert counts is not None
    assert nonzero(counts.asked) == {}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_grid_of_a_large_image_holds_the_pixels_inside_the_region(data: st.DataObject) -> None:
    height, width = 600, 700  # 420,000 pixels: every 3rd row and column
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    tall, wide = data.draw(st.integers(1, height - row)), data.draw(st.integers(1, width - col))
    tally = ScoreTally(2)
    tally.add("a", np.full((height, width), 0.5), np.ones((height, width), bool))
    counts = tally.counts([item(row, col, tall, wide)])
    assert counts is not None
    rows = [r for r in range(1, height, 3) if row <= r < row + tall]
    cols = [c for c in range(1, width, 3) if col <= c < col + wide]
    assert sum(counts.asked) == len(rows) * len(cols)
    assert sum(counts.pool) == 200 * 233 <= MAX_PIXELS


def test_histograms_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    counts = ScoreCounts(1.0, tuple(range(BINS + 1)), (0,) * (BINS + 1))
    write_counts(tmp_path / "scores" / "round_001.json", counts)
    assert read_counts(tmp_path / "scores" / "round_001.json") == counts
    assert read_counts(tmp_path / "scores" / "round_002.json") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected the score histograms"),
        ('{"upper": 1}', "expected the score histograms"),
        ('{"upper": 1, "pool": [1], "asked": [1]}', "expected 41 bins .* got 1 and 1"),
    ],
)
def test_other_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "round_001.json").write_text(text)
    with pytest.raises(ProjectError, match=message):
        read_counts(tmp_path / "round_001.json")


def test_rows_hold_the_edges_of_the_bins() -> None:
    rows = ScoreCounts(1.0, (1,) * (BINS + 1), (2,) * (BINS + 1)).rows()
    assert len(rows) == 2 * (BINS + 1)
    assert (rows[0].metric, rows[0].bin, rows[0].value, rows[0].count) == (
        "pool_score", 0, 1 / BINS, 1,
    )  # fmt: skip
    assert (rows[-1].metric, rows[-1].bin, rows[-1].value, rows[-1].count) == (
        "asked_score", BINS, math.inf, 2,
    )  # fmt: skip


def test_of_a_large_pool_fewer_pixels_of_each_image_are_kept() -> None:
    score, every = np.zeros((256, 256)), np.ones((256, 256), bool)
    few, many = ScoreTally(2, n_images=10), ScoreTally(2, n_images=MAX_KEPT // 4**4)
    few.add("a", score, every)
    many.add("a", score, every)
    kept = [sum(counts.pool) for tally in (few, many) if (counts := tally.counts([])) is not None]
    assert kept == [256**2, 4**4]
