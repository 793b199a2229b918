"""Whole slides in the view Status: a picture of each, and a click that opens a region."""

from pathlib import Path

import pytest
from annotator import Come
from playwright.sync_api import expect

from askmask.config import parse_config
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.progress import silent
from askmask.serve.previews import draw_pieces
from slide_files import tissue_slide, write_pages


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of one slide, with a query of four regions and no model."""
    slide = write_pages(tmp_path / "one.tif", tissue_slide(700, 900, border=150), mpp=1.0)
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
