"""Heat maps of slides and overviews of what is asked."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.config import Config
from askmask.data.slides import preparing
from askmask.data.slides.heat import HeatMaps, block_means, read_heat
from askmask.loop.loop import Loop
from askmask.loop.project import Project
from askmask.loop.slides.overviews import write_overviews
from fakes import drawn_source
from slide_files import tissue_slide, write_pages
from test_slides_in_the_loop import slide_project, trained

Build = Callable[..., Config]


def test_squares_have_the_mean_of_the_pixels_that_count() -> None:
    score = np.zeros((40, 64), np.float32)
    score[:32, :32] = 2.0
    score[:, 32:] = 3.0
    counts = np.ones((40, 64), bool)
    counts[:16] = False
    counts[32:, :32] = False
    np.testing.assert_array_equal(block_means(score, counts), [[2.0, 3.0], [np.nan, 3.0]])


def test_plain_images_have_no_heat_map() -> None:
    heat = HeatMaps(drawn_source(1))
    heat.add("disc_0", np.zeros((64, 64), np.float32))
    assert heat.maps() == {}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, disc_config: Build):
    """A project of one slide of 600 x 800 pixels that asked by its model."""
    root = tmp_path_factory.mktemp("slides")
    slide = write_pages(root / "one.tif", tissue_slide(600, 800, border=150), mpp=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "FIELD_SIDE", 128)
        project = slide_project(root, disc_config, [slide])
    with project:
        yield trained(project)


def test_a_query_of_slides_keeps_a_heat_map_over_the_tissue(asked: Loop) -> None:
    query = asked.ask()
    heat = read_heat(asked.project.heat_path(query.round))["one"]
    assert heat.shape <= (19, 25)
    assert np.isnan(heat[:4]).all()  # glass
    assert np.isfinite(heat[6:13, 6:19]).all()
    first = query.items[0].region
    row, col = (int(part) // 32 for part in first.image_id.partition("/")[2].split("_"))
    cell = heat[row + first.row // 32, col + first.col // 32]
    assert cell == pytest.approx(first_score(asked.project, first), rel=0.2)


def first_score(project: Project, region) -> float:
    from askmask.loop.ask import shown_score

    score = shown_score(project, region.image_id, 2)
    assert score is not None
    return float(score[region.row // 32 * 32 :, region.col // 32 * 32 :][:32, :32].mean())


def test_an_overview_shows_where_on_the_slide_the_regions_lie(asked: Loop, tmp_path: Path) -> None:
    query = asked.ask()
    (path,) = write_overviews(asked.project, query, tmp_path)
    assert path.name == "overview_one.png"
    picture = np.asarray(Image.open(path)).astype(int)
    assert picture.shape == (600, 800, 3)
    blue = (picture == (0, 90, 200)).all(2)
    assert blue.any(1).nonzero()[0][[0, -1]].tolist() == pytest.approx([150, 450], abs=16)
    for item in query.items:
        row, col = (int(part) for part in item.region.image_id.partition("/")[2].split("_"))
        corner = picture[row + item.region.row, col + item.region.col]
        assert corner.tolist() == [0, 0, 0]


def test_plain_images_have_no_overview(tmp_path: Path, disc_config: Build) -> None:
    with Project.create(tmp_path / "p", disc_config(data={"start": "none"})) as project:
        query = Loop(project).ask()
        assert write_overviews(project, query, tmp_path) == []
