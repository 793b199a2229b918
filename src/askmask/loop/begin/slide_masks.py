"""Annotations of slides that exist already, taken in as known masks of their fields."""

from pathlib import Path

import numpy as np

from askmask.data.rasters import encode_mask
from askmask.data.slides.slide_set import mask_path, write_description
from askmask.data.slides.slide_source import SlideSource
from askmask.errors import ExchangeError, SourceError
from askmask.formats.format import Expected
from askmask.formats.qupath.reading import read_geojson
from askmask.records import UNLABELLED, Labels


def write_slide_masks(folder: Path, annotations: Path, *, has_background: bool) -> int:
    """Make masks of the fields of a set of slides from QuPath's annotations.

    Parameters
    ----------
    folder : Path
        Of the set; masks and its description are written there.
    annotations : Path
        ``SLIDE.geojson`` in pixels of the slide's first level, or a folder of such files. What lies
        in a rectangle "Region*" is labelled, nothing else.
    has_background : bool
        Whether what no annotation covers in a rectangle is class 0.

    Returns
    -------
    int
        Number of fields that have a mask now.

    Raises
    ------
    ExchangeError
        With a line for everything that cannot be read, or belongs to no slide.
    SourceError
        If there are no annotations at `annotations`.
    """
    if not annotations.exists():
        raise SourceError(f"no file or folder {str(annotations)!r}. Check the path.")
    source = SlideSource(folder)
    images = {info.image_id: info for info in source.images()}
    _check_names(annotations, {slide.id for slide in source.slide_set.slides})
    expected = Expected(
        classes=source.classes,
        has_background=has_background,
        regions={},
        images=images,
        frames={image_id: source.frame(image_id) for image_id in images},
    )
    masks: dict[str, Labels] = {}
    for found in read_geojson(annotations, expected, area=None).found:
        info = images[found.region.image_id]
        empty = np.full((info.height, info.width), UNLABELLED, np.int16)
        part = masks.setdefault(info.image_id, empty)[found.region.slices]
        part[:] = np.where(found.labels == UNLABELLED, part, found.labels)
    known = {name: labels for name, labels in masks.items() if (labels != UNLABELLED).any()}
    for image_id, labels in known.items():
        path = mask_path(folder, image_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_mask(labels))
    in_order = tuple(image_id for image_id in images if image_id in known)
    write_description(folder, source.slide_set.model_copy(update={"masked": in_order}))
    return len(known)


def _check_names(annotations: Path, slides: set[str]) -> None:
    """Refuse files that are called like no slide."""
    files = annotations.glob("*.geojson") if annotations.is_dir() else [annotations]
    strange = sorted(file.name for file in files if file.stem not in slides)
    if strange:
        raise ExchangeError(
            [
                f"expected annotations called like a slide ({', '.join(sorted(slides)[:3])}, ...), "
                f"got {name!r}. Rename it, or give the slide."
                for name in strange
            ]
        )
