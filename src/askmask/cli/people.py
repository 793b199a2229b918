"""Commands of people who label: serve, work, token."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from askmask.cli.arguments import ClusterName, ProjectPath, SendImages, console
from askmask.errors import ConfigError, ProjectError, unknown_name
from askmask.loop.project import CONFIG_NAME, Project
from askmask.runtime.cluster.first_step import check_cluster, is_named
from askmask.serve.address import Address
from askmask.store.tokens import Role

_LAST_WORDS_SECONDS = 3.0
_PATIENCE_SECONDS = 10.0
"""How long a server's worker waits for one whose server was killed: longer than its last words."""


def serve(  # noqa: PLR0913, PLR0917 - typer makes an option of each
    project: ProjectPath,
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; any but this machine's needs tokens.",
            show_default="127.0.0.1",
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, show_default="8000")] = None,
    socket: Annotated[
        Path | None,
        typer.Option(help="Unix socket for a proxy on this machine, instead of host and port."),
    ] = None,
    root_path: Annotated[
        str, typer.Option(help="Prefix of the page's addresses behind a proxy, such as /labels.")
    ] = "",
    opens_browser: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser on this machine.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name of a proxy in front of the page; people need tokens then."),
    ] = None,
    require_token: Annotated[
        bool,
        typer.Option("--require-token", help="Ask for a token, even here: a name is not enough."),
    ] = False,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Do not train here: `askmask work` does.")
    ] = False,
    cluster: ClusterName = None,
    send_images: SendImages = False,
) -> None:
    """Serve the page where people label, and learn meanwhile.

    The address that it prints holds a key: without it, other people on this machine cannot log in.
    The environment variable ASKMASK_KEY sets the key; otherwise each start makes a new one. If you
    came to this machine by ssh, it also prints the command that brings the page to your own.

    With --cluster, models score the pool there; they are trained on this machine.
    """
    options = _worker_options(cluster, send_images=send_images, no_worker=no_worker)
    serve = server_of("serve")
    from askmask.serve.start.known import note_project

    if socket is not None:
        _refuse_beside_socket({"--host": host, "--port": port, "--open": opens_browser or None})
    address = Address(
        host=host or "127.0.0.1",
        port=port or 8000,
        socket_path=socket,
        prefix=root_path,
        names=tuple(allow_host or ()),
    )
    if (project / CONFIG_NAME).is_file():
        note_project(project)
    serve(
        project,
        address,
        requires_token=require_token,
        key=os.environ.get("ASKMASK_KEY") or None,
        announce=partial(announce, address),
        opens_browser=opens_browser,
        with_worker=not no_worker,
        worker_options=options,
    )


def _worker_options(cluster: str | None, *, send_images: bool, no_worker: bool) -> list[str]:
    """Options of the worker that say where it scores; refused here if the worker would refuse."""
    if no_worker and (cluster is not None or send_images):
        raise ConfigError(
            "expected either --no-worker or --cluster, got both: without a worker nothing is "
            "scored. Leave --no-worker out, or give --cluster to `askmask work`."
        )
    if not is_named(cluster, send_images=send_images):
        return []
    check_cluster(cluster)
    return ["--cluster", cluster, *(["--send-images"] if send_images else [])]


def server_of(name: str) -> Callable[..., None]:
    """A function that serves, by its name.

    Raises
    ------
    ProjectError
        If the packages of the server are not installed.
    """
    try:
        from askmask.serve.web import server
    except ModuleNotFoundError as error:
        raise ProjectError(
            f"expected the packages of the server, but {error.name!r} is not installed. "
            "Install them: pip install 'askmask[web]'"
        ) from error
    function: Callable[..., None] = getattr(server, name)
    return function


def _refuse_beside_socket(options: dict[str, object]) -> None:
    """Refuse options that mean nothing beside --socket: one of the two is a mistake."""
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise ConfigError(
            f"expected either --socket or {', '.join(given)}, got both. A socket has no port, and "
            "only a proxy reaches it: leave one of them out."
        )


def announce(address: Address, url: str) -> None:
    """Print where a page is served, how to come to it, and how to end it."""
    if address.socket_path is not None:
        console.say(f"A proxy on this machine finds the page at the socket {url}")
    else:
        console.say(f"Open {url}")
    tunnel = address.tunnel(os.environ)
    if tunnel is not None:
        console.say("You came by ssh. For a browser on your own computer, run this there first:")
        console.say(f"  {tunnel}")
    console.say("Ctrl-C ends it, and nothing is lost.")


def work(
    project: ProjectPath,
    cluster: ClusterName = None,
    send_images: SendImages = False,
    until_eof: Annotated[bool, typer.Option("--until-eof", hidden=True)] = False,
) -> None:
    """Train, judge and ask in the background while people label.

    With --cluster, models score the pool there; they are trained and judged on this machine.
    """
    from askmask.runtime.worker_lock import only_worker

    patience = _PATIENCE_SECONDS if until_eof else 0.0
    ended = threading.Event()
    _step_back()
    with (
        _ending(ended, until_eof=until_eof),
        Project.open(project) as opened,
        only_worker(project, patience_seconds=patience),
    ):
        from askmask.loop.stream.first import ask_first
        from askmask.serve.teller import tell_start

        tell_start(opened.store)
        ask_first(opened)  # there is something to do while torch is loaded
        from askmask.loop.elsewhere.workplace import lasting_workplace
        from askmask.serve.worker import Worker  # loads torch, which is in vain without the right

        with lasting_workplace(cluster, send_images=send_images) as elsewhere:
            if not until_eof:
                if elsewhere is not None:
                    elsewhere.reach()
                console.print(f"At work on {project}; Ctrl-C ends it, and nothing is lost.")
            Worker(opened, elsewhere=elsewhere).run(until=ended)


def token(
    project: ProjectPath,
    name: Annotated[str, typer.Option(help="Whose token it is.")],
    role: Annotated[
        str, typer.Option(help="annotate, or admin: steers the worker, too.")
    ] = "annotate",
    revoke: Annotated[bool, typer.Option("--revoke", help="End every token of NAME.")] = False,
) -> None:
    """Make a token for a person who labels over the network."""
    if revoke:
        revoke_tokens(project, name)
    else:
        make_token(project, name, role)


def make_token(root: Path, name: str, role: str) -> None:
    """Print a new token; it is not told again."""
    if role not in list(Role):
        raise unknown_name("role", role, [r.value for r in Role])
    with Project.open(root) as project:
        token = project.store.access.make_token(name, Role(role))
    console.print(f"Token of {name} ({role}); it is not shown again:", highlight=False)
    console.print(token, soft_wrap=True, highlight=False)
    console.print(
        f"As a link: http://HOST:PORT/#token={token}", soft_wrap=True, highlight=False, markup=False
    )


def revoke_tokens(root: Path, name: str) -> None:
    """End every token of a name."""
    with Project.open(root) as project:
        count = project.store.access.revoke(name)
    if count == 0:
        raise ConfigError(f"expected a name with a token, got {name!r}. Names are as they were.")
    console.print(f"Ended {count} tokens of {name} and the sessions opened with them.")


def _step_back() -> None:
    """Let people who draw come first: the worker takes what the page leaves of the processors."""
    with contextlib.suppress(OSError):
        os.nice(10)
    if hasattr(os, "SCHED_BATCH"):  # Linux: its threads never push aside a thread that wakes up
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


@contextlib.contextmanager
def _ending(ended: threading.Event, *, until_eof: bool) -> Iterator[None]:
    """Set the event at SIGTERM, at Ctrl-C, or when the pipe to the parent closes."""

    def end(_: int, __: FrameType | None) -> None:
        ended.set()
        raise SystemExit(0)

    def wait_for_eof() -> None:
        # Past Python's buffer: a thread that holds its lock at the end would be a fatal error.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        ended.set()
        # A long step does not look at the event. It may be killed: nothing is lost.
        timer = threading.Timer(_LAST_WORDS_SECONDS, os._exit, (0,))
        timer.daemon = True
        timer.start()

    before = signal.signal(signal.SIGTERM, end)
    if until_eof:
        threading.Thread(target=wait_for_eof, name="parent", daemon=True).start()
    try:
        yield
    except KeyboardInterrupt:
        ended.set()
    finally:
        signal.signal(signal.SIGTERM, before)
