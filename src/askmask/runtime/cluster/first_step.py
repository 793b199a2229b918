"""The first step to a cluster, which tells what is missing before dask is imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
    parse_cluster(text)
    try:
        import cryptography  # noqa: F401 - makes the key of a local cluster
        import distributed  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"expected the extra 'cluster' for --cluster, found no {error.name}. "
            "Install it: pip install 'askmask[cluster]'."
        ) from None
    from askmask.runtime.cluster.connection import connect

    with connect(text) as connection:
        yield connection
