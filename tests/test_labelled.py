"""How answers compose: by hand, at the limits, and against plain loops."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.records import UNLABELLED, Mask, Region
from askmask.store.compose import Gain, Piece, compose, gain, grown, mask_digest
from labelled_strategies import IMAGE, boundary_edges, newest_labels, pieces, regions

NO = UNLABELLED
TINY = Region("tiny", 0, 0, 2, 3)


def labels_of(*lines: list[int]) -> np.ndarray:
    return np.array(lines, np.int16)


def ids_of(*lines: list[int]) -> np.ndarray:
    return np.array(lines, np.int32)


def piece(row: int, col: int, mask: Mask, *, keeps_ids: bool = False) -> Piece:
    return Piece(Region("tiny", row, col, *mask.labels.shape), mask, keeps_ids)


def test_nothing_answered_is_unlabelled_without_instances() -> None:
    mask = compose(TINY, [])

    np.testing.assert_array_equal(mask.labels, labels_of([NO, NO, NO], [NO, NO, NO]))
    assert mask.instances is None


def test_newer_label_wins_where_answers_overlap() -> None:
    older = piece(0, 0, Mask(labels_of([0, 0], [0, 0])))
    newer = piece(0, 1, Mask(labels_of([1, 1], [1, 1])))

    np.testing.assert_array_equal(compose(TINY, [newer, older]).labels, [[0, 1, 1], [0, 1, 1]])
    np.testing.assert_array_equal(compose(TINY, [older, newer]).labels, [[0, 0, 1], [0, 0, 1]])


def test_unlabelled_pixel_of_a_newer_answer_keeps_the_older_label_and_object() -> None:
    older = piece(0, 0, Mask(labels_of([1, 1]), ids_of([4, 4])), keeps_ids=True)
    newer = piece(0, 0, Mask(labels_of([NO, 0]), ids_of([9, 0])), keeps_ids=True)

    mask = compose(TINY, [newer, older])

    np.testing.assert_array_equal(mask.labels[0], [1, 0, NO])
    np.testing.assert_array_equal(mask.instances[0], [4, 0, 0])


def test_objects_of_different_answers_are_different_objects() -> None:
    first = piece(0, 0, Mask(labels_of([1, 1]), ids_of([1, 2])))
    second = piece(1, 0, Mask(labels_of([1, 0]), ids_of([1, 0])))

    mask = compose(TINY, [second, first])

    np.testing.assert_array_equal(mask.instances, [[1, 2, 0], [3, 0, 0]])


def test_object_cut_by_two_regions_of_one_mask_stays_one_object() -> None:
    left = piece(0, 0, Mask(labels_of([1], [1]), ids_of([7], [7])), keeps_ids=True)
    right = piece(0, 1, Mask(labels_of([1], [1]), ids_of([7], [5])), keeps_ids=True)

    mask = compose(TINY, [right, left])

    np.testing.assert_array_equal(mask.instances, [[7, 7, 0], [7, 5, 0]])


def test_drawn_objects_never_meet_ids_of_the_mask_that_come_later() -> None:
    drawn = piece(0, 0, Mask(labels_of([1]), ids_of([1])))
    known = piece(1, 0, Mask(labels_of([1]), ids_of([6])), keeps_ids=True)

    mask = compose(TINY, [known, drawn])

    np.testing.assert_array_equal(mask.instances, [[7, 0, 0], [6, 0, 0]])


def test_instances_are_none_while_an_answer_without_them_shows() -> None:
    plain = piece(0, 0, Mask(labels_of([1, 1])))
    half = piece(0, 0, Mask(labels_of([1]), ids_of([1])))
    over = piece(0, 0, Mask(labels_of([1, 1]), ids_of([1, 1])))

    assert compose(TINY, [half, plain]).instances is None
    np.testing.assert_array_equal(compose(TINY, [over, plain]).instances[0], [1, 1, 0])


@given(st.lists(pieces(), max_size=5), regions())
def test_composition_equals_plain_loops_in_every_window(
    given_pieces: list[Piece], window: Region
) -> None:
    expected = newest_labels(given_pieces)[window.slices]

    np.testing.assert_array_equal(compose(window, given_pieces[::-1]).labels, expected)


@given(st.lists(pieces(instances=True), max_size=5))
def test_pixels_share_an_id_only_if_their_answer_gave_them_one_object(
    given_pieces: list[Piece],
) -> None:
    mask = compose(IMAGE, given_pieces[::-1])
    objects: dict[tuple[int, int], set[int]] = {}
    for row, col in np.argwhere(mask.labels != UNLABELLED):
        inside = [
            (
                index,
                candidate.mask.instances[row - candidate.region.row, col - candidate.region.col],
            )
            for index, candidate in enumerate(given_pieces)
            if candidate.region.overlaps(Region("image", int(row), int(col), 1, 1))
            and candidate.mask.labels[row - candidate.region.row, col - candidate.region.col]
            != UNLABELLED
        ]
        index, given_id = inside[-1]
        source = -1 if given_pieces[index].keeps_ids else index
        key = (source, int(given_id)) if given_id else (-2, 0)
        objects.setdefault(key, set()).add(int(mask.instances[row, col]))

    assert all(len(ids) == 1 for ids in objects.values())
    assert len(set.union(set(), *objects.values())) == len(objects)
    assert objects.get((-2, 0), {0}) == {0}


def test_answers_below_a_fully_labelled_window_are_not_read() -> None:
    def newest_first() -> Iterator[Piece]:
        yield piece(0, 2, Mask(labels_of([1], [1])))
        yield piece(0, 0, Mask(labels_of([0, 0], [0, 0])))
        pytest.fail("read on below a window that is labelled everywhere")

    np.testing.assert_array_equal(compose(TINY, newest_first()).labels, [[0, 0, 1], [0, 0, 1]])


def test_composition_changes_no_array_of_the_answers() -> None:
    mask = Mask(labels_of([1, 1]), ids_of([1, 2]))

    composed = compose(Region("tiny", 0, 0, 1, 2), [piece(0, 0, mask)])
    composed.labels[:] = 0
    composed.instances[:] = 0

    np.testing.assert_array_equal(mask.labels, [[1, 1]])
    np.testing.assert_array_equal(mask.instances, [[1, 2]])


def test_gain_counts_new_pixels_and_edges_of_a_hand_drawn_case() -> None:
    # before   0 . .     after   0 1 1     new edges: 0|1 in row 0, 0|1 in row 1,
    #          0 . .             0 0 1     and 1 above 0 in column 1, 0|1 in row 1 -> 3
    older = piece(0, 0, Mask(labels_of([0], [0])))
    newer = piece(0, 1, Mask(labels_of([1, 1], [0, 1])))

    assert gain(TINY, newer, [older]) == Gain(pixels=4, boundary_length=3)


def test_edge_to_an_unlabelled_pixel_is_no_boundary() -> None:
    lone = piece(0, 1, Mask(labels_of([1])))

    assert gain(TINY, lone, []) == Gain(pixels=1, boundary_length=0)


def test_correction_of_known_pixels_gains_nothing() -> None:
    older = piece(0, 0, Mask(labels_of([0, 0, 0], [0, 0, 0])))
    newer = piece(0, 1, Mask(labels_of([1])))

    assert gain(TINY, newer, [older]) == Gain(pixels=0, boundary_length=0)


def test_answer_of_nothing_gains_nothing() -> None:
    assert gain(TINY, piece(0, 0, Mask(labels_of([NO, NO]))), []) == Gain(0, 0)


@given(st.lists(pieces(), max_size=5))
def test_gained_pixels_add_up_to_the_labelled_set(given_pieces: list[Piece]) -> None:
    gains = [gain(IMAGE, p, given_pieces[:index][::-1]) for index, p in enumerate(given_pieces)]

    assert sum(g.pixels for g in gains) == (newest_labels(given_pieces) != UNLABELLED).sum()


@given(st.lists(pieces(), max_size=5), pieces())
def test_gained_boundary_is_what_plain_loops_find_at_new_pixels(
    older: list[Piece], new: Piece
) -> None:
    before, after = newest_labels(older), newest_labels([*older, new])
    known = np.where(before == UNLABELLED, UNLABELLED, after)  # corrections, but no new pixel

    expected = boundary_edges(after) - boundary_edges(known)

    assert gain(IMAGE, new, older[::-1]).boundary_length == expected


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (Region("image", 2, 2, 1, 1), Region("image", 1, 1, 3, 3)),
        (Region("image", 0, 0, 2, 7), Region("image", 0, 0, 3, 7)),
        (IMAGE, IMAGE),
    ],
)
def test_grown_region_stays_inside_the_image(region: Region, expected: Region) -> None:
    assert grown(region, IMAGE) == expected


def test_digest_does_not_see_how_objects_are_numbered() -> None:
    labels = labels_of([1, 1, 1], [0, 1, 1])

    one = mask_digest(Mask(labels, ids_of([5, 2, 2], [0, 9, 9])))
    other = mask_digest(Mask(labels, ids_of([1, 7, 7], [0, 3, 3])))

    assert one == other


@pytest.mark.parametrize(
    "other",
    [
        Mask(labels_of([1, 1, 1], [1, 1, 1]), ids_of([5, 2, 2], [0, 9, 9])),
        Mask(labels_of([1, 1, 1], [0, 1, 1]), ids_of([5, 5, 2], [0, 9, 9])),
        Mask(labels_of([1, 1, 1], [0, 1, 1]), ids_of([5, 2, 2], [0, 2, 2])),
        Mask(labels_of([1, 1, 1], [0, 1, 1]), ids_of([0, 2, 2], [0, 9, 9])),
        Mask(labels_of([1, 1, 1], [0, 1, 1])),
        Mask(labels_of([1, 1], [1, 0], [1, 1]), ids_of([5, 2], [2, 0], [9, 9])),
    ],
    ids=["label", "border", "merged", "background", "no instances", "shape"],
)
def test_digest_sees_every_difference(other: Mask) -> None:
    mask = Mask(labels_of([1, 1, 1], [0, 1, 1]), ids_of([5, 2, 2], [0, 9, 9]))

    assert mask_digest(mask) != mask_digest(other)
