"""Review, status, agreeing to all, and how every view looks; pictures are kept in artifacts/."""

import pytest
from annotator import Annotator, Come
from page_server import Served
from playwright.sync_api import expect

LARGE = {"width": 2560, "height": 1440}

UNREADABLE = """
() => {
  const curve = (part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const channel = (value) => curve(value / 255);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const paint = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return paint.getImageData(0, 0, 1, 1).data;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = rgba(getComputedStyle(element).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *:not(option)")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(":disabled, .visually-hidden, .skip, svg")) continue;
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) found.push(`${element.outerHTML.slice(0, 80)}: ${contrast.toFixed(2)}`);
  }
  return found;
}
"""

NAMELESS = """
() => [...document.querySelectorAll("button, a, input, select, [role=option], [role=application]")]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.ariaLabel || element.innerText?.trim() || element.labels?.length))
  .map((element) => element.outerHTML.slice(0, 100))
"""

CUT_OFF = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def answer_some(person: Annotator) -> None:
    """A brush stroke, a region that is unsure, and one that is an artefact."""
    person.press("2", "b")
    person.set_size(8)
    person.stroke(person.region, [(10, 10), (20, 30)])
    person.accept()
    for key in ("u", "a"):
        before = person.wait_for_region()
        person.press(key)
        person.wait_for_region(other_than=before)
    person.wait_until_saved()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_is_readable_named_and_not_cut_off(ada: Annotator, theme: str) -> None:
    page = ada.page
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    answer_some(ada)
    ada.press("o")
    for size in ({"width": 1280, "height": 720}, LARGE):
        page.set_viewport_size(size)
        for view in ("label", "review", "status"):
            ada.go(view)
            if view == "review":
                page.wait_for_selector("#view-review tbody tr")
            if view == "status":
                page.wait_for_selector("#cost dd")
            page.wait_for_timeout(400)  # pictures
            ada.screenshot(f"{view}-{theme}-{size['width']}")
            assert page.evaluate(CUT_OFF) <= 0
            assert page.evaluate(NAMELESS) == []
            assert page.evaluate(UNREADABLE) == []
    page.set_viewport_size({"width": 1280, "height": 720})
    ada.go("label")
    ada.press("h")
    expect(page.locator("#help-sheet")).to_contain_text("accept and go to the next region")
    ada.screenshot(f"help-{theme}")
    ada.press("h")
    expect(page.locator("#help-sheet")).to_be_hidden()


def test_agreeing_to_all_answers_the_sure_regions_with_the_prediction(ada: Annotator) -> None:
    sure = sorted(item["piece"]["confidence"] for item in ada.api("/items")["items"])
    bar = sure[-3] * 100 - 0.01  # three are as sure as that
    ada.press("n")
    ada.go("review")
    ada.page.fill("#agree-confidence", f"{bar:.2f}")
    ada.press("Tab")
    button = ada.page.locator("#agree")
    expect(button).to_have_text("Agree to all 3")
    expect(ada.page.locator("[aria-labelledby=agree-title] figure")).to_have_count(3)
    ada.screenshot("agree")
    button.click()
    expect(ada.page.locator("#view-review tbody tr")).to_have_count(3)
    items = ada.api("/items")["items"]
    agreed = [item for item in items if item["answer"]]
    assert len(agreed) == 3
    for item in agreed:
        assert item["answer"]["tool"] == "agree"
        assert item["piece"]["confidence"] * 100 >= bar


def test_change_in_review_is_a_new_answer_and_the_old_one_stays(ada: Annotator) -> None:
    key, region = ada.wait_for_region(), ada.region
    ada.accept()
    ada.wait_until_saved()
    ada.go("review")
    ada.page.get_by_role("button", name=f"Change region {region.round}.{region.rank + 1}").click()
    ada.page.wait_for_selector(f"#canvas[data-item='{key}']")
    ada.press("2", "b")
    ada.click(region, 24, 24)
    ada.accept()
    ada.wait_until_saved()
    answers = ada.api(f"/items/{key}/answers")["answers"]
    assert [answer["tool"] for answer in answers] == ["accept", "brush"]
    assert answers[1]["base"] == answers[0]["number"]
    assert not answers[1]["conflict"]


def test_strip_filters_and_jumps(ada: Annotator) -> None:
    first = ada.wait_for_region()
    ada.press("u")
    ada.wait_for_region(other_than=first)
    ada.wait_until_saved()
    ada.page.select_option("#strip-state", "unsure")
    expect(ada.page.locator(".card")).to_have_count(1)
    ada.page.select_option("#strip-state", "all")
    ada.page.fill("#strip-jump", "1.6")
    ada.press("Enter")
    ada.page.wait_for_selector("#canvas[data-item='1/5']")
    ada.page.focus("#strip")
    ada.press("ArrowRight", "Enter")
    ada.page.wait_for_selector("#canvas[data-item='1/6']")


def test_status_shows_the_curve_and_cost_of_the_project(ada: Annotator) -> None:
    answer_some(ada)
    ada.go("status")
    status = ada.api("/status")
    dice = status["curve"]["points"][0]["values"]["mean_dice"]
    expect(ada.page.locator("#curve circle")).to_have_count(1)
    assert f"{dice:.3f}" in str(ada.page.locator("#curve circle title").text_content())
    expect(ada.page.locator("#rounds tbody tr")).to_have_count(1)
    expect(ada.page.locator("#cost")).to_contain_text("Artefacts")
    expect(ada.page.locator("#people")).to_contain_text("Ada")
    assert ada.page.locator("#calibration svg").count() == 1


def test_page_needs_no_other_host(ada: Annotator, served: Served) -> None:
    hosts = ada.page.evaluate(
        "() => performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host)"
    )
    assert set(hosts) == {f"127.0.0.1:{served.port}"}
