"""How fast the page shows a large slide: its first region, and tiles of every scale.

    python benchmarks/slides_page.py PROJECT [--tiles 200] [--visits 5]

PROJECT is one of `benchmarks/slides.py --keep FOLDER` (``FOLDER/project``) with a query; it is
copied, and the slide is read where it is. A real Chromium comes to the page as often as asked, each
time to a server that has just started: seconds from the address to a region whose picture is
whole, with all that is seen around it. Then it asks for tiles one after the other, each a tile of
tissue at a random place and level: milliseconds from the request to the decoded picture, so that
the server, the way and the browser count. The slide's own tiles were never read before. Needs
Debian's chromium and playwright.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from askmask.data.slides.deep_zoom import TILE, deep_levels
from askmask.data.slides.slide_set import SET_NAME
from askmask.data.slides.slide_source import SlideSource

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / part) for part in ("", "browser")]

from annotator import Annotator  # noqa: E402
from page_server import Served  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

DECODED = """
async (path) => {
  const started = performance.now();
  const reply = await fetch(path);
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  await createImageBitmap(await reply.blob());
  return performance.now() - started;
}
"""
WHOLE = """
() => {
  const { missing, around } = document.getElementById("canvas").dataset;
  return missing === "0" && around === "0";
}
"""
"""The picture of the region and what lies around it; small pictures of others may come later."""


def copied(project: Path, folder: Path) -> Path:
    """Copy of a project whose slides are read where they are."""
    copy = folder / "project"
    shutil.copytree(project, copy)
    description = copy / "slides" / SET_NAME
    source = SlideSource(project / "slides")
    text = description.read_text(encoding="utf-8")
    for slide in source.slide_set.slides:
        path = (project / "slides" / slide.file).resolve()
        text = text.replace(f'"file": "{slide.file}"', f'"file": "{path}"')
    description.write_text(text, encoding="utf-8")
    return copy


def tissue_tiles(project: Path, count: int) -> list[str]:
    """Addresses of tiles at random places of fields, and at random levels."""
    source, chooser = SlideSource(project / "slides"), random.Random(0)
    slide = source.slide_set.slides[0]
    found = []
    for _ in range(count):
        row, col, height, width = chooser.choice(slide.fields)
        scale = source.mpp / slide.mpp
        at = ((row + chooser.uniform(0, height)) * scale, (col + chooser.uniform(0, width)) * scale)
        level = chooser.randrange(deep_levels(slide))
        step = TILE * 2**level
        found.append(f"/api/v1/slides/0/tiles/{level}/{int(at[0] // step)}/{int(at[1] // step)}")
    return found


def visit(project: Path, browser: Any, tiles: list[str]) -> tuple[float, list[float]]:
    """Seconds to the first region, and milliseconds of each tile; on a server of its own."""
    served = Served(project)  # Any: playwright's
    served.start()
    try:
        page = browser.new_page()
        person = Annotator(page, served.address, "Ada")
        started = time.monotonic()
        person.come()
        person.wait_for_region()
        page.wait_for_function(WHOLE)
        seconds = time.monotonic() - started
        waits = [page.evaluate(DECODED, address) for address in tiles]
        page.close()
    finally:
        served.stop()
    return seconds, waits


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--tiles", type=int, default=200)
    parser.add_argument("--visits", type=int, default=5)
    options = parser.parse_args()
    tiles = tissue_tiles(options.project, options.tiles)
    firsts: list[float] = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        copy = copied(options.project, Path(folder))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for number in range(options.visits):
            seconds, waits = visit(copy, browser, tiles if number == 0 else [])
            firsts.append(seconds)
            if waits:
                told = statistics.quantiles(waits, n=20)
                print(f"tile: median {told[9]:.0f} ms, p95 {told[18]:.0f} ms, of {len(waits)}")
        browser.close()
    told = ", ".join(f"{seconds:.1f}" for seconds in firsts)
    print(f"first region: median {statistics.median(firsts):.1f} s ({told})")


if __name__ == "__main__":
    main()
