"""Strategies by hand: small maps whose utilities and choices can be worked out on paper."""

import doctest
import math
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from askmask.config import Config, ImageConfig, RegionConfig
from askmask.errors import AskmaskError, ConfigError, UnknownName
from askmask.query.regions import places_of
from askmask.query.scores import SampleSums
from askmask.query.strategies import (
    STRATEGIES,
    ScoredImage,
    Strategy,
    Turn,
    diverse,
    find_strategy,
    impurity,
    noisy,
    register,
    strategy_names,
    strategy_turn,
    stratified,
)
from askmask.query.strategies import (
    by_name as registry,
)
from askmask.records import Region
from askmask.testing import StrategyContract

PAIRS = RegionConfig(size=(1, 2), stride=2, budget_regions=2)


def turn_of(rule: RegionConfig | ImageConfig = PAIRS, **changes: object) -> Turn:
    values: dict[str, object] = {"seed": 0, "round": 1, "rounds": 3, "rule": rule}
    return Turn(**(values | changes))  # type: ignore[arg-type]


def image_of(
    utilities: list[list[float]], image_id: str = "a", features: list[list[float]] | None = None
) -> ScoredImage:
    """One row of pairs of pixels, a utility for each pair, and its features if given."""
    n = len(utilities[0])
    places = places_of(image_id, np.ones((1, 2 * n), bool), PAIRS)

    def embed(boxes: np.ndarray) -> np.ndarray:
        assert features is not None
        return np.array(features, np.float32)[boxes[:, 1] // 2]

    return ScoredImage(places, np.array(utilities, np.float64), embed)


def columns(items: tuple[object, ...]) -> list[tuple[str, int]]:
    return [(item.region.image_id, item.region.col // 2) for item in items]  # type: ignore[attr-defined]


def sums_of(probs: list[list[float]]) -> SampleSums:
    """One sample of one row of pixels: a list of probabilities per class."""
    return SampleSums.of(torch.tensor(probs)[None, :, None, :])


class TestNoise:
    def test_power_without_noise_is_the_logarithm_of_the_mean(self) -> None:
        places = places_of("a", np.ones((1, 4), bool), PAIRS)
        turn = turn_of(options=noisy.NoiseOptions(beta=1e12))
        utility = noisy.power(places, np.array([[[1.0, 3.0, 0.5, 0.0]]]), turn)
        assert np.exp(utility)[0].tolist() == pytest.approx([2.0, 0.25], abs=1e-9)

    def test_power_of_nothing_is_asked_last_and_negative_scores_are_refused(self) -> None:
        assert noisy.log_of(np.zeros(1))[0] < -700
        with pytest.raises(AskmaskError, match="expected scores >= 0"):
            noisy.log_of(np.array([-0.1]))

    def test_power_draws_in_proportion_to_the_scores(self) -> None:
        # Means 3 and 1 with beta 1: the first is drawn first in 3 of 4 cases.
        places = places_of("a", np.ones((1, 4), bool), PAIRS)
        maps = np.array([[[3.0, 3.0, 1.0, 1.0]]])
        wins = [
            noisy.power(places, maps, turn_of(seed=seed, options=noisy.NoiseOptions()))[0].argmax()
            for seed in range(2000)
        ]
        assert np.mean(np.array(wins) == 0) == pytest.approx(0.75, abs=0.04)  # 4 standard errors

    def test_softmax_draws_in_proportion_to_the_exponentials(self) -> None:
        places = places_of("a", np.ones((1, 4), bool), PAIRS)
        maps = np.array([[[math.log(3)] * 2 + [0.0] * 2]])
        options = noisy.NoiseOptions(beta=1.0)
        wins = [
            noisy.softmax(places, maps, turn_of(seed=seed, options=options))[0].argmax()
            for seed in range(2000)
        ]
        assert np.mean(np.array(wins) == 0) == pytest.approx(0.75, abs=0.04)

    def test_soft_rank_ranks_the_whole_pool(self) -> None:
        # Ranks 1 to 4 are a1, b0, a0, b1; noise log 3 lifts a0 to 0 = -log 3 + log 3.
        images = [
            image_of([[2.0, 9.0], [math.log(3) + 0.01, 0.0]]),
            image_of([[5.0, 1.0], [0.0, 0.0]], "b"),
        ]
        assert columns(noisy.soft_rank(images, turn_of())) == [("a", 0), ("a", 1)]

    def test_best_of_random_batches_is_the_group_with_the_largest_mean(self) -> None:
        # Keys order the places a0 a1 | b0 b1 | a2; means 2, 3 and a rest that is no group.
        images = [image_of([[9, 8, 5], [1, 3, 99]]), image_of([[7, 6], [2, 4]], "b")]
        assert columns(noisy.best_of_random_batches(images, turn_of())) == [("b", 1), ("b", 0)]

    def test_noise_depends_on_seed_round_and_image_only(self) -> None:
        here = turn_of().gumbel("a", (3,))
        assert np.array_equal(here, turn_of().gumbel("a", (3,)))
        for other in (turn_of(seed=1), turn_of(round=2)):
            assert not np.array_equal(here, other.gumbel("a", (3,)))
        assert not np.array_equal(here, turn_of().gumbel("b", (3,)))


class TestParts:
    def test_each_item_is_the_best_left_for_its_part(self) -> None:
        images = [image_of([[1, 2, 3], [9, 8, 1]]), image_of([[4, 0, 0], [7, 0, 0]], "b")]
        items = stratified.in_parts(images, [1, 1, 0, 0], {})
        assert columns(items) == [("a", 0), ("a", 1), ("b", 0), ("a", 2)]
        assert [item.score for item in items] == [9, 8, 4, 3]

    def test_cap_limits_a_part_in_one_image(self) -> None:
        images = [image_of([[1, 2, 3], [9, 8, 1]]), image_of([[0, 0, 0], [7, 0, 0]], "b")]
        items = stratified.in_parts(images, [1, 1], {1: 1})
        assert columns(items) == [("a", 0), ("b", 0)]

    def test_overlapping_places_are_not_chosen_by_another_part(self) -> None:
        rule = RegionConfig(size=(1, 2), stride=1)
        places = places_of("a", np.ones((1, 4), bool), rule)
        image = ScoredImage(places, np.array([[5.0, 4.0, 1.0], [0.0, 9.0, 0.0]]), lambda _: None)
        assert [i.region for i in stratified.in_parts([image], [1, 0], {})] == [
            Region("a", 0, 1, 1, 2)
        ]

    def test_held_images_are_enough_for_the_choice_over_all(self) -> None:
        generator = np.random.default_rng(0)
        images = [
            image_of(generator.random((3, 4)).tolist(), f"image_{number:03d}")
            for number in range(200)
        ]
        parts = [1, 2, 0, 1, 2, 0]
        best: list[tuple[str, int]] = []
        taken: set[tuple[str, int]] = set()
        for part in parts:  # by plain loops over everything
            score, place = max(
                (image.utilities[part, i], (image.places.image_id, i))
                for image in images
                for i in range(4)
                if (image.places.image_id, i) not in taken
            )
            assert score > 0
            taken.add(place)
            best.append(place)
        assert columns(stratified.in_parts(images, parts, {})) == best

    def test_clasp_splits_the_query_over_classes_and_the_rest(self) -> None:
        # Q = 6: floor(0.66 * 6) = 3 for two classes, 1 each; 4 by entropy, at most 2 per image.
        rule = RegionConfig(size=(1, 2), stride=2, budget_regions=6)
        turn = turn_of(rule, options=stratified.ClassStratifiedOptions())
        rows = [[6, 5, 4, 3, 2, 1], [0, 9, 0, 0, 0, 0], [0, 0, 9, 0, 0, 0]]
        images = [image_of(rows), image_of([[0.5] * 6, [0] * 6, [0] * 6], "b")]
        items = stratified.by_class(images, turn)
        assert columns(items) == [
            ("a", 1), ("a", 2), ("a", 0), ("a", 3), ("b", 0), ("b", 1)
        ]  # fmt: skip

    def test_clasp_schedule_goes_from_1_to_100(self) -> None:
        places = places_of("a", np.ones((1, 4), bool), PAIRS)
        maps = np.ones((2, 1, 4))
        options = stratified.ClassStratifiedOptions()
        noise = [
            stratified.scheduled_power(places, maps, turn_of(round=r, options=options))
            / turn_of(round=r).gumbel("a", (2, 2))
            for r in (1, 2, 3, 4)
        ]
        assert [1 / n[0, 0] for n in noise] == pytest.approx([1, 10, 100, 100])

    def test_class_maps_are_entropy_times_probability(self) -> None:
        sums = sums_of([[0.5, 1.0], [0.25, 0.0], [0.25, 0.0]])
        maps = stratified.entropy_by_class(sums, turn_of())[:, 0]
        entropy = 1.5 * math.log(2)
        assert maps[:, 0].tolist() == pytest.approx([entropy, entropy / 4, entropy / 4])
        assert maps[:, 1].tolist() == [0, 0, 0]
        everywhere = stratified.entropy_by_class(sums, turn_of(has_background=False))
        assert len(everywhere) == 4

    def test_foreground_weight_counts_the_pixels_nearest_to_a_window(self) -> None:
        # Windows of 2 at 0, 1, 2 of 4 pixels have centres 1, 2, 3: the first gets pixels 0 and 1.
        places = places_of("a", np.ones((1, 4), bool), RegionConfig(size=(1, 2), stride=1))
        mask = np.array([[True, True, True, True]])
        assert places.nearest(mask).sum() == 4
        assert places.nearest(np.array([[True, False, False, False]])).tolist() == [1, 0, 0]
        assert places.nearest(np.array([[False, False, False, True]])).tolist() == [0, 0, 1]

    def test_foreground_aware_random_takes_its_share_from_the_foreground(self) -> None:
        rule = RegionConfig(size=(1, 2), stride=2, budget_regions=1)
        hits = []
        for seed in range(600):
            turn = turn_of(rule, seed=seed, options=stratified.ForegroundOptions())
            places = places_of("a", np.ones((1, 20), bool), rule)
            foreground = np.zeros((1, 1, 20), np.float32)
            foreground[0, 0, 6] = 1
            utilities = stratified.random_and_foreground(places, foreground, turn)
            image = ScoredImage(places, utilities, lambda _: None)
            hits.append(columns(stratified.mostly_random([image], turn)) == [("a", 3)])
        # 1/3 from the foreground and 2/3 * 1/10 by chance; 4 standard errors
        assert np.mean(hits) == pytest.approx(1 / 3 + 2 / 30, abs=0.08)


class TestFeatures:
    def test_k_means_chooses_among_the_best_only_and_the_best_first(self) -> None:
        turn = turn_of(options=diverse.KMeansOptions(pool_factor=1.5))
        image = image_of([[9, 8, 7, 6]], features=[[0.0], [0.0], [5.0], [99.0]])
        # 3 best: features 0, 0, 5; after the first only the third has a distance.
        assert columns(diverse.spread_among_best([image], turn)) == [("a", 0), ("a", 2)]

    def test_core_set_goes_farthest_from_what_is_labelled(self) -> None:
        available = np.ones((1, 8), bool)
        available[0, :2] = False
        places = places_of("a", available, PAIRS)
        features = np.array([[0.0], [1.0], [4.0], [9.0]], np.float32)
        image = ScoredImage(
            places, np.array([[0.0, 1.0, 2.0, 3.0]]), lambda boxes: features[boxes[:, 1] // 2]
        )
        items = diverse.farthest_first([image], turn_of())
        assert columns(items) == [("a", 3), ("a", 2)]
        assert [item.score for item in items] == [9.0, 4.0]

    def test_region_impurity_multiplies_class_mixture_and_entropy(self) -> None:
        # Pair 0: one pixel of each class (log 2), mean entropy log 2; pair 1: one class only.
        sums = sums_of([[0.5, 0.4, 0.9, 0.9], [0.5, 0.6, 0.1, 0.1]])
        maps = impurity.entropy_and_predicted_classes(sums, turn_of()).numpy()
        places = places_of("a", np.ones((1, 4), bool), PAIRS)
        mean = (math.log(2) - 0.4 * math.log(0.4) - 0.6 * math.log(0.6)) / 2
        found = impurity.region_impurity(places, maps, turn_of())
        assert found[0].tolist() == pytest.approx([math.log(2) * mean, 0.0], abs=1e-6)


class TestRegistry:
    def test_every_strategy_has_a_source_and_a_description(self) -> None:
        assert all(s.source and s.description for s in STRATEGIES.values())
        assert set(strategy_names()) >= set(STRATEGIES)

    @pytest.mark.parametrize(
        ("said", "meant"), [("BALD", "mutual_information"), ("power_bald", "power_mutual_inf")]
    )
    def test_other_words_name_the_strategy_that_is_meant(self, said: str, meant: str) -> None:
        with pytest.raises(UnknownName, match=f"no acquisition function '{said}'.*'{meant}"):
            find_strategy(said)

    def test_options_are_checked_with_the_nearest_name(self, disc_config: object) -> None:
        config: Config = disc_config(  # type: ignore[operator]
            query={"acquisition": "power_entropy", "options": {"bta": 2}}
        )
        with pytest.raises(ConfigError, match="unknown option 'bta' of strategy 'power_entropy'. "):
            strategy_turn(config, 1)

    def test_options_reach_the_strategy(self, disc_config: object) -> None:
        config: Config = disc_config(  # type: ignore[operator]
            query={"acquisition": "power_entropy", "options": {"beta": 2}}
        )
        assert strategy_turn(config, 1)[1].options == noisy.NoiseOptions(beta=2)

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ({"region": {"overlap": "allow"}}, "expected query.region.overlap=forbid"),
            ({"unit": "image", "image": {"budget_pixels": 9}}, "expected query.image.budget_image"),
        ],
    )
    def test_rules_that_hide_the_number_of_items_are_refused(
        self, disc_config: object, query: dict[str, object], message: str
    ) -> None:
        config = disc_config(query={"acquisition": "coreset", **query})  # type: ignore[operator]
        with pytest.raises(ConfigError, match=message):
            strategy_turn(config, 1)

    def test_budget_of_pixels_is_the_whole_windows_that_fit(self) -> None:
        assert turn_of(RegionConfig(size=(10, 10), budget_pixels=399)).count == 3

    def test_registered_strategy_is_found_by_its_name_and_never_replaced(self) -> None:
        mine = Strategy(name="test_of_mine", description="d", source="s", maps=None)
        register(mine)
        assert find_strategy("test_of_mine") is mine
        for name in ("test_of_mine", "random"):
            with pytest.raises(ConfigError, match="which is taken"):
                register(Strategy(name=name, description="d", source="s", maps=None))


OUTSIDE = """
from torch import Tensor

from askmask import SampleSums
from askmask.query.strategies import Strategy
from askmask.query.strategies.noisy import NoiseOptions, power


def my_score(sums: SampleSums) -> Tensor:
    return 1 - (2 * sums.mean_probs[1] - 1).abs()


power_of_mine = Strategy(
    name="power_of_mine",
    description="log of my score + noise",
    source="this page",
    maps=lambda sums, turn: my_score(sums),
    utilities=power,
    options=NoiseOptions,
)
NUMBER = 3
"""


class TestOutside:
    @pytest.fixture(autouse=True)
    def _package(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        package = tmp_path / "outside" / "my_askmask_package"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "mymodule.py").write_text(OUTSIDE)
        monkeypatch.syspath_prepend(package.parent)
        for name in [n for n in sys.modules if n.startswith("my_askmask_package")]:
            monkeypatch.delitem(sys.modules, name)

    def test_function_of_another_package_is_a_strategy(self) -> None:
        strategy = find_strategy("my_askmask_package.mymodule:my_score")
        assert strategy.maps is not None
        score = strategy.maps(sums_of([[0.5, 0.9], [0.5, 0.1]]), turn_of())
        assert score[0].tolist() == pytest.approx([1.0, 0.2])

    def test_strategy_of_another_package_is_found_under_its_path(self) -> None:
        path = "my_askmask_package.mymodule:power_of_mine"
        assert find_strategy(path).name == path

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("my_askmask_package.nothing:f", "No module named"),
            ("my_askmask_package.mymodule:nothing", "has no attribute 'nothing'"),
            ("my_askmask_package.mymodule:NUMBER", "to be a Strategy or a function"),
            (":f", "expected an acquisition function as"),
        ],
    )
    def test_path_that_leads_nowhere_says_why(self, path: str, message: str) -> None:
        with pytest.raises(UnknownName, match=message):
            find_strategy(path)


def test_functions_written_in_the_docs_are_those_of_the_test() -> None:
    page = Path(__file__).parents[1] / "docs" / "explanation" / "strategies.md"
    text = page.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in STRATEGIES)
    assert "return 1 - (2 * sums.mean_probs[1] - 1).abs()" in text


@pytest.mark.parametrize("module", [noisy, stratified, diverse, impurity, registry])
def test_examples_run(module: ModuleType) -> None:
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


class TestContract(StrategyContract):
    # One of each kind: what is done with entropy is done with mutual information, too.
    @pytest.fixture(params=[n for n in STRATEGIES if not n.endswith("_mutual_information")])
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return STRATEGIES[request.param]
