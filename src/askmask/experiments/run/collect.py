"""From a trial's database to rows of the results table."""

import json
import math
from collections.abc import Sequence
from dataclasses import astuple, replace

from askmask.config import Config
from askmask.experiments.run.grid import Trial
from askmask.experiments.run.results import FAILED, ResultRow
from askmask.loop.project import Project
from askmask.metrics.effort import Effort, effort_of, measured, total
from askmask.query.score_histograms import read_counts
from askmask.records import MetricRow
from askmask.whole_files import write_atomically

_SECONDS = "evaluation_seconds"

EFFORT_NAME = "effort.json"


def collect_trial(project: Project, trial: Trial, config: Config) -> list[ResultRow]:
    """Rows of every evaluated round of a trial, and of every training that failed.

    Parameters
    ----------
    project : Project
        The trial's project.
    trial : Trial
        Its strategy and seed.
    config : Config
        Settings of the run that it belongs to.
    """
    store = project.store
    costs = {cost.round: cost for cost in store.costs()}
    finished = {record.round: record for record in store.finished_trainings()}
    efforts = _efforts(project)
    pixels = regions = boundary = 0
    work, seconds = Effort(), []
    rows: list[ResultRow] = []
    for round, cost in sorted(costs.items()):
        pixels += cost.new_pixels
        regions += cost.regions
        boundary += cost.boundary_length
        work += efforts[round]
        seconds += [cost.seconds] if round > 0 else []
        so_far = replace(
            _empty(trial, config),
            round=round,
            labelled_pixels=pixels,
            labelled_fraction=pixels / project.pool_pixels,
            regions=regions,
            images=cost.images_so_far,
            boundary_length=boundary,
            contour_length=work.contour_length,
            clicks=work.clicks,
            modelled_seconds=work.modelled_seconds,
            measured_seconds=measured(seconds),
        )
        rows += [
            replace(so_far, status=FAILED, reason=record.reason or "", metric="")
            for record in store.trainings()
            # One without a model was no attempt: its machine had too little memory for it.
            if (record.round, record.status) == (round, FAILED) and record.model
        ]
        if round in finished:
            query = store.query(round)
            scoring = None if query is None else query.elapsed_seconds
            timed = replace(
                so_far,
                training_seconds=finished[round].elapsed_seconds,
                scoring_seconds=math.nan if scoring is None else scoring,
            )
            counts = read_counts(project.scores_path(round))
            scores = [] if counts is None else counts.rows()
            rows += _measured(timed, (*store.metrics(round), *scores))
    return rows


def failure_row(trial: Trial, config: Config, round: int, reason: str) -> ResultRow:
    """Row of a trial that ended before its last round."""
    return replace(_empty(trial, config), round=round, status=FAILED, reason=reason)


def _efforts(project: Project) -> dict[int, Effort]:
    """Work for the answers of each round; kept in a file, since tracing every answer takes time.

    Answers are only appended, so the number of the newest one says whether the file is still valid.
    """
    path, newest = project.root / "reports" / EFFORT_NAME, project.store.newest_answer()
    if path.is_file():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["newest_answer"] == newest:
            return {int(round): Effort(*values) for round, values in kept["rounds"].items()}
    efforts = {
        round: total(effort_of(answer.mask) for answer in project.store.answers(round=round))
        for round in project.store.answered_rounds()
    }
    rounds = {str(round): astuple(effort) for round, effort in efforts.items()}
    write_atomically(path, json.dumps({"newest_answer": newest, "rounds": rounds}))
    return efforts


def _measured(so_far: ResultRow, metrics: Sequence[MetricRow]) -> list[ResultRow]:
    seconds = next((m.value for m in metrics if m.metric == _SECONDS), math.nan)
    return [
        replace(
            so_far,
            split=metric.split,
            group=metric.group,
            class_name=metric.class_name,
            metric=metric.metric,
            bin=metric.bin,
            value=metric.value,
            count=metric.count,
            evaluation_seconds=seconds,
        )
        for metric in metrics
        if metric.metric != _SECONDS
    ]


def _empty(trial: Trial, config: Config) -> ResultRow:
    return ResultRow(
        trial=trial.name,
        dataset=config.name,
        model=trial.model or config.model.name,
        budget=trial.budget,
        acquisition=trial.acquisition,
        unit=str(trial.unit),
        seed=trial.seed,
        round=0,
    )
