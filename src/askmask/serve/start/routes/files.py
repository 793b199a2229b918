"""Routes of files: folders to choose from, and files that are dropped onto the page."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from askmask.serve.start.desk import Owner, TheStart
from askmask.serve.start.messages import FolderReply, UploadId, UploadReply
from askmask.serve.start.uploads import Upload

router = APIRouter(tags=["files"])


@router.get("/folders")
def read_folder(
    _: Owner, desk: TheStart, path: Annotated[str | None, Query(max_length=4096)] = None
) -> FolderReply:
    """Tell what lies in a folder below the roots; in the first root if none is named."""
    found = desk.roots.look(path)
    return FolderReply(
        path=str(found.path),
        above=None if found.above is None else str(found.above),
        folders=list(found.folders),
        files=list(found.files),
        images=found.images,
        is_project=found.is_project,
        has_more=found.has_more,
    )


@router.post("/uploads", status_code=201)
def begin_upload(_: Owner, desk: TheStart) -> UploadReply:
    """Begin an upload."""
    return _reply(desk.uploads.begin())


@router.put("/uploads/{upload}/files")
async def add_part(
    upload: UploadId,
    name: Annotated[str, Query(min_length=1, max_length=400)],
    offset: Annotated[int, Query(ge=0, le=2**40)],
    request: Request,
    _: Owner,
    desk: TheStart,
) -> UploadReply:
    """Keep a part of a file, which begins at an offset."""
    content = await request.body()
    await run_in_threadpool(desk.uploads.add, upload, name, offset, content)
    return _reply(desk.uploads.find(upload))


@router.delete("/uploads/{upload}", status_code=204)
def remove_upload(upload: UploadId, _: Owner, desk: TheStart) -> None:
    """Remove what was dropped."""
    desk.uploads.remove(upload)


def _reply(upload: Upload) -> UploadReply:
    return UploadReply(
        upload=upload.upload_id, files=len(upload.sizes), bytes=sum(upload.sizes.values())
    )
