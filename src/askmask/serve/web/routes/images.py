"""Routes of images: their list, their tiles, and the known labels in a window."""

from typing import Final, Literal

from anyio import to_thread
from fastapi import APIRouter, Response
from PIL import Image

from askmask.data.image_parts import TILE, levels
from askmask.records import Region
from askmask.serve.web.desk import Desk, Somebody, TheDesk
from askmask.serve.web.image_messages import (
    ImageReply,
    ImagesReply,
    ImageWithTiles,
)
from askmask.serve.web.labels import labels_to_runs
from askmask.serve.web.messages import (
    Coordinate,
    ImageNumber,
    Level,
    Side,
    TileIndex,
    WindowReply,
)
from askmask.serve.web.problems import Problem
from askmask.serve.web.routes.items import picture_reply
from askmask.serve.web.routes.slides import slide_around

router = APIRouter(prefix="/images", tags=["images"])

MAX_WINDOW_PIXELS: Final = 4 * 2**20
ImageRole = Literal["start", "pool", "validation", "test", "none"]


@router.get("")
def tell_images(_: Somebody, desk: TheDesk) -> ImagesReply:
    """List every image."""
    return ImagesReply(images=_image_replies(desk))


@router.get("/{number}")
def read_image(number: ImageNumber, _: Somebody, desk: TheDesk) -> ImageWithTiles:
    """Tell size, role, and how the image is cut into tiles."""
    info = desk.project.images[desk.image_id(number)]
    reply = next(reply for reply in _image_replies(desk) if reply.number == number)
    around = slide_around(desk.project.source, info.image_id)
    return ImageWithTiles(**reply.model_dump(), tile=TILE, levels=levels(info), slide=around)


@router.get("/{number}/tiles/{level}/{row}/{col}", response_class=Response)
async def draw_tile(
    number: ImageNumber, level: Level, row: TileIndex, col: TileIndex, _: Somebody, desk: TheDesk
) -> Response:
    """Draw a tile: PNG at full size, JPEG where the image is shrunk."""

    def draw() -> Response:
        pixels = desk.pyramid.tile(desk.image_id(number), level, row, col)
        return picture_reply(Image.fromarray(pixels), "PNG" if level == 0 else "JPEG")

    # Tiles that wait for an image to be decoded must not take the threads of all other routes.
    return await to_thread.run_sync(draw, limiter=desk.drawing)


@router.get("/{number}/labels")
def read_labels(
    number: ImageNumber,
    row: Coordinate,
    col: Coordinate,
    height: Side,
    width: Side,
    _: Somebody,
    desk: TheDesk,
) -> WindowReply:
    """Tell the labels known so far in a window of an image."""
    image_id = desk.image_id(number)
    if height * width > MAX_WINDOW_PIXELS:
        raise Problem(
            422,
            "invalid",
            f"expected a window of at most {MAX_WINDOW_PIXELS} pixels, got {height} x {width}.",
        )
    labels = desk.region_labels(Region(image_id, row, col, height, width))
    return WindowReply(row=row, col=col, height=height, width=width, runs=labels_to_runs(labels))


def _image_replies(desk: Desk) -> list[ImageReply]:
    roles = _roles(desk)
    labelled = desk.project.store.labelled_pixels_of_images()
    return [
        ImageReply(
            number=number,
            image_id=image_id,
            height=desk.project.images[image_id].height,
            width=desk.project.images[image_id].width,
            role=roles.get(image_id, "none"),
            labelled_pixels=labelled.get(image_id, 0),
        )
        for number, image_id in enumerate(desk.image_ids)
        if image_id in desk.project.images
    ]


def _roles(desk: Desk) -> dict[str, ImageRole]:
    roles = desk.project.roles
    named: tuple[tuple[ImageRole, tuple[str, ...]], ...] = (
        ("start", roles.start),
        ("pool", roles.pool),
        ("validation", roles.validation),
        ("test", roles.test),
    )
    return {image_id: role for role, ids in named for image_id in ids}
