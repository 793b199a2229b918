"""What an answer takes to draw: outlines, clicks and modelled seconds."""

import doctest
import math

import numpy as np
import pytest

from askmask.metrics import effort
from askmask.metrics.effort import Effort, effort_of, measured
from askmask.records import UNLABELLED, Mask


def mask_of(rows: list[list[int]], instances: list[list[int]] | None = None) -> Mask:
    ids = None if instances is None else np.array(instances, np.int32)
    return Mask(np.array(rows, np.int16), ids)


def test_one_class_alone_is_one_stroke_and_no_contour() -> None:
    background = effort_of(mask_of([[0, 0], [0, 0]]))
    foreground = effort_of(mask_of([[1, 1], [1, 1]]))
    assert background == Effort(0.0, 0, 0, 1)
    assert background.modelled_seconds == 0.75 + 1.5
    assert foreground == Effort(0.0, 4, 1, 0)
    assert foreground.modelled_seconds == pytest.approx(1.4 + 1.5)


def test_sides_on_the_border_are_clicked_but_not_drawn() -> None:
    labels = np.zeros((6, 6), np.int16)
    labels[2:4, :3] = 1  # a bar that enters from the left: drawn are 3 + 2 + 3 pixels
    assert effort_of(Mask(labels)) == Effort(8.0, 4, 3, 1)


def test_unknown_pixels_take_no_work() -> None:
    labels = np.full((4, 4), UNLABELLED, np.int16)
    assert effort_of(Mask(labels)) == Effort()


def test_a_hole_is_outlined_and_filled_too() -> None:
    labels = np.zeros((14, 14), np.int16)
    labels[2:12, 2:12] = 1
    labels[5:9, 5:9] = 0
    assert effort_of(Mask(labels)) == Effort(40.0 + 16.0, 8, 8, 2)


def test_touching_objects_are_outlined_one_by_one() -> None:
    labels = np.zeros((8, 12), np.int16)
    labels[2:6, 2:10] = 1
    ids = np.zeros((8, 12), np.int32)
    ids[2:6, 2:6], ids[2:6, 6:10] = 1, 2
    assert effort_of(Mask(labels)).contour_length == 2 * (4 + 8)
    assert effort_of(Mask(labels, ids)) == Effort(2 * 16.0, 8, 8, 1)


def test_classes_that_meet_are_outlined_both() -> None:
    labels = np.zeros((4, 8), np.int16)
    labels[:, 2:4], labels[:, 4:6] = 1, 2
    assert effort_of(Mask(labels)) == Effort(4 * 4.0, 8, 4, 2)


def test_a_slanted_border_is_drawn_shorter_than_its_pixel_edges() -> None:
    rows, cols = np.mgrid[:60, :60]
    labels = (rows + cols < 60).astype(np.int16)  # a diagonal of 60 steps down and 60 across
    drawn = effort_of(Mask(labels))
    assert drawn.contour_length == pytest.approx(60 * math.sqrt(2), abs=2)
    assert drawn.clicks <= 5


def test_no_time_is_told_unless_all_was_measured() -> None:
    assert measured([2.0, 3.0]) == 5.0
    assert math.isnan(measured([2.0, math.nan]))
    assert math.isnan(measured([]))


def test_examples_run() -> None:
    assert doctest.testmod(effort).failed == 0
