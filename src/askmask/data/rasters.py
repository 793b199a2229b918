"""Rasters as bytes: PNG of masks and instances, and any image file as an array of its pixels.

Everything here takes and returns bytes, so that a folder, a zip archive and a database are read
alike. What a file means (classes, colours) is decided elsewhere.
"""

import io
import struct
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from askmask.data.source import Pixels
from askmask.errors import ShapeError, SourceError
from askmask.records import UNLABELLED, Instances, Labels

Raw = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""Pixels as they are stored: (H, W) or (H, W, 3), 8 or 16 bit."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
"""Endings of the files that count as images or masks, in lower case."""

MAX_PIXELS = 89_478_485
"""Largest image that is opened: Pillow's own limit against decompression bombs. An image above it
would also not fit through a network in one piece, so it is refused rather than the limit raised."""

_UNLABELLED_VALUE = 255  # how UNLABELLED is written in an 8-bit raster
_OPAQUE = 255
_ORIENTATION = 0x0112  # EXIF tag
_BITS_PER_SAMPLE = 258  # TIFF tag
_UNREADABLE = (
    OSError,
    SyntaxError,  # what Pillow raises for a broken PNG
    ValueError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
    Warning,  # where the caller has turned warnings into errors
)


def encode_image(image: Pixels) -> bytes:
    """PNG of an (H, W, 3) uint8 image."""
    return _png(Image.fromarray(image))


def encode_mask(labels: Labels) -> bytes:
    """PNG of a class raster: 8-bit indices, `UNLABELLED` as 255.

    Parameters
    ----------
    labels : (H, W) int16
        Values in [-1, 254].

    Raises
    ------
    ShapeError
        If a value is outside that range.
    """
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < UNLABELLED or highest >= _UNLABELLED_VALUE:
        raise ShapeError(
            f"expected labels in [{UNLABELLED}, {_UNLABELLED_VALUE - 1}], "
            f"got values in [{lowest}, {highest}]. A mask holds at most 255 classes."
        )
    values = np.where(labels == UNLABELLED, _UNLABELLED_VALUE, labels)
    return _png(Image.fromarray(values.astype(np.uint8)))


def decode_mask(content: bytes, where: str = "mask") -> Labels:
    """Class raster of a mask file; the inverse of `encode_mask`.

    Parameters
    ----------
    content : bytes
        A lossless image file of indices, 255 = unlabelled; also as written by other programs (a
        palette image counts by its indices, not by its colours).
    where : str
        What to call the file in messages.

    Returns
    -------
    (H, W) int16
        Values in [-1, 254].

    Raises
    ------
    SourceError
        If the file cannot be read, holds colours, or values above 255.
    """
    values = decode_values(content, where)
    if values.max() > _UNLABELLED_VALUE:
        raise SourceError(
            f"expected class indices in [0, 254] or 255 (unlabelled) in {where!r}, "
            f"got {int(values.max())}. Save the mask with one index per class."
        )
    labels = values.astype(np.int16)
    labels[labels == _UNLABELLED_VALUE] = UNLABELLED
    return labels


def encode_instances(instances: Instances) -> bytes:
    """16-bit PNG of object ids.

    Parameters
    ----------
    instances : (H, W) int32
        Values in [0, 65535].

    Raises
    ------
    ShapeError
        If a value is outside that range.
    """
    lowest, highest = int(instances.min()), int(instances.max())
    if lowest < 0 or highest > np.iinfo(np.uint16).max:
        raise ShapeError(
            f"expected instance ids in [0, 65535], got values in [{lowest}, {highest}]. "
            "Number the objects of each image from 1."
        )
    return _png(Image.fromarray(instances.astype(np.uint16)))


def decode_instances(content: bytes, where: str = "instances") -> Instances:
    """Object ids of an instance file, (H, W) int32; the inverse of `encode_instances`.

    Raises
    ------
    SourceError
        If the file cannot be read or is in colours.
    """
    return decode_values(content, where)


def decode_image(
    content: bytes, where: str, value_range: tuple[float, float] | None = None
) -> Pixels:
    """Any supported image file as RGB.

    Parameters
    ----------
    content : bytes
        JPEG, PNG, BMP or TIFF, grey or RGB; 16 bit only together with `value_range`.
    where : str
        What to call the file in messages.
    value_range : (low, high), optional
        Values that become 0 and 255; see `to_rgb`.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    SourceError
        If the file cannot be read as it is; the message names the cure.
    """
    raw = decode_raw(content, where)
    if raw.dtype == np.uint16 and value_range is None:
        raise SourceError(
            f"{where!r} has 16 bits per channel, and no value range was given. "
            "Prepare the data set with one range for all images."
        )
    return to_rgb(raw, value_range)


def to_rgb(raw: Raw, value_range: tuple[float, float] | None) -> Pixels:
    """RGB of stored pixels; 16-bit values are mapped linearly.

    Parameters
    ----------
    raw : (H, W) or (H, W, 3) uint8 or uint16
        Grey is repeated in all three channels.
    value_range : (low, high), optional
        For uint16 only: `low` becomes 0 and `high` 255, values outside saturate. Must be one range
        for a whole data set, or brightness would mean something else in each image.
    """
    if raw.dtype == np.uint16:
        if value_range is None:
            raise SourceError("expected a value range for 16-bit pixels, got None.")
        low, high = value_range
        scaled = (raw.astype(np.float32) - low) * np.float32(255 / max(high - low, 1e-9))
        values: Pixels = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    else:
        values = raw.astype(np.uint8)  # a copy, so that the caller's array stays his own
    return values if values.ndim == 3 else np.repeat(values[:, :, None], 3, axis=2)


def decode_raw(content: bytes, where: str) -> Raw:
    """Pixels of an image file as they are stored, alpha left out if it hides nothing.

    Parameters
    ----------
    content : bytes
        JPEG, PNG, BMP or TIFF; one page; 8 or 16 bit; grey, RGB or palette.
    where : str
        What to call the file in messages.

    Returns
    -------
    (H, W) or (H, W, 3), uint8 or uint16

    Raises
    ------
    SourceError
        If the file is damaged, too large, has several pages, transparent pixels, a rotation in its
        EXIF record, or a depth or colour space that would have to be guessed.
    """
    image = _open(content, where)
    if _bits(image, content) == 16:
        return _decode_deep(image, content, where)
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"))
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode in ("RGBA", "LA", "PA"):
        image = _without_alpha(image, where)
    if image.mode not in ("L", "RGB"):
        raise SourceError(
            f"{where!r} is stored as {image.mode!r}, expected grey, RGB or a palette with 8 or "
            "16 bits. Convert it."
        )
    return np.array(image)


def decode_values(content: bytes, where: str, *, may_be_stretched: bool = False) -> Instances:
    """Values of a one-channel raster such as a mask.

    Parameters
    ----------
    content : bytes
        PNG, BMP or TIFF; grey, palette (its indices count), or RGB with three equal channels.
    where : str
        What to call the file in messages.
    may_be_stretched : bool
        Grey files of 1, 2 or 4 bits are defined to span black to white, so their 1, 3 or 15 reads
        as 255. That is right for a black and white mask, and wrong for class indices: by default
        such a file is refused.

    Returns
    -------
    (H, W) int32
        Values >= 0.

    Raises
    ------
    SourceError
        If the file cannot be read, is lossy, in colours, or its values would have to be guessed.
    """
    image = _open(content, where)
    if image.format == "JPEG":
        raise SourceError(
            f"{where!r} is a JPEG, which changes the values of a mask. Save it as PNG."
        )
    bits = _bits(image, content)
    if image.mode in ("1", "L") and bits < 8:
        if not may_be_stretched:
            raise SourceError(
                f"{where!r} is a grey image of {bits} bit, whose values are shades and no indices. "
                "Save it with 8 bits."
            )
        return np.array(image.convert("L")).astype(np.int32)
    if image.mode in ("L", "P") or image.mode.startswith("I"):
        values = np.array(image).astype(np.int32)
        if values.min() < 0:
            raise SourceError(f"expected values >= 0 in {where!r}, got {int(values.min())}.")
        return values
    colours = decode_raw(content, where).astype(np.int32)
    if colours.ndim == 3 and (colours != colours[:, :, :1]).any():
        raise SourceError(
            f"{where!r} is in colours, expected one value per pixel. "
            "Give the palette of the classes, or save indices."
        )
    return colours[:, :, 0] if colours.ndim == 3 else colours


def has_palette(content: bytes, where: str) -> bool:
    """Whether a file stores indices into a colour table of its own.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    return _open(content, where).mode in ("P", "PA")


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)  # 0.6 of the time of 6, 8 % larger
    return buffer.getvalue()


def _open(content: bytes, where: str) -> Image.Image:
    """Open and decode a file of one page and moderate size."""
    try:
        # Pillow only warns up to twice its limit. It is refused below, from the same header.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content))
    except Image.DecompressionBombError:
        raise _too_large(where) from None
    except _UNREADABLE as error:
        raise _unreadable(where, error) from error
    _check_header(image, where)
    try:
        image.load()
        orientation = image.getexif().get(_ORIENTATION, 1)
    except _UNREADABLE as error:
        raise _unreadable(where, error) from error
    if orientation not in (0, 1):
        raise SourceError(
            f"{where!r} is stored turned (EXIF orientation {orientation}), so its rows may not be "
            "the mask's rows. Save it upright."
        )
    return image


def _check_header(image: Image.Image, where: str) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(where)
    pages = getattr(image, "n_frames", 1)
    if pages != 1:
        raise SourceError(
            f"{where!r} holds {pages} pages, expected one. Save each as its own file."
        )


def _too_large(where: str) -> SourceError:
    return SourceError(
        f"{where!r} has more than {MAX_PIXELS:,} pixels. Cut it into tiles of some 1000 x 1000, or "
        "save it smaller."
    )


def _unreadable(where: str, error: Exception) -> SourceError:
    return SourceError(
        f"cannot read {where!r} as an image ({error}). It may be damaged or cut short: copy it "
        "again, or save it anew as PNG."
    )


def _bits(image: Image.Image, content: bytes) -> int:
    """Bits per channel in the file, which Pillow hides where it converts."""
    if image.format == "PNG":
        return content[24]  # IHDR: 8 signature, 8 chunk head, 4 width, 4 height
    tags: Any = getattr(image, "tag_v2", None)  # Any: only TIFF images have it
    if tags is not None:
        return int(tags.get(_BITS_PER_SAMPLE, (1,))[0])
    return 1 if image.mode == "1" else 8


def _decode_deep(image: Image.Image, content: bytes, where: str) -> npt.NDArray[np.uint16]:
    """Decode 16 bits per channel; Pillow would drop the lower 8 of colours without a word."""
    if len(image.getbands()) == 1:
        values = np.array(image).astype(np.int32)
    elif image.format == "TIFF":
        values = _decode_deep_tiff(content, where)
    else:
        raise SourceError(
            f"{where!r} is a {image.format} with 16 bits per channel and several channels, which "
            "cannot be read in full depth. Save it as TIFF, or with 8 bits."
        )
    if values.min() < 0 or (values.ndim == 3 and values.shape[2] != 3):
        raise SourceError(
            f"expected one or three channels of unsigned 16-bit values in {where!r}, "
            f"got shape {values.shape}, smallest value {int(values.min())}."
        )
    return values.astype(np.uint16)


def _decode_deep_tiff(content: bytes, where: str) -> npt.NDArray[np.int32]:
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            page = file.pages[0]
            values: npt.NDArray[np.int32] = np.asarray(page.asarray()).astype(np.int32)
            planar = page.axes.startswith("S")
    except (*_UNREADABLE, tifffile.TiffFileError) as error:
        raise SourceError(
            f"cannot read the 16 bits per channel of {where!r} ({error}). "
            "Save it as TIFF without compression, or with 8 bits."
        ) from error
    return np.moveaxis(values, 0, 2) if planar else values


def _without_alpha(image: Image.Image, where: str) -> Image.Image:
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    if (alpha != _OPAQUE).any():
        raise SourceError(
            f"{where!r} has {int((alpha != _OPAQUE).sum()):,} transparent pixels, whose colour "
            "is undefined. Flatten it onto a background."
        )
    return image.convert("L" if image.mode == "LA" else "RGB")
