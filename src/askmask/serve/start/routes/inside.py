"""Routes of one project seen from outside: the card of its model, and its classes."""

from dataclasses import asdict

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from askmask.errors import ProjectError
from askmask.loop.begin.classes import change_classes
from askmask.loop.project import Project
from askmask.serve.start.card import card_of
from askmask.serve.start.desk import Owner, TheStart
from askmask.serve.start.messages import (
    CardReply,
    ClassChangeReply,
    NewClasses,
    ProjectId,
)

router = APIRouter(prefix="/projects", tags=["projects"])


@router.get("/{project_id}/card")
def read_card(project_id: ProjectId, _: Owner, desk: TheStart) -> CardReply:
    """Tell what is to be known of the project's model."""
    opened = desk.opened.find(project_id)
    if opened is not None:
        return card_of(opened.project)
    with Project.open(desk.root(project_id)) as project:
        return card_of(project)


@router.put("/{project_id}/classes")
async def put_classes(
    project_id: ProjectId, asked: NewClasses, _: Owner, desk: TheStart
) -> ClassChangeReply:
    """Rename and recolour classes, and add some; the project is closed for that moment."""
    root = desk.root(project_id)
    if desk.jobs.is_busy_with(root):
        raise ProjectError("a job is at work on this project. Wait for it, or end it.")
    names = [cls.name for cls in asked.classes]
    colours = {cls.name: cls.colour for cls in asked.classes}
    async with desk.opened.closed(root):
        change = await run_in_threadpool(change_classes, root, names, colours)
    return ClassChangeReply.model_validate(asdict(change))
