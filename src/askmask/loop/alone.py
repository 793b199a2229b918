"""Commands that write models and queries have a project to themselves while they work."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from askmask.errors import ProjectError
from askmask.loop.project import Project
from askmask.runtime.worker_lock import only_worker

LOOK_SECONDS: Final = 1.0
"""How often it is looked whether a worker has taken the project over meanwhile."""


@contextmanager
def alone(project: Project, say: Callable[[str], object]) -> Iterator[None]:
    """Hold the right to work on a project, after waiting for another command to end.

    Parameters
    ----------
    project : Project
        Open.
    say : callable
        Told once, in words, if it has to wait.

    Raises
    ------
    ProjectError
        If a worker is at work, which does not end by itself.
    """
    has_said = False
    with ExitStack() as held:
        while True:
            try:
                patience = LOOK_SECONDS if has_said else 0.0
                held.enter_context(only_worker(project.root, patience_seconds=patience))
                break
            except ProjectError:
                worker = project.store.control.worker()
                if worker is not None and worker.is_alive:
                    raise
            if not has_said:
                say(f"Another command is at work on {project.root}; waiting for it to end.")
                has_said = True
        yield
