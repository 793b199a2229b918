"""The worker behind the annotation page: trains, judges, asks and draws while people answer.

It meets the server only in the store. Each turn looks at what the store holds and does the one
thing that is due, by verbs that may be repeated; so it may be killed anywhere, and the next worker
goes on. What people command is read from the store too, and outlives both.

Everything comes in steps: training and judging by generators, of which a turn takes as many steps
as fit into a moment; asking image by image of the pool (``ahead``); drawing image by image, what
somebody looks at first. So the worker decides between two steps: whether it stops or waits, and
what people need next.
"""

import logging
import threading
import time
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Final

from askmask.errors import (
    AskmaskError,
    DiskError,
    StoreBusy,
    StoreFull,
    disk_problem,
)
from askmask.loop.ask import asking_by
from askmask.loop.calibrate import recalibrate_round
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.progress import Listener, Progress, silent
from askmask.query.strategies import find_strategy, strategy_names
from askmask.runtime.memory import STARVED
from askmask.serve.ahead import Asker, RegionsAhead
from askmask.serve.embedder import Embedder
from askmask.serve.failures import Failures
from askmask.serve.previews import draw_pieces
from askmask.serve.rest import Rest
from askmask.serve.teller import Teller
from askmask.store.mailbox import Command, CommandName
from askmask.store.store import TrainingRecord
from askmask.store.work_records import WorkItem

LOOK_SECONDS: Final = 0.5
"""How often the store is looked into while nothing is due."""
TELL_SECONDS: Final = 0.3
"""How long a turn goes on with one work, and how often progress is told at most."""
MOST_DRAWN: Final = 500
"""Among so many undrawn regions the worker looks for those of one image."""
DISK_SECONDS: Final = 30.0
"""How long nothing is tried after the disk was full."""
QUIET_SECONDS: Final = 300.0
"""When nobody has answered for so long, few new answers are reason enough to train."""

_SWITCHES: Final = (CommandName.START, CommandName.STOP, CommandName.PAUSE, CommandName.RESUME)

_log = logging.getLogger(__name__)


Work = Generator[Progress, None, None]
"""Training or judging, which may be left between two steps and taken up again."""


def _key(training: TrainingRecord) -> tuple[int, str]:
    """What tells a training from any other; its numbers may be NaN, which equals nothing."""
    return training.round, training.started_at


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
    elsewhere : Elsewhere, optional
        Where a model scores the pool; everything else is done here, and by default that, too.
    """

    def __init__(
        self,
        project: Project,
        *,
        on_progress: Listener = silent,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self._project = project
        self._store = project.store
        self._on_progress = on_progress
        self._loop = Loop(project, on_progress=self._between_images)
        self._teller = Teller(project.store, TELL_SECONDS)
        self._rest = Rest(project.store.control)
        self._work: Work | None = None
        self._looked_at = 0.0
        self._resumes_at = 0.0
        self._ahead = RegionsAhead(project, self._between_images, elsewhere)
        self._embedder = Embedder(project)
        self._failures = Failures(project.store.newest_answer)
        self._train_now = False
        self._judged: tuple[int, str] | None = None
        self._is_new = True
        self._store.control.tell_fact("strategies", list(strategy_names()))

    def run(self, *, until: threading.Event) -> None:
        """Work until the event is set."""
        with self._teller.heartbeats():
            try:
                while not until.is_set():
                    if self._rest.is_over():
                        if self._patient_turn():
                            continue
                        self._rest.begin()
                    until.wait(LOOK_SECONDS)
            finally:
                self._leave_work()
                self._ahead.end()

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
        except STARVED as error:
            problem = self._failures.of_memory(error)
            if problem is None:
                raise
            self._resumes_at = time.monotonic() + self._failures.next_pause()
            return self._fail(problem)

    def _turn(self) -> bool:
        self._obey()
        if self._is_switched(CommandName.STOP):
            self._leave_work()
            return self._stand_by("stopped")
        if self._is_switched(CommandName.PAUSE):
            return self._stand_by("paused")
        self._take_over()
        if self._serve_people() or self._go_on() or self._look_on():
            return True
        failure = self._failures.message()
        return self._stand_by("idle") if failure is None else self._stand_by("failed", failure)

    def _serve_people(self) -> bool:
        """Draw, ask or embed what people wait for; return whether there was anything to do."""
        try:
            if self._draw() or self._embedder.serve_hands():
                return True
            return self._ask_ahead() or self._embedder.look_ahead()
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
        """Finish what was left half done: known masks not taken in, a model not recalibrated."""
        if self._is_new:
            taken = self._loop.tell_start(MaskOracle(self._project.source))
            if taken:
                _log.info("took in %d known masks that the project lacked", taken)
            newest = self._project.newest_training()
            if newest is not None:
                recalibrate_round(self._project.model(newest.round))
            self._is_new = False

    def _draw(self) -> bool:
        """Draw what is not drawn yet of one image's open regions; those in hand come first."""
        if self._failures.has("draw"):
            return False
        missing = self._store.worklist.undrawn(MOST_DRAWN)
        if not missing:
            return False
        first = missing[0]
        same = [item for item in missing if item.round == first.round]
        if first.model is not None:  # without a model there is nothing to compute
            image_id = first.item.region.image_id
            same = [item for item in same if item.item.region.image_id == image_id]
        with self._failures.noting("draw"):
            self._draw_items(same)
        return True

    def _ask_ahead(self) -> bool:
        """Ask what people will need soon, or look at one more image for it."""
        if self._failures.has("ask"):
            return self._ahead.top_up(draws=False)
        with self._failures.noting("ask"):
            self._ahead.begin(Asker.after(self._project.newest_training(), self._strategy()))
            self._ahead.take_in()
            return self._ahead.serve()

    def _look_on(self) -> bool:
        """Look through the pool though nobody waits for it."""
        if self._failures.has("ask"):
            return False
        with self._failures.noting("ask"):
            return self._ahead.look_on()

    def _strategy(self) -> str | None:
        """Strategy of the last command to ask again; None for the config's."""
        last = self._store.control.newest_command(CommandName.ASK_AGAIN, is_done=True)
        chosen = None if last is None else last.acquisition
        if chosen is None or self._project.newest_training() is not None:
            return chosen
        return chosen if find_strategy(chosen).maps is None else None

    def _draw_items(self, items: list[WorkItem]) -> None:
        by_name = {self._project.model_path(r).name: r for r in range(self._loop.round + 1)}
        asked_by = by_name.get(items[0].model or "")
        is_there = asked_by is not None and self._project.has_model(asked_by)
        project = asking_by(self._project, items[0].acquisition)
        model = project.model(asked_by) if is_there else None
        draw_pieces(project, items, model, report=self._between_images)

    def _due_work(self) -> Work | None:
        """Training if enough answers came; judging if the newest model was not judged."""
        if self._is_training_due():
            return self._training(self._round_to_train())
        newest = self._project.newest_training()
        if newest is None or self._judged == _key(newest) or self._failures.has("evaluate"):
            return None
        return self._judging(newest.round)

    def _round_to_train(self) -> int:
        """Newest round with an answer, or if that was trained the newest: names are unique."""
        answered = max(self._store.answered_rounds(), default=0)
        trained = {record.round for record in self._store.finished_trainings()}
        return self._loop.round if answered in trained else answered

    def _training(self, round: int) -> Work:
        """Train, then judge."""
        was_asked, self._train_now = self._train_now, False
        try:
            with self._failures.noting("train"):
                yield from self._loop.train_steps(round)
        except (GeneratorExit, StoreBusy):
            self._train_now |= was_asked  # it is still wanted
            raise
        self._store.control.note("rounds", round)
        yield from self._judging(round)

    def _judging(self, round: int) -> Work:
        """Judge a model, unless that was done before."""
        newest = self._project.newest_training()
        with self._failures.noting("evaluate"):
            yield from self._loop.evaluate_steps(round)
        self._judged = None if newest is None else _key(newest)
        self._store.control.note("rounds", round)

    def _is_training_due(self) -> bool:
        if not self._store.labelled_pixels() or self._failures.has("train"):
            return False
        if self._train_now:
            return True
        newest, count = self._project.newest_training(), self._store.answers_since_training()
        if newest is None and 0 in self._store.answered_rounds():
            return True  # of masks that were known from the start
        if count == 0:
            return False
        wanted = self._project.config.serve.answers_for_training(
            self._store.answers_with_labels() - count
        )
        # A model that was trained for long and had no time to look would be of no use.
        has_looked = newest is None or self._ahead.has_looked_for(newest.elapsed_seconds)
        enough = count >= (wanted if has_looked else 2 * wanted)
        return enough or not self._store.worklist.has_open() or self._is_quiet()

    def _is_quiet(self) -> bool:
        """Whether nobody holds a region or has answered for a while."""
        newest = self._store.worklist.history(limit=1)
        if not newest or self._store.worklist.people_at_work() > 0:
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
            self._failures.forget()
            return ""
        return self._ask_again(command)

    def _ask_again(self, command: Command) -> str:
        """Withdraw the open regions that nobody holds; others are asked, from now on as given."""
        if command.acquisition is not None:
            find_strategy(command.acquisition)
        acquisition, is_cold = command.acquisition, self._project.newest_training() is None
        if acquisition is not None and is_cold and find_strategy(acquisition).maps is not None:
            return f"{acquisition!r} needs a model, and nothing is trained yet"
        self._store.worklist.withdraw(command.given_by)
        self._ahead.start_over()
        return "everything is labelled or asked" if self._ahead.is_exhausted() else ""

    def _is_switched(self, name: CommandName) -> bool:
        """Whether the last of the commands start, stop, pause and resume is this one."""
        last = self._store.control.newest_command(*_SWITCHES)
        return (CommandName.START if last is None else last.name) is name

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

    def _stand_by(self, state: str, message: str = "") -> bool:
        """Tell that nothing is done now; false, as `turn` returns it."""
        self._teller.rest(state, message)
        return False

    def _fail(self, error: AskmaskError | OSError) -> bool:
        problem = disk_problem(error) if isinstance(error, OSError) else error
        if problem is None:
            raise error
        _log.warning("%s", problem)
        return self._stand_by("failed", str(problem))
