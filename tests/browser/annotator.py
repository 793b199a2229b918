"""A person at the page: what a test does with mouse, pen, fingers and keys, in a real Chromium."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from people import KEY

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
"""Where pictures of the views are kept; git ignores it."""
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
PATIENCE_MS = 120_000
KEEP_TOASTS = """
document.addEventListener("DOMContentLoaded", () => {
  window.toasts = [];
  new MutationObserver((changes) => {
    for (const { addedNodes } of changes) {
      for (const node of addedNodes) window.toasts.push(node.textContent);
    }
  }).observe(document.getElementById("toasts"), { childList: true });
});
"""
"""Toasts pass within seconds; what they said is kept for tests that come late."""
POLL_MS = 100
"""How often a page is asked: by frames, the default, one that draws none would never answer."""
DRAWN = """
() => [...document.images].every((image) => image.complete || image.loading === "lazy")
  && !document.querySelector("[data-drawn=no]")
  && (!document.getElementById("canvas").checkVisibility()
    || ["0", undefined].includes(document.getElementById("canvas").dataset.missing))
"""
"""A canvas behind another view is not drawn, so it goes on missing what it missed."""
HARMLESS = (
    "status of 401",  # the page asks who it is before anybody has logged in
    "status of 409",  # a region that somebody else holds
    "net::ERR_",  # the server was killed on purpose
    "EventSource's response",
)


@dataclass(frozen=True)
class OpenRegion:
    """The region on the canvas."""

    round: int
    rank: int
    image_id: str
    row: int
    col: int
    height: int
    width: int


def seen_welcome(name: str) -> str:
    """Script of a browser in which a person has taken the first steps."""
    key, seen = json.dumps(f"askmask-welcome-{name}|every project"), json.dumps('"seen"')
    return f"if (location.protocol.startsWith('http')) localStorage.setItem({key}, {seen})"


class Annotator:
    """One tab, one person.

    Attributes
    ----------
    problems : list of str
        Errors that the page raised or the browser logged, such as a breach of the page's
        Content-Security-Policy; a test that ends with one fails.
    """

    def __init__(self, page: Page, address: str, name: str) -> None:
        self.page = page
        self.address = address
        self.name = name
        self.problems: list[str] = []
        page.set_default_timeout(PATIENCE_MS)  # a busy machine is no failure
        page.add_init_script(KEEP_TOASTS)
        page.add_init_script(seen_welcome(name))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._hear(message.type, message.text))

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and not any(harmless in text for harmless in HARMLESS):
            self.problems.append(text)

    def come(self) -> "Annotator":
        """Open the page and log in."""
        self.page.goto(f"{self.address}#key={KEY}")
        self.page.fill("#login-field", self.name)
        self.page.keyboard.press("Enter")
        return self

    def wait_for_region(self, *, other_than: str | None = None) -> str:
        """Wait until a region is on the canvas; return its key, ``"round/rank"``."""
        wanted = "#canvas[data-item]"
        if other_than is not None:
            wanted += f":not([data-item='{other_than}'])"
        self.page.wait_for_selector(wanted, timeout=PATIENCE_MS)
        return str(self.page.get_attribute("#canvas", "data-item"))

    def api(self, path: str) -> Any:  # Any: JSON
        """Reply of the API to this person."""
        return self.page.evaluate(
            "path => fetch(new URL(path, document.baseURI)).then((reply) => reply.json())",
            f"api/v1{path}",
        )

    @property
    def region(self) -> OpenRegion:
        """The region on the canvas."""
        item = self.api(f"/items/{self.page.get_attribute('#canvas', 'data-item')}")
        return OpenRegion(**{name: item[name] for name in OpenRegion.__dataclass_fields__})

    @property
    def region_offline(self) -> OpenRegion:
        """The same without asking the server: where it is, but not how large."""
        place = str(self.page.get_attribute("#canvas", "data-region"))
        row, col = map(int, place.split(","))
        return OpenRegion(0, 0, "", row, col, 0, 0)

    def place(self, region: OpenRegion, row: float, col: float) -> tuple[float, float]:
        """Screen position of a place (row, col) in the region."""
        x, y, scale, top, left = self.page.evaluate(  # at once: the picture may move
            """() => {
              const canvas = document.getElementById("canvas");
              const { x, y } = canvas.getBoundingClientRect();
              const { scale, row, col } = canvas.dataset;
              return [x, y, scale, row, col].map(Number);
            }"""
        )
        return x + (region.col + col - left) * scale, y + (region.row + row - top) * scale

    @property
    def scale(self) -> float:
        """Screen pixels per pixel of the image."""
        return float(str(self.page.get_attribute("#canvas", "data-scale")))

    def wait_for_scale(self, least: float) -> None:
        """Wait until the picture is at least so large."""
        self.page.wait_for_function(
            "least => Number(document.getElementById('canvas').dataset.scale) >= least",
            arg=least,
            polling=POLL_MS,
        )

    def hear(self, text: str) -> None:
        """Wait until a toast has said something, also one that is gone again."""
        self.page.wait_for_function(
            "text => window.toasts.some((toast) => toast.includes(text))", arg=text, polling=POLL_MS
        )

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def set_size(self, pixels: int) -> None:
        """Set the diameter of the brush."""
        self.page.locator("#size").evaluate(
            "(slider, size) => { slider.value = size; slider.dispatchEvent(new Event('input')) }",
            pixels,
        )

    def drag(self, points: Sequence[tuple[float, float]], *, steps: int = 4) -> None:
        """Draw through screen positions with the mouse, with so many stops to each."""
        mouse = self.page.mouse
        mouse.move(*points[0])
        mouse.down()
        for point in points[1:]:
            mouse.move(*point, steps=steps)
        mouse.up()

    def stroke(
        self, region: OpenRegion, places: Iterable[tuple[float, float]], *, steps: int = 4
    ) -> None:
        """Draw through places (row, col) of the region with the mouse."""
        self.drag([self.place(region, row, col) for row, col in places], steps=steps)

    def click(self, region: OpenRegion, row: float, col: float) -> None:
        """Click a place of the region."""
        self.page.mouse.click(*self.place(region, row, col))

    def paint_mask(self, region: OpenRegion, wanted: np.ndarray, now: np.ndarray) -> int:
        """Paint until the region shows `wanted`, run by run with a brush of one pixel.

        Returns
        -------
        int
            Number of strokes.
        """
        self.press("b")
        self.set_size(1)
        strokes = 0
        for value in np.unique(wanted):
            self.press(str(value))
            for row, first, last in runs_to_paint(wanted, now, value):
                ends = [(row + 0.5, first + 0.5), (row + 0.5, last + 0.5)]
                self.stroke(region, ends, steps=1)
                strokes += 1
        return strokes

    def accept(self) -> str:
        """Accept with the Space key; return the key of the next region."""
        before = str(self.page.get_attribute("#canvas", "data-item"))
        self.press("Space")
        return self.wait_for_region(other_than=before)

    def wait_until_saved(self) -> None:
        """Wait until the server has every answer.

        Only once an answer is on its way: after a key the page may still say what was true before.
        """
        expect(self.page.locator("#saved")).to_have_text("All saved", timeout=PATIENCE_MS)

    def wait_until_one_waits(self) -> None:
        """Wait until an answer that the server does not have is kept in the browser."""
        expect(self.page.locator("#saved")).to_have_text("1 to be sent", timeout=PATIENCE_MS)

    def reload(self) -> None:
        """Load the page again."""
        self.page.reload()
        self.wait_for_region()

    def go(self, view: str) -> None:
        """Show another view."""
        self.page.click(f"nav [data-view={view}]")
        expect(self.page.locator(f"#view-{view}")).to_be_visible()

    def use_theme(self, name: str) -> None:
        """Switch to a theme with the button."""
        button = self.page.locator("#theme")
        for _ in range(3):
            if self.page.get_attribute("html", "data-theme") == name:
                return
            button.click()
        raise AssertionError(f"the button leads to no theme {name!r}")

    def screenshot(self, name: str) -> None:
        """Keep a picture of what is seen, once every part of it is drawn."""
        ARTIFACTS.mkdir(exist_ok=True)
        self.page.wait_for_function(DRAWN, polling=POLL_MS)
        self.page.screenshot(path=ARTIFACTS / f"{name}.png", animations="disabled")


def runs_to_paint(wanted: np.ndarray, now: np.ndarray, value: int) -> list[tuple[int, int, int]]:
    """Rows, first and last columns where `value` is wanted and not all there."""
    runs = []
    for row in range(wanted.shape[0]):
        edges = np.flatnonzero(np.diff(np.r_[0, (wanted[row] == value).astype(int), 0]))
        for first, end in edges.reshape(-1, 2):
            if (now[row, first:end] != value).any():
                runs.append((row, int(first), int(end) - 1))
    return runs


def decode_runs(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """(height, width) raster of run lengths as the API writes them."""
    values = np.repeat(runs[::2], runs[1::2])
    return values.reshape(height, width)


Come = Callable[..., Annotator]
"""``come("Ada")``: a tab of a person's own browser; see the fixture of that name."""


Working = Callable[[Path, dict[str, object]], Annotator]
"""``working(folder, settings)``: Ada at a project that is served with a worker."""


def visitors(browser: Browser, address: Callable[[], str]) -> Iterator[Come]:
    """Yield a function that brings people; afterwards look whether any page complained."""
    contexts: dict[str, BrowserContext] = {}
    people: list[Annotator] = []

    def bring(name: str, **options: Any) -> Annotator:  # Any: what Playwright takes
        if name not in contexts:
            contexts[name] = browser.new_context(viewport=LAPTOP, **options)
        person = Annotator(contexts[name].new_page(), address(), name)
        people.append(person)
        return person

    yield bring
    problems = [problem for person in people for problem in person.problems]
    for context in contexts.values():
        context.close()
    assert problems == []
