"""Labels in hand that a stroke corrects: what it reaches is flipped, and nothing else."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.assist.correct import EDGE, KEEPS, REACH, Edges, correct, find_edges
from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels

SIDE = 40


def row_of_pixels(weights: list[float]) -> Edges:
    """One row of pixels, with the weights between neighbours given."""
    return Edges(np.zeros((0, len(weights) + 1), np.float32), np.array([weights], np.float32))


def discs() -> np.ndarray:
    """Two bright discs of radius 8 on dark ground, with some noise."""
    pixels = np.where(disc(12, 12) | disc(12, 29), 190.0, 60.0)[:, :, None].repeat(3, 2)
    pixels += np.random.default_rng(0).normal(0, 6, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def disc(row: int, col: int, radius: float = 8) -> np.ndarray:
    rows, cols = np.mgrid[:SIDE, :SIDE]
    return np.hypot(rows - row, cols - col) <= radius


def stroke(value: int, rows: slice, cols: slice) -> Labels:
    strokes = np.full((SIDE, SIDE), UNLABELLED, np.int16)
    strokes[rows, cols] = value
    return strokes


def test_share_of_a_pixel_beside_a_stroke_by_hand() -> None:
    # Three pixels: a stroke on the first, free ones behind it; an edge of weight 1, then one of w.
    # Walks from the last reach the stroke with w b / (w + KEEPS), b being the share of the middle:
    # (1 + w + KEEPS) b = 1 + w c and (w + KEEPS) c = w b. With w = 1, b = 0.994 and c = 0.991: both
    # flip. With w = KEEPS / 2, c = b / 3 = 0.33: the last one stays.
    labels = np.zeros((1, 3), np.int16)
    strokes = np.array([[1, UNLABELLED, UNLABELLED]], np.int16)

    assert correct(row_of_pixels([1.0, 1.0]), labels, strokes).tolist() == [[1, 1, 1]]
    assert correct(row_of_pixels([1.0, KEEPS / 2]), labels, strokes).tolist() == [[1, 1, 0]]


def test_walks_agree_with_a_dense_solution_of_the_linear_system() -> None:
    random = np.random.default_rng(3)
    height, width = 17, 23
    edges = Edges(
        random.uniform(1e-4, 1, (height - 1, width)).astype(np.float32) ** 3,
        random.uniform(1e-4, 1, (height, width - 1)).astype(np.float32) ** 3,
    )
    strokes = np.full((height, width), UNLABELLED, np.int16)
    strokes[4, 3:9], strokes[12, 10:18] = 1, 2
    places = np.arange(strokes.size).reshape(strokes.shape)
    matrix = np.eye(strokes.size) * KEEPS
    for weights, one, other in (
        (edges.below, places[:-1], places[1:]),
        (edges.right, places[:, :-1], places[:, 1:]),
    ):
        for weight, i, j in zip(weights.flat, one.flat, other.flat, strict=True):
            matrix[[i, j], [i, j]] += weight
            matrix[[i, j], [j, i]] -= weight
    ends = np.stack([strokes.ravel() == value for value in (1, 2)], 1).astype(float)
    free = (strokes == UNLABELLED).ravel()
    shares = ends.copy()
    shares[free] = np.linalg.solve(
        matrix[np.ix_(free, free)], -matrix[np.ix_(free, ~free)] @ ends[~free]
    )
    all_shares = np.column_stack([1 - shares.sum(1), shares])  # the first keep their label, 0
    second, first = np.sort(all_shares, 1)[:, -2:].T
    is_clear = first - second > 1e-3

    got = correct(edges, np.zeros((height, width), np.int16), strokes)

    assert is_clear.mean() > 0.98
    assert {0, 1, 2} <= set(all_shares.argmax(1).tolist())
    np.testing.assert_array_equal(got.ravel()[is_clear], all_shares.argmax(1)[is_clear])


def test_stroke_on_a_patch_that_was_missed_flips_it_to_the_edge_and_not_beyond() -> None:
    labels = np.zeros((SIDE, SIDE), np.int16)

    got = correct(find_edges(discs()), labels, stroke(1, slice(12, 14), slice(8, 16)))

    assert (got[disc(12, 12, 7)] == 1).all()
    assert (got[~disc(12, 12, 9)] == 0).all()


def test_stroke_on_a_patch_that_is_wrong_flips_it_to_the_pixel() -> None:
    # what is in hand has a shape that no edge of the image shows
    wrong = np.zeros((SIDE, SIDE), bool)
    wrong[28:33, 5:30] = True
    wrong[32, 12] = False
    labels = np.where(wrong, 1, 0).astype(np.int16)

    got = correct(find_edges(discs()), labels, stroke(2, slice(29, 31), slice(6, 28)))

    np.testing.assert_array_equal(got == 2, wrong)
    np.testing.assert_array_equal(got[~wrong], labels[~wrong])


def test_two_strokes_share_out_a_patch_between_them() -> None:
    labels = np.zeros((SIDE, SIDE), np.int16)
    strokes = stroke(1, slice(12, 14), slice(8, 16))
    strokes[12:14, 25:33] = 2

    got = correct(find_edges(discs()), labels, strokes)

    assert (got[disc(12, 12, 7)] == 1).all()
    assert (got[disc(12, 29, 7)] == 2).all()
    assert (got[25:] == 0).all()


def test_stroke_over_its_own_class_keeps_another_stroke_out() -> None:
    # one bright band from side to side: the first stroke would take all of it
    pixels = np.full((SIDE, SIDE, 3), 60, np.uint8)
    pixels[10:16] = 190
    edges = find_edges(pixels)
    labels = np.zeros((SIDE, SIDE), np.int16)
    strokes = stroke(1, slice(12, 14), slice(2, 12))
    assert (correct(edges, labels, strokes)[11:15, 2:20] == 1).all()

    strokes[10:16, 14:16] = 0
    got = correct(edges, labels, strokes)

    assert (got[11:15, 2:12] == 1).all()
    assert (got[:, 14:] == 0).all()


def test_pixels_without_a_label_are_filled_up_to_those_that_have_one() -> None:
    labels = np.full((SIDE, SIDE), UNLABELLED, np.int16)
    labels[:, 20:] = 0
    plain = find_edges(np.full((SIDE, SIDE, 3), 90, np.uint8))

    got = correct(plain, labels, stroke(1, slice(0, 40), slice(10, 14)))

    assert (got[:, 2:20] == 1).all()
    assert (got[:, 20:] == 0).all()


def test_slip_of_the_hand_over_a_border_changes_nothing_there() -> None:
    labels = np.zeros((SIDE, SIDE), np.int16)
    labels[:, 20:] = 1
    labels[30:, :20] = 2
    strokes = stroke(2, slice(10, 13), slice(6, 21))  # one of its 15 columns lies beyond

    got = correct(find_edges(discs()), labels, strokes)

    assert (got[:, 20:] == 1).all()
    assert (got[10:13, 6:20] == 2).all()


def test_specks_under_a_stroke_change_with_what_is_around_them() -> None:
    labels = np.zeros((SIDE, SIDE), np.int16)
    labels[11, 8:10] = 1  # two of the stroke's 45 pixels
    strokes = stroke(2, slice(10, 13), slice(6, 21))

    got = correct(find_edges(discs()), labels, strokes)

    assert (got[10:13, 6:21] == 2).all()


def test_nothing_changes_farther_away_than_a_stroke_reaches() -> None:
    side = 2 * REACH + 60
    labels = np.zeros((side, side), np.int16)
    strokes = np.full((side, side), UNLABELLED, np.int16)
    strokes[0, :] = 1

    got = correct(find_edges(np.full((side, side, 3), 90, np.uint8)), labels, strokes)

    # without edges the share falls as exp(-d sqrt(KEEPS)) behind a straight front: to a half at
    # d = ln 2 / sqrt(KEEPS)
    front = math.log(2) / math.sqrt(KEEPS)
    assert front < REACH
    assert (got == 1).any(1).sum() == pytest.approx(front, abs=2)
    assert (got[REACH:] == 0).all()


def test_strokes_far_apart_do_what_each_does_alone() -> None:
    random = np.random.default_rng(1)
    pixels = random.integers(0, 255, (300, 60, 3)).astype(np.uint8)
    labels = np.zeros((300, 60), np.int16)
    one, other = (np.full((300, 60), UNLABELLED, np.int16) for _ in range(2))
    one[10:13, 20:30] = 1
    other[280:283, 20:30] = 2
    edges = find_edges(pixels)

    both = correct(edges, labels, np.maximum(one, other))

    np.testing.assert_array_equal(both[:150], correct(edges, labels, one)[:150])
    np.testing.assert_array_equal(both[150:], correct(edges, labels, other)[150:])


@given(seed=st.integers(0, 2**31), count=st.integers(0, 12))
def test_only_classes_of_strokes_are_given_and_what_is_given_is_not_changed(
    seed: int, count: int
) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(UNLABELLED, 3, (4, 4)).repeat(10, 0).repeat(10, 1).astype(np.int16)
    strokes = np.full((SIDE, SIDE), UNLABELLED, np.int16)
    strokes[tuple(random.integers(0, SIDE, (2, count)))] = random.integers(0, 4, count)
    before = labels.copy(), strokes.copy()

    got = correct(find_edges(discs()), labels, strokes)

    changed, drawn = got != labels, strokes != UNLABELLED
    assert set(np.unique(got[changed])) <= set(np.unique(strokes[drawn]))
    assert not (changed & drawn & (strokes == labels)).any()
    np.testing.assert_array_equal(labels, before[0])
    np.testing.assert_array_equal(strokes, before[1])


def test_edges_of_a_region_are_weighed_about_their_mean_by_hand() -> None:
    # four pixels of grey 0 and 255 in one column beside another: after the same blur, the only
    # differences are those between the columns, all alike: 1 on average over half of the edges
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[:, 1] = 255

    edges = find_edges(pixels)

    np.testing.assert_allclose(edges.below, 1 + 1e-4)
    np.testing.assert_allclose(edges.right, np.exp(-2 * EDGE) + 1e-4, rtol=1e-5)


def test_shapes_that_do_not_fit_are_refused() -> None:
    edges = find_edges(discs())
    right, wrong = np.zeros((SIDE, SIDE), np.int16), np.zeros((3, 3), np.int16)

    with pytest.raises(ShapeError, match="expected labels of shape"):
        correct(edges, wrong, right)
    with pytest.raises(ShapeError, match="expected strokes of shape"):
        correct(edges, right, wrong)
    with pytest.raises(ShapeError, match="expected a region of 2 x 2 to 4,000,000 pixels, got"):
        find_edges(np.zeros((1, 9, 3), np.uint8))
