import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.data.scaling import check_scale, scaled_size, shrink_image, shrink_mask
from askmask.errors import ConfigError
from askmask.records import UNLABELLED, Mask


def test_halved_image_is_the_mean_of_squares() -> None:
    channel = np.array([[10, 20, 0, 0], [30, 40, 0, 255]], np.uint8)
    image = np.stack([channel, channel, np.full_like(channel, 9)], axis=2)
    # (10 + 20 + 30 + 40) / 4 = 25; 255 / 4 = 63.75, rounded 64
    assert shrink_image(image, 0.5).tolist() == [[[25, 25, 9], [64, 64, 9]]]


def test_halved_mask_takes_values_and_makes_none_up() -> None:
    labels = np.array([[0, 0, 5, 5], [0, 1, 5, UNLABELLED]], np.int16)
    instances = np.array([[0, 0, 7, 7], [0, 3, 7, 0]], np.int32)
    found = shrink_mask(Mask(labels, instances), 0.5)
    # The centre of each 2 x 2 square falls on its lower right pixel.
    assert found.labels.tolist() == [[1, UNLABELLED]]
    assert found.instances is not None
    assert found.instances.tolist() == [[3, 0]]
    assert (found.labels.dtype, found.instances.dtype) == (np.int16, np.int32)


def test_mask_without_objects_stays_without() -> None:
    assert shrink_mask(Mask(np.zeros((4, 4), np.int16)), 0.5).instances is None


@given(height=st.integers(1, 40), width=st.integers(1, 40), scale=st.floats(0.01, 1))
def test_image_and_mask_keep_one_size(height: int, width: int, scale: float) -> None:
    size = scaled_size(height, width, scale)
    labels = np.arange(height * width, dtype=np.int16).reshape(height, width)
    image = np.full((height, width, 3), 200, np.uint8)
    assert shrink_mask(Mask(labels), scale).labels.shape == size
    shrunk = shrink_image(image, scale)
    assert shrunk.shape == (*size, 3)
    assert (shrunk == 200).all()
    assert min(size) >= 1


@given(
    height=st.integers(1, 30), width=st.integers(1, 30), scale=st.floats(0.05, 1), data=st.data()
)
def test_pixel_of_a_smaller_mask_is_the_one_at_its_centre(
    height: int, width: int, scale: float, data: st.DataObject
) -> None:
    labels = np.arange(height * width, dtype=np.int16).reshape(height, width)
    found = shrink_mask(Mask(labels), scale).labels
    rows, cols = found.shape
    row = data.draw(st.integers(0, rows - 1))
    col = data.draw(st.integers(0, cols - 1))
    centre = int((row + 0.5) * height / rows + 1e-9), int((col + 0.5) * width / cols + 1e-9)
    assert found[row, col] == labels[centre]


def test_scale_one_changes_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(shrink_image(image, 1.0), image)


@pytest.mark.parametrize("scale", [0.0, -0.5, 1.01, float("nan")])
def test_scales_that_do_not_shrink_are_refused(scale: float) -> None:
    with pytest.raises(ConfigError, match=r"expected a scale in \(0, 1\], got"):
        check_scale(scale)
