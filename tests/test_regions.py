import doctest
import itertools
import math
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import AskmaskError, ShapeError
from askmask.records import Region
from askmask.regions import (
    Candidate,
    candidates,
    image_candidates,
    random_image_candidate,
    random_region_candidates,
    region_candidates,
    select,
    selection,
    window_origins,
    window_sums,
    windows,
)


def everywhere(height, width):
    return np.ones((height, width), dtype=bool)


def all_windows(image_id, score, available, config):
    """Every window with a new pixel as (-sum, region, new pixels), by plain loops."""
    height, width = (min(s, n) for s, n in zip(config.size, score.shape, strict=True))
    found = []
    for row in all_origins(score.shape[0], height, config.stride):
        for col in all_origins(score.shape[1], width, config.stride):
            region = Region(image_id, row, col, height, width)
            total = new = 0
            for i in range(row, row + height):
                for j in range(col, col + width):
                    total += float(score[i, j]) * bool(available[i, j])
                    new += bool(available[i, j])
            if new:
                found.append((-total, region, new))
    return found


def all_origins(length, size, stride):
    origins = [o for o in range(0, length, stride) if o + size <= length]
    return origins if origins[-1] + size == length else [*origins, length - size]


def global_greedy(pool, config):
    """One pass over all windows of all images, best first, without overlap, within the budget."""
    kept, chosen, left = [], [], config.budget_pixels or math.inf
    everything = [
        w for image_id, maps in pool.items() for w in all_windows(image_id, *maps, config)
    ]
    for negative, region, new in sorted(everything):
        if any(region.overlaps(other) for other in kept):
            continue
        kept.append(region)
        if new <= left and len(chosen) < (config.budget_regions or math.inf):
            chosen.append((region, -negative, new))
            left -= new
    return chosen


def chosen_of(pool, config):
    lists = (region_candidates(image_id, *maps, config) for image_id, maps in pool.items())
    return [(item.region, item.score, item.new_pixels) for item in select(lists, config)]


@st.composite
def pools(draw, overlap="forbid"):
    """Up to four small images with whole-numbered scores (so that ties are common and exact)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = {}
    for name in draw(st.permutations(["a", "b", "c", "d"]))[: draw(st.integers(1, 4))]:
        shape = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
        score = rng.integers(0, draw(st.sampled_from([1, 2, 50])), shape, endpoint=True)
        available = rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))
        pool[name] = (score.astype(np.float32), available)
    kind = draw(st.sampled_from(["budget_regions", "budget_pixels"]))
    config = RegionConfig(
        size=(draw(st.integers(1, 5)), draw(st.integers(1, 5))),
        stride=draw(st.integers(1, 6)),
        overlap=overlap,
        **{kind: draw(st.integers(1, 40))},
    )
    return pool, config


class TestWindowOrigins:
    def test_windows_of_the_paper_end_flush_with_the_border(self):
        rows = window_origins(522, 150, 30)
        assert rows.tolist() == [*range(0, 361, 30), 372]  # 522 - 150 = 372

    @given(length=st.integers(1, 60), size=st.integers(1, 70), stride=st.integers(1, 70))
    def test_origins_equal_plain_loops_and_are_flush_on_both_ends(self, length, size, stride):
        origins = window_origins(length, size, stride).tolist()
        assert origins == all_origins(length, min(size, length), stride)
        assert origins[0] == 0
        assert origins[-1] + min(size, length) == length

    @pytest.mark.parametrize("bad", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
    def test_numbers_below_one_are_refused(self, bad):
        with pytest.raises(ShapeError, match=">= 1"):
            window_origins(*bad)


class TestWindowSums:
    @given(
        seed=st.integers(0, 2**32),
        shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
        size=st.tuples(st.integers(1, 14), st.integers(1, 14)),
        stride=st.integers(1, 14),
    )
    @settings(max_examples=50, deadline=None)
    def test_sums_of_integers_equal_plain_slices_exactly(self, seed, shape, size, stride):
        values = np.random.default_rng(seed).integers(-(2**40), 2**40, shape)
        rows, cols = (window_origins(n, s, stride) for n, s in zip(shape, size, strict=True))
        expected = [[values[r : r + size[0], c : c + size[1]].sum() for c in cols] for r in rows]
        assert np.array_equal(window_sums(values, size, stride), expected)

    def test_a_huge_score_elsewhere_does_not_cost_a_digit(self):
        # Differences of a summed-area table would round the ones away next to 1e20.
        values = np.ones((12, 12))
        values[0, 0] = 1e20
        assert window_sums(values, (3, 3), 3)[1:, 1:].tolist() == [[9.0] * 3] * 3

    def test_float32_sums_are_exact_to_a_few_units_in_the_last_place_of_float64(self):
        values = np.random.default_rng(0).lognormal(0, 8, (200, 180)).astype(np.float32)
        sums = window_sums(values, (150, 150), 30)
        exact = [
            [math.fsum(values[r : r + 150, c : c + 150].ravel().tolist()) for c in (0, 30)]
            for r in (0, 30, 50)
        ]
        np.testing.assert_allclose(sums, exact, rtol=1e-14, atol=0)

    def test_sums_agree_with_a_convolution(self):
        values = np.random.default_rng(0).random((64, 75))
        dense = convolve(values, np.ones((15, 20)), mode="valid", method="direct")
        expected = dense[np.ix_(window_origins(64, 15, 6), window_origins(75, 20, 6))]
        np.testing.assert_allclose(window_sums(values, (15, 20), 6), expected, rtol=1e-12)

    def test_input_is_not_modified(self):
        values = np.random.default_rng(0).random((9, 9))
        kept = values.copy()
        window_sums(values, (4, 4), 2)[:] = 0
        assert np.array_equal(values, kept)


class TestRegionCandidates:
    SCORE = np.array([[1, 2, 0, 0], [3, 4, 0, 9]], dtype=np.float32)
    CONFIG = RegionConfig(size=(2, 2), stride=1)

    def test_windows_worked_by_hand(self):
        # Sums at columns 0, 1, 2: 10, 6, 9. Column 1 overlaps both others.
        found = region_candidates("a", self.SCORE, everywhere(2, 4), self.CONFIG)
        assert [(c.region, c.score, c.new_pixels) for c in found] == [
            (Region("a", 0, 0, 2, 2), 10.0, 4),
            (Region("a", 0, 2, 2, 2), 9.0, 4),
        ]

    def test_unavailable_pixels_count_nothing_whatever_stands_there(self):
        score, available = self.SCORE.copy(), everywhere(2, 4)
        score[0, 0], score[1, 3] = np.nan, np.inf
        available[0, 0] = available[1, 3] = False
        # Sums at columns 0, 1, 2: 9, 6, 0.
        found = region_candidates("a", score, available, self.CONFIG)
        assert [(c.region.col, c.score, c.new_pixels) for c in found] == [(0, 9.0, 3), (2, 0.0, 3)]

    def test_windows_without_a_new_pixel_are_dropped(self):
        available = everywhere(2, 4)
        available[:, :2] = False
        found = region_candidates("a", self.SCORE, available, self.CONFIG)
        assert [c.region.col for c in found] == [2]
        assert region_candidates("a", self.SCORE, ~everywhere(2, 4), self.CONFIG) == []

    def test_equal_scores_are_ordered_by_row_then_column(self):
        config = RegionConfig(size=(1, 1), stride=1, overlap="allow")
        found = region_candidates("a", np.zeros((2, 3)), everywhere(2, 3), config)
        assert [(c.region.row, c.region.col) for c in found] == [
            (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
        ]  # fmt: skip

    def test_a_window_larger_than_the_image_is_the_image(self):
        (only,) = region_candidates("a", self.SCORE, everywhere(2, 4), RegionConfig())
        assert only.region == Region("a", 0, 0, 2, 4)
        assert only.score == 19

    def test_overlap_allowed_keeps_every_window(self):
        config = RegionConfig(size=(2, 2), stride=1, overlap="allow")
        found = region_candidates("a", self.SCORE, everywhere(2, 4), config)
        assert [c.score for c in found] == [10.0, 9.0, 6.0]

    def test_nan_where_available_raises_and_names_the_image(self):
        score = self.SCORE.copy()
        score[1, 2] = np.nan
        with pytest.raises(AskmaskError, match="1 that are NaN or infinite in image 'slide'"):
            region_candidates("slide", score, everywhere(2, 4), self.CONFIG)

    def test_shapes_that_differ_are_refused(self):
        with pytest.raises(ShapeError, match=r"\(2, 4\) and \(4, 2\) for image 'a'"):
            region_candidates("a", self.SCORE, everywhere(4, 2), self.CONFIG)

    @pytest.mark.parametrize(("score", "new_pixels"), [(math.nan, 1), (math.inf, 1), (1.0, 0)])
    def test_a_candidate_that_cannot_be_ranked_is_refused(self, score, new_pixels):
        with pytest.raises(AskmaskError, match="finite score and new pixels"):
            Candidate(Region("a", 0, 0, 1, 1), score, new_pixels)

    @pytest.mark.parametrize("overlap", ["forbid", "allow"])
    def test_inputs_are_not_modified_or_kept(self, overlap):
        score, available = self.SCORE.copy(), everywhere(2, 4)
        config = RegionConfig(size=(2, 2), stride=1, overlap=overlap, budget_regions=3)
        found = [region_candidates("a", score, available, config)]
        expected = select(found, config)
        assert np.array_equal(score, self.SCORE)
        assert available.all()
        available[:] = False
        assert select(found, config) == expected


class TestRandomRegions:
    CONFIG = RegionConfig(size=(4, 4), stride=4)

    def test_same_key_gives_the_same_draw_and_another_key_another(self):
        def draw(image_id="a", seed=0, round_=1):
            found = random_region_candidates(
                image_id, everywhere(16, 16), self.CONFIG, seed, round_
            )
            return [(c.region.row, c.region.col, c.score) for c in found]

        assert draw() == draw()
        assert len({tuple(d) for d in (draw(), draw("b"), draw(seed=1), draw(round_=2))}) == 4

    def test_labelling_elsewhere_does_not_change_a_windows_draw(self):
        before = random_region_candidates("a", everywhere(16, 16), self.CONFIG, 0, 1)
        available = everywhere(16, 16)
        available[:4, :4] = False
        after = random_region_candidates("a", available, self.CONFIG, 0, 1)
        assert after == [c for c in before if c.region != Region("a", 0, 0, 4, 4)]

    def test_a_window_is_first_in_proportion_to_its_available_pixels(self):
        available = everywhere(4, 8)
        available[:2, 4:] = False  # weights 1 and 1/2: the first window leads in 2/3 of the draws
        first = [
            random_region_candidates("a", available, self.CONFIG, seed, 1)[0].region.col == 0
            for seed in range(300)
        ]
        assert np.mean(first) == pytest.approx(2 / 3, abs=0.09)  # 3 standard errors of 0.027

    def test_windows_do_not_overlap_and_hold_new_pixels(self):
        available = np.random.default_rng(0).random((40, 30)) < 0.02
        config = RegionConfig(size=(7, 5), stride=2)
        found = random_region_candidates("a", available, config, 0, 1)
        regions = [c.region for c in found]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(regions, 2))
        assert [c.new_pixels for c in found] == [available[r.slices].sum() for r in regions]

    def test_nothing_available_gives_no_candidate(self):
        assert random_region_candidates("a", ~everywhere(8, 8), self.CONFIG, 0, 1) == []


class TestImageCandidates:
    SCORE = np.array([[1.0, 2.0], [3.0, 100.0]], dtype=np.float32)
    AVAILABLE = np.array([[True, True], [True, False]])

    @pytest.mark.parametrize(
        ("score", "quantile", "expected"),
        [
            ("sum", 0.9, 6.0),
            ("mean", 0.9, 2.0),
            ("quantile", 0.75, 2.5),  # of 1, 2, 3: half way between 2 and 3
            ("sum_above_quantile", 0.5, 5.0),  # quantile 2: 2 + 3
        ],
    )
    def test_image_scores_worked_by_hand_leave_unavailable_pixels_out(
        self, score, quantile, expected
    ):
        config = ImageConfig(score=score, quantile=quantile)
        (found,) = image_candidates("a", self.SCORE, self.AVAILABLE, config)
        assert found == Candidate(Region("a", 0, 0, 2, 2), expected, 3)

    def test_an_image_without_available_pixels_is_no_candidate(self):
        assert image_candidates("a", self.SCORE, ~everywhere(2, 2), ImageConfig()) == []
        assert random_image_candidate("a", ~everywhere(2, 2), 0, 1) == []

    def test_nan_where_available_raises(self):
        with pytest.raises(AskmaskError, match="image 'a'"):
            image_candidates("a", self.SCORE * np.float32(np.nan), self.AVAILABLE, ImageConfig())

    def test_random_images_are_keyed_and_uniform(self):
        def first(seed):
            pool = [random_image_candidate(n, self.AVAILABLE, seed, 1) for n in "abcd"]
            return select(pool, ImageConfig(budget_images=1))[0].region.image_id

        drawn = [first(seed) for seed in range(160)]
        assert drawn[:9] == [first(seed) for seed in range(9)]
        assert min(drawn.count(name) for name in "abcd") > 20  # 40 expected, deviation 5.5


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
            held = selection._still_possible([*held, candidate], budget)
        for candidate in sorted(pool, key=lambda c: (-c.score, c.region)):
            if candidate.new_pixels <= left:
                expected.append(candidate)
                left -= candidate.new_pixels
        assert selection._fitting(held, budget) == expected

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
            image_candidates(name, np.full(shape, 1.0), everywhere(*shape), ImageConfig())
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


def covered(pool, regions):
    """Available pixels inside at least one region."""
    total = 0
    for image_id, (_, available) in pool.items():
        inside = np.zeros_like(available)
        for region in regions:
            if region.image_id == image_id:
                inside[region.slices] = True
        total += int((inside & available).sum())
    return total


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
        items = select([region_candidates("a", score, everywhere(528, 784), config)], config)
        assert len(items) == 20
        assert sum(item.new_pixels for item in items) < 20 * 150 * 150 / 4

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
        held = [c for name, maps in pool.items() for c in region_candidates(name, *maps, config)]
        whole = selection._within_union(held, 60)
        assert [region for region, _, _ in streamed] == [c.region for c in whole]


@pytest.mark.parametrize("module", [windows, candidates, selection])
def test_every_public_function_has_an_example_that_runs(module):
    functions = [
        value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
        if not name.startswith("_") and not isinstance(value, type)
    ]
    runner = doctest.DocTestRunner()
    for function in functions:
        (test,) = doctest.DocTestFinder().find(function, module=False, globs=dict(vars(module)))
        assert test.examples
        runner.run(test)
    assert functions
    assert runner.summarize(verbose=False).failed == 0
