"""The worker behind the annotation page: trains, judges, asks and draws while people answer.

It meets the server only in the store. Each turn looks at what the store holds and does the one
thing that is due, by verbs that may be repeated; so it may be killed anywhere, and the next worker
goes on. What people command is read from the store too, and outlives both.

Training and judging come in steps, and a turn takes as many as fit into a moment. So the worker
decides between two steps: whether it stops or waits, and whether the next query has to be asked
first, by the newest finished model. Asking and drawing are not cut into turns: they are given up
when somebody stops or pauses the worker, and repeated later.
"""

import logging
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from askmask.errors import (
    AskmaskError,
    DiskError,
    NothingToAsk,
    StoreBusy,
    StoreFull,
    disk_problem,
)
from askmask.loop.ask import cold_start
from askmask.loop.calibrate import recalibrate_round
from askmask.loop.loop import Loop
from askmask.loop.project import START, Project
from askmask.progress import Listener, Progress, silent
from askmask.query.strategies import find_strategy, strategy_names
from askmask.serve.previews import draw_pieces
from askmask.serve.teller import Teller
from askmask.store.mailbox import Command, CommandName
from askmask.store.store import TrainingRecord
from askmask.store.work_records import WorkItem

LOOK_SECONDS: Final = 0.5
"""How often the store is looked into while nothing is due."""
TELL_SECONDS: Final = 0.3
"""How long a turn goes on with one work, and how often progress is told at most."""
DISK_SECONDS: Final = 30.0
"""How long nothing is tried after the disk was full."""
QUIET_SECONDS: Final = 300.0
"""When nobody has answered for so long, few new answers are reason enough to train."""

_SWITCHES: Final = (CommandName.START, CommandName.STOP, CommandName.PAUSE, CommandName.RESUME)

_log = logging.getLogger(__name__)


Work = Generator[Progress, None, None]
"""Training or judging, which may be left between two steps and taken up again."""


class _Interrupted(Exception):
    """Somebody gave the command to stop or pause while a query was asked or drawn."""


class Worker:
    """One project's worker; at most one runs at a time.

    Parameters
    ----------
    project : Project
        Open; stays the caller's.
    on_progress : callable
        Called with a `Progress` after every step and image, before anything else happens.
    """

    def __init__(self, project: Project, *, on_progress: Listener = silent) -> None:
        self._project = project
        self._store = project.store
        self._on_progress = on_progress
        self._loop = Loop(project, on_progress=self._between_images)
        self._teller = Teller(project.store, TELL_SECONDS)
        self._work: Work | None = None
        self._looked_at = 0.0
        self._resumes_at = 0.0
        self._pool_is_empty = False
        # Newest answer when something failed, and how: without another one it would fail again.
        self._failures: dict[str, tuple[int, str]] = {}
        self._train_now = False
        self._judged: TrainingRecord | None = None
        self._is_new = True
        self._store.control.tell_fact("strategies", list(strategy_names()))

    def run(self, *, until: threading.Event) -> None:
        """Work until the event is set."""
        with self._teller.heartbeats():
            try:
                while not until.is_set():
                    if not self._patient_turn():
                        until.wait(LOOK_SECONDS)
            finally:
                self._leave_work()

    def _patient_turn(self) -> bool:
        try:
            return self.turn()
        except StoreBusy as error:
            _log.warning("%s", error)
            return False

    def turn(self) -> bool:
        """Do the one thing that is due, or a moment of it; return whether there was one."""
        if time.monotonic() < self._resumes_at:
            return False
        try:
            return self._turn()
        except _Interrupted:
            return True
        except StoreBusy:
            raise
        except (StoreFull, OSError) as error:
            # Nobody's answer makes room: it is tried again without one, after a while.
            self._resumes_at = time.monotonic() + DISK_SECONDS
            return self._fail(error)
        except AskmaskError as error:
            return self._fail(error)

    def _turn(self) -> bool:
        self._obey()
        if self._is_switched(CommandName.STOP):
            self._leave_work()
            return self._rest("stopped")
        if self._is_switched(CommandName.PAUSE):
            return self._rest("paused")
        self._take_over()
        if self._serve_people() or self._go_on():
            return True
        failure = self._failure()
        return self._rest("idle") if failure is None else self._rest("failed", failure)

    def _serve_people(self) -> bool:
        """Draw or ask what people wait for; return whether there was anything to do."""
        try:
            return self._draw() or self._ask_ahead()
        except (StoreBusy, StoreFull, DiskError):
            raise
        except AskmaskError as error:
            if self._work is None:
                raise
            _log.warning("%s", error)  # the work that goes on meanwhile is not to blame
            return False

    def _go_on(self) -> bool:
        """Go on with a training or judging for a moment; return whether one is due."""
        if self._work is None:
            self._work = self._due_work()
        if self._work is None:
            return False
        began = time.monotonic()
        try:
            for progress in self._work:
                self._show(progress)
                if time.monotonic() - began >= TELL_SECONDS:
                    return True
        except BaseException:
            self._work = None
            raise
        self._work = None
        return True

    def _leave_work(self) -> None:
        """Give up a training or judging; repeated, a training goes on from its checkpoint."""
        if self._work is not None:
            self._work.close()
            self._work = None

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
        loop = self._loop_of(acquisition)
        try:
            query = loop.ask(self._loop.round + 1, model_round=model_round)
        except NothingToAsk as error:
            # Nothing left: people may still answer, review and train.
            _log.info("%s", error)
            self._pool_is_empty = True
            return False
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
        project = self._loop_of(items[0].acquisition).project
        model = project.model(asked_by) if is_there else None
        draw_pieces(project, still_open, model, report=self._between_images)

    def _loop_of(self, acquisition: str | None) -> Loop:
        return self._loop if acquisition is None else self._loop.asking_by(acquisition)

    def _due_work(self) -> Work | None:
        """Training if enough answers came; judging if the newest model was not judged."""
        if self._is_training_due():
            return self._training(max(self._store.answered_rounds(), default=0))
        model_round = self._asking_round()
        if model_round is None or model_round == START or self._is_judged():
            return None
        return None if self._has_failed("evaluate") else self._judging(model_round)

    def _training(self, round: int) -> Work:
        """Train, then judge."""
        was_asked, self._train_now = self._train_now, False
        try:
            with self._noting_failure("train"):
                yield from self._loop.train_steps(round)
        except (GeneratorExit, StoreBusy):
            self._train_now |= was_asked  # it is still wanted
            raise
        self._store.control.note("rounds", round)
        yield from self._judging(round)

    def _judging(self, round: int) -> Work:
        """Judge a model, unless that was done before."""
        newest = self._project.newest_training()
        with self._noting_failure("evaluate"):
            yield from self._loop.evaluate_steps(round)
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
            self._failures.clear()
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

    def _show(self, progress: Progress) -> None:
        self._on_progress(progress)
        self._teller.progress(progress)

    def _between_images(self, progress: Progress) -> None:
        """Tell how far asking or drawing is; give it up if somebody wants the worker to rest."""
        self._show(progress)
        if time.monotonic() - self._looked_at < TELL_SECONDS:
            return
        self._looked_at = time.monotonic()
        if self._is_switched(CommandName.STOP) or self._is_switched(CommandName.PAUSE):
            raise _Interrupted

    def _has_failed(self, phase: str) -> bool:
        """Whether a phase failed, and no answer came since."""
        return phase in self._failures and self._failures[phase][0] == self._store.newest_answer()

    def _failure(self) -> str | None:
        """What failed last, if no answer came since."""
        failed = [name for name in self._failures if self._has_failed(name)]
        return self._failures[failed[-1]][1] if failed else None

    @contextmanager
    def _noting_failure(self, phase: str) -> Iterator[None]:
        newest = self._store.newest_answer()
        try:
            yield
        except (StoreBusy, StoreFull, DiskError):
            raise
        except AskmaskError as error:
            self._failures.pop(phase, None)
            self._failures[phase] = newest, str(error)
            raise
        self._failures.pop(phase, None)

    def _rest(self, state: str, message: str = "") -> bool:
        """Tell that nothing is done now; false, as `turn` returns it."""
        self._teller.rest(state, message)
        return False

    def _fail(self, error: AskmaskError | OSError) -> bool:
        problem = disk_problem(error) if isinstance(error, OSError) else error
        if problem is None:
            raise error
        _log.warning("%s", problem)
        return self._rest("failed", str(problem))
