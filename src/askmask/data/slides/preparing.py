"""Making a set of slides: each is opened, its scale settled, its tissue found, its fields cut."""

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from PIL import Image

from askmask.data.prepared import check_id
from askmask.data.slides.opening import open_tiled, same_names, slide_bytes, slide_name
from askmask.data.slides.resampled import at_mpp
from askmask.data.slides.slide_set import (
    FIELD_SIDE,
    SlideEntry,
    SlideSet,
    field_boxes,
    write_description,
)
from askmask.data.slides.tiled_image import Box, TiledImage
from askmask.data.slides.tissue_mask import TISSUE_MPP, find_tissue, tissue_at
from askmask.errors import ConfigError, PrepareError, SourceError
from askmask.records import ClassMap

WORKING_MPP: Final = 1.0
"""Micrometres per pixel where none are asked for: glands and their neighbours fit into a region."""
LEAST_SHARE: Final = 0.01
"""Of a field that must be tissue; else the field is left out."""

_SMALLEST_SIDE: Final = 32  # what networks accept
_ALL: Final = "none"


@dataclass(frozen=True, slots=True)
class SlideOptions:
    """What a person says of slides.

    Attributes
    ----------
    classes : tuple of str
        Names, the background first.
    mpp : float
        Micrometres per pixel to work at.
    own_mpp : float, optional
        Of the slides that do not say how large their pixels are.
    tissue : "otsu" or "none"
        How tissue is found, or that all of a slide may be asked.
    """

    classes: tuple[str, ...]
    mpp: float = WORKING_MPP
    own_mpp: float | None = None
    tissue: Literal["otsu", "none"] = "otsu"

    def __post_init__(self) -> None:
        """Refuse sizes that no pixel has."""
        for value, name in ((self.mpp, "data.mpp"), (self.own_mpp, "--mpp")):
            if value is not None and not 0.01 <= value <= 1000:
                raise ConfigError(
                    f"expected {name} in micrometres per pixel, from 0.01 to 1000, got {value!r}."
                )


def write_slide_set(
    slides: Sequence[Path],
    out: Path,
    options: SlideOptions,
    progress: Callable[[int, int], object] | None = None,
) -> SlideSet:
    """Look at slides and write what a project needs to know of them.

    Parameters
    ----------
    slides : sequence of Path
        At least one; they stay where they are.
    out : Path
        Folder to make. The paths of slides are kept relative to it.
    options : SlideOptions
        Resolution, classes and tissue.
    progress : callable, optional
        Called with the number of slides that are done, and of all.

    Returns
    -------
    SlideSet

    Raises
    ------
    PrepareError
        With a line for every slide that cannot be used.
    """
    ClassMap.of(options.classes)
    (out / "tissue").mkdir(parents=True)
    entries: list[SlideEntry] = []
    problems = same_names(slides)
    for done, path in enumerate(slides):
        if progress is not None:
            progress(done, len(slides))
        try:
            with closing(open_tiled(path)) as image:
                entries.append(_entry(image, path, out, options))
        except SourceError as error:
            problems.append(f"{path.name}: {error}")
    if problems:
        raise PrepareError(problems)
    if progress is not None:
        progress(len(slides), len(slides))
    made = SlideSet(classes=options.classes, mpp=options.mpp, slides=tuple(entries))
    write_description(out, made)
    return made


def _entry(image: TiledImage, path: Path, out: Path, options: SlideOptions) -> SlideEntry:
    own = image.mpp if image.mpp is not None else options.own_mpp
    with closing(at_mpp(image, options.mpp, own)) as view:
        size = view.size
    assert own is not None, "a slide without is refused above"
    check_id(slide_name(path))
    if min(size) < _SMALLEST_SIDE:
        raise SourceError(
            f"expected at least {_SMALLEST_SIDE} x {_SMALLEST_SIDE} pixels at {options.mpp:g} "
            f"micrometres per pixel, got {size[0]} x {size[1]}. Choose a finer data.mpp."
        )
    name, boxes, share, tissue = slide_name(path), field_boxes(size, FIELD_SIDE), 1.0, None
    if options.tissue != _ALL:
        found = find_tissue(image, own)
        boxes = [box for box in boxes if _has_tissue(found, box, options.mpp)]
        share, tissue = float(found.mean()), f"tissue/{name}.png"
        Image.fromarray(found.astype(np.uint8) * 255).save(out / tissue)
    if not boxes:
        raise SourceError(
            "expected tissue on the slide, found none. If there is some, take all of the slide: "
            "--tissue none."
        )
    return SlideEntry(
        id=name,
        file=_relative(path, out),
        file_bytes=slide_bytes(path) or 0,
        height=image.size[0],
        width=image.size[1],
        mpp=own,
        tissue=tissue,
        tissue_share=share,
        fields=tuple((box.row, box.col, box.height, box.width) for box in boxes),
    )


def _has_tissue(tissue: np.ndarray, box: Box, mpp: float) -> bool:
    """Whether enough of a field is tissue, looked at as finely as the tissue is known."""
    step = max(int(TISSUE_MPP / mpp), 1)
    small = Box(box.row // step, box.col // step, -(-box.height // step), -(-box.width // step))
    return bool(tissue_at(tissue, small, mpp * step).mean() >= LEAST_SHARE)


def _relative(path: Path, out: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()
