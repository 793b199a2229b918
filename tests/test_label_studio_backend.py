"""Label Studio as it calls an ML backend: requests as its documentation describes them."""

import asyncio
import base64
import copy
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
from askmask.formats.label_studio.brush_rle import decode_brush, encode_brush
from askmask.formats.label_studio.label_studio import LabelStudio
from askmask.formats.names import region_name
from askmask.loop.project import Project
from askmask.records import QueryItem, Region
from askmask.serve.web.app import create_app
from askmask.serve.web.routes import label_studio
from askmask.store.tokens import Role
from served import SIDE, URL, Build, add_piece, answer_body, client_of, make_project

BASE = "/label-studio"
PROJECT = "1.1760000000"
CONFIG = '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image"/></View>'
Json = dict[str, Any]  # Any: JSON


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        for rank in range(3):
            add_piece(project, 1, rank, confidence=0.9 - rank / 10)
        yield project


@pytest.fixture
def studio(project: Project) -> TestClient:
    """Label Studio on this machine, with a token of its own as the password."""
    token = project.store.access.make_token("label-studio", Role.ANNOTATE)
    studio = client_of(project, None)
    studio.auth = ("label-studio", token)
    return studio


@pytest.fixture
def tasks(project: Project) -> list[Json]:
    """Tasks of the asked regions as Label Studio holds them after the import of an export."""
    items = project.store.worklist.items()
    names = [f"r001_{rank + 1:03d}_{item.item.region.image_id}" for rank, item in enumerate(items)]
    return [
        {
            "id": 100 + number,
            "data": {"image": "/data/local-files/?d=x.png", "name": name},
            "annotations": [],
            "predictions": [],
        }
        for number, name in enumerate(names)
    ]


def predict_request(tasks: list[Json]) -> Json:
    params = {"login": None, "password": None, "context": None}
    return {"tasks": tasks, "project": PROJECT, "label_config": CONFIG, "params": params}


def brush(pixels: np.ndarray, label: str) -> Json:
    value = {"format": "rle", "rle": encode_brush(pixels), "brushlabels": [label]}
    return {
        "id": "a1B2c3D4e5",
        "type": "brushlabels",
        "origin": "manual",
        "from_name": "tag",
        "to_name": "image",
        "original_width": SIDE,
        "original_height": SIDE,
        "image_rotation": 0,
        "value": value,
    }


def event(task: Json, pixels: np.ndarray, action: str = "ANNOTATION_CREATED", **more: Any) -> Json:
    annotation = {
        "id": 7,
        "result": [brush(pixels, "disc")],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-11-25T10:00:00.000000Z",
        "updated_at": "2026-11-25T10:00:00.000000Z",
        "lead_time": 12.5,
        "task": task["id"],
        "project": 1,
        "completed_by": 3,
        **more,
    }
    return {
        "action": action,
        "annotation": annotation,
        "task": task,
        "project": {"id": 1, "title": "glands", "label_config": CONFIG},
    }


def disc(rows: int) -> np.ndarray:
    pixels = np.zeros((SIDE, SIDE), np.bool_)
    pixels[:rows] = True
    return pixels


def labels_of(project: Project, rank: int) -> np.ndarray:
    item = project.store.worklist.item(1, rank)
    assert item.newest is not None
    answer = project.store.worklist.answer(item.newest.number)
    assert answer is not None
    return answer.mask.labels


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


STRANGE: list[object] = [
    None, True, -1, 1e308, 10**400, "", "x", "\ud800", [], {}, [[]], [None], {"x": [1]}, [5, "a"],
    {"data": {"name": ["r001_001_x"]}}, {"rle": [300, -1]}, {"points": [[1e308, None]] * 3},
]  # fmt: skip


def every_place(content: object, place: tuple[str | int, ...] = ()) -> Iterator[Any]:
    yield place
    if isinstance(content, dict):
        for key, part in content.items():
            yield from every_place(part, (*place, key))
    elif isinstance(content, list):
        for number, part in enumerate(content[:3]):
            yield from every_place(part, (*place, number))


def changed(content: Any, place: tuple[str | int, ...], value: object) -> Any:
    if not place:
        return value
    fresh = copy.deepcopy(content)
    part = fresh
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return fresh


def test_no_body_is_a_bug(studio: TestClient, tasks: list[Json]) -> None:
    """Every entry of both requests, replaced by strange values: a clear reply, never a 5xx."""
    told = {"webhook": event(tasks[1], disc(5)), "predict": predict_request(tasks[:2])}
    told["webhook"]["annotation"]["result"][0]["value"]["rle"] = encode_brush(disc(5))[:4]
    statuses = set()
    for route, body in told.items():
        for number, place in enumerate(every_place(body)):
            for value in STRANGE[number % 3 :: 3]:  # a third at each place
                content = json.dumps(changed(body, place, value)).encode()
                reply = studio.post(f"{BASE}/{route}", content=content)
                assert reply.status_code < 500, (route, place, value, reply.text)
                statuses.add(reply.status_code)
    assert statuses <= {200, 201, 404, 409, 422}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"[" * 100_000,
        b"[]",
        b"5",
        b"\xff",
        b'{"tasks": NaN}',
        b'{"tasks": [], "tasks": 1}',
        b'{"tasks": ' + b"1" * 5000 + b"}",
        b'{"tasks": [' + b'{"data":' * 900 + b"1" + b"}" * 900 + b"]}",
    ],
)
@pytest.mark.parametrize("route", ["predict", "webhook"])
def test_body_that_is_no_request_is_refused(studio: TestClient, route: str, content: bytes) -> None:
    reply = studio.post(f"{BASE}/{route}", content=content)
    assert reply.status_code in {200, 422}, reply.text


def test_too_many_tasks_are_refused(studio: TestClient, tasks: list[Json]) -> None:
    reply = studio.post(f"{BASE}/predict", json=predict_request([tasks[0]] * 1001))
    assert reply.status_code == 422
    assert "at most 1000 items" in reply.json()["error"]["message"]


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


def test_too_many_results_are_refused(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    body = event(tasks[1], disc(5), result=[brush(disc(5), "disc")] * 1001)
    reply = studio.post(f"{BASE}/webhook", json=body)
    assert reply.status_code == 422
    assert "at most 1000 items" in reply.json()["error"]["message"]


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
