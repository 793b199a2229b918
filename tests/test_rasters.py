import io
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from askmask.data.pictures import picture
from askmask.data.rasters import (
    decode_image,
    decode_instances,
    decode_mask,
    decode_raw,
    decode_values,
    encode_image,
    encode_instances,
    encode_mask,
    has_palette,
    to_rgb,
)
from askmask.errors import ShapeError, SourceError
from askmask.records import UNLABELLED
from picture_files import png, stored, tiff

SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=9)
GREY = np.array([[0, 50, 100], [150, 200, 250]], np.uint8)
RGB = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 10
DEEP = np.array([[0, 1000, 65535]], np.uint16)


# Round trips


@given(arrays(np.int16, SHAPES, elements=st.integers(-1, 254)))
def test_masks_survive_the_round_trip(labels: np.ndarray) -> None:
    found = decode_mask(encode_mask(labels))
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, labels)


@given(arrays(np.int32, SHAPES, elements=st.integers(0, 65535)))
def test_instances_survive_the_round_trip(instances: np.ndarray) -> None:
    found = decode_instances(encode_instances(instances))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, instances)


def test_mask_file_holds_indices_and_255_for_unlabelled() -> None:
    content = encode_mask(np.array([[0, 3, UNLABELLED]], np.int16))
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == "L"
        assert np.asarray(image).tolist() == [[0, 3, 255]]


@pytest.mark.parametrize("value", [-2, 255])
def test_labels_beyond_a_byte_are_refused(value: int) -> None:
    with pytest.raises(ShapeError, match=rf"\[-1, 254\], got values in \[{value}, {value}\]"):
        encode_mask(np.full((1, 1), value, np.int16))


@pytest.mark.parametrize("value", [-1, 65536])
def test_instance_ids_beyond_16_bits_are_refused(value: int) -> None:
    with pytest.raises(ShapeError, match=r"\[0, 65535\], got values in .*Number the objects"):
        encode_instances(np.full((1, 1), value, np.int32))


# Images of every kind


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_lossless_rgb_is_read_as_it_is(form: str) -> None:
    found = decode_image(stored(Image.fromarray(RGB), form), "x")
    np.testing.assert_array_equal(found, RGB)
    assert found.flags.writeable


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_grey_is_repeated_in_three_channels(form: str) -> None:
    found = decode_image(stored(Image.fromarray(GREY), form), "x")
    np.testing.assert_array_equal(found, np.stack([GREY] * 3, axis=2))


def test_jpeg_is_read() -> None:
    flat = np.full((16, 16, 3), 120, np.uint8)
    assert abs(decode_image(stored(Image.fromarray(flat), "JPEG"), "x").astype(int) - 120).max() < 3


def test_palette_image_is_read_by_its_colours() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert decode_image(stored(image, "PNG"), "x").tolist() == [[[10, 20, 30], [40, 50, 60]]]


def test_one_bit_image_is_black_and_white() -> None:
    image = Image.fromarray(np.array([[False, True]]))
    assert decode_raw(stored(image, "PNG"), "x").tolist() == [[0, 255]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_that_hides_nothing_is_left_out(mode: str) -> None:
    content = stored(Image.fromarray(GREY).convert(mode), "PNG")
    np.testing.assert_array_equal(decode_image(content, "x")[:, :, 1], GREY)


def test_transparent_pixels_are_refused() -> None:
    image = Image.fromarray(GREY).convert("RGBA")
    image.putpixel((1, 0), (9, 9, 9, 0))
    with pytest.raises(SourceError, match=r"'a\.png' has 1 transparent pixels.*Flatten"):
        decode_image(stored(image, "PNG"), "a.png")


def test_palette_with_a_transparent_colour_is_refused_where_it_is_used() -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    with pytest.raises(SourceError, match="has 1 transparent pixels"):
        decode_image(stored(image, "PNG", transparency=1), "x")


@pytest.mark.parametrize(
    ("image", "form", "stored_as"),
    [
        (Image.new("CMYK", (2, 2)), "JPEG", "'CMYK'"),
        (Image.fromarray(np.zeros((2, 2), np.float32)), "TIFF", "32-bit floats"),
        (Image.fromarray(np.zeros((2, 2), np.int32)), "TIFF", "32-bit signed integers"),
    ],
)
def test_other_colour_spaces_and_depths_are_refused(
    image: Image.Image, form: str, stored_as: str
) -> None:
    with pytest.raises(SourceError, match=f"stored as {stored_as}, expected grey, RGB"):
        decode_image(stored(image, form), "x")


# 16 bits


@pytest.mark.parametrize("content", [stored(Image.fromarray(DEEP), "PNG"), tiff(DEEP)])
def test_deep_grey_keeps_every_bit(content: bytes) -> None:
    found = decode_raw(content, "x")
    assert found.dtype == np.uint16
    assert found.tolist() == DEEP.tolist()


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_deep_rgb_tiff_keeps_every_bit(planar: str) -> None:
    colours = np.arange(60, dtype=np.uint16).reshape(4, 5, 3) * 1000
    given = np.moveaxis(colours, 2, 0) if planar == "separate" else colours
    found = decode_raw(tiff(given, photometric="rgb", planarconfig=planar), "x")
    np.testing.assert_array_equal(found, colours)


def test_deep_rgb_png_keeps_every_bit() -> None:
    content = png(1, 1, 16, 2, b"\0" + b"\x12\x34\x56\x78\x9a\xbc")
    assert decode_raw(content, "x").tolist() == [[[0x1234, 0x5678, 0x9ABC]]]


def test_signed_deep_pixels_are_refused() -> None:
    with pytest.raises(
        SourceError, match="unsigned values in 'x'.*16-bit signed.*smallest value -5"
    ):
        decode_raw(tiff(np.array([[-5, 3]], np.int16)), "x")


def test_deep_pixels_without_a_range_are_refused() -> None:
    with pytest.raises(SourceError, match="16 bits per channel, and no value range was given"):
        decode_image(tiff(DEEP), "x")
    with pytest.raises(SourceError, match="expected a value range"):
        to_rgb(DEEP, None)


def test_deep_pixels_are_mapped_linearly_and_saturate() -> None:
    values = np.array([[0, 1000, 2000, 3000, 4000]], np.uint16)
    # (v - 1000) / 2000 * 255: below 0, 0, 127.5 (to even), 255, above
    assert to_rgb(values, (1000.0, 3000.0))[0, :, 0].tolist() == [0, 0, 128, 255, 255]


def test_range_of_one_value_is_black() -> None:
    assert to_rgb(np.full((1, 1), 7, np.uint16), (7.0, 7.0)).tolist() == [[[0, 0, 0]]]


def test_shallow_pixels_are_copied() -> None:
    found = to_rgb(RGB, None)
    found[:] = 0
    assert RGB.any()


# Masks of every kind


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_values_of_grey_masks_are_read_as_they_are(form: str) -> None:
    found = decode_values(stored(Image.fromarray(GREY), form), "x")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, GREY)


def test_values_of_deep_masks_are_read_as_they_are() -> None:
    assert decode_values(tiff(DEEP), "x").tolist() == DEEP.tolist()
    assert decode_values(tiff(np.array([[70_000]], np.int32)), "x").tolist() == [[70_000]]


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_palette_mask_is_read_by_its_indices(form: str) -> None:
    image = Image.fromarray(np.array([[0, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    content = stored(image, form)
    assert has_palette(content, "x")
    assert decode_values(content, "x").tolist() == [[0, 2]]


def test_grey_mask_stored_as_rgb_is_read() -> None:
    content = stored(Image.fromarray(GREY).convert("RGB"), "PNG")
    np.testing.assert_array_equal(decode_values(content, "x"), GREY)
    assert not has_palette(content, "x")


def test_coloured_mask_has_no_values() -> None:
    with pytest.raises(SourceError, match="is in colours, expected one value per pixel"):
        decode_values(stored(Image.fromarray(RGB), "PNG"), "x")


def test_jpeg_mask_is_refused() -> None:
    with pytest.raises(SourceError, match="is a JPEG, which changes the values"):
        decode_values(stored(Image.fromarray(GREY), "JPEG"), "x")


def test_negative_values_are_refused() -> None:
    with pytest.raises(SourceError, match="expected values >= 0 in 'x', got -1"):
        decode_values(tiff(np.array([[-1]], np.int32)), "x")


@pytest.mark.parametrize(("bits", "row"), [(1, b"\x40"), (2, b"\x10"), (4, b"\x01")])
def test_shades_of_few_bits_are_no_indices(bits: int, row: bytes) -> None:
    content = png(1, 2, bits, 0, b"\0" + row)  # the second pixel is 1
    with pytest.raises(SourceError, match=f"grey image of {bits} bit, whose values are shades"):
        decode_values(content, "x")
    stretched = 255 // (2**bits - 1)
    assert decode_values(content, "x", may_be_stretched=True).tolist() == [[0, stretched]]


def test_mask_of_values_above_255_is_refused() -> None:
    with pytest.raises(SourceError, match=r"indices in \[0, 254\] or 255.*got 300"):
        decode_mask(tiff(np.array([[300]], np.uint16)), "x")


# Files that cannot be used


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "JPEG"])
def test_truncated_files_are_refused(form: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    content = stored(Image.fromarray(noise), form)
    with pytest.raises(SourceError, match=r"cannot read 'x' as an image .*copy it again"):
        decode_raw(content[: len(content) // 2], "x")


@pytest.mark.parametrize("content", [b"", b"plain text", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_files_that_are_no_images_are_refused(content: bytes) -> None:
    with pytest.raises(SourceError, match="cannot read 'x' as an image"):
        decode_raw(content, "x")


def test_deep_tiff_with_damaged_pixels_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 65536, (20, 20, 3)).astype(np.uint16)
    content = bytearray(tiff(noise, photometric="rgb", compression="zlib"))
    place = content.index(b"\x78", 200)
    content[place : place + 200] = b"\xff" * 200
    with pytest.raises(SourceError, match="cannot read 'x' as an image"):
        decode_raw(bytes(content), "x")


@pytest.mark.parametrize(
    "content",
    [
        png(1, 1, 16, 2, b"\0" + b"\x12\x34" * 3),
        tiff(np.zeros((4, 5, 3), np.uint16), photometric="rgb", compression="lzw"),
        tiff(np.zeros((4, 5, 3), np.uint16), photometric="rgb", compression="zstd"),
    ],
    ids=["PNG", "LZW", "ZSTD"],
)
def test_deep_colours_that_need_another_package_name_it(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(SourceError, match=r"'x' is a .*pip install 'askmask\[codecs\]'"):
        decode_raw(content, "x")


def test_several_pages_are_refused() -> None:
    page = Image.fromarray(GREY)
    content = stored(page, "TIFF", save_all=True, append_images=[page, page])
    with pytest.raises(SourceError, match="holds 3 pages, expected one"):
        decode_raw(content, "x")


def test_turned_photographs_are_refused() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = stored(Image.fromarray(RGB), "JPEG", exif=exif)
    with pytest.raises(SourceError, match=r"stored turned \(EXIF orientation 6\).*upright"):
        decode_raw(content, "x")


@pytest.mark.parametrize("side", [10_000, 60_000])  # above Pillow's warning; above its error
def test_bombs_are_refused_before_they_are_unpacked(side: int) -> None:
    content = png(side, side, 8, 0, b"")
    with pytest.raises(SourceError, match="more than 89,478,485 pixels. Cut it into tiles"):
        decode_raw(content, "x")


def test_limit_holds_where_pillow_only_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "MAX_PIXELS", 5)
    with pytest.raises(SourceError, match="more than 5 pixels"):
        decode_raw(encode_image(RGB), "x")
