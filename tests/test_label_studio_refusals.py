"""Bodies that Label Studio would not send: a clear reply, never a bug."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from askmask.formats.label_studio.brush_rle import encode_brush
from askmask.loop.project import Project
from json_places import changed, every_place
from label_studio_requests import (
    BASE,
    Json,
    brush,
    disc,
    event,
    predict_request,
    studio_of,
    tasks_of,
    told_project,
)
from served import Build

STRANGE: list[object] = [
    None, True, -1, 1e308, 10**400, "", "x", "\ud800", [], {}, [[]], [None], {"x": [1]}, [5, "a"],
    {"data": {"name": ["r001_001_x"]}}, {"rle": [300, -1]}, {"points": [[1e308, None]] * 3},
]  # fmt: skip


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


def test_too_many_results_are_refused(
    project: Project, studio: TestClient, tasks: list[Json]
) -> None:
    body = event(tasks[1], disc(5), result=[brush(disc(5), "disc")] * 1001)
    reply = studio.post(f"{BASE}/webhook", json=body)
    assert reply.status_code == 422
    assert "at most 1000 items" in reply.json()["error"]["message"]
