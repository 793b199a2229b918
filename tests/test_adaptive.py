"""Adaptive samples: what is drawn, that it is a function of keys, and what of a query it keeps."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch

from askmask.config import Config, ImageConfig, RegionConfig, with_overrides
from askmask.errors import ConfigError
from askmask.loop.ask import propose
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.query import adaptive
from askmask.query.adaptive import AdaptiveSampling, stages
from askmask.query.forecast import Estimate
from askmask.query.regions import Places, Rule, places_of, ranked, select
from askmask.query.scores import SampleSums, score_map
from askmask.seeds import numpy_generator

Build = Callable[..., Config]
CPU = torch.device("cpu")
SHAPE = (24, 32)
WINDOWS = RegionConfig(size=(8, 8), stride=8, budget_regions=6)


class DrawnPool:
    """Images of smooth probabilities, whose samples are keyed and whose draws are counted."""

    def __init__(self, n: int, acquisition: str, rule: Rule, noise: float = 0.5) -> None:
        self.ids = [f"image_{k:02d}" for k in range(n)]
        self.acquisition, self.rule, self.noise = acquisition, rule, noise
        self.drawn: list[tuple[str, int]] = []
        self.started: list[str] = []
        self.visits: list[str] = []

    @cached_property
    def foreground(self) -> dict[str, torch.Tensor]:
        """(S, H, W) of the samples that may be drawn, and 200 more to judge by."""
        maps = {}
        for image_id in self.ids:
            generator = numpy_generator(0, image_id)
            base = generator.normal(0, 2.5, (6, 8))
            noise = self.noise * generator.lognormal(0, 0.5)  # images differ in how sure they are
            logits = base + noise * generator.normal(0, 1.0, (230, 6, 8))
            maps[image_id] = torch.from_numpy(np.kron(logits, np.ones((4, 4)))).sigmoid().float()
        return maps

    def probs(self, image_id: str, samples: Sequence[int]) -> torch.Tensor:
        p = self.foreground[image_id][list(samples)]
        return torch.stack([1 - p, p], dim=1)

    def start(self, image_id: str) -> "StartedDrawing":
        self.started.append(image_id)
        return StartedDrawing(self, image_id)

    def utility(self, image_id: str, sums: SampleSums) -> tuple[Places, np.ndarray]:
        places = places_of(image_id, np.ones(SHAPE, bool), self.rule)
        score = score_map(self.acquisition, sums).numpy().astype(np.float64)
        return places, places.scores(score)

    def run(self, limit: int = 30, tolerance: float = 5e-4) -> list[Estimate]:
        sampling = AdaptiveSampling(self.start, self.utility, self.rule, limit, tolerance)
        return sampling.run(self.ids, lambda _done, _total: None)

    def query(self, utilities: Sequence[np.ndarray]) -> list[object]:
        lists = (
            ranked(places_of(i, np.ones(SHAPE, bool), self.rule), u)
            for i, u in zip(self.ids, utilities, strict=True)
        )
        return [item.region for item in select(lists, self.rule)]

    def worth(self, regions: Sequence[object], numbers: range) -> float:
        """Sum of the scores of regions by other samples."""
        maps = {
            i: score_map(self.acquisition, SampleSums.of(self.probs(i, numbers))) for i in self.ids
        }
        return float(sum(maps[r.image_id][r.slices].sum() for r in regions))  # type: ignore[attr-defined]


class StartedDrawing:
    nbytes = 100

    def __init__(self, pool: DrawnPool, image_id: str) -> None:
        self.pool, self.image_id = pool, image_id

    def batches(self, parts: Sequence[Sequence[int]]) -> list[SampleSums]:
        self.pool.visits.append(self.image_id)
        self.pool.drawn += [(self.image_id, s) for numbers in parts for s in numbers]
        return [SampleSums.of(self.pool.probs(self.image_id, numbers)) for numbers in parts]


def by_all(pool: DrawnPool, limit: int = 30) -> list[np.ndarray]:
    return [pool.utility(i, SampleSums.of(pool.probs(i, range(limit))))[1] for i in pool.ids]


class TestStages:
    @pytest.mark.parametrize("limit", [1, 3, 4, 5, 8, 9, 30, 50, 64])
    def test_every_sample_is_drawn_once(self, limit: int) -> None:
        drawn = [s for _, ranges in stages(limit) for numbers in ranges for s in numbers]
        assert drawn == list(range(limit))

    def test_groups_stay_equally_large(self) -> None:
        for _, ranges in list(stages(100))[:-1]:
            assert len({len(numbers) for numbers in ranges}) == 1
            assert len(ranges) == adaptive.GROUPS


@pytest.mark.parametrize(
    ("acquisition", "rule"),
    [
        ("predictive_entropy", WINDOWS),
        ("mutual_information", WINDOWS),
        ("margin", WINDOWS),
        ("mutual_information", ImageConfig(budget_images=4)),
        ("variation_ratio", ImageConfig(score="mean", budget_images=4)),
    ],
)
def test_fewer_samples_keep_the_score_of_the_query(acquisition: str, rule: Rule) -> None:
    pool = DrawnPool(24, acquisition, rule)
    found = pool.run()
    judged = range(30, 230)
    kept = pool.worth(pool.query([e.utilities for e in found]), judged)
    assert np.mean([e.n_samples for e in found]) < 15
    assert kept > 0.995 * pool.worth(pool.query(by_all(pool)), judged)


def test_an_image_that_ends_at_all_samples_has_their_very_scores() -> None:
    pool = DrawnPool(8, "mutual_information", WINDOWS, noise=2.0)
    found = pool.run(tolerance=1e-9)
    everything = by_all(pool)
    full = [k for k, estimate in enumerate(found) if estimate.n_samples == 30]
    assert full
    for k in full:
        np.testing.assert_allclose(found[k].utilities, everything[k], rtol=1e-4)


def test_without_noise_no_image_gets_more_than_the_first_samples() -> None:
    found = DrawnPool(8, "predictive_entropy", WINDOWS, noise=0.0).run()
    assert {estimate.n_samples for estimate in found} == {adaptive.GROUPS}


def test_no_sample_is_drawn_twice_while_there_is_room_on_disk() -> None:
    pool = DrawnPool(24, "mutual_information", WINDOWS, noise=1.0)
    found = pool.run()
    assert len(pool.drawn) == len(set(pool.drawn)) == sum(e.n_samples for e in found)
    # Some were closed and opened again: they have more samples than a step per visit gives.
    below = [e for e in found if e.n_samples < 30]
    assert any(e.n_samples > adaptive.GROUPS * pool.visits.count(e.image_id) for e in below)


def test_sums_that_found_no_room_are_drawn_again_with_the_same_result(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, cramped = (DrawnPool(12, "mutual_information", WINDOWS) for _ in range(2))
    expected = pool.run()
    one_image = 4 * 5 * 24 * 32 * 4  # groups x planes x pixels x bytes
    monkeypatch.setattr(adaptive, "_SHELF_BYTES", 2 * one_image)
    found = cramped.run()
    assert len(cramped.drawn) > len(set(cramped.drawn))
    for a, b in zip(expected, found, strict=True):
        assert a.n_samples == b.n_samples
        np.testing.assert_allclose(a.utilities, b.utilities, rtol=1e-5)


def test_an_image_is_started_once_while_there_is_room_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool, cramped = (DrawnPool(12, "mutual_information", WINDOWS) for _ in range(2))
    expected = pool.run()
    assert sorted(pool.started) == pool.ids
    monkeypatch.setattr(adaptive, "_STARTED_BYTES", 300)  # three images
    found = cramped.run()
    assert len(cramped.started) > len(cramped.ids)
    for a, b in zip(expected, found, strict=True):
        assert a.utilities.tolist() == b.utilities.tolist()


def test_order_of_the_images_changes_nothing() -> None:
    pool, shuffled = (DrawnPool(12, "mutual_information", WINDOWS) for _ in range(2))
    shuffled.ids = [shuffled.ids[k] for k in np.random.default_rng(0).permutation(12)]
    expected = {e.image_id: e for e in pool.run()}
    for found in shuffled.run():
        assert found.n_samples == expected[found.image_id].n_samples
        assert found.utilities.tolist() == expected[found.image_id].utilities.tolist()


def test_few_samples_in_all_are_drawn_at_once() -> None:
    pool = DrawnPool(6, "predictive_entropy", WINDOWS)
    found = pool.run(limit=3)
    for estimate, expected in zip(found, by_all(pool, 3), strict=True):
        np.testing.assert_allclose(estimate.utilities, expected, rtol=1e-6)


class TestInTheLoop:
    @pytest.fixture(scope="class")
    @staticmethod
    def trained_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("trained") / "p"

    @pytest.fixture
    def project(self, trained_root: Path, disc_config: Build) -> Iterator[Project]:
        """Project with a model of round 0, made once; tests only read it."""
        if trained_root.exists():
            with Project.open(trained_root) as project:
                yield project
            return
        config = disc_config(training={"steps": 30}, sampling={"samples": 12})
        with Project.create(trained_root, config) as project:
            loop = Loop(project)
            loop.tell_start(MaskOracle(project.source))
            loop.train()
            yield project

    @staticmethod
    def proposed(project: Project, **keys: object) -> list[tuple[object, float]]:
        overrides = {key.replace("__", "."): value for key, value in keys.items()}
        with Project(project.root, with_overrides(project.config, overrides)) as own:
            return [(item.region, item.score) for item in propose(own, 1).items]

    @pytest.mark.parametrize("unit", ["region", "image"])
    def test_query_says_how_many_samples_it_took(
        self, project: Project, unit: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "askmask.loop.ask")
        items = self.proposed(
            project, query__acquisition="mutual_information", query__unit=unit,
            sampling__adaptive=True,
        )  # fmt: skip
        assert len(items) == (3 if unit == "region" else 1)
        assert "samples per image, of 12" in caplog.text

    def test_tiny_tolerance_gives_the_query_of_all_samples(self, project: Project) -> None:
        name = "mutual_information"
        fixed = self.proposed(project, query__acquisition=name)
        found = self.proposed(
            project, query__acquisition=name, sampling__adaptive=True, sampling__adaptive_loss=1e-12
        )
        assert [region for region, _ in found] == [region for region, _ in fixed]
        np.testing.assert_allclose(
            [score for _, score in found], [score for _, score in fixed], rtol=1e-4
        )

    @pytest.mark.parametrize("name", ["random", "clasp_power_entropy", "kmeans_entropy"])
    def test_strategies_that_do_not_ask_the_best_first_are_left_as_they_are(
        self, project: Project, name: str
    ) -> None:
        fixed = self.proposed(project, query__acquisition=name)
        assert self.proposed(project, query__acquisition=name, sampling__adaptive=True) == fixed

    def test_strategy_with_keyed_noise_is_adaptive_too(self, project: Project) -> None:
        name = "power_entropy"
        fixed = self.proposed(project, query__acquisition=name)
        found = self.proposed(
            project, query__acquisition=name, sampling__adaptive=True, sampling__adaptive_loss=1e-12
        )
        assert [region for region, _ in found] == [region for region, _ in fixed]

    def test_ensemble_has_no_adaptive_samples(self, project: Project) -> None:
        with pytest.raises(ConfigError, match="adaptive needs method: dropout"):
            self.proposed(project, sampling__method="ensemble", sampling__adaptive=True)
