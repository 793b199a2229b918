"""The first step to a cluster, which tells what is missing before dask is imported."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeGuard

from askmask.errors import ConfigError
from askmask.runtime.cluster.address import parse_cluster

if TYPE_CHECKING:  # it loads dask
    from askmask.runtime.cluster.connection import Connection


@contextmanager
def open_cluster(text: str) -> Iterator["Connection"]:
    """Open the cluster that ``--cluster`` names; see `askmask.runtime.cluster.connection.connect`.

    Raises
    ------
    ConfigError
        If it names none, or what it takes is not installed.
    ClusterError
        If it cannot be reached.
    """
    check_cluster(text)
    from askmask.runtime.cluster.connection import connect

    with connect(text) as connection:
        yield connection


def check_cluster(text: str) -> None:
    """Refuse what ``--cluster`` says if it names no cluster; nothing is reached.

    Raises
    ------
    ConfigError
        If it names none, or what it takes is not installed.
    """
    parse_cluster(text)
    for package in ("cryptography", "distributed"):  # the first makes the key of a local cluster
        if find_spec(package) is None:
            raise ConfigError(
                f"expected the extra 'cluster' for --cluster, found no {package}. "
                "Install it: pip install 'askmask[cluster]'."
            )


def is_named(text: str | None, *, send_images: bool) -> TypeGuard[str]:
    """Whether ``--cluster`` names a cluster, which ``--send-images`` needs.

    Raises
    ------
    ConfigError
        If images are to be sent nowhere.
    """
    if text is None and send_images:
        raise ConfigError("expected --cluster with --send-images: say where they are sent.")
    return text is not None


class LastingCluster:
    """A cluster for a process that goes on when the cluster does not, such as a server's worker.

    Parameters
    ----------
    text : str
        As `open_cluster` takes it.

    Raises
    ------
    ConfigError
        As `check_cluster`.
    """

    def __init__(self, text: str) -> None:
        check_cluster(text)
        self._text = text
        self._lock = threading.Lock()
        self._open: AbstractContextManager[Connection] | None = None
        self._connection: Connection | None = None

    def connection(self) -> "Connection":
        """Open way to the cluster: opened at the first need, and anew after it was lost.

        Raises
        ------
        ClusterError
            If it cannot be reached now.
        """
        with self._lock:
            if self._connection is not None and self._connection.client.status == "running":
                return self._connection
            self._close()
            opened = open_cluster(self._text)
            self._connection = opened.__enter__()
            self._open = opened
            return self._connection

    def close(self) -> None:
        """End what was started for it; may be called again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        opened, self._open, self._connection = self._open, None, None
        if opened is not None:
            opened.__exit__(None, None, None)
