"""What ``slides.json`` says of a set of slides: the files, their scale, and their fields.

::

    slides.json          classes, the working resolution, one record per slide
    tissue/SLIDE.png     where there is tissue, white on black, 16 micrometres per pixel
    masks/SLIDE/4_8.png  8-bit class indices of a field, 255 = unlabelled; where masks are known

The slides themselves stay where they are. A *field* is a part of a slide at the working
resolution; to the loop it is an image. Fields do not overlap, and those of a slide cover its
tissue.
"""

import json
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from askmask.data.slides.tiled_image import Box, Size
from askmask.errors import SourceError
from askmask.whole_files import write_atomically

SET_NAME: Final = "slides.json"
FIELD_SIDE: Final = 1024
"""Pixels of the working resolution; fields at the lower and right edge have half to 1.5 times."""

_VERSION: Final = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SlideEntry(_Part):
    """One slide.

    Attributes
    ----------
    id : str
        The file's name without its ending; what its fields' ids begin with.
    file : str
        Path, relative to the folder of the set or absolute.
    file_bytes : int
        What tells that the file was exchanged.
    height, width : int
        Pixels of its first level.
    mpp : float
        Micrometres per pixel of its first level.
    tissue : str or None
        Mask file, relative; None if all of the slide may be asked.
    tissue_share : float
        Share of the slide that is tissue; 1 without a mask.
    fields : tuple of (row, col, height, width)
        In pixels of the working resolution.
    """

    id: str
    file: str
    file_bytes: int = Field(ge=0)
    height: int = Field(ge=1)
    width: int = Field(ge=1)
    mpp: float = Field(gt=0)
    tissue: str | None = None
    tissue_share: float = Field(1.0, ge=0, le=1)
    fields: tuple[tuple[int, int, int, int], ...]


class SlideSet(_Part):
    """Classes, the working resolution in micrometres per pixel, and the slides.

    `masked` are the ids of the fields of which a mask is known.
    """

    format: Literal["askmask-slides"] = "askmask-slides"
    version: Literal[1] = 1
    classes: tuple[str, ...]
    mpp: float = Field(gt=0)
    slides: tuple[SlideEntry, ...]
    masked: tuple[str, ...] = ()


def is_slide_set(folder: Path) -> bool:
    """Whether a folder holds the description of a set of slides."""
    return (folder / SET_NAME).is_file()


def read_slide_set(folder: Path) -> SlideSet:
    """Read the description in a folder.

    Raises
    ------
    SourceError
        If there is none, or none of this version.
    """
    file = folder / SET_NAME
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        version = tree.get("version") if isinstance(tree, dict) else None
        if isinstance(version, int) and version > _VERSION:
            raise SourceError(
                f"{str(file)!r} has version {version}, this askmask reads {_VERSION}. "
                "Update askmask."
            )
        return SlideSet.model_validate(tree)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise SourceError(
            f"{str(file)!r} is no valid set of slides: {key}: {first['msg']}, got "
            f"{first['input']!r}. Make the project again."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            f"cannot read {str(file)!r} ({error}). Make the project again."
        ) from error


def write_description(folder: Path, made: SlideSet) -> None:
    """Write the description of a set into its folder, whole or not at all."""
    text = json.dumps(made.model_dump(), indent=1, ensure_ascii=False)
    write_atomically(folder / SET_NAME, text + "\n")


def mask_path(folder: Path, image_id: str) -> Path:
    """File of the known mask of a field."""
    return folder / "masks" / f"{image_id}.png"


def field_id(slide_id: str, row: int, col: int) -> str:
    """Id of a field: its slide, and where it begins in pixels of the working resolution."""
    return f"{slide_id}/{row}_{col}"


def field_boxes(size: Size, side: int) -> list[Box]:
    """Fields of a whole slide, in reading order; each pixel lies in one.

    Parameters
    ----------
    size : (int, int)
        Rows and columns at the working resolution.
    side : int
        Of a field; what is left over at an edge is a field of its own from half a side on, and
        belongs to the field before below that.
    """
    rows, cols = cut_side(size[0], side), cut_side(size[1], side)
    return [Box(row, col, height, width) for row, height in rows for col, width in cols]


def cut_side(length: int, side: int) -> list[tuple[int, int]]:
    """Start and length of each part of a side."""
    count = max((length + side // 2) // side, 1)
    starts = [part * side for part in range(count)]
    return [(s, e - s) for s, e in zip(starts, [*starts[1:], length], strict=True)]
