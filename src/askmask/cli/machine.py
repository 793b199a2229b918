"""Commands that look at the machine, or build for it: doctor, build-kernel."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from askmask.cli.arguments import AsJson, console
from askmask.cli.output import print_json


def doctor(
    project: Annotated[
        Path | None,
        typer.Argument(help="Tell what a query of this project takes.", metavar="PROJECT"),
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Weights file to look for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what this machine can do, how long a query takes here, and what is missing."""
    from askmask.loop.begin.outlook import expected_here, expected_of, lines
    from askmask.loop.project import Project
    from askmask.runtime.doctor import diagnose

    facts = diagnose(weights).as_dict()
    if not as_json:
        # Before a query is measured, which takes seconds and may fail on this very machine
        table = Table(title="askmask doctor", show_header=False)
        for key, value in facts.items():
            table.add_row(key.replace("_", " "), _shown(value))
        console.print(table)
    if project is None:
        expected = expected_here()
    else:
        with Project.open(project) as opened:
            expected = expected_of(opened)
    if as_json:
        print_json(facts | {"queries": [asdict(one) for one in expected]})
        return
    for line in lines(expected):
        console.print(line, highlight=False)
    if facts["kernel"] is None:
        console.print(
            "`askmask build-kernel` makes scoring and metrics faster; it needs a C++ compiler."
        )


def build_kernel_command() -> None:
    """Compile the optional kernel that makes sampling faster; needs a C++ compiler."""
    from askmask.runtime.kernel import build_kernel

    console.print(f"Built {build_kernel()}. Scoring and metrics use it from now on.")


def _shown(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case tuple():
            return ", ".join(map(str, value)) or "none"
        case dict():
            return "\n".join(f"{name} {entry}" for name, entry in value.items())
    return str(value)
