"""The whole way: a person at the page teaches the model, and the page stays quick meanwhile."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotator import POLL_MS, Annotator, Working, decode_runs
from playwright.sync_api import expect

from askmask.config import parse_config
from askmask.data.drawn.demo import DEMO_CLASSES, draw_tissue
from askmask.data.prepared import DatasetWriter
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import UNLABELLED, ImageInfo, Mask, Region
from askmask.store.mailbox import CommandName

ROUNDS = 3
TURNS = 4
PER_ROUND = 4
PATIENCE_SECONDS = 600.0  # a busy machine is no failure
LEAST_GAIN = 0.1
SIDE = 160
TRAINING = {
    "steps": 120,
    "batch_size": 4,
    "crop": 64,
    "learning_rate": 5e-3,
    "ema_decay": 0.95,
}
QUICK_MS = 100
P98_MS = 50
FRAME_MS = 17

OBSERVE = """
() => {
  window.interactions = new Map();
  window.before = performance.interactionCount;
  new PerformanceObserver((list) => {
    for (const { interactionId, duration } of list.getEntries()) {
      if (!interactionId) continue;
      const longest = Math.max(duration, window.interactions.get(interactionId) ?? 0);
      window.interactions.set(interactionId, longest);
    }
  }).observe({ type: "event", durationThreshold: 16, buffered: false });
}
"""
STRIP_IS_DRAWN = """
() => [...document.querySelectorAll(".card img")]
  .filter((image) => image.getBoundingClientRect().left < innerWidth)
  .every((image) => image.complete && image.naturalWidth > 0)
"""
OBSERVED = "() => [performance.interactionCount - window.before, [...window.interactions.values()]]"


def drawn(seed: int, number: int) -> tuple[np.ndarray, Mask]:
    """One of the images, and its whole mask."""
    grade = "benign" if number % 2 == 0 else "malignant"
    return draw_tissue(1000 * seed + number, SIDE, SIDE, grade=grade)


def true_labels(seed: int, region: Region) -> np.ndarray:
    """What a person would see there, also where the project's own mask says nothing."""
    number = int(region.image_id.rpartition("_")[2])
    return drawn(seed, number)[1].crop(region).labels


def make_untaught_project(root: Path, seed: int) -> Path:
    """Folder of a project whose only label is the background of one image.

    So its first model cannot know what a gland is, and whatever it knows later it was taught.
    """
    with DatasetWriter(root / "data", DEMO_CLASSES, f"drawn tissue, seed {seed}") as writer:
        roles = ["start"] + ["validation"] * 5 + ["pool"] * 11
        for number, role in enumerate(roles):
            image, mask = drawn(seed, number)
            labels = mask.labels
            if role == "start":
                labels = np.where(labels == 0, labels, UNLABELLED)
            info = ImageInfo(f"tissue_{number:02d}", SIDE, SIDE, role=role)
            writer.add(info, image, Mask(labels.astype(np.int16)))
    tree = {
        "name": "glands",
        "seed": seed,
        "threads": 1,
        "device": "cpu",
        "data": {"path": str(root / "data"), "start": "dataset", "validation": "dataset"},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 3, "dropout": 0.3}},
        "training": TRAINING,
        "sampling": {"samples": 4},
        "query": {"region": {"size": [48, 48], "stride": 16, "budget_regions": PER_ROUND}},
        "evaluation": {"min_object_pixels": 40},
        "calibration": {"method": "temperature"},
        "serve": {"train_after": PER_ROUND, "ahead": 1},
    }
    with Project.create(root / "project", parse_config(tree)) as project:
        Loop(project).tell_start(MaskOracle(project.source))
    return root / "project"


def answer_from_the_mask(person: Annotator, seed: int, key: str) -> None:
    """Mend the prediction until it equals the hidden mask, with a brush of one pixel."""
    region = person.region
    item = person.api(f"/items/{key}")
    now = np.full((region.height, region.width), UNLABELLED)
    # a prediction that came after the region was opened may stand in the item and not on the page
    if "filled by the model" in person.page.inner_text("#region-info"):
        now = decode_runs(item["prefill"]["runs"], region.height, region.width)
    place = Region(region.image_id, region.row, region.col, region.height, region.width)
    person.paint_mask(region, true_labels(seed, place), now)


def take_pictures(person: Annotator) -> None:
    """Pictures of the tutorial, at a region that a model has chosen."""
    person.go("label")
    key = person.wait_for_region()
    while person.api(f"/items/{key}")["model"] is None:  # one of the first, still in hand
        person.press("n")
        key = person.wait_for_region(other_than=key)
    person.page.wait_for_selector("#canvas[data-scores=yes]")
    person.page.wait_for_function(STRIP_IS_DRAWN, polling=POLL_MS)
    person.screenshot("annotate_label")
    person.press("o")
    person.screenshot("annotate_uncertainty")
    person.press("o")


def wait_for(person: Annotator, condition: Callable[[dict], bool]) -> dict:
    """Status of the project, once it fulfils a condition."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition(status := person.api("/status")):
        assert time.monotonic() < end, status
        person.page.wait_for_timeout(500)
    return status


def has_caught_up(status: dict) -> bool:
    """Whether the worker has nothing to do but to wait for answers."""
    queue = status["queue"]
    is_due = queue["answers_since_training"] >= queue["train_after"]
    return status["worker"]["state"] == "idle" and not is_due


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_rounds_at_the_page_improve_the_model(
    working: Working,
    tmp_path: Path,
    seed: int,
    record_property: Callable[[str, object], None],
) -> None:
    folder = make_untaught_project(tmp_path, seed)
    person = working(folder, {})
    person.page.set_default_timeout(PATIENCE_SECONDS * 1000)
    key = person.wait_for_region()
    with Project.open(folder) as project:
        for number in range(1, ROUNDS * PER_ROUND + 1):
            answer_from_the_mask(person, seed, key)
            key = person.accept()
            if number % PER_ROUND == 0:
                person.wait_until_saved()
                wait_for(person, has_caught_up)  # else a busy machine asks at random all the time
        person.wait_until_saved()
        answers = [a for a in project.store.answers() if a.round > 0]
        for answer in answers:
            assert (answer.mask.labels == true_labels(seed, answer.region)).all()
        assert len(answers) == ROUNDS * PER_ROUND

    def has_learned(status: dict) -> bool:
        given = [command["state"] for command in person.api("/control")["commands"]]
        is_resting = given == ["done"] and status["worker"]["state"] == "idle"
        return is_resting and status["queue"]["answers_since_training"] == 0

    person.go("status")
    person.page.click("[data-command=train]")  # from the last answers too, fewer than wait for it
    points = wait_for(person, has_learned)["curve"]["points"]
    assert len(points) > 1  # while answers came, and after the last of them
    if seed == 0:
        take_pictures(person)
    person.go("review")
    expect(person.page.locator("#view-review tbody tr")).to_have_count(ROUNDS * PER_ROUND)
    if seed == 0:
        person.screenshot("annotate_review")
    person.go("status")
    expect(person.page.locator("#curve circle")).to_have_count(len(points))
    if seed == 0:
        person.screenshot("annotate_status")
    dice = [point["values"]["mean_dice"] for point in points]
    record_property("mean_dice_by_round", np.round(dice, 3).tolist())
    assert dice[-1] > dice[0] + LEAST_GAIN


@pytest.mark.slow
def test_page_answers_within_100_ms_while_the_worker_trains(
    working: Working, project: Path, record_property: Callable[[str, object], None]
) -> None:
    person = working(project, {"training.steps": 100_000, "serve.train_after": 1, "serve.ahead": 1})
    person.accept()
    wait_for(person, lambda status: status["worker"]["state"] == "training")
    with Project.open(project) as opened:
        opened.store.control.give(CommandName.PAUSE, "Ada")
        wait_for(person, lambda status: status["worker"]["state"] == "paused")
        alone = measured(person)
        opened.store.control.give(CommandName.RESUME, "Ada")
    wait_for(person, lambda status: status["worker"]["state"] == "training")
    beside = measured(person)
    assert person.api("/status")["worker"]["state"] == "training"
    for name, slow in (("alone", alone), ("beside", beside)):
        record_property(f"interactions_{name}", len(slow))
        record_property(f"p98_ms_{name}", float(np.percentile(slow, 98)))
        record_property(f"longest_ms_{name}", slow[-1])
    assert len(beside) > 100
    # Other programs may keep the page from its pace; the worker may not, by more than a frame.
    assert np.percentile(beside, 98) < max(P98_MS, np.percentile(alone, 98) + FRAME_MS)
    assert beside[-1] < max(QUICK_MS, alone[-1] + 2 * FRAME_MS)


def measured(person: Annotator) -> list[float]:
    """Milliseconds from each interaction to the next paint, sorted, while a person draws."""
    person.page.evaluate(OBSERVE)
    for turn in range(TURNS):
        draw_for_a_while(person)
        if turn < TURNS - 1:
            person.accept()
    person.page.wait_for_timeout(500)  # until the last ones are told
    count, told = person.page.evaluate(OBSERVED)
    return sorted([*told, *[0.0] * (count - len(told))])  # less than 16 ms is not told


def draw_for_a_while(person: Annotator) -> None:
    """Strokes, keys and zoom as a person makes them."""
    region = person.region
    for row in range(8, 56, 8):
        person.press("1" if row % 16 else "2")
        person.stroke(region, [(row, 8), (row + 4, 30), (row, 56)])
    for key in ("o", "o", "+", "-", "Home", "Control+z", "Control+y", "p", "b", "]", "["):
        person.press(key)
