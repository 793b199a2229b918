"""Writing the report of a run, of merged runs or of a project, with all its parts."""

import json
import platform
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from askmask import __version__
from askmask.config import Config, dump_config
from askmask.errors import ProjectError, UnknownName
from askmask.experiments.report.asked import draw_asked, pictures
from askmask.experiments.report.facts import data_facts
from askmask.experiments.report.report import write_report
from askmask.experiments.run.collect import collect_trial
from askmask.experiments.run.grid import Trial
from askmask.experiments.run.merge import merge, read_run
from askmask.experiments.run.results import ResultRow, write_results
from askmask.experiments.run.runner import gallery_of_run
from askmask.experiments.stats.summary import write_summary
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.progress import Lap, unheeded
from askmask.query.strategies import find_strategy

_VERSIONS: Final = ("torch", "numpy", "scipy")


def write_run_report(out: Path, config: Config, rows: Sequence[ResultRow]) -> Path:
    """Write ``OUT/report.html`` with ``OUT/summary.json`` beside it, and return its path."""
    write_summary(out / "summary.json", rows)
    write_report(
        out / "report.html",
        rows,
        config_yaml=dump_config(config),
        versions=versions(),
        gallery=gallery_of_run(out),
        command=f"askmask simulate {shlex.quote(out.name)}/config.yaml --out again",
        descriptions=_descriptions(rows),
        data=data_facts(config, {row.metric for row in rows}),
    )
    return out / "report.html"


def write_project_report(root: Path, *, lap: Lap = unheeded) -> Path:
    """Write ``PROJECT/reports/report.html`` and return its path; `lap` is told what was done."""
    with Project.open(root) as project:
        query = project.config.query
        trial = Trial(query.acquisition, query.unit, project.config.seed)
        rows = collect_trial(project, trial, project.config)
        loop = Loop(project)
        lap("reading")
        for round in range(1, loop.round + 1):
            draw_asked(loop, round)
        lap("drawing regions")
        report = root / "reports" / "report.html"
        write_report(
            report,
            rows,
            config_yaml=dump_config(project.config),
            versions=versions(),
            gallery=pictures(root, project.config.name),
            command=f"askmask report {shlex.quote(root.name)}",
            descriptions=_descriptions(rows),
            data=data_facts(project.config, {row.metric for row in rows}),
        )
    lap("writing")
    return report


def write_merged_report(
    paths: Sequence[Path], out: Path, *, lap: Lap = unheeded
) -> list[ResultRow]:
    """Write table, summary and report of several runs of one benchmark; return the table's rows.

    Parameters
    ----------
    paths : sequence of Path
        Folders of runs.
    out : Path
        Absent or an empty folder.
    lap : callable, optional
        Told what was just done, as it is done.

    Raises
    ------
    ProjectError
        If `out` holds files, or the runs do not belong together.
    """
    if out.is_dir() and any(out.iterdir()):
        raise ProjectError(
            f"expected an empty folder, found files in {str(out)!r}. Choose another folder."
        )
    runs = [read_run(path) for path in paths]
    rows = merge(runs)
    lap("reading and merging")
    out.mkdir(parents=True, exist_ok=True)
    write_results(out / "results.csv", rows)
    grids = {str(run.path): run.config.grid.model_dump(mode="json") for run in runs}
    (out / "runs.json").write_text(json.dumps(grids, indent=1), encoding="utf-8")
    write_summary(out / "summary.json", rows)
    with_trials = [run.path for run in runs if (run.path / "trials").is_dir()]
    names = (shlex.quote(path.name) for path in paths)
    write_report(
        out / "report.html",
        rows,
        config_yaml=dump_config(runs[0].config),
        versions=versions(),
        gallery=[item for path in with_trials for item in gallery_of_run(path)],
        command=" ".join(["askmask compare", *names, "--out merged"]),
        data=data_facts(runs[0].config, {row.metric for row in rows}),
    )
    lap("writing")
    return rows


def versions() -> dict[str, str]:
    """Versions that a result depends on."""
    found = {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "askmask": __version__,  # a source tree has no package metadata
    }
    return found | {package: version(package) for package in _VERSIONS}


def _descriptions(rows: Sequence[ResultRow]) -> dict[str, str]:
    """One line on each acquisition function of a table, from where it is defined."""
    found = {}
    for name in dict.fromkeys(row.acquisition for row in rows):
        try:
            found[name] = find_strategy(name).description
        except UnknownName:  # a table may be older than the code, or from elsewhere
            found[name] = ""
    return found
