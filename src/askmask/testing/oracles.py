"""What every oracle guarantees; see `askmask.Oracle`."""

import numpy as np
import pytest

from askmask.data.source import MemorySource
from askmask.errors import ShapeError, SourceError
from askmask.loop.oracle import Oracle
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask, Region

KNOWN = ImageInfo("known", 4, 6)
PLAIN = ImageInfo("plain", 3, 3)
BLANK = ImageInfo("blank", 4, 6, has_mask=False)


def drawn_source() -> MemorySource:
    """Three images: with objects and an unlabelled column, with classes only, without a mask."""
    labels = np.array([[0, 0, 1, 1, 0, UNLABELLED]] * 4, np.int16)
    instances = np.array([[0, 0, 8, 8, 0, 0]] * 4, np.int32)
    labels[3], instances[3] = 0, 0
    items = {
        "known": (KNOWN, np.zeros((4, 6, 3), np.uint8), Mask(labels, instances)),
        "plain": (PLAIN, np.zeros((3, 3, 3), np.uint8), Mask(np.ones((3, 3), np.int16))),
        "blank": (BLANK, np.zeros((4, 6, 3), np.uint8), None),
    }
    return MemorySource(ClassMap(("background", "gland")), items)


class OracleContract:
    """Subclass it, and make an oracle that knows the masks of a source."""

    def make_oracle(self, source: MemorySource) -> Oracle:
        """Return an oracle that knows the masks of a source."""
        raise NotImplementedError

    @pytest.fixture
    def oracle(self) -> Oracle:
        """Return the oracle under test."""
        return self.make_oracle(drawn_source())

    def test_answer_covers_exactly_the_region_asked(self, oracle: Oracle) -> None:
        region = Region("known", 2, 1, 2, 3)

        answer = oracle.answer(region, 4)

        assert (answer.region, answer.round) == (region, 4)
        np.testing.assert_array_equal(answer.mask.labels, [[0, 1, 1], [0, 0, 0]])

    def test_answer_says_who_gave_it_and_with_what(self, oracle: Oracle) -> None:
        answer = oracle.answer(KNOWN.whole, 0)

        assert answer.author
        assert answer.tool
        assert answer.answered_at

    def test_unlabelled_pixels_of_the_mask_stay_unlabelled(self, oracle: Oracle) -> None:
        answer = oracle.answer(Region("known", 0, 4, 1, 2), 1)

        np.testing.assert_array_equal(answer.mask.labels, [[0, UNLABELLED]])

    def test_same_question_has_the_same_labels(self, oracle: Oracle) -> None:
        first = oracle.answer(KNOWN.whole, 1)
        oracle.answer(PLAIN.whole, 2)
        again = oracle.answer(KNOWN.whole, 3)

        np.testing.assert_array_equal(first.mask.labels, again.mask.labels)

    def test_arrays_of_an_answer_belong_to_the_caller(self, oracle: Oracle) -> None:
        oracle.answer(PLAIN.whole, 1).mask.labels[:] = 0

        assert (oracle.answer(PLAIN.whole, 1).mask.labels == 1).all()

    def test_image_that_nobody_can_label_is_refused(self, oracle: Oracle) -> None:
        with pytest.raises(SourceError, match="'blank'"):
            oracle.answer(BLANK.whole, 1)

    def test_image_that_nobody_knows_is_refused(self, oracle: Oracle) -> None:
        with pytest.raises(SourceError, match="'nowhere'"):
            oracle.answer(Region("nowhere", 0, 0, 1, 1), 1)

    @pytest.mark.parametrize("place", [(3, 0, 2, 2), (0, 5, 2, 2)], ids=["below", "right"])
    def test_region_beyond_the_image_is_refused(
        self, oracle: Oracle, place: tuple[int, int, int, int]
    ) -> None:
        with pytest.raises(ShapeError, match=r"'known'.*\(4, 6\)"):
            oracle.answer(Region("known", *place), 1)
