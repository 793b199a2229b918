"""Sources whose images are parts of larger ones, and what they can tell beside the images."""

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from askmask.data.source import Pixels, Source

MARGIN: Final = 128
"""Pixels on each side that a network sees of what lies around a part; a multiple of 32."""


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """A part of a larger image with what lies around it.

    Attributes
    ----------
    pixels : (h, w, 3) uint8
        RGB; owned by the caller.
    inner : (slice, slice)
        Rows and columns of the part itself.
    """

    pixels: Pixels
    inner: tuple[slice, slice]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an image lies in a larger one.

    Attributes
    ----------
    name : str
        Of the larger image.
    row, col : float
        Its corner, in pixels of the larger image.
    scale : float
        Pixels of the larger image along one of its own.
    """

    name: str
    row: float
    col: float
    scale: float


@runtime_checkable
class PartSource(Source, Protocol):
    """A `Source` whose images are parts of larger ones, such as fields of slides."""

    def read_around(self, image_id: str, margin: int) -> Surroundings:
        """Read an image with up to `margin` pixels of what lies around it."""
        ...

    def askable(self, image_id: str) -> npt.NDArray[np.bool_]:
        """(H, W) bool: pixels that may be scored and asked."""
        ...

    def frame(self, image_id: str) -> Frame:
        """Where an image lies."""
        ...


def read_around(source: Source, image_id: str, margin: int = MARGIN) -> Surroundings:
    """Read an image as a network is to see it: with its surroundings, if its source has them."""
    if isinstance(source, PartSource):
        return source.read_around(image_id, margin)
    pixels = source.read_image(image_id)
    return Surroundings(pixels, (slice(0, pixels.shape[0]), slice(0, pixels.shape[1])))


def askable_pixels(source: Source, image_id: str) -> npt.NDArray[np.bool_] | None:
    """(H, W) bool: pixels that may be scored and asked; None where all may."""
    return source.askable(image_id) if isinstance(source, PartSource) else None


def frame_of(source: Source, image_id: str) -> Frame | None:
    """Where an image lies in a larger one; None if it is none's part."""
    return source.frame(image_id) if isinstance(source, PartSource) else None
