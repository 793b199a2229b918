"""Status, commands and events over the API."""

import asyncio
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import askmask.serve.web.events as events_module
from askmask.loop.project import Project
from askmask.records import MetricRow
from askmask.serve.web.events import MOST_EVENTS, Watcher, summed_up
from askmask.store.mailbox import Event, WorkerState
from askmask.store.store import TrainingRecord
from served import API, Build, answer_body, client_of, make_project


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def ada(project: Project) -> TestClient:
    return client_of(project)


def training(round: int, status: str = "finished", newest_answer: int = 0) -> TrainingRecord:
    return TrainingRecord(
        round=round,
        attempt=0,
        status=status,
        reason=None if status == "finished" else "loss nan",
        steps=100,
        loss=0.25 if status == "finished" else math.nan,
        elapsed_seconds=12.5,
        model=f"round_{round:03d}.safetensors",
        labelled_digest="ab" * 16,
        started_at="2030-01-01T00:00:00.000+00:00",
        newest_answer=newest_answer,
    )


def scores(dice: float) -> list[MetricRow]:
    def row(metric: str, value: float, **more: object) -> MetricRow:
        return MetricRow("validation", "all", "all", metric, value, 100, **more)  # type: ignore[arg-type]

    rows = [row("mean_dice", dice), row("ece", 0.2), row("nll", 0.5), row("brier", math.nan)]
    rows += [row("recalibrated_ece", 0.05), row("recalibrated_nll", 0.4)]
    rows += [row("reliability_confidence", 0.9, bin=9), row("reliability_accuracy", 0.7, bin=9)]
    rows += [row("recalibrated_reliability_confidence", 0.72, bin=7)]
    rows += [row("recalibrated_reliability_accuracy", 0.71, bin=7)]
    rows.append(MetricRow("validation", "even", "all", "mean_dice", 0.1, 50))
    return rows


def test_status_of_a_new_project_says_what_is_missing(ada: TestClient) -> None:
    status = ada.get(f"{API}/status").json()

    assert (status["worker"]["state"], status["worker"]["alive"]) == ("off", False)
    assert status["queue"]["open"] == 4
    assert status["rounds"] == []
    assert status["curve"] == {"split": None, "metrics": [], "meanings": {}, "points": []}
    assert status["calibration"] is status["changed"] is None
    assert status["cost"]["labelled_pixels"] == 0


def test_project_without_validation_images_says_so(tmp_path: Path, disc_config: Build) -> None:
    with make_project(tmp_path / "bare", disc_config(data={"validation": 0})) as project:
        status = client_of(project).get(f"{API}/status").json()

    assert not status["has_validation"]
    assert "No image is kept for validation" in status["notes"][0]


def test_status_tells_rounds_curve_and_what_the_last_round_changed(
    project: Project, ada: TestClient
) -> None:
    ada.post(f"{API}/items/1/0/answers", json=answer_body(1, seconds=4.0))
    for round, dice in enumerate([0.5, 0.625]):
        project.store.add_training(training(round, newest_answer=round))
        project.store.add_metrics(round, f"model {round}", scores(dice))
    project.store.add_training(training(2, "failed"))

    status = ada.get(f"{API}/status").json()

    assert [entry["status"] for entry in status["rounds"]] == ["finished", "finished", "failed"]
    assert status["rounds"][2]["loss"] is None
    assert status["rounds"][1]["regions"] == 1
    assert [p["labelled_pixels"] for p in status["curve"]["points"]] == [0, 576]
    assert [p["values"]["mean_dice"] for p in status["curve"]["points"]] == [0.5, 0.625]
    assert status["curve"]["metrics"] == ["mean_dice", "nll", "brier", "ece"]
    assert status["curve"]["meanings"]["mean_dice"].endswith("1 is perfect, 0 is no overlap.")
    assert status["changed"] == {
        "from": 0,
        "to": 1,
        "values": {"mean_dice": 0.125, "nll": 0.0, "ece": 0.0},
    }
    assert status["cost"]["seconds"] == 4.0
    assert status["people"] == [{"name": "Ada", "answers": 1, "seconds": 4.0}]


def object_scores(rule: str) -> list[MetricRow]:
    names = ("object_f1", f"object_f1_by_{rule}") if rule else ("object_f1",)
    return [MetricRow("validation", "all", "all", name, 0.5, 20) for name in names]


def test_status_tells_before_any_score_what_scores_will_cover(ada: TestClient) -> None:
    cover = ada.get(f"{API}/status").json()["scores_cover"]

    assert cover["mean_classes"] == ["disc"]
    assert cover["background"] == "background"
    assert cover["object_rule"] == "glas"
    assert cover["words"][0].startswith("Means cover disc; background is the background")
    assert "GlaS rule" in cover["words"][1]


def test_status_tells_that_every_class_counts_if_none_is_the_background(
    tmp_path: Path, disc_config: Build
) -> None:
    evaluation = {"has_background": False, "object_rule": "one_to_one", "min_object_pixels": 7}
    with make_project(tmp_path / "all", disc_config(evaluation=evaluation)) as project:
        cover = client_of(project).get(f"{API}/status").json()["scores_cover"]

    assert cover["mean_classes"] == ["background", "disc"]
    assert cover["background"] is None
    assert (cover["object_rule"], cover["min_object_pixels"]) == ("one_to_one", 7)
    assert cover["words"][0] == "Means cover all 2 classes: background, disc."
    assert "under 7 pixels are left out, true and predicted ones alike" in cover["words"][1]


def test_status_goes_by_the_rule_of_the_scores_and_not_of_the_config(
    project: Project, ada: TestClient
) -> None:
    for round, rule in enumerate(["", "one_to_one", "glas", "one_to_one"]):
        project.store.add_training(training(round))
        project.store.add_metrics(round, f"model {round}", object_scores(rule))

    status = ada.get(f"{API}/status").json()

    rules = [entry["object_rule"] for entry in status["rounds"]]
    assert rules == ["one_to_one", "one_to_one", "glas", "one_to_one"]
    assert status["scores_cover"]["object_rule"] == "one_to_one"
    assert status["scores_cover"]["words"][2].startswith("Objects of round 2 were matched by")


def test_status_tells_calibration_before_and_after(project: Project, ada: TestClient) -> None:
    project.store.add_training(training(0))
    project.store.add_metrics(0, "model", scores(0.5))

    calibration = ada.get(f"{API}/status").json()["calibration"]

    assert calibration["before"] == {
        "ece": 0.2,
        "nll": 0.5,
        "brier": None,
        "bins": [{"confidence": 0.9, "accuracy": 0.7, "count": 100}],
    }
    assert calibration["after"]["ece"] == 0.05
    assert calibration["after"]["bins"][0]["confidence"] == 0.72


def test_status_tells_what_the_worker_does(project: Project, ada: TestClient) -> None:
    project.store.control.show(WorkerState("training", 3, 30, 600, "", 1, "then"))

    worker = ada.get(f"{API}/status").json()["worker"]

    assert (worker["state"], worker["done"], worker["total"], worker["alive"]) == (
        *("training", 30, 600, True),
    )


def test_commands_wait_for_the_worker(project: Project, ada: TestClient) -> None:
    given = ada.post(f"{API}/control", json={"command": "pause"})

    assert given.status_code == 202
    (command,) = ada.get(f"{API}/control").json()["commands"]
    assert (command["name"], command["by"], command["state"]) == ("pause", "Ada", "waiting")
    project.store.control.finish(command["command"], "not now")
    (command,) = ada.get(f"{API}/control").json()["commands"]
    assert (command["state"], command["message"]) == ("refused", "not now")


@pytest.mark.parametrize(
    "body",
    [
        {"command": "explode"},
        {"command": "pause", "acquisition": "random"},
        {"command": "ask_again", "acquisition": "rm -rf"},
        {"command": "ask_again", "acquisition": ""},
        {},
    ],
)
def test_impossible_command_is_refused(
    project: Project, ada: TestClient, body: dict[str, str]
) -> None:
    project.store.control.tell_fact("strategies", ["margin", "random"])

    assert ada.post(f"{API}/control", json=body).status_code == 422
    assert project.store.control.commands() == ()


def test_project_tells_the_strategies_that_the_worker_knows(
    project: Project, ada: TestClient
) -> None:
    project.store.control.tell_fact("strategies", ["margin", "random"])

    facts = ada.get(f"{API}/project").json()

    assert facts["acquisitions"] == ["margin", "predictive_entropy", "random"]
    assert [entry["name"] for entry in facts["classes"]] == ["background", "disc"]
    assert facts["budget"] == {"regions": 3, "pixels": None, "images": None}


def test_project_has_an_id_that_a_restart_keeps_and_another_project_has_not(
    project: Project, ada: TestClient, tmp_path: Path, disc_config: Build
) -> None:
    with make_project(tmp_path / "other", disc_config()) as other:
        others = client_of(other).get(f"{API}/project").json()
    with Project.open(project.root) as again:
        same = client_of(again).get(f"{API}/project").json()
    facts = client_of(project).get(f"{API}/project").json()

    assert re.fullmatch("[0-9a-f]{32}", facts["id"])
    assert facts["id"] == same["id"] != others["id"]
    assert facts["name"] == others["name"]  # so the name would not do


def test_many_events_are_told_once_each() -> None:
    events = [
        Event(1, "item", 2, 0),
        Event(2, "item", 1, 3),
        Event(3, "item", 2, 0),
        Event(4, "query", 2, None),
        Event(5, "rounds", 1, None),
        Event(6, "rounds", 1, None),
    ]

    assert summed_up(events) == [
        ("items", {"items": [[1, 3], [2, 0]]}),
        ("query", {"round": 2}),
        ("rounds", {}),
    ]


def test_too_many_missed_events_are_a_reason_to_fetch_everything() -> None:
    events = [Event(n, "item", 1, n) for n in range(MOST_EVENTS + 1)]

    assert summed_up(events) == [("reload", {})]


def messages(project: Project, changes: list[object], after: int | None = None) -> list[dict]:
    """What a page is sent while changes are made, one after another."""
    seen: list[dict] = []

    async def listen() -> None:
        watcher = Watcher(project.store)
        watching = asyncio.create_task(watcher.watch())
        stream = events_module.stream(watcher, after)
        left = list(changes)
        async for text in stream:
            fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
            seen.append({**fields, "data": json.loads(fields["data"])})
            if seen[-1]["event"] == "worker" and not left:
                continue
            if left and seen[-1]["event"] != "hello":
                left.pop(0)()  # type: ignore[operator]
            elif not left and seen[-1]["event"] != "hello":
                await watcher.close()
        watching.cancel()

    asyncio.run(asyncio.wait_for(listen(), 60))
    return seen


def test_events_tell_every_change_as_it_happens(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "LOOK_SECONDS", 0.01)
    control, worklist = project.store.control, project.store.worklist
    changes = [
        lambda: worklist.lease(1, 2, "Ada"),
        lambda: control.note("query", 2),
        lambda: control.note("rounds", 1),
    ]

    seen = messages(project, changes)  # type: ignore[arg-type]

    names = [message["event"] for message in seen]
    assert names == ["hello", "worker", "items", "query", "rounds"]
    assert seen[2]["data"] == {"items": [[1, 2]]}
    assert int(seen[-1]["id"]) == control.newest_event()


def test_missed_events_are_sent_again(project: Project) -> None:
    project.store.worklist.lease(1, 1, "Ada")

    seen = messages(project, [], after=0)

    assert [message["event"] for message in seen][:2] == ["hello", "items"]
    assert seen[1]["data"] == {"items": [[1, 1]]}


def test_stream_that_is_ahead_of_the_watcher_waits_for_it(project: Project) -> None:
    async def wait() -> bool:
        watcher = Watcher(project.store)
        try:  # as if an event had come between the watcher's look and the stream's
            return await asyncio.wait_for(watcher.wait(watcher.newest + 1, watcher.worker), 0.1)
        except TimeoutError:
            return False

    assert asyncio.run(asyncio.wait_for(wait(), 60)) is False


def test_openapi_describes_every_route(ada: TestClient) -> None:
    schema = ada.get(f"{API}/openapi.json").json()

    assert len(schema["paths"]) >= 20
    for path, methods in schema["paths"].items():
        assert path.startswith(API)
        for facts in methods.values():
            assert facts["description"].strip()
            assert {"401", "422"} <= set(facts["responses"])
