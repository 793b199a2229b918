"""The loop: tell what is known, train, evaluate, ask; then again.

Every verb may be repeated: what the store already holds is not done twice, so a process that was
killed anywhere goes on by calling the same verb again.
"""

import logging
import time
from collections.abc import Generator, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from askmask.data.slides.heat import write_heat
from askmask.errors import ProjectError
from askmask.loop.ask import (
    Proposal,
    asking_by,
    cold_start,
    is_cold,
    nothing_to_ask,
    propose,
    shown_score,
)
from askmask.loop.calibrate import recalibrate_round
from askmask.loop.elsewhere.judging import judged_by_jobs
from askmask.loop.elsewhere.scoring import PoolElsewhere
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.evaluate import Judging, judge_shared, judging_steps
from askmask.loop.oracle import Oracle
from askmask.loop.predictions import predict_known
from askmask.loop.project import START, Project
from askmask.loop.round_model import RoundModel
from askmask.loop.train import fitting_steps
from askmask.progress import Listener, Progress, drive, silent
from askmask.query.score_histograms import write_counts
from askmask.query.strategies import strategy_turn
from askmask.records import Answer, Labels, MetricRow, Query
from askmask.runtime.cache import Cache
from askmask.store.store import TrainingRecord

_log = logging.getLogger(__name__)


class Loop:
    """The two verbs `ask` and `tell`, and what happens between them.

    Parameters
    ----------
    project : Project
        Where everything is kept.
    on_progress : callable
        Called with a `Progress` several times a second at most per step or image.
    cache : Cache, optional
        Where trials with the same start share trained models and their evaluation.
    elsewhere : Elsewhere, optional
        Where images are scored and judged, by default in this process.
    """

    def __init__(
        self,
        project: Project,
        *,
        on_progress: Listener = silent,
        cache: Cache | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        strategy_turn(project.config, 1)  # refuses a strategy that does not exist or fit
        self.project = project
        self.device = project.device
        self._report = on_progress
        self._cache = cache
        self._elsewhere = elsewhere

    @property
    def round(self) -> int:
        """The present round: 0 until something was asked."""
        newest = self.project.store.newest_query()
        return 0 if newest is None else newest.round

    def run(self, oracle: Oracle, rounds: int) -> Iterator[int]:
        """Ask, answer, train and evaluate until `rounds` queries are answered.

        Yields
        ------
        int
            Each round 0 ... `rounds`, once it is trained and evaluated.
        """
        self.tell_start(oracle)
        for round in range(rounds + 1):
            if round > 0:
                self.ask(round)
                self.tell(
                    oracle.answer(item.region, round)
                    for item in self.project.store.unanswered(round)
                )
            if round == self.round:  # an earlier one was finished before its successor was asked
                self.train(round)
                self.evaluate(round)
            yield round

    def tell(self, answers: Iterable[Answer]) -> int:
        """Keep answers, each in its own transaction; return how many.

        Answers are only appended: where two label one pixel, the newer one counts.
        """
        count = 0
        for answer in answers:
            self.project.store.add_answer(answer)
            count += 1
        return count

    def tell_start(self, oracle: Oracle) -> int:
        """Let `oracle` answer the start images without labels; return how many."""
        known = set(self.project.store.labelled_images())
        missing = [r for r in self.project.start_regions if r.image_id not in known]
        return self.tell(oracle.answer(region, 0) for region in missing)

    def train(self, round: int | None = None) -> TrainingRecord:
        """Fit the model of a round (by default the present one) to every answer so far.

        Then its recalibration, if the config wants one, to the validation images.

        Raises
        ------
        TrainingFailed
            If every attempt that the config allows failed; each is recorded.
        """
        return drive(self.train_steps(round), self._report)

    def train_steps(self, round: int | None = None) -> Generator[Progress, None, TrainingRecord]:
        """Train as `train` does, step by step, for those who have other work in between.

        A generator that is closed has trained nothing; repeated, it goes on from a checkpoint.

        Yields
        ------
        Progress
            After every step.
        """
        number = self.round if round is None else round
        record = yield from fitting_steps(
            self.project, number, cache=self._cache, report=self._report
        )
        recalibrate_round(self.project.model(number))
        return record

    def ask(self, round: int | None = None, *, model_round: int | None = None) -> Query:
        """Choose what to label next with the newest model, and keep the query in the store.

        A query that still has unanswered regions is returned again. With its number a round is
        asked while the one before is still open; `model_round` is then the round whose model asks
        (by default the one before), `START` before the first training. Without both, a project
        that has no label yet is asked cold: random places, or typical ones where the network
        starts from learned weights.

        Raises
        ------
        ProjectError
            If no model was trained for the round before.
        ConfigError
            If no place that is left fits into the budget of pixels.
        NothingToAsk
            If everything is labelled or asked.
        """
        store, config = self.project.store, self.project.config
        number = self._round_to_ask() if round is None else round
        kept = store.query(number)
        if kept is not None:
            return kept
        if round is None and model_round is None and is_cold(self.project):
            return self.asking_by(cold_start(config)).ask(number, model_round=START)
        started = time.perf_counter()
        model = self.project.model(number - 1 if model_round is None else model_round)
        proposal = self._propose(number, model)
        if not proposal.items:
            raise nothing_to_ask(self.project, number)
        query = Query(
            round=number,
            acquisition=config.query.acquisition,
            unit=config.query.unit,
            items=proposal.items,
            model=model.name,
            elapsed_seconds=time.perf_counter() - started,
        )
        if proposal.scores is not None:  # so that no query is without them
            write_counts(self.project.scores_path(number), proposal.scores)
        if proposal.heat is not None:
            write_heat(self.project.heat_path(number), proposal.heat)
        store.add_query(query)
        return query

    def asking_by(self, acquisition: str) -> "Loop":
        """Loop of the same open project, asking by another strategy than its config's."""
        project = asking_by(self.project, acquisition)
        if project is self.project:
            return self
        return Loop(project, on_progress=self._report, cache=self._cache, elsewhere=self._elsewhere)

    def propose(
        self,
        round: int | None = None,
        *,
        return_utilities: bool = False,
        model_round: int | None = None,
    ) -> Proposal:
        """Return what `ask` would ask, and the utilities of all places; nothing is kept."""
        number = self._round_to_ask() if round is None else round
        return propose(
            self.project,
            number,
            model=self.project.model(number - 1 if model_round is None else model_round),
            report=self._report,
            return_utilities=return_utilities,
        )

    def _propose(self, round: int, model: RoundModel) -> Proposal:
        pool = None
        if self._elsewhere is not None:
            pool = PoolElsewhere(
                self.project, round, model, self._report, elsewhere=self._elsewhere
            )
        return propose(self.project, round, model=model, report=self._report, pool=pool)

    def evaluate(self, round: int | None = None) -> tuple[MetricRow, ...]:
        """Judge the model of a round on the validation and test images; keep the rows.

        Raises
        ------
        ProjectError
            If the round has no model.
        """
        return drive(self.evaluate_steps(round), self._report)

    def evaluate_steps(
        self, round: int | None = None
    ) -> Generator[Progress, None, tuple[MetricRow, ...]]:
        """Evaluate as `evaluate` does, image by image, for those who have other work in between.

        Yields
        ------
        Progress
            After every image.
        """
        number = self.round if round is None else round
        store = self.project.store
        model = self.project.model(number)
        if model.training is None:
            raise ProjectError(
                f"expected a model of round {number}, found none. Train it first: `askmask train`."
            )
        # A round's model may be fitted again, so its file name alone does not say which it is.
        fitted = f"{model.training.model}@{model.training.labelled_digest[:12]}"
        names = [fitted + mark for mark in model.marks]
        for name in names:
            if kept := store.metrics(number, name):
                if not store.is_read_only:
                    store.add_metrics(number, name, kept)  # the last again, after other settings
                return kept
        cache = self._shared(number)
        if cache is None:
            rows = yield from judging_steps(model, self._judging(model))
        else:
            rows = judge_shared(model, cache=cache, report=self._report)
        if store.is_read_only:
            _log.warning("The scores are not kept: the project may only be read.")
        else:
            store.add_metrics(number, names[0], rows)
        return rows

    def score_map(self, image_id: str, round: int) -> npt.NDArray[np.float32] | None:
        """(H, W) acquisition scores of an image, as the query of `round` saw them.

        None for strategies that score regions, not pixels.
        """
        return shown_score(self.project, image_id, round)

    def predicted_labels(self, image_id: str, round: int) -> Labels:
        """(H, W) int16 labels that the model of a round would give an image."""
        return predict_known(self.project.model(round), image_id).labels

    def _judging(self, model: RoundModel) -> Judging | None:
        return None if self._elsewhere is None else judged_by_jobs(model, self._elsewhere)

    def _shared(self, round: int) -> Cache | None:
        """Cache of round 0, the one that trials of one seed have in common."""
        return self._cache if round == 0 else None

    def _round_to_ask(self) -> int:
        """Present round while its query is not answered, else the next one."""
        present = self.round
        return present if self.project.store.unanswered(present) else present + 1
