"""A project with asked regions and drawn pieces, made without a model; clients of its server."""

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from fastapi import FastAPI
from fastapi.testclient import TestClient

from askmask.config import Config, parse_config
from askmask.data.rasters import encode_mask
from askmask.loop.project import Project
from askmask.records import Query, QueryItem, Region, Unit
from askmask.serve.address import is_loopback
from askmask.serve.web.app import create_app
from askmask.serve.web.desk import Desk
from askmask.store.work_records import DrawnPiece, PieceFacts
from fakes import drawn_source

SIDE = 24
URL = "http://127.0.0.1:8765"
API = "/api/v1"


def add_query(project: Project, round: int = 1, count: int = 4) -> Query:
    """Ask `count` regions of the first pool images, one in each."""
    ids = project.roles.pool
    items = tuple(
        QueryItem(
            rank,
            Region(ids[rank % len(ids)], 4 * round, 8 * (rank // len(ids)), SIDE, SIDE),
            2.0 - rank / 10,
            SIDE * SIDE,
        )
        for rank in range(count)
    )
    query = Query(round, "margin", Unit.REGION, items, f"round_{round - 1:03d}.safetensors", 1.0)
    project.store.add_query(query)
    return query


def add_piece(project: Project, round: int, rank: int, confidence: float = 0.9) -> None:
    """Draw a piece: the region and 2 pixels around it, its left half predicted as class 1."""
    region = project.store.worklist.item(round, rank).item.region
    window = Region(region.image_id, region.row - 2, region.col, SIDE + 4, SIDE + 2)
    labels = np.zeros((window.height, window.width), np.int16)
    labels[:, : SIDE // 2] = 1
    facts = PieceFacts(window, 0.0, 1.5, confidence, has_scores=True, has_prediction=True)
    png = encode_mask(labels)
    project.store.worklist.add_pieces(round, [DrawnPiece(rank, facts, png, png)])


def make_project(root: Path, config: Config, asked: int = 4) -> Project:
    """Project with one query."""
    project = Project.create(root, config)
    if asked:
        add_query(project, count=asked)
    return project


@cache
def app_of(host: str) -> FastAPI:
    """Server that is made once, since that takes half a second; each test gives it a project."""
    return create_app(app_project(), host=host)


@cache
def app_project() -> Project:
    """Any project: an application cannot be made without one."""
    folder = Path(tempfile.mkdtemp(prefix="askmask-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    source = drawn_source(3)
    data = {"path": str(folder), "start": 1, "validation": 0}
    project = Project(folder, parse_config({"data": data}), source)
    atexit.register(project.close)
    return project


def client_of(
    project: Project, name: str | None = "Ada", *, host: str = "127.0.0.1", url: str = URL
) -> TestClient:
    """Client of a server of the project; logged in by name unless that is None."""
    app = app_of(host)
    app.state.desk = Desk.of(project, needs_token=not is_loopback(host))
    client = TestClient(app, base_url=url, raise_server_exceptions=False)
    if name is not None:
        assert client.post(f"{API}/session", json={"name": name}).status_code == 200
    return client


def answer_body(number: int, **members: object) -> dict[str, object]:
    """Body of an answer of class 1 all over; ids differ by `number`."""
    body = {"id": f"answer-{number:06d}", "kind": "labels", "runs": [1, SIDE * SIDE]}
    return {**body, "seconds": 2.5, "tool": "brush", **members}


Build = Callable[..., Config]
