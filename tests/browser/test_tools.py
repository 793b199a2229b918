"""Shapes, tidying, and keys of any keyboard, as a person uses them."""

import re

import numpy as np
import pytest
from annotator import Annotator, Come, OpenRegion, decode_runs
from playwright.sync_api import expect
from scipy.ndimage import label


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def answer(person: Annotator, region: OpenRegion) -> np.ndarray:
    person.wait_until_saved()
    newest = person.api(f"/items/{region.round}/{region.rank}/answers")["answers"][-1]
    return decode_runs(newest["runs"], region.height, region.width)


def clear(person: Annotator, region: OpenRegion) -> None:
    """Make the whole region background."""
    person.press("e")
    person.set_size(96)
    person.stroke(region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    person.press("0", "g")


def press_elsewhere(person: Annotator, key: str, code: str, modifiers: int = 0) -> None:
    """A key as another keyboard layout writes it; 1 is Alt, 2 is Control."""
    session = person.page.context.new_cdp_session(person.page)
    event = {"key": key, "code": code, "modifiers": modifiers}
    session.send("Input.dispatchKeyEvent", event | {"type": "rawKeyDown"})
    session.send("Input.dispatchKeyEvent", event | {"type": "keyUp"})


def test_shapes_arrive_as_they_were_drawn(ada: Annotator) -> None:
    region = ada.region
    clear(ada, region)
    ada.press("1", "q")
    ada.stroke(region, [(4, 4), (24, 34)])  # an ellipse of 20 by 30
    ada.press("2", "l")
    ada.stroke(region, [(34, 4), (34, 24), (54, 24), (54, 4)])  # a lasso around a square
    ada.press("1", "w")
    ada.set_size(4)
    ada.stroke(region, [(60, 4), (60, 60)], steps=9)  # a line along the bottom
    ada.accept()
    got = answer(ada, region)
    rows, cols = np.mgrid[: region.height, : region.width] + 0.5
    ellipse = ((rows - 14) / 10) ** 2 + ((cols - 19) / 15) ** 2
    assert (got[ellipse < 0.85] == 1).all()
    assert (got[(ellipse > 1.2) & (rows < 30)] == 0).all()
    assert (got[36:52, 6:22] == 2).all()
    assert (got[59:61, 5:59] == 1).all()
    assert (got[57, :] != 1).all()


def test_cut_makes_two_objects_of_one_and_the_last_shape_comes_again(ada: Annotator) -> None:
    region = ada.region
    clear(ada, region)
    ada.press("1", "q")
    ada.stroke(region, [(4, 4), (28, 28)])
    ada.page.mouse.move(*ada.place(region, 46, 46))
    ada.press("y")  # the same ellipse about the pointer
    ada.press("x")
    ada.stroke(region, [(2, 2), (30, 30)])
    ada.accept()
    got = answer(ada, region) == 1
    labels, count = label(got, np.ones((3, 3)))
    assert count == 3
    assert got[46, 46]
    assert not got[16, 16]
    assert labels[10, 22] != labels[22, 10]


def test_class_grows_shrinks_and_loses_its_specks(ada: Annotator) -> None:
    region = ada.region
    clear(ada, region)
    ada.press("1", "l")
    ada.stroke(region, [(10, 10), (10, 40), (40, 40), (40, 10)])
    ada.press("i", "i", "j")
    ada.press("b")
    ada.set_size(2)
    ada.click(region, 55, 55)  # a speck
    ada.press("0")
    ada.click(region, 25, 25)  # a hole
    ada.press("z")
    ada.accept()
    got = answer(ada, region) == 1
    assert got[25, 25]
    assert not got[50:60, 50:60].any()
    side = np.flatnonzero(got[25])
    assert (side[0], side[-1] + 1) == pytest.approx((9, 41), abs=1)


def test_keys_work_under_cyrillic_and_with_brackets_by_altgr(ada: Annotator) -> None:
    size = ada.page.locator("#size-text")
    ada.set_size(12)
    expect(size).to_have_text("12 px")
    press_elsewhere(ada, "ъ", "BracketRight")
    expect(size).to_have_text("16 px")
    press_elsewhere(ada, "[", "Digit8", 1 | 2)  # AltGr, as Windows tells it
    expect(size).to_have_text("12 px")
    press_elsewhere(ada, "&", "Digit1")  # AZERTY
    expect(ada.page.locator("[data-class='1']")).to_have_attribute("aria-pressed", "true")
    key = ada.wait_for_region()
    press_elsewhere(ada, "\N{CYRILLIC SMALL LETTER GHE}", "KeyU")
    ada.wait_for_region(other_than=key)
    ada.wait_until_saved()
    assert ada.api(f"/items/{key}")["state"] == "unsure"
    press_elsewhere(ada, "¡", "Digit3", 1)  # Option+3 on a Mac
    expect(ada.page.locator("#view-status")).to_be_visible()


def test_brush_is_a_tenth_of_the_region_until_somebody_chooses_a_size(ada: Annotator) -> None:
    key = ada.wait_for_region()
    size = ada.page.locator("#size-text")
    assert min(ada.region.height, ada.region.width) == 64
    expect(size).to_have_text("6 px")
    opened = """async (sides) => {
      const { Editor } = await import("/static/editor/editor.js");
      const { Raster } = await import("/static/editor/raster.js");
      const { History } = await import("/static/editor/history.js");
      return sides.map(([width, height]) => {
        const editor = new Editor();
        const first = new Uint8Array(width * height);
        editor.open({ raster: new Raster(width, height), history: new History(), first });
        return editor.size;
      });
    }"""
    assert ada.page.evaluate(opened, [[96, 96], [256, 256], [400, 128], [1, 1]]) == [10, 26, 12, 1]
    ada.press("]")
    expect(size).to_have_text("8 px")
    ada.accept()
    ada.wait_for_region(other_than=key)
    expect(size).to_have_text("8 px")


def test_wheel_with_alt_changes_the_brush_and_leaves_the_picture(ada: Annotator) -> None:
    size, scale = ada.page.locator("#size-text"), ada.scale
    ada.set_size(12)
    ada.page.mouse.move(*ada.place(ada.region, 30, 30))
    ada.page.keyboard.down("Alt")
    ada.page.mouse.wheel(0, -120)  # a notch up
    expect(size).to_have_text("16 px")
    for _ in range(6):
        ada.page.mouse.wheel(0, -20)  # two fingers on a trackpad
    expect(size).to_have_text("34 px")
    ada.page.mouse.wheel(0, 120)
    ada.page.mouse.wheel(0, 48)  # a notch as Firefox tells it
    expect(size).to_have_text("20 px")
    ada.page.keyboard.up("Alt")
    assert ada.scale == scale


def test_key_is_changed_in_the_help_sheet_and_kept(ada: Annotator) -> None:
    page = ada.page
    ada.press("h")
    page.click("#help-sheet [data-action=unsure]")
    ada.press("a")
    expect(page.locator("#help-sheet [role=status]")).to_contain_text("A is taken: artefact")
    page.click("#help-sheet [data-action=unsure]")
    ada.press("F8")
    expect(page.locator("#help-sheet [data-action=unsure]")).to_have_text("F8")
    ada.press("h")
    expect(page.locator("#help-sheet")).to_be_hidden()
    ada.reload()
    expect(page.locator("#unsure kbd")).to_have_text("F8")
    key = ada.wait_for_region()
    ada.press("u")
    ada.press("F8")
    ada.wait_for_region(other_than=key)
    ada.wait_until_saved()
    assert ada.api(f"/items/{key}")["state"] == "unsure"


@pytest.mark.slow
def test_box_tool_is_not_there_without_an_assistant(ada: Annotator) -> None:
    ada.press("F2", "h")

    expect(ada.page.locator("#help-sheet")).to_contain_text("smart brush")
    expect(ada.page.locator("#help-sheet")).not_to_contain_text("F2")
    assert ada.page.locator("[data-tool=smart]").count() == 1
    assert ada.page.locator("[data-tool=box]").count() == 0
    assert ada.page.get_attribute("#canvas", "data-tool") == "brush"


def test_ruler_tells_a_distance_and_draws_nothing(ada: Annotator) -> None:
    region = ada.region
    said = ada.page.locator("#said")
    ada.press("Shift+Digit8")  # writes an asterisk
    expect(ada.page.locator("#ruler")).to_have_attribute("aria-pressed", "true")
    ada.stroke(region, [(10, 10), (40, 50)])
    expect(said).to_contain_text(re.compile(r"(49\.9|50\.\d) pixels"))  # 30 down, 40 across
    ada.click(region, 20, 20)
    ada.click(region, 20, 32)
    expect(said).to_contain_text(re.compile(r"(11\.9|12\.\d) pixels"))
    ada.press("k", "Enter", "ArrowRight", "ArrowRight", "Enter")  # without a mouse
    expect(said).to_contain_text("2.0 pixels")

    ada.press("b")
    expect(ada.page.locator("#ruler")).to_have_attribute("aria-pressed", "false")
    expect(ada.page.locator("#canvas")).to_have_attribute("data-tool", "brush")
    assert ada.api("/items?state=labels")["items"] == []
