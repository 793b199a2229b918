"""What `ask` says when a query means nothing, or cannot be made."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.data.source import MemorySource
from askmask.errors import ConfigError, NothingToAsk, SourceError
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import ClassMap, ImageInfo
from fakes import draw_disc

Build = Callable[..., Config]


def trained(root: Path, config: Config) -> Loop:
    with Project.create(root, config) as project:
        assert list(Loop(project).run(MaskOracle(project.source), 0)) == [0]
    return Loop(Project.open(root))


def test_mutual_information_without_dropout_warns_of_it(
    tmp_path: Path, disc_config: Build, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"base_channels": 8, "depth": 2, "dropout": 0.0}
    config = disc_config(
        model={"name": "unet", "options": options}, query={"acquisition": "mutual_information"}
    )
    loop = trained(tmp_path / "p", config)
    with caplog.at_level(logging.WARNING):
        query = loop.ask()
    loop.project.close()
    assert query.items
    assert "All scores of round 1 by mutual_information are equal to rounding" in caplog.text
    assert "model.options.dropout is 0.0" in caplog.text


@pytest.mark.parametrize("acquisition", ["mutual_information", "predictive_entropy", "random"])
def test_scores_that_differ_warn_of_nothing(
    tmp_path: Path, disc_config: Build, caplog: pytest.LogCaptureFixture, acquisition: str
) -> None:
    loop = trained(tmp_path / "p", disc_config(query={"acquisition": acquisition}))
    with caplog.at_level(logging.WARNING):
        loop.ask()
    loop.project.close()
    assert "equal to rounding" not in caplog.text


@pytest.mark.parametrize(("overlap", "unit"), [("forbid", "region"), ("allow", "region")])
def test_a_budget_below_every_region_says_so(
    tmp_path: Path, disc_config: Build, overlap: str, unit: str
) -> None:
    region = {"size": [24, 24], "stride": 8, "overlap": overlap, "budget_pixels": 100}
    loop = trained(tmp_path / "p", disc_config(query={"unit": unit, "region": region}))
    expected = r"query.region.budget_pixels=100, while the places .* have 576 to 576 new pixels"
    with pytest.raises(ConfigError, match=expected):
        loop.ask()
    assert loop.project.store.newest_query() is None
    loop.project.close()


def test_a_budget_below_every_image_says_so(tmp_path: Path, disc_config: Build) -> None:
    query = {"unit": "image", "image": {"budget_pixels": 5}, "acquisition": "random"}
    loop = trained(tmp_path / "p", disc_config(query=query))
    with pytest.raises(ConfigError, match=r"query.image.budget_pixels=5, while the places"):
        loop.ask()
    loop.project.close()


def test_a_pool_that_is_labelled_says_that_nothing_is_left(
    tmp_path: Path, disc_config: Build
) -> None:
    loop = trained(tmp_path / "p", disc_config(data={"start": "all"}))
    with pytest.raises(NothingToAsk, match="everything is labelled or asked"):
        loop.ask()
    loop.project.close()


def test_an_image_too_small_for_the_network_is_named(tmp_path: Path, disc_config: Build) -> None:
    items = {}
    for number, side in enumerate((64, 64, 20)):
        info = ImageInfo(f"slides/{number}.tif", side, side, has_mask=number == 0)
        image, mask = draw_disc(number, side)
        items[info.image_id] = (info, image, mask if number == 0 else None)
    source = MemorySource(ClassMap(("background", "disc")), items)
    config = disc_config(
        data={"start": "all", "validation": 0, "test": []}, calibration={"method": "none"}
    )
    with Project.create(tmp_path / "p", config, source) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(source))
        loop.train()
        with pytest.raises(SourceError, match=r"'slides/2.tif' of 20 x 20 pixels cannot be scored"):
            loop.ask()
        assert project.store.newest_query() is None
