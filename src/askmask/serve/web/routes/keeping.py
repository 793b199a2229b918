"""Routes of keeping labelled images for validation, so that the page can tell how good it is."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from askmask.data.roles import LEAST_LABELLED, kept_count
from askmask.serve.web.desk import Admin, Somebody, TheDesk

router = APIRouter(prefix="/validation", tags=["status"])

State = Literal["set", "few", "offered", "waiting", "kept"]


class KeepingReply(BaseModel):
    """Whether labelled images are kept for validation, or may be.

    `state` is ``"set"`` where the data set has validation images, ``"few"`` where too few images
    are labelled, ``"offered"``, ``"waiting"`` until the next training begins, and ``"kept"``.
    `images` are kept, or would be, `labelled` have labels, and `least` are needed.
    """

    state: State
    images: int
    labelled: int
    least: int
    by: str | None


@router.get("")
def read_keeping(_: Somebody, desk: TheDesk) -> KeepingReply:
    """Tell whether labelled images are kept for validation, or may be."""
    return _state(desk)


@router.post("", status_code=201)
def keep_some(person: Admin, desk: TheDesk) -> KeepingReply:
    """Keep a fifth of the labelled images for validation, from the next training on."""
    desk.project.keep_some_apart(person.name)
    return _told(desk)


@router.delete("")
def use_again(_: Admin, desk: TheDesk) -> KeepingReply:
    """Learn from the kept images after all; refused once a training has left them out."""
    desk.project.store.kept.use_again()
    return _told(desk)


def _told(desk: TheDesk) -> KeepingReply:
    """Let every open page look again, and tell this one."""
    desk.project.store.control.note("rounds", 0)
    return _state(desk)


def _state(desk: TheDesk) -> KeepingReply:
    project = desk.project
    kept, labelled = project.store.kept.now(), len(project.store.labelled_images())
    images, by = kept_count(labelled), None
    state: State = "offered" if images else "few"
    if kept is not None:
        state = "waiting" if kept.since is None else "kept"
        images, by = len(kept.images), kept.by
    elif project.roles.validation:
        state, images = "set", len(project.roles.validation)
    return KeepingReply(state=state, images=images, labelled=labelled, least=LEAST_LABELLED, by=by)
