"""Routes of long work: begin it, see how far it is, end it, fetch what it made."""

import json
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from askmask.errors import ProjectError
from askmask.runtime.user_folders import user_data
from askmask.serve.start.desk import Owner, StartDesk, TheStart
from askmask.serve.start.jobs import StartedJob
from askmask.serve.start.messages import (
    JobNumber,
    JobReply,
    NewExport,
    NewImport,
    NewLook,
    NewPrediction,
    NewProject,
    ProjectId,
)
from askmask.serve.web.problems import Problem

router = APIRouter(tags=["jobs"])
Tree = dict[str, Any]  # Any: what JSON holds


@router.get("/jobs/{number}")
def read_job(number: JobNumber, _: Owner, desk: TheStart) -> JobReply:
    """Tell how far a job is."""
    return _reply(desk.jobs.job(number))


@router.delete("/jobs/{number}")
async def end_job(number: JobNumber, _: Owner, desk: TheStart) -> JobReply:
    """End a job; what it was making is cleared away."""
    job = desk.jobs.job(number)
    await desk.jobs.end(job)
    return _reply(job)


@router.get("/jobs/{number}/file", response_class=FileResponse)
def read_file(number: JobNumber, _: Owner, desk: TheStart) -> FileResponse:
    """Download what a job made."""
    file = desk.jobs.job(number).file
    if file is None or not file.is_file():
        raise Problem(404, "not_found", "expected a job that made a file, got another.")
    return FileResponse(file, filename=file.name, headers={"Cache-Control": "no-store"})


@router.post("/example", status_code=202)
async def begin_example_job(_: Owner, desk: TheStart) -> JobReply:
    """Make the example project, unless it is there."""
    return _reply(desk.jobs.begin("example", {"root": str(user_data() / "example")}))


@router.post("/checks", status_code=202)
async def begin_check(asked: NewLook, _: Owner, desk: TheStart) -> JobReply:
    """NewLook at images and masks, as `askmask check` does."""
    return _reply(desk.jobs.begin("check", await run_in_threadpool(_look, asked, desk)))


@router.post("/projects/new", status_code=202)
async def begin_project_job(asked: NewProject, _: Owner, desk: TheStart) -> JobReply:
    """Make a project, as `askmask init` does."""
    root = desk.roots.allowed(asked.folder)
    chosen: dict[str, object] = {
        "name": asked.name,
        "training.seconds": asked.seconds,
        "query.region.size": None if asked.region is None else [asked.region] * 2,
        "query.region.stride": None if asked.region is None else max(asked.region // 4, 1),
        "query.acquisition": asked.acquisition,
        "serve.colours": {cls.name: cls.colour for cls in asked.classes} or None,
    }
    settings = {key: value for key, value in chosen.items() if value is not None}
    request = await run_in_threadpool(_look, asked, desk) | {
        "root": str(root),
        "settings": [f"{key}={json.dumps(value)}" for key, value in settings.items()],
    }
    return _reply(desk.jobs.begin("create", request))


@router.post("/projects/{project_id}/predictions", status_code=202)
async def begin_prediction(
    project_id: ProjectId, asked: NewPrediction, _: Owner, desk: TheStart
) -> JobReply:
    """Predict images by the newest model."""
    root = desk.root(project_id)
    request = asked.model_dump(exclude={"images"}) | {
        "project": str(root),
        "images": str(await run_in_threadpool(desk.place, asked.images)),
        "out": str(desk.fresh(f"{root.name}-predicted")),
    }
    return _reply(desk.jobs.begin("predict", request))


@router.post("/projects/{project_id}/exports", status_code=202)
async def begin_export(
    project_id: ProjectId, asked: NewExport, _: Owner, desk: TheStart
) -> JobReply:
    """Write queries, answers or predictions for another program."""
    root = desk.root(project_id)
    out = desk.fresh(f"{root.name}-{asked.what}-{asked.format}")
    request = asked.model_dump() | {"project": str(root), "out": str(out)}
    return _reply(desk.jobs.begin("export", request))


@router.post("/projects/{project_id}/imports", status_code=202)
async def begin_import(
    project_id: ProjectId, asked: NewImport, owner: Owner, desk: TheStart
) -> JobReply:
    """Take labels of another program in as answers."""
    request = asked.model_dump(exclude={"files"}) | {
        "project": str(desk.root(project_id)),
        "path": str(await run_in_threadpool(desk.place, asked.files)),
        "author": owner.name,
    }
    return _reply(desk.jobs.begin("import", request))


def _look(asked: NewLook, desk: StartDesk) -> Tree:
    images = desk.place(asked.images)
    if not images.is_dir():
        raise ProjectError(f"expected a folder of images, got the file {images.name!r}.")
    return {
        "images": str(images),
        "masks": None if asked.masks is None else str(desk.place(asked.masks)),
        "options": asked.options.model_dump(),
        "classes": [cls.model_dump() for cls in asked.classes],
    }


def _reply(job: StartedJob) -> JobReply:
    return JobReply(
        job=job.number,
        kind=job.kind,
        state=job.state,
        doing=job.doing,
        done=job.done,
        total=job.total,
        result=job.result,
        problems=list(job.problems),
        has_file=job.file is not None,
    )
