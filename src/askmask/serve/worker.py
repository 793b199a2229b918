"""The worker behind the annotation page: trains, judges, asks and draws while people answer.

It meets the server only in the store. Each turn looks at what the store holds and does the one
thing that is due, by verbs that may be repeated; so it may be killed anywhere, and the next worker
goes on. What people command is read from the store too, and outlives both.

The next query is asked before the present one is answered: by the newest finished model, if need be
between two steps of a training that goes on after it.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from askmask.errors import (
    AskmaskError,
    DiskError,
    NothingToAsk,
    StoreBusy,
    StoreError,
    StoreFull,
    disk_problem,
)
from askmask.loop.ask import cold_start
from askmask.loop.calibrate import recalibrate_round
from askmask.loop.loop import Loop
from askmask.loop.project import START, Project
from askmask.progress import Progress
from askmask.query.strategies import find_strategy, strategy_names
from askmask.records import utc_now
from askmask.serve.previews import draw_pieces
from askmask.store.mailbox import Command, CommandName, WorkerState
from askmask.store.store import TrainingRecord
from askmask.store.work_records import WorkItem

LOOK_SECONDS: Final = 0.5
"""How often the store is looked into while nothing is due."""
TELL_SECONDS: Final = 0.3
"""How often progress is told at most."""
HEARTBEAT_SECONDS: Final = 5.0
DISK_SECONDS: Final = 30.0
"""How long nothing is tried after the disk was full."""
QUIET_SECONDS: Final = 300.0
"""When nobody has answered for so long, few new answers are reason enough to train."""

_STATES: Final = {
    "train": "training",
    "evaluate": "evaluating",
    "calibrate": "evaluating",
    "ask": "asking",
    "draw": "drawing",
}
_SWITCHES: Final = (CommandName.START, CommandName.STOP, CommandName.PAUSE, CommandName.RESUME)

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """Somebody gave the command to stop."""


class Worker:
    """One project's worker; at most one runs at a time.

    Parameters
    ----------
    project : Project
        Open; stays the caller's.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._store = project.store
        self._loop = Loop(project, on_progress=self._on_progress)
        self._state = WorkerState("idle", 0, 0, 0, "", os.getpid(), utc_now())
        self._told_at = 0.0
        self._looked_at = 0.0
        self._resumes_at = 0.0
        self._is_asking = False
        self._pool_is_empty = False
        # Newest answer when something failed: without another one it would fail again.
        self._failed_at: dict[str, int] = {}
        self._train_now = False
        self._judged: TrainingRecord | None = None
        self._is_new = True
        self._store.control.tell_fact("strategies", list(strategy_names()))

    def run(self, *, until: threading.Event) -> None:
        """Work until the event is set."""
        with self._heartbeats():
            while not until.is_set():
                try:
                    is_busy = self.turn()
                except _Stopped:
                    continue
                except StoreBusy as error:
                    _log.warning("%s", error)
                    is_busy = False
                if not is_busy:
                    until.wait(LOOK_SECONDS)

    def turn(self) -> bool:
        """Do the one thing that is due; return whether there was one."""
        if time.monotonic() < self._resumes_at:
            return False
        try:
            self._obey()
            if self._is_switched(CommandName.STOP):
                return self._rest("stopped")
            if self._is_switched(CommandName.PAUSE):
                return self._rest("paused")
            self._take_over()
            is_busy = self._draw() or self._ask_ahead() or self._train()
        except StoreBusy:
            raise
        except (StoreFull, OSError) as error:
            # Nobody's answer makes room: it is tried again without one, after a while.
            self._resumes_at = time.monotonic() + DISK_SECONDS
            return self._fail(error)
        except AskmaskError as error:
            return self._fail(error)
        return is_busy or self._rest("failed" if self._has_failed() else "idle")

    def _take_over(self) -> None:
        """Finish what a worker that died may have left between a model and its recalibration."""
        if self._is_new:
            newest = self._project.newest_training()
            if newest is not None:
                recalibrate_round(self._project.model(newest.round))
            self._is_new = False

    def _draw(self) -> bool:
        """Draw what is not drawn yet of the open regions."""
        missing = [item for item in self._store.worklist.open_items() if item.piece is None]
        if not missing:
            return False
        first = [item for item in missing if item.round == missing[0].round]
        self._draw_items(first)
        return True

    def _ask_ahead(self) -> bool:
        """Ask the next query if few regions are open and something can ask it."""
        model_round = self._asking_round()
        if self._pool_is_empty or model_round is None or not self._is_query_due():
            return False
        if self._has_failed("ask"):
            return False
        with self._noting_failure("ask"):
            return self._ask(model_round, self._cold_start() if model_round == START else None)

    def _is_query_due(self) -> bool:
        newest = self._store.newest_query()
        if newest is None:
            return True
        still_open = len(self._store.worklist.open_items())
        wanted = self._project.config.serve.ask_below
        return still_open < max(2, min(wanted, len(newest.items)))

    def _asking_round(self) -> int | None:
        """Round of the newest model; `START` before the first label; None: train one first."""
        newest = self._project.newest_training()
        if newest is not None:
            return newest.round
        return None if self._store.labelled_pixels() else START

    def _ask(self, model_round: int, acquisition: str | None) -> bool:
        """Ask the next round's query; return whether anything was left to ask."""
        self._is_asking = True
        try:
            loop = self._loop_of(acquisition)
            query = loop.ask(self._loop.round + 1, model_round=model_round)
        except NothingToAsk as error:
            _log.info("%s", error)  # people may still answer, review and train
            self._pool_is_empty = True
            return False
        finally:
            self._is_asking = False
        self._store.control.note("query", query.round)
        self._draw_items(list(self._store.worklist.items(query.round)))
        return True

    def _cold_start(self) -> str:
        return cold_start(self._project.config)

    def _draw_items(self, items: list[WorkItem]) -> None:
        by_name = {self._project.model_path(r).name: r for r in range(self._loop.round + 1)}
        asked_by = by_name.get(items[0].model or "")
        is_there = asked_by is not None and self._project.has_model(asked_by)
        still_open = [item for item in items if item.piece is None]
        self._is_asking = True
        try:
            project = self._loop_of(items[0].acquisition).project
            model = project.model(asked_by) if is_there else None
            draw_pieces(project, still_open, model, report=self._on_progress)
        finally:
            self._is_asking = False

    def _loop_of(self, acquisition: str | None) -> Loop:
        return self._loop if acquisition is None else self._loop.asking_by(acquisition)

    def _train(self) -> bool:
        """Train and judge if enough answers came, or the newest model was not judged."""
        round = max(self._store.answered_rounds(), default=0)
        if self._is_training_due():
            was_asked, self._train_now = self._train_now, False
            try:
                with self._noting_failure("train"):
                    self._loop.train(round)
            except (_Stopped, StoreBusy):
                self._train_now |= was_asked  # whoever starts again wants it still
                raise
            self._store.control.note("rounds", round)
            self._evaluate(round)
            return True
        model_round = self._asking_round()
        if model_round is None or model_round == START or self._is_judged():
            return False
        self._evaluate(model_round)
        return True

    def _evaluate(self, round: int) -> None:
        """Judge a model, unless that was done before."""
        newest = self._project.newest_training()
        self._loop.evaluate(round)
        self._judged = newest
        self._store.control.note("rounds", round)

    def _is_judged(self) -> bool:
        return self._judged is not None and self._judged == self._project.newest_training()

    def _is_training_due(self) -> bool:
        if not self._store.labelled_pixels() or self._has_failed("train"):
            return False
        count = self._store.answers_since_training()
        if self._asking_round() is None or self._train_now:
            return True
        if count == 0:
            return False
        enough = count >= self._project.config.serve.train_after
        return enough or not self._store.worklist.open_items() or self._is_quiet()

    def _is_quiet(self) -> bool:
        """Whether nobody holds a region or has answered for a while."""
        newest = self._store.worklist.history(limit=1)
        if not newest or self._store.worklist.is_anybody_at_work():
            return False
        last = datetime.fromisoformat(newest[0].answered_at)
        return (datetime.now(UTC) - last).total_seconds() > QUIET_SECONDS

    def _obey(self) -> None:
        for command in self._store.control.waiting():
            try:
                refusal = self._carry_out(command)
            except _Stopped:
                raise
            except AskmaskError as error:
                refusal = str(error)
            self._store.control.finish(command.number, refusal)

    def _carry_out(self, command: Command) -> str:
        """Carry a command out; return why not, if not."""
        if command.name in _SWITCHES:
            return ""  # what holds is read from the list of commands
        if command.name is CommandName.TRAIN:
            if not self._store.labelled_pixels():
                return "nothing is labelled yet"
            self._train_now = True
            self._failed_at.clear()
            return ""
        return self._ask_again(command)

    def _ask_again(self, command: Command) -> str:
        """Withdraw the open regions that nobody holds, and ask others."""
        if command.acquisition is not None:
            find_strategy(command.acquisition)
        model_round = self._asking_round()
        if model_round is None:
            return "no model is trained yet"
        acquisition = command.acquisition
        if model_round == START:
            acquisition = acquisition or self._cold_start()
            if find_strategy(acquisition).maps is not None:
                return f"{acquisition!r} needs a model, and nothing is labelled yet"
        self._store.worklist.withdraw(command.given_by)
        self._pool_is_empty = False
        return "" if self._ask(model_round, acquisition) else "everything is labelled or asked"

    def _is_switched(self, name: CommandName) -> bool:
        """Whether the last of the commands start, stop, pause and resume is this one."""
        given = (c.name for c in self._store.control.commands(limit=-1) if c.name in _SWITCHES)
        return next(given, CommandName.START) is name

    def _on_progress(self, progress: Progress) -> None:
        """Tell how far it is, obey, and ask ahead; called between steps and images."""
        state = replace(
            self._state,
            state=_STATES[progress.phase],
            round=progress.round,
            done=progress.done,
            total=progress.total,
            message="",
        )
        self._tell(state, force=progress.done == progress.total)
        if time.monotonic() - self._looked_at < TELL_SECONDS:
            return
        self._looked_at = time.monotonic()
        if self._is_switched(CommandName.STOP):
            raise _Stopped
        while self._is_switched(CommandName.PAUSE):
            self._rest("paused")
            time.sleep(LOOK_SECONDS)
            if self._is_switched(CommandName.STOP):
                raise _Stopped
        if self._is_asking:
            return
        try:
            self._obey()
            self._ask_ahead()
        except AskmaskError as error:
            _log.warning("%s", error)  # what goes on meanwhile is not to blame

    def _has_failed(self, phase: str | None = None) -> bool:
        """Whether a phase (or any) failed, and no answer came since."""
        newest = self._store.newest_answer()
        return any(n == newest for name, n in self._failed_at.items() if phase in {None, name})

    @contextmanager
    def _noting_failure(self, phase: str) -> Iterator[None]:
        newest = self._store.newest_answer()
        try:
            yield
        except (StoreBusy, StoreFull, DiskError):
            raise
        except AskmaskError:
            self._failed_at[phase] = newest
            raise
        self._failed_at.pop(phase, None)

    def _rest(self, state: str) -> bool:
        """Tell that nothing is done now; false, as `turn` returns it."""
        if state != self._state.state:
            self._tell(replace(self._state, state=state, done=0, total=0, message=""), force=True)
        return False

    def _fail(self, error: AskmaskError | OSError) -> bool:
        problem = disk_problem(error) if isinstance(error, OSError) else error
        if problem is None:
            raise error
        _log.warning("%s", problem)
        self._tell(replace(self._state, state="failed", message=str(problem)), force=True)
        return False

    def _tell(self, state: WorkerState, *, force: bool = False) -> None:
        is_new = state.state != self._state.state
        self._state = state
        if is_new or force or time.monotonic() - self._told_at > TELL_SECONDS:
            self._told_at = time.monotonic()
            with suppress(StoreError):  # the next one tells it
                self._store.control.show(state)

    @contextmanager
    def _heartbeats(self) -> Iterator[None]:
        """Give signs of life while a step takes long; say so when work ends."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(HEARTBEAT_SECONDS):
                with suppress(AskmaskError):
                    self._store.control.show(self._state)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with suppress(AskmaskError):
                self._store.control.show(replace(self._state, state="off"))
