"""Route that proposes a mask from a box and clicks; see `askmask.assist.prompted`."""

from typing import Annotated, Final

import numpy as np
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter
from pydantic import BaseModel, Field

from askmask.assist.prompted.assistant import Assistant
from askmask.assist.prompted.prompt import MOST_CLICKS, Click, Prompt
from askmask.serve.embedder import FACT
from askmask.serve.web.desk import Desk, Somebody, TheDesk
from askmask.serve.web.labels import labels_to_runs
from askmask.serve.web.messages import Asked, Rank, Round, Runs
from askmask.serve.web.problems import Problem

router = APIRouter(prefix="/items", tags=["items"])

_limiter = CapacityLimiter(1)
"""One prompt is decoded at a time; more wait in line, and the server serves others."""

_FARTHEST: Final = 1e6
Position = Annotated[
    float, Field(ge=-_FARTHEST, le=_FARTHEST, allow_inf_nan=False, description="In the region.")
]


class NewBox(Asked):
    """A box around one object, in the region's pixels; it may reach out of the region."""

    top: Position
    left: Position
    bottom: Position
    right: Position


class NewClick(Asked):
    """A place that belongs to the object, or does not."""

    row: Position
    col: Position
    inside: bool


class NewPrompt(Asked):
    """What somebody says of an object; without a box, whether the region is prepared."""

    box: NewBox | None = None
    clicks: list[NewClick] = Field(default_factory=list, max_length=MOST_CLICKS)


class ProposalReply(BaseModel):
    """A mask in the region, 1 where the object is proposed; null with a message if not yet."""

    runs: Runs | None
    message: str


@router.post("/{round}/{rank}/proposal")
async def propose_mask(
    round: Round, rank: Rank, asked: NewPrompt, _: Somebody, desk: TheDesk
) -> ProposalReply:
    """Propose a mask for a box and clicks; without a box, only tell whether that can be done."""
    assistant = desk.assistant
    if assistant is None:
        raise Problem(
            404,
            "no_assistant",
            "expected a project with a box and click assistant, but its settings name none. Set "
            "assist in askmask.yaml and start the server anew.",
        )
    prompt = _prompt(asked)

    def work() -> ProposalReply:
        return _propose(desk, assistant, (round, rank), prompt)

    return await to_thread.run_sync(work, limiter=_limiter)


def _prompt(asked: NewPrompt) -> Prompt | None:
    if asked.box is None:
        if asked.clicks:
            raise Problem(
                422,
                "invalid",
                "expected a box with the clicks, got clicks alone. Draw a box first.",
            )
        return None
    box = asked.box
    clicks = tuple(Click(click.row, click.col, click.inside) for click in asked.clicks)
    return Prompt(box.top, box.left, box.bottom, box.right, clicks)


def _propose(
    desk: Desk, assistant: Assistant, place: tuple[int, int], prompt: Prompt | None
) -> ProposalReply:
    item = desk.project.store.worklist.item(*place)
    region, image = item.item.region, desk.project.images[desk.image_id(item.image)]
    mask = assistant.propose(region, image, lambda part: desk.pyramid.shrunk(part, 1), prompt)
    if mask is None:
        return ProposalReply(runs=None, message=_why_not_yet(desk))
    return ProposalReply(runs=labels_to_runs(mask.astype(np.int16)), message="")


def _why_not_yet(desk: Desk) -> str:
    """Why a picture is not prepared, in words for a person."""
    control = desk.project.store.control
    worker, problem = control.worker(), control.fact(FACT)
    if worker is None or not worker.is_alive:
        return "No worker runs, so this picture is not prepared yet: start it under Status."
    if worker.state in {"paused", "stopped"}:
        return f"The worker is {worker.state}, so this picture is not prepared yet: see Status."
    if problem:
        return f"This picture cannot be prepared: {problem}"
    return "This picture is being prepared for the assistant, before all others."
