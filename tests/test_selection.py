"""Selection over a pool: one greedy pass, within a budget, without holding the pool."""

import itertools
import math
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import ShapeError
from askmask.query.regions import Candidate, select, selection
from askmask.records import Region
from plain_candidates import scored_candidates
from plain_regions import all_windows, chosen_of, covered, everywhere, global_greedy, pools


class TestSelect:
    @given(case=pools())
    @settings(max_examples=50, deadline=None)
    def test_merged_lists_equal_one_greedy_pass_over_all_windows_of_all_images(self, case):
        pool, config = case
        assert chosen_of(pool, config) == global_greedy(pool, config)

    @given(case=pools())
    @settings(max_examples=30, deadline=None)
    def test_boxes_are_disjoint_and_the_cost_is_unique_new_pixels_within_the_budget(self, case):
        pool, config = case
        chosen = chosen_of(pool, config)
        regions = [region for region, _, _ in chosen]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(regions, 2))
        assert sum(new for _, _, new in chosen) == covered(pool, regions)
        assert len(chosen) <= (config.budget_regions or math.inf)
        assert sum(new for _, _, new in chosen) <= (config.budget_pixels or math.inf)

    @given(case=pools())
    @settings(max_examples=25, deadline=None)
    def test_order_of_the_images_is_indifferent(self, case):
        pool, config = case
        backwards = dict(reversed(pool.items()))
        assert chosen_of(pool, config) == chosen_of(backwards, config)

    @given(
        costs=st.lists(st.integers(1, 30), max_size=60),
        budget=st.integers(1, 80),
        seed=st.integers(0, 2**32),
    )
    @settings(max_examples=50, deadline=None)
    def test_pruning_the_stream_never_changes_what_is_chosen(self, costs, budget, seed):
        scores = np.random.default_rng(seed).integers(0, 20, len(costs)).tolist()
        pool = [
            Candidate(Region(f"{n:03d}", 0, 0, 1, cost), float(score), cost)
            for n, (score, cost) in enumerate(zip(scores, costs, strict=True))
        ]
        held, left, expected = [], budget, []
        for candidate in pool:  # pruned after every single candidate
            held = selection.still_possible([*held, candidate], budget)
        for candidate in sorted(pool, key=lambda c: (-c.score, c.region)):
            if candidate.new_pixels <= left:
                expected.append(candidate)
                left -= candidate.new_pixels
        assert selection.fitting(held, budget) == expected

    def test_a_candidate_that_does_not_fit_is_passed_over(self):
        # Costs 4, 6, 1 in this order, 5 pixels: the second does not fit, the third does.
        pool = [
            [Candidate(Region(name, 0, 0, 1, cost), score, cost)]
            for name, score, cost in [("a", 9.0, 4), ("b", 8.0, 6), ("c", 7.0, 1)]
        ]
        chosen = select(pool, RegionConfig(budget_pixels=5))
        assert [(item.rank, item.region.image_id) for item in chosen] == [(0, "a"), (1, "c")]

    def test_equal_scores_go_by_image_id(self):
        pool = [[Candidate(Region(name, 0, 0, 1, 1), 1.0, 1)] for name in ("b", "a", "c")]
        chosen = select(pool, ImageConfig(budget_images=2))
        assert [item.region.image_id for item in chosen] == ["a", "b"]

    @pytest.mark.parametrize(("config", "count"), [(RegionConfig(), 20), (ImageConfig(), 5)])
    def test_default_budgets_are_twenty_regions_or_five_images(self, config, count):
        pool = [[Candidate(Region(f"{n}", 0, 0, 1, 1), float(n), 1)] for n in range(30)]
        assert len(select(pool, config)) == count

    def test_images_fill_a_budget_of_pixels(self):
        pool = [
            scored_candidates(name, np.full(shape, 1.0), everywhere(*shape), ImageConfig())
            for name, shape in [("a", (3, 3)), ("b", (2, 3)), ("c", (2, 2))]
        ]
        chosen = select(pool, ImageConfig(budget_pixels=13))
        assert [item.region.image_id for item in chosen] == ["a", "c"]

    def test_an_empty_pool_gives_an_empty_query(self):
        assert select([], RegionConfig()) == ()
        assert select([[], []], RegionConfig(budget_pixels=5)) == ()

    def test_an_image_that_comes_twice_is_refused(self):
        twice = [Candidate(Region("a", 0, 0, 2, 2), 1.0, 4)]
        with pytest.raises(ShapeError, match="without overlap.*Give every image once"):
            select([twice, twice], RegionConfig())


class TestOverlapAllowed:
    @given(case=pools(overlap="allow"))
    @settings(max_examples=50, deadline=None)
    def test_the_paper_way_takes_the_best_windows_and_counts_their_union(self, case):
        pool, config = case
        chosen = chosen_of(pool, config)
        regions = [region for region, _, _ in chosen]
        ranking = sorted(w for name, maps in pool.items() for w in all_windows(name, *maps, config))
        best = [region for _, region, _ in ranking]
        if config.budget_pixels is None:
            assert regions == best[: config.budget_regions]
        else:
            assert covered(pool, regions) <= config.budget_pixels
            reached = [
                n for n in range(len(best) + 1) if covered(pool, best[:n]) <= config.budget_pixels
            ]
            useful = [
                region
                for n, region in enumerate(best[: max(reached)])
                if covered(pool, best[: n + 1]) > covered(pool, best[:n])
            ]
            assert regions == useful
        assert sum(new for _, _, new in chosen) == covered(pool, regions)

    def test_twenty_windows_of_a_smooth_map_cost_far_less_than_twenty_windows(self):
        rows, cols = np.mgrid[:528, :784]
        score = np.exp(-((rows - 264) ** 2 + (cols - 392) ** 2) / 2e4)
        config = RegionConfig(overlap="allow", budget_regions=20)
        items = select([scored_candidates("a", score, everywhere(528, 784), config)], config)
        assert len(items) == 20
        assert sum(item.new_pixels for item in items) < 20 * 150 * 150 / 4

    def test_the_window_that_ended_the_query_ends_it_in_any_order_of_the_images(self):
        # 2 x 2 windows, 6 pixels: the best (4 pixels) fits, the second (4 more) does not and ends
        # the query. Read first, "a" is pruned before the window of "b" comes, the third best.
        config = RegionConfig(size=(2, 2), stride=2, overlap="allow", budget_pixels=6)
        falling = np.linspace(2, 1, 2400).repeat(2).reshape(2400, 2)
        pool = {
            "a": (falling, everywhere(2400, 2)),
            "b": (np.full((1, 2), 3.9), everywhere(1, 2)),
        }
        only = [Region("a", 0, 0, 2, 2)]
        assert [region for region, _, _ in chosen_of(pool, config)] == only
        backwards = dict(reversed(pool.items()))
        assert [region for region, _, _ in chosen_of(backwards, config)] == only

    @given(case=pools(overlap="allow"), room=st.integers(1, 6), data=st.data())
    @settings(max_examples=60, deadline=None)
    def test_order_of_the_images_is_indifferent_however_often_windows_are_dropped(
        self, case, room, data
    ):
        pool, config = case
        shuffled = {name: pool[name] for name in data.draw(st.permutations(sorted(pool)))}
        with pytest.MonkeyPatch.context() as patch:
            expected = chosen_of(pool, config)
            patch.setattr(selection, "_ROOM", room)
            assert chosen_of(shuffled, config) == expected

    def test_candidates_made_for_another_config_are_refused(self):
        pool = [[Candidate(Region("a", 0, 0, 2, 2), 1.0, 4)]]
        with pytest.raises(ShapeError, match="overlap: allow"):
            select(pool, RegionConfig(overlap="allow"))


class Name(str):
    """An image id that a WeakSet can watch: gone as soon as its candidates are."""

    __slots__ = ("__weakref__",)


class TestStreaming:
    @pytest.mark.parametrize(
        ("budget", "most_held"),
        [({"budget_regions": 20}, 25), ({"budget_pixels": 450_000}, 1100)],
    )
    def test_a_pool_of_ten_thousand_images_is_read_without_holding_it(self, budget, most_held):
        scores = np.random.default_rng(0).random(10_000)
        alive, most = weakref.WeakSet(), []

        def lists():
            for n, score in enumerate(scores.tolist()):
                name = Name(f"{n:05d}")
                alive.add(name)
                most.append(len(alive))
                yield [Candidate(Region(name, 0, 0, 150, 150), score, 22_500)]

        items = select(lists(), RegionConfig(**budget))
        assert [item.score for item in items] == np.sort(scores)[::-1][:20].tolist()
        assert len(most) == 10_000
        assert max(most) <= most_held

    def test_overlapping_windows_within_a_pixel_budget_are_pruned_on_the_way(self):
        config = RegionConfig(size=(4, 4), stride=1, overlap="allow", budget_pixels=60)
        rng = np.random.default_rng(0)
        pool = {f"{n:02d}": (rng.random((12, 12)), everywhere(12, 12)) for n in range(30)}
        streamed = chosen_of(pool, config)  # 30 x 81 windows: pruned several times
        held = [c for name, maps in pool.items() for c in scored_candidates(name, *maps, config)]
        whole = selection.fitting_union(selection.start_of_union(held, 60), 60)
        assert [region for region, _, _ in streamed] == [c.region for c in whole]
