"""From a trial's database to rows of the results table."""

import math
from collections.abc import Sequence
from dataclasses import replace

from askmask.config import Config
from askmask.experiments.grid import Trial
from askmask.experiments.results import FAILED, FINISHED, ResultRow
from askmask.project import Project
from askmask.records import MetricRow
from askmask.tally import read_counts

_SECONDS = "evaluation_seconds"


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
    finished = {r.round: r for r in store.trainings() if r.status == FINISHED}
    pixels = regions = boundary = 0
    rows: list[ResultRow] = []
    for round_, cost in sorted(costs.items()):
        pixels += cost.new_pixels
        regions += cost.regions
        boundary += cost.boundary_length
        so_far = replace(
            _empty(trial, config),
            round=round_,
            labelled_pixels=pixels,
            labelled_fraction=pixels / project.pool_pixels,
            regions=regions,
            images=cost.images_so_far,
            boundary_length=boundary,
        )
        rows += [
            replace(so_far, status=FAILED, reason=record.reason or "", metric="")
            for record in store.trainings()
            if (record.round, record.status) == (round_, FAILED)
        ]
        if round_ in finished:
            query = store.query(round_)
            scoring = None if query is None else query.elapsed_seconds
            timed = replace(
                so_far,
                training_seconds=finished[round_].elapsed_seconds,
                scoring_seconds=math.nan if scoring is None else scoring,
            )
            counts = read_counts(project.scores_path(round_))
            scores = [] if counts is None else counts.rows()
            rows += _measured(timed, (*store.metrics(round_), *scores))
    return rows


def failure_row(trial: Trial, config: Config, round_: int, reason: str) -> ResultRow:
    """Row of a trial that ended before its last round."""
    return replace(_empty(trial, config), round=round_, status=FAILED, reason=reason)


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
        model=config.model.name,
        acquisition=trial.acquisition,
        unit=str(trial.unit),
        seed=trial.seed,
        round=0,
    )
