"""Commands of a benchmark: simulate, report, samples."""

import math
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from askmask import __version__
from askmask.cli.output import print_json, progress_bars
from askmask.cli.watching import watch_grid
from askmask.config import Config, dump_config, load_config
from askmask.errors import ConfigError, ProjectError
from askmask.experiments.run.grid import Trial, trials
from askmask.experiments.run.results import ResultRow, write_results

SUMMARY_METRICS = {
    "mean_dice": "Dice",
    "object_f1": "obj. F1",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
}
_VERSIONS = ("torch", "numpy", "scipy")


def run_simulation(
    console: Console,
    path: Path,
    overrides: Sequence[str],
    out: Path,
    *,
    resume: bool,
    as_json: bool,
    dry_run: bool,
) -> None:
    """Run or resume a grid, then write its table and report, and print the summary."""
    from askmask.experiments.run.runner import simulate

    config = _config_of_run(path, overrides)
    planned = trials(config)
    if dry_run:
        for trial in planned:
            console.print(trial.name)
        return
    failures: list[str] = []

    def note(trial: Trial, error: str | None) -> None:
        if error is not None:
            failures.append(trial.name)

    messages = Console(stderr=True) if as_json else console
    with watch_grid(messages, out, config):
        rows = simulate(config, out, resume=resume, on_trial=note)
    report = write_run_report(out, config, rows)
    if as_json:
        print_json({"results": str(out / "results.csv"), "report": str(report), "failed": failures})
        return
    console.print(summary_table(rows))
    console.print(f"Report: {report}\nTable:  {out / 'results.csv'}")
    for name in failures:
        console.print(f"[red]failed:[/] {name} (its reason is a row of the table)")


def report_path(console: Console, path: Path) -> None:
    """Write the report of a run or of a project."""
    from askmask.experiments.run.runner import collect
    from askmask.loop.project import CONFIG_NAME

    if (path / CONFIG_NAME).is_file():
        report = write_project_report(path)
    elif (path / "config.yaml").is_file():
        config = load_config(path / "config.yaml")
        rows = collect(path)
        write_results(path / "results.csv", rows)
        report = write_run_report(path, config, rows)
    else:
        raise ProjectError(
            f"expected a project or a run in {str(path)!r}, found neither {CONFIG_NAME} nor "
            "config.yaml. Give the folder that `askmask init` or `askmask simulate` made."
        )
    console.print(f"Report: {report}")


def write_run_report(out: Path, config: Config, rows: Sequence[ResultRow]) -> Path:
    """Write ``OUT/report.html`` with ``OUT/summary.json`` beside it, and return its path."""
    from askmask.experiments.report.facts import data_facts
    from askmask.experiments.report.report import write_report
    from askmask.experiments.run.runner import gallery_of_run
    from askmask.experiments.stats.summary import write_summary

    write_summary(out / "summary.json", rows)
    write_report(
        out / "report.html",
        rows,
        config_yaml=dump_config(config),
        versions=versions(),
        gallery=gallery_of_run(out),
        command=f"askmask simulate {shlex.quote(out.name)}/config.yaml --out again",
        descriptions=_descriptions(rows),
        data=data_facts(config),
    )
    return out / "report.html"


def write_project_report(root: Path) -> Path:
    """Write ``PROJECT/reports/report.html`` and return its path."""
    from askmask.experiments.report.asked import draw_asked, pictures
    from askmask.experiments.report.facts import data_facts
    from askmask.experiments.report.report import write_report
    from askmask.experiments.run.collect import collect_trial
    from askmask.loop.loop import Loop
    from askmask.loop.project import Project

    with Project.open(root) as project:
        query = project.config.query
        trial = Trial(query.acquisition, query.unit, project.config.seed)
        rows = collect_trial(project, trial, project.config)
        loop = Loop(project)
        for round_ in range(1, loop.round + 1):
            draw_asked(loop, round_)
        report = root / "reports" / "report.html"
        write_report(
            report,
            rows,
            config_yaml=dump_config(project.config),
            versions=versions(),
            gallery=pictures(root, project.config.name),
            command=f"askmask report {shlex.quote(root.name)}",
            descriptions=_descriptions(rows),
            data=data_facts(project.config),
        )
    return report


def study_samples(console: Console, root: Path, counts: str, *, as_json: bool) -> None:
    """Print how the newest model's scores change with the number of samples."""
    from askmask.experiments.run.samples_study import study_sample_counts
    from askmask.loop.project import Project
    from askmask.runtime.compute import configure

    try:
        numbers = [int(part) for part in counts.split(",")]
    except ValueError:
        raise ConfigError(f"expected numbers by commas, like 1,5,30, got {counts!r}.") from None
    with Project.open(root) as project, progress_bars(console):
        trained = [r.round for r in project.store.trainings() if r.status == "finished"]
        if not trained:
            raise ProjectError(f"expected a trained model in {str(root)!r}, found none. Train one.")
        device = configure(project.config)
        rows = study_sample_counts(project, max(trained), numbers, device)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    metrics = list(dict.fromkeys(row.metric for row in rows))
    table = Table(title=f"Round {max(trained)}: mean of T samples")
    for heading in ("split", "T", *metrics):
        table.add_column(heading)
    for key in dict.fromkeys((row.split, row.samples) for row in rows):
        values = {r.metric: r.value for r in rows if (r.split, r.samples) == key}
        table.add_row(key[0], str(key[1]), *(f"{values[metric]:.4f}" for metric in metrics))
    console.print(table)


def _descriptions(rows: Sequence[ResultRow]) -> dict[str, str]:
    """One line on each acquisition function of a table, from where it is defined."""
    from askmask.errors import UnknownName
    from askmask.query.strategies import find_strategy

    found = {}
    for name in dict.fromkeys(row.acquisition for row in rows):
        try:
            found[name] = find_strategy(name).description
        except UnknownName:  # a table may be older than the code, or from elsewhere
            found[name] = ""
    return found


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    found = {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "askmask": __version__,  # a source tree has no package metadata
    }
    return found | {package: version(package) for package in _VERSIONS}


def summary_table(rows: Sequence[ResultRow]) -> Table:
    """Scores of the last round of each trial on the test images (or whatever was judged)."""
    from askmask.experiments.stats.curves import splits

    split = next(iter(splits(rows)), "")
    title = f"Last round of each trial, split {split!r}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for heading in ("strategy", "unit", "seed", "round", "labelled", *SUMMARY_METRICS.values()):
        table.add_column(heading, no_wrap=True)
    for trial in dict.fromkeys(row.trial for row in rows):
        own = [row for row in rows if row.trial == trial]
        last = max(own, key=lambda row: (row.round, not row.is_failure))
        values = {
            row.metric: row.value
            for row in own
            if (row.round, row.split, row.group, row.class_name)
            == (last.round, split, "all", "all")
        }
        shown = [f"{values.get(metric, math.nan):.3f}" for metric in SUMMARY_METRICS]
        names = (last.acquisition, last.unit, str(last.seed), str(last.round))
        table.add_row(*names, f"{last.labelled_fraction:.3f}", *shown)
    return table


def _config_of_run(path: Path, overrides: Sequence[str]) -> Config:
    """Config of a grid, with the check that its data set exists."""
    config = load_config(path, overrides)
    if not (config.data.path / "dataset.json").is_file():
        raise ConfigError(
            f"expected a prepared data set at data.path={str(config.data.path)!r}, found no "
            "dataset.json. Make one with `askmask prepare`."
        )
    return config
