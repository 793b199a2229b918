"""Annotations in pixels of a slide, while regions and labels are those of its fields."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from askmask.data.larger_images import Frame
from askmask.formats.format import Expected
from askmask.metrics.contours import Ring
from askmask.records import Region

_HERE: Final = Frame("", 0.0, 0.0, 1.0)
_EDGE: Final = 1e-6  # pixels by which a corner may miss the edge of a pixel through rounding


def frame_in_file(frames: Mapping[str, Frame], image_id: str) -> Frame:
    """The image or slide whose pixels a file counts, for an image of the project."""
    return frames.get(image_id, _HERE)


def on_slide(ring: Ring, frame: Frame) -> Ring:
    """Ring in coordinates of the file; it comes in those of the image."""
    placed: Ring = ring * frame.scale + np.array([frame.row, frame.col])
    return placed


def in_field(ring: Ring, frame: Frame) -> Ring:
    """Ring in coordinates of the image; it comes in those of the file."""
    placed: Ring = (ring - np.array([frame.row, frame.col])) / frame.scale
    return placed


def slide_called(stem: str, expected: Expected) -> str | None:
    """Slide whose name a file has; None if there is none."""
    names = {frame.name for frame in expected.frames.values()}
    return stem if stem in names else None


def parts_of_rectangle(ring: Ring, slide: str, expected: Expected) -> list[Region]:
    """Regions that a rectangle on a slide covers, one for each field that it reaches into.

    Only whole pixels count. Parts of the slide that are no field, because no tissue is there, are
    left out.
    """
    found = []
    for image_id, frame in expected.frames.items():
        if frame.name != slide:
            continue
        info = expected.images[image_id]
        corners = in_field(ring, frame)
        top, left = (max(math.ceil(value - _EDGE), 0) for value in corners.min(0).tolist())
        low, right = (math.floor(value + _EDGE) for value in corners.max(0).tolist())
        height, width = min(low, info.height) - top, min(right, info.width) - left
        if height > 0 and width > 0:
            found.append(Region(image_id, top, left, height, width))
    return found


def is_rectangle(ring: Ring) -> bool:
    """Whether a ring runs around the box that holds it, however many points it has."""
    sides = ring.max(0) - ring.min(0)
    rows, cols = ring[:, 0], ring[:, 1]
    twice = float(np.sum(rows * np.roll(cols, -1) - np.roll(rows, -1) * cols))
    return math.isclose(abs(twice) / 2, float(sides[0] * sides[1]), rel_tol=1e-3)
