"""The colours that classes are shown in, in masks that a person opens in any program.

A mask of indices 0, 1 and 2 looks black everywhere. With a colour table beside the indices it is
seen, and still read by its indices; and where a program saves colours instead, the colours say the
same.
"""

import colorsys
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.data.prepare.class_file import Colour

UNLABELLED_COLOUR: Final[Colour] = (128, 128, 128)
UNLABELLED_INDEX: Final = 255
_FIRST: Final[tuple[Colour, ...]] = (  # the background, then Okabe and Ito as on the page
    (0, 0, 0),
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
_TURN: Final = 0.618034  # of the circle of hues: neighbours are far apart, however many there are


def class_colours(count: int) -> tuple[Colour, ...]:
    """Colours of the first classes, all different, and none the one of unlabelled pixels.

    Parameters
    ----------
    count : int
        In [0, 255].
    """
    colours = list(_FIRST[:count])
    number = 0
    while len(colours) < count:
        red, green, blue = colorsys.hsv_to_rgb(
            number * _TURN % 1, 0.9, 0.95 - 0.4 * (number % 3) / 2
        )
        colour = (round(255 * red), round(255 * green), round(255 * blue))
        if colour not in colours and colour != UNLABELLED_COLOUR:
            colours.append(colour)
        number += 1
    return tuple(colours)


def colours_by_name(names: Sequence[str]) -> dict[str, Colour]:
    """Colour of each class."""
    return dict(zip(names, class_colours(len(names)), strict=True))


def colour_table(count: int) -> npt.NDArray[np.uint8]:
    """(256, 3) colours of the indices of a mask file; 255 is unlabelled."""
    table = np.zeros((256, 3), np.uint8)
    table[:count] = class_colours(count)
    table[UNLABELLED_INDEX] = UNLABELLED_COLOUR
    return table
