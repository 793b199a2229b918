"""Messages between server and worker: commands of people, the state of the worker, and changes.

The worker and the server share nothing but the database, so either may die and come back.
"""

import json
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from askmask.records import utc_now
from askmask.store.database import Database
from askmask.store.events import note

ALIVE_SECONDS: Final = 20.0
"""A worker that gave no sign of life for so long counts as dead."""


SILENT_SECONDS: Final = 90.0
"""A worker that gave none for so long hangs, or was stopped by a signal."""


class CommandName(StrEnum):
    """Commands that a person may give the worker."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    TRAIN = "train"
    ASK_AGAIN = "ask_again"


@dataclass(frozen=True, slots=True)
class Command:
    """A command; `state` is ``"waiting"``, ``"done"`` or ``"refused"``, then `message` says why."""

    number: int
    name: CommandName
    acquisition: str | None
    given_by: str
    given_at: str
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class WorkerState:
    """State of the worker: `done` of `total` steps or images, in process `process`."""

    state: str
    round: int
    done: int
    total: int
    message: str
    process: int
    started_at: str
    heartbeat: float = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether the worker gave no sign of life for long, without having reported its end."""
        return self.state != "off" and time.time() - self.heartbeat > SILENT_SECONDS

    @property
    def is_alive(self) -> bool:
        """Whether the worker gave a sign of life lately."""
        return self.state != "off" and time.time() - self.heartbeat < ALIVE_SECONDS


@dataclass(frozen=True, slots=True)
class Event:
    """One change: of an item, of a query (`rank` None), or of the rounds and their scores."""

    number: int
    kind: str
    round: int
    rank: int | None


class Control:
    """Commands, worker and events of an open database; reached as ``Store.control``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def give(self, name: CommandName, by: str, acquisition: str | None = None) -> int:
        """Ask something of the worker; return the command's number."""
        with self._database.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO commands (name, acquisition, given_by, given_at) VALUES (?, ?, ?, ?)",
                (name.value, acquisition, by, utc_now()),
            )
        assert cursor.lastrowid is not None, "an INSERT sets the number of its row"
        return cursor.lastrowid

    def waiting(self) -> tuple[Command, ...]:
        """Commands that the worker has not dealt with, oldest first."""
        return self._commands("WHERE state = 'waiting' ORDER BY id")

    def commands(self, limit: int = 20) -> tuple[Command, ...]:
        """Newest commands first."""
        return self._commands("ORDER BY id DESC LIMIT ?", limit)

    def newest_command(self, *names: CommandName, is_done: bool = False) -> Command | None:
        """Return the last of some commands, or the last that was carried out; None without any."""
        among = ", ".join("?" * len(names))
        done = " AND state = 'done'" if is_done else ""
        found = self._commands(f"WHERE name IN ({among}){done} ORDER BY id DESC LIMIT 1", *names)
        return found[0] if found else None

    def version(self) -> tuple[int, ...]:
        """Numbers that change with every event, command, training and answer."""
        parts = (
            f"(SELECT ifnull(max(id), 0) FROM {table})"  # noqa: S608
            for table in ("events", "commands", "trainings", "answers")
        )
        return tuple(self._database.rows(f"SELECT {', '.join(parts)}")[0])

    def finish(self, number: int, refusal: str = "") -> None:
        """Note that a command was carried out, or why not."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE commands SET state = ?, message = ? WHERE id = ?",
                ("refused" if refusal else "done", refusal, number),
            )

    def show(self, worker: WorkerState) -> None:
        """Tell what the worker is doing; a sign of life by itself."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO worker VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(worker.state, worker.round, worker.done, worker.total, worker.message),
                    *(worker.process, worker.started_at, time.time()),
                ),
            )

    def worker(self) -> WorkerState | None:
        """The last state that a worker reported; None if none ever worked here."""
        rows = self._database.rows(
            "SELECT state, round, done, total, message, process, started_at, heartbeat FROM worker"
        )
        return WorkerState(*rows[0]) if rows else None

    def is_worker_silent(self) -> bool:
        """Whether the worker hangs; false while none runs."""
        worker = self.worker()
        return worker is not None and worker.is_silent

    def tell_fact(self, name: str, value: object) -> None:
        """Keep what only the worker knows, as JSON; the newest value counts."""
        with self._database.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value))
            )

    def fact(self, name: str) -> Any:  # Any: whatever JSON holds
        """Value of a fact; None if it was never told."""
        rows = self._database.rows("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def _commands(self, chosen: str, *values: object) -> tuple[Command, ...]:
        rows = self._database.rows(
            "SELECT id, name, acquisition, given_by, given_at, state, message"  # noqa: S608
            f" FROM commands {chosen}",
            *values,
        )
        return tuple(Command(row[0], CommandName(row[1]), *row[2:]) for row in rows)

    def note(self, kind: str, round: int, rank: int | None = None) -> None:
        """Append an event of kind ``"item"``, ``"query"`` or ``"rounds"``."""
        note(self._database, kind, round, rank)

    def newest_event(self) -> int:
        """Return the number of the newest event; 0 before the first."""
        return int(self._database.rows("SELECT ifnull(max(id), 0) FROM events")[0][0])

    def events(self, after: int, limit: int = 1000) -> tuple[Event, ...]:
        """Events numbered above `after`, oldest first."""
        rows = self._database.rows(
            "SELECT id, kind, round, rank FROM events WHERE id > ? ORDER BY id LIMIT ?",
            *(after, limit),
        )
        return tuple(Event(*row) for row in rows)
