"""What every strategy guarantees; see `askmask.Strategy`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch
from jaxtyping import Float32, Float64, Int

from askmask.config import ImageConfig, RegionConfig
from askmask.options import Options
from askmask.query.regions import Places, Rule, places_of
from askmask.query.regions.places import counted
from askmask.query.scores import SampleSums
from askmask.query.strategies import ScoredImage, Strategy, Turn
from askmask.records import QueryItem, Region

N_CLASSES = 3
SIZE = (24, 30)
REGIONS = RegionConfig(size=(8, 8), stride=4, budget_regions=4)
PIXELS = RegionConfig(size=(8, 8), stride=4, budget_pixels=4 * 64 + 10)
IMAGES = ImageConfig(budget_images=2)


@dataclass(frozen=True, slots=True, eq=False)
class PoolImage:
    """One image of the pool that the contract asks from."""

    image_id: str
    sums: SampleSums
    available: npt.NDArray[np.bool_]


def drawn_pool() -> list[PoolImage]:
    """Five images: untouched ones, one that is asked in part, and one that is asked all over."""
    pool = []
    for number, name in enumerate(("ape", "bee", "cat", "dog", "eel")):
        generator = torch.Generator().manual_seed(number)
        logits = torch.randn(6, N_CLASSES, *SIZE, generator=generator)
        available = np.ones(SIZE, bool)
        if name == "bee":
            available[:, :13] = False
        if name == "dog":
            available[:] = False
        pool.append(PoolImage(name, SampleSums.of(logits.softmax(1)), available))
    return pool


class StrategyContract:
    """Subclass it with a fixture `strategy`, or set `options` if it needs some."""

    options: Options | None = None
    """Options to test with; by default the strategy's own defaults."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """Return the strategy under test."""
        raise NotImplementedError

    @pytest.fixture(params=[REGIONS, PIXELS, IMAGES], ids=["regions", "pixels", "images"])
    def rule(self, request: pytest.FixtureRequest) -> Rule:
        """Return what one item covers, and the budget."""
        rule: Rule = request.param
        return rule

    def test_it_says_what_it_is_and_where_it_comes_from(self, strategy: Strategy) -> None:
        assert strategy.name
        assert strategy.description
        assert strategy.source

    def test_maps_have_the_size_of_the_image_and_are_finite(self, strategy: Strategy) -> None:
        turn = self._turn(strategy, REGIONS)
        for image in drawn_pool():
            maps = maps_of(strategy, image.sums, turn)
            assert maps.shape[1:] == SIZE
            assert np.isfinite(maps).all()
            assert strategy.maps is None or len(maps) >= 1

    def test_maps_leave_the_sums_as_they_were(self, strategy: Strategy) -> None:
        turn = self._turn(strategy, REGIONS)
        image, untouched = drawn_pool()[0], drawn_pool()[0]
        maps_of(strategy, image.sums, turn)
        assert torch.equal(image.sums.sum_probs, untouched.sums.sum_probs)
        assert torch.equal(image.sums.sum_entropy, untouched.sums.sum_entropy)
        assert torch.equal(image.sums.votes, untouched.sums.votes)

    def test_utilities_are_one_finite_number_for_each_place(
        self, strategy: Strategy, rule: Rule
    ) -> None:
        turn = self._turn(strategy, rule)
        for image in scored(strategy, drawn_pool(), turn):
            assert image.utilities.dtype == np.float64
            assert image.utilities.shape[1] == len(image.places.boxes)
            assert np.isfinite(image.utilities[:, image.places.new_pixels > 0]).all()

    def test_utilities_leave_the_maps_as_they_were(self, strategy: Strategy) -> None:
        turn = self._turn(strategy, REGIONS)
        image = drawn_pool()[0]
        places = places_of(image.image_id, image.available, REGIONS)
        maps = maps_of(strategy, image.sums, turn)
        before = maps.copy()
        strategy.utilities(places, maps, turn)
        np.testing.assert_array_equal(maps, before)

    def test_a_query_fills_its_budget_and_never_exceeds_it(
        self, strategy: Strategy, rule: Rule
    ) -> None:
        items = self._choose(strategy, rule)
        assert len(items) >= 1
        assert len(items) == {REGIONS: 4, IMAGES: 2}.get(rule, len(items))
        if rule.budget_pixels is not None:
            assert sum(item.new_pixels for item in items) <= rule.budget_pixels

    def test_places_that_are_not_kept_change_nothing(self, strategy: Strategy, rule: Rule) -> None:
        turn = self._turn(strategy, rule)
        less = (_with_needed_only(strategy, i, turn) for i in scored(strategy, drawn_pool(), turn))
        assert strategy.choose(less, turn) == self._choose(strategy, rule)

    def test_items_never_overlap(self, strategy: Strategy, rule: Rule) -> None:
        regions = [item.region for item in self._choose(strategy, rule)]
        for number, region in enumerate(regions):
            assert not any(region.overlaps(other) for other in regions[:number])

    def test_ranks_count_from_zero(self, strategy: Strategy, rule: Rule) -> None:
        items = self._choose(strategy, rule)
        assert [item.rank for item in items] == list(range(len(items)))

    def test_every_item_is_a_place_with_new_pixels_and_counts_them(
        self, strategy: Strategy, rule: Rule
    ) -> None:
        available = {image.image_id: image.available for image in drawn_pool()}
        boxes = places_of("any", np.ones(SIZE, bool), rule).boxes.tolist()
        for item in self._choose(strategy, rule):
            region = item.region
            assert [region.row, region.col, region.height, region.width] in boxes
            assert item.new_pixels == available[region.image_id][region.slices].sum() > 0

    def test_the_order_of_the_pool_changes_nothing(self, strategy: Strategy, rule: Rule) -> None:
        forwards = self._choose(strategy, rule)
        assert self._choose(strategy, rule, drawn_pool()[::-1]) == forwards

    def test_the_same_turn_asks_the_same(self, strategy: Strategy, rule: Rule) -> None:
        assert self._choose(strategy, rule) == self._choose(strategy, rule)

    def test_where_nothing_is_left_nothing_is_asked(self, strategy: Strategy, rule: Rule) -> None:
        asked = [image for image in drawn_pool() if not image.available.any()]
        assert self._choose(strategy, rule, asked) == ()

    def _choose(
        self, strategy: Strategy, rule: Rule, pool: Sequence[PoolImage] | None = None
    ) -> tuple[QueryItem, ...]:
        turn = self._turn(strategy, rule)
        return strategy.choose(scored(strategy, drawn_pool() if pool is None else pool, turn), turn)

    def _turn(self, strategy: Strategy, rule: Rule) -> Turn:
        options = strategy.options() if self.options is None else self.options
        return Turn(seed=5, round=2, rounds=3, rule=rule, options=options)


def maps_of(strategy: Strategy, sums: SampleSums, turn: Turn) -> Float32[np.ndarray, "K H W"]:
    """Score maps of an image as the loop takes them; none for strategies that need no model."""
    if strategy.maps is None:
        return np.zeros((0, *SIZE), np.float32)
    maps = strategy.maps(sums, turn).float().numpy()
    stacked: Float32[np.ndarray, "K H W"] = maps[None] if maps.ndim == 2 else maps
    return stacked


def scored(strategy: Strategy, pool: Sequence[PoolImage], turn: Turn) -> Iterator[ScoredImage]:
    """Read the images of a pool as the loop does: once, one after another."""
    for image in pool:
        if not image.available.any() and not strategy.sees_labelled:
            continue
        places = places_of(image.image_id, image.available, turn.rule)
        maps = counted(image.image_id, maps_of(strategy, image.sums, turn), image.available)
        yield ScoredImage(places, _utilities(strategy, places, maps, turn), _Embedded(image))


def _with_needed_only(strategy: Strategy, image: ScoredImage, turn: Turn) -> ScoredImage:
    """Return an image whose places have the utility -inf, but for those that are needed."""
    needed = strategy.needed(image.places, image.utilities, turn)
    utilities = np.full_like(image.utilities, -np.inf)
    utilities[:, needed] = image.utilities[:, needed]
    return ScoredImage(image.places, utilities, image.embed)


def _utilities(
    strategy: Strategy, places: Places, maps: Float32[np.ndarray, "K H W"], turn: Turn
) -> Float64[np.ndarray, "L n"]:
    return strategy.utilities(places, maps, turn)


@dataclass(frozen=True, slots=True, eq=False)
class _Embedded:
    """Features of boxes: the means of the probabilities and of the entropy."""

    image: PoolImage

    def __call__(self, boxes: Int[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n D"]:
        sums = self.image.sums
        planes = torch.cat([sums.sum_probs, sums.sum_entropy[None]])
        regions = [Region(self.image.image_id, *box) for box in boxes.tolist()]
        means = [planes[:, *region.slices].mean((1, 2)) for region in regions]
        return torch.stack(means).numpy() if means else np.zeros((0, len(planes)), np.float32)
