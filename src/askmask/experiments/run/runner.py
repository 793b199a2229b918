"""Runs a grid of trials, each in its own folder and process, and collects the one results table.

::

    OUT/config.yaml     every setting of the grid      OUT/results.csv   the table
    OUT/trials/NAME/    one project per trial          OUT/cache/        what trials share
    OUT/report.html     what was drawn from the table  OUT/trials/NAME/gallery/  what was asked
"""

import json
import logging
import math
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from askmask.config import Config, dump_config, load_written_config
from askmask.data.from_config import open_source
from askmask.data.roles import assign_roles
from askmask.errors import ConfigError, ProjectError
from askmask.experiments.report.asked import draw_asked, pictures
from askmask.experiments.report.report import GalleryItem
from askmask.experiments.run.collect import collect_trial, failure_row
from askmask.experiments.run.grid import Trial, trials
from askmask.experiments.run.machines import for_all_machines, trial_executor
from askmask.experiments.run.results import ResultRow, write_results
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import CONFIG_NAME, Project
from askmask.progress import Progress
from askmask.runtime.cache import Cache
from askmask.runtime.worker_lock import only_worker
from askmask.whole_files import clear_leftovers, write_atomically

logger = logging.getLogger(__name__)

PROGRESS_NAME = "progress.json"
FAILURE_NAME = "failure.json"
PHASES = ("ask", "train", "evaluate")
"""What a trial does in a round, in this order."""
_SHARED = (0, len(PHASES), 0)
"""How far all trials of a seed are once one of them has made their first round."""
_PATIENCE_SECONDS = 120.0  # longer than any network disk takes to notice that a machine has died


@dataclass(frozen=True, slots=True)
class Job:
    """Everything that the process of one trial needs."""

    trial: Trial
    root: Path
    cache: Path
    config: Config
    gallery: bool


def simulate(
    config: Config,
    out: Path,
    *,
    resume: bool = False,
    on_trial: Callable[[Trial, str | None], None] = lambda _trial, _error: None,
    cluster: str | None = None,
) -> list[ResultRow]:
    """Run every trial of a grid that is not finished, and write ``OUT/results.csv``.

    A trial that fails or is killed is a row of the table with its reason; the others go on. While
    the grid runs, the table holds the trials that have ended.

    Parameters
    ----------
    config : Config
        The grid and its settings.
    out : Path
        Folder of the run; empty or absent unless `resume`.
    resume : bool
        Go on with the run in `out`: finished rounds are kept, failed trials are tried again.
    on_trial : callable
        Called with each trial as it ends, and its error or None.
    cluster : str, optional
        Where the trials run, as ``--cluster`` has it; by default in `grid.workers` processes of
        this machine. All machines of a cluster see `out` and the data set under the same paths.

    Returns
    -------
    list of ResultRow
        The whole table.

    Raises
    ------
    ConfigError
        If an image that may be asked about has no mask to answer from, or the data set does not
        have the images that the settings ask for.
    ProjectError
        If `out` holds something and `resume` is false, or holds a run of other settings.
    ClusterError
        If the cluster cannot be reached or was lost; finished rounds are kept.
    """
    planned = trials(config)
    _check_masks(config)
    _claim(out, config, resume=resume)
    jobs = _jobs(planned, config if cluster is None else for_all_machines(config), out.resolve())
    table = _Table(out, config, planned)
    with trial_executor(config, out, cluster, reached) as executor, table:
        for outcome in executor.map(run_trial, jobs):
            job = jobs[outcome.index]
            if outcome.error is not None:
                job.root.mkdir(parents=True, exist_ok=True)
                _write_json(job.root / FAILURE_NAME, {"reason": outcome.error})
                logger.warning("trial %s failed: %s", job.trial.name, outcome.error)
            on_trial(job.trial, outcome.error)
            table.take(job.trial)
    return table.rows()


def _check_masks(config: Config) -> None:
    """Refuse a grid whose trials would stop at the first question that no mask answers."""
    images = open_source(config.data).images()
    pool = set(assign_roles(images, config.data, config.seed).pool)
    without = [info.image_id for info in images if info.image_id in pool and not info.has_mask]
    if without:
        named = ", ".join(map(repr, without[:5])) + (", ..." if len(without) > 5 else "")
        raise ConfigError(
            f"expected a mask of every image that may be asked about, to answer from, found none "
            f"of {len(without)}: {named}. Add their masks, leave them out by data.leave_out, or "
            "let people answer: `askmask init`, then `askmask serve`."
        )


def _jobs(planned: Sequence[Trial], config: Config, out: Path) -> list[Job]:
    first = planned[0].seed if planned else None
    return [
        Job(trial, out / "trials" / trial.name, out / "cache", config, trial.seed == first)
        for trial in planned
    ]


def run_trial(job: Job) -> None:
    """Run one trial to its last round, from wherever it was left.

    A trial that another process still works at, for one that lost its cluster, is waited for.
    """
    job.root.mkdir(parents=True, exist_ok=True)
    with only_worker(job.root, patience_seconds=_PATIENCE_SECONDS):
        _run_alone(job)


def _run_alone(job: Job) -> None:
    (job.root / FAILURE_NAME).unlink(missing_ok=True)
    if (job.root / CONFIG_NAME).is_file():
        project = Project.open(job.root)
    else:
        project = Project.create(job.root, job.trial.config(job.config))
    with project:
        loop = Loop(project, on_progress=_Recorder(job.root), cache=Cache(job.cache))
        for round in loop.run(MaskOracle(project.source), job.trial.rounds(job.config)):
            if round == 0 or round < loop.round:
                continue
            if job.gallery:
                draw_asked(loop, round)
            if not job.config.grid.keep_models:
                project.delete_models(round - 1)
        _write_json(job.root / PROGRESS_NAME, {"phase": "finished"})


def collect(out: Path) -> list[ResultRow]:
    """Read the results of every trial of a run from the trials' own databases.

    Raises
    ------
    ProjectError
        If `out` holds no run.
    """
    path = out / "config.yaml"
    if not path.is_file():
        raise ProjectError(
            f"expected a run in {str(out)!r}, found no config.yaml. "
            "Make one with `askmask simulate`."
        )
    config = load_written_config(path)
    return [row for trial in trials(config) for row in _rows_of(out, trial, config)]


def _rows_of(out: Path, trial: Trial, config: Config) -> list[ResultRow]:
    """Rows of one trial, and of its failure."""
    root = out / "trials" / trial.name
    rows: list[ResultRow] = []
    if (root / CONFIG_NAME).is_file():
        with Project.open(root) as project:
            rows += collect_trial(project, trial, config)
    failure = root / FAILURE_NAME
    if failure.is_file():
        reason = json.loads(failure.read_text(encoding="utf-8"))["reason"]
        newest = max((row.round for row in rows), default=0)
        rows.append(failure_row(trial, config, newest, reason))
    return rows


class _Table:
    """The results table of a run, kept up to date as trials end; written when its block ends.

    A trial that runs is not read: its database belongs to the process that writes it, which may
    be on another machine. Writing takes a tenth of the time at most, however long the table is.
    """

    def __init__(self, out: Path, config: Config, planned: Sequence[Trial]) -> None:
        self._out = out
        self._config = config
        self._rows = {trial: _rows_of(out, trial, config) for trial in planned}
        self._written = -math.inf
        self._took = 0.0

    def take(self, trial: Trial) -> None:
        """Take in a trial that has ended."""
        self._rows[trial] = _rows_of(self._out, trial, self._config)
        if time.monotonic() - self._written > 10 * self._took:
            self._write()

    def rows(self) -> list[ResultRow]:
        """All rows, trial by trial."""
        return [row for rows in self._rows.values() for row in rows]

    def _write(self) -> None:
        started = time.monotonic()
        write_results(self._out / "results.csv", self.rows())
        self._written = time.monotonic()
        self._took = self._written - started

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, *_: object) -> None:
        self._write()


def reached(job: Job) -> tuple[int, int, int]:
    """How far a trial is: its round, the phase of it, and what is done of that.

    Trials of one seed share their first round, and one of them makes it: it counts for all.
    """
    own = _reached_in(job.root)
    if own[0] > 0:
        return own
    sharing = [t for t in trials(job.config) if t.seed == job.trial.seed]
    places = [_reached_in(job.root.parent / trial.name) for trial in sharing]
    return max([own, *(p if p[0] == 0 else _SHARED for p in places if p[0] >= 0)])


def _reached_in(root: Path) -> tuple[int, int, int]:
    report = read_progress_of(root)
    if "round" not in report:  # nothing yet, or all
        return (int(bool(report)) * sys.maxsize - 1, 0, 0)
    round, done = (int(str(report[key])) for key in ("round", "done"))
    return (round, PHASES.index(str(report["phase"])), done)


def read_progress(out: Path, trial: Trial) -> dict[str, object]:
    """Last report of a trial: `round`, `phase`, `done`, `total`; empty before its first."""
    return read_progress_of(out / "trials" / trial.name)


def read_progress_of(root: Path) -> dict[str, object]:
    """Last report of the trial in a folder, see `read_progress`."""
    try:
        progress: dict[str, object] = json.loads((root / PROGRESS_NAME).read_text("utf-8"))
    except OSError:  # not there yet, or no file may be opened for want of descriptors
        return {}
    return progress


def gallery_of_run(out: Path) -> list[GalleryItem]:
    """Pictures of what was asked, trial by trial, round by round."""
    roots = sorted(path for path in (out / "trials").iterdir() if path.is_dir())
    return [item for root in roots for item in pictures(root, root.name)]


class _Recorder:
    """Listener that writes the last report to a file, at most twice a second."""

    def __init__(self, root: Path) -> None:
        self._path = root / PROGRESS_NAME
        self._written = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._written > 0.5 or progress.done == progress.total:
            self._written = now
            _write_json(self._path, asdict(progress))


def _claim(out: Path, config: Config, *, resume: bool) -> None:
    """Make `out` the folder of this run, or check that it already is."""
    path = out / "config.yaml"
    if out.is_dir():
        clear_leftovers(path)
    if path.is_file():
        if not resume:
            raise ProjectError(
                f"expected an empty folder, found a run in {str(out)!r}. "
                "Add --resume to go on with it, or choose another folder."
            )
        if load_written_config(path) != config:
            raise ProjectError(
                f"expected the settings of the run in {str(out)!r}, got others. Give the same "
                f"config (it is saved as {str(path)!r}), or choose another folder."
            )
        return
    if out.is_dir() and any(out.iterdir()):
        raise ProjectError(
            f"expected an empty folder, found other files in {str(out)!r}. Choose another folder."
        )
    if shutil.disk_usage(out.parent if out.parent.is_dir() else Path.cwd()).free < 2**28:
        raise ProjectError(f"expected 256 MiB of free disk for {str(out)!r}. Free some, or move.")
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(path, dump_config(config))


def _write_json(path: Path, value: object) -> None:
    write_atomically(path, json.dumps(value), durable=False)
