"""Routes of whole slides: where the fields of each lie, and a picture of it."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Response
from PIL import Image

from askmask.data.slides.heat import read_heat
from askmask.data.slides.slide_picture import overview
from askmask.data.slides.slide_source import SlideSource
from askmask.serve.web.desk import Desk, Somebody, TheDesk
from askmask.serve.web.messages import FieldReply, SlideReply, SlidesReply
from askmask.serve.web.problems import Problem
from askmask.serve.web.routes.items import picture_reply

router = APIRouter(prefix="/slides", tags=["slides"])

SlideNumber = Annotated[int, Path(ge=0, le=2**31 - 1, description="Number of a slide, from 0.")]
HeatRound = Annotated[
    int, Query(ge=0, le=2**31 - 1, description="Round whose query chose by the scores to be shown.")
]


@router.get("")
def list_slides(_: Somebody, desk: TheDesk) -> SlidesReply:
    """List every slide; none in a project of plain images."""
    source = desk.project.source
    if not isinstance(source, SlideSource):
        return SlidesReply(slides=[])
    fields: dict[str, list[FieldReply]] = {}
    for image_id, number in desk.numbers.items():
        if image_id in desk.project.images:
            frame = source.frame(image_id)
            row, col = round(frame.row / frame.scale), round(frame.col / frame.scale)
            fields.setdefault(frame.name, []).append(FieldReply(image=number, row=row, col=col))
    return SlidesReply(
        slides=[
            SlideReply(
                number=number,
                name=slide.id,
                height=int(slide.height * slide.mpp / source.mpp),
                width=int(slide.width * slide.mpp / source.mpp),
                tissue_share=slide.tissue_share,
                fields=fields.get(slide.id, []),
            )
            for number, slide in enumerate(source.slide_set.slides)
        ]
    )


@router.get("/{number}/overview", response_class=Response)
async def draw_overview(
    number: SlideNumber, _: Somebody, desk: TheDesk, round: HeatRound = 0
) -> Response:
    """Draw a slide with the edge of its tissue, and the scores of a round in red: JPEG."""
    return await to_thread.run_sync(_draw, desk, number, round, limiter=desk.drawing)


def _draw(desk: Desk, number: int, round: int) -> Response:
    source = desk.project.source
    slides = source.slide_set.slides if isinstance(source, SlideSource) else ()
    if number >= len(slides) or not isinstance(source, SlideSource):
        raise Problem(404, "not_found", f"no slide {number} among {len(slides)}.")
    slide = slides[number]
    heat = read_heat(desk.project.heat_path(round)).get(slide.id)
    return picture_reply(Image.fromarray(overview(source, slide, (), heat)), "JPEG")
