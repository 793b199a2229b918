"""Short strokes of two classes, spread over the region: proposed, refined, kept, dropped."""

import numpy as np
import pytest
from annotator import Annotator, Come, OpenRegion, decode_runs

pytestmark = pytest.mark.slow


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    person.press("0", "e")
    person.set_size(96)
    region = person.region
    person.stroke(region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    person.press("0", "g")  # begin with background everywhere
    return person


def answer(person: Annotator, region: OpenRegion) -> np.ndarray:
    person.accept()
    person.wait_until_saved()
    newest = person.api(f"/items/{region.round}/{region.rank}/answers")["answers"][-1]
    assert "smart" in newest["tool"]
    return decode_runs(newest["runs"], region.height, region.width)


def draw_strokes(person: Annotator, region: OpenRegion) -> None:
    """One short stroke of each of two classes; wait for what comes of them."""
    person.press(";", "0")
    person.stroke(region, [(8, 8), (8, 20)])
    person.press("1")
    with person.page.expect_response(lambda reply: reply.url.endswith("/spread")):
        person.stroke(region, [(50, 40), (50, 52)])
    person.page.wait_for_function("document.querySelector('#canvas').dataset.strokes === '2'")
    person.page.wait_for_timeout(100)


def test_strokes_of_two_classes_label_the_whole_region(ada: Annotator) -> None:
    region = ada.region
    draw_strokes(ada, region)

    got = answer(ada, region)

    assert set(np.unique(got)) == {0, 1}
    assert (got[8, 9:20] == 0).all()
    assert (got[50, 41:52] == 1).all()
    assert (got == 1).sum() > 200  # far more than the stroke itself


def test_a_further_stroke_refines_and_escape_drops_it_all(ada: Annotator) -> None:
    region = ada.region
    draw_strokes(ada, region)
    with ada.page.expect_response(lambda reply: reply.url.endswith("/spread")):
        ada.stroke(region, [(30, 4), (30, 30)])
    ada.page.wait_for_function("document.querySelector('#canvas').dataset.strokes === '3'")
    ada.page.wait_for_timeout(100)
    ada.press("Escape")

    got = answer(ada, region)

    assert (got == 0).all()


def test_enter_keeps_and_the_next_strokes_begin_anew(ada: Annotator) -> None:
    region = ada.region
    draw_strokes(ada, region)
    ada.press("Enter")
    ada.page.wait_for_function("document.querySelector('#canvas').dataset.strokes === '0'")
    ada.press("Escape")

    assert (answer(ada, region) == 1).any()
