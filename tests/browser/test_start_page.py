"""A project without a command line: made, opened, used and put away in a real browser."""

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from annotator import ARTIFACTS, LAPTOP, PATIENCE_MS, Annotator, Come, visitors
from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, expect

from askmask.data.drawn.demo import draw_tissue
from people import KEY
from server_processes import free_port, wait_for
from start_server import StartServer

PHONE: ViewportSize = {"width": 390, "height": 844}
HIDE_PATHS = """
() => {
  for (const element of document.querySelectorAll(".path")) element.textContent = "/home/ada/study";
  for (const element of document.querySelectorAll("pre")) {
    element.textContent = element.textContent.replace(/\\/tmp\\/\\S+/g, "/home/ada/study");
  }
  const folder = document.getElementById("new-folder");
  if (folder) folder.value = "/home/ada/askmask/My-study";
}
"""
"""Pictures of the documentation show no path of the machine that took them."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def start(home: Path) -> Iterator[StartServer]:
    with StartServer(home) as server:
        yield server


@pytest.fixture
def come(chromium: Browser, start: StartServer) -> Iterator[Come]:
    yield from visitors(chromium, lambda: start.address)


def screenshot(page: Page, name: str, *, height: int = 800) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.set_viewport_size({"width": 1280, "height": height})
    page.evaluate(HIDE_PATHS)
    page.screenshot(path=ARTIFACTS / f"{name}.png", animations="disabled")


def write_images(folder: Path) -> None:
    """Four images of tissue, three of them with a black and white mask with soft edges."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for number in range(4):
        image, mask = draw_tissue(number, 96, 96)
        Image.fromarray(image).save(folder / "images" / f"slide_{number}.png")
        soft = np.where(mask.labels == 1, 255, 0).astype(np.uint8)
        soft[40, 40:44] = 130
        if number < 3:
            Image.fromarray(soft).save(folder / "masks" / f"slide_{number}.png")


def test_project_is_made_from_a_folder_and_what_is_unclear_is_asked(come: Come, home: Path) -> None:
    write_images(home / "study")
    ada = come("Ada").come()
    page = ada.page
    page.get_by_role("link", name="New project").first.click()
    page.locator("#images-field").get_by_role("button", name="Choose a folder").click()
    page.get_by_role("button", name="▸ study").click()
    page.locator("#choose-this").click()

    problems = page.locator(".problems")  # neither two values, nor as many as classes
    expect(problems).to_contain_text("their kind is not clear")
    expect(page.locator("#create")).to_be_disabled()
    page.select_option("select[name=kind]", "binary")
    page.fill("input[name=threshold]", "128")
    page.click("#look")
    expect(page.locator(".found")).to_contain_text("Read as binary")
    expect(page.locator(".pictures img")).to_have_count(4)
    page.get_by_label("Name of class 1").fill("gland")
    page.check("#masks-right")
    page.fill("#new-name", "Study")
    screenshot(page, "start_new", height=1750)
    page.fill("#new-name", "My study")
    expect(page.locator("#missing")).to_be_empty()
    page.click("#create")

    page.wait_for_url("**/projects/*/", timeout=PATIENCE_MS)
    expect(page.locator("#project-name")).to_have_text("My study")
    expect(page.locator("#classes")).to_contain_text("gland")
    assert sorted(path.name for path in (home / "askmask").iterdir()) == ["My-study"]
    assert (home / "askmask" / "My-study" / "askmask.yaml").is_file()


def test_project_is_opened_from_the_list_and_deleted_after_two_questions(
    come: Come, home: Path, trained: Path
) -> None:
    shutil.copytree(trained, home / "lab")
    ada = come("Ada").come()
    page = ada.page
    page.click("#open-folder")
    page.get_by_role("button", name="▸ lab").click()
    page.get_by_role("button", name="▸ project").click()
    page.locator("#choose-this").click()
    ada.wait_for_region()  # logged in there too
    page.get_by_role("link", name="Projects").click()
    expect(page.locator(".project")).to_contain_text("glands")
    screenshot(page, "start_list", height=420)

    page.get_by_role("link", name="Use and change").click()
    page.click("#delete")
    page.click("#delete-first")
    sure = page.get_by_role("button", name="Delete", exact=True)
    expect(sure).to_be_disabled()
    page.fill("#typed-name", "glands")
    sure.click()
    expect(page.locator("#main")).to_contain_text("No project was opened here yet")
    binned = list((home / "lab" / "askmask-bin").iterdir())
    assert [path.name.startswith("project-") for path in binned] == [True]
    assert (binned[0] / "askmask.db").is_file()
    assert not (home / "lab" / "project").exists()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_start_is_readable_and_not_cut_off(
    come: Come, home: Path, trained: Path, size: ViewportSize, theme: str
) -> None:
    page = opened_from_outside(come, home, trained)
    page.set_viewport_size(size)
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for name, address, sign in (
        ("list", "#/", ".project"),
        ("new", "#/new", "#images-field"),
        ("project", page.url.partition("#")[2], "#model-card"),
    ):
        page.evaluate("address => { location.hash = address; }", address.removeprefix("#"))
        page.wait_for_selector(sign)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], f"{name} is {width} pixels wide"
        page.evaluate(HIDE_PATHS)
        kind = f"{size['width']}x{size['height']}"
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / f"start_{name}_{kind}_{theme}.png", animations="disabled")


def opened_from_outside(come: Come, home: Path, trained: Path) -> Page:
    """Ada at the page that shows a project with a model from outside."""
    shutil.copytree(trained, home / "lab")
    ada = come("Ada").come()
    page = ada.page
    page.click("#open-folder")
    page.get_by_role("button", name="▸ lab").click()
    page.get_by_role("button", name="▸ project").click()
    page.locator("#choose-this").click()
    ada.wait_for_region()
    page.get_by_role("link", name="Projects").click()
    page.get_by_role("link", name="Use and change").click()
    expect(page.locator("#model-card")).to_contain_text("Overlap with the truth")
    return page


def test_class_is_added_and_labels_are_downloaded(come: Come, home: Path, trained: Path) -> None:
    page = opened_from_outside(come, home, trained)
    screenshot(page, "start_project", height=1900)
    page.click("#export")
    with page.expect_download(timeout=PATIENCE_MS) as packed:
        page.get_by_role("link", name="Download 2 answers").click()
    with zipfile.ZipFile(packed.value.path()) as archive:
        assert "askmask-export.json" in archive.namelist()

    page.get_by_role("button", name="Add a class").click()
    page.keyboard.type("scratch")
    expect(page.locator("#classes-mean")).to_contain_text("say nothing of the new class")
    page.click("#keep-classes")
    expect(page.locator("#classes-kept")).to_contain_text("Added scratch. 2 images have answers")
    page.get_by_role("button", name="Go on labelling").click()
    expect(page.locator("#classes")).to_contain_text("scratch")


@pytest.mark.slow
def test_dropped_images_are_predicted_and_downloaded(come: Come, home: Path, trained: Path) -> None:
    page = opened_from_outside(come, home, trained)
    files = []
    for number in range(2):
        image, _ = draw_tissue(90 + number, 96, 128)
        files.append(home / f"new_{number}.png")
        Image.fromarray(image).save(files[-1])
    page.locator("#predict-field input[type=file]").set_input_files(files)
    expect(page.locator("#predict-field")).to_contain_text("2 dropped files")
    page.click("#predict")
    with page.expect_download(timeout=PATIENCE_MS) as packed:
        page.get_by_role("link", name="Download masks of 2 images").click(timeout=PATIENCE_MS)
    with zipfile.ZipFile(packed.value.path()) as archive:
        assert {"masks/new_0.png", "masks/new_1.png"} <= set(archive.namelist())
        with archive.open("masks/new_0.png") as mask:
            assert Image.open(mask).size == (128, 96)


@pytest.mark.slow
def test_example_is_useful_within_a_minute_and_ctrl_c_ends_it(
    chromium: Browser, tmp_path: Path
) -> None:
    told = tmp_path / "address"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {told}\n')
    browser.chmod(0o755)
    command = [sys.executable, "-m", "askmask", "try", "--folder", str(tmp_path / "example")]
    process = subprocess.Popen(
        [*command, "--port", str(free_port()), "--open"],
        env=os.environ | {"BROWSER": f"{browser} %s", "ASKMASK_KEY": KEY},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(told.is_file, 60)
        page = chromium.new_context(viewport=LAPTOP).new_page()
        address = told.read_text().partition("#")[0]
        ada = Annotator(page, address, "Ada").come()
        ada.wait_for_region()
        ada.go("status")
        expect(page.locator("#curve circle")).to_have_count(1)  # a model, and how good it is
        page.context.close()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0
    assert f"askmask try --folder {tmp_path / 'example'}" in out
    assert err == ""
