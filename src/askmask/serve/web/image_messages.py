"""Bodies of the routes of images and of slides; `messages` has all others."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from askmask.serve.web.messages import Asked

SlidePlace = Annotated[float, Field(ge=-1e6, le=1e6)]


class ImageReply(BaseModel):
    """An image."""

    number: int
    image_id: str
    height: int
    width: int
    role: Literal["start", "pool", "validation", "test", "none"]
    labelled_pixels: int


class FieldReply(BaseModel):
    """Where an image lies on its slide."""

    image: int
    row: int
    col: int


class SlideReply(BaseModel):
    """A slide; lengths and places in pixels of its fields."""

    number: int
    name: str
    height: int
    width: int
    tissue_share: float
    tissue_version: str
    fields: list[FieldReply]


class NewStroke(Asked):
    """A stroke of a round brush that makes tissue, or glass; in pixels of the fields."""

    is_tissue: bool
    radius: float = Field(gt=0, le=10_000)
    points: list[Annotated[list[SlidePlace], Field(min_length=2, max_length=2)]] = Field(
        min_length=1, max_length=2000
    )


class TissueReply(BaseModel):
    """The tissue of a slide: its share, and what changes with every change."""

    tissue_share: float
    tissue_version: str


class SlidesReply(BaseModel):
    """Every slide."""

    slides: list[SlideReply]


class ImagesReply(BaseModel):
    """Every image."""

    images: list[ImageReply]


class SlideAround(BaseModel):
    """The slide that an image is a part of, and how it is cut; in pixels of its first level."""

    number: int
    row: float
    col: float
    scale: Annotated[float, Field(description="Pixels of the slide along one of the image.")]
    height: int
    width: int
    tile: int
    levels: int


class ImageWithTiles(ImageReply):
    """An image and how it is cut."""

    tile: int
    levels: int
    slide: SlideAround | None = None
