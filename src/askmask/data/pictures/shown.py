"""Pictures as they look, and rasters of one number per pixel: the two readings of a file."""

import numpy as np
import numpy.typing as npt

from askmask.data.pictures.picture import (
    UPRIGHT,
    Orientation,
    Picture,
    Reading,
    Stored,
    WhiteIsZero,
    Writer,
    turned,
)
from askmask.errors import SourceError

Shades = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
"""(H, W) grey or (H, W, 3) RGB, 8 or 16 bit; 0 is black."""

_MOST_BITS = 16
_LARGEST = int(np.iinfo(np.int32).max)


def as_shown(picture: Picture, where: str, reading: Reading) -> Shades:
    """Grey or RGB of a picture, upright, black as 0 and opacity left out if it hides nothing.

    Parameters
    ----------
    picture : Picture
    where : str
        What to call the file in messages.
    reading : Reading
        What its owner says of it.

    Returns
    -------
    (H, W) or (H, W, 3), uint8 or uint16
        A fresh array. More than 8 bits come as uint16, as they are stored; fewer span 0 to 255.

    Raises
    ------
    SourceError
        If pixels are transparent, the file is stored turned and no option says what to do, it has
        channels that are no colours, or numbers that are no shades of 1 to 16 bits.
    """
    values = _colours(picture, where, reading)
    _check_shades(picture, values, where)
    is_deep = picture.bits > 8 and picture.palette is None
    if picture.palette is not None:
        values = picture.palette[_inside(values, picture.palette), :3]
    else:
        values = _stretched(picture, values)
    upright = _upright(picture, values, where, reading)
    return upright.astype(np.uint16) if is_deep else upright.astype(np.uint8)


def as_numbers(
    picture: Picture, where: str, reading: Reading, *, allows_few_bits: bool = False
) -> npt.NDArray[np.int32]:
    """Numbers of a raster of one value per pixel, upright: of indices, object ids, black and white.

    Parameters
    ----------
    picture : Picture
        Grey, a palette (its indices count), or RGB of three equal channels; floats count if they
        are whole numbers.
    where : str
        What to call the file in messages.
    reading : Reading
        What its owner says of it.
    allows_few_bits : bool
        Grey files of fewer than 8 bits are shades by definition: their largest number is white.
        They come as 0 to 255 then; otherwise they are refused, since 1 may be 1 or white.

    Raises
    ------
    SourceError
        If it is in colours, partly transparent, stored turned or with white as 0 and no option said
        what that means, or holds numbers that are not whole or beyond 31 bits.
    """
    if picture.palette is None:
        _check_opacity(picture, where)
        values = _one_channel(picture, where)
    else:
        values = picture.values if picture.values.ndim == 2 else picture.values[:, :, 0]
    whole = _whole(values, where)
    largest = (1 << picture.bits) - 1
    if picture.is_white_zero and picture.palette is None and _is_inverted(picture, where, reading):
        whole = _whole(largest - whole.astype(np.int64), where)
    if picture.bits < 8 and picture.palette is None:
        if not allows_few_bits:
            raise SourceError(
                f"{where!r} is a grey image of {picture.bits} bit, whose values are shades and no "
                "indices. Save it with 8 bits, or say --kind binary if it is black and white."
            )
        whole = whole * 255 // largest
    return np.array(_upright(picture, whole, where, reading), np.int32)


def colour_codes(picture: Picture, where: str, reading: Reading) -> npt.NDArray[np.int32]:
    """Colours of a raster, each as one number ``red << 16 | green << 8 | blue``, (H, W).

    Raises
    ------
    SourceError
        As `as_shown`; and if the colours have more than 8 bits.
    """
    shades = as_shown(picture, where, reading).astype(np.int32)
    if picture.palette is None and picture.bits > 8:
        raise SourceError(
            f"{where!r} has {picture.bits} bits per channel, colours have 8. Save it with 8."
        )
    if shades.ndim == 2:
        shades = np.repeat(shades[:, :, None], 3, axis=2)
    codes: npt.NDArray[np.int32] = shades[:, :, 0] << 16 | shades[:, :, 1] << 8 | shades[:, :, 2]
    return codes


def _colours(picture: Picture, where: str, reading: Reading) -> Stored:
    """The channels that are colours, as stored."""
    chosen = reading.channels
    if chosen is not None:
        if len(chosen) not in (1, 3) or not all(1 <= one <= picture.channels for one in chosen):
            raise SourceError(
                f"{where!r} has {picture.channels} channels, counted from 1: expected one of them "
                f"for grey or three for RGB, got --channels {','.join(map(str, chosen))}."
            )
        if picture.values.ndim == 2:
            return picture.values
        places = [one - 1 for one in chosen]
        picked: Stored = picture.values[:, :, places[0] if len(places) == 1 else places]
        return picked
    extra = picture.channels - picture.colours - (picture.alpha is not None)
    if extra:
        raise SourceError(
            f"{where!r} has {picture.channels} channels, expected grey or RGB. Say which to use, "
            "counted from 1: --channels 1,2,3 for the first three as RGB, --channels 4 for the "
            "fourth as grey."
        )
    _check_opacity(picture, where)
    if picture.values.ndim == 2 or picture.colours == picture.channels:
        return picture.values
    return picture.values[:, :, 0] if picture.colours == 1 else picture.values[:, :, :3]


def _stretched(picture: Picture, values: Stored) -> Stored:
    """Shades with 0 as black; of fewer than 8 bits from 0 to 255."""
    largest = (1 << picture.bits) - 1
    # A bilevel file of tifffile means True by 1, and says black: the numbers are what is meant.
    if picture.is_white_zero and picture.writer is not Writer.TIFFFILE:
        values = np.uint16(largest) - values.astype(np.uint16)
    if picture.bits < 8:
        values = values.astype(np.uint16) * np.uint16(255) // np.uint16(largest)
    return values


def _inside(values: Stored, palette: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Indices into a palette; those beyond its end count as its last one."""
    return np.minimum(values.astype(np.intp), len(palette) - 1)


def _check_opacity(picture: Picture, where: str) -> None:
    """Refuse pixels that are not opaque."""
    values = picture.values
    hidden = np.zeros(values.shape[:2], np.bool_)
    if picture.alpha is not None and values.ndim == 3:
        hidden |= values[:, :, picture.alpha] != (1 << picture.bits) - 1
    if picture.key is not None:
        colours = values[:, :, None] if values.ndim == 2 else values[:, :, : picture.colours]
        hidden |= (colours == np.array(picture.key)).all(2)
    if picture.palette is not None:
        indices = values if values.ndim == 2 else values[:, :, 0]
        hidden |= picture.palette[_inside(indices, picture.palette), 3] != 255
    count = int(hidden.sum())
    if count:
        fourth = (
            f" If the channel is no opacity, say which to use: --channels "
            f"{'1,2,3' if picture.colours == 3 else '1'}."
            if picture.alpha is not None
            else ""
        )
        raise SourceError(
            f"{where!r} has {count:,} transparent pixels, whose colour is undefined. Flatten it "
            f"onto a background.{fourth}"
        )


def _check_shades(picture: Picture, values: Stored, where: str) -> None:
    """Refuse numbers that are no shades: floats, more than 16 bits, negative ones."""
    if not np.issubdtype(values.dtype, np.integer) or picture.bits > _MOST_BITS:
        raise SourceError(
            f"{where!r} is stored as {picture.bits}-bit {_number(values)}, expected grey, RGB or a "
            "palette with 8 or 16 bits. Convert it."
        )
    lowest = int(values.min())
    if lowest < 0 or values.dtype == np.int8:
        raise SourceError(
            f"expected one or three channels of unsigned values in {where!r}, got "
            f"{picture.bits}-bit {_number(values)}, smallest value {lowest}. Save it unsigned."
        )


def _number(values: Stored) -> str:
    kinds = {
        "u": "unsigned integers",
        "i": "signed integers",
        "f": "floats",
        "c": "complex numbers",
    }
    return kinds.get(values.dtype.kind, str(values.dtype))


def _one_channel(picture: Picture, where: str) -> Stored:
    """Values of a mask: its grey channel, or three equal ones."""
    values = picture.values
    extra = picture.channels - picture.colours - (picture.alpha is not None)
    if extra:
        raise SourceError(
            f"{where!r} has {picture.channels} channels, expected one value per pixel. Save the "
            "mask with one channel."
        )
    if values.ndim == 2 or picture.colours == 1:
        return values if values.ndim == 2 else values[:, :, 0]
    if (values[:, :, :3] != values[:, :, :1]).any():
        raise SourceError(
            f"{where!r} is in colours, expected one value per pixel. "
            "Give the palette of the classes, or save indices."
        )
    return values[:, :, 0]


def _whole(values: Stored, where: str) -> npt.NDArray[np.int32]:
    """Whole numbers of at most 31 bits, or the sentence that says what came."""
    if np.issubdtype(values.dtype, np.floating):
        numbers = values.astype(np.float64)
        is_whole = np.isfinite(numbers) & (numbers == np.rint(numbers))
        if not is_whole.all():
            row, col = (int(place) for place in np.argwhere(~is_whole)[0])
            raise SourceError(
                f"expected whole numbers in the mask {where!r}, got {values[row, col]!s} at "
                f"(row, col) = ({row}, {col}), and fractions in {int((~is_whole).sum()):,} pixels. "
                "A map of probabilities is no mask yet: save it black and white, cut at a "
                "threshold, or as integers."
            )
    elif not np.issubdtype(values.dtype, np.integer):
        raise SourceError(f"expected whole numbers in the mask {where!r}, got {_number(values)}.")
    lowest, highest = values.min(), values.max()
    if int(lowest) < -_LARGEST or int(highest) > _LARGEST:
        raise SourceError(
            f"expected values below 2^31 in the mask {where!r}, got {int(lowest)} to "
            f"{int(highest)}. Number classes and objects from 1."
        )
    return values.astype(np.int32)


def _is_inverted(picture: Picture, where: str, reading: Reading) -> bool:
    """Whether the numbers of a mask whose 0 is white are to be turned round."""
    if picture.writer is not None:
        return False
    if reading.white_is_zero is None:
        raise SourceError(
            f"{where!r} says that 0 is white, so its numbers and its look contradict each other. "
            "Say --white-is-zero shown if white on screen is meant by the largest value, or "
            "--white-is-zero stored if the numbers count."
        )
    return reading.white_is_zero is WhiteIsZero.SHOWN


def _upright(picture: Picture, values: Stored, where: str, reading: Reading) -> Stored:
    if picture.orientation == UPRIGHT or reading.orientation is Orientation.IGNORE:
        return values
    if reading.orientation is Orientation.APPLY:
        return turned(values, picture.orientation)
    raise SourceError(
        f"{where!r} is stored turned (EXIF orientation {picture.orientation}), so its rows may not "
        "be the mask's rows. Say --orientation apply if the mask was drawn on the picture as "
        "programs show it, --orientation ignore if on the rows as they are stored; or save it "
        "upright."
    )
