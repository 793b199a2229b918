"""What every store guarantees to the answers that people give; a store's tests subclass this."""

import numpy as np
import pytest

from askmask.errors import ReusedId, ShapeError, StoreError, UnknownItem
from askmask.records import (
    Answer,
    AnswerKind,
)
from askmask.store.store import Store
from people_contract import CORNER_RANK, StoreOfPeople, mark
from store_contract import CORNER, FIRST, LEFT, QUERY, RIGHT, SECOND, filled


class AnswersContract(StoreOfPeople):
    """Subclass and override `open_store`."""

    @pytest.mark.parametrize("kind", [AnswerKind.UNSURE, AnswerKind.ARTEFACT])
    def test_mark_closes_a_region_without_a_label(self, store: Store, kind: AnswerKind) -> None:
        store.worklist.give(CORNER_RANK, mark(kind), client_id="first-one")

        assert store.worklist.item(1, CORNER_RANK).state == kind.value
        assert store.labelled_pixels() == 0
        assert store.unanswered(1) == (QUERY.items[0], QUERY.items[2])
        assert store.asked(SECOND.image_id)[CORNER.slices].all()
        assert list(store.answers()) == []
        (kept,) = store.answers(all_kinds=True)
        assert (kept.kind, kept.author) == (kind, "Ada")
        assert store.costs()[0].regions == 1

    def test_mark_with_labels_is_refused(self) -> None:
        with pytest.raises(ShapeError, match="no labels in an answer of kind 'unsure'"):
            Answer(CORNER, filled(CORNER, 1).mask, 1, "Ada", "key", kind=AnswerKind.UNSURE)

    def test_repeated_answer_is_kept_once(self, store: Store) -> None:
        first = store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="same-one")
        again = store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="same-one")

        assert (first.is_new, again.is_new) == (True, False)
        assert first.number == again.number
        assert store.worklist.item(1, CORNER_RANK).answers == 1

    @pytest.mark.parametrize(
        "other",
        [filled(CORNER, 0), filled(CORNER, 1, author="Grace"), mark(AnswerKind.UNSURE)],
        ids=["labels", "author", "kind"],
    )
    def test_id_of_another_answer_is_refused(self, store: Store, other: Answer) -> None:
        store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="same-one")

        with pytest.raises(ReusedId, match="'same-one', under which answer 1"):
            store.worklist.give(CORNER_RANK, other, client_id="same-one")

        assert store.newest_answer() == 1

    def test_answer_that_knew_the_newest_is_a_change(self, store: Store) -> None:
        first = store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="one-one-one")
        change = store.worklist.give(
            CORNER_RANK, filled(CORNER, 0), client_id="two-two-two", base=first.number
        )

        assert not change.is_conflict
        item = store.worklist.item(1, CORNER_RANK)
        assert (item.answers, item.is_conflict) == (2, False)
        assert item.newest is not None
        assert item.newest.number == change.number

    def test_answer_that_did_not_know_the_newest_is_a_conflict_until_one_does(
        self, store: Store
    ) -> None:
        store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="one-one-one")
        late = filled(CORNER, 0, author="Grace")
        second = store.worklist.give(CORNER_RANK, late, client_id="two-two-two")

        assert second.is_conflict
        assert store.worklist.item(1, CORNER_RANK).is_conflict
        assert [given.author for given in store.worklist.history()] == ["Grace", "Ada"]

        settled = filled(CORNER, 1, author="Emmy")
        third = store.worklist.give(
            CORNER_RANK, settled, client_id="three-three", base=second.number
        )
        assert not third.is_conflict
        assert not store.worklist.item(1, CORNER_RANK).is_conflict

    def test_base_of_another_region_is_refused(self, store: Store) -> None:
        number = store.add_answer(filled(LEFT, 1))

        with pytest.raises(StoreError, match=r"one of \[\], or none, got 1"):
            store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="first-one", base=number)

    def test_answer_to_another_region_is_refused(self, store: Store) -> None:
        with pytest.raises(UnknownItem, match="expected an answer for"):
            store.worklist.give(0, filled(CORNER, 1), client_id="first-one")

    def test_answers_told_without_a_receipt_are_in_the_history(self, store: Store) -> None:
        store.add_answer(filled(CORNER, 1, seconds=3.0))

        (given,) = store.worklist.history(round=1, rank=CORNER_RANK)

        assert (given.image, given.seconds, given.base, given.is_conflict) == (1, 3.0, None, False)
        assert given.new_pixels == 6

    def test_history_is_narrowed_and_limited(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 1))
        store.worklist.give(CORNER_RANK, mark(AnswerKind.UNSURE, "Grace"), client_id="a" * 8)
        store.add_answer(filled(LEFT, 0))
        store.add_answer(filled(FIRST.whole, 0, round=0))  # nobody asked: not in the history

        worklist = store.worklist
        assert [given.number for given in worklist.history()] == [3, 2, 1]
        assert [given.number for given in worklist.history(limit=2)] == [3, 2]
        assert [given.number for given in worklist.history(before=2)] == [1]
        assert [given.number for given in worklist.history(author="Grace")] == [2]
        assert [given.number for given in worklist.history(kind="labels")] == [3, 1]

    def test_people_are_counted_with_their_seconds(self, store: Store) -> None:
        store.add_answer(filled(LEFT, 1, round=0, author="simulated"))
        store.add_answer(filled(LEFT, 1, seconds=2.0))
        store.add_answer(filled(RIGHT, 1, author="Grace"))
        store.add_answer(filled(RIGHT, 1, seconds=1.5))

        assert store.worklist.people() == (("Ada", 2, 3.5), ("Grace", 1, 0.0))

    def test_receipts_are_never_changed(self, store: Store) -> None:
        store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="same-one")

        for sql in ("UPDATE receipts SET base = NULL", "DELETE FROM receipts"):
            with (
                pytest.raises(StoreError, match="only appended"),
                store.database.writing() as connection,
            ):
                connection.execute(sql)

    def test_labels_of_a_given_answer_are_read_back(self, store: Store) -> None:
        receipt = store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="same-one")

        kept = store.worklist.answer(receipt.number)

        assert kept is not None
        np.testing.assert_array_equal(kept.mask.labels, np.ones((2, 3), np.int16))
        assert store.worklist.answer(receipt.number + 1) is None
