"""The start of the page as a process of its own, for tests with a browser."""

import multiprocessing
import os
import time
from pathlib import Path
from types import TracebackType

from people import KEY
from server_processes import answers, free_port

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", "askmask.serve.start.server"])


def _serve(home: Path, port: int) -> None:
    from askmask.serve.start.server import serve_start

    with (home / "start.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    for name in ("CONFIG", "DATA", "CACHE"):
        os.environ[f"XDG_{name}_HOME"] = str(home / ".user" / name.lower())
    serve_start(port=port, roots=(home,), key=KEY, with_workers=False)


class StartServer:
    """A start that may look below one folder; its projects have no workers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self._process = _FORKS.Process(target=_serve, args=(home, self.port))

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def __enter__(self) -> "StartServer":  # noqa: PYI034 (beartype refuses Self in a method)
        self._process.start()
        end = time.monotonic() + 120
        while not answers(self.port):
            if not self._process.is_alive() or time.monotonic() > end:
                raise RuntimeError((self.home / "start.log").read_text(errors="replace"))
            time.sleep(0.05)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join(60)
        assert not self._process.is_alive(), "it ends as by Ctrl-C"
