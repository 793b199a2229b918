"""The server of a project: page, API and events, behind the guard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from http.cookies import SimpleCookie
from typing import Any, Final

from fastapi import APIRouter, FastAPI

from askmask import __version__
from askmask.loop.project import Project
from askmask.serve.address import is_loopback
from askmask.serve.web import events
from askmask.serve.web.desk import Desk, Supervisor
from askmask.serve.web.events import Watcher
from askmask.serve.web.guard import Guard, known_hosts
from askmask.serve.web.page import BelowPrefix, add_page
from askmask.serve.web.problems import ErrorReply, install
from askmask.serve.web.routes import (
    images,
    items,
    keeping,
    label_studio,
    proposing,
    review,
    sessions,
    slides,
    spreading,
    steering,
)

PREFIX: Final = "/api/v1"
# Any: FastAPI's own type of the table
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorReply} for status in (400, 401, 403, 404, 408, 409, 413, 422, 503, 507)
}


def create_app(
    project: Project,
    *,
    host: str = "127.0.0.1",
    allowed_hosts: tuple[str, ...] = (),
    requires_token: bool = False,
    prefix: str = "",
    key: str | None = None,
    supervisor: Supervisor | None = None,
) -> FastAPI:
    """Make the server of an open project.

    Parameters
    ----------
    project : Project
        Stays open as long as the server runs; the caller closes it.
    host : str
        The address that it will be bound to. On any but a loopback address a token is needed.
    allowed_hosts : tuple of str
        Further names by which it may be called. With any, a token is needed: such a name belongs
        to a proxy, behind which anybody may stand.
    requires_token : bool
        Whether a token is needed on a loopback address as well.
    prefix : str
        What stands before every path of the page; see `askmask.serve.address.Address`. With
        any, a token is needed: it is that of a proxy.
    key : str, optional
        What a person who logs in by name alone must know; see `Desk.key`.
    supervisor : Supervisor, optional
        The object that keeps the worker process running.

    Raises
    ------
    ConfigError
        If the project has a box and click assistant that cannot be used.
    """
    app = FastAPI(
        title="askmask",
        version=__version__,
        description="Asked regions, answers, images and status of one project.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # their pages load scripts of other sites
        redoc_url=None,
        lifespan=_watching,
        redirect_slashes=False,
        servers=[{"url": prefix}] if prefix else None,
    )
    is_for_proxy = bool(allowed_hosts or prefix)
    needs_token = requires_token or is_for_proxy or not is_loopback(host)
    app.state.desk = Desk.of(
        project, needs_token=needs_token, prefix=prefix, key=key, supervisor=supervisor
    )
    api = APIRouter(prefix=PREFIX, responses=_ERRORS)
    labelling = (sessions, items, spreading, proposing, review, images, slides)
    for module in (*labelling, steering, keeping, events):
        api.include_router(module.router)
    app.include_router(api)
    app.include_router(label_studio.router)
    add_page(app)
    install(app)
    app.add_middleware(
        Guard,
        hosts=known_hosts(host, allowed_hosts),
        any_address=not is_loopback(host),
        is_known=partial(_is_known, app),
    )
    if prefix:
        app.add_middleware(BelowPrefix, prefix=prefix)  # before the guard: it looks at paths
    return app


def _is_known(app: FastAPI, headers: dict[str, str]) -> bool:
    """Whether a request comes from somebody who may send more than a few lines."""
    desk: Desk = app.state.desk
    cookies = SimpleCookie(headers.get("cookie", ""))
    secret = cookies[desk.cookie].value if desk.cookie in cookies else ""
    return (
        desk.person(headers, secret) is not None
        or label_studio.person_of(desk, headers) is not None
    )


@contextlib.asynccontextmanager
async def _watching(app: FastAPI) -> AsyncIterator[None]:
    watcher = Watcher(app.state.desk.project.store)
    app.state.watcher = watcher
    task = asyncio.create_task(watcher.watch())
    try:
        yield
    finally:
        await watcher.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
