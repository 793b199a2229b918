"""Rasters as bytes: PNG of masks and instances, and any image file as an array of its pixels.

Everything here takes and returns bytes, so that a folder, a zip archive and a database are read
alike. Files are opened in `askmask.data.pictures`; what they mean (classes, colours) is decided
in `askmask.data.masks`.
"""

import io

import numpy as np
from PIL import Image

from askmask.data.pictures.opening import open_picture
from askmask.data.pictures.picture import AS_STORED, Reading
from askmask.data.pictures.shown import Shades, as_numbers, as_shown
from askmask.data.ranges import RangeRule, scaled_to_bytes
from askmask.data.source import Pixels
from askmask.errors import ShapeError, SourceError
from askmask.records import UNLABELLED, Instances, Labels

Raw = Shades
"""Pixels before their range is scaled: (H, W) or (H, W, 3), 8 or 16 bit."""

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".mpo", ".bmp", ".tif", ".tiff", ".webp"}
)
"""Endings of the files that count as images or masks, in lower case. What is in such a file, its
first bytes say."""

_UNLABELLED_VALUE = 255  # how UNLABELLED is written in an 8-bit raster


def encode_image(image: Pixels) -> bytes:
    """PNG of an (H, W, 3) uint8 image."""
    return _png(Image.fromarray(image))


def encode_mask(labels: Labels, colours: Pixels | None = None) -> bytes:
    """PNG of a class raster: 8-bit indices, `UNLABELLED` as 255.

    Parameters
    ----------
    labels : (H, W) int16
        Values in [-1, 254].
    colours : (256, 3) uint8, optional
        Colour of each index: the file is seen in any program, and read by its indices as before.

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
    image = Image.fromarray(values.astype(np.uint8))
    if colours is not None:
        image.putpalette(colours.tobytes())  # turns grey values into indices, and changes none
    return _png(image)


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
    content: bytes,
    where: str,
    value_range: RangeRule | None = None,
    *,
    reading: Reading = AS_STORED,
) -> Pixels:
    """Any supported image file as RGB.

    Parameters
    ----------
    content : bytes
        JPEG, PNG, BMP, TIFF or WebP, grey or RGB; more than 8 bits only together with
        `value_range`.
    where : str
        What to call the file in messages.
    value_range : (low, high) or Percentiles, optional
        Values that become 0 and 255; see `to_rgb`.
    reading : Reading
        What the owner says of the file.

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    SourceError
        If the file cannot be read as it is; the message names the cure.
    """
    raw = decode_raw(content, where, reading)
    if raw.dtype == np.uint16 and value_range is None:
        raise SourceError(
            f"{where!r} has 16 bits per channel, and no value range was given. "
            "Say what becomes black and white: --value-range LOW,HIGH."
        )
    return to_rgb(raw, value_range)


def to_rgb(raw: Raw, value_range: RangeRule | None) -> Pixels:
    """RGB of stored pixels; 16-bit values are mapped linearly.

    Parameters
    ----------
    raw : (H, W) or (H, W, 3) uint8 or uint16
        Grey is repeated in all three channels.
    value_range : (low, high) or Percentiles, optional
        For uint16 only: `low` becomes 0 and `high` 255, values outside saturate. One range for a
        whole data set keeps brightness comparable between images; percentiles are taken of each
        image by itself.
    """
    if raw.dtype == np.uint16:
        if value_range is None:
            raise SourceError("expected a value range for 16-bit pixels, got None.")
        values: Pixels = scaled_to_bytes(raw.astype(np.uint16, copy=False), value_range)
    else:
        values = raw.astype(np.uint8)  # a copy, so that the caller's array stays his own
    return values if values.ndim == 3 else np.repeat(values[:, :, None], 3, axis=2)


def decode_raw(content: bytes, where: str, reading: Reading = AS_STORED) -> Raw:
    """Pixels of an image file as they look, alpha left out if it hides nothing.

    Parameters
    ----------
    content : bytes
        JPEG, PNG, BMP, TIFF or WebP; one page; 1 to 16 bits; grey, RGB or palette.
    where : str
        What to call the file in messages.
    reading : Reading
        What the owner says of the file.

    Returns
    -------
    (H, W) or (H, W, 3), uint8 or uint16

    Raises
    ------
    SourceError
        If the file is damaged, too large, has several pages or transparent pixels, if its EXIF
        record turns it and no option says what to do, or if its depth or colour space would have
        to be guessed.
    """
    return as_shown(open_picture(content, where), where, reading)


def decode_values(
    content: bytes,
    where: str,
    *,
    may_be_stretched: bool = False,
    may_be_lossy: bool = False,
    reading: Reading = AS_STORED,
    ignored: int | None = None,
) -> Instances:
    """Values of a one-channel raster such as a mask.

    Parameters
    ----------
    content : bytes
        PNG, BMP, TIFF or lossless WebP; grey, palette (its indices count), or RGB with three equal
        channels; integers of any size, or floats that are whole numbers.
    where : str
        What to call the file in messages.
    may_be_stretched : bool
        Grey files of 1, 2 or 4 bits are defined to span black to white, so their 1, 3 or 15 reads
        as 255. That is right for a black and white mask, and wrong for class indices: by default
        such a file is refused.
    may_be_lossy : bool
        Whether a JPEG will do, because values are cut at a threshold anyway.
    reading : Reading
        What the owner says of the file.
    ignored : int, optional
        The one value that may be negative.

    Returns
    -------
    (H, W) int32
        Values >= 0, but for `ignored`.

    Raises
    ------
    SourceError
        If the file cannot be read, is lossy, in colours, or its values would have to be guessed.
    """
    picture = open_picture(content, where)
    if picture.is_lossy and not may_be_lossy:
        form = "JPEG" if picture.form == "JPEG" else f"lossy {picture.form}"
        raise SourceError(
            f"{where!r} is a {form}, which changes the values of a mask. Save it as PNG; or, if it "
            "is black and white, say --kind binary --threshold 128."
        )
    values = as_numbers(picture, where, reading, allows_few_bits=may_be_stretched)
    negative = values[(values < 0) & (values != (0 if ignored is None else ignored))]
    if negative.size:
        raise SourceError(
            f"expected values >= 0 in {where!r}, got {int(negative.min())}. If it marks pixels "
            f"without a label, say --ignore-value {int(negative.min())}."
        )
    return values


def has_palette(content: bytes, where: str) -> bool:
    """Whether a file stores indices into a colour table of its own.

    Raises
    ------
    SourceError
        If the file cannot be read.
    """
    return open_picture(content, where).palette is not None


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)  # 0.6 of the time of 6, 8 % larger
    return buffer.getvalue()
