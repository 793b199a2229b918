"""Commands of a benchmark: simulate, report, figures, compare."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from askmask.cli.arguments import AsJson, ClusterName, Overrides, console, progress_console
from askmask.cli.output import print_json
from askmask.cli.screen import Clock
from askmask.config import Config, load_config, load_written_config
from askmask.errors import ConfigError, ProjectError
from askmask.experiments.run.results import ResultRow, seconds_of_steps, write_results
from askmask.loop.project import CONFIG_NAME

SUMMARY_METRICS = {
    "mean_dice": "Dice",
    "object_f1": "obj. F1",
    "nll": "NLL",
    "brier": "Brier",
    "ece": "ECE",
}


def simulate(
    config: Annotated[Path, typer.Argument(help="The grid's settings.", metavar="CONFIG.yaml")],
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="Where to keep the run.")] = Path("run"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the trials and stop.")] = False,
    cluster: ClusterName = None,
) -> None:
    """Compare strategies: the same loop, answered from known masks."""
    clock = Clock()
    from askmask.cli.watching import watch_grid
    from askmask.experiments.report.written import write_run_report
    from askmask.experiments.run import runner
    from askmask.experiments.run.grid import Trial, trials

    settings = _config_of_run(config, overrides or [])
    planned = trials(settings)
    if dry_run:
        for trial in planned:
            console.say(trial.name)
        return
    clock.lap("loading")
    failures: list[str] = []

    def note_failure(trial: Trial, error: str | None) -> None:
        if error is not None:
            failures.append(trial.name)

    with watch_grid(progress_console(as_json=as_json), out, settings):
        rows = runner.simulate(settings, out, resume=resume, on_trial=note_failure, cluster=cluster)
    clock.lap("running trials")
    report = write_run_report(out, settings, rows)
    clock.lap("writing the report")
    progress_console(as_json=as_json).print(f"{clock.words()} {_round_words(rows)}")
    if as_json:
        print_json({"results": str(out / "results.csv"), "report": str(report), "failed": failures})
        return
    console.print(summary_table(rows))
    _print_notes(settings, rows)
    console.say(f"Report: {report}\nTable:  {out / 'results.csv'}")
    for name in failures:
        console.print("failed:", style="red", end=" ")
        console.say(f"{name} (its reason is a row of the table)")


def report(path: Annotated[Path, typer.Argument(help="A project or a run.")]) -> None:
    """Write one self-contained HTML report of a project or of a run of `simulate`."""
    clock = Clock()
    from askmask.experiments.report.written import write_project_report, write_run_report
    from askmask.experiments.run.runner import collect

    clock.lap("loading")
    if (path / CONFIG_NAME).is_file():
        written = write_project_report(path, lap=clock.lap)
    elif (path / "config.yaml").is_file():
        rows = collect(path)
        clock.lap("reading")
        write_results(path / "results.csv", rows)
        written = write_run_report(path, load_written_config(path / "config.yaml"), rows)
    else:
        raise ProjectError(
            f"expected a project or a run in {str(path)!r}, found neither {CONFIG_NAME} nor "
            "config.yaml. Give the folder that `askmask init` or `askmask simulate` made."
        )
    clock.lap("writing")
    console.print(clock.words())
    console.say(f"Report: {written}")


def figures(
    run: Annotated[Path, typer.Argument(help="A run of `simulate`.", metavar="RUN")],
    paper: Annotated[
        bool, typer.Option("--paper", help="Figures 1, 4, 5, E1 and E2 of Li & Alstrøm 2020.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; by default RUN/figures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Draw a run's figures as SVG and PNG files."""
    clock = Clock()
    from askmask.experiments.figures.figure_files import draw_figures

    clock.lap("loading")
    paths = draw_figures(run, run / "figures" if out is None else out, paper=paper)
    clock.lap("reading and drawing")
    progress_console(as_json=as_json).print(clock.words())
    if as_json:
        print_json({"figures": [str(path) for path in paths]})
        return
    for path in paths:
        console.print(str(path), highlight=False, soft_wrap=True)


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Runs of `simulate`.", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="Where to write; absent or empty.")],
    as_json: AsJson = False,
) -> None:
    """Merge runs of one benchmark into one table and one report."""
    clock = Clock()
    from askmask.experiments.report.written import write_merged_report

    clock.lap("loading")
    rows = write_merged_report(runs, out, lap=clock.lap)
    progress_console(as_json=as_json).print(clock.words())
    if as_json:
        trials = len({row.trial for row in rows})
        print_json({"results": str(out / "results.csv"), "trials": trials})
        return
    console.print(summary_table(rows))
    _print_notes(load_written_config(runs[0] / "config.yaml"), rows)
    console.say(f"Report: {out / 'report.html'}\nTable:  {out / 'results.csv'}")


def summary_table(rows: Sequence[ResultRow]) -> Table:
    """Scores of the last round of each trial on the test images (or whatever was judged)."""
    from askmask.experiments.stats.curves import splits

    split = next(iter(splits(rows)), "")
    title = f"Last round of each trial, split {split!r}"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for heading in ("strategy", "unit", "seed", "round", "labelled", *SUMMARY_METRICS.values()):
        table.add_column(heading, no_wrap=heading != "strategy", overflow="fold")
    by_trial: dict[str, list[ResultRow]] = {}
    for row in rows:
        by_trial.setdefault(row.trial, []).append(row)
    for own in by_trial.values():
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


def _print_notes(config: Config, rows: Sequence[ResultRow]) -> None:
    """Say what the means of the table cover, and by which rule objects were matched."""
    from askmask.experiments.report.facts import data_facts

    terms = data_facts(config, {row.metric for row in rows}).terms
    for note in filter(None, map(terms.get, ("Means over classes", "Objects"))):
        console.print(note)


def _round_words(rows: Sequence[ResultRow]) -> str:
    """Seconds of all trials together, by step of the loop."""
    spent = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in seconds_of_steps(rows).items())
    return f"Rounds of all trials together, a training that they share counted in each: {spent}."


def _config_of_run(path: Path, overrides: Sequence[str]) -> Config:
    """Config of a grid, with the check that its data set exists."""
    config = load_config(path, overrides)
    dataset = config.data.path
    if config.data.source is None and dataset and not (dataset / "dataset.json").is_file():
        raise ConfigError(
            f"expected a prepared data set at data.path={str(dataset)!r}, found no "
            "dataset.json. Make one with `askmask prepare`."
        )
    return config
