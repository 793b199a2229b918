"""Status: what it shows of rounds, and the worker steered from it; changes come by events alone."""

import re
from pathlib import Path

import pytest
from annotator import POLL_MS, Annotator, Come, Working
from page_server import Served
from playwright.sync_api import Locator, expect
from told_rounds import tell_round

from askmask.loop.project import Project
from askmask.store.tokens import Role

COUNT_STATUS = """
() => {
  window.asked = 0;
  const plain = window.fetch;
  window.fetch = (...given) => {
    window.asked += String(given[0]).endsWith("/status");
    return plain(...given);
  };
}
"""
MOVED = """
() => {
  const bar = document.querySelector("#view-status progress");
  if (bar) (window.seen ??= new Set()).add(bar.value);
  return window.seen?.size >= 4;
}
"""


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def command(person: Annotator, name: str) -> Locator:
    """Button that gives a command to the worker."""
    return person.page.locator(f"[data-command={name}]")


def assert_worker(person: Annotator, text: str) -> None:
    """The panel comes to say what the worker does."""
    expect(person.page.locator("[aria-labelledby=worker-title] [role=status]")).to_contain_text(
        text
    )


def assert_it_goes_on(person: Annotator) -> None:
    """The bar of the progress moves on by itself."""
    person.page.evaluate("() => { delete window.seen }")
    person.page.wait_for_function(MOVED, polling=POLL_MS)


@pytest.mark.slow
@pytest.mark.long
def test_training_is_started_paused_resumed_stopped_and_followed_by_keys_alone(
    working: Working, project: Path
) -> None:
    ada = working(project, {"training.steps": 100_000, "serve.train_after": 100, "serve.ahead": 1})
    ada.accept()
    ada.wait_until_saved()
    ada.press("Alt+3")
    assert_worker(ada, "Waiting for answers")
    command(ada, "train").press("Enter")
    assert_worker(ada, "Training, round ")
    expect(ada.page.locator("#worker-state")).to_contain_text("training")
    ada.page.evaluate(COUNT_STATUS)
    assert_it_goes_on(ada)
    assert ada.page.evaluate("() => window.asked") <= 1  # the rest came by events
    ada.screenshot("training-light")

    command(ada, "pause").press("Enter")
    assert_worker(ada, "Paused")
    expect(command(ada, "pause")).to_be_hidden()
    expect(command(ada, "resume")).to_be_focused()  # what takes the place of a pressed button
    command(ada, "resume").press("Enter")
    assert_worker(ada, "Training, round ")
    assert_it_goes_on(ada)

    command(ada, "stop").press("Enter")
    assert_worker(ada, "Stopped")
    expect(command(ada, "stop")).to_be_hidden()
    command(ada, "start").press("Enter")
    assert_worker(ada, "Training, round ")
    assert_it_goes_on(ada)
    command(ada, "stop").press("Enter")
    assert_worker(ada, "Stopped")


@pytest.mark.slow
def test_asking_again_by_another_strategy_withdraws_and_asks(
    working: Working, project: Path
) -> None:
    ada = working(project, {"serve.train_after": 100, "serve.ahead": 1})
    page, answered = ada.page, ada.wait_for_region()
    in_hand = ada.accept()
    ada.wait_until_saved()
    ada.go("status")
    strategy = page.get_by_label("Strategy")
    expect(strategy.locator("option[value=margin]")).to_have_count(1)
    strategy.select_option("margin")
    command(ada, "ask_again").click()
    ada.go("label")
    others = []
    while not others or {item["acquisition"] for item in others} != {"margin"}:
        page.wait_for_timeout(POLL_MS)
        others = [i for i in ada.api("/items?state=open")["items"] if key_of(i) != in_hand]
    assert ada.api("/items?state=withdrawn")["items"]
    expect(page.locator(f"#card-{answered.replace('/', '-')} .state")).to_have_text("labelled")
    expect(page.locator(f"#card-{in_hand.replace('/', '-')} .state")).to_have_text("open")
    following = ada.accept()  # the one in her hands was not taken from her
    assert following in {key_of(item) for item in others}
    expect(page.locator("#region-info")).to_contain_text("the model is unsure here")
    expect(page.locator("#region-info .why")).to_have_attribute("title", re.compile("^margin "))


def key_of(item: dict) -> str:
    return f"{item['round']}/{item['rank']}"


def test_refused_command_is_told(ada: Annotator, served: Served) -> None:
    ada.go("status")
    command(ada, "train").click()
    ada.hear("Sent to the worker")
    with Project.open(served.folder) as project:
        (given,) = project.store.control.waiting()
        project.store.control.finish(given.number, "nothing is labelled yet")
    ada.hear("nothing is labelled yet")


def test_who_may_only_annotate_cannot_steer(come: Come, served: Served) -> None:
    with Project.open(served.folder) as project:
        token = project.store.access.make_token("Grace", Role.ANNOTATE)
    grace = come("Grace")
    grace.page.goto(f"{served.address}#token={token}")
    grace.wait_for_region()
    assert token not in grace.page.url
    grace.go("status")
    expect(grace.page.get_by_text("Only an admin may steer the training.")).to_be_visible()
    for name in ("start", "train", "ask_again"):
        expect(command(grace, name)).to_be_disabled()


def test_rounds_appear_as_they_are_finished(ada: Annotator, served: Served) -> None:
    page = ada.page
    ada.accept()
    ada.wait_until_saved()
    ada.go("status")
    expect(page.locator("#curve circle")).to_have_count(1)
    expect(page.locator("#changed")).to_contain_text("Two evaluated rounds are needed")
    expect(page.locator("#calibration")).to_contain_text("not recalibrated")
    tell_round(served.folder, 1, dice=0.625, ece=0.12)
    expect(page.locator("#curve circle")).to_have_count(2)
    tell_round(served.folder, 2, dice=0.75, ece=0.16)

    expect(page.locator("#curve circle")).to_have_count(3)
    expect(page.locator("#curve circle title").last).to_have_text("Round 2: 0.750")
    expect(page.locator("#changed")).to_contain_text("From round 1 to round 2")
    expect(page.locator("#changed div", has_text="mean Dice")).to_have_text(
        "mean Dice: better+0.125"
    )
    expect(page.locator("#changed div", has_text="ECE")).to_have_text("ECE: worse+0.040")
    rows = page.locator("#calibration tbody tr")
    expect(rows.first).to_have_text("ECE0.1600.040")
    expect(page.locator("#calibration circle")).to_have_count(2 * 7)  # empty bins are left out
    last = page.locator("#rounds tbody tr").last
    expect(last).to_contain_text("400 steps")
    expect(last).to_contain_text("0.750")


def test_curve_shows_what_is_chosen(ada: Annotator, served: Served) -> None:
    page = ada.page
    ada.accept()
    ada.wait_until_saved()
    tell_round(served.folder, 1, dice=0.625, ece=0.12)
    ada.go("status")
    page.get_by_label("Metric").select_option("ece")
    expect(page.locator("#curve circle title").last).to_have_text("Round 1: 0.120")
    page.get_by_label("over").select_option("regions")
    expect(page.locator("#curve svg")).to_have_attribute(
        "aria-label", re.compile(r"ECE by regions: 2 rounds, from \d\.\d{3} to 0\.120\.")
    )
    status = ada.api("/status")
    expect(page.locator("#cost div", has_text="Regions answered")).to_contain_text("1")
    pixels = status["cost"]["labelled_pixels"] / status["cost"]["pool_pixels"]
    expect(page.locator("#cost")).to_contain_text(f"{100 * pixels:.1f} % of the pool")
    expect(page.locator("#people")).to_contain_text("Ada")
