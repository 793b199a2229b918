"""Route that spreads a few strokes over a region; see `askmask.assist`."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from pydantic import BaseModel

from askmask.assist.spread import spread
from askmask.serve.web.desk import Somebody, TheDesk
from askmask.serve.web.labels import labels_to_runs, runs_to_labels
from askmask.serve.web.messages import Asked, Rank, Round, Runs

router = APIRouter(prefix="/items", tags=["items"])

_limiter = CapacityLimiter(2)
"""Regions that are cut or spread at a time; more wait in line, and the server serves others."""


class NewStrokes(Asked):
    """Strokes to be spread over a region: the classes where somebody drew, 255 elsewhere."""

    runs: Runs


class SpreadReply(BaseModel):
    """Labels of a whole region, from strokes."""

    runs: Runs


@router.post("/{round}/{rank}/spread")
async def spread_strokes(
    round: Round, rank: Rank, asked: NewStrokes, _: Somebody, desk: TheDesk
) -> SpreadReply:
    """Spread strokes over a region; without a stroke, only prepare it."""

    def work() -> SpreadReply:
        region = desk.project.store.worklist.item(round, rank).item.region
        n_classes = len(desk.project.source.classes)
        strokes = runs_to_labels(asked.runs, region.height, region.width, n_classes)
        patches = desk.patches.of(region, lambda: desk.pyramid.shrunk(region, 1))
        return SpreadReply(runs=labels_to_runs(spread(patches, strokes)))

    return await to_thread.run_sync(work, limiter=_limiter)
