"""What is seen: dark images, marks of missing labels, comparison, colours, small screens."""

import base64
import io

import numpy as np
import pytest
from annotator import POLL_MS, Annotator, Come, OpenRegion, decode_runs
from PIL import Image
from playwright.sync_api import Route, ViewportSize, expect

PHONE: ViewportSize = {"width": 390, "height": 844}
TABLET: ViewportSize = {"width": 768, "height": 1024}
MANY = 30


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def frame(person: Annotator) -> None:
    """Wait until what changed is drawn."""
    person.page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )


def shown(person: Annotator) -> np.ndarray:
    """(H, W, 3) pixels of the picture's canvas."""
    frame(person)
    url = person.page.evaluate("() => document.getElementById('picture').toDataURL('image/png')")
    content = base64.b64decode(url.split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def region_shown(person: Annotator, region: OpenRegion) -> np.ndarray:
    """The part of the picture's canvas with the region, without its frame."""
    box = person.page.locator("#canvas").bounding_box()
    assert box is not None
    left, top = (round(v) for v in person.place(region, 1, 1))
    right, bottom = (round(v) for v in person.place(region, region.height - 1, region.width - 1))
    x, y = round(box["x"]), round(box["y"])
    return shown(person)[top - y : bottom - y, left - x : right - x]


def answer(person: Annotator, region: OpenRegion) -> np.ndarray:
    person.wait_until_saved()
    newest = person.api(f"/items/{region.round}/{region.rank}/answers")["answers"][-1]
    return decode_runs(newest["runs"], region.height, region.width)


def darken(route: Route) -> None:
    """The tile with an eighth of its light, as a fluorescence image would be."""
    picture = Image.open(io.BytesIO(route.fetch().body())).point(lambda value: value // 8)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    route.fulfill(body=buffer.getvalue(), content_type="image/png")


def test_dark_image_is_readable_at_once_and_as_it_is_when_wanted(come: Come) -> None:
    person = come("Grace")
    person.page.route("**/tiles/**", darken)
    person.come()
    person.wait_for_region()
    person.press("v")
    person.page.click("#picture-panel summary")
    expect(person.page.locator("#picture-settings")).to_contain_text("are shown as black to white")
    region = person.region
    person.page.wait_for_selector("#canvas[data-missing='0']")
    bright = region_shown(person, region)
    person.page.select_option("#stretch", "never")
    dark = region_shown(person, region)
    assert dark.max() < 40
    assert bright.max() > 180
    assert bright.mean() > 2 * dark.mean()
    person.screenshot("dark-image")
    person.reload()  # the choice is kept
    person.press("v")
    person.page.wait_for_selector("#canvas[data-missing='0']")
    expect(person.page.locator("#stretch")).to_have_value("never")
    assert region_shown(person, region).max() < 40
    # the page fetches tiles ahead: one may still be on its way when the test is over
    person.page.unroute_all(behavior="ignoreErrors")


def test_sliders_change_the_picture_and_not_the_answer(ada: Annotator) -> None:
    region = ada.region
    before = decode_runs(ada.api(f"/items/{region.round}/{region.rank}")["prefill"]["runs"], 64, 64)
    ada.press("v")
    ada.page.click("#picture-panel summary")
    plain = region_shown(ada, region)
    ada.page.locator("#gamma").evaluate(
        "(slider) => { slider.value = 60; slider.dispatchEvent(new Event('input')) }"
    )
    assert region_shown(ada, region).mean() > plain.mean() + 10
    ada.page.uncheck("#channel-1")
    assert region_shown(ada, region)[..., 1].max() == 0
    ada.page.click("#display-reset")
    assert (region_shown(ada, region) == plain).all()
    ada.press("v")
    ada.accept()
    assert (answer(ada, region) == before).all()


def test_dots_show_missing_labels_and_are_gone_while_painting(ada: Annotator) -> None:
    region = ada.region
    ada.press("e")
    ada.set_size(96)
    ada.stroke(region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    x, y = ada.place(region, 20, 20)
    ada.page.mouse.move(x, y)
    with_dots = region_shown(ada, region)
    ada.press("t")
    without = region_shown(ada, region)
    ada.press("t")
    marked = (with_dots != without).any(axis=2).mean()
    assert 0.002 < marked < 0.08  # there, and in nobody's way
    ada.page.mouse.down()
    assert (region_shown(ada, region) == without).all()
    ada.page.mouse.up()
    assert (region_shown(ada, region) == with_dots).all()


def test_prediction_is_compared_side_by_side_and_by_a_key(ada: Annotator) -> None:
    region = ada.region
    before = decode_runs(ada.api(f"/items/{region.round}/{region.rank}")["prefill"]["runs"], 64, 64)
    value = 1 if (before == 2).mean() > 0.5 else 2
    ada.press(str(value), "g", "b")
    ada.set_size(12)
    predicted = region_shown(ada, region)
    ada.stroke(region, [(20, 10), (20, 50)])
    ada.page.mouse.move(2, 2)
    mended = region_shown(ada, region)
    assert (mended != predicted).any()
    ada.press("c")
    expect(ada.page.locator("#badges")).to_contain_text("Prediction")
    assert (region_shown(ada, region) == predicted).all()
    ada.press("c")
    assert (region_shown(ada, region) == mended).all()
    ada.press("d")
    expect(ada.page.locator("#badges span")).to_have_text(["Prediction", "Your labels"])
    picture = shown(ada)
    half = picture.shape[1] // 2
    assert (picture[:, :half] != picture[:, half : 2 * half]).any(axis=2).mean() > 0.005
    ada.screenshot("side-by-side")
    x, y = ada.place(region, 50, 20)  # in the left pane; what is drawn there is drawn on both
    width = ada.page.locator("#canvas").evaluate("(canvas) => canvas.clientWidth / 2")
    ada.drag([(x + width, y), (x + width + 10 * ada.scale, y)])
    ada.accept()
    got = answer(ada, region)
    assert (got[18:22, 12:48] == value).all()
    assert (got[49:51, 21:29] == value).all()


def test_class_gets_another_colour_that_this_browser_remembers(ada: Annotator) -> None:
    region = ada.region
    ada.press("2", "b")
    ada.set_size(56)
    ada.stroke(region, [(32, 32), (33, 33)])
    swatch = ada.page.get_by_label("Colour of vessel")
    swatch.evaluate("(it) => { it.value = '#ff0000'; it.dispatchEvent(new Event('input')) }")
    ada.page.locator("#labels-opacity").evaluate(
        "(slider) => { slider.value = 100; slider.dispatchEvent(new Event('input')) }"
    )
    red = (region_shown(ada, region) == (255, 0, 0)).all(axis=2)
    assert red.mean() > 0.4
    ada.reload()
    expect(swatch).to_have_value("#ff0000")
    swatch.dblclick()
    expect(swatch).to_have_value("#56b4e9")


def give_many_classes(route: Route) -> None:
    project = route.fetch().json()
    first = project["classes"]
    for index in range(len(first), MANY):
        name = f"class {index} with a name as long as some people make them"
        project["classes"].append({"index": index, "name": name, "color": first[1]["color"]})
    route.fulfill(json=project)


def test_one_of_thirty_classes_is_found_by_its_name(come: Come) -> None:
    person = come("Grace")
    person.page.route("**/api/v1/project", give_many_classes)
    person.come()
    person.wait_for_region()
    person.screenshot("many-classes")
    person.press("/")
    person.page.keyboard.type("class 17")
    expect(person.page.locator(".class-row:visible")).to_have_count(1)
    person.press("Enter")
    expect(person.page.locator("[data-class='17']")).to_have_attribute("aria-pressed", "true")
    expect(person.page.locator("#canvas")).to_be_focused()
    name = person.page.locator("[data-class='17']")
    assert "class 17 with a name as long" in str(name.get_attribute("title"))
    assert name.evaluate("(it) => it.scrollWidth <= it.clientWidth + 1")


def test_wheel_zooms_to_the_pointer_and_two_fingers_move(ada: Annotator) -> None:
    region = ada.region
    x, y = ada.place(region, 10, 50)
    ada.page.mouse.move(x, y)
    before = ada.scale
    ada.page.mouse.wheel(0, -360)
    ada.wait_for_scale(1.9 * before)  # exp(0.72) = 2.05
    frame(ada)
    held = ada.place(region, 10, 50)
    assert held == pytest.approx((x, y), abs=1.5)
    scale = ada.scale
    ada.page.mouse.wheel(6, 4)  # small and sideways: a trackpad
    frame(ada)
    assert ada.place(region, 10, 50) == pytest.approx((held[0] - 6, held[1] - 4), abs=0.5)
    assert ada.scale == pytest.approx(scale)


@pytest.mark.parametrize("size", [PHONE, TABLET], ids=["phone", "tablet"])
def test_region_is_mended_and_answered_on_a_small_screen(come: Come, size: ViewportSize) -> None:
    person = come("Finger", has_touch=True)
    person.page.set_viewport_size(size)
    person.come()
    person.wait_for_region()
    region = person.region
    touch = person.page.context.new_cdp_session(person.page)
    # clicks: on a busy machine a tap lasts so long that it counts as a long press
    person.page.click("[data-class='2']")
    person.page.click("[data-tool=brush]")
    person.set_size(8)
    x, y = person.place(region, 20, 10)
    step = 30 * person.scale
    for kind, places in (
        ("touchStart", [(x, y)]),
        ("touchMove", [(x + step, y)]),
        ("touchEnd", []),
    ):
        points = [{"x": px, "y": py, "id": 0} for px, py in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    person.page.click("#look summary")
    expect(person.page.locator("#labels-opacity")).to_be_visible()
    person.screenshot(f"look-{size['width']}")
    person.page.click("#look summary")
    before = person.wait_for_region()
    person.page.click("#accept")
    person.wait_for_region(other_than=before)
    assert (answer(person, region)[18:22, 12:38] == 2).all()


def test_picture_on_a_phone_is_large_and_stays_where_it_is_when_nothing_is_left_to_fill(
    come: Come,
) -> None:
    person = come("Grace", has_touch=True)
    person.page.set_viewport_size(PHONE)
    person.come()
    person.wait_for_region()
    rest = person.page.locator("#fill-rest")
    person.press("0", "e")
    person.set_size(96)
    person.click(person.region, 32, 32)
    expect(rest).to_be_visible()
    before = person.page.locator("#canvas").bounding_box()
    person.press("g")
    expect(rest).to_be_hidden()

    assert person.page.locator("#canvas").bounding_box() == before
    assert before is not None
    assert before["height"] > PHONE["height"] / 3


def test_hand_that_rests_beside_a_pen_moves_the_picture_and_draws_nothing(come: Come) -> None:
    person = come("Pen", has_touch=True).come()
    person.wait_for_region()
    region = person.region
    session = person.page.context.new_cdp_session(person.page)
    person.press("2", "b")
    person.set_size(6)
    x, y = person.place(region, 10, 10)
    for kind in ("mousePressed", "mouseReleased"):
        event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}
        session.send("Input.dispatchMouseEvent", event | {"pointerType": "pen", "force": 0.9})
    x, y = person.place(region, 40, 20)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x + 60, "y": y}]),
        ("touchEnd", []),
    ):
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    person.page.wait_for_function(
        "moved => Math.abs(Number(document.getElementById('canvas').dataset.col) - moved) > 0.01",
        arg=0.0,
        polling=POLL_MS,
    )
    assert person.place(region, 40, 20)[0] == pytest.approx(x + 60, abs=1)
    before = decode_runs(
        person.api(f"/items/{region.round}/{region.rank}")["prefill"]["runs"], 64, 64
    )
    person.accept()
    got = answer(person, region)
    assert got[10, 10] == 2
    assert (got == before)[36:44].all()
