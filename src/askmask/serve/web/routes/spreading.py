"""Route by which a few strokes label or correct a region; see `askmask.assist`."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from askmask.assist.correct import correct
from askmask.assist.spread import spread
from askmask.records import UNLABELLED
from askmask.serve.web.desk import Somebody, TheDesk
from askmask.serve.web.labels import labels_to_runs, runs_to_labels
from askmask.serve.web.messages import Asked, Rank, Round, Runs

router = APIRouter(prefix="/items", tags=["items"])

_limiter = CapacityLimiter(2)
"""Regions that are cut or spread at a time; more wait in line, and the server serves others."""


class NewStrokes(Asked):
    """Strokes of a person in a region, and the labels that were in hand before them."""

    runs: Annotated[Runs, Field(description="Classes where somebody drew, 255 elsewhere.")]
    labels: Annotated[
        Runs | None, Field(description="Labels in hand before the strokes; null: none at all.")
    ] = None


class SpreadReply(BaseModel):
    """Labels of a whole region, from strokes."""

    runs: Runs


@router.post("/{round}/{rank}/spread")
async def spread_strokes(
    round: Round, rank: Rank, asked: NewStrokes, _: Somebody, desk: TheDesk
) -> SpreadReply:
    """Correct labels in hand by strokes, or spread strokes over a region where nothing is.

    Without a stroke the region is only prepared.
    """

    def work() -> SpreadReply:
        region = desk.project.store.worklist.item(round, rank).item.region
        shape = (region.height, region.width, len(desk.project.source.classes))
        strokes = runs_to_labels(asked.runs, *shape)

        def read() -> npt.NDArray[np.uint8]:
            return desk.pyramid.shrunk(region, 1)

        in_hand = None if asked.labels is None else runs_to_labels(asked.labels, *shape)
        if in_hand is None or (in_hand == UNLABELLED).all():
            labels = spread(desk.patches.of(region, read), strokes)
        else:
            labels = correct(desk.edges.of(region, read), in_hand, strokes)
        return SpreadReply(runs=labels_to_runs(labels))

    return await to_thread.run_sync(work, limiter=_limiter)
