"""The page with a thousand asked regions: only what is in sight is there, or was fetched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from annotator import Annotator, visitors
from page_server import Served
from playwright.sync_api import Browser, expect

from askmask.loop.project import Project
from askmask.records import Query, QueryItem, Region, Unit

COUNT = 1000


@pytest.fixture
def many(project: Path) -> Path:
    """The trained project with a second query of a thousand regions."""
    with Project.open(project) as opened:
        image_id = opened.roles.pool[0]
        places = [(row, col) for row in range(32) for col in range(32)][:COUNT]
        items = tuple(
            QueryItem(rank, Region(image_id, row, col, 16, 16), 1.0, 256)
            for rank, (row, col) in enumerate(places)
        )
        opened.store.add_query(Query(2, "random", Unit.REGION, items))
    return project


@pytest.fixture
def ada(chromium: Browser, many: Path) -> Iterator[Annotator]:
    with Served(many) as served:
        bringing = visitors(chromium, lambda: served.address)
        person = next(bringing)("Ada").come()
        person.wait_for_region()
        yield person
        next(bringing, None)


def test_strip_of_a_thousand_regions_has_the_cards_in_sight(ada: Annotator) -> None:
    cards = ada.page.locator(".card")
    expect(ada.page.locator("#card-1-0")).to_be_visible()
    assert cards.count() < 30
    assert cards.first.get_attribute("aria-setsize") == str(COUNT + 8)

    ada.page.fill("#strip-jump", "2.700")
    ada.page.keyboard.press("Enter")
    ada.page.wait_for_selector("#canvas[data-item='2/699']")

    chosen = ada.page.locator("#card-2-699")
    expect(chosen).to_have_attribute("aria-selected", "true")
    expect(chosen).to_be_in_viewport()
    assert chosen.get_attribute("aria-posinset") == "708"
    assert cards.count() < 30

    ada.page.focus("#strip")
    ada.page.keyboard.press("End")
    ada.page.wait_for_selector("#card-2-999.cursor")
    ada.page.keyboard.press("Enter")
    ada.page.wait_for_selector("#canvas[data-item='2/999']")
    ada.page.focus("#canvas")
    ada.page.keyboard.press("Backspace")
    ada.page.wait_for_selector("#canvas[data-item='2/998']")


def test_answers_are_seen_where_the_strip_is_and_leave_a_list_of_open_ones(ada: Annotator) -> None:
    ada.page.fill("#strip-jump", "2.500")
    ada.page.keyboard.press("Enter")
    ada.page.wait_for_selector("#canvas[data-item='2/499']")
    ada.page.focus("#canvas")
    ada.page.keyboard.press("u")
    ada.page.wait_for_selector("#canvas[data-item='2/500']")
    expect(ada.page.locator("#card-2-499 .state")).to_have_text("unsure")
    expect(ada.page.locator("#progress-text")).to_have_text(f"1 answered, {COUNT + 7} ready")

    ada.page.select_option("#strip-state", "open")
    expect(ada.page.locator("#card-2-498")).to_be_visible()
    expect(ada.page.locator("#card-2-499")).to_have_count(0)
    expect(ada.page.locator("#card-2-500")).to_have_attribute("aria-selected", "true")
    ada.page.focus("#canvas")
    ada.page.keyboard.press("u")
    expect(ada.page.locator("#card-2-500")).to_have_count(0)


@pytest.mark.slow
def test_memory_of_the_page_is_flat_over_five_hundred_regions(ada: Annotator) -> None:
    session = ada.page.context.new_cdp_session(ada.page)

    def heap_bytes() -> int:
        session.send("HeapProfiler.collectGarbage")
        return int(session.send("Runtime.getHeapUsage")["usedSize"])

    key = ada.wait_for_region()
    sizes = []
    for count in range(1, 501):
        ada.page.keyboard.press("u")
        key = ada.wait_for_region(other_than=key)
        if count in {100, 300, 500}:
            ada.wait_until_saved()
            sizes.append(heap_bytes())

    assert sizes[2] - sizes[0] < 2_000_000
    assert ada.page.locator(".card").count() < 30
