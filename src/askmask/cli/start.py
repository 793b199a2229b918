"""Commands for who comes without a project: start, try."""

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from askmask.cli.arguments import console
from askmask.cli.people import announce, server_of
from askmask.errors import ConfigError
from askmask.runtime.user_folders import user_data
from askmask.serve.address import Address

_HERE: Final = "127.0.0.1"

Port = Annotated[int, typer.Option(min=1, max=65535)]
Opens = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open", help="Open the browser; by default if there are one and a terminal."
    ),
]


def start(
    root: Annotated[
        list[Path] | None,
        typer.Option(help="Where folders may be chosen on the page; by default the home folder."),
    ] = None,
    port: Port = 8000,
    opens: Opens = None,
) -> None:
    """Open the page's start: make a project, open one, look at the example.

    `askmask` alone does the same. The page is for this machine only. The address that it prints has
    a key, as that of `askmask serve`.
    """
    missing = [folder for folder in root or () if not folder.is_dir()]
    if missing:
        raise ConfigError(f"expected folders after --root, found none at {missing[0]}. Check it.")
    server_of("serve")  # else its packages are missing, and this says so
    from askmask.serve.start.server import serve_start

    serve_start(
        port=port,
        roots=tuple(root or ()),
        key=os.environ.get("ASKMASK_KEY") or None,
        announce=partial(announce, Address(host=_HERE, port=port)),
        opens_browser=opens if opens is not None else may_open_browser(),
    )
    console.say("Come back with: askmask")


def try_example(
    folder: Annotated[
        Path | None, typer.Option(help="Where the example is, or is to be made.")
    ] = None,
    port: Port = 8000,
    opens: Opens = None,
) -> None:
    """Open a small example in the browser: drawn tissue, some of it labelled."""
    from askmask.loop.begin.example import begin_example, is_example
    from askmask.serve.start.known import note_project

    serve = server_of("serve")

    root = user_data() / "example" if folder is None else folder
    if is_example(root):
        console.say(f"The example is in {root}, as you left it.")
    else:
        console.say(f"Drawing an example in {root} (once, a few seconds) ...")
        begun = begin_example(root)
        console.print(
            f"{begun.labelled + begun.validation + begun.pool} images of drawn tissue: "
            f"{begun.labelled} labelled, {begun.validation} kept to measure with, {begun.pool} to "
            "ask about. The first training takes some seconds; then the page asks."
        )
    note_project(root)
    address = Address(host=_HERE, port=port)
    serve(
        root,
        address,
        key=os.environ.get("ASKMASK_KEY") or None,
        announce=partial(announce, address),
        opens_browser=opens if opens is not None else may_open_browser(),
    )
    words = ["askmask", "try", *([] if folder is None else ["--folder", str(folder)])]
    console.say(f"Come back with: {shlex.join(words)}")


def may_open_browser() -> bool:
    """Whether somebody sits before this process, with a browser that shows pictures."""
    if not sys.stdout.isatty():
        return False
    told = ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform in {"darwin", "win32"} or any(os.environ.get(name) for name in told)
