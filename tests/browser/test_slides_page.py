"""Whole slides on the page: a picture of each, a click that opens a region, what is around it."""

import re
from pathlib import Path

import pytest
from annotator import Come
from playwright.sync_api import expect

from askmask.config import parse_config
from askmask.data.slides import preparing
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.progress import silent
from askmask.serve.previews import draw_pieces
from slide_files import tissue_slide, write_pages


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one slide in small fields, with a query of four regions and no model."""
    monkeypatch.setattr(preparing, "FIELD_SIDE", 128)
    slide = write_pages(tmp_path / "one.tif", tissue_slide(1400, 1800, border=300), mpp=0.5)
    write_slide_set([slide], tmp_path / "set", SlideOptions(("background", "gland")))
    tree: dict[str, object] = {
        "name": "slides",
        "data": {"path": str(tmp_path / "set"), "start": "none", "validation": 0},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 2}},
        "query": {"region": {"size": [64, 64], "stride": 32, "budget_regions": 4}},
    }
    with Project.create(tmp_path / "project", parse_config(tree)) as made:
        Loop(made).ask()
        draw_pieces(made, made.store.worklist.items(), None, report=silent)
    return tmp_path / "project"


def test_a_click_on_the_slide_opens_the_region_that_lies_there(come: Come) -> None:
    ada = come("Ada").come()
    before = ada.wait_for_region()
    ada.go("status")
    slide = ada.page.locator("#view-status .slides svg")
    expect(slide).to_have_attribute("aria-label", "one: 41 % tissue, 4 regions")
    boxes = slide.locator("rect")
    expect(boxes).to_have_count(4)
    other = next(key for box in boxes.all() if (key := box.get_attribute("data-region")) != before)
    slide.locator(f"rect[data-region='{other}']").click()
    assert ada.wait_for_region(other_than=before) == other


def test_what_lies_around_a_field_is_shown_and_what_the_scanner_saw(come: Come) -> None:
    ada = come("Ada")
    loaded: list[str] = []
    ada.page.on("response", lambda reply: loaded.append(reply.url))
    ada.come().wait_for_region()
    canvas = ada.page.locator("#canvas")
    expect(canvas).to_have_attribute("data-around", "0")
    assert any("/slides/0/tiles/0/" in url for url in loaded), "finer than the field"
    for _ in range(12):
        ada.page.click("#zoom-out")
    expect(canvas).to_have_attribute("data-around", "0")
    assert any("/slides/0/tiles/1/" in url for url in loaded)
    assert ada.page.evaluate(ALPHA_AT, [-40, -40]) == 255, "nothing is drawn beyond the field"


def test_glass_is_painted_on_the_slide(come: Come) -> None:
    ada = come("Ada").come()
    ada.wait_for_region()
    ada.go("status")
    slide = ada.page.locator("#view-status .slides svg")
    expect(slide).to_have_attribute("aria-label", "one: 41 % tissue, 4 regions")
    ada.page.select_option("#view-status select[aria-label='Brush']", label="broad brush")
    ada.page.click("[data-paint=glass]")
    drawing = ada.page.locator("#view-status .slides svg.painted")
    drawing.hover()  # scrolls there, and waits until it stays
    frame = drawing.bounding_box()
    assert frame is not None
    ada.page.mouse.move(frame["x"] + 0.3 * frame["width"], frame["y"] + frame["height"] / 2)
    ada.page.mouse.down()
    ada.page.mouse.move(frame["x"] + 0.7 * frame["width"], frame["y"] + frame["height"] / 2)
    ada.page.mouse.up()
    expect(slide).to_have_attribute("aria-label", re.compile(r"one: (29|3\d) % tissue"))


ALPHA_AT = """
([row, col]) => new Promise((resolve) => requestAnimationFrame(() => {
  const { dataset } = document.getElementById("canvas");
  const ratio = window.devicePixelRatio;
  const at = (place, start) => Math.round((place - Number(start)) * Number(dataset.scale) * ratio);
  const picture = document.getElementById("picture").getContext("2d");
  resolve(picture.getImageData(at(col, dataset.col), at(row, dataset.row), 1, 1).data[3]);
}))
"""
"""How opaque the picture is at a place (row, col) of the field."""
