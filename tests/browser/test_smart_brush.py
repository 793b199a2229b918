"""Short strokes that correct what is in hand, or are spread where nothing is."""

import numpy as np
import pytest
from annotator import Annotator, Come, OpenRegion, decode_runs
from scipy import ndimage

pytestmark = pytest.mark.slow


@pytest.fixture
def ada(come: Come) -> Annotator:
    """Ada at a region as it opens: filled with the model's prediction."""
    person = come("Ada").come()
    person.wait_for_region()
    return person


@pytest.fixture
def empty(ada: Annotator) -> Annotator:
    """Ada at a region in which nothing is labelled."""
    ada.press("e")
    ada.set_size(96)
    ada.stroke(ada.region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    return ada


def answer(person: Annotator, region: OpenRegion) -> np.ndarray:
    person.accept()
    person.wait_until_saved()
    newest = person.api(f"/items/{region.round}/{region.rank}/answers")["answers"][-1]
    assert "smart" in newest["tool"]
    return decode_runs(newest["runs"], region.height, region.width)


def prediction(person: Annotator, region: OpenRegion) -> np.ndarray:
    prefill = person.api(f"/items/{region.round}/{region.rank}")["prefill"]
    assert prefill["from"] == "prediction"
    return decode_runs(prefill["runs"], region.height, region.width)


def stroke(person: Annotator, region: OpenRegion, *places: tuple[float, float]) -> None:
    """One stroke of the smart brush; wait for what comes of it."""
    before = int(person.page.get_attribute("#canvas", "data-strokes") or 0)
    with person.page.expect_response(lambda reply: reply.url.endswith("/spread")):
        person.stroke(region, places)
    wait_for_strokes(person, before + 1)
    person.page.wait_for_timeout(100)


def wait_for_strokes(person: Annotator, count: int) -> None:
    person.page.wait_for_function(
        "count => document.querySelector('#canvas').dataset.strokes === String(count)", arg=count
    )


def deepest(labels: np.ndarray) -> tuple[int, int, int]:
    """Row and column of the pixel farthest from any other label, and its label."""
    depths = {
        value: ndimage.distance_transform_edt(np.pad(labels == value, 1))[1:-1, 1:-1]
        for value in np.unique(labels)
    }
    value = max(depths, key=lambda one: depths[one].max())
    row, col = np.unravel_index(depths[value].argmax(), labels.shape)
    return int(row), int(col), int(value)


def correct_deepest(person: Annotator, region: OpenRegion, given: np.ndarray) -> np.ndarray:
    """Draw one stroke of another class where a patch is deepest; return the patch."""
    row, col, value = deepest(given)
    person.press(";", str(1 - min(value, 1)))
    stroke(person, region, (row + 0.5, col - 2), (row + 0.5, col + 3))
    patches, _ = ndimage.label(given == value)
    return patches == patches[row, col]


def test_one_stroke_corrects_the_prediction_within_one_patch_of_it(ada: Annotator) -> None:
    region = ada.region
    given = prediction(ada, region)
    patch = correct_deepest(ada, region, given)
    ada.screenshot("smart-brush")

    got = answer(ada, region)

    row, col, value = deepest(given)
    assert got[row, col] == 1 - min(value, 1)
    assert (got != given).sum() >= 12
    assert (got == given)[~patch].all()


def test_undo_brings_the_prediction_back_to_the_pixel(ada: Annotator) -> None:
    region = ada.region
    given = prediction(ada, region)
    correct_deepest(ada, region, given)
    ada.press("Control+z")

    np.testing.assert_array_equal(answer(ada, region), given)


def test_further_stroke_corrects_more_and_escape_drops_it_all(ada: Annotator) -> None:
    region = ada.region
    given = prediction(ada, region)
    correct_deepest(ada, region, given)
    stroke(ada, region, (60, 4), (60, 12))
    ada.press("Escape")

    np.testing.assert_array_equal(answer(ada, region), given)


def test_enter_keeps_and_the_next_strokes_begin_anew(ada: Annotator) -> None:
    region = ada.region
    given = prediction(ada, region)
    correct_deepest(ada, region, given)
    ada.press("Enter")
    wait_for_strokes(ada, 0)
    ada.press("Escape")

    assert (answer(ada, region) != given).any()


def test_strokes_of_two_classes_label_a_region_in_which_nothing_is(empty: Annotator) -> None:
    region = empty.region
    empty.press(";", "0")
    empty.stroke(region, [(8, 8), (8, 20)])
    wait_for_strokes(empty, 1)  # one class alone cannot say where it ends
    empty.press("1")
    stroke(empty, region, (50, 40), (50, 52))

    got = answer(empty, region)

    assert set(np.unique(got)) == {0, 1}
    assert (got[8, 9:20] == 0).all()
    assert (got[50, 41:52] == 1).all()
    assert (got == 1).sum() > 200  # far more than the stroke itself
