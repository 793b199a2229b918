"""The page: files of ``static/``, by name from a list made at the start, and what lies above it."""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from askmask.serve.web.guard import App, Message, Receive, Send
from askmask.serve.web.problems import Problem

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    media_type: str
    tag: str


def add_page(app: FastAPI, folder: Path = FOLDER, *, index_name: str = "index.html") -> None:
    """Serve the files of a folder: the one of a name as ``/``, all as ``/static/...``."""
    files = {
        path.relative_to(folder).as_posix(): _read(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }

    def serve(name: str, request: Request) -> Response:
        file = files.get(name)
        if file is None:
            raise Problem(404, "not_found", "expected a file of the page, got another name.")
        headers = {"Cache-Control": "no-cache", "ETag": file.tag}
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)

    @app.get("/", include_in_schema=False)
    def index(request: Request) -> Response:
        return serve(index_name, request)

    @app.get("/static/{name:path}", include_in_schema=False)
    def static(name: str, request: Request) -> Response:
        return serve(name, request)


def _read(path: Path) -> _File:
    content = path.read_bytes()
    guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    media_type = _TYPES.get(path.suffix.lower(), guessed)
    return _File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class BelowPrefix:
    """ASGI middleware that takes the prefix off a path, where a proxy has left it on.

    A proxy may pass paths on as they came (``/labels/api/...``) or without the prefix
    (``/api/...``); both are understood. The page's own addresses are relative, so neither the page
    nor any route below needs to know.

    Parameters
    ----------
    app : ASGI application
        What is served below the prefix.
    prefix : str
        As in `Address`.
    """

    def __init__(self, app: App, *, prefix: str) -> None:
        self._app = app
        self._prefix = unquote(prefix)  # the paths of requests have been decoded, too

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        if path == self._prefix and scope["type"] == "http":
            last = self._prefix.rpartition("/")[2]
            await RedirectResponse(f"{quote(last)}/", 307)(scope, receive, send)
            return
        if path.startswith(f"{self._prefix}/"):
            inner = path.removeprefix(self._prefix)
            scope = {**scope, "path": inner, "raw_path": quote(inner).encode(), "root_path": ""}
        await self._app(scope, receive, send)
