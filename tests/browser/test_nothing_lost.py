"""Reloads, a killed server, two tabs and two people: no stroke and no answer is lost."""

import resource
import time
from collections.abc import Callable

import numpy as np
import pytest
from annotator import Annotator, Come, decode_runs
from page_server import Served
from playwright.sync_api import Page, Route, expect

from askmask.loop.project import Project


@pytest.fixture
def ada(come: Come) -> Annotator:
    person = come("Ada").come()
    person.wait_for_region()
    return person


def histories(served: Served) -> dict[tuple[int, int], list[str]]:
    """Authors of the answers to each asked region that has some, oldest first, from the file."""
    found: dict[tuple[int, int], list[str]] = {}
    with Project.open(served.folder) as project:
        for answer in reversed(project.store.worklist.history()):  # they come newest first
            found.setdefault((answer.round, answer.rank), []).append(answer.author)
    return found


def kept_seconds(person: Annotator) -> float:
    """Time of the draft that this browser keeps."""
    return float(
        person.page.evaluate(
            """async () => {
              const { readAll } = await import("/static/db.js");
              return Math.max(0, ...(await readAll("drafts")).map((draft) => draft.seconds));
            }"""
        )
    )


def wait_until(is_true: Callable[[], bool], page: Page) -> None:
    """Look until it is true, while the page goes on."""
    end = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < end, "waited for 60 s"
        page.wait_for_timeout(50)


def newest_labels(person: Annotator, key: str) -> np.ndarray:
    item = person.api(f"/items/{key}")
    runs = person.api(f"/items/{key}/answers")["answers"][-1]["runs"]
    return decode_runs(runs, item["height"], item["width"])


def test_reload_brings_strokes_undo_and_time_back(ada: Annotator) -> None:
    key, region = ada.wait_for_region(), ada.region
    ada.press("2", "b")
    ada.set_size(4)
    ada.stroke(region, [(10, 10), (10, 30)])
    ada.stroke(region, [(30, 10), (30, 30)])
    wait_until(lambda: kept_seconds(ada) >= 3, ada.page)
    ada.reload()
    assert ada.wait_for_region() == key
    expect(ada.page.locator("#region-notice")).to_have_text("Your strokes from before are back.")
    assert float(ada.page.locator("#region-time").inner_text().split()[0]) >= 3
    ada.press("Control+z")
    ada.reload()
    ada.press("Control+y", "Control+z")  # redo is still there, too
    ada.accept()
    ada.wait_until_saved()
    got = newest_labels(ada, key)
    assert (got[9:11, 10:30] == 2).all()
    assert not (got[29:31, 10:30] == 2).all()


def test_server_killed_in_the_middle_loses_nothing(ada: Annotator, served: Served) -> None:
    ada.page.wait_for_selector("#canvas[data-ahead='4']")
    served.kill()
    keys = [ada.wait_for_region()]
    for _ in range(3):
        ada.press("2", "b")
        ada.click(ada.region_offline, 20, 20)
        keys.append(ada.accept())
    expect(ada.page.locator("[data-banner=server]")).to_contain_text("kept in this browser")
    expect(ada.page.locator("#saved")).to_have_text("3 to be sent")
    assert histories(served) == {}
    served.start()
    ada.wait_until_saved()
    expect(ada.page.locator("[data-banner=server]")).to_have_count(0)
    assert histories(served) == {tuple(map(int, key.split("/"))): ["Ada"] for key in keys[:3]}


def test_full_disk_is_told_and_answers_are_sent_when_there_is_room(
    ada: Annotator, served: Served
) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    ada.page.wait_for_selector("#canvas[data-ahead='4']")
    # to the server's process a disk that takes nothing
    resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    key = ada.wait_for_region()
    ada.press("Space")
    expect(ada.page.locator("[data-banner=obstacle]")).to_contain_text("Make room on that disk")
    ada.wait_until_one_waits()
    assert histories(served) == {}
    resource.prlimit(served.pid, resource.RLIMIT_FSIZE, unlimited)
    ada.wait_until_saved()
    expect(ada.page.locator("[data-banner=obstacle]")).to_have_count(0)
    assert histories(served) == {tuple(map(int, key.split("/"))): ["Ada"]}
    assert all("507" in problem for problem in ada.problems)  # the browser logs each refusal
    ada.problems.clear()


def test_page_closed_while_the_server_is_gone_sends_later(
    come: Come, ada: Annotator, served: Served
) -> None:
    key = ada.wait_for_region()
    served.kill()
    ada.press("Space")
    ada.wait_until_one_waits()
    ada.page.close()
    served.start()
    again = come("Ada")
    again.page.goto(served.address)
    again.wait_for_region()
    again.wait_until_saved()
    assert histories(served) == {tuple(map(int, key.split("/"))): ["Ada"]}


def test_reply_lost_on_the_way_does_not_double_the_answer(ada: Annotator, served: Served) -> None:
    key = ada.wait_for_region()
    lost = {"times": 2}

    def lose_reply(route: object) -> None:
        if lost["times"]:
            lost["times"] -= 1
            route.fetch()
            route.abort()
        else:
            route.continue_()

    ada.page.route("**/answers", lose_reply)
    ada.press("Space")
    ada.wait_until_one_waits()
    ada.wait_until_saved()
    assert lost["times"] == 0
    assert histories(served) == {tuple(map(int, key.split("/"))): ["Ada"]}


SLOW_TO_LET_GO = """
const request = navigator.locks.request.bind(navigator.locks);
navigator.locks.request = (name, ...rest) => {
  const done = request(name, ...rest);
  const late = (value) => new Promise((resolve) => setTimeout(() => resolve(value), 2000));
  return name.startsWith("askmask-outbox") ? done.then(late) : done;
};
"""


def test_answer_given_while_sending_is_about_to_end_is_sent_too(come: Come, served: Served) -> None:
    person = come("Ada")
    person.page.add_init_script(SLOW_TO_LET_GO)
    person.come()
    first = person.wait_for_region()
    person.press("u")
    second = person.wait_for_region(other_than=first)
    person.wait_until_saved()  # the server has it; the sending itself has not ended
    person.press("u")
    person.wait_for_region(other_than=second)
    person.wait_until_saved()
    keys = [tuple(map(int, key.split("/"))) for key in (first, second)]
    assert histories(served) == {key: ["Ada"] for key in keys}


def test_going_back_before_the_answer_arrived_is_no_conflict(ada: Annotator) -> None:
    key, region = ada.wait_for_region(), ada.region
    held: list[Route] = []

    def hold_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    ada.page.route("**/answers", hold_first)
    ada.accept()
    wait_until(lambda: bool(held), ada.page)
    ada.press("Backspace")
    held[0].continue_()
    ada.page.wait_for_selector(f"#canvas[data-item='{key}']")
    ada.press("2", "b")
    ada.click(region, 20, 20)
    ada.accept()
    ada.wait_until_saved()
    first, second = ada.api(f"/items/{key}/answers")["answers"]
    assert second["base"] == first["number"]
    assert not second["conflict"]
    assert newest_labels(ada, key)[20, 20] == 2


def test_two_tabs_of_one_person_get_different_regions(come: Come, ada: Annotator) -> None:
    second = come("Ada")
    second.page.goto(second.address)
    assert second.wait_for_region() != ada.wait_for_region()


def test_same_region_in_two_tabs_keeps_both_answers(
    come: Come, ada: Annotator, served: Served
) -> None:
    key = ada.wait_for_region()
    second = come("Ada")
    second.page.goto(second.address)
    second.wait_for_region()
    second.page.click(f"#card-{key.replace('/', '-')}")
    second.page.wait_for_selector(f"#canvas[data-item='{key}']")
    expect(second.page.locator("#region-notice")).to_contain_text("open in another tab")
    second.press("1", "g", "b")
    second.click(second.region, 10, 10)
    second.accept()
    second.wait_until_saved()
    expect(ada.page.locator("#region-notice")).to_contain_text("has answered this region")
    ada.accept()
    ada.wait_until_saved()
    assert histories(served) == {tuple(map(int, key.split("/"))): ["Ada", "Ada"]}
    assert ada.api(f"/items/{key}")["conflict"] is True


def test_two_people_hold_different_regions_and_see_it(come: Come, ada: Annotator) -> None:
    key = ada.wait_for_region()
    grace = come("Grace").come()
    assert grace.wait_for_region() != key
    card = grace.page.locator(f"#card-{key.replace('/', '-')}")
    expect(card.locator(".state")).to_have_text("Ada")
    card.click()
    grace.hear("Ada")


def test_conflict_of_two_people_is_kept_shown_and_settled(
    come: Come, ada: Annotator, served: Served
) -> None:
    key, region = ada.wait_for_region(), ada.region
    ada.press("2", "b")
    ada.click(region, 20, 20)
    held = ada.page.context
    held.set_offline(True)  # Ada's lease runs out on a train
    grace = come("Grace").come()
    grace.wait_for_region()
    given = grace.page.evaluate(
        """async (key) => {
          const reply = await fetch(`/api/v1/items/${key}/answers`, {
            method: "POST", headers: {"Content-Type": "application/json"},
            body: JSON.stringify({id: "grace-her-answer", kind: "unsure", runs: null,
                                  seconds: 1, tool: "mark", base: null})});
          return reply.status;
        }""",
        key,
    )
    assert given == 201
    ada.press("Space")
    ada.wait_until_one_waits()
    held.set_offline(False)
    ada.wait_until_saved()
    grace.go("review")
    block = grace.page.locator(f"[data-conflict='{key}']")
    expect(block.locator("figure")).to_have_count(2)
    block.locator("figure", has_text="Ada").get_by_role("button").click()
    expect(block).to_have_count(0)
    grace.wait_until_saved()
    number = tuple(map(int, key.split("/")))
    assert histories(served) == {number: ["Grace", "Ada", "Grace"]}
    labels = newest_labels(grace, key)
    assert labels[20, 20] == 2


def test_refused_answer_is_kept_and_sent_again_when_wanted(ada: Annotator, served: Served) -> None:
    key = ada.wait_for_region()
    refused = {"times": 1}

    def refuse(route: Route) -> None:
        if refused["times"]:
            refused["times"] -= 1
            body = {"error": {"code": "invalid", "message": "the answer was not understood."}}
            route.fulfill(status=422, json=body)
        else:
            route.continue_()

    ada.page.route("**/answers", refuse)
    ada.press("u")
    banner = ada.page.locator("[data-banner=refused]")
    expect(banner).to_contain_text("the answer was not understood")
    ada.reload()  # it is still there
    banner.get_by_role("button", name="Try again").click()
    expect(banner).to_have_count(0)
    ada.wait_until_saved()
    assert histories(served) == {tuple(map(int, key.split("/"))): ["Ada"]}
    ada.problems.clear()  # the browser logs the refusal


def test_stroke_is_there_when_its_region_is_left_and_taken_at_once(ada: Annotator) -> None:
    key = ada.wait_for_region()
    ada.press("2", "b")
    ada.click(ada.region, 20, 20)
    ada.press("n")
    after = ada.wait_for_region(other_than=key)
    ada.press("Backspace")
    assert ada.wait_for_region(other_than=after) == key
    expect(ada.page.locator("#region-notice")).to_have_text("Your strokes from before are back.")
    ada.accept()
    ada.wait_until_saved()
    assert newest_labels(ada, key)[20, 20] == 2
