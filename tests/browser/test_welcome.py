"""First steps, reasons in words, and what is said where something is missing or broken."""

import json
import re

import pytest
from annotator import Annotator, Come
from playwright.sync_api import Route, expect

from people import KEY


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def newcomer(come: Come) -> Annotator:
    """Somebody who has just logged in for the first time."""
    person = come("Grace")
    person.page.goto(f"{person.address}#key={KEY}")
    person.page.fill("#login-field", "Newcomer")
    person.press("Enter")
    return person


def test_four_steps_are_shown_once_and_keys_go_on_working(come: Come) -> None:
    person = come("Grace")
    page = person.page
    forget = json.dumps("askmask-welcome-Newcomer|every project")
    page.goto(f"{person.address}#key={KEY}")
    page.evaluate(f"() => localStorage.removeItem({forget})")
    page.fill("#login-field", "Newcomer")
    person.press("Enter")
    person.wait_for_region()
    welcome = page.locator("#welcome")
    expect(welcome).to_contain_text("Step 1 of 4")
    person.screenshot("welcome")
    before = person.wait_for_region()
    person.press("u")  # the page is not shut
    person.wait_for_region(other_than=before)
    for step in (2, 3, 4):
        welcome.get_by_role("button", name="Next").click()
        expect(welcome).to_contain_text(f"Step {step} of 4")
    welcome.get_by_role("button", name="Begin").click()
    expect(welcome).to_be_hidden()
    expect(page.locator(".marked")).to_have_count(0)
    person.reload()
    expect(welcome).to_be_hidden()


def test_steps_can_be_skipped_for_good(come: Come) -> None:
    person = newcomer(come)
    page = person.page
    page.locator("#welcome").get_by_role("button", name="Skip").click()
    person.reload()
    expect(page.locator("#welcome")).to_be_hidden()


def test_escape_skips_the_steps_and_the_keyboard_goes_through_them(come: Come) -> None:
    person = newcomer(come)
    page = person.page
    welcome = page.locator("#welcome")
    welcome.get_by_role("button", name="Next").focus()
    person.press("Enter", "Enter")
    expect(welcome).to_contain_text("Step 3 of 4")
    person.press("Escape")
    expect(welcome).to_be_hidden()
    expect(page.locator("#canvas")).to_be_focused()


def test_reason_is_said_in_words_with_its_term_behind(ada: Annotator) -> None:
    why = ada.page.locator("#region-info .why")
    told = r"the model is unsure here: \d+ % of its pixels are close calls"
    expect(why).to_have_text(re.compile(told))
    assert "predictive entropy" in str(why.get_attribute("title"))
    expect(ada.page.locator("#region-info")).to_contain_text("sure on average")


def test_status_hides_what_is_empty_and_counts_answers_in_words(ada: Annotator) -> None:
    ada.go("status")
    expect(ada.page.locator("#curve circle")).to_have_count(1)
    expect(ada.page.locator("#people")).to_be_hidden()  # nobody has answered
    expect(ada.page.locator("#changed")).to_be_hidden()  # one round has nothing before it
    expect(ada.page.locator("#view-status")).to_contain_text("more answers until the next training")
    ada.go("review")
    expect(ada.page.locator("#review-author")).to_be_hidden()  # a choice among one
    expect(ada.page.locator("#view-review")).to_contain_text("What is answered under Label")


def test_script_that_a_proxy_refuses_leaves_a_sentence_and_no_empty_page(come: Come) -> None:
    person = come("Grace")

    def refuse(route: Route) -> None:
        route.fulfill(status=403, body="Forbidden")

    person.page.route("**/static/outbox.js", refuse)
    person.page.goto(person.address)
    expect(person.page.locator("#banners")).to_contain_text("could not be loaded")
    assert all("403" in problem for problem in person.problems)
    person.problems.clear()
