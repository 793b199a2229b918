"""Strokes that are spread over a region: patches, the walk between them, and their limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.assist.kept_by_region import MOST_KEPT, KeptByRegion
from askmask.assist.patches import Patches, cut_patches
from askmask.assist.spread import PRIOR, spread
from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels, Region

SIDE = 40


def two_halves(noise: float = 0.0) -> np.ndarray:
    """Dark left, bright right."""
    pixels = np.full((SIDE, SIDE, 3), 60, np.float64)
    pixels[:, SIDE // 2 :] = 180
    pixels += np.random.default_rng(0).normal(0, noise, pixels.shape)
    return pixels.clip(0, 255).astype(np.uint8)


def no_strokes() -> Labels:
    return np.full((SIDE, SIDE), UNLABELLED, np.int16)


def halves_truth() -> Labels:
    truth = np.zeros((SIDE, SIDE), np.int16)
    truth[:, SIDE // 2 :] = 2
    return truth


def chain(contrast: list[float]) -> Patches:
    """Patches of one pixel in a row, all alike, with the contrast between neighbours given."""
    count = len(contrast) + 1
    pairs = np.stack([np.arange(count - 1), np.arange(1, count)], 1).astype(np.int32)
    ids = np.arange(count, dtype=np.int32)[None]
    features = np.zeros((count, 1), np.float32)
    return Patches(ids, features, pairs, np.array(contrast, np.float32))


def test_one_stroke_in_each_half_labels_both_to_the_edge() -> None:
    strokes = no_strokes()
    strokes[18:22, 4:8] = 0
    strokes[18:22, 32:36] = 2

    labels = spread(cut_patches(two_halves(noise=8)), strokes)

    assert (labels == halves_truth()).mean() > 0.98


def test_walk_stops_at_the_edge_and_not_half_way() -> None:
    # seeds at both ends; the only edge lies between the second and the third of six patches
    strokes = np.array([[0, -1, -1, -1, -1, 1]], np.int16)

    labels = spread(chain([0.0, 3.0, 0.0, 0.0, 0.0]), strokes)

    assert labels.tolist() == [[0, 0, 1, 1, 1, 1]]


def test_patch_between_two_strokes_takes_the_nearer_one_by_hand() -> None:
    # One free patch; edges of contrast 0 and 1 weigh 1 and exp(-3) = 0.05, and the prior is even:
    # share of class 0 = (1 + PRIOR / 2) / (1.05 + PRIOR) > 1/2
    strokes = np.array([[0, -1, 1]], np.int16)

    assert PRIOR < 0.1
    assert spread(chain([0.0, 1.0]), strokes).tolist() == [[0, 0, 1]]
    assert spread(chain([1.0, 0.0]), strokes).tolist() == [[0, 1, 1]]


def test_place_far_from_any_stroke_takes_the_class_that_looks_like_it() -> None:
    pixels = two_halves()
    pixels[4:12, 28:36] = 60  # a dark island on the bright side
    strokes = no_strokes()
    strokes[18:22, 4:8] = 0
    strokes[28:32, 32:36] = 2

    labels = spread(cut_patches(pixels), strokes)

    assert (labels[6:10, 30:34] == 0).all()


def test_pixels_of_a_stroke_keep_its_class() -> None:
    strokes = no_strokes()
    strokes[5, 2:38] = 0  # across the edge
    strokes[30, 30:36] = 2

    labels = spread(cut_patches(two_halves()), strokes)

    assert (labels[strokes != UNLABELLED] == strokes[strokes != UNLABELLED]).all()


def test_one_class_fills_the_region_and_none_leaves_it_unlabelled() -> None:
    patches = cut_patches(two_halves())
    strokes = no_strokes()

    assert (spread(patches, strokes) == UNLABELLED).all()
    strokes[3, 3] = 1
    assert (spread(patches, strokes) == 1).all()


def test_picture_without_any_contrast_is_shared_out_by_distance() -> None:
    strokes = no_strokes()
    strokes[20, 1:4] = 0
    strokes[20, 36:39] = 1

    labels = spread(cut_patches(np.full((SIDE, SIDE, 3), 90, np.uint8)), strokes)

    assert (labels[15:25, :8] == 0).all()
    assert (labels[15:25, 32:] == 1).all()


@given(seed=st.integers(0, 2**31), count=st.integers(1, 30))
def test_only_classes_with_a_stroke_are_given_and_the_strokes_stay_as_they_are(
    seed: int, count: int
) -> None:
    random = np.random.default_rng(seed)
    strokes = no_strokes()
    at = random.integers(0, SIDE, (2, count))
    strokes[tuple(at)] = random.integers(0, 4, count)
    before = strokes.copy()

    labels = spread(cut_patches(two_halves(noise=20)), strokes)

    assert set(np.unique(labels)) <= set(np.unique(before[before != UNLABELLED]))
    assert (strokes == before).all()


def test_patches_cover_the_region_and_touch_as_told() -> None:
    patches = cut_patches(two_halves(noise=8))

    assert sorted(np.unique(patches.ids)) == list(range(patches.count))
    sides = {(int(a), int(b)) for a, b in patches.pairs}
    expected = {
        (min(a, b), max(a, b))
        for one, other in (
            (patches.ids[:, :-1], patches.ids[:, 1:]),
            (patches.ids[:-1], patches.ids[1:]),
        )
        for a, b in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True)
        if a != b
    }
    assert sides == expected
    assert np.isfinite(patches.features).all()
    assert (patches.contrast >= 0).all()


def test_features_of_a_network_tell_places_of_one_colour_apart() -> None:
    pixels = np.full((SIDE, SIDE, 3), 90, np.uint8)
    more = (halves_truth() / 2).astype(np.float32)[:, :, None]
    strokes = no_strokes()
    strokes[20, 4:8] = 0
    strokes[20, 22:24] = 2  # nearer to the edge: by distance alone it would win the left as well

    labels = spread(cut_patches(pixels, more), strokes)

    assert (labels == halves_truth()).mean() > 0.9


@pytest.mark.parametrize("shape", [(1, 9, 3), (2001, 2000, 3)])
def test_region_that_is_too_small_or_too_large_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="expected a region of 2 x 2 to 4,000,000 pixels, got"):
        cut_patches(np.zeros(shape, np.uint8))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="expected features of shape"):
        cut_patches(two_halves(), np.zeros((3, 3, 1), np.float32))
    with pytest.raises(ShapeError, match="expected strokes of shape"):
        spread(cut_patches(two_halves()), np.zeros((3, 3), np.int16))


def test_patches_are_cut_once_and_the_oldest_go_first() -> None:
    kept, reads = KeptByRegion(cut_patches), []

    def read() -> np.ndarray:
        reads.append(1)
        return two_halves()

    regions = [Region("a", row, 0, SIDE, SIDE) for row in range(MOST_KEPT + 1)]
    assert kept.of(regions[0], read) is kept.of(regions[0], read)
    assert len(reads) == 1
    for region in regions[1:]:
        kept.of(region, read)
    kept.of(regions[-1], read)
    assert len(reads) == MOST_KEPT + 1
    kept.of(regions[0], read)
    assert len(reads) == MOST_KEPT + 2
