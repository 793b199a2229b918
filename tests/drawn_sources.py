"""The images that our own sources are built of in tests, and what must come back."""

import numpy as np
import pytest

from askmask.data.source import Pixels, Source
from askmask.errors import SourceError
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask
from askmask.testing import SourceContract

CLASSES = ClassMap(("background", "gland", "vessel"))

Items = dict[str, tuple[ImageInfo, Pixels, Mask | None]]


def drawn_items() -> Items:
    """Four images: with objects and unlabelled pixels, classes only, without a mask, nested."""
    generator = np.random.default_rng(7)
    labels = np.array([[0, 1, 1, 0], [0, 1, 2, UNLABELLED], [0, 0, 2, UNLABELLED]], np.int16)
    instances = np.array([[0, 7, 7, 0], [0, 7, 300, 0], [0, 0, 300, 0]], np.int32)
    records: list[tuple[ImageInfo, Mask | None]] = [
        (
            ImageInfo("b", 3, 4, split="testA", group="benign", role="test"),
            Mask(labels, instances),
        ),
        (ImageInfo("a", 2, 5), Mask(np.ones((2, 5), np.int16))),
        (ImageInfo("c", 6, 1, has_mask=False), None),
        (ImageInfo("slide 1/tile.2", 2, 2, role="pool"), Mask(np.zeros((2, 2), np.int16))),
    ]
    return {
        info.image_id: (
            info,
            generator.integers(0, 256, (info.height, info.width, 3)).astype(np.uint8),
            mask,
        )
        for info, mask in records
    }


class DrawnSourceContract(SourceContract):
    """Subclass it with a fixture `source`: a source of `drawn_items`, in order, with `CLASSES`."""

    def test_classes_come_in_index_order(self, source: Source) -> None:
        assert source.classes == CLASSES

    def test_images_are_listed_in_the_order_they_went_in(self, source: Source) -> None:
        assert source.images() == tuple(info for info, _, _ in drawn_items().values())

    def test_every_image_is_what_went_in(self, source: Source) -> None:
        for image_id, (_, image, _) in drawn_items().items():
            np.testing.assert_array_equal(source.read_image(image_id), image)

    def test_labels_and_objects_are_what_went_in(self, source: Source) -> None:
        expected = drawn_items()["b"][2]
        found = source.read_mask("b")
        assert expected is not None
        assert found is not None
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_array_equal(found.instances, expected.instances)

    def test_mask_without_objects_stays_without(self, source: Source) -> None:
        found = source.read_mask("a")
        assert found is not None
        assert found.instances is None

    def test_unknown_id_tells_how_many_images_there_are(self, source: Source) -> None:
        with pytest.raises(SourceError, match=r"no image 'd' among the 4 images.*images\(\)"):
            source.read_image("d")
