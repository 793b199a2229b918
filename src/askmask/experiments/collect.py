"""From a trial's database to rows of the results table."""

import math

from askmask.experiments.grid import Trial
from askmask.experiments.results import ResultRow
from askmask.project import Project

_SECONDS = "evaluation_seconds"


def collect_trial(project: Project, trial: Trial, dataset: str) -> list[ResultRow]:
    """Rows of every evaluated round of a trial.

    Parameters
    ----------
    project : Project
        The trial's project.
    trial : Trial
        Its strategy and seed.
    dataset : str
        Name of the data set or run, for the table.
    """
    rows: list[ResultRow] = []
    costs = {cost.round: cost for cost in project.store.costs()}
    finished = {r.round: r for r in project.store.trainings() if r.status == "finished"}
    pixels = regions = images = boundary = 0
    for round_ in range(max(costs, default=-1) + 1):
        cost = costs.get(round_)
        if cost is not None:
            pixels += cost.new_pixels
            regions += cost.regions
            images = cost.images_so_far
            boundary += cost.boundary_length
        metrics = project.store.metrics(round_)
        training = finished.get(round_)
        if not metrics or training is None:
            continue
        query = project.store.query(round_) if round_ else None
        scoring = math.nan if query is None else (query.elapsed_seconds or math.nan)
        evaluation = next((m.value for m in metrics if m.metric == _SECONDS), math.nan)
        for metric in metrics:
            if metric.metric == _SECONDS:
                continue
            rows.append(
                _row(
                    trial,
                    dataset,
                    project.config.model.name,
                    metric,
                    round=round_,
                    status="finished",
                    reason="",
                    labelled_pixels=pixels,
                    labelled_fraction=pixels / project.pool_pixels,
                    regions=regions,
                    images=images,
                    boundary_length=boundary,
                    training_seconds=training.elapsed_seconds,
                    scoring_seconds=scoring,
                    evaluation_seconds=evaluation,
                )
            )
    return rows
