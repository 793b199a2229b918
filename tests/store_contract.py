"""What every store guarantees; a store's tests subclass this and say how one is opened."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from askmask.errors import ShapeError, StoreError
from askmask.records import (
    UNLABELLED,
    Answer,
    ImageInfo,
    Mask,
    MetricRow,
    Query,
    QueryItem,
    Region,
    Unit,
)
from askmask.store.store import Store, TrainingRecord

FIRST = ImageInfo("slide/ä 1", 6, 8, split="train", group="benign", role="pool")
SECOND = ImageInfo("another", 5, 5, split="testA", has_mask=False)
THIRD = ImageInfo("A third", 4, 4)
IMAGES = (FIRST, SECOND, THIRD)

LEFT = Region(FIRST.image_id, 0, 0, 6, 4)
RIGHT = Region(FIRST.image_id, 0, 4, 6, 4)
CORNER = Region(SECOND.image_id, 3, 2, 2, 3)
QUERY = Query(
    round=1,
    acquisition="mutual_information",
    unit=Unit.REGION,
    items=(
        QueryItem(0, LEFT, 3.25, 24),
        QueryItem(1, CORNER, 1.5, 6),
        QueryItem(2, RIGHT, 0.125, 20),
    ),
    model="round_000.safetensors",
    elapsed_seconds=1.25,
)
FAILED = TrainingRecord(
    round=0,
    attempt=0,
    status="failed",
    reason="loss nan at step 3",
    steps=3,
    loss=float("nan"),
    elapsed_seconds=0.5,
    model="round_000.safetensors",
    labelled_digest="ab" * 16,
    started_at="2030-01-01T00:00:00.000+00:00",
)
FINISHED = TrainingRecord(
    round=0,
    attempt=1,
    status="finished",
    reason=None,
    steps=600,
    loss=0.1,
    elapsed_seconds=60.5,
    model="round_000.safetensors",
    labelled_digest="ab" * 16,
    started_at="2030-01-01T00:00:01.000+00:00",
)
DICE = MetricRow("testA", "all", "all", "mean_dice", 0.1, 1000)
ABSENT = MetricRow("testA", "benign", "gland", "dice", float("nan"), 0)
BIN = MetricRow("testA", "all", "all", "reliability_accuracy", 1 / 3, 12, bin=9)


def filled(region: Region, value: int, round: int = 1, **others: object) -> Answer:
    """Answer of one class all over a region."""
    mask = Mask(np.full((region.height, region.width), value, np.int16))
    provenance = {"author": "Ada", "tool": "brush", **others}
    return Answer(region=region, mask=mask, round=round, **provenance)


def assert_same_answer(one: Answer, other: Answer) -> None:
    """Compare two answers field by field."""
    names = ("region", "round", "author", "tool", "answered_at", "seconds", "model")
    assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
    np.testing.assert_array_equal(one.mask.labels, other.mask.labels)
    assert (one.mask.instances is None) == (other.mask.instances is None)
    if one.mask.instances is not None:
        np.testing.assert_array_equal(one.mask.instances, other.mask.instances)


class OpenedStore:
    """Subclass and override `open_store`."""

    def open_store(self, path: Path) -> Store:
        """Open the store in a folder, a second time too."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = self.open_store(tmp_path)
        store.add_images(IMAGES)
        yield store
        store.close()


class StoreContract(OpenedStore):
    """Images, queries, trainings and scores, and what a store is to several who have it open."""

    def test_identity_stays_and_is_no_other_stores(self, store: Store, tmp_path: Path) -> None:
        other_path, again = tmp_path / "other", self.open_store(tmp_path)
        other_path.mkdir()
        other = self.open_store(other_path)
        ids = [one.identity() for one in (store, again, other)]
        again.close()
        other.close()

        assert ids[0] == ids[1] != ids[2]

    def test_new_store_is_empty(self, tmp_path: Path) -> None:
        store = self.open_store(tmp_path)

        assert store.images() == store.trainings() == store.costs() == ()
        assert store.labelled_images() == store.answered_rounds() == store.unanswered(0) == ()
        assert (store.newest_query(), store.query(1)) == (None, None)
        assert store.finished_trainings() == ()
        assert (store.labelled_pixels(), store.newest_answer(), list(store.answers())) == (0, 0, [])
        assert store.metrics(0) == ()
        store.close()

    def test_images_come_in_the_order_they_were_added(self, store: Store) -> None:
        store.add_images([THIRD, ImageInfo("new", 3, 3), FIRST])

        assert store.images() == (*IMAGES, ImageInfo("new", 3, 3))

    def test_known_image_is_brought_up_to_date(self, store: Store) -> None:
        changed = ImageInfo(SECOND.image_id, 5, 5, "train", "malignant", "start", has_mask=True)

        store.add_images([changed])

        assert store.images() == (FIRST, changed, THIRD)

    def test_image_of_another_size_is_refused_and_nothing_added(self, store: Store) -> None:
        resized = ImageInfo(FIRST.image_id, 12, 16)

        with pytest.raises(StoreError, match=r"slide/ä 1.*\(6, 8\).*\(12, 16\)"):
            store.add_images([ImageInfo("new", 3, 3), resized])

        assert store.images() == IMAGES

    def test_query_comes_back_as_it_was_asked(self, store: Store) -> None:
        store.add_query(QUERY)

        assert store.query(1) == store.newest_query() == QUERY
        assert store.query(2) is None

    def test_newest_query_is_that_of_the_last_round(self, store: Store) -> None:
        items = (QueryItem(0, RIGHT, 2.0, 24),)
        newest = Query(2, "random", Unit.IMAGE, items)

        store.add_query(newest)
        store.add_query(QUERY)

        assert store.newest_query() == newest

    def test_same_query_again_changes_nothing(self, store: Store) -> None:
        store.add_query(QUERY)
        slower = Query(
            *(1, QUERY.acquisition, QUERY.unit, QUERY.items, QUERY.model),
            elapsed_seconds=99.0,
        )

        store.add_query(slower)

        assert store.query(1) == QUERY

    @pytest.mark.parametrize(
        "other",
        [
            Query(1, QUERY.acquisition, QUERY.unit, QUERY.items[:2], QUERY.model),
            Query(1, "random", QUERY.unit, QUERY.items, QUERY.model),
            Query(1, QUERY.acquisition, QUERY.unit, QUERY.items, "another.safetensors"),
        ],
        ids=["items", "acquisition", "model"],
    )
    def test_another_query_for_a_round_is_refused(self, store: Store, other: Query) -> None:
        store.add_query(QUERY)

        with pytest.raises(StoreError, match=r"no other query in round 1, which asks 3 regions"):
            store.add_query(other)

        assert store.query(1) == QUERY

    @pytest.mark.parametrize(
        "query",
        [Query(0, "random", Unit.REGION, QUERY.items), Query(1, "random", Unit.REGION, ())],
        ids=["round 0", "nothing asked"],
    )
    def test_query_of_nothing_or_of_the_start_set_is_refused(
        self, store: Store, query: Query
    ) -> None:
        with pytest.raises(StoreError, match="round >= 1 with at least one region"):
            store.add_query(query)

    def test_query_with_one_bad_region_is_refused_whole(self, store: Store) -> None:
        beyond = QueryItem(3, Region(THIRD.image_id, 2, 2, 3, 1), 0.1, 3)

        with pytest.raises(ShapeError, match=r"A third.*\(4, 4\).*row=2"):
            store.add_query(Query(1, "random", Unit.REGION, (*QUERY.items, beyond)))

        assert store.newest_query() is None
        assert store.pending(FIRST.image_id) == ()

    def test_query_with_a_score_that_is_no_number_is_refused(self, store: Store) -> None:
        item = QueryItem(0, LEFT, float("nan"), 24)

        with pytest.raises(StoreError, match="score"):
            store.add_query(Query(1, "random", Unit.REGION, (item,)))

        assert store.newest_query() is None

    def test_answered_regions_leave_the_open_ones_in_order(self, store: Store) -> None:
        store.add_query(QUERY)

        store.add_answer(filled(CORNER, 1))

        assert store.unanswered(1) == (QUERY.items[0], QUERY.items[2])
        assert store.pending(FIRST.image_id) == (LEFT, RIGHT)
        assert store.pending(SECOND.image_id) == ()

    def test_answer_of_another_round_or_another_box_leaves_a_region_open(
        self, store: Store
    ) -> None:
        store.add_query(QUERY)

        store.add_answer(filled(CORNER, 1, round=0))
        store.add_answer(filled(Region(SECOND.image_id, 0, 0, 5, 5), 1))

        assert QUERY.items[1] in store.unanswered(1)

    def test_asked_pixels_are_those_labelled_pending_or_given_up(self, store: Store) -> None:
        store.add_query(QUERY)
        store.add_answer(filled(CORNER, UNLABELLED))
        store.add_answer(filled(Region(SECOND.image_id, 0, 0, 1, 2), 1, round=0))
        store.add_answer(filled(Region(SECOND.image_id, 1, 0, 1, 2), UNLABELLED, round=0))

        expected = np.zeros((5, 5), bool)
        expected[3:, 2:] = True  # asked, and answered with "I do not know"
        expected[0, :2] = True  # labelled; the line below was never asked, and has no label
        np.testing.assert_array_equal(store.asked(SECOND.image_id), expected)
        assert store.asked(FIRST.image_id).all()
        assert not store.asked(THIRD.image_id).any()

    def test_trainings_come_oldest_first_with_failures(self, store: Store) -> None:
        store.add_training(FAILED)
        store.add_training(FINISHED)

        first, second = store.trainings()

        assert np.isnan(first.loss)
        assert (first.status, first.reason, first.steps) == ("failed", FAILED.reason, 3)
        assert second == FINISHED

    def test_finished_trainings_leave_out_those_that_failed(self, store: Store) -> None:
        store.add_training(FAILED)
        assert store.finished_trainings() == ()

        store.add_training(FINISHED)
        store.add_training(FAILED)
        assert store.finished_trainings() == (FINISHED,)
        assert store.finished_trainings(FINISHED.round) == (FINISHED,)
        assert store.finished_trainings(FINISHED.round + 1) == ()

    def test_training_of_unknown_status_is_refused(self, store: Store) -> None:
        record = TrainingRecord(0, 0, "on its way", None, 1, 0.1, 1.0, "m", "d", "t")

        with pytest.raises(StoreError, match="status"):
            store.add_training(record)

        assert store.trainings() == ()

    def test_metrics_come_back_in_order_with_nan(self, store: Store) -> None:
        store.add_metrics(0, "round_000.safetensors", [DICE, ABSENT, BIN])

        dice, absent, reliability = store.metrics(0)

        assert (dice, reliability) == (DICE, BIN)
        assert (absent.metric, absent.count) == ("dice", 0)
        assert np.isnan(absent.value)
        assert store.metrics(0, "another.safetensors") == store.metrics(1) == ()

    def test_second_metrics_of_a_model_change_nothing(self, store: Store) -> None:
        store.add_metrics(0, "model", [DICE])
        store.add_metrics(0, "model", [BIN, ABSENT])

        assert store.metrics(0, "model") == (DICE,)

    def test_metrics_are_those_of_the_model_evaluated_last(self, store: Store) -> None:
        store.add_metrics(0, "one", [DICE])
        store.add_metrics(0, "two", [BIN])

        assert store.metrics(0) == (BIN,)
        assert store.metrics(0, "one") == (DICE,)

        store.add_metrics(0, "one", [ABSENT])
        assert store.metrics(0) == store.metrics(0, "one") == (DICE,)
        assert store.metrics(0, "two") == (BIN,)

    def test_model_trained_anew_has_no_metrics_yet(self, store: Store) -> None:
        store.add_training(FINISHED)
        store.add_metrics(0, FINISHED.model, [DICE])
        store.add_training(FAILED)
        assert store.metrics(0, FINISHED.model) == (DICE,)

        store.add_training(FINISHED)
        assert store.metrics(0) == store.metrics(0, FINISHED.model) == ()

        store.add_metrics(0, FINISHED.model, [BIN])
        assert store.metrics(0) == (BIN,)

    def test_everything_is_there_when_the_store_is_opened_again(
        self, store: Store, tmp_path: Path
    ) -> None:
        store.add_query(QUERY)
        store.add_answer(filled(LEFT, 1))
        store.add_training(FINISHED)
        store.add_metrics(0, "model", [DICE])
        digest = store.labelled_digest()
        store.close()

        again = self.open_store(tmp_path)

        assert again.images() == IMAGES
        assert again.newest_query() == QUERY
        assert again.unanswered(1) == QUERY.items[1:]
        assert again.trainings() == (FINISHED,)
        assert again.metrics(0) == (DICE,)
        assert again.labelled_digest() == digest
        again.close()

    def test_two_open_stores_see_each_others_writes(self, store: Store, tmp_path: Path) -> None:
        other = self.open_store(tmp_path)

        number = other.add_answer(filled(LEFT, 1))

        assert store.newest_answer() == number
        assert store.labelled_pixels() == LEFT.pixels
        other.close()

    def test_answers_from_several_threads_are_all_kept(self, store: Store) -> None:
        def answer(col: int) -> None:
            for row in range(6):
                store.add_answer(filled(Region(FIRST.image_id, row, col, 1, 1), 1))
                store.labelled(FIRST.image_id)

        threads = [threading.Thread(target=answer, args=(col,)) for col in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(list(store.answers())) == store.labelled_pixels() == 24

    def test_closed_store_says_so(self, store: Store) -> None:
        store.close()
        store.close()

        with pytest.raises(StoreError, match="closed"):
            store.images()
