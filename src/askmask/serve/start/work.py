"""What a job does, in a process of its own: ``python -m askmask.serve.start.work``.

Its first line of input says what; then it writes a line of JSON for each step, and one at its end.
When the input closes, the server is gone or wants it to end, and it ends as by Ctrl-C: whatever it
was making is cleared away.
"""

import contextlib
import json
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any, Final, TextIO

from askmask.errors import AskmaskError, disk_problem
from askmask.progress import Listener, Progress

Tree = dict[str, Any]  # Any: what JSON holds
TELL_SECONDS: Final = 0.2
LAST_SECONDS: Final = 8.0
"""How long clearing up may take before the process ends in any case."""
_PHASES: Final = {"predict": "predicting images", "evaluate": "looking at images"}


class StepWriter:
    """Writes what a job does, not too often."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._doing = ""
        self._told_at = 0.0

    def step(self, doing: str, done: int = 0, total: int = 0) -> None:
        """Tell how far something is."""
        is_new = doing != self._doing or done == total
        if is_new or time.monotonic() - self._told_at > TELL_SECONDS:
            self._doing, self._told_at = doing, time.monotonic()
            self.write({"doing": doing, "done": done, "total": total})

    def counting(self, doing: str) -> Callable[[int, int], None]:
        """Callback that tells (done, total) of one thing."""
        return lambda done, total: self.step(doing, done, total)

    def listener(self) -> Listener:
        """Listener of the loop's progress."""

        def tell(progress: Progress) -> None:
            doing = _PHASES.get(progress.phase, progress.phase)
            self.step(doing, progress.done, progress.total)

        return tell

    def write(self, tree: Tree) -> None:
        """Write a line."""
        self._out.write(json.dumps(_plain(tree), allow_nan=False) + "\n")
        self._out.flush()


def do_job() -> None:
    """Do the one job of this process."""
    teller = StepWriter(_own_stdout())
    with _ending():
        request = json.loads(_first_line())
        threading.Thread(target=_wait_for_eof, name="parent", daemon=True).start()
        try:
            result = _kinds()[request.pop("kind")](request, teller)
        except AskmaskError as error:
            teller.write({"problems": list(getattr(error, "problems", (str(error),)))})
            return
        except OSError as error:
            problem = disk_problem(error)
            if problem is None:
                raise
            teller.write({"problems": [str(problem)]})
            return
        teller.write({"result": result})


def _kinds() -> dict[str, Callable[[Tree, StepWriter], Tree]]:
    from askmask.serve.start import making, using

    return {
        "example": making.make_example_project,
        "check": making.check_files,
        "create": making.make_project,
        "predict": using.predict_images,
        "export": using.export_labels,
        "import": using.take_labels_in,
    }


def _plain(value: object) -> object:
    """What JSON can say of a value: numbers that are none become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value


def _own_stdout() -> TextIO:
    """Standard output for the lines alone: whatever else is printed goes to the errors."""
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return kept


def _first_line() -> bytes:
    """Read past Python's buffer, whose lock a thread must not hold when the process ends."""
    parts: list[bytes] = []
    while not parts or parts[-1] not in {b"\n", b""}:
        parts.append(os.read(0, 1))
    return b"".join(parts)


def _wait_for_eof() -> None:
    while os.read(0, 4096):
        pass
    timer = threading.Timer(LAST_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()
    os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """End by an exception at a signal, so that every block clears up."""

    def end(_: int, __: FrameType | None) -> None:
        raise SystemExit(1)

    signal.signal(signal.SIGTERM, end)
    # Ctrl-C in the server's terminal reaches this process too; the server ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield


if __name__ == "__main__":
    do_job()
