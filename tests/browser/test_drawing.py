"""What is drawn by brush, polygon, fill, patches, pen, fingers and keys arrives as it was seen."""

import numpy as np
import pytest
from annotator import POLL_MS, Annotator, Come, OpenRegion, decode_runs
from playwright.sync_api import expect

from people import KEY


def prefill(person: Annotator, region: OpenRegion) -> np.ndarray:
    item = person.api(f"/items/{region.round}/{region.rank}")
    return decode_runs(item["prefill"]["runs"], region.height, region.width)


def answer(person: Annotator, region: OpenRegion) -> np.ndarray:
    person.wait_until_saved()
    newest = person.api(f"/items/{region.round}/{region.rank}/answers")["answers"][-1]
    return decode_runs(newest["runs"], region.height, region.width)


def clear(person: Annotator, region: OpenRegion) -> None:
    """Make the whole region background."""
    person.press("e")
    person.set_size(96)
    person.stroke(region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    person.press("0", "g")


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def within(region: OpenRegion, row: float, col: float, radius: float) -> np.ndarray:
    """Pixels whose centres are within a radius of a place."""
    rows, cols = np.mgrid[: region.height, : region.width] + 0.5
    return (rows - row) ** 2 + (cols - col) ** 2 <= radius**2


def test_brush_stroke_arrives_pixel_for_pixel(ada: Annotator) -> None:
    region = ada.region
    before = prefill(ada, region)
    ada.press("2", "b")
    ada.set_size(6)
    ada.stroke(region, [(10.5, 8.5), (10.5, 30.5)])
    ada.accept()
    got = answer(ada, region)
    rows, cols = np.mgrid[: region.height, : region.width] + 0.5
    from_segment = np.hypot(rows - 10.5, cols - np.clip(cols, 8.5, 30.5))
    assert (got[from_segment <= 2.8] == 2).all()
    assert (got == before)[from_segment > 3.2].all()


def test_polygon_eraser_fill_and_undo_arrive_as_seen(ada: Annotator) -> None:
    region = ada.region
    clear(ada, region)
    ada.press("1", "p")
    for row, col in ((5, 5), (5, 25), (25, 25), (25, 5)):
        ada.click(region, row, col)
    ada.press("Enter", "e")
    ada.set_size(2)
    ada.stroke(region, [(15, 2), (15, 28)])  # cuts the square in two
    ada.press("2", "f")
    ada.click(region, 20, 15)
    ada.press("b")
    ada.set_size(20)
    ada.click(region, 40, 40)
    ada.press("Control+z")
    ada.accept()
    got = answer(ada, region)
    expected = np.zeros((region.height, region.width), int)
    expected[5:14, 5:25] = 1
    expected[14:16, 1:29] = 255
    expected[16:25, 5:25] = 2
    assert (got != expected).sum() <= 4  # the round ends of the eraser


def test_dragged_polygon_closes_at_its_first_corner(ada: Annotator) -> None:
    region = ada.region
    ada.press("2", "p")
    corners = [(8, 8), (8, 40), (40, 40), (40, 8)]
    ada.stroke(region, corners)
    ada.page.wait_for_function(
        "() => Number(document.getElementById('canvas').dataset.corners) > 4", polling=POLL_MS
    )
    ada.click(region, *corners[0])
    ada.accept()
    assert (answer(ada, region)[10:36, 12:38] == 2).all()


def test_patches_follow_the_image_and_are_painted_whole(ada: Annotator) -> None:
    region = ada.region
    before = prefill(ada, region)
    ada.press("2", "s")
    ada.page.wait_for_selector("#canvas[data-patches='12']")
    ada.click(region, 24, 24)
    ada.accept()
    changed = (answer(ada, region) == 2) & (before != 2)
    assert (changed | (before == 2)).sum() > 10
    assert changed.sum() < 1000


def test_keys_alone_answer_a_region(come: Come) -> None:
    person = come("Grace")
    person.page.goto(f"{person.address}#key={KEY}")
    person.page.wait_for_selector("#login-field:focus")
    person.page.keyboard.type("Grace")
    person.press("Enter")
    person.wait_for_region()
    region = person.region
    before = prefill(person, region)
    person.press("k", "2", "b", *["["] * 6)  # the smallest brush
    person.press(*["Shift+ArrowUp"] * 2, "Enter", *["ArrowRight"] * 5, "Enter")  # a line of 6
    person.press("p", *["Shift+ArrowDown"] * 2)
    for keys in (["Enter"], ["ArrowLeft"] * 8, ["Enter"], ["ArrowDown"] * 8, ["Enter"]):
        person.press(*keys)
    person.press("Shift+Enter", "Escape")
    expect(person.page.locator("#said")).to_contain_text("cursor off")
    person.accept()
    got = answer(person, region)
    middle = region.height // 2
    assert (got[middle - 20, region.width // 2 :][:6] == 2).all()
    inside = got[middle + 2 : middle + 7, region.width // 2 - 2 : region.width // 2 + 4]
    assert (inside == 2).sum() > 10
    assert (got == before).mean() > 0.95


def test_unsure_artefact_later_and_back(ada: Annotator) -> None:
    first = ada.wait_for_region()
    ada.press("u")
    second = ada.wait_for_region(other_than=first)
    ada.press("a")
    third = ada.wait_for_region(other_than=second)
    ada.press("n")
    fourth = ada.wait_for_region(other_than=third)
    ada.press("Backspace")
    assert ada.wait_for_region(other_than=fourth) == third
    ada.press("Backspace")
    assert ada.wait_for_region(other_than=third) == second
    ada.wait_until_saved()
    states = {f"{i['round']}/{i['rank']}": i["state"] for i in ada.api("/items")["items"]}
    assert [states[key] for key in (first, second, third)] == ["unsure", "artefact", "open"]


def test_empty_region_is_not_accepted(ada: Annotator) -> None:
    region = ada.region
    clear(ada, region)
    ada.press("Control+z", "Space")
    ada.hear("Nothing is labelled")
    assert ada.api(f"/items/{region.round}/{region.rank}")["state"] == "open"
    ada.press("1", "g")  # the rest in one go
    ada.accept()
    assert (answer(ada, region) == 1).all()


def test_pen_that_presses_lightly_paints_thinly_unless_told_not_to(ada: Annotator) -> None:
    region = ada.region
    ada.press("2", "b")
    ada.set_size(20)
    pen = ada.page.context.new_cdp_session(ada.page)

    def draw(row: float, force: float) -> None:
        start, end = ada.place(region, row, 14), ada.place(region, row, 34)
        for kind, (x, y) in (
            ("mousePressed", start),
            ("mouseMoved", end),
            ("mouseReleased", end),
        ):
            event = {"type": kind, "x": x, "y": y, "button": "left", "buttons": 1}
            event |= {"clickCount": 1, "pointerType": "pen", "force": force}
            pen.send("Input.dispatchMouseEvent", event)

    clear(ada, region)
    ada.press("2", "b")
    ada.set_size(20)
    draw(12, force=0.05)
    draw(36, force=0.9)
    ada.page.get_by_label("Pen pressure sets size").uncheck()
    draw(56, force=0.05)
    ada.accept()
    got = answer(ada, region)
    widths = [int((got[row - 11 : row + 11, 24] == 2).sum()) for row in (12, 36)]
    assert widths == pytest.approx([20 * (0.4 + 0.6 * 0.075), 20], abs=1.5)
    assert (got[47:, 24] == 2).all()  # 10 pixels above row 56, and to the edge


def test_one_finger_draws_and_two_move_the_picture(come: Come) -> None:
    person = come("Finger", has_touch=True).come()
    person.wait_for_region()
    region = person.region
    before = prefill(person, region)
    person.press("2", "b")
    person.set_size(6)
    touch = person.page.context.new_cdp_session(person.page)

    def fingers(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    x, y = person.place(region, 24, 24)
    scale = person.scale
    fingers("touchStart", (x - 20, y))
    fingers("touchStart", (x - 20, y), (x + 20, y))
    fingers("touchMove", (x - 60, y), (x + 60, y))
    fingers("touchEnd")
    person.wait_for_scale(1.5 * scale)
    person.press("Home")
    x, y = person.place(region, 10, 10)
    fingers("touchStart", (x, y))
    fingers("touchMove", (x + 40, y))
    fingers("touchEnd")
    person.accept()
    got = answer(person, region)
    assert (got[within(region, 10, 10, 2.5)] == 2).all()
    assert (got == before)[within(region, 24, 24, 6)].all()
