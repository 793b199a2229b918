"""The command that draws a run's figures as files."""

from pathlib import Path

from rich.console import Console

from askmask.cli.output import print_json
from askmask.config import load_config
from askmask.errors import ProjectError
from askmask.experiments.run.grid import trials


def draw_figures(
    console: Console, run: Path, out: Path | None, *, paper: bool, as_json: bool
) -> None:
    """Write the figures of a run into its folder ``figures``, or elsewhere."""
    from askmask.experiments.figures.figure_files import draw_agreement, draw_galleries, draw_run
    from askmask.experiments.report.facts import data_facts
    from askmask.experiments.run.runner import collect, gallery_of_run

    rows = collect(run)
    config = load_config(run / "config.yaml")
    planned = trials(config)
    folder = run / "figures" if out is None else out
    paths = draw_run(rows, folder, paper=paper)
    if not paths:
        raise ProjectError(
            f"expected a judged round in {str(run)!r}, found none: there is nothing to draw yet."
        )
    if not paper:
        paths += draw_agreement(run / "trials", planned, rows, folder)
        paths += draw_galleries(gallery_of_run(run), folder, data_facts(config).classes)
    if as_json:
        print_json({"figures": [str(path) for path in paths]})
        return
    for path in paths:
        console.print(str(path), highlight=False, soft_wrap=True)
