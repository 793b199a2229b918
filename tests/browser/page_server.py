"""A small project on disk, and `askmask serve` running on it as a process of its own."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from urllib.error import URLError
from urllib.request import urlopen

START_SECONDS = 60.0


def free_port() -> int:
    """Port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """A project being served; `kill` and `start` again as often as wanted, on one port."""

    def __init__(self, folder: Path, *, worker: bool = False) -> None:
        self.folder = folder
        self.worker = worker
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def command(self) -> list[str]:
        """The command that a person would type."""
        command = ["serve", str(self.folder), "--port", str(self.port)]
        if not self.worker:
            command.append("--no-worker")
        return [sys.executable, "-m", "askmask.cli", *command]

    def start(self) -> None:
        """Start the server and wait until it answers."""
        log = (self.folder / "serve.log").open("ab")
        with log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.folder / "serve.log").read_text(errors="replace"))
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.address}api/v1/health", timeout=2) as reply:
                return bool(reply.status == 200)
        except (URLError, OSError):
            return False

    def kill(self) -> None:
        """End it as `kill -9` does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)

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


def make_project(root: Path, **sections: object) -> Path:
    """Make ``root/data``, drawn tissue, and ``root/project`` with a query drawn from a model."""
    from askmask.config import parse_config
    from askmask.data.demo import write_demo
    from askmask.drawing import draw_pieces
    from askmask.loop import Loop
    from askmask.oracle import MaskOracle
    from askmask.progress import silent
    from askmask.project import Project

    write_demo(root / "data", n_train=12, n_validation=3, n_test=0, size=(160, 160))
    tree: dict[str, object] = {
        "name": "glands",
        "threads": 1,
        "device": "cpu",
        "data": {"path": str(root / "data"), "start": 2, "validation": 3},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 3, "dropout": 0.3}},
        "training": {"steps": 60, "crop": 96, "learning_rate": 1e-2, "ema_decay": 0.95},
        "sampling": {"samples": 4},
        "query": {"region": {"size": [64, 64], "stride": 16, "budget_regions": 8}},
        "evaluation": {"min_object_pixels": 40},
        **sections,
    }
    with Project.create(root / "project", parse_config(tree)) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        loop.evaluate()
        loop.ask()
        items = project.store.worklist.items()
        draw_pieces(project, items, 0, loop.device, report=silent)
    return root
