"""A small project on disk, and a server running on it as a process of its own."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.error import URLError
from urllib.request import urlopen

from people import KEY
from server_processes import free_port

START_SECONDS = 120.0  # a busy machine is no failure
END_SECONDS = 30.0

_FORKS = multiprocessing.get_context("forkserver")
# Imported once for all servers.
_FORKS.set_forkserver_preload(["pytest", "askmask.serve.web.server"])


class _Process(Protocol):
    """What a server's process can do, however it was started."""

    @property
    def pid(self) -> int: ...
    def is_running(self) -> bool: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    def wait(self, seconds: float) -> bool: ...


class _Command:
    """`askmask serve`, typed at a command line, with its worker."""

    def __init__(self, folder: Path, port: int) -> None:
        command = [sys.executable, "-m", "askmask", "serve", str(folder), "--port", str(port)]
        with (folder / "serve.log").open("ab") as log:
            environment = os.environ | {"ASKMASK_KEY": KEY}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.pid = self._process.pid
        self.terminate, self.kill = self._process.terminate, self._process.kill

    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


class _Fork:
    """What `askmask serve --no-worker` runs, in a process that need not import everything anew."""

    def __init__(self, folder: Path, port: int) -> None:
        self._process = _FORKS.Process(target=_serve, args=(folder, port), daemon=True)
        self._process.start()
        self.pid = int(self._process.pid or 0)
        self.terminate, self.kill = self._process.terminate, self._process.kill

    def is_running(self) -> bool:
        return self._process.is_alive()

    def wait(self, seconds: float) -> bool:
        self._process.join(seconds)
        return not self.is_running()


def _serve(folder: Path, port: int) -> None:
    from askmask.serve.address import Address
    from askmask.serve.web.server import serve

    with (folder / "serve.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    serve(folder, Address(port=port), key=KEY, with_worker=False)


class Served:
    """A project being served; `kill` and `start` again as often as wanted, on one port."""

    def __init__(self, folder: Path, *, worker: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self._start: type[_Command | _Fork] = _Command if worker else _Fork
        self._process: _Process | None = None

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def pid(self) -> int:
        """Number of the server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self._process = self._start(self.folder, self.port)
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self._process.is_running() or time.monotonic() > end:
                raise RuntimeError((self.folder / "serve.log").read_text(errors="replace"))
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.address}api/v1/health", timeout=5) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """End it as `kill -9` does."""
        assert self._process is not None
        self._process.kill()
        assert self._process.wait(END_SECONDS)

    def stop(self) -> None:
        """End it as Ctrl-C does; kill it if that does not help, and fail."""
        if self._process is None or not self._process.is_running():
            return
        self._process.terminate()
        if not self._process.wait(END_SECONDS):
            self.kill()
            raise RuntimeError(f"the server did not end within {END_SECONDS:.0f} s")

    def __enter__(self) -> "Served":  # noqa: PYI034 (beartype refuses Self in a method)
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def change_settings(folder: Path, settings: dict[str, object]) -> None:
    """Change settings of a project, such as ``{"training.steps": 5}``."""
    from askmask.config import dump_config, load_config, with_overrides

    path = folder / "askmask.yaml"
    path.write_text(dump_config(with_overrides(load_config(path), settings)), encoding="utf-8")


def make_project(root: Path) -> Path:
    """Make ``root/data``, drawn tissue, and ``root/project`` with a query drawn from a model."""
    from askmask.config import parse_config
    from askmask.data.drawn.demo import write_demo
    from askmask.loop.loop import Loop
    from askmask.loop.oracle import MaskOracle
    from askmask.loop.project import Project
    from askmask.progress import silent
    from askmask.serve.previews import draw_pieces

    write_demo(root / "data", n_train=12, n_validation=3, n_test=0, size=(160, 160))
    tree: dict[str, object] = {
        "name": "glands",
        "threads": 1,
        "device": "cpu",
        "data": {"path": str(root / "data"), "start": 2, "validation": 3},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 3, "dropout": 0.3}},
        "training": {"steps": 40, "batch_size": 4, "crop": 64, "learning_rate": 1e-2}
        | {"ema_decay": 0.9},
        "sampling": {"samples": 4},
        "query": {"region": {"size": [64, 64], "stride": 16, "budget_regions": 8}},
        "evaluation": {"min_object_pixels": 40},
    }
    with Project.create(root / "project", parse_config(tree)) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        loop.evaluate()
        loop.ask()
        items = project.store.worklist.items()
        draw_pieces(project, items, project.model(0), report=silent)
    return root
