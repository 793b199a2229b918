"""Object scores: the GlaS rules worked by hand, and against a reference in plain loops."""

import math
import time
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from askmask.errors import ShapeError
from askmask.metrics.coverage import BY_RULE
from askmask.metrics.objects import (
    ObjectScores,
    connected_objects,
    find_objects,
)
from raster_pairs import shapes

object_pairs = shapes.flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 1, 2, 7])),
        arrays.arrays(np.int32, shape, elements=st.sampled_from([0, 0, 3, 4, 5])),
        arrays.arrays(np.bool_, shape, elements=st.sampled_from([True, True, True, False])),
    )
)


def scored(
    predicted: object,
    true: object,
    valid: object = True,
    *,
    rule: str = "one_to_one",
    min_pixels: int = 1,
) -> dict[str, float]:
    scores = ObjectScores(rule, min_pixels)
    update(scores, predicted, true, valid)
    return values(scores)


def update(scores: ObjectScores, predicted: object, true: object, valid: object = True) -> None:
    predicted, true = np.asarray(predicted, np.int32), np.asarray(true, np.int32)
    scores.update(predicted, true, np.broadcast_to(np.asarray(valid), true.shape))


def values(scores: ObjectScores) -> dict[str, float]:
    rows = scores.rows("test", "all", "all")
    shown = [row for row in rows if not row.metric.startswith(BY_RULE)]
    return {row.metric.removeprefix("object_"): row.value for row in shown}


def strip(text: str) -> np.ndarray:
    """One row of an object raster: a digit per pixel, dots outside."""
    return np.array([[int(c) if c.isdigit() else 0 for c in text]], np.int32)


def reference_scores(images: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    sides: list[list[tuple[int, float, float]]] = [[], []]
    matched = 0
    for predicted, true in images:
        kinds = [objects_of(true), objects_of(predicted)]
        matched += reference_matches(*kinds)
        diagonal = math.dist((0, 0), (true.shape[0] - 1, true.shape[1] - 1))
        for side in (0, 1):
            for own in kinds[side]:
                dice, distance = reference_partner(own, kinds[1 - side], diagonal)
                sides[side].append((len(own), dice, distance))
    n_true, n_predicted = len(sides[0]), len(sides[1])
    return {
        "precision": matched / n_predicted if n_predicted else math.nan,
        "recall": matched / n_true if n_true else math.nan,
        "f1": 2 * matched / (n_true + n_predicted) if n_true + n_predicted else math.nan,
        "dice": reference_mean(sides, 1),
        "hausdorff": reference_mean(sides, 2),
    }


def objects_of(raster: np.ndarray) -> list[set[tuple[int, int]]]:
    ids = sorted(set(raster.ravel().tolist()) - {0})
    return [set(map(tuple, np.argwhere(raster == one).tolist())) for one in ids]


def reference_matches(true: list[set], predicted: list[set]) -> int:
    """Best of all ways to give each true object at most one predicted object."""
    slots = list(range(len(predicted))) + [None] * len(true)
    ways = permutations(slots, len(true))
    return max(
        sum(
            slot is not None and 2 * len(one & predicted[slot]) >= len(one)
            for one, slot in zip(true, way, strict=True)
        )
        for way in ways
    )


def reference_partner(own: set, others: list[set], diagonal: float) -> tuple[float, float]:
    touching = [other for other in others if own & other]
    if touching:
        partner = max(touching, key=lambda other: (len(own & other), -len(other)))
        dice = 2 * len(own & partner) / (len(own) + len(partner))
        return dice, reference_hausdorff(own, partner)
    return 0.0, min((reference_hausdorff(own, other) for other in others), default=diagonal)


def reference_hausdorff(one: set, other: set) -> float:
    def directed(start: set, end: set) -> float:
        return max(min(math.dist(a, b) for b in end) for a in start)

    return max(directed(one, other), directed(other, one))


def reference_mean(sides: list[list[tuple[int, float, float]]], column: int) -> float:
    halves = [
        sum(entry[0] * entry[column] for entry in side) / sum(entry[0] for entry in side)
        for side in sides
        if side
    ]
    return sum(halves) / len(halves) if halves else math.nan


def test_scores_of_a_worked_case() -> None:
    # True: A = columns 0-3 (4 px), B = columns 6-7 (2 px). Predicted: a = columns 1-4 (4 px).
    # a covers 3 of A's 4 pixels: a true positive. B is missed.
    # Precision 1/1, recall 1/2, F1 = 2 / 3.
    # Dice(A, a) = 2 * 3 / 8 = 3/4. True half: (4 * 3/4 + 2 * 0) / 6 = 1/2; predicted half 3/4.
    # Hausdorff(A, a) = 1. B has no overlap; to a: column 7 is 3 from column 4, column 1 is 5 from
    # column 6, so 5. True half: (4 * 1 + 2 * 5) / 6 = 7/3; predicted half 1.
    result = scored(strip(".1111..."), strip("1111..22"))
    assert result["precision"] == 1
    assert result["recall"] == 1 / 2
    assert result["f1"] == pytest.approx(2 / 3)
    assert result["dice"] == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert result["hausdorff"] == pytest.approx((7 / 3 + 1) / 2)


def test_half_of_a_true_object_is_enough_one_to_one_and_less_is_not() -> None:
    assert scored(strip("11......"), strip("1111...."))["f1"] == 1
    assert scored(strip("1......."), strip("1111...."))["f1"] == 0


class TestRuleOfTheContest:
    """F1 as the public code of the GlaS contest counts true positives, beside one to one."""

    def test_exactly_half_of_the_true_object_is_too_little(self) -> None:
        # 2 of 4 pixels: the contest's code asks for more than half, the text of the paper for half.
        assert scored(strip("11......"), strip("1111...."), rule="glas")["f1"] == 0
        assert scored(strip("11......"), strip("1111...."), rule="one_to_one")["f1"] == 1
        assert scored(strip("111....."), strip("1111...."), rule="glas")["f1"] == 1

    def test_a_prediction_stands_for_the_true_object_that_it_overlaps_most_and_no_other(
        self,
    ) -> None:
        # One prediction covers all 2 pixels of A and 3 of the 8 of B. It overlaps B most, of which
        # it covers less than half: a false positive. One to one pairs it with A.
        predicted, true = strip("11111....."), strip("1122222222")
        assert scored(predicted, true, rule="glas")["f1"] == 0
        assert scored(predicted, true, rule="one_to_one")["f1"] == pytest.approx(2 / 3)

    def test_of_two_predictions_on_one_true_object_only_the_larger_is_right(self) -> None:
        # 5 and 3 of 8 pixels: precision 1/2, recall 1, F1 2/3. By halves (4 and 4) none is right,
        # while one to one takes one of them.
        assert scored(strip("11111222"), strip("1" * 8), rule="glas")["f1"] == pytest.approx(2 / 3)
        assert scored(strip("11112222"), strip("1" * 8), rule="glas")["f1"] == 0
        halves = scored(strip("11112222"), strip("1" * 8), rule="one_to_one")
        assert halves["f1"] == pytest.approx(2 / 3)

    def test_of_equal_overlaps_the_first_true_object_is_taken(self) -> None:
        # The prediction shares 2 pixels with each: the first has 5 (too many), the second has 3.
        predicted, true = strip("...1111."), strip("11111222")
        assert scored(predicted, true, rule="glas")["f1"] == 0
        swapped = np.where(true > 0, 3 - true, 0)
        assert scored(predicted, swapped, rule="glas")["f1"] == pytest.approx(2 / 3)

    @settings(deadline=None)
    @given(object_pairs)
    def test_it_agrees_with_plain_loops(
        self, pair: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        predicted, true, valid = pair
        kinds = [objects_of(np.where(valid, raster, 0)) for raster in (true, predicted)]
        matched = 0
        for own in kinds[1]:
            shared = [len(own & other) for other in kinds[0]]
            if shared and max(shared) > 0:
                partner = kinds[0][shared.index(max(shared))]
                matched += max(shared) / len(partner) > 0.5
        n_objects = len(kinds[0]) + len(kinds[1])
        expected = 2 * matched / n_objects if n_objects else math.nan
        found = scored(predicted, true, valid, rule="glas")
        assert found["f1"] == pytest.approx(expected, nan_ok=True)

    @settings(deadline=None)
    @given(object_pairs)
    def test_one_to_one_never_finds_fewer(
        self, pair: tuple[np.ndarray, np.ndarray, np.ndarray]
    ) -> None:
        ours, theirs = (scored(*pair, rule=rule)["recall"] for rule in ("one_to_one", "glas"))
        assert math.isnan(ours) or ours >= theirs

    @pytest.mark.parametrize("rule", ["glas", "one_to_one"])
    def test_a_row_tells_the_rule(self, rule: str) -> None:
        scores = ObjectScores(rule)
        update(scores, strip("111"), strip("111"))
        named = {row.metric: row.value for row in scores.rows("test", "all", "all")}
        assert named[f"object_f1_by_{rule}"] == named["object_f1"] == 1


class TestSmallObjects:
    def test_small_objects_are_left_out_on_both_sides(self) -> None:
        # True: 3 and 1 pixels; predicted: 3 and 1 elsewhere. From 2 pixels on only the first count.
        predicted, true = strip("111..2.."), strip("111...2.")
        assert scored(predicted, true)["f1"] == 1 / 2
        assert scored(predicted, true, min_pixels=2)["f1"] == 1

    def test_an_object_counts_by_its_valid_pixels(self) -> None:
        valid = np.array([[True] * 4 + [False] * 4])
        true, predicted = strip("111.2222"), strip("1112222.")
        # Of the predicted 2 one pixel is valid, of the true 2 none.
        assert scored(predicted, true, valid, min_pixels=2)["f1"] == 1
        assert scored(predicted, true, valid)["f1"] == pytest.approx(2 / 3)


def test_overlap_is_measured_on_the_true_object_not_on_the_predicted_one() -> None:
    # 2 of 2 true pixels are covered, though only 2 of 8 predicted ones hit.
    assert scored(strip("11111111"), strip("11......"))["f1"] == 1


def test_two_predicted_halves_of_one_object_are_one_true_positive() -> None:
    result = scored(strip("1122"), strip("1111"))
    assert result["precision"] == 1 / 2
    assert result["recall"] == 1


def test_one_predicted_object_over_two_true_ones_is_one_true_positive() -> None:
    result = scored(strip("111111"), strip("111222"))
    assert result["precision"] == 1
    assert result["recall"] == 1 / 2


def test_tie_between_halves_is_settled_for_the_most_matches() -> None:
    # Predicted 2 covers half of true 1; predicted 1 its other half and all of true 2. Giving true 1
    # to predicted 2 matches both.
    assert scored(strip("221111"), strip("111122"))["f1"] == 1


def test_perfect_prediction_scores_one_at_distance_zero() -> None:
    objects = strip("11.222.3")
    expected = {"precision": 1, "recall": 1, "f1": 1, "dice": 1, "hausdorff": 0}
    assert scored(objects, objects) == expected


def test_images_are_pooled_by_area_not_averaged() -> None:
    # Image 1: one object of 6 px, found exactly. Image 2: one of 2 px, missed by one of 2 px.
    # Dice halves: (6 * 1 + 2 * 0) / 8 each, not (1 + 0) / 2.
    scores = ObjectScores("one_to_one")
    update(scores, strip("111111"), strip("111111"))
    update(scores, strip("11...."), strip("....11"))
    assert values(scores)["dice"] == pytest.approx(6 / 8)
    assert values(scores)["hausdorff"] == pytest.approx(2 * 4 / 8)


def test_images_without_objects_of_either_kind_add_nothing() -> None:
    scores = ObjectScores("one_to_one")
    update(scores, strip("11.."), strip("1..."))
    before = values(scores)
    update(scores, strip("...."), strip("...."))
    assert values(scores) == before


def test_set_without_objects_has_no_scores() -> None:
    rows = ObjectScores("one_to_one").rows("test", "all", "all")
    assert all(math.isnan(row.value) and row.count == 0 for row in rows)


def test_image_where_nothing_was_found_costs_its_diagonal() -> None:
    true = np.zeros((4, 5), np.int32)
    true[1, 1] = 1
    result = scored(np.zeros((4, 5)), true)
    assert (result["f1"], result["recall"], result["dice"]) == (0, 0, 0)
    assert math.isnan(result["precision"])
    assert result["hausdorff"] == 5  # corner to corner: 3 rows and 4 columns


def test_objects_invented_in_an_image_without_any_cost_its_diagonal() -> None:
    found = np.zeros((4, 5), np.int32)
    found[0, :2] = 1
    result = scored(found, np.zeros((4, 5)))
    assert (result["f1"], result["precision"], result["dice"]) == (0, 0, 0)
    assert result["hausdorff"] == 5


def test_unlabelled_pixels_never_count() -> None:
    valid = strip("11110000").astype(bool)
    assert scored(strip("11.12222"), strip("11.13333"), valid) == scored(
        strip("11.1...."), strip("11.1....")
    )


@settings(deadline=None, max_examples=50)
@given(st.lists(object_pairs, min_size=1, max_size=3))
def test_scores_equal_the_rules_in_plain_loops(
    images: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> None:
    scores = ObjectScores("one_to_one")
    for predicted, true, valid in images:
        scores.update(predicted, true, valid)
    kept = [(np.where(v, p, 0), np.where(v, t, 0)) for p, t, v in images]
    assert values(scores) == pytest.approx(reference_scores(kept), nan_ok=True)


@settings(deadline=None, max_examples=50)
@given(object_pairs, object_pairs)
def test_merging_equals_counting_in_one_go(
    first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...]
) -> None:
    merged, part, whole = (
        ObjectScores("one_to_one"),
        ObjectScores("one_to_one"),
        ObjectScores("one_to_one"),
    )
    merged.update(*first)
    part.update(*second)
    merged.merge(part)
    whole.update(*first)
    whole.update(*second)
    assert values(merged) == pytest.approx(values(whole), nan_ok=True)


@settings(deadline=None, max_examples=50)
@given(object_pairs)
def test_ids_are_only_names(pair: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    predicted, true, valid = pair
    renamed = np.where(true > 0, 1000 + 10 * true, 0).astype(np.int32)
    assert scored(predicted, renamed, valid) == pytest.approx(
        scored(predicted, true, valid), nan_ok=True
    )


def test_counts_say_how_many_objects_a_score_rests_on() -> None:
    scores = ObjectScores("one_to_one")
    update(scores, strip("11.22.33"), strip("11......"))
    counts = {row.metric: row.count for row in scores.rows("test", "benign", "gland")}
    assert counts == {
        "object_precision": 3,
        "object_recall": 1,
        "object_f1": 4,
        "object_f1_by_one_to_one": 4,
        "object_dice": 4,
        "object_hausdorff": 4,
    }


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"one shape, got \(1, 2\), \(1, 2\) and \(1, 3\)"):
        ObjectScores("one_to_one").update(strip("11"), strip("11"), np.ones((1, 3), bool))


def test_negative_ids_are_refused() -> None:
    with pytest.raises(ShapeError, match="object ids >= 0"):
        update(ObjectScores("one_to_one"), [[-1, 0]], [[0, 0]])


@pytest.mark.slow  # a time limit; other work on the machine must not fail the default run
def test_an_image_of_the_papers_size_is_scored_in_a_fraction_of_a_second() -> None:
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(2, 261, 388)), (0, 14, 14))
    smooth /= smooth.std()
    true = connected_objects(smooth[0] > 0.8)
    started = time.perf_counter()
    predicted = find_objects(smooth[0] + 0.4 * smooth[1] > 0.8, None, 100)
    ObjectScores("one_to_one").update(predicted, true, np.ones(true.shape, bool))
    assert time.perf_counter() - started < 0.5  # about 0.05 s on one core; 80 images in 4 s
