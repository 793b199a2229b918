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
from tornado.ioloop import IOLoop

from askmask.errors import ClusterError, ConfigError
from askmask.runtime.cluster.address import Local, Queued, Running, parse_cluster
from askmask.runtime.cluster.event_loop import running_loop

_logger = logging.getLogger(__name__)
MOST_DEATHS: Final = 4
"""Workers that a job may cost in a row; Dask's own schedulers count the same."""
_CONNECT_SECONDS: Final = 10.0  # to a scheduler that somebody said is there
_STARTED_SECONDS: Final = 120.0  # to processes that were started here, on a machine that is busy
_LOGGERS: Final = ("distributed", "distributed.client", "tornado", "tornado.application")
_INNER: Final = {
    "self",
    "scheduler",
    "name",
    "loop",
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
    # A worker that is starting again is not lost: its nanny would be ended under its hands.
    "distributed.deploy.lost-worker-timeout": f"{_STARTED_SECONDS:.0f}s",
}

_NO_DASHBOARD: Final = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
"""Dask's server of pages has nothing to serve, but opens a port: not the same one for everybody."""


class _Client(Client):
    """A client that ends where it cannot connect.

    Dask leaves it for the garbage collector, which comes when the loop may have ended, and then
    prints an error of its own.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: as Dask takes them
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self.close()
            raise


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
        seconds = _CONNECT_SECONDS if isinstance(wanted, Running) else _STARTED_SECONDS
        connects = {"distributed.comm.timeouts.connect": f"{seconds}s"}
        held.enter_context(dask.config.set(_SETTINGS | connects))
        held.enter_context(_quiet())
        loop = held.enter_context(running_loop())
        if isinstance(wanted, Running):
            connection = Connection(_client(wanted.address, loop))
        elif isinstance(wanted, Local):
            cluster = held.enter_context(_local(wanted, loop))
            connection = _started(cluster, wanted.workers, _STARTED_SECONDS)
        else:
            cluster = held.enter_context(_queued(wanted, loop))
            connection = _started(cluster, wanted.workers, math.inf)
        held.callback(connection.client.close)
        yield connection


def _started(cluster: Any, workers: int, patience_seconds: float) -> Connection:
    """Way to workers that were started here."""  # Any: dask-jobqueue has no types
    client = _Client(cluster, timeout=_STARTED_SECONDS, set_as_default=False)
    return Connection(client, patience_seconds, restore=partial(cluster.scale, workers))


def _client(address: str, loop: IOLoop) -> Client:
    try:
        return _Client(address, timeout=_CONNECT_SECONDS, set_as_default=False, loop=loop)
    except (OSError, TimeoutError, TypeError, ValueError) as error:  # TypeError: no key for TLS
        raise ClusterError(
            f"expected a Dask scheduler at {address}, but: {error}. Start one there with "
            "`dask scheduler`, and check that this machine reaches its port."
        ) from error


@contextmanager
def _local(wanted: Local, loop: IOLoop) -> Iterator[LocalCluster]:
    """Worker processes of this machine, behind a key that was made for them.

    Whoever reaches the port of a scheduler may run code as its owner, so the ports are on the
    loopback address only, and other people of this machine have no key.
    """
    with _closing(_started_here(wanted.workers, loop)) as cluster:
        yield cluster


def _started_here(workers: int, loop: IOLoop) -> LocalCluster:
    """Cluster of worker processes of this machine; one that dies on the way is started again.

    Dask gives up the whole cluster then: its nannies look after workers that have started.
    """
    for left in reversed(range(MOST_DEATHS)):
        try:
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,  # Dask would pause or kill workers that hold a network
                host="127.0.0.1",
                dashboard_address=None,
                scheduler_kwargs=_NO_DASHBOARD,
                security=True,
                silence_logs=logging.CRITICAL,
                loop=loop,
            )
        except (OSError, RuntimeError) as error:
            if left > 0:
                _logger.info("starting workers failed, %d attempts are left: %s", left, error)
                continue
            raise ClusterError(
                f"expected to start {workers} worker processes on this machine, but: {error}. "
                "Ask for fewer, or try again when the machine has less to do."
            ) from error
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def _queued(wanted: Queued, loop: IOLoop) -> Iterator[Any]:  # Any: dask-jobqueue has no types
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
        own = {**_NO_DASHBOARD, **wanted.options.get("scheduler_options", {})}
        cluster = kind(**{**wanted.options, "scheduler_options": own}, loop=loop)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"expected options that dask-jobqueue takes for {wanted.system}, got "
            f"{wanted.options!r}: {error}"
        ) from error
    with _closing(cluster):
        cluster.scale(wanted.workers)
        yield cluster


@contextmanager
def _closing(cluster: Any) -> Iterator[Any]:  # Any: dask-jobqueue has no types
    """Context at whose end a cluster ends.

    Dask kills a worker that does not end by itself, and raises if that takes more than five
    seconds. On a busy machine it does; the work is done, and the worker ends without us.
    """
    try:
        yield cluster
    finally:
        try:
            cluster.close()
        except TimeoutError:
            _logger.info("Dask gave up waiting for a worker that it had killed.")


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
