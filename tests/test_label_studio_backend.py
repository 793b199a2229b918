"""Label Studio as it calls an ML backend: requests as its documentation describes them."""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi.testclient import TestClient

from askmask.formats.format import Export, Item
from askmask.formats.label_studio.brush_rle import decode_brush
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.names import region_name
from askmask.loop.project import Project
from askmask.records import QueryItem, Region
from askmask.serve.web.app import create_app
from askmask.serve.web.routes import label_studio
from askmask.store.tokens import Role
from label_studio_requests import (
    BASE,
    CONFIG,
    PROJECT,
    Json,
    brush,
    disc,
    event,
    labels_of,
    predict_request,
    studio_of,
    tasks_of,
    told_project,
)
from served import SIDE, URL, Build, answer_body, client_of


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with told_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def studio(project: Project) -> TestClient:
    return studio_of(project)


@pytest.fixture
def tasks(project: Project) -> list[Json]:
    return tasks_of(project)


@pytest.mark.parametrize("path", ["/", "/health"])
def test_backend_is_up(studio: TestClient, path: str) -> None:
    reply = studio.get(BASE + path)

    assert reply.status_code == 200
    assert reply.json()["status"] == "UP"


def test_set_up_tells_the_newest_model(studio: TestClient) -> None:
    body = {
        "project": PROJECT,
        "schema": CONFIG,
        "hostname": "http://localhost:8080",
        "access_token": "abc",
        "extra_params": "",
    }

    assert studio.post(f"{BASE}/setup", json=body).json() == {"model_version": "none"}


def test_predictions_come_in_the_order_of_the_tasks_as_brushes_with_a_score(
    studio: TestClient, tasks: list[Json]
) -> None:
    asked = [tasks[2], tasks[0]]

    reply = studio.post(f"{BASE}/predict", json=predict_request(asked)).json()

    assert [result["score"] for result in reply["results"]] == pytest.approx([0.7, 0.9])
    assert {result["model_version"] for result in reply["results"]} == {"round_000.safetensors"}
    (painted,) = reply["results"][0]["result"]
    assert (painted["from_name"], painted["to_name"]) == ("tag", "image")
    assert painted["value"]["brushlabels"] == ["disc"]
    pixels = decode_brush(painted["value"]["rle"], (SIDE, SIDE))
    expected = np.zeros((SIDE, SIDE), np.bool_)
    expected[:, : SIDE // 2] = True
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    "data",
    [
        {"image": "/x.png"},
        {"name": "r001_099_train_0"},
        {"name": "r001_001_another"},
        {"name": "r999999999_999999999_x"},
        {"name": 5},
        [],
        None,
    ],
)
def test_task_of_no_asked_region_gets_an_empty_prediction(studio: TestClient, data: object) -> None:
    reply = studio.post(f"{BASE}/predict", json=predict_request([{"id": 1, "data": data}]))

    assert reply.status_code == 200
    (result,) = reply.json()["results"]
    assert (result["result"], result["score"]) == ([], None)


def test_region_that_is_not_drawn_yet_gets_an_empty_prediction(
    studio: TestClient, tasks: list[Json]
) -> None:
    reply = studio.post(f"{BASE}/predict", json=predict_request([tasks[3]]))

    assert reply.json()["results"][0]["result"] == []


@pytest.mark.parametrize("body", [{}, {"tasks": None}, {"tasks": "all"}])
def test_request_without_tasks_is_refused(studio: TestClient, body: Json) -> None:
    reply = studio.post(f"{BASE}/predict", json=body)

    assert reply.status_code == 422
    assert "at tasks in 'the request'" in reply.json()["error"]["message"]


def test_tasks_of_an_export_are_known(project: Project, studio: TestClient, tmp_path: Path) -> None:
    items = project.store.worklist.items()
    batch = Export(
        project.source.classes,
        True,
        False,
        None,
        [Item(region_name(1, item.item), item.item.region, None) for item in items[:3]],
        project.images,
        project.source.read_image,
    )
    LabelStudio("/files/").write(tmp_path / "out", batch)
    exported = json.loads((tmp_path / "out" / "tasks.json").read_text())

    reply = studio.post(f"{BASE}/predict", json=predict_request(exported)).json()

    assert [len(result["result"]) for result in reply["results"]] == [1, 1, 1]


def test_annotation_becomes_an_answer(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    reply = studio.post(f"{BASE}/webhook", json=event(tasks[1], disc(5)))

    assert reply.status_code == 201
    assert reply.json() == {"status": "ok", "answer": 1, "conflict": False}
    np.testing.assert_array_equal(labels_of(project, 1), disc(5).astype(np.int16))
    (given,) = project.store.worklist.history()
    assert (given.author, given.tool, given.seconds) == ("label-studio 3", "label-studio", 12.5)


def test_event_that_comes_twice_is_one_answer(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    replies = [studio.post(f"{BASE}/webhook", json=event(tasks[1], disc(5))) for _ in range(2)]

    assert replies[0].json() == replies[1].json()
    assert len(project.store.worklist.history()) == 1


def test_changes_back_and_forth_are_answers_and_no_conflict(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    studio.post(f"{BASE}/webhook", json=event(tasks[1], disc(5)))
    for minute, rows in ((1, 9), (2, 5)):
        changed = event(
            tasks[1],
            disc(rows),
            "ANNOTATION_UPDATED",
            updated_at=f"2026-11-25T10:0{minute}:00.000000Z",
            completed_by={"id": 3, "email": "ada@example.org"},
        )
        reply = studio.post(f"{BASE}/webhook", json=changed).json()
        assert reply["conflict"] is False

    np.testing.assert_array_equal(labels_of(project, 1), disc(5).astype(np.int16))
    newest, *_, first = project.store.worklist.history()
    assert newest.author == "label-studio ada@example.org"
    assert (first.seconds, newest.seconds) == (12.5, None)  # its time is that of all sessions


def test_annotation_of_what_was_answered_on_the_page_is_a_conflict(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    ada = client_of(project)
    assert ada.post("/api/v1/items/1/1/answers", json=answer_body(1)).status_code == 201

    reply = studio.post(f"{BASE}/webhook", json=event(tasks[1], disc(5)))

    assert reply.json()["conflict"] is True
    assert project.store.worklist.item(1, 1).is_conflict


@pytest.mark.parametrize(
    "change",
    [
        {"action": "TASKS_CREATED"},
        {"action": "ANNOTATIONS_DELETED"},
        {"action": None},
        {"annotation": None},
    ],
)
def test_other_events_are_left(
    project: Project, studio: TestClient, tasks: list[Json], change: Json
) -> None:
    reply = studio.post(f"{BASE}/webhook", json={**event(tasks[1], disc(5)), **change})

    assert (reply.status_code, reply.json()) == (200, {"status": "ignored"})
    assert project.store.worklist.history() == ()


def test_skipped_task_is_no_answer(project: Project, studio: TestClient, tasks: list[Json]) -> None:
    reply = studio.post(f"{BASE}/webhook", json=event(tasks[1], disc(5), was_cancelled=True))

    assert reply.json() == {"status": "ignored"}
    assert project.store.worklist.history() == ()


def test_annotation_of_another_project_is_refused(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    reply = studio.post(f"{BASE}/webhook", json=event({"id": 1, "data": {"name": "x"}}, disc(5)))

    assert reply.status_code == 404
    assert "askmask export --format label-studio" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([brush(disc(5), "stroma")], "expected one label of background, disc, unlabelled"),
        ([{**brush(disc(5), "disc"), "original_width": 9}], "expected a picture of"),
        ([5], "expected an object in 'a result of r001_002_train_1', got 5"),
        ("brush", "expected a valid list at result in 'the annotation', got 'brush'"),
        (None, "expected a valid list at result in 'the annotation', got None"),
        ([{"type": "brushlabels", "value": 3}], "at value in 'a result of r001_002_train_1'"),
    ],
)
def test_annotation_that_cannot_be_read_is_refused(
    project: Project, studio: TestClient, tasks: list[Json], result: object, message: str
) -> None:
    reply = studio.post(f"{BASE}/webhook", json=event(tasks[1], disc(5), result=result))

    assert reply.status_code == 422
    assert message in reply.json()["error"]["message"]
    assert project.store.worklist.history() == ()


def test_over_a_network_a_token_is_the_password(project: Project, tasks: list[Json]) -> None:
    token = project.store.access.make_token("label-studio", Role.ANNOTATE)
    url = "http://192.0.2.7:8765"
    studio = client_of(project, None, host="0.0.0.0", url=url)

    def health(authorization: str | None) -> int:
        headers = {} if authorization is None else {"Authorization": authorization}
        return studio.get(f"{BASE}/health", headers=headers).status_code

    def basic(password: str) -> str:
        return "Basic " + base64.b64encode(f"label-studio:{password}".encode()).decode()

    assert (
        health(None) == health(basic("wrong")) == health("Basic %%%") == health("Bearer x") == 401
    )
    assert health(basic(token)) == health(f"Bearer {token}") == 200


def test_copies_of_a_task_are_predicted_once(
    studio: TestClient, tasks: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = []

    def encode(*values: Any, **named: Any) -> list[Json]:
        encoded.append(values)
        return []

    monkeypatch.setattr(label_studio, "brush_results", encode)
    reply = studio.post(f"{BASE}/predict", json=predict_request([tasks[0]] * 500))
    assert len(reply.json()["results"]) == 500
    assert len(encoded) == 1


def test_comments_choices_and_relations_are_no_reason_to_refuse_an_annotation(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    results = [
        brush(disc(5), "disc"),
        {"id": "c", "type": "choices", "value": {"choices": ["good"]}},
        {"id": "t", "type": "textarea", "value": {"text": ["blurred"]}},
        {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
    ]
    body = event(tasks[1], disc(5), result=results, comments="see chat", comment_count=2)
    reply = studio.post(f"{BASE}/webhook", json=body)
    assert reply.status_code == 201, reply.text
    np.testing.assert_array_equal(labels_of(project, 1), disc(5).astype(np.int16))


def test_task_of_an_older_export_keeps_its_name(project: Project, studio: TestClient) -> None:
    item = QueryItem(0, Region("图 1", 0, 0, 2, 2), 1.0, 4)
    work = project.store.worklist.item(1, 0)
    assert label_studio.older_name(replace(work, item=item)) == "r001_001___1"


def test_others_are_answered_while_label_studio_waits_for_its_turn(
    project: Project, tasks: list[Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    working: list[str] = []
    may_end = threading.Event()
    read = label_studio.read_tasks

    def slow(*values: Any) -> Any:
        working.append(threading.current_thread().name)
        assert may_end.wait(60)
        return read(*values)

    monkeypatch.setattr(label_studio, "read_tasks", slow)
    body = json.dumps(event(tasks[1], disc(5))).encode()
    auth = ("label-studio", project.store.access.make_token("label-studio", Role.ANNOTATE))

    async def reply_and_statuses() -> tuple[int, int, set[int]]:
        transport = httpx2.ASGITransport(create_app(project))
        client = httpx2.AsyncClient(transport=transport, base_url=URL, auth=auth)
        async with client, asyncio.timeout(120):
            post = partial(client.post, f"{BASE}/webhook", content=body)
            busy = [asyncio.create_task(post()) for _ in range(6)]
            while len(working) < 2:
                await asyncio.sleep(0.01)
            healthy = await client.get(f"{BASE}/health")
            at_work = len(working)
            may_end.set()
            replies = await asyncio.gather(*busy)
        return healthy.status_code, at_work, {reply.status_code for reply in replies}

    assert asyncio.run(reply_and_statuses()) == (200, 2, {201})
