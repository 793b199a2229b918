"""axe-core finds nothing serious on any view, light or dark."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from annotator import Annotator, Come, visitors
from playwright.sync_api import Browser

from start_server import StartServer

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = pytest.mark.slow
GRAVE = {"serious", "critical"}


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: `npm ci` brings it")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_view_has_a_serious_obstacle(come: Come, theme: str) -> None:
    person = come("Ada").come()
    person.wait_for_region()
    person.page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    person.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = {view: obstacles(person, view) for view in ("label", "review", "status")}
    person.page.keyboard.press("Alt+1")
    person.page.click("#help")
    person.page.wait_for_selector("#help-sheet[open]")
    found["help"] = obstacles(person, None)

    assert found == {"label": [], "review": [], "status": [], "help": []}


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: `npm ci` brings it")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_start_has_no_serious_obstacle(
    chromium: Browser, trained: Path, tmp_path: Path, theme: str
) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained, home / "lab")
    with StartServer(home) as server:
        people = visitors(chromium, lambda: server.address)
        ada = next(people)("Ada", color_scheme=theme).come()
        page = ada.page
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found = {"empty list": obstacles(ada, None)}
        page.click("#open-folder")
        found["choosing"] = obstacles(ada, None)
        page.get_by_role("button", name="▸ lab").click()
        page.get_by_role("button", name="▸ project").click()
        page.locator("#choose-this").click()
        ada.wait_for_region()
        page.get_by_role("link", name="Projects").click()
        page.wait_for_selector(".project")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found["list"] = obstacles(ada, None)
        page.get_by_role("link", name="Use and change").click()
        page.wait_for_selector("#model-card")
        found["one project"] = obstacles(ada, None)
        page.get_by_role("link", name="New project").first.click()
        page.wait_for_selector("#images-field")
        found["new project"] = obstacles(ada, None)
        next(people, None)

    assert [problem for place in found.values() for problem in place] == []


def obstacles(person: Annotator, view: str | None) -> list[str]:
    """What axe-core finds grave: rule, and the first element of each."""
    if view is not None:
        person.page.click(f"nav [data-view={view}]")
        person.page.wait_for_selector(f"#view-{view}:not([hidden])")
        person.page.wait_for_timeout(500)
    told: Any = person.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:120]} {rule['nodes'][0]['failureSummary'][:200]}"
        for rule in told["violations"]
        if rule["impact"] in GRAVE
    ]
