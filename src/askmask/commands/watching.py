"""Live progress of a grid: a bar per trial, read from what the trials write as they go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from askmask.config import Config
from askmask.experiments.grid import Trial, trials
from askmask.experiments.runner import read_progress

PHASES = ("ask", "train", "evaluate")


@contextmanager
def watch_grid(console: Console, out: Path, config: Config) -> Iterator[None]:
    """Draw a bar for every trial of the run in `out` while the block runs.

    Trials may run in other processes: they are followed through their progress files.
    """
    columns = (
        TextColumn("{task.description:44}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[phase]}"),
    )
    stopped = threading.Event()
    with Progress(*columns, console=console) as bars:
        tasks = {
            trial: bars.add_task(trial.name, total=1.0, phase="waiting", start=False)
            for trial in trials(config)
        }
        whole = bars.add_task("all trials", total=len(tasks), phase="")

        def update() -> None:
            finished = [_show(bars, task, out, trial, config) for trial, task in tasks.items()]
            bars.update(whole, completed=sum(finished))

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


def _show(bars: Progress, task: TaskID, out: Path, trial: Trial, config: Config) -> float:
    """Update one bar; return the finished share of its trial, in [0, 1]."""
    report = read_progress(out, trial)
    if not report:
        return 0.0
    bars.start_task(task)
    share = finished_share(report, config.grid.rounds)
    phase = str(report["phase"])
    text = phase if phase == "finished" else f"round {report['round']}: {phase}"
    bars.update(task, completed=share, phase=text)
    return share


def finished_share(report: dict[str, object], rounds: int) -> float:
    """Share of a trial that is done, in [0, 1], counting each phase of a round alike."""
    phase = report["phase"]
    if phase == "finished":
        return 1.0
    round_, done, total = (int(str(report[key])) for key in ("round", "done", "total"))
    within = PHASES.index(str(phase)) + done / max(total, 1)
    return (round_ + within / len(PHASES)) / (rounds + 1)
