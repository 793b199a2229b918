"""Review, status, agreeing to all, and how every view looks; pictures are kept in artifacts/."""

import pytest
from annotator import POLL_MS, Annotator, Come
from page_server import Served
from playwright.sync_api import ViewportSize, expect
from told_rounds import tell_round

SIZES: tuple[ViewportSize, ...] = (
    {"width": 1440, "height": 900},
    {"width": 1280, "height": 720},
    {"width": 768, "height": 1024},
    {"width": 390, "height": 844},
)

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
  .filter((element) => element.checkVisibility({ visibilityProperty: true }))
  .filter((element) => !(element.ariaLabel || element.innerText?.trim() || element.labels?.length))
  .map((element) => element.outerHTML.slice(0, 100))
"""

CUT_OFF = """
() => {
  const root = document.documentElement;
  const found = root.scrollWidth > root.clientWidth ? ["the page is wider than the window"] : [];
  const wide = "button, a, label, h1, h2, h3, dt, dd, th, td, .panel, .notice, .banner, dialog";
  for (const element of document.querySelectorAll(wide)) {
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".visually-hidden, .skip, .table-box")) continue;
    const box = element.getBoundingClientRect();
    const isIn = box.left >= -1 && box.right <= root.clientWidth + 1;
    const isInline = getComputedStyle(element).display === "inline"; // has no size of its own
    const fits = isInline || element.scrollWidth <= element.clientWidth + 1;
    if (!isIn || !fits) found.push(element.outerHTML.slice(0, 100));
  }
  return found;
}
"""

CONTROLS = "button, a, input, select, [tabindex='0']"

NUMBER_CONTROLS = f"""
() => document.querySelectorAll("{CONTROLS}").forEach((element, number) => {{
  element.dataset.number = number;
}})
"""

FOCUSED = """
() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  if (element === document.body) return ["body", "solid 3px"];
  element.dataset.number ??= element.outerHTML.slice(0, 80); // a part that scrolls
  return [element.dataset.number, `${outlineStyle} ${outlineWidth}`];
}
"""

UNREACHED = f"""
(reached) => [...document.querySelectorAll("{CONTROLS}")]
  .filter((element) => element.checkVisibility({{ visibilityProperty: true }}) && !element.disabled)
  .filter((element) => !reached.includes(element.dataset.number))
  .map((element) => element.outerHTML.slice(0, 100))
"""


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


@pytest.fixture
def busy(ada: Annotator, served: Served) -> Annotator:
    fill(ada, served)
    return ada


def fill(person: Annotator, served: Served) -> None:
    """Give every view something to show: answers, a conflict, three rounds."""
    key = person.wait_for_region()
    answer_some(person)
    post_answer(person, key)  # as if from another machine, before it knew of hers
    tell_round(served.folder, 1, dice=0.62, ece=0.12)
    tell_round(served.folder, 2, dice=0.71, ece=0.08)


def post_answer(person: Annotator, key: str) -> None:
    """Answer a region as somebody who has not seen the answer that it has."""
    status = person.page.evaluate(
        """async (key) => {
          const reply = await fetch(`/api/v1/items/${key}/answers`, {
            method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify({id: "from-another-machine", kind: "unsure", runs: null,
                                  seconds: 3, tool: "mark", base: null})});
          return reply.status;
        }""",
        key,
    )
    assert status == 201


def assert_well_shown(person: Annotator) -> None:
    """Nothing is cut off, nameless or too pale to read."""
    for faults in (CUT_OFF, NAMELESS, UNREADABLE):
        assert person.page.evaluate(faults) == []


def show_view(person: Annotator, view: str) -> None:
    """Go to a view and wait until it has everything."""
    person.go(view)
    if view == "review":
        expect(person.page.locator("[data-conflict] figure")).to_have_count(2)
        expect(person.page.locator("#view-review tbody tr")).to_have_count(4)
        expect(person.page.get_by_text("No open region is that sure.")).to_be_visible()
    if view == "status":
        expect(person.page.locator("#curve circle")).to_have_count(3)
        expect(person.page.locator("#calibration .second")).not_to_have_count(0)


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_every_view_is_readable_named_and_not_cut_off(busy: Annotator, theme: str) -> None:
    look_at_every_view(busy, theme)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_view_is_as_good_on_a_screen_with_two_pixels_for_one(
    come: Come, served: Served, theme: str
) -> None:
    person = come("Ada", device_scale_factor=2).come()
    fill(person, served)
    look_at_every_view(person, theme, suffix="@2x")
    person.go("label")
    wide, shown = person.page.evaluate(
        "() => [document.getElementById('picture')].map((c) => [c.width, c.clientWidth])[0]"
    )
    assert wide == 2 * shown


def look_at_every_view(person: Annotator, theme: str, suffix: str = "") -> None:
    """Take pictures of each view at each size, and assert that it is well shown."""
    page = person.page
    person.use_theme(theme)
    person.press("o")
    page.wait_for_selector("#canvas[data-scores=yes]")
    for size in SIZES:
        page.set_viewport_size(size)
        for view in ("label", "review", "status"):
            show_view(person, view)
            page.locator(f"#view-{view}").evaluate("(view) => view.scrollTo(0, 0)")
            person.screenshot(f"{view}-{theme}-{size['width']}{suffix}")
            assert_well_shown(person)
            if view == "status":
                page.locator("#rounds").scroll_into_view_if_needed()
                person.screenshot(f"status-below-{theme}-{size['width']}{suffix}")


@pytest.mark.parametrize("theme", [pytest.param("light", marks=pytest.mark.slow), "dark"])
def test_help_login_and_waiting_are_readable_named_and_not_cut_off(
    ada: Annotator, served: Served, theme: str
) -> None:
    page = ada.page
    ada.use_theme(theme)
    ada.press("h")
    expect(page.locator("#help-sheet")).to_contain_text("accept and go to the next region")
    for size in SIZES:
        page.set_viewport_size(size)
        ada.screenshot(f"help-{theme}-{size['width']}")
        assert_well_shown(ada)
    ada.press("h")
    expect(page.locator("#help-sheet")).to_be_hidden()
    for _ in range(8):
        before = ada.wait_for_region()
        ada.press("u")
        page.wait_for_function(
            "before => document.getElementById('canvas').dataset.item !== before",
            arg=before,
            polling=POLL_MS,
        )
    expect(page.locator("#waiting")).to_contain_text("Every asked region is answered")
    expect(page.locator("#progress-text")).to_have_text("8 answered, 0 ready")
    ada.wait_until_saved()
    for name in ("accept", "unsure", "artefact", "skip", "reset", "undo"):
        expect(page.locator(f"#{name}")).to_be_disabled()
    ada.screenshot(f"waiting-{theme}")
    assert_well_shown(ada)
    served.kill()
    expect(page.locator("[data-banner=server]")).to_be_visible()
    ada.screenshot(f"server-gone-{theme}")
    assert_well_shown(ada)
    served.start()
    expect(page.locator("[data-banner=server]")).to_have_count(0)
    page.click("#person")
    expect(page.locator("#login-field")).to_be_focused()
    assert page.get_attribute("html", "data-theme") == theme  # chosen for good
    ada.screenshot(f"login-{theme}")
    assert_well_shown(ada)


def test_keys_reach_every_control_and_show_where_they_are(ada: Annotator) -> None:
    page = ada.page
    for key, view in (("Alt+3", "status"), ("Alt+2", "review"), ("Alt+1", "label")):
        ada.press(key)
        expect(page.locator(f"#view-{view}")).to_be_visible()
        show_view_of_one(ada, view)
        page.evaluate(NUMBER_CONTROLS)
        reached: dict[str, str] = {}
        for _ in range(100):
            ada.press("Tab")
            number, ring = page.evaluate(FOCUSED)
            if number in reached:
                break
            reached[number] = ring
        assert set(reached.values()) == {"solid 3px"}
        assert page.evaluate(UNREACHED, list(reached)) == []


def show_view_of_one(person: Annotator, view: str) -> None:
    """Wait until a view of a project with one model and no answer has everything."""
    if view == "status":
        expect(person.page.locator("#curve circle")).to_have_count(1)
    if view == "review":
        expect(person.page.get_by_text("No open region is that sure.")).to_be_visible()


def test_theme_follows_the_system_until_one_is_chosen(come: Come) -> None:
    person = come("Ada", color_scheme="dark").come()
    person.wait_for_region()
    background = "() => getComputedStyle(document.body).backgroundColor"
    dark = person.page.evaluate(background)
    person.use_theme("light")
    assert person.page.evaluate(background) != dark
    person.use_theme("dark")
    assert person.page.evaluate(background) == dark


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
    notes = ada.page.locator("#curve .scores-cover")
    expect(notes).to_have_text(status["scores_cover"]["words"])
    expect(notes.first).to_contain_text("Means cover")
    expect(ada.page.locator("#curve .score-meaning")).to_contain_text("mean Dice: Twice the pixels")
    expect(ada.page.locator("#rounds tbody tr")).to_have_count(1)
    expect(ada.page.locator("#cost")).to_contain_text("Artefacts")
    expect(ada.page.locator("#people")).to_contain_text("Ada")
    assert ada.page.locator("#calibration svg").count() == 1


def test_page_needs_no_other_host(ada: Annotator, served: Served) -> None:
    hosts = ada.page.evaluate(
        "() => performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host)"
    )
    assert set(hosts) == {f"127.0.0.1:{served.port}"}
