"""How long an interaction waits for the next paint while the worker trains, judges and scores.

    python benchmarks/page_pace.py DATASET [--seconds 150] [--width 1280] [--height 800]

Makes a project as `askmask init` does, without any label, serves it with its worker, and lets a
scripted person draw, press keys, zoom and answer in a real Chromium, as the tests of the page do.
The browser itself tells the time from each interaction to the next paint, in steps of 8 ms and from
16 ms on (Event Timing API); the table has it by what the worker did meanwhile.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, sync_playwright

from askmask.loop.begin.create import create_project

# the person and the server of the page's tests
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from annotator import Annotator, visitors
from page_server import Served
from test_learning import OBSERVE, OBSERVED

FIRST = 4
"""Regions answered before anything is measured: then there is something to train on."""


def draw(person: Annotator) -> None:
    """Strokes over the region in hand, then keys."""
    region = person.region
    for number in range(6):
        person.press("1" if number % 2 else "2")
        row = region.height * (0.1 + 0.12 * number)
        turns = [(row, 0.1), (row + 8, 0.5), (row, 0.9)]
        person.stroke(region, [(row, col * region.width) for row, col in turns])
        person.page.wait_for_timeout(150)
    person.press("o", "o", "+", "-", "Home", "Control+z", "Control+y", "p", "b", "]", "[")


def measure(browser: Browser, root: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Milliseconds of every interaction, by what the worker did when its turn began."""
    found: dict[str, list[float]] = {}
    with Served(root, worker=True) as served:
        bringing = visitors(browser, lambda: served.address)
        person = next(bringing)("Ada").come()
        person.page.set_viewport_size({"width": options.width, "height": options.height})
        person.wait_for_region()
        for _ in range(FIRST):
            draw(person)
            person.accept()
        end = time.monotonic() + options.seconds
        while time.monotonic() < end:
            state = person.api("/status")["worker"]["state"]
            person.page.evaluate(OBSERVE)
            draw(person)
            person.accept()
            person.page.wait_for_timeout(300)  # until the last ones are told
            count, told = person.page.evaluate(OBSERVED)
            found.setdefault(state, []).extend([*told, *[0.0] * (count - len(told))])
        next(bringing, None)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=800)
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory(prefix="askmask-bench-") as folder, sync_playwright() as tool:
        root = Path(folder) / "project"
        create_project(root, dataset=options.dataset, overrides=["data.start=none", "data.test=[]"])
        browser = tool.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        found = measure(browser, root, options)
        browser.close()
    for state, times in (*found.items(), ("all", [t for part in found.values() for t in part])):
        middle, late = np.percentile(times, [50, 98])
        print(
            f"{state:12} {len(times):5} interactions, median {middle:.0f} ms, p98 {late:.0f} ms, "
            f"longest {max(times):.0f} ms"
        )


if __name__ == "__main__":
    main()
