"""Several projects in one server: each opened project is an application of its own, by its id.

What holds for a server of one project holds here for each: its checks before every route, its
people, its cookie, its worker. Nothing is shared but the process, the address and the key.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from askmask.errors import ProjectError
from askmask.loop.project import Project
from askmask.serve.start.known import note_project, project_id
from askmask.serve.web.app import create_app
from askmask.serve.web.desk import Desk
from askmask.serve.web.server import WorkerKeeper
from askmask.store.tokens import Person, Role

MOST_OPEN: Final = 4
"""So many projects are open at once: the worker of each holds a network in memory."""


@dataclass
class OpenedProject:
    """A project that is served.

    Attributes
    ----------
    app : FastAPI
        Its application; its state holds the desk and the watcher.
    keeper : WorkerKeeper or None
        None if no worker is wanted.
    """

    root: Path
    project: Project
    app: FastAPI
    keeper: WorkerKeeper | None
    ending: contextlib.AsyncExitStack

    @property
    def desk(self) -> Desk:
        """What its routes share."""
        desk: Desk = self.app.state.desk
        return desk


class OpenedProjects:
    """The projects that a server serves now, in its event loop.

    Parameters
    ----------
    key : str or None
        Secret of the server's address; see `Desk.key`.
    with_workers : bool
        Whether a worker runs for each.
    """

    def __init__(self, key: str | None, *, with_workers: bool = True) -> None:
        self._key = key
        self._with_workers = with_workers
        self._opened: dict[str, OpenedProject] = {}
        self._held: set[str] = set()
        self._changing = asyncio.Lock()

    def __contains__(self, number: str) -> bool:
        return number in self._opened

    def find(self, number: str) -> OpenedProject | None:
        """The opened project of an id; None if it is not open."""
        return self._opened.get(number)

    async def open(self, root: Path) -> OpenedProject:
        """Open a project, if it is not open yet, and put it first in the list.

        Raises
        ------
        ProjectError
            If there is no project in the folder, or too many are open.
        """
        async with self._changing:
            number = project_id(root)
            if number in self._held:
                raise ProjectError("this project is being changed. Open it again in a moment.")
            if number not in self._opened:
                if len(self._opened) >= MOST_OPEN:
                    names = ", ".join(o.project.config.name for o in self._opened.values())
                    raise ProjectError(
                        f"expected at most {MOST_OPEN} open projects, these are open: {names}. "
                        "Close one on the start's page first."
                    )
                self._opened[number] = await self._begin(root)
            await run_in_threadpool(note_project, root)
            return self._opened[number]

    async def close(self, number: str) -> None:
        """Close a project and end its worker; nothing happens if it is not open."""
        async with self._changing:
            await self._end(self._opened.pop(number, None))

    async def close_all(self) -> None:
        """Close every project."""
        async with self._changing:
            while self._opened:
                await self._end(self._opened.popitem()[1])

    async def end_streams(self) -> None:
        """Let every event stream end."""
        for opened in list(self._opened.values()):
            await opened.app.state.watcher.close()

    @contextlib.asynccontextmanager
    async def closed(self, root: Path, *, reopens: bool = True) -> AsyncIterator[None]:
        """Keep a project closed while a block changes it, and open it again if it was open.

        With `reopens` false it stays closed, unless the block fails.
        """
        number = project_id(root)
        was_open = number in self._opened
        self._held.add(number)
        try:
            await self.close(number)
            yield
        except BaseException:
            reopens = True
            raise
        finally:
            self._held.discard(number)
            if was_open and reopens:
                await self.open(root)

    async def _begin(self, root: Path) -> OpenedProject:
        project = await run_in_threadpool(Project.open, root)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(project.close)
            control = project.store.control
            keeper = WorkerKeeper(root, control.is_worker_silent) if self._with_workers else None
            app = await run_in_threadpool(_app_of, project, self._key, keeper)
            await stack.enter_async_context(app.router.lifespan_context(app))
            if keeper is not None:
                stack.push_async_callback(run_in_threadpool, keeper.end)
                keeper.start()
            return OpenedProject(root, project, app, keeper, stack.pop_all())

    async def _end(self, opened: OpenedProject | None) -> None:
        if opened is not None:
            await opened.ending.aclose()


def _app_of(project: Project, key: str | None, keeper: WorkerKeeper | None) -> FastAPI:
    return create_app(project, key=key, supervisor=keeper)


def session_of(opened: OpenedProject, name: str) -> tuple[str, str]:
    """Cookie and secret of a new session in a project, for who is logged in at the start."""
    secret = opened.project.store.access.open_session(Person(name, Role.ADMIN))
    return opened.desk.cookie, secret
