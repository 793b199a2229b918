"""Pictures over the API: pieces, thumbnails, tiles, labels of a window."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from askmask.loop.project import Project
from served import API, SIDE, Build, add_piece, answer_body, client_of, make_project


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def ada(project: Project) -> TestClient:
    return client_of(project)


def test_pieces_are_pictures_once_the_worker_drew_them(project: Project, ada: TestClient) -> None:
    assert "yet" in ada.get(f"{API}/items/1/0/scores.png").json()["error"]["message"]

    add_piece(project, 1, 0, confidence=0.75)

    piece = ada.get(f"{API}/items/1/0").json()["piece"]
    assert (piece["confidence"], piece["high"], piece["height"]) == (0.75, 1.5, SIDE + 4)
    for name in ("scores", "prediction"):
        reply = ada.get(f"{API}/items/1/0/{name}.png")
        assert reply.headers["content-type"] == "image/png"
        picture = np.asarray(Image.open(io.BytesIO(reply.content)))
        assert picture.shape == (SIDE + 4, SIDE + 2)
        assert picture[0, 0] == 1


@pytest.mark.parametrize(("size", "side"), [(16, 16), (160, SIDE)])
def test_thumbnail_is_the_region_made_small(ada: TestClient, size: int, side: int) -> None:
    reply = ada.get(f"{API}/items/1/0/thumbnail?size={size}")

    picture = Image.open(io.BytesIO(reply.content))
    assert (picture.format, picture.size) == ("JPEG", (side, side))


def test_tiles_are_the_image(project: Project, ada: TestClient) -> None:
    images = ada.get(f"{API}/images").json()["images"]
    image = next(image for image in images if image["role"] == "pool")
    number = image["number"]
    facts = ada.get(f"{API}/images/{number}").json()
    assert (facts["tile"], facts["levels"], facts["labelled_pixels"]) == (512, 1, 0)

    reply = ada.get(f"{API}/images/{number}/tiles/0/0/0")

    pixels = np.asarray(Image.open(io.BytesIO(reply.content)))
    np.testing.assert_array_equal(pixels, project.source.read_image(image["image_id"]))


@pytest.mark.parametrize("path", ["99", "99/tiles/0/0/0", "0/tiles/9/0/0", "0/tiles/0/1/0"])
def test_image_or_tile_that_does_not_exist_is_not_found(ada: TestClient, path: str) -> None:
    reply = ada.get(f"{API}/images/{path}")

    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


def test_labels_of_a_window_are_those_known(project: Project, ada: TestClient) -> None:
    ada.post(f"{API}/items/1/0/answers", json=answer_body(1))
    item = ada.get(f"{API}/items/1/0").json()
    window = f"row={item['row']}&col={item['col']}&height=1&width={SIDE + 1}"

    labels = ada.get(f"{API}/images/{item['image']}/labels?{window}")
    beyond = ada.get(f"{API}/images/{item['image']}/labels?row=0&col=0&height=65&width=1")
    large = ada.get(f"{API}/images/{item['image']}/labels?row=0&col=0&height=9999&width=9999")

    assert labels.json()["runs"] == [1, SIDE, 255, 1]
    assert (beyond.status_code, large.status_code) == (422, 422)
