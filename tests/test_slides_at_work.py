"""Slides while people work: the first regions, a look through the fields, and the page's tiles."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.config import Config
from askmask.data.slides import preparing
from askmask.loop.ask import asking_by
from askmask.loop.project import Project
from askmask.loop.stream.first import FIRST, ask_first
from askmask.loop.stream.look import Look
from askmask.serve.previews import draw_region
from served import API, client_of
from slide_files import tissue_slide, write_pages
from test_slides_in_the_loop import painted, slide_project, trained

Build = Callable[..., Config]


@pytest.fixture
def project(tmp_path: Path, disc_config: Build, monkeypatch: pytest.MonkeyPatch):
    """Two slides with tissue in the middle, in fields of 128 pixels."""
    monkeypatch.setattr(preparing, "FIELD_SIDE", 128)
    slides = [
        write_pages(tmp_path / f"{n}.tif", tissue_slide(400, 520, border=100, seed=n), mpp=1.0)
        for n in range(2)
    ]
    query = {"region": {"size": [24, 24], "stride": 8, "budget_regions": 4}, "most_per_group": 1}
    with slide_project(tmp_path, disc_config, slides, query=query) as opened:
        yield opened


def tissue_share(project: Project, region) -> float:
    return float(project.source.askable(region.image_id)[region.slices].mean())  # type: ignore[attr-defined]


def test_the_very_first_regions_lie_in_tissue(project: Project) -> None:
    query = ask_first(project)
    assert query is not None
    assert len(query.items) == FIRST
    assert all(tissue_share(project, item.region) >= 0.5 for item in query.items)


def test_a_look_asks_in_tissue_and_keeps_the_share_of_each_slide(project: Project) -> None:
    loop = trained(asking_by(project, "random"))
    look = Look(project, loop.project.model(), 2)
    while not look.is_done:
        look.advance()
    items = look.choose(4)
    assert sorted(item.region.image_id.partition("/")[0] for item in items) == ["0", "1"]
    assert all(tissue_share(project, item.region) >= 0.5 for item in items)
    piece = draw_region(look, items[0].region)
    assert piece.facts.has_prediction
    assert piece.facts.has_scores


def test_the_page_gets_tiles_of_fields(project: Project) -> None:
    client = client_of(project)
    images = client.get(f"{API}/images").json()["images"]
    assert {image["image_id"].partition("/")[0] for image in images} == {"0", "1"}
    first = images[0]
    reply = client.get(f"{API}/images/{first['number']}/tiles/0/0/0")
    assert reply.status_code == 200
    shown = np.asarray(Image.open(io.BytesIO(reply.content)))
    np.testing.assert_array_equal(shown, project.source.read_image(first["image_id"]))


def test_the_page_is_told_where_fields_lie_and_gets_a_picture_of_the_slide(
    project: Project,
) -> None:
    client = client_of(project)
    slides = client.get(f"{API}/slides").json()["slides"]
    assert [(s["name"], s["height"], s["width"]) for s in slides] == [
        ("0", 400, 520),
        ("1", 400, 520),
    ]
    first = slides[0]["fields"][0]
    image_id = client.get(f"{API}/images/{first['image']}").json()["image_id"]
    assert image_id == f"0/{first['row']}_{first['col']}"
    reply = client.get(f"{API}/slides/1/overview")
    assert reply.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(reply.content)).size == (520, 400)
    assert client.get(f"{API}/slides/2/overview").status_code == 404


def test_a_project_of_plain_images_has_no_slides(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "plain", disc_config()) as plain:
        client = client_of(plain)
        assert client.get(f"{API}/slides").json() == {"slides": []}
        assert client.get(f"{API}/slides/0/overview").status_code == 404


def test_answers_on_slides_are_known_to_the_page(project: Project) -> None:
    client = client_of(project)
    number, image_id = 0, next(iter(project.images))
    whole = project.images[image_id].whole
    project.store.add_answer(painted(project.source, whole))
    window = {"row": 0, "col": 0, "height": 32, "width": 32}
    runs = client.get(f"{API}/images/{number}/labels", params=window).json()["runs"]
    assert sum(runs[1::2]) == 32 * 32
