"""Review: what is worth a second look comes first, and comments on regions."""

import pytest
from annotator import Annotator, Come
from playwright.sync_api import expect

pytestmark = pytest.mark.slow


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def test_answer_that_differs_most_from_the_model_comes_first(ada: Annotator) -> None:
    first = ada.wait_for_region()
    region = ada.region
    ada.press("2", "e")
    ada.set_size(96)
    ada.stroke(region, [(0, 0), (48, 48), (0, 48), (48, 0)])
    ada.press("2", "g")  # a class that is nowhere near
    ada.accept()
    second = ada.wait_for_region(other_than=first)
    ada.accept()  # as the model has it
    ada.wait_until_saved()
    ada.page.click("nav [data-view=review]")
    rows = ada.page.locator("#view-review tbody tr")
    expect(rows).to_have_count(2)
    round, rank = second.split("/")
    expect(rows.first).to_contain_text(f"{round}.{int(rank) + 1}")

    ada.page.select_option("#review-order", "suspicion")

    expect(rows.first.locator(".suspicions")).to_contain_text("differs from the model in")
    expect(rows.nth(1).locator(".suspicions")).to_have_text("")

    ada.page.select_option("#review-class", "2")
    expect(rows).to_have_count(1)


def test_comment_written_at_a_region_is_read_in_the_review(ada: Annotator) -> None:
    key = ada.wait_for_region()
    ada.page.click("#comments-title")
    ada.page.fill("#region-comments input", "Is this a gland? <b>")
    ada.page.keyboard.press("Enter")
    expect(ada.page.locator("#region-comments li")).to_contain_text("Ada Is this a gland? <b>")
    expect(ada.page.locator("#comments-title")).to_have_text("1 comment")
    ada.page.focus("#canvas")
    ada.press("u")
    ada.wait_for_region(other_than=key)
    expect(ada.page.locator("#comments-title")).to_have_text("Comment")
    ada.wait_until_saved()

    ada.page.click("nav [data-view=review]")
    fold = ada.page.locator("#view-review tbody details").first
    expect(fold.locator("summary")).to_have_text("1 comment")
    fold.locator("summary").click()
    fold.locator("input").fill("No.")
    ada.page.keyboard.press("Enter")

    expect(fold.locator("li")).to_have_count(2)
