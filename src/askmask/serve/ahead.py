"""When regions are asked for people, and how many: nobody waits while there is something to label.

The worker calls this between two steps of its other work. What is asked comes from a look of the
newest model through the pool, or before there is one from a cold start; see
``docs/decisions/0083-the-stream.md``.
"""

import time
from dataclasses import dataclass
from typing import Final

from askmask.loop.ask import asking_by
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.project import START, Project
from askmask.loop.stream.look import Look
from askmask.loop.stream.portion import (
    Portion,
    ask_portion,
    choose_anew,
    choose_more,
    cold_strategy,
)
from askmask.progress import Listener
from askmask.records import Region
from askmask.serve.previews import draw_region
from askmask.store.store import TrainingRecord
from askmask.store.work_records import DrawnPiece

PER_PERSON: Final = 5
"""So many more regions are ahead for each further person: a page fetches four of them."""
PORTION: Final = 5
"""So many more are asked at a time, so that not every answer asks a query of its own."""
WAIT_SECONDS: Final = 0.3
"""A worker with nothing else to do waits so long for an image from elsewhere, between commands."""
FIRST_COLD: Final = 4
FIRST_LOOK: Final = 8
"""After so many images a look asks for the first time; then whenever it has seen twice as many."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and how.

    Attributes
    ----------
    round : int
        Whose model; `START` before the first.
    started_at : str
        Start of the training that wrote it: a round may be trained anew.
    acquisition : str or None
        None for the strategy of the config, or that of a cold start.
    """

    round: int
    started_at: str
    acquisition: str | None = None

    @classmethod
    def after(cls, training: TrainingRecord | None, acquisition: str | None) -> "Asker":
        """The model of a training; None: nothing is trained yet."""
        if training is None:
            return cls(START, "", acquisition)
        return cls(training.round, training.started_at, acquisition)


class RegionsAhead:
    """Regions asked ahead of everybody, of one project's worker.

    Parameters
    ----------
    project : Project
        Open; stays the caller's.
    report : callable
        Called with a `Progress` after every image that was looked at.
    elsewhere : Elsewhere, optional
        Where models score images, by default here. Before the first model all is done here.
    """

    def __init__(
        self, project: Project, report: Listener, elsewhere: Elsewhere | None = None
    ) -> None:
        self._project = project
        self._elsewhere = elsewhere
        self._store = project.store
        self._report = report
        self._asker: Asker | None = None
        self._look: Look | None = None
        self._next_at = 0
        self._ranked_at = 0
        self._dry_at: int | None = None
        self._portion: Portion | None = None
        self._undrawn: list[Region] = []
        self._drawn: dict[Region, DrawnPiece] = {}
        self._looked_seconds = 0.0
        self._began_at = 0.0
        self._checked_at = -1
        self._counted_at = -1
        self._fresh = 0

    def begin(self, asker: Asker) -> None:
        """Let another model or strategy ask from now on; nothing if it asks already."""
        if asker != self._asker:
            self._begin_look(asker)

    def end(self) -> None:
        """Let nothing more be scored elsewhere."""
        if self._look is not None:
            self._look.end()

    def start_over(self) -> None:
        """Forget what was seen: the next look begins, also if nothing was left to ask."""
        self._asker = None

    def serve(self) -> bool:
        """Do the one thing that people wait for, or nothing; return whether there was one.

        That is to draw one of the regions that are about to be asked, or to ask them when all are
        drawn; to choose the best regions when enough of the pool was seen, or further ones when few
        are left; or to look at one more image if that is needed for either.
        """
        look = self._look
        if look is None:
            return False
        if self._portion is not None:
            return self._draw_or_ask(self._portion)
        if self._is_rank_due(look):
            return self._rank(look)
        is_heard = self._ranked_at > 0
        if is_heard and not self._is_low():
            return False
        if is_heard and self.top_up():
            return True
        return self._look_again() if look.is_done else self._advance(look)

    def top_up(self, *, draws: bool = True) -> bool:
        """Go on with what was seen if few are left; return whether there was anything to do.

        Without `draws` regions are asked as they are, because an image could not be drawn or read.
        """
        look = self._look
        if self._portion is not None:
            self._undrawn = self._undrawn if draws else []
            return self._draw_or_ask(self._portion)
        if look is None or self._dry_at == len(look.seen) or not self._is_low():
            return False
        portion = choose_more(look, self._wanted + PORTION - self._fresh_count())
        if portion is None:
            self._dry_at = len(look.seen)
        return self._begin_portion(portion)

    def look_on(self) -> bool:
        """Look at one more image though nobody waits for it; return whether there is one.

        One that is scored elsewhere is waited for, but not for longer than `WAIT_SECONDS`.
        """
        look = self._look
        if look is None or look.is_done:
            return False
        if not look.is_ready(WAIT_SECONDS):
            self._report(look.progress)
            return True
        return self._advance(look)

    def take_in(self) -> None:
        """Take in what was scored elsewhere meanwhile, as other work goes on here."""
        look, began = self._look, time.monotonic()
        if look is None or not look.is_elsewhere:
            return
        while not look.is_done and look.is_ready() and time.monotonic() - began < WAIT_SECONDS:
            look.advance()

    def is_exhausted(self) -> bool:
        """Whether every pixel of the pool is labelled, or asked and open."""
        return all(self._store.asked(name).all() for name in self._project.pool_ids)

    def _begin_look(self, asker: Asker) -> None:
        project = self._project
        acquisition = asker.acquisition
        if asker.round == START:
            acquisition = acquisition or cold_strategy(project.config)
        if acquisition is not None:
            project = asking_by(project, acquisition)
        newest = self._store.newest_query()
        number = 1 if newest is None else newest.round + 1
        seen = () if self._look is None else self._look.seen
        self.end()
        place = None if asker.round == START else self._elsewhere
        self._look = Look(project, project.model(asker.round), number, seen, elsewhere=place)
        self._asker = asker
        self._begin_portion(None)
        self._next_at = FIRST_COLD if asker.round == START else FIRST_LOOK
        self._ranked_at, self._dry_at = 0, None
        self._looked_seconds, self._began_at = 0.0, time.monotonic()

    def has_looked_for(self, seconds: float) -> bool:
        """Whether the present look took so long, or is done: another model may take over."""
        look = self._look
        if look is None or look.is_done:
            return True
        if look.is_elsewhere:  # it goes on all the time
            return time.monotonic() - self._began_at >= seconds
        return self._looked_seconds >= seconds

    def _advance(self, look: Look) -> bool:
        """Look at the next image, unless it is scored elsewhere and has not come."""
        if not look.is_ready():
            return False
        began = time.monotonic()
        progress = look.advance()
        self._looked_seconds += time.monotonic() - began
        self._report(progress)
        return True

    def _is_rank_due(self, look: Look) -> bool:
        seen = len(look.seen)
        return self._ranked_at < seen and (seen >= self._next_at or look.is_done)

    def _rank(self, look: Look) -> bool:
        self._ranked_at = len(look.seen)
        self._next_at = max(2 * self._ranked_at, self._next_at)
        count = self._wanted + PORTION
        if look.model.round == START and not look.is_done:
            count = min(count, len(look.seen))  # one in each image
        return self._begin_portion(choose_anew(look, count))

    def _begin_portion(self, portion: Portion | None) -> bool:
        self._portion, self._drawn = portion, {}
        self._undrawn = [] if portion is None else [i.region for i in portion.new_items()]
        return portion is not None

    def _draw_or_ask(self, portion: Portion) -> bool:
        """Draw one region of a portion; ask it when all are drawn, or if nothing else is left."""
        is_urgent = self._drawn and self._fresh_count() == 0
        if not self._undrawn or is_urgent:
            self._portion = None
            ask_portion(portion, self._drawn)
            return True
        region = self._undrawn[0]
        self._drawn[region] = draw_region(portion.look, region)
        del self._undrawn[0]
        return True

    def _look_again(self) -> bool:
        """Begin another look, if something happened and there are places that this one passed."""
        newest = self._store.control.newest_event()
        if newest == self._checked_at or self._asker is None:
            return False
        self._checked_at = newest
        if self.is_exhausted():
            return False
        self._begin_look(self._asker)
        return True

    @property
    def _wanted(self) -> int:
        people = self._store.worklist.people_at_work()
        return self._project.config.serve.ahead + PER_PERSON * max(people - 1, 0)

    def _is_low(self) -> bool:
        return self._fresh_count() < self._wanted

    def _fresh_count(self) -> int:
        """Count the open regions that nobody has held; anew only if something happened."""
        newest = self._store.control.newest_event()
        if self._counted_at != newest:
            self._counted_at, self._fresh = newest, self._store.worklist.count_fresh()
        return self._fresh
