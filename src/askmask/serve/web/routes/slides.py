"""Routes of whole slides: where the fields of each lie, and a picture of it."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query, Response
from PIL import Image

from askmask.data.slides.deep_zoom import TILE, deep_levels, deep_tile
from askmask.data.slides.heat import read_heat
from askmask.data.slides.slide_picture import overview
from askmask.data.slides.slide_set import SlideEntry
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tissue_mask import Stroke
from askmask.data.source import Source
from askmask.errors import SourceError
from askmask.serve.web.desk import Admin, Desk, Somebody, TheDesk
from askmask.serve.web.image_messages import (
    FieldReply,
    NewStroke,
    SlideAround,
    SlideReply,
    SlidesReply,
    TissueReply,
)
from askmask.serve.web.messages import Level, TileIndex
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
                **_tissue(source, slide).model_dump(),
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


@router.get("/{number}/tiles/{level}/{row}/{col}", response_class=Response)
async def draw_slide_tile(
    number: SlideNumber, level: Level, row: TileIndex, col: TileIndex, _: Somebody, desk: TheDesk
) -> Response:
    """Draw a tile of a slide as it was scanned (level 0), or shrunk: JPEG."""

    def draw() -> Response:
        source, slide = _slide(desk, number)
        return picture_reply(Image.fromarray(deep_tile(source, slide, level, row, col)), "JPEG")

    return await to_thread.run_sync(draw, limiter=desk.drawing)


@router.post("/{number}/tissue")
def paint_tissue(number: SlideNumber, asked: NewStroke, _: Admin, desk: TheDesk) -> TissueReply:
    """Make a part of a slide tissue, or glass: nothing is asked on glass from then on."""
    source, slide = _slide(desk, number)
    points = tuple((row, col) for row, col in asked.points)
    try:
        source.paint_tissue(slide, Stroke(asked.is_tissue, points, asked.radius))
    except SourceError as error:
        raise Problem(422, "invalid", str(error)) from error
    return _tissue(source, slide)


def slide_around(source: Source, image_id: str) -> SlideAround | None:
    """Where an image lies on its slide; None for a plain image."""
    if not isinstance(source, SlideSource):
        return None
    frame = source.frame(image_id)
    number, slide = next(
        (number, slide)
        for number, slide in enumerate(source.slide_set.slides)
        if slide.id == frame.name
    )
    return SlideAround(
        number=number,
        row=frame.row,
        col=frame.col,
        scale=frame.scale,
        height=slide.height,
        width=slide.width,
        tile=TILE,
        levels=deep_levels(slide),
    )


def _tissue(source: SlideSource, slide: SlideEntry) -> TissueReply:
    version = source.tissue_version(slide)
    return TissueReply(tissue_share=source.tissue_share(slide), tissue_version=version)


def _draw(desk: Desk, number: int, round: int) -> Response:
    source, slide = _slide(desk, number)
    heat = read_heat(desk.project.heat_path(round)).get(slide.id)
    return picture_reply(Image.fromarray(overview(source, slide, (), heat)), "JPEG")


def _slide(desk: Desk, number: int) -> tuple[SlideSource, SlideEntry]:
    source = desk.project.source
    slides = source.slide_set.slides if isinstance(source, SlideSource) else ()
    if number >= len(slides) or not isinstance(source, SlideSource):
        raise Problem(404, "not_found", f"no slide {number} among {len(slides)}.")
    return source, slides[number]
