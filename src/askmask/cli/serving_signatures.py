"""Commands of people at work, as ``cli`` offers them: every one parses and calls one function."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console()

ProjectPath = Annotated[Path, typer.Argument(help="The project's folder.", metavar="PROJECT")]


def serve(
    project: ProjectPath,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's needs tokens.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    opens_browser: Annotated[bool, typer.Option("--open", help="Open the page.")] = False,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="Another name by which the page is called.")
    ] = None,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Do not train here: `askmask work` does.")
    ] = False,
) -> None:
    """Serve the page where people label, and learn meanwhile."""
    from askmask.cli.serving import serve_project

    serve_project(
        console,
        project,
        host=host,
        port=port,
        allowed_hosts=allow_host or [],
        opens_browser=opens_browser,
        with_worker=not no_worker,
    )


def work(
    project: ProjectPath,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> None:
    """Train, judge and ask in the background while people label."""
    from askmask.cli.serving import work_on_project

    work_on_project(console, project, until_eof=until_eof)


def token(
    project: ProjectPath,
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[str, typer.Option(help="annotate, or admin, who may steer too.")] = "annotate",
    revoke: Annotated[bool, typer.Option("--revoke", help="End every token of NAME.")] = False,
) -> None:
    """Make a token for a person who labels over the network."""
    from askmask.cli.serving import make_token, revoke_tokens

    if revoke:
        revoke_tokens(console, project, name)
    else:
        make_token(console, project, name, role)
