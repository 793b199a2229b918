"""The command that recalibrates a model and shows what that changes."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from askmask.calibration import LogitScaling
from askmask.cli.output import print_json, progress_bars
from askmask.errors import ProjectError, unknown_name
from askmask.loop.calibrate import fit_recalibration
from askmask.loop.calibration_file import (
    StoredRecalibration,
    recalibration_path,
    save_recalibration,
)
from askmask.loop.compare_queries import QueryComparison, compare_queries
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.metrics.recalibrated import PREFIX
from askmask.records import MetricRow

METHODS = ("temperature", "vector", "histogram", "isotonic", "none")
DEFAULT = "temperature"

_SHOWN = {"nll": "NLL", "brier": "Brier", "ece": "ECE", "mean_dice": "Dice"}


def calibrate_project(
    console: Console, root: Path, method: str | None, *, compare_query: bool, as_json: bool
) -> None:
    """Fit, keep and judge a recalibration of the newest model; or remove it."""
    messages = Console(stderr=True) if as_json else console
    with Project.open(root) as project, progress_bars(messages) as show:
        loop = Loop(project, on_progress=show)
        round_ = newest_round(project)
        chosen = _method(method, project)
        stored = None
        if chosen == "none":
            recalibration_path(project, round_).unlink(missing_ok=True)
        else:
            stored = fit_recalibration(project, round_, chosen, loop.device, report=show)  # type: ignore[arg-type]
            save_recalibration(recalibration_path(project, round_), stored)
        rows = loop.evaluate(round_)
        queries = None
        if compare_query:
            queries = compare_queries(project, round_, loop.device, report=show)
    if as_json:
        facts = {"round": round_, "method": chosen} | _facts(stored)
        if queries is not None:
            facts["query"] = asdict(queries)
        print_json(facts | {"rows": [asdict(row) for row in rows]})
        return
    console.print(comparison(rows))
    if stored is None:
        console.print(f"Round {round_} is not recalibrated.")
        return
    console.print(f"Round {round_}: {_words(stored)}")
    if queries is not None:
        console.print(_query_words(queries))


def newest_round(project: Project) -> int:
    """Newest round with a trained model.

    Raises
    ------
    ProjectError
        If there is none.
    """
    trained = [r.round for r in project.store.trainings() if r.status == "finished"]
    if not trained:
        raise ProjectError(
            f"expected a trained model in {str(project.root)!r}, found none. "
            "Train one: `askmask train`."
        )
    return max(trained)


def comparison(rows: Sequence[MetricRow]) -> Table:
    """Scores before and after recalibration, a line per split and group."""
    table = Table(title="Before > after recalibration", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for heading in ("split", "group", *_SHOWN.values()):
        table.add_column(heading, no_wrap=True)
    values = {(r.split, r.group, r.metric): r.value for r in rows if r.class_name == "all"}
    for split, group in dict.fromkeys((r.split, r.group) for r in rows if r.split != "all"):
        cells = []
        for name in _SHOWN:
            before = values.get((split, group, name), math.nan)
            after = values.get((split, group, PREFIX + name))
            cells.append(f"{before:.4f}" + ("" if after is None else f" > {after:.4f}"))
        table.add_row(split, group, *cells)
    return table


def _method(method: str | None, project: Project) -> str:
    if method is None:
        configured = project.config.calibration.method
        return DEFAULT if configured == "none" else configured
    if method not in METHODS:
        raise unknown_name("recalibration method", method, METHODS)
    return method


def _facts(stored: StoredRecalibration | None) -> dict[str, object]:
    if stored is None:
        return {}
    facts: dict[str, object] = {"images": len(stored.image_ids), "pixels": stored.pixels}
    if isinstance(stored.judge, LogitScaling):
        facts |= {"scale": stored.judge.scale, "shift": stored.judge.shift}
    if stored.sampler is not None:
        facts |= {"sampler_scale": stored.sampler.scale, "sampler_shift": stored.sampler.shift}
    return facts


def _words(stored: StoredRecalibration) -> str:
    """Say what was fitted to what, and what it is good for."""
    n_images = len(stored.image_ids)
    fitted = f"{stored.method} fitted to {stored.pixels:,} pixels of {n_images} validation images"
    if isinstance(stored.judge, LogitScaling) and stored.judge.temperature is not None:
        fitted += f", T = {stored.judge.temperature:.3f}"
        if stored.sampler is not None and stored.sampler.temperature is not None:
            fitted += f" (T = {stored.sampler.temperature:.3f} for the samples that asking scores)"
    if n_images == 1:
        return f"{fitted}. A single image cannot tell how well: keep more for validation."
    return f"{fitted}. Scores of a validation image use a map fitted without it."


def _query_words(queries: QueryComparison) -> str:
    return (
        f"Asked by {queries.acquisition} with and without: {queries.same_regions} of "
        f"{queries.regions} regions are the same, {queries.shared:.1%} of {queries.pixels:,} "
        f"pixels. Another seed alone, without recalibration, shares {queries.shared_by_chance:.1%}."
    )
