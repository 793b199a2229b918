"""How the page and the idle worker fare with many asked regions: the figures should be flat.

    python benchmarks/page_scale.py [--regions 1000 10000 50000] [--answers 20] [--idle 20]
        [--out results.csv]

For each number of regions it makes a project (two fifths answered, nobody else at work), serves it
as `askmask serve` does, opens it in a real Chromium, answers regions by key, and prints: seconds
until the first region is on the screen, milliseconds from the key to the next region (median and
worst), bytes of lists that the page received for an answer, cards in the film strip, and the share
of a core that the idle server and the idle worker take. Needs Debian's chromium and playwright.
"""

import argparse
import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from askmask.config import parse_config
from askmask.data.drawn.demo import write_demo
from askmask.data.rasters import encode_mask
from askmask.loop.project import Project
from askmask.records import Query, QueryItem, Region, Unit, utc_now

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / part) for part in ("", "browser")]

from annotator import Annotator  # noqa: E402
from page_server import Served  # noqa: E402
from playwright.sync_api import sync_playwright  # noqa: E402

SIDE = 24
STEP = 6
PER_ROUND = 100
IMAGE = (256, 256)
PER_IMAGE = ((IMAGE[0] - SIDE) // STEP + 1) * ((IMAGE[1] - SIDE) // STEP + 1)
ANSWERED_SHARE = 0.4

Figures = dict[str, float]


def make_project(folder: Path, n_regions: int) -> Path:
    """Project with so many asked regions; the first two fifths are marked unsure."""
    n_images = -(-n_regions // PER_IMAGE)
    write_demo(folder / "data", n_train=n_images + 1, n_validation=1, n_test=1, size=IMAGE)
    tree = {"threads": 1, "data": {"path": str(folder / "data"), "start": 1, "test": []}}
    with Project.create(folder / "project", parse_config(tree)) as project:
        for round, regions in enumerate(rounds_of(project, n_regions), start=1):
            items = tuple(QueryItem(n, region, 1.0, SIDE**2) for n, region in enumerate(regions))
            project.store.add_query(Query(round, "random", Unit.REGION, items))
        fill(project, int(ANSWERED_SHARE * n_regions))
    return folder / "project"


def rounds_of(project: Project, n_regions: int) -> list[list[Region]]:
    """Different regions of the pool, a hundred to a round."""
    across = (IMAGE[1] - SIDE) // STEP + 1
    regions = [
        Region(image_id, STEP * (n // across), STEP * (n % across), SIDE, SIDE)
        for image_id in project.roles.pool
        for n in range(PER_IMAGE)
    ][:n_regions]
    return [regions[n : n + PER_ROUND] for n in range(0, n_regions, PER_ROUND)]


def fill(project: Project, n_answered: int) -> None:
    """Draw a piece of every region, and answer some; as rows, since a person would take days."""
    png = encode_mask(np.zeros((SIDE, SIDE), np.int16))
    with project.store.database.writing() as connection:
        connection.execute(
            "INSERT INTO pieces SELECT round, rank, row, col, height, width, 0.0, 1.0, 0.8,"
            " ?, ?, 0.1"
            " FROM query_items",
            (png, png),
        )
        connection.execute(
            "INSERT INTO answers (round, image_id, row, col, height, width, kind, author, tool,"
            " answered_at, seconds, new_pixels, new_boundary)"
            " SELECT round, image_id, row, col, height, width, 'unsure', 'Ada', 'none', ?, 3.0,"
            " 0, 0 FROM query_items ORDER BY round, rank LIMIT ?",
            (utc_now(), n_answered),
        )


def measure(root: Path, options: argparse.Namespace) -> Figures:
    """Serve a project and be its only person."""
    served = Served(root)
    served.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            found = at_the_page(browser, served.address, options.answers)
            browser.close()
        found["idle_server_share"] = cpu_share(served.pid, options.idle)
    finally:
        served.stop()
    command = [sys.executable, "-m", "askmask", "work", str(root), "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
        time.sleep(options.settle)
        found["idle_worker_share"] = cpu_share(worker.pid, options.idle)
        worker.kill()
    return found


def at_the_page(browser: Any, address: str, n_answers: int) -> Figures:  # Any: playwright's
    """Come, and answer by key."""
    page = browser.new_page()
    received = [0]
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    listed: dict[str, bool] = {}

    def hear_reply(event: dict[str, Any]) -> None:
        listed[event["requestId"]] = (
            "/items" in event["response"]["url"] and ".png" not in (event["response"]["url"])
        )

    def hear_end(event: dict[str, Any]) -> None:
        if listed.get(event["requestId"]):
            received[0] += int(event["encodedDataLength"])

    session.on("Network.responseReceived", hear_reply)
    session.on("Network.loadingFinished", hear_end)
    person = Annotator(page, address, "Ada")
    started = time.monotonic()
    person.come()
    key = person.wait_for_region()
    ready = time.monotonic() - started
    page.wait_for_timeout(3000)
    at_start, received[0] = received[0], 0
    waits = []
    for _ in range(n_answers):
        started = time.monotonic()
        page.keyboard.press("u")
        key = person.wait_for_region(other_than=key)
        waits.append(1000 * (time.monotonic() - started))
        page.wait_for_timeout(500)
    page.wait_for_timeout(3000)
    return {
        "ready_seconds": ready,
        "answer_ms_median": statistics.median(waits),
        "answer_ms_worst": max(waits),
        "bytes_at_start": float(at_start),
        "bytes_per_answer": received[0] / n_answers,
        "cards": float(page.locator(".card").count()),
    }


def cpu_share(process: int, seconds: float) -> float:
    """Share of a core that a process takes."""
    before, started = cpu_seconds(process), time.monotonic()
    time.sleep(seconds)
    return (cpu_seconds(process) - before) / (time.monotonic() - started)


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regions", type=int, nargs="+", default=[1000, 10_000, 50_000])
    parser.add_argument("--answers", type=int, default=20)
    parser.add_argument("--idle", type=float, default=20.0)
    parser.add_argument("--settle", type=float, default=20.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for n_regions in options.regions:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(make_project(Path(folder), n_regions), options)
        rows.append({"regions": n_regions, **{k: round(v, 4) for k, v in figures.items()}})
        print("\n".join(f"{name:20} {value}" for name, value in rows[-1].items()), flush=True)
    if options.out is not None:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
