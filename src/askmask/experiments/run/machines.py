"""Where the trials of a grid run: here, in processes of this machine, or on a cluster."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from askmask.config import Config, with_overrides
from askmask.data.from_config import index_of
from askmask.runtime.cluster.first_step import open_cluster
from askmask.runtime.contents import file_content_digest
from askmask.runtime.executors import Executor, Processes, Serial

SEEN_NAME: Final = "cluster.seen"
"""File of a run by which a worker shows that it sees the run's folder and no other of its name."""

Reached = Callable[[Any], Any]  # Any: jobs, and how far each is


@contextmanager
def trial_executor(
    config: Config, out: Path, cluster: str | None, reached: Reached
) -> Iterator[Executor]:
    """Executor of the trials of a grid.

    Parameters
    ----------
    config : Config
        The grid: its `workers`, threads and device. A cluster has its own number of workers.
    out : Path
        Folder of the run. All machines of a cluster see it under this path.
    cluster : str or None
        As ``--cluster`` has it.
    reached : callable
        How far a job is, for a worker that died.
    """
    if cluster is None:
        workers = config.grid.workers
        yield Processes(workers, threads=config.threads) if workers > 1 else Serial()
        return
    with open_cluster(cluster) as connection:
        from askmask.runtime.cluster.crew import Needs
        from askmask.runtime.cluster.executor import Dask

        index = index_of(config.data)
        files = [_mark(out), *([] if index is None else [index])]
        needs = Needs(
            must_see={str(path): file_content_digest(path) or "" for path in files},
            device=config.device,
        )
        yield Dask(connection, needs=needs, threads=config.threads, reached=reached)


def for_all_machines(config: Config) -> Config:
    """Config whose paths mean the same on every machine, whatever folder it works in."""
    if config.data.path is None:
        return config
    return with_overrides(config, {"data.path": str(config.data.path.resolve())})


def _mark(out: Path) -> Path:
    path = out.resolve() / SEEN_NAME
    if not path.is_file():
        path.write_text(secrets.token_hex(16), encoding="utf-8")
    return path
