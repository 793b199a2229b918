"""Routes of the list of projects: open, close, forget, put away."""

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from askmask.errors import ProjectError
from askmask.loop.project import CONFIG_NAME
from askmask.serve.start.bin import put_away
from askmask.serve.start.desk import Owner, StartDesk, TheStart, name_of
from askmask.serve.start.known import Known, forget_project, known_projects, note_project
from askmask.serve.start.messages import (
    AddedProject,
    BinReply,
    KnownReplies,
    KnownReply,
    OpenedReply,
    ProjectId,
    PutAway,
)
from askmask.serve.start.opened import session_of
from askmask.serve.web.problems import Problem
from askmask.store.tokens import SESSION_DAYS

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("")
def list_projects(_: Owner, desk: TheStart) -> KnownReplies:
    """List the projects that were opened lately."""
    roots = desk.roots.folders
    return KnownReplies(
        projects=[_reply(known, desk) for known in known_projects()],
        roots=[str(root) for root in roots],
        new_folder=str(roots[0] / "askmask") if roots else None,
    )


@router.post("", status_code=201)
def add_project(asked: AddedProject, _: Owner, desk: TheStart) -> KnownReply:
    """Put a project of a folder into the list."""
    root = desk.roots.allowed(asked.folder)
    if not (root / CONFIG_NAME).is_file():
        raise ProjectError(
            f"expected a project in {str(root)!r}, found no {CONFIG_NAME}. Choose its folder, or "
            "make a new project."
        )
    return _reply(note_project(root), desk)


@router.get("/{project_id}")
def read_known(project_id: ProjectId, _: Owner, desk: TheStart) -> KnownReply:
    """Tell of one project."""
    return _reply(desk.known(project_id), desk)


@router.post("/{project_id}/open")
async def open_project(
    project_id: ProjectId, owner: Owner, desk: TheStart, response: Response
) -> OpenedReply:
    """Serve a project, and log in there."""
    opened = await desk.opened.open(desk.root(project_id))
    cookie, secret = await run_in_threadpool(session_of, opened, owner.name)
    age = SESSION_DAYS * 24 * 3600
    response.set_cookie(cookie, secret, max_age=age, path="/", httponly=True, samesite="strict")
    return OpenedReply(address=f"projects/{project_id}/")


@router.post("/{project_id}/close")
async def close_project(project_id: ProjectId, _: Owner, desk: TheStart) -> KnownReply:
    """Serve a project no longer; its worker ends."""
    await desk.opened.close(project_id)
    return _reply(desk.known(project_id), desk)


@router.post("/{project_id}/forget", status_code=204)
async def forget(project_id: ProjectId, _: Owner, desk: TheStart) -> None:
    """Take a project out of the list; its folder stays."""
    known = desk.known(project_id)
    await desk.opened.close(project_id)
    await run_in_threadpool(forget_project, known.root)


@router.post("/{project_id}/bin")
async def move_to_bin(project_id: ProjectId, asked: PutAway, _: Owner, desk: TheStart) -> BinReply:
    """Move a project into the bin folder beside it, if its name is typed."""
    root = desk.root(project_id)
    name, _problem = name_of(desk.known(project_id))
    if asked.name != name:
        raise Problem(422, "invalid", f"expected the project's name, {name!r}, got {asked.name!r}.")
    if desk.jobs.is_busy_with(root):
        raise ProjectError("a job is at work on this project. Wait for it, or end it.")
    async with desk.opened.closed(root, reopens=False):
        folder = await run_in_threadpool(put_away, root)
    await run_in_threadpool(forget_project, root)
    return BinReply(folder=str(folder))


def _reply(known: Known, desk: StartDesk) -> KnownReply:
    name, problem = name_of(known)
    return KnownReply(
        id=known.project_id,
        name=name,
        folder=str(known.root),
        opened_at=known.opened_at,
        is_open=known.project_id in desk.opened,
        problem=problem,
    )
