"""What every store guarantees to people at work; a store's tests subclass this."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from askmask.errors import ConfigError, ReusedId, ShapeError, StoreError, UnknownItem
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
from askmask.store.mailbox import CommandName, WorkerState
from askmask.store.store import Store
from askmask.store.tokens import Person, Role
from askmask.store.work_records import DrawnPiece, ItemState, PieceFacts
from store_contract import CORNER, FIRST, IMAGES, LEFT, QUERY, RIGHT, SECOND, filled

CORNER_RANK = 1


def mark(kind: AnswerKind, author: str = "Ada") -> Answer:
    """Answer without labels to the corner."""
    return Answer(CORNER, unlabelled_mask(CORNER), 1, author, "key", kind=kind)


class PeopleContract:
    """Subclass and override `open_store`."""

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

    def test_token_names_its_person_and_is_not_kept(self, store: Store, tmp_path: Path) -> None:
        token = store.access.make_token("Grace", Role.ANNOTATE)

        assert store.access.person_of_token(token) == Person("Grace", Role.ANNOTATE)
        assert store.access.person_of_token(token[:-1]) is None
        assert store.access.person_of_token("") is None
        files = b"".join(path.read_bytes() for path in tmp_path.glob("askmask.db*"))
        assert token.encode() not in files

    def test_revoked_token_ends_its_sessions(self, store: Store) -> None:
        token = store.access.make_token("Grace", Role.ADMIN)
        opened = store.access.open_token_session(token)
        assert opened is not None
        secret, person = opened
        assert store.access.person_of_session(secret, needs_token=True) == person

        assert store.access.revoke("Grace") == 1

        assert store.access.person_of_token(token) is None
        assert store.access.person_of_session(secret, needs_token=False) is None
        assert not store.access.has_tokens()

    def test_session_without_a_token_is_none_where_one_is_needed(self, store: Store) -> None:
        secret = store.access.open_session(Person("Ada", Role.ADMIN))

        assert store.access.person_of_session(secret, needs_token=False) == Person(
            "Ada", Role.ADMIN
        )
        assert store.access.person_of_session(secret, needs_token=True) is None

    def test_ended_session_is_nobodys(self, store: Store) -> None:
        secret = store.access.open_session(Person("Ada", Role.ADMIN))

        store.access.end_session(secret)
        store.access.end_session(secret)

        assert store.access.person_of_session(secret, needs_token=False) is None
        assert store.access.person_of_session("", needs_token=False) is None

    @pytest.mark.parametrize("name", ["", " Ada", "Ada ", "A\nda", "A" * 65])
    def test_impossible_name_is_refused(self, store: Store, name: str) -> None:
        with pytest.raises(ConfigError, match="expected a name of 1 to 64"):
            store.access.make_token(name, Role.ADMIN)

    def test_commands_wait_in_order_until_they_are_finished(self, store: Store) -> None:
        first = store.control.give(CommandName.PAUSE, "Ada")
        second = store.control.give(CommandName.ASK_AGAIN, "Grace", "random")

        assert [command.number for command in store.control.waiting()] == [first, second]
        assert store.control.waiting()[1].acquisition == "random"

        store.control.finish(first)
        store.control.finish(second, "nothing is open")
        assert store.control.waiting() == ()
        newest, oldest = store.control.commands()
        assert (newest.state, newest.message) == ("refused", "nothing is open")
        assert (oldest.state, oldest.message) == ("done", "")

    def test_worker_that_told_nothing_lately_is_dead(self, store: Store) -> None:
        assert store.control.worker() is None

        store.control.show(WorkerState("training", 2, 30, 600, "", 123, "now"))

        worker = store.control.worker()
        assert worker is not None
        assert (worker.state, worker.round, worker.done, worker.total) == ("training", 2, 30, 600)
        assert worker.is_alive
        gone = WorkerState("training", 2, 30, 600, "", 123, "now", time.time() - 3600)
        assert not gone.is_alive

    def test_newest_value_of_a_fact_counts(self, store: Store) -> None:
        assert store.control.fact("strategies") is None

        for names in (["random"], ["margin", "random"]):
            store.control.tell_fact("strategies", names)

        assert store.control.fact("strategies") == ["margin", "random"]

    def test_changes_are_events_in_order(self, store: Store) -> None:
        before = store.control.newest_event()
        store.worklist.lease(1, 2, "Ada")
        store.worklist.lease(1, 2, "Ada")  # renewed: nothing to see
        store.worklist.give(2, filled(RIGHT, 1), client_id="same-one")
        store.control.note("rounds", 1)

        events = store.control.events(before)

        assert [(event.kind, event.round, event.rank) for event in events] == [
            ("item", 1, 2),
            ("item", 1, 2),
            ("rounds", 1, None),
        ]
        assert store.control.newest_event() == events[-1].number

    def test_labels_of_a_given_answer_are_read_back(self, store: Store) -> None:
        receipt = store.worklist.give(CORNER_RANK, filled(CORNER, 1), client_id="same-one")

        kept = store.worklist.answer(receipt.number)

        assert kept is not None
        np.testing.assert_array_equal(kept.mask.labels, np.ones((2, 3), np.int16))
        assert store.worklist.answer(receipt.number + 1) is None
