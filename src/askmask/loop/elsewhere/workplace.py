"""Where the loop's work on images is done, if not in this process."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from askmask.data.from_config import index_of
from askmask.data.larger_images import PartSource
from askmask.errors import ConfigError
from askmask.loop.elsewhere.bench import Bench, close_bench, kit_of
from askmask.loop.round_model import RoundModel
from askmask.runtime.cluster.first_step import LastingCluster, is_named, open_cluster
from askmask.runtime.contents import file_content_digest
from askmask.runtime.executors import Executor


@contextmanager
def workplace(cluster: str | None, *, send_images: bool = False) -> Iterator["Elsewhere | None"]:
    """Open the place that ``--cluster`` names; None for this process.

    Raises
    ------
    ConfigError
        If it names none, or images are to be sent nowhere.
    ClusterError
        If it cannot be reached.
    """
    if is_named(cluster, send_images=send_images):
        with open_cluster(cluster) as connection:
            yield Elsewhere(connection, send_images)
    else:
        yield None


@contextmanager
def lasting_workplace(
    cluster: str | None, *, send_images: bool = False
) -> Iterator["Elsewhere | None"]:
    """Place that ``--cluster`` names, reached at the first need and anew after it was lost.

    Raises
    ------
    ConfigError
        As `workplace`.
    """
    if is_named(cluster, send_images=send_images):
        with closing(LastingCluster(cluster)) as lasting:
            yield Elsewhere(lasting, send_images)
    else:
        yield None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Where jobs run, and how images get there.

    Attributes
    ----------
    machines : Connection, LastingCluster or Executor
        A cluster, or an executor of this machine.
    send_images : bool
        Whether images travel with the jobs; else every worker opens the source at the path that
        the project's config has, and is refused by name if it does not see the same data set.
    threads : int or None
        Threads of arithmetic per job on a cluster; None for as many as the worker has.
    parts : int or None
        Jobs of equal size that work is cut into: as many as there are processes, for an executor
        that starts one for each job. None for jobs of `shards.SECONDS`.
    """

    machines: Any  # Connection | LastingCluster | Executor: to name the first would load dask
    send_images: bool = False
    threads: int | None = None
    parts: int | None = None

    def reach(self) -> None:
        """Reach a lasting cluster now, so that who named it hears at once if that fails.

        Raises
        ------
        ClusterError
            If it cannot be reached.
        """
        if isinstance(self.machines, LastingCluster):
            self.machines.connection()

    @contextmanager
    def at_work(
        self,
        model: RoundModel,
        must_see: tuple[Path, ...] = (),
        *,
        with_facts: bool = False,
        why_not_sent: str = "",
    ) -> Iterator[tuple[Executor, Bench]]:
        """Executor whose jobs have the model's files, and the bench that names them.

        Parameters
        ----------
        model : RoundModel
            Who works.
        must_see : tuple of Path
            Files that workers must see as this machine does.
        with_facts : bool
            Whether jobs need no source, although no image is sent.
        why_not_sent : str
            Sentence, without its period, that says why what must be seen is not sent.
        """
        if isinstance(self.machines, Executor):
            try:
                yield self.machines, kit_of(model, with_facts=False).bench
            finally:
                close_bench()
            return
        from askmask.runtime.cluster.crew import Needs
        from askmask.runtime.cluster.executor import Dask

        if self.send_images and isinstance(model.project.source, PartSource):
            raise ConfigError(
                "expected slides on a disk that all workers see, got --send-images. Slides are not "
                "sent, since a slide has gigabytes and a job reads some megabytes of them. Leave "
                "it out."
            )
        kit = kit_of(model, with_facts=self.send_images or with_facts)
        config = kit.bench.config
        index = None if self.send_images or with_facts else index_of(config.data)
        must_see = must_see if index is None else (*must_see, index)
        needs = Needs(
            must_see={str(path): file_content_digest(path) or "" for path in must_see},
            contents=kit.contents,
            device=config.device,
            why_not_sent=why_not_sent,
        )
        threads = self.threads if self.threads is not None else config.threads
        is_lasting = isinstance(self.machines, LastingCluster)
        machines = self.machines.connection() if is_lasting else self.machines
        yield Dask(machines, needs=needs, threads=threads, ahead=1), kit.bench
