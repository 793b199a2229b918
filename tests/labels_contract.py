"""What every store guarantees of answers and labels; subclass as `store_contract` says."""

from pathlib import Path

import numpy as np
import pytest

from askmask.errors import ShapeError, StoreError
from askmask.records import UNLABELLED, Answer, Mask, Region
from askmask.store.store import Store
from store_contract import (
    CORNER,
    FIRST,
    IMAGES,
    LEFT,
    RIGHT,
    THIRD,
    OpenedStore,
    assert_same_answer,
    filled,
)


class LabelsContract(OpenedStore):
    """Answers come back as given, the newest counts, and what is labelled can be told."""

    def test_answer_comes_back_as_it_was_given(self, store: Store) -> None:
        labels = np.array([[UNLABELLED, 0, 254], [1, 2, 3]], np.int16)
        instances = np.array([[0, 0, 65535], [1, 2, 0]], np.int32)
        answer = Answer(
            region=CORNER,
            mask=Mask(labels, instances),
            round=3,
            author="Grace Høpper",
            tool="polygon",
            answered_at="2031-05-06T07:08:09.123+00:00",
            seconds=12.5,
            model="round_002.safetensors",
        )

        store.add_answer(answer)

        (kept,) = store.answers()
        assert_same_answer(kept, answer)

    def test_answers_are_numbered_upwards_and_come_oldest_first(self, store: Store) -> None:
        clock_set_back = "1999-01-01T00:00:00.000+00:00"
        numbers = [
            store.add_answer(filled(LEFT, 0)),
            store.add_answer(filled(CORNER, 1, round=2)),
            store.add_answer(filled(LEFT, 2, answered_at=clock_set_back)),
        ]

        assert numbers == sorted(set(numbers))
        assert store.newest_answer() == numbers[-1]
        assert [int(a.mask.labels[0, 0]) for a in store.answers()] == [0, 1, 2]
        assert [int(a.mask.labels[0, 0]) for a in store.answers(FIRST.image_id)] == [0, 2]
        assert [int(a.mask.labels[0, 0]) for a in store.answers(round=2)] == [1]
        assert list(store.answers(FIRST.image_id, 2)) == []

    def test_newest_label_wins_whatever_the_clocks_say(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 0))
        store.add_answer(filled(LEFT, 2, answered_at="1999-01-01T00:00:00.000+00:00"))

        assert (store.labelled(FIRST.image_id).labels[LEFT.slices] == 2).all()

    def test_returned_arrays_belong_to_the_caller(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 1))

        store.labelled(FIRST.image_id).labels[:] = 0
        next(store.answers()).mask.labels[:] = 0
        store.asked(FIRST.image_id)[:] = False

        assert (store.labelled(FIRST.image_id).labels[LEFT.slices] == 1).all()
        assert store.asked(FIRST.image_id)[LEFT.slices].all()

    def test_labels_of_a_region_are_those_of_its_part_of_the_image(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 1))
        store.add_answer(filled(Region(FIRST.image_id, 4, 3, 2, 2), 0))
        region = Region(FIRST.image_id, 3, 2, 3, 4)

        labels = store.labelled_region(region).labels

        whole = store.labelled(FIRST.image_id).labels
        np.testing.assert_array_equal(labels, whole[region.slices])
        with pytest.raises(ShapeError, match="inside image"):
            store.labelled_region(Region(FIRST.image_id, 0, 0, 7, 1))

    def test_unanswered_image_is_unlabelled(self, store: Store) -> None:
        mask = store.labelled(FIRST.image_id)

        np.testing.assert_array_equal(mask.labels, np.full((6, 8), UNLABELLED, np.int16))
        assert mask.instances is None

    def test_objects_of_a_known_mask_keep_their_ids_and_drawn_ones_get_others(
        self, store: Store
    ) -> None:
        ones = np.ones((6, 4), np.int16)
        ids = np.full((6, 4), 5, np.int32)
        store.add_answer(Answer(LEFT, Mask(ones, ids), 1, "simulated", "mask"))
        store.add_answer(Answer(RIGHT, Mask(ones, ids), 1, "simulated", "mask"))
        drawn = Region(FIRST.image_id, 0, 0, 1, 1)
        drawn_mask = Mask(np.ones((1, 1), np.int16), np.ones((1, 1), np.int32))
        store.add_answer(Answer(drawn, drawn_mask, 1, "Ada", "brush"))

        instances = store.labelled(FIRST.image_id).instances

        assert instances is not None
        assert instances[0, 0] == 6
        assert (instances.ravel()[1:] == 5).all()

    def test_answer_for_an_unknown_image_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match=r"got 'nowhere'.*add_images"):
            store.add_answer(filled(Region("nowhere", 0, 0, 2, 2), 1))

    def test_labels_of_an_unknown_image_are_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="got 'nowhere'"):
            store.labelled("nowhere")

    @pytest.mark.parametrize("place", [(5, 0, 2, 1), (0, 8, 1, 1)], ids=["below", "right"])
    def test_answer_beyond_the_image_is_refused(
        self, store: Store, place: tuple[int, int, int, int]
    ) -> None:
        with pytest.raises(ShapeError, match=r"inside image 'slide/ä 1' of shape \(6, 8\)"):
            store.add_answer(filled(Region(FIRST.image_id, *place), 1))

        assert store.newest_answer() == 0

    @pytest.mark.parametrize("value", [-2, 255])
    def test_label_that_no_mask_can_hold_is_refused(self, store: Store, value: int) -> None:
        with pytest.raises(ShapeError, match=str(value)):
            store.add_answer(filled(LEFT, value))

        assert store.newest_answer() == 0

    def test_answer_of_a_negative_round_is_refused(self, store: Store) -> None:
        with pytest.raises(StoreError, match="round"):
            store.add_answer(filled(LEFT, 1, round=-1))

        assert store.newest_answer() == 0

    def test_labelled_images_are_those_with_a_label(self, store: Store) -> None:
        store.add_answer(filled(Region(THIRD.image_id, 0, 0, 1, 1), 0))
        store.add_answer(filled(CORNER, UNLABELLED))
        store.add_answer(filled(LEFT, 1))

        assert store.labelled_images() == (FIRST.image_id, THIRD.image_id)

    def test_labelled_pixels_count_each_pixel_once(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 1))
        store.add_answer(filled(LEFT, 0))
        store.add_answer(filled(Region(FIRST.image_id, 0, 3, 2, 2), 1))
        store.add_answer(filled(CORNER, UNLABELLED))

        assert store.labelled_pixels() == 24 + 2

    def test_costs_of_a_round_in_every_currency(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 0, round=0, seconds=2.0))
        store.add_answer(filled(CORNER, 1, round=2, seconds=1.0))
        store.add_answer(filled(RIGHT, 1, round=2))
        store.add_answer(filled(RIGHT, 0, round=2))

        start, second = store.costs()

        assert (start.round, second.round) == store.answered_rounds() == (0, 2)
        assert (start.new_pixels, second.new_pixels) == (24, 24 + 6)
        assert (start.regions, second.regions) == (1, 2)
        assert (start.images, second.images) == (1, 2)
        assert (start.images_so_far, second.images_so_far) == (1, 2)
        assert (start.boundary_length, second.boundary_length) == (0, 6)  # RIGHT meets LEFT
        assert start.seconds == 2.0
        assert np.isnan(second.seconds)

    def test_until_tells_the_labelled_set_as_it_was(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 0))
        number = store.newest_answer()
        before = (
            store.labelled(FIRST.image_id).labels,
            *(store.labelled_images(), store.labelled_pixels(), store.labelled_digest()),
        )
        store.add_answer(filled(LEFT, 1))
        store.add_answer(filled(CORNER, 1))

        np.testing.assert_array_equal(store.labelled(FIRST.image_id, number).labels, before[0])
        assert store.labelled_images(number) == before[1]
        assert store.labelled_pixels(number) == before[2]
        assert store.labelled_digest(number) == before[3]
        assert store.labelled_digest() != before[3]
        assert store.labelled_pixels(0) == 0

    def test_digest_does_not_see_when_and_how_labels_came(
        self, store: Store, tmp_path: Path
    ) -> None:
        store.add_answer(filled(LEFT, 1))
        store.add_answer(filled(RIGHT, 1))
        store.add_answer(filled(CORNER, 2))
        (tmp_path / "other").mkdir()
        other = self.open_store(tmp_path / "other")
        other.add_images(reversed(IMAGES))
        other.add_answer(filled(CORNER, 0, round=0))
        other.add_answer(filled(CORNER, 2, round=2))
        other.add_answer(filled(FIRST.whole, 1, author="Grace"))

        assert store.labelled_digest() == other.labelled_digest()
        other.close()

    def test_digest_sees_labels_and_images(self, store: Store) -> None:
        digests = [store.labelled_digest()]
        for answer in (
            filled(Region(FIRST.image_id, 0, 0, 4, 4), 1),
            filled(Region(FIRST.image_id, 0, 0, 1, 1), 0),
            filled(THIRD.whole, 1),
        ):
            store.add_answer(answer)
            digests.append(store.labelled_digest())

        assert len(set(digests)) == 4
        assert all(len(digest) == 32 for digest in digests)
