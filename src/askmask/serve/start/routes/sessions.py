"""Routes of logging in at the start, by a name and the key of the printed address."""

import hmac

from fastapi import APIRouter, Request, Response

from askmask import __version__
from askmask.serve.start.desk import COOKIE, Owner, TheStart, is_through_proxy
from askmask.serve.web.messages import HealthReply, NewSession, SessionReply
from askmask.serve.web.problems import Problem
from askmask.store.tokens import SESSION_DAYS, Person, Role

router = APIRouter(tags=["session"])


@router.get("/health")
def start_health() -> HealthReply:
    """Tell that the server runs."""
    return HealthReply(status="ok", version=__version__)


@router.get("/session")
def read_start_session(owner: Owner) -> SessionReply:
    """Tell who is logged in."""
    return _reply(owner)


@router.post("/session")
def open_start_session(
    asked: NewSession, request: Request, response: Response, desk: TheStart
) -> SessionReply:
    """Log in by name."""
    if is_through_proxy(request.headers):
        raise Problem(403, "forbidden", "expected somebody at this machine, got a proxy.")
    if asked.name is None:
        raise Problem(422, "invalid", "expected a name, got none.")
    if not hmac.compare_digest((asked.key or "").encode(), desk.key.encode()):
        raise Problem(
            401,
            "no_session",
            "expected the address that askmask printed when it started, with its key, got "
            "another. Open that address.",
            key_required=True,
        )
    person = Person(asked.name, Role.ADMIN)
    response.set_cookie(
        COOKIE,
        desk.access.open_session(person),
        max_age=SESSION_DAYS * 24 * 3600,
        path="/",
        httponly=True,
        samesite="strict",
    )
    return _reply(person)


@router.delete("/session", status_code=204)
def end_start_session(request: Request, response: Response, desk: TheStart) -> None:
    """Log out."""
    desk.access.end_session(request.cookies.get(COOKIE, ""))
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


def _reply(person: Person) -> SessionReply:
    return SessionReply(name=person.name, role=person.role.value, token_required=False)
