"""What every store guarantees to tokens, sessions and messages; a store's tests subclass this."""

import time
from pathlib import Path

import pytest

from askmask.errors import ConfigError
from askmask.store.mailbox import CommandName, WorkerState
from askmask.store.store import Store
from askmask.store.tokens import Person, Role
from people_contract import StoreOfPeople
from store_contract import RIGHT, filled


class AccessContract(StoreOfPeople):
    """Subclass and override `open_store`."""

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
