"""The way to the workers that ``--cluster`` names."""

import inspect
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

import dask
from distributed import Client, LocalCluster

from askmask.errors import ClusterError, ConfigError
from askmask.runtime.cluster.address import Local, Queued, Running, parse_cluster

MOST_DEATHS: Final = 4
"""Workers that a job may cost in a row; Dask's own schedulers count the same."""
_CONNECT_SECONDS: Final = 10.0
_LOGGERS: Final = ("distributed", "distributed.client", "tornado", "tornado.application")
_INNER: Final = {
    "self",
    "scheduler",
    "name",
    "args",
    "kwargs",
    "job_kwargs",
    "job_cls",
    "n_workers",
}
_SETTINGS: Final = {
    "distributed.scheduler.allowed-failures": MOST_DEATHS - 1,
    "distributed.scheduler.http.routes": [],  # nothing but jobs is served
    "distributed.worker.http.routes": [],
    "distributed.admin.large-graph-warning-threshold": "1 TiB",  # images are sent on purpose
    "distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS:.0f}s",
}


class Connection:
    """An open way to a cluster.

    Attributes
    ----------
    client : Client
        Connected.
    patience_seconds : float
        How long to wait for a worker: without end where a queueing system brings them.
    restore : callable
        Starts workers again in place of those that are missing, where they were started here.
    """

    def __init__(
        self,
        client: Client,
        patience_seconds: float = 60.0,
        restore: Callable[[], object] = lambda: None,
    ) -> None:
        self.client = client
        self.patience_seconds = patience_seconds
        self.restore = restore


@contextmanager
def connect(text: str) -> Iterator[Connection]:
    """Open the cluster that ``--cluster`` names; what was started for it ends with it.

    Parameters
    ----------
    text : str
        ``"local:N"``, the address of a scheduler, or the path of a YAML file.

    Raises
    ------
    ConfigError
        If it is none of these, or dask-jobqueue refuses its options.
    ClusterError
        If there is no scheduler at the address.
    """
    wanted = parse_cluster(text)
    with ExitStack() as held:
        held.enter_context(dask.config.set(_SETTINGS))
        held.enter_context(_quiet())
        if isinstance(wanted, Running):
            connection = Connection(_client(wanted.address))
        elif isinstance(wanted, Local):
            connection = _started(held.enter_context(_local(wanted)), wanted.workers, 60.0)
        else:
            connection = _started(held.enter_context(_queued(wanted)), wanted.workers, math.inf)
        held.callback(connection.client.close)
        yield connection


def _started(cluster: Any, workers: int, patience_seconds: float) -> Connection:
    """Way to workers that were started here."""  # Any: dask-jobqueue has no types
    client = Client(cluster, set_as_default=False)
    return Connection(client, patience_seconds, restore=partial(cluster.scale, workers))


def _client(address: str) -> Client:
    try:
        return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, TypeError, ValueError) as error:  # TypeError: no key for TLS
        raise ClusterError(
            f"expected a Dask scheduler at {address}, but: {error}. Start one there with "
            "`dask scheduler`, and check that this machine reaches its port."
        ) from error


@contextmanager
def _local(wanted: Local) -> Iterator[LocalCluster]:
    """Worker processes of this machine, behind a key that was made for them.

    Whoever reaches the port of a scheduler may run code as its owner, so the ports are on the
    loopback address only, and other people of this machine have no key.
    """
    with LocalCluster(
        n_workers=wanted.workers,
        threads_per_worker=1,
        processes=True,
        memory_limit=0,  # Dask would pause or kill workers that hold a network
        host="127.0.0.1",
        dashboard_address=None,
        security=True,
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster


@contextmanager
def _queued(wanted: Queued) -> Iterator[Any]:  # Any: dask-jobqueue has no types
    """Workers that a queueing system starts, as many as wanted while this is open."""
    try:
        import dask_jobqueue
        from dask_jobqueue.core import Job, JobQueueCluster
    except ImportError:
        raise ConfigError(
            "expected dask-jobqueue for a queueing system, found none. "
            "Install it: pip install 'askmask[cluster]'."
        ) from None
    kind = {
        "slurm": dask_jobqueue.SLURMCluster,
        "lsf": dask_jobqueue.LSFCluster,
        "pbs": dask_jobqueue.PBSCluster,
    }[wanted.system]
    known = _parameters(JobQueueCluster, Job, kind.job_cls)
    if strangers := sorted(set(wanted.options) - known):
        raise ConfigError(
            f"expected options that dask-jobqueue takes for {wanted.system}, got {strangers!r}. "
            f"Choose from: {', '.join(sorted(known))}."
        )
    try:
        cluster = kind(**wanted.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"expected options that dask-jobqueue takes for {wanted.system}, got "
            f"{wanted.options!r}: {error}"
        ) from error
    with cluster:
        cluster.scale(wanted.workers)
        yield cluster


def _parameters(*kinds: type) -> set[str]:
    """Names that may be given when one of these classes is called."""
    found = {name for kind in kinds for name in inspect.signature(kind).parameters}
    return found - _INNER


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log of every lost connection from the screen: what matters is an error."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
