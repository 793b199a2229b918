"""Names from outside in every view, report and table: no script runs, and no cell is a formula."""

import csv
import html
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from askmask.config import parse_config
from askmask.data.drawn.demo import write_demo
from askmask.data.prepare.stored_files import list_images
from askmask.experiments.report.written import write_project_report, write_run_report
from askmask.experiments.run.runner import simulate
from askmask.formats.by_name import FORMATS, exchange_format
from askmask.loop.exchange import export_project
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.predict import predict_files
from askmask.loop.project import Project
from askmask.progress import silent
from askmask.serve.previews import draw_pieces
from chromium_here import CHROMIUM, NO_CHROMIUM
from people import KEY
from server_processes import serving, wait_for

_HIT: Final = "window.hit=(window.hit||0)+1"
PERSON: Final = f'"><img src=x onerror={_HIT}>'
CLASSES: Final = (f"<script>{_HIT}</script>", f"=1+1<img src=x onerror='{_HIT}'>")
IMAGES: Final = (
    f"<img src=x onerror={_HIT}>",
    f"'\"><svg onload={_HIT}>",
    '=HYPERLINK("http://evil.example","x")',
    "@SUM(1+1)",
    "{{7*7}}${7*7}<%=7*7%>",
    f"javascript:{_HIT}",
    "[bold]x[/bold]\u202e\u2066",
)
_FORMULA: Final = ("=", "+", "@", "\t", "\r")


def make_project(root: Path) -> Path:
    """Make a project whose images, groups and classes have hostile names."""
    write_demo(root / "data", n_train=12, n_validation=3, n_test=0, size=(96, 96))
    path = root / "data" / "dataset.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["classes"] = [f"{CLASSES[n % 2]} {n}" for n in range(len(tree["classes"]))]
    for number, image in enumerate(tree["images"]):
        image["id"] = f"{IMAGES[number % len(IMAGES)]} {number}"
        image["group"] = IMAGES[number % 2]
    path.write_text(json.dumps(tree), encoding="utf-8")
    config = parse_config(_settings(root))
    with Project.create(root / "p", config) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
        loop.evaluate()
        loop.ask()
        items = project.store.worklist.items()
        draw_pieces(project, items, project.model(0), report=silent)
    return root / "p"


def _settings(root: Path) -> dict[str, object]:
    return {
        "name": IMAGES[0],
        "threads": 1,
        "device": "cpu",
        "data": {"path": str(root / "data"), "start": 2, "validation": 3},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 2}},
        "training": {"steps": 6, "batch_size": 2, "crop": 48},
        "sampling": {"samples": 3, "kept_features_mb": 0},
        "query": {"region": {"size": [32, 32], "stride": 16, "budget_regions": 6}},
        "evaluation": {"min_object_pixels": 40},
        "grid": {"acquisitions": ["random"], "units": ["region"], "seeds": [0], "rounds": 1}
        | {"bounds": False},
    }


def write_everything(root: Path, out: Path) -> list[Path]:
    """Write every report, table and export of the project; return them."""
    with Project.open(root) as project:
        for name in FORMATS:
            export_project(project, out / name, what="answers", format_name=name)
            exchange_format(name, None)
        _copy_images(project, out / "more")
        predict_files(project.model(), list_images(out / "more"), out / "predicted")
    write_project_report(root)
    config = parse_config(_settings(root.parent))
    rows = simulate(config, out / "run")
    write_run_report(out / "run", config, rows)
    return [*sorted(out.rglob("*")), *sorted((root / "reports").rglob("*"))]


def _copy_images(project: Project, folder: Path) -> None:
    """Files whose names are formulas, as far as names of files may be."""
    folder.mkdir()
    path = next(iter((project.root.parent / "data" / "images").rglob("*.png")))
    for name in ("=1+1.png", "@SUM(1).png", "+1.png", "-1.png"):
        shutil.copy(path, folder / name)


def assert_no_formula(path: Path) -> int:
    """Look at every cell of a table; return how many there are."""
    count = 0
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            for cell in row:
                is_number = cell.lstrip("+-").replace(".", "").replace("e-", "").isalnum()
                assert not cell.startswith(_FORMULA), (path, cell)
                assert not cell.startswith("-") or is_number, (path, cell)
                count += 1
    return count


def visit(browser: Browser, address: str) -> Iterator[str]:
    """Go through every view of the page as a person with a hostile name; yield their names."""
    page, told = _page(browser)
    page.goto(f"{address}#key={KEY}")
    page.fill("#login-field", PERSON[:64])
    page.keyboard.press("Enter")
    page.wait_for_selector("nav [data-view]", timeout=60_000)
    names = page.eval_on_selector_all("nav [data-view]", "all => all.map(x => x.dataset.view)")
    for name in dict.fromkeys(names):
        page.evaluate("name => document.querySelector(`nav [data-view=${name}]`).click()", name)
        page.wait_for_timeout(1500)
        assert page.evaluate("window.hit") is None, name
        yield str(name)
    assert told == []
    page.close()


def open_reports(browser: Browser, paths: list[Path]) -> int:
    """Open every report in the browser; return how many there are."""
    for path in paths:
        page, told = _page(browser)
        page.goto(path.as_uri())
        page.wait_for_timeout(300)
        assert page.evaluate("window.hit") is None, path
        assert html.escape(IMAGES[0]) in path.read_text(encoding="utf-8"), path
        assert told == [], path
        page.close()
    return len(paths)


def _page(browser: Browser) -> tuple[Page, list[str]]:
    page = browser.new_page()
    told: list[str] = []
    page.on("dialog", lambda dialog: told.append(dialog.message))
    page.on("pageerror", lambda error: told.append(str(error)))
    return page, told


def read_stored_texts(folder: Path) -> dict[str, object]:
    """Put hostile names everywhere and look at all that shows them.

    Returns
    -------
    dict
        Views, reports and cells that were looked at.
    """
    if CHROMIUM is None:
        return {"left out": NO_CHROMIUM}
    root = make_project(folder)
    files = write_everything(root, folder / "written")
    cells = sum(assert_no_formula(path) for path in files if path.suffix == ".csv")
    reports = [path for path in files if path.suffix == ".html"]
    with sync_playwright() as playwright, serving(root, with_worker=False) as server:
        options = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        wait_for(lambda: True, 1)
        views = list(visit(browser, f"http://127.0.0.1:{server.port}/"))
        opened = open_reports(browser, reports)
        browser.close()
    assert views
    return {"views": views, "reports": opened, "cells of tables": cells}
