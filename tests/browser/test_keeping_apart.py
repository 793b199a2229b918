"""Labelled images are kept apart on the page, in one click, and used again in another."""

from pathlib import Path

from annotator import visitors
from page_server import Served, change_settings
from playwright.sync_api import Browser, expect

from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project


def label_all(folder: Path) -> None:
    """Every image is labelled, and none is for validation."""
    change_settings(folder, {"data.validation": 0, "data.start": "all"})
    with Project.open(folder) as project:
        Loop(project).tell_start(MaskOracle(project.source))


def test_images_are_kept_in_one_click_and_given_back_in_another(
    chromium: Browser, project: Path
) -> None:
    label_all(project)
    with Served(project) as served:
        people = visitors(chromium, lambda: served.address)
        ada = next(people)("Ada").come()
        ada.wait_for_region()
        ada.go("status")
        card = ada.page.locator("#keep-apart")
        expect(card).to_contain_text("so that we can tell you how good the model is")
        ada.page.get_by_role("button", name="Keep 3 of 15 labelled images apart").click()
        expect(card).to_contain_text("3 labelled images are kept apart from the next training on")
        with Project.open(project) as opened:
            kept = opened.store.kept.now()
        assert kept is not None
        assert (len(kept.images), kept.by) == (3, "Ada")

        ada.page.reload()
        ada.page.get_by_role("button", name="Learn from them after all").click()
        expect(card).to_contain_text("No image is kept apart")
        next(people, None)
