"""The command that merges runs of one benchmark."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from askmask.cli.grid import summary_table, versions
from askmask.cli.output import print_json
from askmask.config import dump_config
from askmask.errors import ProjectError
from askmask.experiments.run.results import write_results


def compare_runs(console: Console, paths: Sequence[Path], out: Path, *, as_json: bool) -> None:
    """Write the merged table and its report into an empty folder, and print the summary."""
    from askmask.experiments.report.facts import data_facts
    from askmask.experiments.report.report import write_report
    from askmask.experiments.run.merge import merge, read_run
    from askmask.experiments.run.runner import gallery_of_run
    from askmask.experiments.stats.summary import write_summary

    if out.is_dir() and any(out.iterdir()):
        raise ProjectError(
            f"expected an empty folder, found files in {str(out)!r}. Choose another folder."
        )
    runs = [read_run(path) for path in paths]
    rows = merge(runs)
    out.mkdir(parents=True, exist_ok=True)
    write_results(out / "results.csv", rows)
    grids = {str(run.path): run.config.grid.model_dump(mode="json") for run in runs}
    (out / "runs.json").write_text(json.dumps(grids, indent=1), encoding="utf-8")
    write_summary(out / "summary.json", rows)
    config = runs[0].config
    write_report(
        out / "report.html",
        rows,
        config_yaml=dump_config(config),
        versions=versions(),
        gallery=[
            item
            for run in runs
            if (run.path / "trials").is_dir()
            for item in gallery_of_run(run.path)
        ],
        command=" ".join(
            ["askmask compare", *(shlex.quote(p.name) for p in paths), "--out merged"]
        ),
        data=data_facts(config),
    )
    if as_json:
        print_json(
            {"results": str(out / "results.csv"), "trials": len({row.trial for row in rows})}
        )
        return
    console.print(summary_table(rows))
    console.print(f"Report: {out / 'report.html'}\nTable:  {out / 'results.csv'}")
