"""Slides in tiles of every scale from their finest on, as viewers of large pictures ask for them.

Level z is the slide's first level shrunk by 2^z; a tile is a square of `TILE` pixels of a level.
The working resolution need not be one of them.
"""

from typing import Final

from askmask.data.slides.slide_set import SlideEntry
from askmask.data.slides.slide_source import SlideSource
from askmask.data.slides.tiled_image import Box
from askmask.data.source import Pixels
from askmask.errors import SourceError

TILE: Final = 512


def deep_levels(slide: SlideEntry) -> int:
    """Count the levels of a slide; the last one fits into a tile."""
    count = 1
    while max(slide.height, slide.width) > TILE * 2 ** (count - 1):
        count += 1
    return count


def deep_tile(source: SlideSource, slide: SlideEntry, level: int, row: int, col: int) -> Pixels:
    """Tile `row`, `col` of a level as (h, w, 3) uint8 RGB; smaller at the lower and right edge.

    Parameters
    ----------
    source : SlideSource
        Of the slide.
    slide : SlideEntry
        Which one.
    level : int
        0 for the slide's first level.
    row, col : int
        Place of the tile.

    Raises
    ------
    SourceError
        If there is no such level or tile, or the slide cannot be read.
    """
    step = TILE * 2**level
    rows, cols = -(-slide.height // step), -(-slide.width // step)
    if not (0 <= level < deep_levels(slide) and 0 <= row < rows and 0 <= col < cols):
        raise SourceError(
            f"expected a tile of slide {slide.id!r} with {deep_levels(slide)} levels, got level "
            f"{level}, row {row}, column {col}. Level 0 has {-(-slide.height // TILE)} x "
            f"{-(-slide.width // TILE)} tiles."
        )
    with source.view(slide) as view:
        shrunk = view.at(2.0**level)
        # A level leaves out what is less than a pixel of it: its last pixels stand in for that.
        top, left = min(row * TILE, shrunk.size[0] - 1), min(col * TILE, shrunk.size[1] - 1)
        bottom = max(min((row + 1) * TILE, shrunk.size[0]), top + 1)
        right = max(min((col + 1) * TILE, shrunk.size[1]), left + 1)
        return shrunk.read(0, Box(top, left, bottom - top, right - left))
