"""TIFF files: integers and floats of any depth, grey, RGB or palette, as they are stored."""

import importlib.util
import io
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from askmask.data.pictures import picture as limits
from askmask.data.pictures.picture import (
    UPRIGHT,
    Picture,
    Stored,
    Writer,
    missing_codec,
    several_pages,
    too_large,
    turned,
    unreadable,
)
from askmask.errors import SourceError

_MAGIC: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION: Final = 274  # TIFF tag, the same numbers as in EXIF
_MOST_VALUES: Final = 4  # per pixel of the largest image: channels count as memory
_ALPHA: Final = (1, 2)  # ExtraSamples: associated and unassociated
_BACK: Final = {5: 5, 6: 8, 7: 7, 8: 6}  # what undoes a turn; the others undo themselves
_LOSSY: Final = (6, 7, 33003, 33005, 34892, 34933, 50001)  # JPEG, JPEG 2000 with YCC, WebP

_Page = Any  # tifffile's pages have no types


def is_tiff(content: bytes) -> bool:
    """Whether a file begins as a TIFF or BigTIFF."""
    return content.startswith(_MAGIC)


def read_tiff(content: bytes, where: str) -> Picture:
    """Numbers of a TIFF of one page, and what it says of them.

    Without the package imagecodecs, what Pillow can decode exactly is left to it.

    Raises
    ------
    SourceError
        If the file is damaged, too large, holds several pages or a stack, is in a colour space
        other than grey, RGB and palettes, or in a compression that is not installed.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = _only_page(file, where, len(content))
            return _picture(page, _decode(page, content, where), where)
    except SourceError:
        raise
    except Exception as error:  # every codec has exceptions of its own
        reason = str(error).partition("<_io.")[0].strip() or type(error).__name__
        raise unreadable(where, reason) from error


def _only_page(file: Any, where: str, size: int) -> _Page:
    """Refuse what is too large, cut short or not flat before anything is unpacked."""
    pages = len(file.pages)
    if pages == 0:
        raise unreadable(where, "it holds no picture")
    if pages > 1:
        raise several_pages(where, pages)
    page = file.pages[0]
    pixels = page.imagelength * page.imagewidth
    if pixels > limits.MAX_PIXELS:
        raise too_large(where)
    if pixels * page.samplesperpixel > _MOST_VALUES * limits.MAX_PIXELS:
        raise too_large(where)
    stack = 1
    if file.is_imagej:
        stack = int((file.imagej_metadata or {}).get("images", 1))
    if pixels == 0 or page.imagedepth != 1 or stack != 1:
        raise several_pages(where, max(stack, int(page.imagedepth)))
    counts = page.databytecounts
    is_cut = any(
        offset + count > size for offset, count in zip(page.dataoffsets, counts, strict=True)
    )
    if is_cut or len(counts) < math.prod(page.chunked):  # tifffile would fill it up with zeros
        raise unreadable(where, "it ends before its pixels do")
    return page


def _decode(page: _Page, content: bytes, where: str) -> Stored:
    """(H, W) or (H, W, channels) numbers in native byte order, not turned."""
    bits = _bits(page, where)
    can_all = importlib.util.find_spec("imagecodecs") is not None
    plain = page.compression in (1, 8, 32946) and page.predictor == 1 and bits in (1, 8, 16, 32, 64)
    if not can_all and not plain:
        return _by_pillow(page, content, where, bits)
    decoded = np.asarray(page.asarray())
    if page.samplesperpixel > 1 and str(page.axes).startswith("S"):
        decoded = np.moveaxis(decoded, 0, 2)
    if decoded.ndim == 3 and decoded.shape[2] == 1:
        decoded = decoded[:, :, 0]
    values: Stored = decoded.astype(decoded.dtype.newbyteorder("="), copy=False)
    return values.view(np.uint8) if values.dtype == np.bool_ else values


def _by_pillow(page: _Page, content: bytes, where: str, bits: int) -> Stored:
    """Decode by Pillow where it keeps every bit, and undo what it does to the numbers.

    Raises
    ------
    SourceError
        If it would not.
    """
    depths = {"1": 1, "L": 8, "P": 8, "RGB": 8, "RGBA": 8, "I;16": 16, "I;16B": 16}
    name = f"TIFF of {bits} bits per channel with the compression {_name(page.compression)}"
    try:
        with Image.open(io.BytesIO(content), formats=["TIFF"]) as image:
            image.load()
            mode = image.mode
            values = np.asarray(image.convert("L") if mode == "1" else image)
    except (OSError, SyntaxError, ValueError, KeyError, TypeError):
        raise missing_codec(where, name) from None
    channels = 1 if values.ndim == 2 else values.shape[2]
    if depths.get(mode) != bits or channels != page.samplesperpixel:
        raise missing_codec(where, name)
    values = values // np.uint8(255) if mode == "1" else values
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and bits <= 8:
        values = np.uint8((1 << bits) - 1) - values
    orientation = _orientation(page)
    stored = turned(values, _BACK.get(orientation, orientation))
    return stored.astype(stored.dtype.newbyteorder("="), copy=False)


def _picture(page: _Page, values: Stored, where: str) -> Picture:
    kinds = tifffile.PHOTOMETRIC
    photometric = page.photometric
    is_grey = photometric in (kinds.MINISBLACK, kinds.MINISWHITE)
    is_rgb = photometric in (kinds.RGB, kinds.YCBCR)
    if not (is_grey or is_rgb or photometric == kinds.PALETTE):
        raise SourceError(
            f"{where!r} is stored as {_name(photometric)!r}, expected grey, RGB or a palette with "
            "8 or 16 bits. Convert it."
        )
    channels = 1 if values.ndim == 2 else values.shape[2]
    colours = 3 if is_rgb else 1
    if channels < colours:
        raise unreadable(where, f"expected {colours} channels, got {channels}")
    extra = tuple(int(kind) for kind in page.extrasamples or ())
    alphas = [place for place, kind in enumerate(extra, start=colours) if kind in _ALPHA]
    bits = _bits(page, where)
    return Picture(
        values,
        "TIFF",
        bits,
        colours=colours,
        alpha=alphas[0] if alphas and channels > alphas[0] else None,
        palette=_palette(page, bits) if photometric == kinds.PALETTE else None,
        is_white_zero=photometric == kinds.MINISWHITE,
        writer=_writer(page, bits),
        orientation=_orientation(page),
        is_lossy=int(page.compression) in _LOSSY,
    )


def _bits(page: _Page, where: str) -> int:
    given = page.bitspersample
    depths = {int(given)} if isinstance(given, int) else {int(bits) for bits in given}
    if len(depths) != 1:
        raise SourceError(
            f"{where!r} has channels of different depth ({sorted(depths)} bits), expected one. "
            "Convert it."
        )
    return depths.pop()


def _orientation(page: _Page) -> int:
    tag = page.tags.get(_ORIENTATION)
    known = tag is not None and isinstance(tag.value, int) and tag.value in range(1, 9)
    return int(tag.value) if known else UPRIGHT


def _writer(page: _Page, bits: int) -> Writer | None:
    if page.is_imagej or str(page.description).startswith("ImageJ="):
        return Writer.IMAGEJ
    if bits == 1 and str(page.software).startswith("tifffile"):
        return Writer.TIFFFILE
    return None


def _palette(page: _Page, bits: int) -> npt.NDArray[np.uint8]:
    """(N, 4) colours of the indices, all opaque."""
    table = np.asarray(page.colormap)[:, : 1 << bits] >> 8
    opaque = np.full((1, table.shape[1]), 255)
    return np.concatenate([table, opaque]).T.astype(np.uint8)


def _name(value: object) -> str:
    return str(getattr(value, "name", value))
