"""A box around an object, clicks where the proposal is wrong: proposed, refined, kept, undone."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from annotator import Annotator, Come, OpenRegion, decode_runs
from page_server import Served, change_settings
from PIL import Image
from playwright.sync_api import expect

from askmask.loop.project import Project
from askmask.serve.embedder import Embedder
from onnx_pair import REACH, write_pair

pytestmark = pytest.mark.slow

NOTICE = "#assistant-notice"
SIDE = 64
SCALE = 1024 / 160
"""Pixels of the encoder's square for each of the image."""


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """The trained project with an assistant; its images are dark but for a bright square."""
    shutil.copytree(trained, tmp_path / "copy")
    for path in (tmp_path / "copy" / "data" / "images").glob("*.png"):
        pixels = np.full((160, 160, 3), 20, np.uint8)
        pixels[40:120, 40:120] = 250
        Image.fromarray(pixels).save(path)
    folder = tmp_path / "copy" / "project"
    pair = write_pair(tmp_path / "pair")
    change_settings(folder, {f"assist.{name}": value for name, value in pair.items()})
    return folder


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    person.press("0", "e")
    person.set_size(96)
    person.stroke(person.region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    person.press("0", "g")  # begin with background everywhere
    return person


def embed(folder: Path) -> None:
    """What the worker does for the region in hand."""
    with Project.open(folder) as project:
        assert Embedder(project).serve_hands()


def wait_for_proposal(person: Annotator, clicks: int) -> None:
    person.page.wait_for_selector(f"#canvas[data-proposal='{clicks}']")


def bright_in(region: OpenRegion) -> np.ndarray:
    image = np.zeros((160, 160), bool)
    image[40:120, 40:120] = True
    return image[region.row : region.row + SIDE, region.col : region.col + SIDE]


def middle_of(mask: np.ndarray) -> tuple[float, float]:
    rows, cols = np.nonzero(mask)
    return float(np.median(rows)) + 0.5, float(np.median(cols)) + 0.5


def accepted(person: Annotator, region: OpenRegion) -> np.ndarray:
    person.accept()
    person.wait_until_saved()
    newest = person.api(f"/items/{region.round}/{region.rank}/answers")["answers"][-1]
    assert "box" in newest["tool"]
    return decode_runs(newest["runs"], region.height, region.width)


def test_box_is_proposed_when_the_picture_is_ready_then_clicked_kept_and_undone(
    ada: Annotator, served: Served
) -> None:
    region = ada.region
    bright = bright_in(region)
    assert bright.sum() > 100
    ada.press("1", "F2")
    expect(ada.page.locator(NOTICE)).to_contain_text("not prepared yet")
    ada.stroke(region, [(-8, -8), (SIDE + 8, SIDE + 8)])  # the object reaches out of the region
    assert ada.page.get_attribute("#canvas", "data-proposal") == "waiting"
    embed(served.folder)
    wait_for_proposal(ada, 0)
    expect(ada.page.locator(NOTICE)).to_be_hidden()

    row, col = middle_of(bright)
    ada.click(region, row, col)  # too much there
    wait_for_proposal(ada, 1)
    rows, cols = np.nonzero(bright)
    ada.click(region, rows.min() + 0.5, cols.min() + 0.5)  # and there
    wait_for_proposal(ada, 2)
    ada.press("Control+z")  # the second click is taken back
    ada.press("Enter", "Escape")  # kept: nothing is left to drop

    got = accepted(ada, region)
    rows, cols = np.mgrid[:SIDE, :SIDE] + 0.5
    reach = REACH / SCALE
    near = np.maximum(abs(rows - row), abs(cols - col))
    assert set(np.unique(got)) == {0, 1}
    assert (got[~bright] == 0).all()
    assert (got[near < reach - 1.5] == 0).all()
    assert (got[bright & (near > reach + 1.5)] == 1).all()


def test_keyboard_alone_draws_the_box_and_escape_drops_the_proposal(
    ada: Annotator, served: Served
) -> None:
    region = ada.region
    embed(served.folder)
    ada.press("1", "F2", "k", *["Shift+ArrowUp"] * 3, *["Shift+ArrowLeft"] * 3, "Enter")
    ada.press(*["Shift+ArrowDown"] * 6, *["Shift+ArrowRight"] * 6, "Enter")
    wait_for_proposal(ada, 0)
    ada.press("Shift+Enter")  # kept; the next box is dropped
    expect(ada.page.locator("#canvas")).to_have_attribute("data-proposal", "none")
    ada.press("0", "Enter", *["Shift+ArrowUp"] * 4, *["Shift+ArrowLeft"] * 4, "Enter")
    wait_for_proposal(ada, 0)
    ada.press("Escape")

    got = accepted(ada, region)

    away = np.abs(np.arange(SIDE) + 0.5 - 32.5)  # the box goes 30 pixels from the middle
    inside = np.maximum(away[:, None], away[None])
    expected = bright_in(region) & (inside < 30)
    assert np.array_equal((got == 1)[abs(inside - 30) > 1], expected[abs(inside - 30) > 1])
