"""Content of an image file, before options settle what it means."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.errors import SourceError

Stored = npt.NDArray[np.generic]
"""Numbers of any type, as they stand in a file."""

MAX_PIXELS = 89_478_485
"""Largest image that is opened: Pillow's own limit against decompression bombs. An image above it
would also not fit through a network in one piece, so it is refused rather than the limit raised."""

UPRIGHT = 1
"""EXIF orientation of rows that run from left to right, the topmost first."""


class Orientation(StrEnum):
    """Treatment of a file whose record says that its rows are turned."""

    APPLY = "apply"
    """Turn the pixels, as programs do that show the picture."""
    IGNORE = "ignore"
    """Take the rows as they are stored."""


class WhiteIsZero(StrEnum):
    """Meaning of a mask whose file says that 0 is shown white."""

    SHOWN = "shown"
    """White is the largest value, as on screen."""
    STORED = "stored"
    """The numbers, whatever they look like."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Facts that only the owner of a file can give; None where no option gives one.

    Parameters
    ----------
    orientation : Orientation, optional
        For files stored turned; without it they are refused.
    channels : tuple of int, optional
        Which channel of an image is grey, or which three are red, green and blue; counted from 1.
        Without it, a file with more channels than colours and an alpha is refused.
    white_is_zero : WhiteIsZero, optional
        For masks whose file says that 0 is shown white. Without it they are refused, unless the
        program that wrote them is known for what it means.
    """

    orientation: Orientation | None = None
    channels: tuple[int, ...] | None = None
    white_is_zero: WhiteIsZero | None = None


AS_STORED: Final = Reading()
"""Nothing was said: whatever would have to be guessed is refused."""


AS_SHOWN: Final = Reading(orientation=Orientation.APPLY)
"""Turned as programs show a picture: for images that no mask could disagree with."""


class Writer(StrEnum):
    """Programs whose files mean their numbers, also where white is said to be zero."""

    TIFFFILE = "tifffile"
    """Also scikit-image: True is 1, in files that declare 1 to be black."""
    IMAGEJ = "ImageJ"
    """Also Fiji: its inverting tables change what is shown, never what is measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A file's numbers as they are stored, and what the file says of them.

    Parameters
    ----------
    values : (H, W) or (H, W, channels) array
        Native byte order; not turned, not inverted, not stretched.
    form : str
        ``"PNG"``, ``"JPEG"``, ``"BMP"``, ``"TIFF"`` or ``"WEBP"``.
    bits : int
        Per channel, in the file.
    colours : int
        1 for grey and for indices, 3 for red, green and blue; these channels come first.
    alpha : int, optional
        Which channel is the opacity.
    key : tuple of int, optional
        The stored value that counts as transparent, one per colour channel.
    palette : (N, 4) uint8 array, optional
        Red, green, blue and opacity of each index, if the values are indices.
    is_white_zero : bool
        Whether 0 is shown white.
    writer : Writer, optional
        The program that wrote the file, where that tells what it meant.
    orientation : int
        EXIF's, 1 to 8.
    is_lossy : bool
        Whether the format keeps values only roughly.
    """

    values: Stored
    form: str
    bits: int
    colours: int = 1
    alpha: int | None = None
    key: tuple[int, ...] | None = None
    palette: npt.NDArray[np.uint8] | None = None
    is_white_zero: bool = False
    writer: Writer | None = None
    orientation: int = UPRIGHT
    is_lossy: bool = False

    @property
    def channels(self) -> int:
        """Number of channels, opacity and others included."""
        return 1 if self.values.ndim == 2 else int(self.values.shape[2])


def turned(values: Stored, orientation: int) -> Stored:
    """Rows and columns as they are shown, of values as they are stored.

    Parameters
    ----------
    values : (H, W, ...) array
        Not changed; the result may be a view of it.
    orientation : int
        1 to 8: where the first row and the first column are shown (EXIF 2.3, tag 0x0112).
    """
    if orientation in (5, 6, 7, 8):
        values = np.swapaxes(values, 0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


def too_large(where: str) -> SourceError:
    """Build the error for an image that would not fit into memory."""
    return SourceError(
        f"{where!r} has more than {MAX_PIXELS:,} pixels. Cut it into tiles of some 1000 x 1000, "
        "save it smaller, or bring it as a slide: askmask init --slides."
    )


def several_pages(where: str, pages: int) -> SourceError:
    """Build the error for a file of several pictures."""
    return SourceError(f"{where!r} holds {pages} pages, expected one. Save each as its own file.")


def unreadable(where: str, reason: str) -> SourceError:
    """Build the error for a file that is damaged or no image."""
    return SourceError(
        f"cannot read {where!r} as an image ({reason}). It may be damaged or cut short: copy it "
        "again, or save it anew as PNG."
    )


def missing_codec(where: str, what: str) -> SourceError:
    """Build the error for a file that only an extra package can decode."""
    return SourceError(
        f"{where!r} is a {what}, which needs the package imagecodecs. Install it with "
        "pip install 'askmask[codecs]', or save the file as TIFF without compression."
    )


def listed(names: Sequence[object]) -> str:
    """Words of a list, the last joined by 'or'."""
    words = [str(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
