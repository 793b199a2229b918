"""Image files as cameras, microscopes and other programs write them: read as meant, or refused."""

import io
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from askmask.data.pictures import opening
from askmask.data.pictures.opening import looks_like_image, open_picture
from askmask.data.pictures.picture import Orientation, Reading, WhiteIsZero, turned
from askmask.data.rasters import decode_raw, decode_values
from askmask.errors import SourceError
from picture_files import chunk, png, stored, tiff, tiff_of_imagej, turned_file

APPLY = Reading(orientation=Orientation.APPLY)
IGNORE = Reading(orientation=Orientation.IGNORE)
SHADES = np.array([[0, 50, 100], [150, 200, 255]], np.uint8)
DEEP = np.array([[0, 1000, 4095]], np.uint16)
COLOURS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10
OBJECT = np.array([[0, 0, 255], [0, 255, 255]], np.uint8)

# Orientation. Rows and columns of the shown picture, from the definition in EXIF 2.3: the stored
# row 0 is shown at the side named first, the stored column 0 at the side named second.
SHOWN = {
    1: lambda a: a,  # top, left
    2: lambda a: a[:, ::-1],  # top, right
    3: lambda a: a[::-1, ::-1],  # bottom, right
    4: lambda a: a[::-1],  # bottom, left
    5: lambda a: np.transpose(a, (1, 0, 2)),  # left, top
    6: lambda a: np.rot90(a, -1),  # right, top
    7: lambda a: np.transpose(a, (1, 0, 2))[::-1, ::-1],  # right, bottom
    8: np.rot90,  # left, bottom
}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_follows_the_definition_and_pillow(orientation: int) -> None:
    found = turned(COLOURS, orientation)
    np.testing.assert_array_equal(found, SHOWN[orientation](COLOURS))
    with Image.open(io.BytesIO(turned_file(COLOURS, "PNG", orientation))) as image:
        from PIL import ImageOps

        np.testing.assert_array_equal(found, np.asarray(ImageOps.exif_transpose(image)))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_turned_file_is_refused_turned_or_taken_as_stored(form: str, orientation: int) -> None:
    content = turned_file(COLOURS, form, orientation)
    with pytest.raises(SourceError, match="--orientation apply if .* --orientation ignore if"):
        decode_raw(content, "x")
    np.testing.assert_array_equal(decode_raw(content, "x", APPLY), SHOWN[orientation](COLOURS))
    np.testing.assert_array_equal(decode_raw(content, "x", IGNORE), COLOURS)


def test_turned_photograph_is_turned_too() -> None:
    picture = np.zeros((16, 32, 3), np.uint8)
    picture[:8] = 250  # bright above; orientation 6 shows the first row at the right
    found = decode_raw(turned_file(picture, "JPEG", 6), "x", APPLY)
    assert found.shape == (32, 16, 3)
    assert found[:, 12:].min() > 200
    assert found[:, :4].max() < 50


@pytest.mark.parametrize(
    "values", [SHADES, SHADES.astype(np.uint16) * 200, COLOURS.astype(np.uint16) * 250]
)
def test_turned_tiff_of_any_depth_is_turned_alike(values: np.ndarray) -> None:
    kind = "rgb" if values.ndim == 3 else "minisblack"
    content = tiff(values, photometric=kind, extratags=[(274, 3, 1, 8, True)])
    np.testing.assert_array_equal(decode_raw(content, "x", APPLY), np.rot90(values))
    np.testing.assert_array_equal(decode_raw(content, "x", IGNORE), values)


def test_turned_tiff_that_pillow_decodes_is_read_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    content = stored(Image.fromarray(COLOURS), "TIFF", compression="tiff_lzw", tiffinfo={274: 6})
    np.testing.assert_array_equal(decode_raw(content, "x", APPLY), SHOWN[6](COLOURS))
    np.testing.assert_array_equal(decode_raw(content, "x", IGNORE), COLOURS)


# White as zero


@pytest.mark.parametrize(
    ("values", "largest"), [(SHADES, 255), (SHADES.astype(np.uint16) * 257, 65_535)]
)
def test_image_whose_zero_is_white_is_inverted_in_every_depth(
    values: np.ndarray, largest: int
) -> None:
    for content in (
        tiff(values, photometric="miniswhite"),
        tiff_of_imagej(values, photometric="miniswhite"),
        tiff(values, photometric="miniswhite", compression="lzw"),
    ):
        np.testing.assert_array_equal(decode_raw(content, "x"), largest - values)


def test_image_whose_zero_is_white_is_inverted_by_pillow_s_decoder_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = tiff(SHADES, photometric="miniswhite", compression="lzw")
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    np.testing.assert_array_equal(decode_raw(content, "x"), 255 - SHADES)


def test_mask_of_imagej_with_an_inverting_table_keeps_its_numbers() -> None:
    content = tiff_of_imagej(OBJECT, photometric="miniswhite")
    np.testing.assert_array_equal(decode_values(content, "x"), OBJECT)


def test_mask_of_truth_values_has_its_object_where_they_are_true() -> None:
    content = tiff(OBJECT > 0)  # as tifffile and scikit-image write: 1 bit, zero declared white
    found = decode_values(content, "x", may_be_stretched=True)
    np.testing.assert_array_equal(found, OBJECT)
    np.testing.assert_array_equal(decode_raw(content, "x"), OBJECT)


@pytest.mark.parametrize(
    ("values", "stretched"), [(OBJECT, OBJECT), (OBJECT > 0, OBJECT)], ids=["8 bit", "1 bit"]
)
def test_other_mask_whose_zero_is_white_is_asked_about(
    values: np.ndarray, stretched: np.ndarray
) -> None:
    content = tiff(values, photometric="miniswhite", software=False)
    with pytest.raises(SourceError, match="0 is white.*--white-is-zero shown .*stored if"):
        decode_values(content, "x", may_be_stretched=True)
    said = {kind: Reading(white_is_zero=kind) for kind in WhiteIsZero}
    found = decode_values(content, "x", may_be_stretched=True, reading=said[WhiteIsZero.STORED])
    np.testing.assert_array_equal(found, stretched)
    found = decode_values(content, "x", may_be_stretched=True, reading=said[WhiteIsZero.SHOWN])
    np.testing.assert_array_equal(found, 255 - stretched)


# Channels, transparency


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_fourth_channel_that_is_no_opacity_is_asked_about(dtype: type) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = tiff(values, photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(SourceError, match="has 4 channels.*--channels 1,2,3 .*--channels 4"):
        decode_raw(content, "x")
    infrared = Reading(channels=(4, 1, 2))
    np.testing.assert_array_equal(decode_raw(content, "x", infrared), values[:, :, [3, 0, 1]])
    np.testing.assert_array_equal(decode_raw(content, "x", Reading(channels=(4,))), values[:, :, 3])


def test_fourth_channel_that_is_called_opacity_and_is_none_is_asked_about() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    content = tiff(values, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(SourceError, match="transparent pixels.*--channels 1,2,3"):
        decode_raw(content, "x")
    np.testing.assert_array_equal(
        decode_raw(content, "x", Reading(channels=(1, 2, 3))), values[:, :, :3]
    )


@pytest.mark.parametrize("channels", [(5,), (0,), (1, 2)])
def test_channels_that_a_file_does_not_have_are_refused(channels: tuple[int, ...]) -> None:
    content = tiff(np.zeros((2, 3, 4), np.uint8), photometric="rgb")
    with pytest.raises(SourceError, match="has 4 channels, counted from 1"):
        decode_raw(content, "x", Reading(channels=channels))


def test_two_channels_in_planes_are_asked_about() -> None:
    values = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    content = tiff(values, photometric="minisblack", planarconfig="separate")
    with pytest.raises(SourceError, match="has 2 channels"):
        decode_raw(content, "x")
    np.testing.assert_array_equal(decode_raw(content, "x", Reading(channels=(2,))), values[1])


@pytest.mark.parametrize(
    "content",
    [
        png(1, 2, 8, 0, b"\0\x05\x06", chunk(b"tRNS", b"\0\x05")),
        png(1, 2, 16, 0, b"\0\x01\x05\x01\x06", chunk(b"tRNS", b"\x01\x05")),
        png(1, 2, 2, 0, b"\0\x10", chunk(b"tRNS", b"\0\x01")),
        png(1, 2, 8, 2, b"\0\x01\x02\x03\x04\x05\x06", chunk(b"tRNS", b"\0\1\0\2\0\3")),
        png(1, 2, 16, 2, b"\0" + bytes(range(12)), chunk(b"tRNS", bytes(range(6)))),
        png(1, 1, 16, 6, b"\0" + b"\xff\xff" * 3 + b"\xff\xfe"),
    ],
    ids=["grey", "deep grey", "2 bits", "RGB", "deep RGB", "deep alpha"],
)
def test_transparent_value_of_a_png_hides_its_pixels(content: bytes) -> None:
    with pytest.raises(SourceError, match="has 1 transparent pixels"):
        decode_raw(content, "x")


def test_transparent_value_that_no_pixel_has_hides_nothing() -> None:
    content = png(1, 2, 8, 0, b"\0\x05\x06", chunk(b"tRNS", b"\0\x07"))
    assert decode_raw(content, "x").tolist() == [[5, 6]]


def test_deep_png_with_opacity_keeps_its_colours() -> None:
    content = png(1, 1, 16, 6, b"\0\x12\x34\x56\x78\x9a\xbc\xff\xff")
    assert decode_raw(content, "x").tolist() == [[[0x1234, 0x5678, 0x9ABC]]]
    content = png(1, 1, 16, 4, b"\0\x12\x34\xff\xff")
    assert decode_raw(content, "x").tolist() == [[0x1234]]


# Depths and orders of bytes


@pytest.mark.parametrize("compression", ["lzw", "zstd", "zlib"])
@pytest.mark.parametrize("predictor", [False, True])
def test_deep_colours_in_any_compression_keep_every_bit(compression: str, predictor: bool) -> None:
    values = np.arange(60, dtype=np.uint16).reshape(4, 5, 3) * 1000
    content = tiff(values, photometric="rgb", compression=compression, predictor=predictor)
    np.testing.assert_array_equal(decode_raw(content, "x"), values)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i2", "i4", "i8"])
def test_numbers_of_masks_are_read_in_every_size_and_order(dtype: str, byteorder: str) -> None:
    values = np.array([[0, 1, 100]], dtype)
    content = tiff(values, byteorder=byteorder)
    found = decode_values(content, "x")
    assert found.dtype == np.int32
    assert found.tolist() == [[0, 1, 100]]


def test_deep_images_are_read_in_every_order_of_bytes() -> None:
    for byteorder in "<>":
        np.testing.assert_array_equal(decode_raw(tiff(DEEP, byteorder=byteorder), "x"), DEEP)


def test_twelve_bits_are_read_as_they_are() -> None:
    content = tiff(DEEP, bitspersample=12)
    np.testing.assert_array_equal(decode_raw(content, "x"), DEEP)
    np.testing.assert_array_equal(decode_values(content, "x"), DEEP)


@pytest.mark.parametrize(("bits", "largest"), [(2, 3), (4, 15)])
def test_few_bits_of_a_tiff_span_black_to_white(bits: int, largest: int) -> None:
    content = tiff(np.array([[0, 1, largest]], np.uint8), bitspersample=bits)
    assert decode_raw(content, "x").tolist() == [[0, 255 // largest, 255]]
    with pytest.raises(SourceError, match=f"grey image of {bits} bit, whose values are shades"):
        decode_values(content, "x")


def test_numbers_beyond_31_bits_are_refused() -> None:
    with pytest.raises(SourceError, match=r"expected values below 2\^31 .* to 4294967296"):
        decode_values(tiff(np.array([[1, 2**32]], np.int64)), "x")


def test_floats_count_where_they_are_whole_numbers() -> None:
    content = tiff(np.array([[0, 7, 300]], np.float32))  # label images of ImageJ are floats
    assert decode_values(content, "x").tolist() == [[0, 7, 300]]
    with pytest.raises(SourceError, match=r"got 0\.5 at \(row, col\) = \(0, 1\).*1 pixels.*cut"):
        decode_values(tiff(np.array([[0, 0.5, 1]], np.float32)), "x")
    with pytest.raises(SourceError, match="got nan at"):
        decode_values(tiff(np.array([[0, np.nan]], np.float32)), "x")


def test_signed_bytes_do_not_wrap() -> None:
    content = tiff(np.array([[-1, 0, 1]], np.int8))
    with pytest.raises(SourceError, match="got -1. If it marks pixels .* --ignore-value -1"):
        decode_values(content, "x")
    assert decode_values(content, "x", ignored=-1).tolist() == [[-1, 0, 1]]
    with pytest.raises(SourceError, match="8-bit signed integers, smallest value -1"):
        decode_raw(content, "x")


# What a file is, its first bytes say


@pytest.mark.parametrize("form", ["WEBP", "JPEG", "PNG", "TIFF", "BMP"])
def test_format_is_told_by_the_content_and_not_by_the_name(form: str) -> None:
    flat = Image.new("RGB", (16, 16), (120, 120, 120))
    content = stored(flat, form)
    assert looks_like_image(content[:16])
    found = decode_raw(content, "photo.xyz").astype(int)
    assert abs(found - 120).max() < 3


def test_first_picture_of_a_phone_s_file_counts() -> None:
    first, second = Image.new("RGB", (16, 8), (200, 200, 200)), Image.new("RGB", (8, 4))
    content = stored(first, "MPO", save_all=True, append_images=[second])
    found = decode_raw(content, "x")
    assert found.shape == (8, 16, 3)
    assert found.min() > 190


def test_webp_mask_counts_only_without_loss() -> None:
    image = Image.fromarray(OBJECT).convert("RGB")
    lossless = stored(image, "WEBP", lossless=True)
    np.testing.assert_array_equal(decode_values(lossless, "x"), OBJECT)
    with pytest.raises(SourceError, match="lossy WEBP, which changes the values"):
        decode_values(stored(image, "WEBP"), "x")


def test_moving_webp_is_refused() -> None:
    frames = [Image.new("RGB", (8, 8), (n, 0, 0)) for n in (0, 200)]
    content = stored(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    with pytest.raises(SourceError, match="holds 2 pages"):
        decode_raw(content, "x")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is PostScript"),
        (stored(Image.new("P", (2, 2)), "GIF"), "it is GIF"),
        (stored(Image.new("RGB", (2, 2)), "PPM"), "got 23 bytes that begin with b'P6"),
        (b"\0\0\0\x18ftypheic", "it is HEIC"),
    ],
)
def test_other_formats_never_reach_their_decoders(content: bytes, told: str) -> None:
    with pytest.raises(SourceError, match=f"cannot read 'x.png' as an image .*{told}"):
        decode_raw(content, "x.png")


@pytest.mark.parametrize("content", [b"", b"no picture", b"II*\0" + b"\xff" * 20, b"\xff\xd8\xff"])
def test_messages_name_no_objects_of_the_program(content: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        open_picture(content, "x")
    assert "_io." not in str(caught.value)
    assert "object at" not in str(caught.value)


def test_stacks_and_volumes_are_refused() -> None:
    stack = np.zeros((3, 4, 5), np.uint8)
    for content in (
        tiff(stack, photometric="minisblack"),
        tiff(stack, imagej=True),
        tiff(
            np.zeros((16, 16, 16), np.uint8),
            volumetric=True,
            tile=(16, 16, 16),
            photometric="minisblack",
        ),
    ):
        with pytest.raises(SourceError, match="pages, expected one"):
            decode_raw(content, "x")


def test_tiff_with_fewer_strips_than_rows_is_refused() -> None:
    content = bytearray(tiff(SHADES, rowsperstrip=1))
    tag = content.index(b"\x01\x01\x04\x00") + 8  # ImageLength, LONG
    assert content[tag] == 2
    content[tag + 2] = 100  # 6,553,602 rows, of which the file holds two
    with pytest.raises(SourceError, match="it ends before its pixels do"):
        decode_raw(bytes(content), "x")


# Damage anywhere

_SEEDS = {
    "png": png(4, 4, 8, 0, (b"\0" + bytes(range(4))) * 4),
    "deep png": png(2, 2, 16, 2, (b"\0" + bytes(range(12))) * 2),
    "palette": stored(Image.fromarray(OBJECT).convert("P"), "PNG"),
    "jpeg": turned_file(np.zeros((8, 8, 3), np.uint8), "JPEG", 6),
    "bmp": stored(Image.fromarray(SHADES), "BMP"),
    "webp": stored(Image.fromarray(COLOURS), "WEBP", lossless=True),
    "tiff": tiff(COLOURS, photometric="rgb"),
    "lzw": tiff(SHADES.astype(np.uint16), compression="lzw", predictor=True),
    "bool": tiff(OBJECT > 0),
    "imagej": tiff(np.zeros((2, 4, 5), np.uint8)[0], imagej=True),
}


@pytest.mark.filterwarnings("ignore")
@given(
    name=st.sampled_from(sorted(_SEEDS)),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    length=st.integers(0, 500),
)
def test_damaged_files_are_read_or_refused_in_one_sentence(
    name: str, changes: list[tuple[int, int]], length: int
) -> None:
    content = bytearray(_SEEDS[name])
    for place, value in changes:
        content[place % len(content)] = value
    cut = bytes(content[: max(length, 4)])
    for read in (decode_raw, decode_values):
        try:
            values = read(cut, "x")
        except SourceError as error:
            assert "x" in str(error)  # noqa: PT017 - either outcome is right
        else:
            assert values.size > 0


def test_only_one_place_opens_files_of_others() -> None:
    assert set(opening.FORMATS) == {"PNG", "JPEG", "BMP", "WEBP"}
    from pathlib import Path

    package = Path(opening.__file__).parents[2]
    calls = {
        path.relative_to(package).as_posix(): line.strip()
        for path in package.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "Image.open(" in line and "formats=" not in line
    }
    assert calls == {}


def test_reading_warns_of_nothing() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for content in _SEEDS.values():
            open_picture(content, "x")
    assert seen == []
