"""Slides while people work: the first regions, a look through the fields, and the page's tiles."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.config import Config
from askmask.data.slides import preparing
from askmask.data.slides.slide_source import SlideSource
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


def test_the_page_gets_the_slide_around_a_field_as_it_was_scanned(project: Project) -> None:
    client = client_of(project)
    field = client.get(f"{API}/slides").json()["slides"][1]["fields"][0]
    around = client.get(f"{API}/images/{field['image']}").json()["slide"]
    place = {"row": field["row"], "col": field["col"], "scale": 1.0}
    assert around == place | {"number": 1, "height": 400, "width": 520, "tile": 512, "levels": 2}
    reply = client.get(f"{API}/slides/1/tiles/0/0/1")
    assert reply.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(reply.content)).size == (8, 400)
    assert client.get(f"{API}/slides/1/tiles/1/0/1").status_code == 404
    assert client.get(f"{API}/slides/2/tiles/0/0/0").status_code == 404


def test_what_is_painted_as_glass_is_asked_no_more(project: Project) -> None:
    client, source = client_of(project), project.source
    before = client.get(f"{API}/slides").json()["slides"][0]
    everywhere = [[float(row), float(col)] for row in (0, 400) for col in (0, 520)]
    stroke = {"is_tissue": False, "radius": 600, "points": everywhere}
    after = client.post(f"{API}/slides/0/tissue", json=stroke).json()
    assert before["tissue_share"] > 0.2
    assert after["tissue_share"] == 0.0
    assert after["tissue_version"] != before["tissue_version"]
    others = SlideSource(project.config.data.path)  # type: ignore[arg-type]  # of another process
    for opened in (source, others):
        shares = {i: opened.askable(i).mean() for i in project.images}  # type: ignore[attr-defined]
        assert all((share == 0) == image_id.startswith("0/") for image_id, share in shares.items())
    asked = ask_first(project)
    assert asked is not None
    assert {item.region.image_id.partition("/")[0] for item in asked.items} == {"1"}


def test_a_stroke_beside_every_field_is_refused(project: Project) -> None:
    client = client_of(project)
    stroke = {"is_tissue": True, "radius": 2, "points": [[-500, -500]]}
    reply = client.post(f"{API}/slides/0/tissue", json=stroke)
    assert reply.status_code == 422
    assert "one beside all of them" in reply.json()["error"]["message"]


def test_a_project_of_plain_images_has_no_slides(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "plain", disc_config()) as plain:
        client = client_of(plain)
        assert client.get(f"{API}/slides").json() == {"slides": []}
        assert client.get(f"{API}/slides/0/overview").status_code == 404
        assert client.get(f"{API}/slides/0/tiles/0/0/0").status_code == 404
        assert client.get(f"{API}/images/0").json()["slide"] is None


def test_answers_on_slides_are_known_to_the_page(project: Project) -> None:
    client = client_of(project)
    number, image_id = 0, next(iter(project.images))
    whole = project.images[image_id].whole
    project.store.add_answer(painted(project.source, whole))
    window = {"row": 0, "col": 0, "height": 32, "width": 32}
    runs = client.get(f"{API}/images/{number}/labels", params=window).json()["runs"]
    assert sum(runs[1::2]) == 32 * 32
