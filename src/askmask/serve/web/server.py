"""The two processes of `askmask serve`: the server here, and the worker that it keeps running."""

import asyncio
import contextlib
import logging
import resource
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import uvicorn

from askmask.errors import ConfigError
from askmask.loop.project import Project
from askmask.serve.address import Address
from askmask.serve.web.app import create_app
from askmask.serve.web.connections import SPARE_DESCRIPTORS, BoundedProtocol, log_complaint
from askmask.serve.web.events import Watcher
from askmask.serve.web.guard import App

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 5.0
"""How often a worker that runs is looked at."""
WAITING_CONNECTIONS: Final = 1024
LONG_LIFE_SECONDS: Final = 60.0
"""A worker that lived so long did not die of how it was started."""

_log = logging.getLogger(__name__)


EndStreams = Callable[[], Coroutine[None, None, None]]
"""Ends the event streams of a server."""


class _Server(uvicorn.Server):
    """A server that ends its event streams before itself; else it would wait for them forever."""

    async def serve_app(self, end_streams: EndStreams, sockets: list[socket.socket]) -> None:
        """Serve until a signal ends it."""
        self._end, self._loop = end_streams, asyncio.get_running_loop()
        self._loop.set_exception_handler(log_complaint)
        await self.serve(sockets=sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and let the system keep a longer line of connections than one look takes in."""
        await super().startup(sockets)
        for waiting in sockets or ():
            waiting.listen(WAITING_CONNECTIONS)

    def handle_exit(self, sig: int, _: FrameType | None) -> None:
        """End the streams, then the server; called between two instructions of anything.

        uvicorn's own would raise the signal again at the end, and SIGTERM, which is how a server is
        meant to be ended, would kill this process before the worker has been waited for.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT  # pressed twice
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._end_streams)

    def _end_streams(self) -> None:
        self._ending = self._loop.create_task(self._end())


class WorkerKeeper:
    """Starts the worker as a process of its own, and again when it dies; a `Supervisor`.

    The worker holds the other end of a pipe, so that it ends when this process does, however.

    Parameters
    ----------
    root : Path
        The project's folder.
    is_silent : callable, optional
        Whether the worker gave no sign of life for too long, such as one that was stopped by a
        signal; it is killed then, since it may be killed anywhere.
    options : sequence of str
        Further options of `askmask work`.
    """

    def __init__(
        self,
        root: Path,
        is_silent: Callable[[], bool] = lambda: False,
        options: Sequence[str] = (),
    ) -> None:
        self._is_silent = is_silent
        work = [sys.executable, "-m", "askmask", "work", str(root), "--until-eof"]
        self._command = [*work, *options]
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
            ending = self._run_once()
            if self._ended.is_set():
                return
            has_lived = time.monotonic() - started > LONG_LIFE_SECONDS
            pause = FIRST_PAUSE_SECONDS if has_lived else pause
            _log.warning("the worker %s; started again in %.0f s", ending, pause)
            self._wanted.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> str:
        """Run a worker to its end; return how that was. Nothing ends the keeping of a worker."""
        try:
            with subprocess.Popen(self._command, stdin=subprocess.PIPE) as process:  # noqa: S603
                self._process = process
                return self._watch(process)
        except Exception as error:
            return f"could not be started or watched: {error!r}"

    def _watch(self, process: subprocess.Popen[bytes]) -> str:
        """Wait until the worker ends, or end it when it hangs."""
        started = time.monotonic()
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return f"ended with code {process.wait(timeout=LOOK_SECONDS)}"
            has_started = time.monotonic() - started > LONG_LIFE_SECONDS
            if has_started and self._is_silent():
                process.kill()
                process.wait()
                return "gave no sign of life and was killed"


def serve(
    root: Path,
    address: Address,
    *,
    requires_token: bool = False,
    key: str | None = None,
    announce: Callable[[str], None] = lambda _: None,
    opens_browser: bool = False,
    with_worker: bool = True,
    worker_options: Sequence[str] = (),
) -> None:
    """Serve a project until interrupted.

    Parameters
    ----------
    root : Path
        The project's folder.
    address : Address
        Where to listen; a token is needed if others than people of this machine may come.
    requires_token : bool
        Whether a token is needed in any case.
    key : str, optional
        Secret of the page's address where no token is needed; by default a new one.
    announce : callable
        Told the page's address when it can be opened.
    opens_browser : bool
        Whether to open the page.
    with_worker : bool
        Whether to keep a worker running.
    worker_options : sequence of str
        Further options of its command, `askmask work`.

    Raises
    ------
    ConfigError
        If a token is needed and nobody has one, the address is taken, or the project has a box and
        click assistant that cannot be used.
    """
    with Project.open(root) as project:
        needs_token = requires_token or address.needs_token
        if needs_token and not project.store.access.has_tokens():
            raise ConfigError(
                "expected a token for people who come over a network or through a proxy, found "
                f"none. Make one first: askmask token {root} --name NAME --role admin"
            )
        known_key = None if needs_token else key or secrets.token_urlsafe(16)
        control = project.store.control
        options = (control.is_worker_silent, worker_options)
        keeper = WorkerKeeper(root, *options) if with_worker else None
        app = create_app(
            project,
            host=address.host,
            allowed_hosts=address.names,
            requires_token=needs_token,
            prefix=address.prefix,
            key=known_key,
            supervisor=keeper,
        )

        async def end_streams() -> None:
            watcher: Watcher | None = getattr(app.state, "watcher", None)
            if watcher is not None:
                await watcher.close()

        def begin(url: str) -> None:
            announce(url)
            if keeper is not None:
                keeper.start()

        try:
            run_server(
                app,
                end_streams,
                address,
                key=known_key,
                on_address=begin,
                opens_browser=opens_browser,
            )
        finally:
            if keeper is not None:
                keeper.end()


def run_server(
    app: App,
    end_streams: EndStreams,
    address: Address,
    *,
    key: str | None,
    on_address: Callable[[str], None],
    opens_browser: bool = False,
) -> None:
    """Run an application until interrupted.

    Parameters
    ----------
    app : ASGI application
        What is served.
    end_streams : callable
        Ends its event streams: a server that ends waits for every reply.
    address : Address
        Where to listen.
    key : str, optional
        Secret of the page's address.
    on_address : callable
        Told the page's address as soon as it is ours.
    opens_browser : bool
        Whether to open the page.

    Raises
    ------
    ConfigError
        If the address is taken.
    """
    _raise_descriptor_limit()
    with address.sockets() as sockets:
        url = address.page_url(key)
        on_address(url)
        server = _Server(_settings(app))
        if opens_browser:
            _open_when_started(server, url)
        # Ctrl-C is how a server ends, also in the moment before it listens to signals.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(server.serve_app(end_streams, sockets))


def _settings(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=64 * 1024,
        # So many are accepted at one look. Each has a descriptor before it can give way, so there
        # must be fewer than are spare.
        backlog=SPARE_DESCRIPTORS // 6,
    )


def _raise_descriptor_limit() -> None:
    """Use what the system allows this process: the usual 1,024 are soon taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _open_when_started(server: uvicorn.Server, url: str) -> None:
    def wait_and_open() -> None:
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.1)
        if server.started:
            webbrowser.open(url)

    threading.Thread(target=wait_and_open, name="browser", daemon=True).start()
