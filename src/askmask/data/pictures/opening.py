"""The one place that opens image files of others: PNG, JPEG, BMP and WebP here, TIFF beside it.

What a file is, its first bytes say and not its name. Only the decoders named here are ever asked,
so that no other format's code meets files from outside.
"""

import io
import struct
import warnings
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from askmask.data.pictures import picture as limits
from askmask.data.pictures.picture import (
    UPRIGHT,
    Picture,
    Stored,
    listed,
    missing_codec,
    several_pages,
    too_large,
    unreadable,
)
from askmask.data.pictures.tiff import is_tiff, read_tiff
from askmask.errors import SourceError

FORMATS: Final = ("PNG", "JPEG", "BMP", "WEBP")
"""Formats that Pillow may decode; it would try some thirty, one of them by another program."""

_ORIENTATION = 0x0112  # EXIF tag
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NOT_READ = {
    b"%!PS": "PostScript",
    b"GIF8": "GIF",
    b"8BPS": "Photoshop",
    b"\x00\x00\x00\x0cjP": "JPEG 2000",
    b"\xff\x0a": "JPEG XL",
    b"%PDF": "PDF",
    b"\x93NUMPY": "NumPy",
    b"\x89HDF": "HDF5",
}
_UNREADABLE = (
    OSError,
    SyntaxError,  # what Pillow raises for a broken PNG
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    OverflowError,
    NotImplementedError,
    struct.error,
    Warning,  # where the caller has turned warnings into errors
)
_STORED_CHANNELS = {"1": 1, "L": 1, "P": 1, "I;16": 1, "I": 1, "RGB": 3, "LA": 1, "RGBA": 3}


def looks_like_image(head: bytes) -> bool:
    """Whether a file that begins so is of a format that is read."""
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def open_picture(content: bytes, where: str) -> Picture:
    """Numbers of an image file, and what it says of them.

    Parameters
    ----------
    content : bytes
        PNG, JPEG, BMP, TIFF or WebP of one page. Of several JPEG pictures in one file (MPO, as
        phones write it) the first counts: the others are previews and the second eye of it.
    where : str
        What to call the file in messages.

    Raises
    ------
    SourceError
        If the file is damaged, too large, of another format, has several pages, or a colour space
        other than grey, RGB and palettes.
    """
    if is_tiff(content):
        return read_tiff(content, where)
    image = _open(content, where)
    if image.width * image.height > limits.MAX_PIXELS:
        raise too_large(where)
    form = "JPEG" if image.format == "MPO" else str(image.format)
    pages = getattr(image, "n_frames", 1)
    if form != "JPEG" and pages != 1:
        raise several_pages(where, pages)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.load()
            orientation = image.getexif().get(_ORIENTATION, UPRIGHT)
    except _UNREADABLE as error:
        raise unreadable(where, _reason(error)) from error
    is_known = isinstance(orientation, int) and orientation in range(1, 9)
    return _picture(image, content, where, form, orientation if is_known else UPRIGHT)


def _open(content: bytes, where: str) -> Image.Image:
    try:
        # Pillow only warns up to twice its limit; the caller refuses it, from the same header.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Image.open(io.BytesIO(content), formats=FORMATS)
    except Image.DecompressionBombError:
        raise too_large(where) from None
    except UnidentifiedImageError:
        raise unreadable(where, _not_identified(content)) from None
    except _UNREADABLE as error:
        raise unreadable(where, _reason(error)) from error


def _not_identified(content: bytes) -> str:
    """Say what a file is, if it is none of the formats that are read."""
    formats = listed([*FORMATS, "TIFF"])
    for magic, name in _NOT_READ.items():
        if content.startswith(magic):
            return f"it is {name}, expected {formats}"
    if content[4:8] == b"ftyp":
        return f"it is HEIC, AVIF or a film, expected {formats}"
    return f"expected {formats}, got {len(content):,} bytes that begin with {content[:8]!r}"


def _reason(error: Exception) -> str:
    """Words of a decoder, without the objects of this program that it may name."""
    return str(error).partition(" <_io.")[0] or type(error).__name__


def _picture(
    image: Image.Image, content: bytes, where: str, form: str, orientation: int
) -> Picture:
    """Undo what Pillow does to the numbers, and take over what the file says of them."""
    bits = _bits(image, content, form)
    if form == "PNG" and bits == 16 and content[25] not in (0, 3):
        return _deep_colours(image, content, where, orientation)
    if image.mode == "PA":  # only a palette whose opacity Pillow took apart
        image = image.convert("RGBA")
    if image.mode not in _STORED_CHANNELS or (image.mode == "I" and bits != 16):
        raise SourceError(
            f"{where!r} is stored as {image.mode!r}, expected grey, RGB or a palette with 8 or "
            "16 bits. Convert it."
        )
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    if image.mode in ("1", "L") and bits < 8:
        values = values // np.uint8(255 // (2**bits - 1))
    palette = _palette(image) if image.mode == "P" else None
    return Picture(
        values.astype(np.uint16) if bits == 16 else values,
        form,
        bits,
        colours=_STORED_CHANNELS[image.mode],
        alpha=image.mode.index("A") if image.mode in ("LA", "RGBA") else None,
        key=None if palette is not None else _key(image, bits),
        palette=palette,
        orientation=orientation,
        is_lossy=form == "JPEG" or (form == "WEBP" and not _is_lossless(content)),
    )


def _bits(image: Image.Image, content: bytes, form: str) -> int:
    """Bits per channel in the file, which Pillow hides where it converts."""
    if form == "PNG":
        return content[24]  # IHDR: 8 signature, 8 chunk head, 4 width, 4 height
    return 1 if image.mode == "1" else 8


def _palette(image: Image.Image) -> npt.NDArray[np.uint8]:
    """(N, 4) colours and opacities of the indices."""
    table = np.array(image.getpalette("RGBA") or [0, 0, 0, 255], np.uint8).reshape(-1, 4)
    clear = image.info.get("transparency")
    if isinstance(clear, bytes):
        known = np.frombuffer(clear, np.uint8)[: len(table)]
        table[: len(known), 3] = known
    elif isinstance(clear, int) and clear < len(table):
        table[clear, 3] = 0
    return table


def _key(image: Image.Image, bits: int) -> tuple[int, ...] | None:
    """Transparent value of a PNG without a palette, in stored numbers."""
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        clear = (clear,)
    if not isinstance(clear, tuple):
        return None
    return tuple(int(value) & (1 << bits) - 1 for value in clear)  # the rest has no meaning (PNG)


def _is_lossless(content: bytes) -> bool:
    """Whether a WebP file keeps every value."""
    place = 12  # after RIFF, size and WEBP
    while place + 8 <= len(content):
        kind = content[place : place + 4]
        if kind in (b"VP8L", b"VP8 "):
            return kind == b"VP8L"
        (size,) = struct.unpack_from("<I", content, place + 4)
        place += 8 + size + size % 2
    return False


def _deep_colours(image: Image.Image, content: bytes, where: str, orientation: int) -> Picture:
    """PNG of several channels with 16 bits, of which Pillow keeps the upper 8."""
    try:
        from imagecodecs import png_decode
    except ImportError:
        raise missing_codec(where, "PNG with 16 bits per channel and several channels") from None
    try:
        decoded: Any = png_decode(content)  # Any: without types
    except Exception as error:  # a decoder in C, with exceptions of its own
        raise unreadable(where, str(error)) from error
    values: Stored = np.asarray(decoded)
    has_alpha = content[25] in (4, 6)
    colours = 1 if content[25] == 4 else 3
    key = _key(image, 16)
    expected = (image.height, image.width, colours + has_alpha)
    if values.dtype != np.uint16 or values.shape not in (expected, (*expected[:2], colours + 1)):
        raise unreadable(where, f"expected {expected} values of 16 bits, got {values.shape}")
    return Picture(
        values[:, :, : expected[2]],
        "PNG",
        16,
        colours=colours,
        alpha=colours if has_alpha else None,
        key=key,
        orientation=orientation,
    )
