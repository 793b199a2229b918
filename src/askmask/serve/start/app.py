"""The application behind ``askmask`` without a project: its start, and the projects opened there.

Requests below ``/projects/ID/`` go to the application of that project, if it is open, with the rest
of the path as theirs; every other request goes to the start. Each has its own checks before every
route.
"""

import contextlib
import re
from collections.abc import AsyncIterator
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse

from askmask import __version__
from askmask.serve.start.desk import COOKIE, StartDesk
from askmask.serve.start.folders import Roots
from askmask.serve.start.jobs import Jobs
from askmask.serve.start.messages import ProjectId
from askmask.serve.start.opened import OpenedProjects
from askmask.serve.start.routes import files, inside, jobs, projects, sessions
from askmask.serve.start.uploads import Uploads
from askmask.serve.web.app import PREFIX
from askmask.serve.web.guard import Guard, Message, Receive, Send, known_hosts
from askmask.serve.web.page import add_page
from askmask.serve.web.problems import ErrorReply, Problem, install
from askmask.store.tokens import Access

# Any: FastAPI's own type of the table
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorReply} for status in (400, 401, 403, 404, 408, 409, 413, 422, 503, 507)
}
_OF_PROJECT: Final = re.compile(r"/projects/([0-9a-f]{12})(/.*)")


class Start:
    """The whole server as one ASGI application.

    Parameters
    ----------
    key : str
        Secret of its address.
    access : Access
        Where sessions of the start are kept.
    roots : tuple of Path
        Where folders may be chosen.
    files : Path
        Folder for uploads and downloads; removed at the end.
    with_workers : bool
        Whether a worker runs for each opened project.

    Attributes
    ----------
    start : FastAPI
        The application of the start itself.
    opened : OpenedProjects
        The projects that are served now.
    """

    def __init__(
        self,
        *,
        key: str,
        access: Access,
        roots: tuple[Path, ...],
        files: Path,
        with_workers: bool = True,
    ) -> None:
        self.opened = OpenedProjects(key, with_workers=with_workers)
        desk = StartDesk(
            key=key,
            access=access,
            roots=Roots(roots),
            opened=self.opened,
            jobs=Jobs(),
            uploads=Uploads(files / "dropped"),
            files=files,
        )
        self.start = _app_of(desk)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        found = _OF_PROJECT.fullmatch(scope.get("path", ""))
        opened = None if found is None else self.opened.find(found[1])
        if found is None or opened is None:
            await self.start(scope, receive, send)
            return
        inner = {**scope, "path": found[2], "raw_path": found[2].encode(), "root_path": ""}
        await opened.app(inner, receive, send)

    async def end_streams(self) -> None:
        """Let every event stream end."""
        await self.opened.end_streams()


def _app_of(desk: StartDesk) -> FastAPI:
    app = FastAPI(
        title="askmask, the start",
        version=__version__,
        description="Projects of this machine: opened, made, used and put away.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts of other sites
        redoc_url=None,
        lifespan=_closing,
        redirect_slashes=False,
    )
    app.state.desk = desk
    api = APIRouter(prefix=PREFIX, responses=_ERRORS)
    for module in (sessions, jobs, projects, inside, files):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(_closed_projects())
    add_page(app, index_name="start.html")
    install(app)
    app.add_middleware(
        Guard,
        hosts=known_hosts("127.0.0.1", ()),
        is_known=partial(_is_known, app),
    )
    return app


def _closed_projects() -> APIRouter:
    """Addresses of projects that are not open: the page leads to the start, the rest says so."""
    router = APIRouter(prefix="/projects", include_in_schema=False)

    @router.get("/{project_id}")
    def without_slash(project_id: ProjectId) -> RedirectResponse:
        return RedirectResponse(f"{project_id}/", 307)

    @router.get("/{project_id}/")
    def page(project_id: ProjectId) -> RedirectResponse:
        return RedirectResponse(f"../../#/open/{project_id}", 307)

    @router.api_route("/{_:path}", methods=["GET", "POST", "PUT", "DELETE"])
    def closed() -> None:
        raise Problem(
            503,
            "closed",
            "this project is not open now. Open it again on the start's page; what this page "
            "keeps is sent then.",
        )

    return router


def _is_known(app: FastAPI, headers: dict[str, str]) -> bool:
    """Whether a request comes from somebody who may send more than a few lines."""
    desk: StartDesk = app.state.desk
    cookies = SimpleCookie(headers.get("cookie", ""))
    secret = cookies[COOKIE].value if COOKIE in cookies else ""
    return desk.person(headers, secret) is not None


@contextlib.asynccontextmanager
async def _closing(app: FastAPI) -> AsyncIterator[None]:
    desk: StartDesk = app.state.desk
    try:
        yield
    finally:
        await desk.jobs.end_all()
        await desk.opened.close_all()
        desk.clear()
