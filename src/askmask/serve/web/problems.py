"""Every problem as one clear JSON error; the only place where errors become status codes."""

import html
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from askmask.errors import (
    AskmaskError,
    ConfigError,
    ReusedId,
    ShapeError,
    SourceError,
    StoreBusy,
    StoreError,
    StoreFull,
    UnknownItem,
)

_log = logging.getLogger(__name__)

_STATUS: tuple[tuple[type[AskmaskError], int, str], ...] = (
    (UnknownItem, 404, "not_found"),
    (ReusedId, 409, "reused_id"),
    (StoreBusy, 503, "busy"),
    (StoreFull, 507, "storage"),
    (StoreError, 422, "invalid"),
    (ShapeError, 422, "invalid"),
    (ConfigError, 422, "invalid"),
    (SourceError, 404, "not_found"),
)
_CODES = {400: "bad_request", 404: "not_found", 405: "bad_method", 413: "too_large"}


class Problem(Exception):
    """A request cannot be served as it is.

    Parameters
    ----------
    status : int
        4xx.
    code : str
        What programs look at.
    message : str
        What people read.
    **more
        Further members of the reply.
    """

    def __init__(self, status: int, code: str, message: str, **more: object) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more


class ErrorBody(BaseModel):
    """Description of a problem."""

    code: str
    message: str


class ErrorReply(BaseModel):
    """Body of every reply that is no success."""

    error: ErrorBody


def problem_reply(
    status: int, code: str, message: str, more: dict[str, object] | None = None
) -> JSONResponse:
    """JSON reply of one form."""
    headers = {"Retry-After": "1"} if status == 503 else None
    body = {"error": {"code": code, "message": message}, **(more or {})}
    return JSONResponse(body, status, headers)


def wants_page(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a person opened an address, rather than a script: they get a sentence to read."""
    is_visit = method in {"GET", "HEAD"} and not path.startswith(("/api/", "/label-studio/"))
    return is_visit and "text/html" in headers.get("accept", "")


def problem_page(status: int, message: str) -> HTMLResponse:
    """The same as a page of one sentence, for who opens it in a browser."""
    text = _PAGE.format(status=status, message=html.escape(message))
    return HTMLResponse(text, status, {"Retry-After": "1"} if status == 503 else None)


_PAGE: Final = """<!doctype html>
<html lang="en">
  <head><meta charset="utf-8" /><title>askmask: {status}</title></head>
  <body>
    <h1>This page cannot be shown</h1>
    <p>{message}</p>
  </body>
</html>
"""


def install(app: FastAPI) -> None:
    """Let every exception end as such a reply."""
    app.add_exception_handler(Problem, _of_problem)
    app.add_exception_handler(AskmaskError, _of_askmask)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(Exception, _of_bug)


def _of_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem), "registered for it"
    if wants_page(request.method, request.scope["path"], request.headers):
        return problem_page(error.status, error.message)
    return problem_reply(error.status, error.code, error.message, error.more)


def _of_askmask(_: Request, error: Exception) -> JSONResponse:
    for kind, status, code in _STATUS:
        if isinstance(error, kind):
            if status >= 500:
                _log.error("%s", error)
            return problem_reply(status, code, str(error))
    _log.error("%s", error)
    return problem_reply(409, "refused", str(error))


def _of_validation(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError), "registered for it"
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return problem_reply(400, "bad_request", "expected a JSON body, got something else.")
    return problem_reply(422, "invalid", "; ".join(_line(problem) for problem in problems[:5]))


def _line(problem: Any) -> str:  # Any: pydantic's problems
    where = ".".join(str(part) for part in problem["loc"][1:]) or "body"
    came = repr(problem.get("input"))
    shown = came if len(came) <= 80 else f"{came[:77]}..."
    return f"{where}: {problem['msg']}, got {shown}"


def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for it"
    code = _CODES.get(error.status_code, "bad_request")
    message = str(error.detail)
    if error.status_code == 404:
        message = "expected an address of the API or the page, got another. See openapi.json."
    if wants_page(request.method, request.scope["path"], request.headers):
        return problem_page(error.status_code, message)
    return problem_reply(error.status_code, code, message)


def _of_bug(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    message = "a bug in the server: see its log. Nothing of this request was kept."
    return problem_reply(500, "internal", message)
