"""Routes of logging in, and of facts that do not change while people work."""

import hmac
from typing import Final

from fastapi import APIRouter, Request, Response

from askmask import __version__
from askmask.data.image_parts import TILE
from askmask.records import Unit
from askmask.serve.web.desk import Desk, Somebody, TheDesk
from askmask.serve.web.guard import MAX_BODY_BYTES
from askmask.serve.web.labels import UNLABELLED_VALUE
from askmask.serve.web.messages import (
    BudgetReply,
    ClassReply,
    HealthReply,
    NewSession,
    ProjectReply,
    SessionReply,
)
from askmask.serve.web.problems import Problem
from askmask.store.tokens import SESSION_DAYS, Person, Role

router = APIRouter(tags=["session"])

# Okabe and Ito's colours, told apart by people who see red and green alike.
_COLORS: Final = (
    *("#999999", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"),
)


@router.get("/health")
def health() -> HealthReply:
    """Tell that the server runs."""
    return HealthReply(status="ok", version=__version__)


@router.get("/session")
def read_session(person: Somebody, desk: TheDesk) -> SessionReply:
    """Tell who is logged in."""
    return _session_reply(person, desk)


@router.post("/session")
def open_session(
    asked: NewSession, request: Request, response: Response, desk: TheDesk
) -> SessionReply:
    """Log in by token, or by name where no token is needed."""
    access = desk.project.store.access
    if asked.token is not None:
        opened = access.open_token_session(asked.token)
        if opened is None:
            raise Problem(
                401,
                "no_session",
                "expected a token that stands, got another. Make one: askmask token PROJECT.",
                token_required=desk.asks_for_token(request.headers),
            )
        secret, person = opened
    elif asked.name is None:
        raise Problem(422, "invalid", "expected a name or a token, got neither.")
    elif desk.asks_for_token(request.headers):
        raise Problem(
            401,
            "no_session",
            "expected a token, since this server is reached over a network or through a proxy, "
            "got a name alone. Ask for one: askmask token PROJECT.",
            token_required=True,
        )
    elif desk.key is not None and not _is_same(asked.key or "", desk.key):
        raise Problem(
            401,
            "no_session",
            "expected the address that `askmask serve` printed when it started, with its key, got "
            "another. Open that address.",
            key_required=True,
        )
    else:
        person = Person(asked.name, Role.ADMIN)
        secret = access.open_session(person)
    response.set_cookie(
        desk.cookie,
        secret,
        max_age=SESSION_DAYS * 24 * 3600,
        path=desk.cookie_path,
        httponly=True,
        samesite="strict",
        secure=_is_encrypted(request),
    )
    return _session_reply(person, desk)


@router.delete("/session", status_code=204)
def end_session(request: Request, response: Response, desk: TheDesk) -> None:
    """Log out."""
    desk.project.store.access.end_session(request.cookies.get(desk.cookie, ""))
    response.delete_cookie(desk.cookie, path=desk.cookie_path, httponly=True, samesite="strict")


@router.get("/project")
def read_project(_: Somebody, desk: TheDesk) -> ProjectReply:
    """Tell classes, strategies, budget and limits."""
    project, config = desk.project, desk.project.config
    return ProjectReply(
        id=project.store.identity(),
        name=config.name,
        classes=[
            ClassReply(
                index=index,
                name=name,
                color=config.serve.colours.get(name, _COLORS[index % len(_COLORS)]),
            )
            for index, name in enumerate(project.source.classes.names)
        ],
        unlabelled=UNLABELLED_VALUE,
        unit=config.query.unit.value,
        acquisition=config.query.acquisition,
        acquisitions=desk.acquisitions,
        budget=_budget(desk),
        images=len(project.images),
        pool_images=len(project.pool_ids),
        validation_images=len(project.roles.validation),
        lease_seconds=config.serve.lease_seconds,
        idle_seconds=config.serve.idle_seconds,
        max_body_bytes=MAX_BODY_BYTES,
        tile=TILE,
        mpp=desk.project.config.data.mpp,
        assistant=desk.assistant is not None,
        version=__version__,
    )


def _budget(desk: Desk) -> BudgetReply:
    query = desk.project.config.query
    if query.unit is Unit.REGION:
        rule = query.region
        return BudgetReply(regions=rule.budget_regions, pixels=rule.budget_pixels, images=None)
    return BudgetReply(
        regions=None, pixels=query.image.budget_pixels, images=query.image.budget_images
    )


def _session_reply(person: Person, desk: Desk) -> SessionReply:
    return SessionReply(name=person.name, role=person.role.value, token_required=desk.needs_token)


def _is_encrypted(request: Request) -> bool:
    """Whether the browser speaks TLS, with us or with a proxy that says so.

    Who lies about it keeps their own cookie from themselves, and nothing else.
    """
    told = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    return "https" in {request.url.scheme, told}


def _is_same(given: str, key: str) -> bool:
    """Compare secrets in a time that tells nothing; of text, Python compares ASCII alone."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), key.encode())
