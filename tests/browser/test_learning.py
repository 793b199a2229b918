"""The whole way: a person at the page teaches the model, and the page stays quick meanwhile."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from annotator import Annotator, Come, decode_runs, visitors
from page_server import Served, make_project
from playwright.sync_api import Browser

from askmask.project import Project

ROUNDS = 3
PER_ROUND = 4
PATIENCE_SECONDS = 300.0

OBSERVE = """
() => {
  window.interactions = new Map();
  new PerformanceObserver((list) => {
    for (const { interactionId, duration } of list.getEntries()) {
      if (!interactionId) continue;
      const longest = Math.max(duration, window.interactions.get(interactionId) ?? 0);
      window.interactions.set(interactionId, longest);
    }
  }).observe({ type: "event", durationThreshold: 16, buffered: false });
}
"""


@pytest.fixture
def at_work(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., tuple[Served, Come]]]:
    """Serve a fresh project with a worker: ``at_work(steps)`` gives it and who brings people."""
    opened = []

    def begin(steps: int) -> tuple[Served, Come]:
        root = make_project(
            tmp_path,
            data={"path": str(tmp_path / "data"), "start": 1, "validation": 3},
            training={"steps": steps, "crop": 96, "learning_rate": 1e-2, "ema_decay": 0.95},
            query={"region": {"size": [64, 64], "stride": 16, "budget_regions": PER_ROUND}},
            serve={"train_after": PER_ROUND, "ask_below": 1},
        )
        served = Served(root / "project", worker=True)
        served.start()
        bringing = visitors(chromium, lambda: served.address)
        opened.append((served, bringing))
        return served, next(bringing)

    yield begin
    for served, bringing in opened:
        served.stop()
        next(bringing, None)


def answer_from_the_mask(person: Annotator, project: Project, key: str) -> None:
    """Mend the prediction until it equals the hidden mask, with a brush of one pixel."""
    region = person.region
    item = person.api(f"/items/{key}")
    now = decode_runs(item["prefill"]["runs"], region.height, region.width)
    mask = project.source.read_mask(region.image_id)
    rows = slice(region.row, region.row + region.height)
    person.paint_mask(region, mask.labels[rows, region.col : region.col + region.width], now)


def take_pictures(person: Annotator) -> None:
    """Pictures of the tutorial."""
    person.screenshot("annotate_label")
    person.press("o")
    person.page.wait_for_timeout(1000)
    person.screenshot("annotate_uncertainty")
    person.press("o")


def wait_for(person: Annotator, condition: Callable[[dict], bool]) -> dict:
    """Status of the project, once it fulfils a condition."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition(status := person.api("/status")):
        assert time.monotonic() < end, status
        person.page.wait_for_timeout(500)
    return status


@pytest.mark.slow
def test_three_rounds_at_the_page_improve_the_model(
    at_work: Callable[..., tuple[Served, Come]], record_property: Callable[[str, object], None]
) -> None:
    served, come = at_work(steps=120)
    person = come("Ada").come()
    person.page.set_default_timeout(PATIENCE_SECONDS * 1000)
    key = person.wait_for_region()
    with Project.open(served.folder) as project:
        for number in range(ROUNDS * PER_ROUND):
            answer_from_the_mask(person, project, key)
            if number == PER_ROUND:
                take_pictures(person)
            key = person.accept()
        person.wait_until_saved()
        answers = [a for a in project.store.answers() if a.round > 0]
        for answer in answers:
            mask = project.source.read_mask(answer.region.image_id).crop(answer.region)
            assert (answer.mask.labels == mask.labels).all()
        assert len(answers) == ROUNDS * PER_ROUND

    def is_evaluated(status: dict) -> bool:
        return any(point["round"] >= ROUNDS for point in status["curve"]["points"])

    points = wait_for(person, is_evaluated)["curve"]["points"]
    person.go("review")
    person.page.wait_for_timeout(2000)
    person.screenshot("annotate_review")
    person.go("status")
    person.page.wait_for_timeout(2000)
    person.screenshot("annotate_status")
    dice = [point["values"]["mean_dice"] for point in points]
    record_property("mean_dice_by_round", np.round(dice, 3).tolist())
    assert dice[-1] > dice[0] + 0.02


@pytest.mark.slow
def test_page_answers_within_100_ms_while_the_worker_trains(
    at_work: Callable[..., tuple[Served, Come]], record_property: Callable[[str, object], None]
) -> None:
    _, come = at_work(steps=20_000)
    person = come("Ada").come()
    person.wait_for_region()
    person.press("u")
    wait_for(person, lambda status: status["queue"]["answers_since_training"] >= 1)
    person.page.evaluate(
        """() => fetch("/api/v1/control", {method: "POST",
             headers: {"Content-Type": "application/json"},
             body: JSON.stringify({command: "train", acquisition: null})})"""
    )
    wait_for(person, lambda status: status["worker"]["state"] == "training")
    person.page.evaluate(OBSERVE)
    pressed = draw_for_a_while(person)
    person.page.wait_for_timeout(500)
    assert person.api("/status")["worker"]["state"] == "training"
    measured = sorted(person.page.evaluate("() => [...window.interactions.values()]"))
    slow = measured[-1] if measured else 0  # what took less than 16 ms is not told
    record_property("interactions", pressed)
    record_property("longest_ms", slow)
    assert slow < 100


def draw_for_a_while(person: Annotator) -> int:
    """Strokes, keys, zoom and answers as a person makes them; returns how many."""
    count = 0
    for turn in range(3):
        region = person.region
        for row in range(8, 56, 8):
            person.press("1" if row % 16 else "2")
            person.stroke(region, [(row, 8), (row + 4, 30), (row, 56)])
            count += 2
        for key in ("o", "o", "+", "-", "Home", "Control+z", "Control+y", "p", "b", "]", "["):
            person.press(key)
            count += 1
        if turn < 2:
            person.accept()
            count += 1
    return count
