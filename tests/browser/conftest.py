"""A real Chromium, a real `askmask serve`, and a small project with a query to answer.

The project is trained once; each test works on a copy.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from annotator import PATIENCE_MS, Annotator, Come, Working, visitors
from page_server import Served, change_settings, make_project
from playwright.sync_api import Browser, expect, sync_playwright

from chromium_here import CHROMIUM, NO_CHROMIUM

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
expect.set_options(timeout=PATIENCE_MS)  # a busy machine is no failure


if CHROMIUM is None:
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, so that ``-m browser`` chooses them and no others."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Without a browser, say so in one line instead of once per test."""
    if CHROMIUM is None:
        terminalreporter.write_line(f"skipped tests/browser: {NO_CHROMIUM}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser of one module; its event loop must not run on beside the tests that follow."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``data`` and a ``project`` that has a model and a query of eight regions."""
    return make_project(tmp_path_factory.mktemp("page"))


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """Copy of the trained project, for one test."""
    shutil.copytree(trained, tmp_path / "copy")  # with its images
    return tmp_path / "copy" / "project"


@pytest.fixture
def served(project: Path) -> Iterator[Served]:
    """The project, served without a worker: what is trained and asked stays as it is."""
    with Served(project) as served:
        yield served


@pytest.fixture
def come(chromium: Browser, served: Served) -> Iterator[Come]:
    """Let people come to the page: ``come("Ada")``; each has an own browser, tabs share one."""
    yield from visitors(chromium, lambda: served.address)


@pytest.fixture
def working(chromium: Browser) -> Iterator[Working]:
    """Serve a project with a worker under changed settings: ``working(folder, {...})`` is Ada."""
    opened: list[tuple[Served, Iterator[Come]]] = []

    def begin(folder: Path, settings: dict[str, object]) -> Annotator:
        change_settings(folder, settings)
        served = Served(folder, worker=True)
        bringing = visitors(chromium, lambda: served.address)
        opened.append((served, bringing))
        served.start()
        person = next(bringing)("Ada").come()
        person.wait_for_region()
        return person

    yield begin
    for served, bringing in opened:
        try:
            next(bringing, None)
        finally:
            served.stop()
