"""What a round would ask: every strategy, for regions and images, on a trained project."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from askmask.config import Config, with_overrides
from askmask.loop.ask import propose, shown_score
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.query.regions import select
from askmask.query.score_histograms import BINS
from askmask.query.strategies import strategy_names
from askmask.records import QueryItem
from plain_candidates import random_candidates, scored_candidates

Build = Callable[..., Config]
CPU = torch.device("cpu")

every_strategy = pytest.mark.parametrize("name", strategy_names())


@pytest.fixture(scope="module")
def trained_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trained")


@pytest.fixture
def project(trained_root: Path, disc_config: Build) -> Iterator[Project]:
    """Project with a model of round 0, made once; tests only read it."""
    made = (trained_root / "p" / "askmask.yaml").is_file()
    config = disc_config(training={"steps": 30})
    root = trained_root / "p"
    with Project.open(root) if made else Project.create(root, config) as project:
        if not made:
            assert list(Loop(project).run(MaskOracle(project.source), 0)) == [0]
        yield project


def with_query(project: Project, name: str, unit: str = "region", **keys: object) -> Project:
    overrides = {"query.acquisition": name, "query.unit": unit, **keys}
    return Project(project.root, with_overrides(project.config, overrides))


def regions_of(items: tuple[QueryItem, ...]) -> list[object]:
    return [item.region for item in items]


@every_strategy
def test_strategy_asks_the_budget_of_regions_without_overlap(project: Project, name: str) -> None:
    with with_query(project, name) as own:
        items = propose(own, 1).items
    regions = regions_of(items)
    assert len(regions) == 3
    assert not any(a.overlaps(b) for a in regions for b in regions if a is not b)
    assert [item.rank for item in items] == [0, 1, 2]
    assert all(item.new_pixels > 0 and np.isfinite(item.score) for item in items)


@every_strategy
def test_strategy_asks_whole_images(project: Project, name: str) -> None:
    with with_query(project, name, "image", **{"query.image.budget_images": 2}) as own:
        items = propose(own, 1).items
        assert len({item.region.image_id for item in items}) == 2
        assert all(item.region == own.images[item.region.image_id].whole for item in items)


@every_strategy
@pytest.mark.parametrize("unit", ["region", "image"])
def test_choice_does_not_depend_on_the_order_of_the_pool(
    project: Project, monkeypatch: pytest.MonkeyPatch, name: str, unit: str
) -> None:
    with with_query(project, name, unit) as own:
        expected = propose(own, 1).items
        backwards = own.pool_ids[::-1]
        monkeypatch.setattr(Project, "pool_ids", backwards)
        assert propose(own, 1).items == expected


def test_plain_score_is_asked_as_region_candidates_say(project: Project) -> None:
    with with_query(project, "predictive_entropy") as own:
        rule, loop = own.config.query.region, Loop(own)
        lists = [
            scored_candidates(image_id, loop.score_map(image_id, 1), available, rule)
            for image_id in own.pool_ids
            if (available := ~own.store.asked(image_id)).any()
        ]
        assert propose(own, 1).items == select(lists, rule)


def test_random_is_asked_in_the_order_of_its_keys(project: Project) -> None:
    with with_query(project, "random") as own:
        rule = own.config.query.region
        lists = [
            random_candidates(image_id, ~own.store.asked(image_id), rule, own.config.seed, 1)
            for image_id in own.pool_ids
        ]
        assert propose(own, 1).items == select(lists, rule)


def test_utilities_of_all_places_are_returned_on_request(project: Project) -> None:
    with with_query(project, "power_entropy") as own:
        loop = Loop(own)
        proposal = loop.propose(1, return_utilities=True)
        pool = [i for i in own.pool_ids if not own.store.asked(i).all()]
        assert [found.image_id for found in proposal.utilities] == pool
        assert all(found.utilities.shape == (1, 36) for found in proposal.utilities)
        best = max(float(found.utilities.max()) for found in proposal.utilities)
        assert proposal.items[0].score == best
        assert loop.propose(1).utilities == ()
        assert own.store.newest_query() is None


def test_histograms_hold_the_scores_of_the_asked_pixels(project: Project) -> None:
    with with_query(project, "predictive_entropy") as own:
        proposal = propose(own, 1)
        expected = np.zeros(BINS, int)
        for item in proposal.items:
            score = shown_score(own, item.region.image_id, 1)
            assert score is not None
            expected += np.histogram(score[item.region.slices], BINS, (0, 1))[0]
        in_pool = sum(own.images[i].whole.pixels for i in own.roles.pool)
    assert proposal.scores is not None
    assert proposal.scores.asked == (*expected, 0)
    assert sum(proposal.scores.asked) == sum(item.new_pixels for item in proposal.items)
    assert sum(proposal.scores.pool) == in_pool


def test_strategy_without_a_score_map_leaves_no_histogram(project: Project) -> None:
    with with_query(project, "random") as own:
        assert propose(own, 1).scores is None
