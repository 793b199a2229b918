"""The page below a prefix of a real nginx with TLS, in a real browser."""

from pathlib import Path

import pytest
from annotator import visitors
from playwright.sync_api import Browser, expect

from proxies import NGINX, Recipe, behind_nginx
from served import Build

RECIPE = Recipe(
    "nginx, below a prefix", "localhost", "/labels", changes={"lab.example.org": "localhost"}
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="no nginx: `apt-get install nginx-light` brings it"),
]


def test_region_is_answered_below_a_prefix_and_nothing_is_asked_beside_it(
    chromium: Browser, tmp_path: Path, disc_config: Build
) -> None:
    with behind_nginx(RECIPE, tmp_path, disc_config()) as front:
        address = f"https://localhost:{front.port}/labels/"
        people = visitors(chromium, lambda: address)
        ada = next(people)("Ada", ignore_https_errors=True)
        asked: list[str] = []
        ada.page.on("request", lambda request: asked.append(request.url))
        ada.page.goto(f"{address}#token={front.token}")
        first = ada.wait_for_region()
        ada.press("1", "g")
        second = ada.accept()
        ada.wait_until_saved()
        ada.go("review")
        ada.go("status")
        expect(ada.page.locator("#view-status")).to_contain_text("Regions answered")
        ada.page.reload()
        ada.go("label")
        assert ada.wait_for_region() == second != first  # the same person, without logging in again

        assert [url for url in asked if not url.startswith((address, "blob:", "data:"))] == []
        for part in ("static/main.js", "api/v1/events", "api/v1/images/", "api/v1/items/"):
            assert any(url.startswith(address + part) for url in asked), part
        cookies = ada.page.context.cookies()
        assert [(cookie["path"], cookie["secure"]) for cookie in cookies] == [("/labels/", True)]
        next(people, None)
