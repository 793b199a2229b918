"""One table from several runs of one benchmark: more seeds, more strategies, other machines.

Runs can be merged if they differ only in what makes trials (strategies, units, seeds, variants) and
in where they ran. A trial that two runs have must have the same results in both.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from askmask.config import Config, load_written_config
from askmask.errors import ProjectError
from askmask.experiments.run.results import ResultRow, read_results

_OF_TRIALS: Final = frozenset(
    {
        *("seed", "threads", "device", "serve", "data.path"),
        *("query.acquisition", "query.options", "query.unit"),
        *(f"grid.{key}" for key in ("acquisitions", "options", "units", "seeds", "models")),
        *(f"grid.{key}" for key in ("budgets", "bounds", "workers", "keep_models")),
    }
)
"""Settings that may differ: they make trials, or say where these ran."""


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run on disk: its folder, settings and table."""

    path: Path
    config: Config
    rows: Sequence[ResultRow]


def read_run(path: Path) -> Run:
    """Read the settings and the table of a run.

    Raises
    ------
    ProjectError
        If `path` holds no run, or a table of another version.
    """
    if not (path / "config.yaml").is_file():
        raise ProjectError(
            f"expected a run in {str(path)!r}, found no config.yaml. "
            "Make one with `askmask simulate`."
        )
    return Run(path, load_written_config(path / "config.yaml"), read_results(path / "results.csv"))


def merge(runs: Sequence[Run]) -> list[ResultRow]:
    """Rows of every trial of several runs, in the order of the runs, each trial once.

    Of a trial that failed in one run and finished in another, the finished one is kept.

    Raises
    ------
    ProjectError
        If the settings or the data of two runs differ, or a trial has different results in two.
    """
    for run in runs[1:]:
        _check_settings(runs[0], run)
        _check_variants(runs[0], run)
        _check_data(runs[0], run)
    merged: dict[str, tuple[Run, list[ResultRow]]] = {}
    for run in runs:
        for trial, rows in _by_trial(run.rows).items():
            if trial not in merged or (_failed(merged[trial][1]) and not _failed(rows)):
                merged[trial] = (run, rows)
            elif not _failed(rows) and _results(rows) != _results(merged[trial][1]):
                raise ProjectError(
                    f"expected the same results of trial {trial!r} in "
                    f"{str(merged[trial][0].path)!r} and {str(run.path)!r}, got different ones. "
                    "Threads and machines change the last bits: leave the trial out of one run."
                )
    return [row for _, rows in merged.values() for row in rows]


def _check_settings(first: Run, other: Run) -> None:
    ours, theirs = (_flat(run.config.model_dump(mode="json")) for run in (first, other))
    differing = [
        f"  {key}: {ours.get(key)!r} and {theirs.get(key)!r}"
        for key in sorted(set(ours) | set(theirs))
        if ours.get(key) != theirs.get(key)
    ]
    if differing:
        raise ProjectError(
            f"expected runs of one benchmark, but settings of {str(first.path)!r} and "
            f"{str(other.path)!r} differ:\n" + "\n".join(differing)
        )


def _check_variants(first: Run, other: Run) -> None:
    """Refuse one name for two things: a model, a budget, or the options of a strategy."""
    for kind in ("models", "budgets", "options"):
        ours, theirs = getattr(first.config.grid, kind), getattr(other.config.grid, kind)
        names = set(ours) & set(theirs)
        if kind == "options":  # a strategy without options has its defaults
            shared = set(first.config.grid.acquisitions) & set(other.config.grid.acquisitions)
            names = (set(ours) | set(theirs)) & shared
        for name in sorted(names):
            if ours.get(name, {}) != theirs.get(name, {}):
                raise ProjectError(
                    f"expected one meaning of {name!r} in grid.{kind}, got "
                    f"{ours.get(name, {})!r} in {str(first.path)!r} and "
                    f"{theirs.get(name, {})!r} in {str(other.path)!r}. Rename one."
                )


def _check_data(first: Run, other: Run) -> None:
    """Refuse runs on different images: paths may differ, counted pixels may not."""
    ours, theirs = (_counted_pixels(run.rows) for run in (first, other))
    differing = sorted(key for key in set(ours) & set(theirs) if ours[key] != theirs[key])
    if differing:
        key = differing[0]
        raise ProjectError(
            f"expected runs on the same images, but {' of '.join(key)} has {ours[key]} pixels in "
            f"{str(first.path)!r} and {theirs[key]} in {str(other.path)!r}. "
            "Merge runs on one data set only."
        )


def _counted_pixels(rows: Iterable[ResultRow]) -> dict[tuple[str, str], int]:
    """Pixels of the pool, and pixels that each split and group was judged on."""
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.metric == "nll" and row.class_name == "all":
            found[row.group, row.split] = row.count
            found["all", "pool"] = round(row.labelled_pixels / row.labelled_fraction)
    return found


def _by_trial(rows: Iterable[ResultRow]) -> dict[str, list[ResultRow]]:
    found: dict[str, list[ResultRow]] = {}
    for row in rows:
        found.setdefault(row.trial, []).append(row)
    return found


def _failed(rows: Iterable[ResultRow]) -> bool:
    return any(row.is_failure for row in rows)


def _results(rows: Iterable[ResultRow]) -> list[str]:
    """Rows without the machine's times, as text: NaN equals NaN there."""
    times = dict.fromkeys(("training_seconds", "scoring_seconds", "evaluation_seconds"), 0.0)
    return [repr(replace(row, **times)) for row in rows]  # type: ignore[arg-type]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:  # Any: settings
    """Dotted settings that must agree."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        dotted = f"{prefix}{key}"
        if dotted in _OF_TRIALS:
            continue
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{dotted}.")
        else:
            flat[dotted] = value
    return flat
