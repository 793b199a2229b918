"""Commands that look at the machine, or build for it: doctor, build-kernel."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from askmask.cli.arguments import AsJson, console
from askmask.cli.output import print_json


def doctor(
    weights: Annotated[Path | None, typer.Option(help="Weights file to look for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what this machine can do, which versions are installed, and what is missing."""
    from askmask.runtime.doctor import diagnose

    facts = diagnose(weights).as_dict()
    if as_json:
        print_json(facts)
        return
    table = Table(title="askmask doctor", show_header=False)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), _shown(value))
    console.print(table)
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
