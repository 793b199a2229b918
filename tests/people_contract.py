"""What every store guarantees to people about regions; a store's tests subclass this."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from askmask.errors import StoreError, UnknownItem
from askmask.records import (
    UNLABELLED,
    Answer,
    AnswerKind,
    Query,
    QueryItem,
    Region,
    Unit,
    unlabelled_mask,
)
from askmask.store.item_lists import Chosen
from askmask.store.mailbox import CommandName
from askmask.store.store import Store
from askmask.store.work_records import DrawnPiece, ItemState, PieceFacts
from store_contract import CORNER, IMAGES, LEFT, QUERY, RIGHT, SECOND, filled

CORNER_RANK = 1


def mark(kind: AnswerKind, author: str = "Ada") -> Answer:
    """Answer without labels to the corner."""
    return Answer(CORNER, unlabelled_mask(CORNER), 1, author, "key", kind=kind)


class StoreOfPeople:
    """A store with one query; a contract about people subclasses this."""

    def open_store(self, path: Path) -> Store:
        """Open the store in a folder, a second time too."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        store = self.open_store(tmp_path)
        store.add_images(IMAGES)
        store.add_query(QUERY)
        yield store
        store.close()


class PeopleContract(StoreOfPeople):
    """Subclass and override `open_store`."""

    def test_asked_regions_start_open(self, store: Store) -> None:
        items = store.worklist.items()

        assert [item.item for item in items] == list(QUERY.items)
        assert {item.state for item in items} == {ItemState.OPEN}
        assert [item.image for item in items] == [0, 1, 0]
        assert (items[0].acquisition, items[0].model) == (QUERY.acquisition, QUERY.model)
        assert all(i.lease is i.newest is i.piece is None and i.answers == 0 for i in items)

    def test_open_regions_are_neither_answered_nor_withdrawn(self, store: Store) -> None:
        store.add_query(
            Query(2, "random", Unit.REGION, (QueryItem(0, Region("A third", 0, 0, 2, 2), 1.0, 4),))
        )
        store.worklist.give(CORNER_RANK, mark(AnswerKind.UNSURE), client_id="first-one")
        store.worklist.lease(1, 2, "Ada")

        everything = store.worklist.items()
        assert store.worklist.open_items() == (everything[0], everything[2], everything[3])

        store.worklist.withdraw("Grace")
        assert store.worklist.open_items() == (everything[2],)

    def test_part_of_a_list_is_what_a_list_of_all_has_there(self, store: Store) -> None:
        everything = store.worklist.items()
        at_second = (everything[1].round, everything[1].item.rank)

        part = store.worklist.window(Chosen(), first=1, limit=1)
        assert (part.items, part.first, part.total) == (everything[1:2], 1, 3)
        assert store.worklist.window(Chosen(), at=at_second, first=-5, limit=9).items == everything
        assert store.worklist.window(Chosen(), at=at_second).items == everything[1:]
        assert store.worklist.window(Chosen(image_id=SECOND.image_id)).items == everything[1:2]
        assert store.worklist.items_at([at_second, (7, 7)]) == everything[1:2]

    def test_counts_agree_with_the_regions(self, store: Store) -> None:
        store.worklist.give(CORNER_RANK, mark(AnswerKind.UNSURE), client_id="first-one")
        store.worklist.lease(1, 2, "Ada")

        totals = store.worklist.totals("Grace")
        (tally,) = store.worklist.tallies([1])

        assert (totals.standing, totals.leased, totals.free, totals.conflicts) == (3, 1, 1, 0)
        assert store.worklist.totals("Ada").free == 2
        assert tally.by_state == totals.by_state
        assert (tally.asked, tally.by_state[ItemState.UNSURE]) == (3, 1)
        assert store.worklist.has_open(2)
        assert not store.worklist.has_open(3)

    def test_states_are_right_whatever_came_first(self, store: Store) -> None:
        """An answer before its region was asked, a withdrawal after an answer, a late piece."""
        store.add_answer(replace(filled(LEFT, 1), round=2))
        store.add_query(replace(QUERY, round=2))
        facts = PieceFacts(LEFT, None, None, None, has_scores=False, has_prediction=False)
        store.worklist.add_pieces(2, [DrawnPiece(0, facts, None, None)])
        store.worklist.withdraw("Grace")
        store.add_answer(replace(filled(CORNER, 1), round=2))

        states = [item.state for item in store.worklist.items(2)]

        assert states == [ItemState.LABELS, ItemState.LABELS, ItemState.WITHDRAWN]
        assert store.worklist.undrawn(9) == ()

    def test_open_regions_without_a_piece_are_told_by_round(self, store: Store) -> None:
        facts = PieceFacts(LEFT, None, None, 0.8, has_scores=False, has_prediction=False)
        store.worklist.add_pieces(1, [DrawnPiece(0, facts, None, None)])

        assert [item.item.rank for item in store.worklist.undrawn(9)] == [1, 2]
        assert [item.item.rank for item in store.worklist.undrawn(1)] == [1]
        assert [item.item.rank for item in store.worklist.sure(0.8, None, 9)] == [0]
        assert store.worklist.sure(0.81, None, 9) == store.worklist.sure(0.5, 2, 9) == ()

    def test_version_changes_with_whatever_a_worker_must_see(self, store: Store) -> None:
        versions = [store.control.version()]
        store.control.give(CommandName.PAUSE, "Ada")
        versions.append(store.control.version())
        store.worklist.lease(1, 0, "Ada")
        versions.append(store.control.version())
        store.add_answer(filled(LEFT, 1))
        versions.append(store.control.version())

        assert len(set(versions)) == 4
        assert store.control.version() == versions[-1]
        last = store.control.newest_command(CommandName.PAUSE, CommandName.TRAIN)
        assert last is not None
        assert last.name is CommandName.PAUSE
        assert store.control.newest_command(CommandName.PAUSE, is_done=True) is None
        assert store.control.newest_command(CommandName.TRAIN) is None

    def test_somebody_is_at_work_while_a_lease_holds(self, store: Store) -> None:
        assert not store.worklist.people_at_work()

        store.worklist.lease(1, 0, "Ada")
        assert store.worklist.people_at_work()

        store.worklist.release(1, 0, "Ada")
        store.worklist.lease(1, 0, "Ada", seconds=-1.0)
        assert not store.worklist.people_at_work()

    def test_unknown_region_is_an_error(self, store: Store) -> None:
        with pytest.raises(UnknownItem, match="number 3 of round 1"):
            store.worklist.item(1, 3)

    def test_leased_region_is_kept_from_others(self, store: Store) -> None:
        mine = store.worklist.lease(1, 0, "Ada")
        other = store.worklist.lease(1, 0, "Grace")

        assert (mine.holder, other) == ("Ada", mine)
        assert store.worklist.item(1, 0).lease == mine

    def test_lease_is_renewed_by_its_holder(self, store: Store) -> None:
        first = store.worklist.lease(1, 0, "Ada", seconds=10.0)
        again = store.worklist.lease(1, 0, "Ada", seconds=100.0)

        assert again.until - first.until == pytest.approx(90, abs=5)

    def test_lease_that_ran_out_is_free(self, store: Store) -> None:
        store.worklist.lease(1, 0, "Ada", seconds=-1.0)

        assert store.worklist.item(1, 0).lease is None
        assert store.worklist.lease(1, 0, "Grace").holder == "Grace"

    def test_only_the_holder_releases(self, store: Store) -> None:
        store.worklist.lease(1, 0, "Ada")

        store.worklist.release(1, 0, "Grace")
        assert store.worklist.item(1, 0).lease is not None

        store.worklist.release(1, 0, "Ada")
        assert store.worklist.item(1, 0).lease is None

    def test_answer_ends_its_authors_lease_and_no_other(self, store: Store) -> None:
        store.worklist.lease(1, 0, "Ada")
        store.worklist.give(0, filled(LEFT, 1, author="Grace"), client_id="late-late")
        assert store.worklist.item(1, 0).lease is not None

        store.worklist.give(0, filled(LEFT, 1), client_id="mine-mine")
        assert store.worklist.item(1, 0).lease is None

    def test_next_regions_come_in_order_and_skip_what_others_hold(self, store: Store) -> None:
        ada = store.worklist.lease_next("Ada")
        grace = store.worklist.lease_next("Grace")

        assert ada is not None
        assert grace is not None
        assert (ada.item.rank, grace.item.rank) == (0, 1)
        again = store.worklist.lease_next("Ada")
        assert again is not None
        assert again.item.rank == 0

    def test_next_region_after_one_goes_round(self, store: Store) -> None:
        ranks = []
        for after in [(1, 0), (1, 1), (1, 2)]:
            item = store.worklist.lease_next("Ada", after)
            assert item is not None
            ranks.append(item.item.rank)
            store.worklist.release(1, item.item.rank, "Ada")

        assert ranks == [1, 2, 0]

    def test_no_region_is_left_when_all_are_held_or_answered(self, store: Store) -> None:
        store.worklist.lease(1, 0, "Ada")
        store.worklist.lease(1, 1, "Ada")
        store.add_answer(filled(RIGHT, 1))

        assert store.worklist.lease_next("Grace") is None

    def test_people_who_take_the_next_at_once_get_different_regions(self, store: Store) -> None:
        taken: list[int] = []

        def take(name: str) -> None:
            item = store.worklist.lease_next(name)
            assert item is not None
            taken.append(item.item.rank)

        threads = [threading.Thread(target=take, args=(name,)) for name in ("Ada", "Grace", "Eva")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(taken) == [0, 1, 2]

    def test_withdrawn_regions_are_neither_open_nor_asked(self, store: Store) -> None:
        store.worklist.lease(1, 0, "Ada")

        assert store.worklist.withdraw("Grace") == 2

        states = [item.state for item in store.worklist.items()]
        assert states == [ItemState.OPEN, ItemState.WITHDRAWN, ItemState.WITHDRAWN]
        assert store.unanswered(1) == QUERY.items[:1]
        assert not store.asked(SECOND.image_id).any()
        assert store.pending(SECOND.image_id) == ()
        assert store.query(1) == QUERY

    def test_region_is_fresh_until_somebody_has_held_it(self, store: Store) -> None:
        worklist = store.worklist
        assert len(worklist.fresh_items()) == 3

        worklist.lease(1, 0, "Ada")
        worklist.release(1, 0, "Ada")
        store.add_answer(filled(RIGHT, 1))

        assert [item.item.rank for item in worklist.fresh_items()] == [CORNER_RANK]
        assert worklist.taken_since(0) == (LEFT, RIGHT)
        assert worklist.taken_since(store.newest_answer()) == (LEFT,)
        assert store.asked(LEFT.image_id, fresh_too=False)[LEFT.slices].all()
        assert not store.asked(SECOND.image_id, fresh_too=False).any()
        assert store.asked(SECOND.image_id)[CORNER.slices].all()

    def test_only_fresh_regions_are_withdrawn_for_others_but_for_those_to_keep(
        self, store: Store
    ) -> None:
        store.worklist.lease(1, 0, "Ada", seconds=-1.0)  # she went away

        assert store.worklist.withdraw_fresh("worker", {(1, CORNER_RANK)}) == 1

        assert [item.item.rank for item in store.worklist.open_items()] == [0, CORNER_RANK]
        assert store.worklist.withdraw_fresh("worker") == 1

    def test_what_was_shown_of_withdrawn_regions_is_forgotten_after_a_while(
        self, store: Store
    ) -> None:
        facts = PieceFacts(SECOND.whole, 0.0, 0.7, 0.9, has_scores=True, has_prediction=True)
        store.worklist.add_pieces(1, [DrawnPiece(rank, facts, b"a", b"b") for rank in (0, 1)])
        store.worklist.lease(1, 0, "Ada")
        store.worklist.withdraw_fresh("worker")

        store.worklist.forget_pieces(60.0)
        assert store.worklist.piece(1, 1) is not None

        store.worklist.forget_pieces(-1.0)
        assert store.worklist.piece(1, 1) is None
        assert store.worklist.piece(1, 0) is not None

    def test_late_answer_to_a_withdrawn_region_counts(self, store: Store) -> None:
        store.worklist.withdraw("Grace")

        store.worklist.give(CORNER_RANK, filled(CORNER, UNLABELLED), client_id="late-late")

        assert store.worklist.item(1, CORNER_RANK).state is ItemState.LABELS
        assert store.asked(SECOND.image_id)[CORNER.slices].all()

    def test_withdrawn_pixels_may_be_asked_again(self, store: Store) -> None:
        store.worklist.withdraw("Grace")

        store.add_query(Query(2, "random", Unit.REGION, (QueryItem(0, CORNER, 1.0, 6),)))

        assert store.unanswered(2) == (QueryItem(0, CORNER, 1.0, 6),)
        assert store.pending(SECOND.image_id) == (CORNER,)

    def test_piece_comes_back_and_is_not_replaced(self, store: Store) -> None:
        facts = PieceFacts(SECOND.whole, 0.0, 0.7, 0.9, has_scores=True, has_prediction=True)
        for scores in (b"first", b"second"):
            store.worklist.add_pieces(1, [DrawnPiece(CORNER_RANK, facts, scores, b"labels")])

        assert store.worklist.item(1, CORNER_RANK).piece == facts
        assert store.worklist.piece(1, CORNER_RANK) == (b"first", b"labels")
        assert store.worklist.piece(1, 0) is None

    def test_pieces_are_kept_together_or_not_at_all(self, store: Store) -> None:
        facts = PieceFacts(SECOND.whole, None, None, None, has_scores=False, has_prediction=False)

        with pytest.raises(StoreError, match="FOREIGN KEY"):
            store.worklist.add_pieces(1, [DrawnPiece(rank, facts, None, None) for rank in (0, 99)])

        assert store.worklist.piece(1, 0) is None

    def test_piece_without_maps_says_so(self, store: Store) -> None:
        facts = PieceFacts(SECOND.whole, None, None, None, has_scores=False, has_prediction=False)

        store.worklist.add_pieces(1, [DrawnPiece(CORNER_RANK, facts, None, None)])

        assert store.worklist.item(1, CORNER_RANK).piece == facts
        assert store.worklist.piece(1, CORNER_RANK) == (None, None)
