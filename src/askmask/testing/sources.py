"""What every source of images guarantees; see `askmask.Source`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from askmask.data.source import Source, check_item
from askmask.errors import SourceError
from askmask.records import ClassMap


class SourceContract:
    """Subclass it with a fixture `source`: any source of one image or more.

    With two images of which one has a mask, every test has something to look at.
    """

    @pytest.fixture
    def source(self) -> Source:
        """Return the source under test."""
        raise NotImplementedError

    def test_classes_are_a_class_map(self, source: Source) -> None:
        assert isinstance(source.classes, ClassMap)
        assert source.classes == source.classes

    def test_images_are_listed_in_the_same_order_on_every_call(self, source: Source) -> None:
        assert source.images()
        assert source.images() == source.images()

    def test_ids_are_unique(self, source: Source) -> None:
        ids = [info.image_id for info in source.images()]
        assert len(set(ids)) == len(ids)

    def test_images_and_masks_are_as_listed(self, source: Source) -> None:
        for info in source.images():
            image, mask = source.read_image(info.image_id), source.read_mask(info.image_id)
            check_item(source.classes, info, image, mask)  # raises at the first disagreement

    def test_reading_again_gives_the_same(self, source: Source) -> None:
        for info in source.images():
            first, again = (source.read_image(info.image_id) for _ in range(2))
            np.testing.assert_array_equal(first, again)
            mask, same = (source.read_mask(info.image_id) for _ in range(2))
            if mask is not None and same is not None:
                np.testing.assert_array_equal(mask.labels, same.labels)

    def test_changing_an_array_changes_nothing_in_the_source(self, source: Source) -> None:
        for info in source.images():
            image, mask = source.read_image(info.image_id), source.read_mask(info.image_id)
            source.read_image(info.image_id)[:] = 77
            np.testing.assert_array_equal(source.read_image(info.image_id), image)
            if mask is None:
                continue
            changed = source.read_mask(info.image_id)
            assert changed is not None
            changed.labels[:] = 0
            if changed.instances is not None:
                changed.instances[:] = 0
            again = source.read_mask(info.image_id)
            assert again is not None
            np.testing.assert_array_equal(again.labels, mask.labels)
            np.testing.assert_array_equal(again.instances, mask.instances)

    def test_threads_read_the_same(self, source: Source) -> None:
        ids = [info.image_id for info in source.images()] * 8
        with ThreadPoolExecutor(8) as pool:
            images = list(pool.map(source.read_image, ids))
        for image_id, image in zip(ids, images, strict=True):
            np.testing.assert_array_equal(image, source.read_image(image_id))

    def test_unknown_id_is_an_error_that_names_it(self, source: Source) -> None:
        with pytest.raises(SourceError, match="no such image"):
            source.read_image("no such image")
        with pytest.raises(SourceError, match="no such image"):
            source.read_mask("no such image")
