"""Arguments that several commands share, and the consoles that all of them print to."""

from pathlib import Path
from typing import Annotated

import typer

from askmask.cli.screen import Screen

console = Screen()
"""Results."""
errors = Screen(stderr=True)
"""Problems, and progress beside results that another program reads."""

ProjectPath = Annotated[Path, typer.Argument(help="The project's folder.", metavar="PROJECT")]
OutPath = Annotated[Path, typer.Argument(help="Where to write; absent or empty.", metavar="OUT")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings that win over the config: query.unit=image", metavar="key=value"),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
ClusterName = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        help="Work elsewhere: local:N for N processes here, the address of a Dask scheduler, or a "
        "YAML file for Slurm, LSF or PBS. See docs/scale.md.",
        metavar="WHERE",
    ),
]
SendImages = Annotated[
    bool,
    typer.Option(
        "--send-images", help="Send images to the cluster, if it does not see them on a disk."
    ),
]
FormatName = Annotated[
    str,
    typer.Option("--format", help="coco, label-studio, nnunet, png or qupath.", metavar="FORMAT"),
]
Scale = Annotated[
    float, typer.Option(help="Shrink images and masks by this factor, in (0, 1].", min=0.01, max=1)
]


def progress_console(*, as_json: bool) -> Screen:
    """Where progress is drawn: not among JSON."""
    return errors if as_json else console
