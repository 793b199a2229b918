"""The two processes of `askmask serve`: the server here, and the worker that it keeps running."""

import contextlib
import logging
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn

from askmask.errors import ConfigError
from askmask.loop.project import Project
from askmask.serve.web.app import create_app
from askmask.serve.web.guard import is_loopback

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONG_LIFE_SECONDS: Final = 60.0
"""A worker that lived so long did not die of how it was started."""

_log = logging.getLogger(__name__)


class WorkerKeeper:
    """Starts the worker as a process of its own, and again when it dies; a `Supervisor`.

    The worker holds the other end of a pipe, so that it ends when this process does, however.

    Parameters
    ----------
    root : Path
        The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._command = [sys.executable, "-m", "askmask", "work", str(root), "--until-eof"]
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="worker keeper", daemon=True)

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The worker's process, running or not; None before the first start."""
        return self._process

    def start(self) -> None:
        """Start the worker, or hurry if it is about to be started again."""
        if not self._thread.is_alive() and not self._ended.is_set():
            self._thread.start()
        self._wanted.set()

    def end(self) -> None:
        """End the worker; it may be killed, since it may be killed anywhere."""
        self._ended.set()
        self._wanted.set()
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._ended.is_set():
            started = time.monotonic()
            self._wanted.clear()
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603
            code = self._process.wait()
            if self._ended.is_set():
                return
            has_lived = time.monotonic() - started > LONG_LIFE_SECONDS
            pause = FIRST_PAUSE_SECONDS if has_lived else pause
            _log.warning("the worker ended with code %d; started again in %.0f s", code, pause)
            self._wanted.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def serve(
    root: Path,
    *,
    host: str,
    port: int,
    allowed_hosts: tuple[str, ...] = (),
    opens_browser: bool = False,
    with_worker: bool = True,
) -> None:
    """Serve a project until interrupted.

    Raises
    ------
    ConfigError
        If other machines could reach it and nobody has a token, or if the address is taken.
    """
    with Project.open(root) as project:
        if not is_loopback(host) and not project.store.access.has_tokens():
            raise ConfigError(
                f"expected a token for people who come over the network to {host!r}, found none. "
                f"Make one first: askmask token {root} --name NAME --role annotate"
            )
        keeper = WorkerKeeper(root) if with_worker else None
        app = create_app(project, host=host, allowed_hosts=allowed_hosts, supervisor=keeper)
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=64 * 1024,
        )
        server = uvicorn.Server(config)
        with bound_sockets(host, port) as sockets:  # before a worker starts
            if keeper is not None:
                keeper.start()
            if opens_browser:
                _open_when_started(server, page_url(host, port))
            try:
                # Ctrl-C is how a server ends: uvicorn raises it again when all is in order
                with contextlib.suppress(KeyboardInterrupt):
                    server.run(sockets=sockets)
            finally:
                if keeper is not None:
                    keeper.end()


@contextlib.contextmanager
def bound_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets that hold an address for a server: one, or two where a name has two addresses.

    Raises
    ------
    ConfigError
        If the address is taken, or is none of this machine.
    """
    with contextlib.ExitStack() as opened:
        sockets = []
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, kind, protocol, _, address in found:
                bound = opened.enter_context(socket.socket(family, kind, protocol))
                # A server that was killed a moment ago left connections that wait for their end.
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                bound.bind(address)
                sockets.append(bound)
        except OSError as error:
            raise ConfigError(
                f"expected an address to serve on, got {host!r} with port {port}, but: "
                f"{error.strerror}. End the other server there, or choose another: --port N."
            ) from error
        yield sockets


def page_url(host: str, port: int) -> str:
    """Address of the page, as a browser on this machine reaches it."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(host, host)  # noqa: S104
    return f"http://{shown}:{port}/"


def _open_when_started(server: uvicorn.Server, url: str) -> None:
    def wait_and_open() -> None:
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.1)
        if server.started:
            webbrowser.open(url)

    threading.Thread(target=wait_and_open, name="browser", daemon=True).start()
