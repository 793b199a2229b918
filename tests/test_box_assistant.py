"""The box and click assistant: files checked, places moved, embeddings kept, all without a page."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from askmask.assist.prompted.assistant import open_assistant
from askmask.assist.prompted.embeddings import KeptEmbeddings
from askmask.assist.prompted.frame import SIDE, SquareFrame, window_of
from askmask.assist.prompted.prompt import MOST_CLICKS, Click, Prompt
from askmask.assist.prompted.weights import open_encoder, open_pair
from askmask.config import AssistConfig, load_config, parse_config
from askmask.errors import ConfigError, ShapeError
from askmask.loop.project import Project
from askmask.records import ImageInfo, Region
from bright_project import (
    HEIGHT,
    WIDTH,
    bright_in_region,
    bright_pixels,
    bright_project,
    embed_all,
    region_of,
)
from onnx_pair import REACH, decoder_content, encoder_content, settings_of, write_pair


def box(top: float, left: float, bottom: float, right: float, *clicks: Click) -> Prompt:
    return Prompt(float(top), float(left), float(bottom), float(right), clicks)


def wanted(row: float, col: float) -> Click:
    return Click(float(row), float(col), is_inside=True)


def unwanted(row: float, col: float) -> Click:
    return Click(float(row), float(col), is_inside=False)


AROUND = box(0, 0, 48, 96)
IMAGE = ImageInfo("bright_0", HEIGHT, WIDTH, has_mask=False)


def read(part: Region) -> np.ndarray:
    return bright_pixels()[part.slices]


def pair_of(folder: Path, encoder: bytes, decoder: bytes) -> AssistConfig:
    """Settings of two files with these contents."""
    folder.mkdir(exist_ok=True)
    paths = folder / "one.onnx", folder / "other.onnx"
    for path, content in zip(paths, (encoder, decoder), strict=True):
        path.write_bytes(content)
    return AssistConfig(**settings_of(*paths))


# --- settings


def test_settings_name_both_files_with_their_digests_or_none(tmp_path: Path) -> None:
    settings = write_pair(tmp_path)
    with pytest.raises(ConfigError, match="set encoder_sha256, decoder, decoder_sha256 as well"):
        parse_config({"data": {"path": "x"}, "assist": {"encoder": settings["encoder"]}})
    with pytest.raises(ConfigError, match="assist.encoder_sha256: String should match pattern"):
        parse_config({"data": {"path": "x"}, "assist": {**settings, "encoder_sha256": "abc"}})
    assert open_assistant(AssistConfig(), tmp_path) is None


def test_relative_paths_count_from_the_file_that_names_them(tmp_path: Path) -> None:
    settings = {**write_pair(tmp_path), "encoder": "encoder.onnx", "decoder": "decoder.onnx"}
    lines = [f"  {name}: {value}" for name, value in settings.items()]
    text = "\n".join(["data: {path: data}", "assist:", *lines, ""])
    (tmp_path / "askmask.yaml").write_text(text)

    assist = load_config(tmp_path / "askmask.yaml").assist

    assert (assist.encoder, assist.decoder) == (
        tmp_path / "encoder.onnx",
        tmp_path / "decoder.onnx",
    )
    open_pair(assist)


# --- files


def test_every_problem_of_the_two_files_is_told_at_once(tmp_path: Path) -> None:
    settings = AssistConfig(**{**write_pair(tmp_path), "encoder": tmp_path / "gone.onnx"})
    assert settings.decoder is not None
    settings.decoder.write_bytes(b"another file")
    with pytest.raises(ConfigError) as caught:
        open_pair(settings)
    told = str(caught.value)
    assert "assist.encoder: expected a file at" in told
    assert f"assist.decoder_sha256: expected {settings.decoder_sha256}" in told


@pytest.mark.parametrize(
    ("encoder", "decoder", "match"),
    [
        (b"no model", None, r"assist\.encoder: expected an ONNX model .* INVALID_PROTOBUF"),
        (None, b"", r"assist\.decoder: expected an ONNX model"),
        (
            encoder_content(512),
            None,
            r"floats \(1, 3, 1024, 1024\) .*, got image \(1, 3, 512, 512\)",
        ),
        (decoder_content(), None, r"assist\.encoder: expected one input .*, got image_embeddings"),
        (None, encoder_content(), r"assist\.decoder: expected inputs .* got image \(1, 3, 1024"),
        (None, decoder_content(leaves_out="low_res_masks"), "expected .* low_res_masks among the"),
        (None, decoder_content(leaves_out="orig_im_size"), "expected inputs of floats .*orig_im"),
        (None, decoder_content(channels=3), r"it takes \[1, 3, 64, 64\]\. Take two files of one"),
    ],
)
def test_file_of_another_form_is_refused(
    tmp_path: Path, encoder: bytes | None, decoder: bytes | None, match: str
) -> None:
    pair = pair_of(
        tmp_path, encoder or encoder_content(), decoder_content() if decoder is None else decoder
    )
    with pytest.raises(ConfigError, match=match):
        open_pair(pair)


def test_missing_package_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"pip install 'askmask\[assist\]'"):
        open_pair(AssistConfig(**write_pair(tmp_path)))


def test_encoder_of_whole_pictures_finds_the_same_places(tmp_path: Path) -> None:
    square, picture = (
        open_encoder(pair_of(tmp_path / str(n), content, decoder_content()), 1)
        for n, content in enumerate((encoder_content(), encoder_content(takes_picture=True)))
    )
    ours, theirs = (encoder.embed(bright_pixels())[0, 0, :32] > 0 for encoder in (square, picture))
    assert np.array_equal(ours, theirs)
    # 128 columns fill 64 cells: two pixels a cell
    assert ours.sum() == 16 * 32


# --- places


def test_places_are_moved_into_the_square() -> None:
    # 1024 / 128 = 8 for each pixel; the first pixel's centre, 0.5, lies at 4, written 3.5
    frame = SquareFrame(HEIGHT, WIDTH)
    assert frame.filled == (512, 1024)
    places = np.array([[0.5, 0.5], [64, 128], [10, 20.5]])
    assert frame.coordinates(places).tolist() == [[3.5, 3.5], [1023.5, 511.5], [163.5, 79.5]]


def test_short_side_is_rounded_as_the_pixels_are() -> None:
    # 1024 / 775 x 522 = 689.7, so 690 rows; row 261 is their middle, 345
    frame = SquareFrame(522, 775)
    assert frame.filled == (690, 1024)
    assert frame.coordinates(np.array([[261.0, 387.5]])).tolist() == [[511.5, 344.5]]


def test_picture_fills_the_upper_left_and_the_rest_is_zero() -> None:
    square = SquareFrame(HEIGHT, WIDTH).square(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))
    assert square.shape == (1, 3, SIDE, SIDE)
    assert np.allclose(square[0, 0, :512], (255 - 123.675) / 58.395)
    assert not square[0, :, 512:].any()


def test_map_is_read_at_the_centres_of_pixels() -> None:
    # A map of 2 x 2 over the square, a picture of 4 x 4: centres at 1/8, 3/8, 5/8, 7/8 of it, where
    # the map's own centres lie at 1/4 and 3/4.
    values = SquareFrame(4, 4).values_at(
        np.array([[0, 4], [0, 4]], np.float32), Region("a", 0, 0, 1, 4)
    )
    assert values.tolist() == [[0, 1, 3, 4]]


def test_padding_is_never_read() -> None:
    square = np.full((256, 256), -9, np.float32)
    square[:128] = 7  # the 512 of 1024 rows that the picture fills
    values = SquareFrame(HEIGHT, WIDTH).values_at(square, Region("a", 0, 0, HEIGHT, WIDTH))
    assert (values[:-1] == 7).all()
    assert (values[-1] > 0).all()


sizes = st.integers(2, 5000)


@given(sizes, sizes, st.data())
def test_window_holds_the_region_and_its_surroundings(
    height: int, width: int, data: st.DataObject
) -> None:
    image = ImageInfo("a", height, width)
    row, col = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    tall, wide = min(height - row, 2000), min(width - col, 2000)
    region = Region("a", row, col, data.draw(st.integers(1, tall)), data.draw(st.integers(1, wide)))
    window = window_of(region, image)
    for start, length, first, size, most in (
        (region.row, region.height, window.row, window.height, height),
        (region.col, region.width, window.col, window.width, width),
    ):
        assert 0 <= first <= start
        assert start + length <= first + size <= most
        assert size == min(most, max(SIDE, 2 * length))
        around = (size - length) // 2
        assert start - first >= min(start, around - 1)
        assert first + size - start - length >= min(most - start - length, around - 129)


def test_region_that_is_too_large_is_refused() -> None:
    image = ImageInfo("a", 3000, 3000)
    with pytest.raises(ShapeError, match="at most 4,000,000 pixels .* got 2001 x 2000"):
        window_of(Region("a", 0, 0, 2001, 2000), image)


def test_regions_of_a_small_image_share_its_window() -> None:
    image = ImageInfo("a", 522, 775)
    windows = {window_of(Region("a", row, 300, 150, 150), image) for row in (0, 100, 372)}
    assert windows == {image.whole}


# --- prompts


def test_box_comes_first_and_is_cut_off_at_the_picture() -> None:
    prompt = box(-5, 10, 900, 20, wanted(1, 2), unwanted(3, 4))
    points, labels = prompt.points(SquareFrame(HEIGHT, WIDTH))
    assert labels.tolist() == [[2, 3, 1, 0]]
    assert points[0, :2].tolist() == [[79.5, -0.5], [159.5, 511.5]]
    assert points[0, 2:].tolist() == [[15.5, 7.5], [31.5, 23.5]]


@pytest.mark.parametrize(
    ("prompt", "match"),
    [
        (box(70, 0, 90, 9), "expected a box with something of the picture of 64 x 128 pixels"),
        (box(9, 0, 9, 9), "expected a box with something"),
        (box(0, 0, 9, 9, wanted(64.5, 3)), "one at row 64.5, column 3"),
        (box(0, 0, 9, 9, *[wanted(1, 1)] * 33), "at most 32 clicks, got 33"),
    ],
)
def test_prompt_that_does_not_fit_the_picture_is_refused(prompt: Prompt, match: str) -> None:
    assert MOST_CLICKS == 32
    with pytest.raises(ShapeError, match=match):
        prompt.points(SquareFrame(HEIGHT, WIDTH))


# --- proposals


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with bright_project(tmp_path) as project:
        yield project


def test_nothing_is_proposed_before_the_picture_is_embedded(project: Project) -> None:
    assistant = open_assistant(project.config.assist, project.root)
    assert assistant is not None
    assert assistant.propose(region_of(0), IMAGE, read, AROUND) is None
    assert assistant.propose(region_of(0), IMAGE, read, None) is None
    embed_all(project)
    assert assistant.propose(region_of(0), IMAGE, read, None) is not None


def test_box_and_clicks_give_the_mask_worked_out_by_hand(project: Project) -> None:
    embed_all(project)
    assistant = open_assistant(project.config.assist, project.root)
    assert assistant is not None

    whole = assistant.propose(region_of(0), IMAGE, read, AROUND)
    left = assistant.propose(region_of(0), IMAGE, read, box(-8, -16, 40, 48))
    clicks = unwanted(24, 48), wanted(44, 90)
    clicked = assistant.propose(region_of(0), IMAGE, read, box(0, 0, 48, 96, *clicks))

    assert np.array_equal(whole, bright_in_region())
    assert np.array_equal(left, bright_in_region() & (np.arange(96) < 48))
    expected = bright_in_region()
    reach = REACH // 8  # eight pixels of the square are one of the image
    expected[24 - reach : 24 + reach, 48 - reach : 48 + reach] = False
    expected[44 - reach : 44 + reach, 90 - reach : 90 + reach] = True
    assert np.array_equal(clicked, expected)


def test_changed_image_and_another_encoder_have_embeddings_of_their_own(tmp_path: Path) -> None:
    one, other = (KeptEmbeddings(tmp_path, 10**8, digit * 64) for digit in "ab")
    pixels = bright_pixels()
    names = {one.name(pixels), other.name(pixels), one.name(bright_pixels(1))}
    names.add(one.name(pixels.reshape(WIDTH, HEIGHT, 3)))
    assert len(names) == 4


# --- what is kept


def embedding(value: float) -> np.ndarray:
    return np.full((1, 4, 8, 8), value, np.float32)


@pytest.mark.parametrize("damage", [lambda b: b[:-10], lambda b: b[:-1] + b"\x7f", lambda _: b""])
def test_damaged_embedding_is_removed_and_made_anew(
    tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    kept = KeptEmbeddings(tmp_path, 10**8, "a" * 64)
    kept.keep("name", embedding(1.5))
    assert np.array_equal(kept.read("name"), embedding(1.5))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert kept.read("name") is None
    assert not kept.has("name")
    assert "is damaged and made anew" in caplog.text


def test_kept_embeddings_stay_within_their_bytes(tmp_path: Path) -> None:
    kept = KeptEmbeddings(tmp_path, 5000, "a" * 64)  # each takes some 1100
    for number in range(12):
        kept.keep(str(number), embedding(number))
        time.sleep(0.01)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 5000
    assert np.array_equal(kept.read("11"), embedding(11))
    assert kept.read("0") is None
    assert kept.room(embedding(0)) == 2  # 1024 bytes of values each, and half of it to spare
