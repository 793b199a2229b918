"""Crops keep image, labels, contour target and weight together, and hold labelled pixels."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from askmask.config import AugmentConfig, TrainingConfig
from askmask.errors import ShapeError, SourceError
from askmask.records import UNLABELLED
from askmask.seeds import numpy_generator
from askmask.training.augment import (
    Crop,
    TrainingImage,
    Warp,
    draw_crop,
    draw_warp,
    jitter_colour,
    warp_image,
)

STILL = AugmentConfig(rotate_degrees=0, scale=0, flip=False, brightness=0, contrast=0, saturation=0)
WILD = AugmentConfig(rotate_degrees=180, scale=0.3, flip=True)


def coded_image(height: int, width: int) -> TrainingImage:
    """Every raster tells the pixel's column, smooth enough to survive interpolation."""
    cols = np.broadcast_to(np.arange(width), (height, width))
    image = np.repeat((cols * 2)[..., None], 3, axis=2).astype(np.uint8)
    return TrainingImage(
        image=image,
        labels=(cols // 8).astype(np.int16),
        boundary=(cols // 8 % 2).astype(np.int16),
        weight=np.ones((height, width), np.float32),
    )


def cropping(crop: int, augment: AugmentConfig, fraction: float = 0.05) -> TrainingConfig:
    return TrainingConfig(crop=crop, augment=augment, min_labelled_fraction=fraction)


def partly_labelled(rows: slice, cols: slice, side: int = 200) -> TrainingImage:
    labels = np.full((side, side), UNLABELLED, np.int16)
    labels[rows, cols] = 1
    weight = (labels != UNLABELLED).astype(np.float32)
    return TrainingImage(np.zeros((side, side, 3), np.uint8), labels, None, weight)


def test_still_crop_is_a_part_of_the_image() -> None:
    generator = numpy_generator(0)
    item = TrainingImage(
        image=generator.integers(0, 256, (50, 70, 3)).astype(np.uint8),
        labels=np.arange(3500).reshape(50, 70).astype(np.int16),
        boundary=None,
        weight=np.ones((50, 70), np.float32),
    )
    crop = draw_crop(item, cropping(32, STILL), generator)
    row, col = np.unravel_index(crop.labels[0, 0], (50, 70))
    window = (slice(row, row + 32), slice(col, col + 32))
    np.testing.assert_array_equal(crop.labels, item.labels[window])
    expected = item.image[window].transpose(2, 0, 1) / 255
    np.testing.assert_allclose(crop.image, expected, atol=2e-4)


def test_still_crops_reach_both_borders() -> None:
    item = coded_image(40, 48)
    generator = numpy_generator(1)
    crops = [draw_crop(item, cropping(32, STILL), generator) for _ in range(200)]
    first = {round(float(crop.image[0, 0, 0]) * 255 / 2) for crop in crops}
    assert first == set(range(17))


def test_still_crop_of_a_smaller_image_holds_all_of_it() -> None:
    item = coded_image(20, 60)
    crop = draw_crop(item, cropping(64, STILL), numpy_generator(2))
    assert np.count_nonzero(crop.labels != UNLABELLED) == 20 * 60
    assert crop.weight.sum() == 20 * 60


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
)
def test_pixels_outside_the_image_are_unlabelled_and_weigh_nothing(
    seed: int, height: int, width: int
) -> None:
    crop = draw_crop(coded_image(height, width), cropping(40, WILD), numpy_generator(seed))
    outside = crop.labels == UNLABELLED
    assert (crop.weight[outside] == 0).all()
    assert (crop.weight[~outside] == 1).all()
    np.testing.assert_array_equal(crop.boundary == UNLABELLED, outside)
    assert crop.image.shape == (3, 40, 40)
    assert crop.image.min() >= 0
    assert crop.image.max() <= 1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_rasters_stay_together_under_every_warp(seed: int) -> None:
    augment = WILD.model_copy(update={"brightness": 0.0, "contrast": 0.0, "saturation": 0.0})
    crop = draw_crop(coded_image(120, 120), cropping(64, augment), numpy_generator(seed))
    inside = crop.labels != UNLABELLED
    cols = crop.image[0] * 255 / 2
    assert np.abs(cols - (crop.labels * 8 + 3.5))[inside].max() <= 4.51
    np.testing.assert_array_equal(crop.boundary[inside], crop.labels[inside] % 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_warped_colours_equal_scipys_bilinear_interpolation(seed: int) -> None:
    generator = numpy_generator(seed)
    image = generator.integers(0, 256, (60, 45, 3)).astype(np.uint8)
    warp = draw_warp((60, 45), cropping(40, WILD), generator)
    expected = np.stack(
        [
            ndimage.map_coordinates(
                image[..., channel] / 255.0, [warp.rows, warp.cols], order=1, mode="mirror"
            )
            for channel in range(3)
        ]
    )
    np.testing.assert_allclose(warp_image(image, warp), expected, atol=2e-3)


def test_quarter_turn_moves_every_pixel_as_by_hand() -> None:
    # a quarter turn about the middle: crop pixel (i, j) comes from (n - 1 - j, i)
    rows, cols = np.mgrid[:4, :4].astype(np.float32)
    image = numpy_generator(3).integers(0, 256, (4, 4, 3)).astype(np.uint8)
    turned = warp_image(image, Warp(3 - cols, rows))
    expected = np.rot90(image, k=-1).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_one_pixel_image_can_be_warped() -> None:
    image = np.full((1, 1, 3), 51, np.uint8)
    warp = Warp(np.zeros((2, 2), np.float32), np.full((2, 2), 5, np.float32))
    np.testing.assert_allclose(warp_image(image, warp), 0.2, atol=1e-6)


def test_warp_angle_is_uniform_over_the_whole_turn() -> None:
    generator = numpy_generator(4)
    config = cropping(32, STILL.model_copy(update={"rotate_degrees": 180.0}))
    warps = [draw_warp((64, 64), config, generator) for _ in range(400)]
    angles = [np.arctan2(w.cols[1, 0] - w.cols[0, 0], w.rows[1, 0] - w.rows[0, 0]) for w in warps]
    counts, _ = np.histogram(angles, bins=4, range=(-np.pi, np.pi))
    assert counts.min() > 60


def test_scale_above_one_shows_less_of_the_image() -> None:
    config = cropping(32, STILL.model_copy(update={"scale": 0.5}))
    generator = numpy_generator(5)
    steps = [
        float(np.diff(draw_warp((64, 64), config, generator).rows[:2, 0])[0]) for _ in range(99)
    ]
    assert min(steps) >= 1 / 1.5 - 1e-5
    assert max(steps) <= 1 / 0.5 + 1e-5
    assert min(steps) < 0.75
    assert max(steps) > 1.5


def test_flips_mirror_each_axis_half_of_the_time() -> None:
    config = cropping(32, STILL.model_copy(update={"flip": True}))
    generator = numpy_generator(6)
    warps = [draw_warp((64, 64), config, generator) for _ in range(200)]
    kinds = [(w.rows[1, 0] < w.rows[0, 0], w.cols[0, 1] < w.cols[0, 0]) for w in warps]
    assert min(kinds.count(kind) for kind in set(kinds)) > 25
    assert len(set(kinds)) == 4


def test_crop_of_a_small_region_holds_enough_of_it() -> None:
    item = partly_labelled(slice(10, 60), slice(140, 190))
    generator = numpy_generator(8)
    crops = [draw_crop(item, cropping(64, STILL, 0.2), generator) for _ in range(30)]
    shares = [(crop.labels != UNLABELLED).mean() for crop in crops]
    assert min(shares) > 0.15  # 0.2 on every 4th row and column
    assert max(shares) - min(shares) > 0.1


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_crop_shows_a_single_labelled_pixel_under_every_warp(seed: int) -> None:
    item = partly_labelled(slice(3, 4), slice(197, 198))
    crop = draw_crop(item, cropping(32, WILD), numpy_generator(seed))
    assert crop.labels[16, 16] == 1
    assert crop.weight[16, 16] == 1


def test_image_without_a_label_is_refused() -> None:
    item = partly_labelled(slice(0, 0), slice(0, 0))
    with pytest.raises(SourceError, match="expected a labelled pixel with a weight above 0"):
        draw_crop(item, cropping(32, STILL), numpy_generator(0))


def test_same_key_gives_the_same_crop() -> None:
    item = coded_image(80, 90)
    one, two = (draw_crop(item, cropping(48, WILD), numpy_generator(10)) for _ in range(2))
    for name in ("image", "labels", "boundary", "weight"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_drawing_a_crop_leaves_the_training_image_alone() -> None:
    item = coded_image(50, 50)
    before = [raster.copy() for raster in (item.image, item.labels, item.boundary, item.weight)]
    draw_crop(item, cropping(48, WILD), numpy_generator(11))
    for old, new in zip(before, (item.image, item.labels, item.boundary, item.weight), strict=True):
        np.testing.assert_array_equal(old, new)


def test_jitter_without_ranges_changes_nothing() -> None:
    image = numpy_generator(12).random((3, 8, 8), dtype=np.float32)
    np.testing.assert_allclose(jitter_colour(image, STILL, numpy_generator(13)), image, atol=1e-6)


def test_brightness_adds_one_number_to_all_pixels() -> None:
    image = np.linspace(0.4, 0.6, 12, dtype=np.float32).reshape(3, 2, 2)
    config = STILL.model_copy(update={"brightness": 0.3})
    shift = jitter_colour(image, config, numpy_generator(14)) - image
    assert np.ptp(shift) < 1e-6
    assert 0 < abs(shift[0, 0, 0]) <= 0.3


def test_contrast_keeps_the_mean() -> None:
    image = np.linspace(0.3, 0.7, 12, dtype=np.float32).reshape(3, 2, 2)
    config = STILL.model_copy(update={"contrast": 0.4})
    jittered = jitter_colour(image, config, numpy_generator(15))
    assert jittered.mean() == pytest.approx(image.mean(), abs=1e-6)
    assert abs(np.ptp(jittered) / np.ptp(image) - 1) > 1e-3


def test_saturation_keeps_grey_pixels_and_the_grey_value() -> None:
    image = np.full((3, 2, 2), 0.5, np.float32)
    image[:, 0, 0] = [0.2, 0.5, 0.8]
    config = STILL.model_copy(update={"saturation": 0.5})
    jittered = jitter_colour(image, config, numpy_generator(16))
    np.testing.assert_allclose(jittered.mean(axis=0), 0.5, atol=1e-6)
    np.testing.assert_allclose(jittered[:, 1, 1], 0.5, atol=1e-6)
    assert abs(jittered[0, 0, 0] - 0.2) > 1e-3


def test_training_image_refuses_rasters_of_another_size() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ShapeError, match=r"expected labels as \(4, 5\) int16.*got \(4, 4\)"):
        TrainingImage(image, np.zeros((4, 4), np.int16), None, np.ones((4, 5), np.float32))


def test_training_image_refuses_a_boundary_of_another_size() -> None:
    image, weight = np.zeros((4, 5, 3), np.uint8), np.ones((4, 5), np.float32)
    with pytest.raises(ShapeError, match="expected boundary as"):
        TrainingImage(image, np.zeros((4, 5), np.int16), np.zeros((5, 4), np.int16), weight)


def test_training_image_refuses_grey_pixels() -> None:
    with pytest.raises(ShapeError, match=r"expected a training image as \(H, W, 3\) uint8"):
        TrainingImage(
            np.zeros((4, 5, 1), np.uint8),
            np.zeros((4, 5), np.int16),
            None,
            np.ones((4, 5), np.float32),
        )


def test_crop_of_240_pixels_takes_a_few_milliseconds_of_one_core() -> None:
    item = coded_image(120, 127)
    config = cropping(240, WILD)
    times = []
    for seed in range(10):
        started = time.thread_time()
        crop = draw_crop(item, config, numpy_generator(seed))
        times.append(time.thread_time() - started)
    assert isinstance(crop, Crop)
    assert min(times) < 0.05  # measured 0.006; room for a slow machine
