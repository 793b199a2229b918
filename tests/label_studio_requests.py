"""What Label Studio sends to an ML backend, and a project that it is told about."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi.testclient import TestClient

from askmask.config import Config
from askmask.formats.label_studio.brush_rle import encode_brush
from askmask.loop.project import Project
from askmask.store.tokens import Role
from served import SIDE, add_piece, client_of, make_project

BASE = "/label-studio"
PROJECT = "1.1760000000"
CONFIG = '<View><Image name="image" value="$image"/><BrushLabels name="tag" toName="image"/></View>'
Json = dict[str, Any]  # Any: JSON


@contextmanager
def told_project(root: Path, config: Config) -> Iterator[Project]:
    """A project with four asked regions, three of them drawn."""
    with make_project(root, config) as project:
        for rank in range(3):
            add_piece(project, 1, rank, confidence=0.9 - rank / 10)
        yield project


def studio_of(project: Project) -> TestClient:
    """Label Studio on this machine, with a token of its own as the password."""
    token = project.store.access.make_token("label-studio", Role.ANNOTATE)
    studio = client_of(project, None)
    studio.auth = ("label-studio", token)
    return studio


def tasks_of(project: Project) -> list[Json]:
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
