"""Replies that come late: the region on the canvas is the newest one wanted, whatever was slow."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from annotator import POLL_MS, Annotator, Come, visitors
from page_server import Served
from playwright.sync_api import Browser, Route, expect

from askmask.loop.project import Project
from askmask.progress import silent
from askmask.serve.previews import draw_pieces

HOLD_DRAFTS = """
{
  window.held = [];
  window.isHolding = false;
  const { prototype } = IDBTransaction;
  const plain = Object.getOwnPropertyDescriptor(prototype, "oncomplete");
  const late = function (act) {
    const isDraft = this.mode === "readonly" && this.objectStoreNames.contains("drafts");
    plain.set.call(this, (event) => {
      if (isDraft && window.isHolding) window.held.push(() => act.call(this, event));
      else act.call(this, event);
    });
  };
  Object.defineProperty(prototype, "oncomplete", { set: late, get: plain.get });
}
"""
"""While `isHolding`, what is read of drafts does not arrive until a test lets it."""
SETTLE_MS = 400
"""Long enough for what is let go to do its harm."""


@pytest.fixture
def undrawn(project: Path) -> Path:
    """The project without predictions: the worker has not drawn them yet."""
    with closing(sqlite3.connect(project / "askmask.db")) as database:
        database.execute("DELETE FROM pieces")
        database.commit()
    return project


@pytest.fixture
def ada(chromium: Browser, undrawn: Path) -> Iterator[Annotator]:
    """Ada at a region that is empty, since its prediction comes late."""
    with Served(undrawn) as served:
        bringing = visitors(chromium, lambda: served.address)
        person = next(bringing)("Ada")
        person.page.add_init_script(HOLD_DRAFTS)
        person.come()
        person.wait_for_region()
        yield person
        next(bringing, None)


def draw_prediction(folder: Path, key: str) -> None:
    """Draw what the model predicts of a region, as the worker does."""
    with Project.open(folder) as project:
        items = [item for item in project.store.worklist.items() if f"1/{item.item.rank}" == key]
        draw_pieces(project, items, project.model(0), report=silent)


class Held:
    """Requests of one address that wait until they are let go."""

    def __init__(self, person: Annotator, pattern: str, *, method: str = "GET") -> None:
        self.routes: list[Route] = []
        self._page, self._pattern, self._method = person.page, pattern, method
        self._is_over = False
        person.page.route(pattern, self._hold)

    def _hold(self, route: Route) -> None:
        if route.request.method == self._method and not self._is_over:
            self.routes.append(route)
        else:
            route.fallback()

    def wait(self) -> None:
        """Wait until one is held."""
        for _ in range(600):
            if self.routes:
                return
            self._page.wait_for_timeout(POLL_MS)
        raise AssertionError(f"nothing asked for {self._pattern}")

    def let_go(self) -> None:
        """Let them all go, and hold none any more."""
        self._is_over = True
        for route in self.routes:
            route.continue_()


def assert_stays(person: Annotator, key: str) -> None:
    """The region stays on the canvas, and keys act on it."""
    person.page.wait_for_timeout(SETTLE_MS)
    assert person.page.get_attribute("#canvas", "data-item") == key
    person.press("u")
    assert person.wait_for_region(other_than=key) != key
    person.wait_until_saved()
    assert person.api(f"/items/{key}")["state"] == "unsure"


def test_late_prediction_fills_an_untouched_region(ada: Annotator, undrawn: Path) -> None:
    key = ada.wait_for_region()
    expect(ada.page.locator("#region-info")).to_contain_text("the prediction is being drawn")
    draw_prediction(undrawn, key)
    expect(ada.page.locator("#region-info")).to_contain_text("filled by the model")
    assert ada.page.get_attribute("#canvas", "data-item") == key


def test_late_prediction_leaves_strokes_alone(ada: Annotator, undrawn: Path) -> None:
    key = ada.wait_for_region()
    held = Held(ada, f"**/api/v1/items/{key}")
    draw_prediction(undrawn, key)
    held.wait()
    ada.press("2", "b")
    ada.click(ada.region_offline, 20, 20)
    held.let_go()
    ada.page.wait_for_timeout(SETTLE_MS)
    expect(ada.page.locator("#undo")).to_be_enabled()
    expect(ada.page.locator("#region-info")).not_to_contain_text("filled by the model")


def test_prediction_that_comes_while_the_region_is_answered_does_not_bring_it_back(
    ada: Annotator, undrawn: Path
) -> None:
    key = ada.wait_for_region()
    held = Held(ada, f"**/api/v1/items/{key}")
    draw_prediction(undrawn, key)
    held.wait()
    ada.press("u")
    after = ada.wait_for_region(other_than=key)
    held.let_go()
    assert_stays(ada, after)


def test_slow_draft_of_a_late_prediction_does_not_bring_an_answered_region_back(
    ada: Annotator, undrawn: Path
) -> None:
    key = ada.wait_for_region()
    ada.page.evaluate("() => { window.isHolding = true }")
    draw_prediction(undrawn, key)
    ada.page.wait_for_function("() => window.held.length > 0", polling=POLL_MS)
    ada.page.evaluate("() => { window.isHolding = false }")
    ada.press("u")
    after = ada.wait_for_region(other_than=key)
    ada.page.evaluate("() => window.held.splice(0).forEach((act) => act())")
    assert_stays(ada, after)


def test_prediction_that_comes_while_the_next_is_fetched_does_not_stop_it(
    ada: Annotator, undrawn: Path
) -> None:
    key = ada.wait_for_region()
    late = Held(ada, f"**/api/v1/items/{key}")
    following = Held(ada, "**/api/v1/items/next", method="POST")
    draw_prediction(undrawn, key)
    late.wait()
    ada.press("n")
    following.wait()
    late.let_go()
    ada.page.wait_for_timeout(SETTLE_MS)
    following.let_go()
    assert_stays(ada, ada.wait_for_region(other_than=key))


def test_view_changes_while_a_region_is_opened_open_it_once(come: Come) -> None:
    person = come("Grace")
    following = Held(person, "**/api/v1/items/next", method="POST")
    person.come()
    following.wait()
    person.press("Alt+2", "Alt+1", "Alt+3", "Alt+1")
    person.page.wait_for_timeout(SETTLE_MS)
    assert len(following.routes) == 1
    following.let_go()
    person.wait_for_region()
    mine = [item for item in person.api("/items")["items"] if item["lease"]]
    assert len(mine) == 1


def test_region_chosen_last_is_opened_and_the_others_are_given_back(come: Come) -> None:
    person = come("Grace").come()
    person.wait_for_region()
    slow = Held(person, "**/api/v1/items/1/5/lease", method="POST")
    person.page.click("#card-1-5")
    slow.wait()
    person.page.click("#card-1-6")
    person.page.wait_for_selector("#canvas[data-item='1/6']")
    slow.let_go()
    person.page.wait_for_timeout(SETTLE_MS)
    assert person.page.get_attribute("#canvas", "data-item") == "1/6"
    held = [item["rank"] for item in person.api("/items")["items"] if item["lease"]]
    assert held == [6]
    second = come("Grace")  # another tab: what is not shown here is free there
    second.page.goto(second.address)
    second.wait_for_region()
    second.page.click("#card-1-5")
    second.page.wait_for_selector("#canvas[data-item='1/5']")
    expect(second.page.locator("#region-notice")).to_be_hidden()


def test_answer_given_while_another_region_is_fetched_is_of_the_region_seen(come: Come) -> None:
    person = come("Grace").come()
    key = person.wait_for_region()
    slow = Held(person, "**/api/v1/items/1/5/lease", method="POST")
    person.page.click("#card-1-5")
    slow.wait()
    person.press("u")
    slow.let_go()
    person.page.wait_for_selector("#canvas[data-item='1/5']")
    person.wait_until_saved()
    states = {f"1/{item['rank']}": item["state"] for item in person.api("/items")["items"]}
    assert states[key] == "unsure"
    assert states["1/5"] == "open"
