"""Live progress of a grid: a bar per running trial and one for all, read from what trials write."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from askmask.config import Config
from askmask.experiments.run.grid import Trial, trials
from askmask.experiments.run.runner import FAILURE_NAME, PHASES, read_progress


@contextmanager
def watch_grid(console: Console, out: Path, config: Config) -> Iterator[None]:
    """Draw a bar for every running trial of the run in `out` while the block runs.

    Trials may run in other processes: they are followed through their progress files.
    """
    columns = (
        TextColumn("{task.description:44}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[phase]}", markup=False),
    )
    stopped = threading.Event()
    with Progress(*columns, console=console) as bars:
        planned = trials(config)
        tasks = {
            trial: bars.add_task(trial.name, total=1.0, phase="", start=False, visible=False)
            for trial in planned
        }
        rounds = {trial: trial.rounds(config) + 1 for trial in planned}
        whole = bars.add_task("all trials", total=sum(rounds.values()), phase="")
        clock = TimeLeft(sum(rounds.values()))

        def update() -> None:
            shares = {t: _show(bars, task, out, t, config) for t, task in tasks.items()}
            done = sum(rounds[trial] * share for trial, share in shares.items())
            finished = sum(share == 1.0 for share in shares.values())
            failed = sum((out / "trials" / t.name / FAILURE_NAME).is_file() for t in planned)
            left = clock.text(done, time.monotonic())
            phase = grid_phase(finished, failed, len(planned), left)
            bars.update(whole, completed=done, phase=phase)

        def follow() -> None:
            while not stopped.wait(1.0):
                update()

        follower = threading.Thread(target=follow, name="progress", daemon=True)
        follower.start()
        try:
            yield
        finally:
            stopped.set()
            follower.join()
            update()


class TimeLeft:
    """Estimates the rest of a grid from the rounds that were done since it was watched.

    Rounds that an earlier run had done are not counted as fast. Parts of several trials that run
    at once add up, so the number of workers is in the estimate.

    Parameters
    ----------
    total : int
        Rounds of all trials.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._start: tuple[float, float] | None = None

    def text(self, done: float, now: float) -> str:
        """Time left in words, at a time in seconds; empty while nothing tells.

        Examples
        --------
        >>> clock = TimeLeft(10)
        >>> clock.text(4.0, now=0.0), clock.text(6.0, now=60.0)  # four are left
        ('', 'about 2 min left')
        """
        if self._start is None:
            self._start = (done, now)
        before, started = self._start
        if done <= before or done >= self._total:
            return ""
        seconds = (now - started) * (self._total - done) / (done - before)
        if seconds < 60:
            return "less than 1 min left"
        if seconds < 5400:
            return f"about {seconds / 60:.0f} min left"
        return f"about {seconds / 3600:.1f} h left"


def grid_phase(finished: int, failed: int, total: int, left: str) -> str:
    """Say how far a grid is.

    Examples
    --------
    >>> grid_phase(3, 1, 14, "about 12 min left")
    '3 of 14 finished, 1 failed, about 12 min left'
    """
    parts = [f"{finished} of {total} finished", f"{failed} failed" if failed else "", left]
    return ", ".join(part for part in parts if part)


def _show(bars: Progress, task: TaskID, out: Path, trial: Trial, config: Config) -> float:
    """Update one bar, seen while its trial runs; return the finished share, in [0, 1]."""
    report = read_progress(out, trial)
    if not report:
        return 0.0
    bars.start_task(task)
    share = finished_share(report, trial.rounds(config))
    has_failed = (out / "trials" / trial.name / FAILURE_NAME).is_file()
    is_running = share < 1.0 and not has_failed
    phase = f"round {report['round']}: {report['phase']}" if is_running else ""
    bars.update(task, completed=share, phase=phase, visible=is_running)
    return share


def finished_share(report: dict[str, object], rounds: int) -> float:
    """Share of a trial that is done, in [0, 1], counting each phase of a round alike."""
    phase = report["phase"]
    if phase == "finished":
        return 1.0
    round, done, total = (int(str(report[key])) for key in ("round", "done", "total"))
    within = PHASES.index(str(phase)) + done / max(total, 1)
    return (round + within / len(PHASES)) / (rounds + 1)
