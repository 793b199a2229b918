"""The records refuse what cannot be, and compute what follows from them."""

import numpy as np
import pytest

from askmask.errors import ConfigError, ShapeError
from askmask.records import (
    UNLABELLED,
    Answer,
    ClassMap,
    ImageInfo,
    Mask,
    Query,
    QueryItem,
    Region,
    Unit,
)


def labels(height: int, width: int, value: int = 0) -> np.ndarray:
    return np.full((height, width), value, dtype=np.int16)


def test_region_knows_its_area_and_slices() -> None:
    region = Region("a", 2, 3, 4, 5)
    assert region.pixels == 20
    assert region.slices == (slice(2, 6), slice(3, 8))


@pytest.mark.parametrize("box", [(-1, 0, 1, 1), (0, -1, 1, 1), (0, 0, 0, 1), (0, 0, 1, 0)])
def test_region_that_is_empty_or_outside_is_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ShapeError, match="expected a region with row, col >= 0"):
        Region("a", *box)


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        (Region("a", 0, 0, 2, 2), True),
        (Region("a", 1, 1, 5, 5), True),
        (Region("a", 2, 0, 1, 2), False),
        (Region("a", 0, 2, 2, 1), False),
        (Region("b", 0, 0, 2, 2), False),
    ],
)
def test_regions_overlap_only_where_they_share_a_pixel(other: Region, overlap: bool) -> None:
    assert Region("a", 0, 0, 2, 2).overlaps(other) is overlap
    assert other.overlaps(Region("a", 0, 0, 2, 2)) is overlap


def test_whole_image_is_a_region() -> None:
    assert ImageInfo("a", 4, 6).whole == Region("a", 0, 0, 4, 6)


def test_mask_crop_is_a_copy() -> None:
    mask = Mask(labels(4, 4), np.ones((4, 4), np.int32))
    crop = mask.crop(Region("a", 1, 1, 2, 2))
    crop.labels[:] = 3
    assert mask.labels.max() == 0
    assert crop.instances is not None
    assert crop.instances.shape == (2, 2)


def test_mask_without_instances_crops_to_one_without() -> None:
    assert Mask(labels(2, 2)).crop(Region("a", 0, 0, 1, 1)).instances is None


def test_labelled_is_where_a_class_stands() -> None:
    raster = labels(1, 2)
    raster[0, 1] = UNLABELLED
    assert Mask(raster).labelled.tolist() == [[True, False]]


def test_mask_that_is_no_raster_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected labels as \(H, W\) int16, got \(2,\) int16"):
        Mask(np.zeros(2, np.int16))


def test_instances_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"expected instances as \(2, 2\) int32, got \(2, 3\)"):
        Mask(labels(2, 2), np.zeros((2, 3), np.int32))


def test_answer_must_cover_exactly_its_region() -> None:
    with pytest.raises(ShapeError, match=r"expected labels of shape \(2, 2\) .* got \(1, 2\)"):
        Answer(Region("a", 0, 0, 2, 2), Mask(labels(1, 2)), 0, "someone", "brush")


def test_query_adds_up_its_new_pixels() -> None:
    items = (
        QueryItem(1, Region("a", 0, 0, 2, 2), 1.0, 4),
        QueryItem(2, Region("b", 0, 0, 1, 1), 0.5, 1),
    )
    assert Query(1, "random", Unit.REGION, items).new_pixels == 5


@pytest.mark.parametrize(
    ("names", "message"),
    [(("only",), "at least two classes"), (("a", "a"), "distinct class names")],
)
def test_class_map_needs_two_distinct_names(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassMap(names)


def test_class_map_has_a_length() -> None:
    assert len(ClassMap.of(["background", "gland"])) == 2
