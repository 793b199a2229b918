"""Windows, their sums, and the candidates of one image."""

import doctest
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve

import askmask.query.regions
from askmask.config import ImageConfig, RegionConfig
from askmask.errors import AskmaskError, ShapeError
from askmask.query.regions import (
    Candidate,
    candidates,
    select,
    selection,
    window_origins,
    window_sums,
    windows,
)
from askmask.records import Region
from plain_candidates import random_candidates, scored_candidates
from plain_regions import all_origins, everywhere


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

    def test_the_grid_of_the_paper_skips_the_window_before_the_flush_one(self):
        assert window_origins(522, 150, 30, "paper").tolist() == [*range(0, 331, 30), 372]

    @pytest.mark.parametrize(
        ("shape", "windows"),
        # rows x columns: ((522 - 150 + 1) // 30 + 1) * ((775 - 150 + 1) // 30 + 1) = 13 * 21
        [((522, 775), 273), ((433, 574), 10 * 15), ((150, 150), 1)],
    )
    def test_the_grid_of_the_paper_has_as_many_windows_as_its_code(self, shape, windows):
        config = RegionConfig(grid="paper", overlap="allow", budget_regions=10_000)
        found = scored_candidates("a", np.ones(shape), everywhere(*shape), config)
        assert len(found) == windows

    def test_the_regular_grid_has_one_line_more_each_way_where_the_last_step_is_short(self):
        config = RegionConfig(overlap="allow", budget_regions=10_000)
        found = scored_candidates("a", np.ones((522, 775)), everywhere(522, 775), config)
        assert len(found) == 308  # 14 x 22

    @given(length=st.integers(1, 60), size=st.integers(1, 70), stride=st.integers(2, 70))
    def test_the_grid_of_the_paper_is_that_of_plain_loops(self, length, size, stride):
        last = max(length - size, 0)
        expected = [i * stride for i in range((last + 1) // stride)] + [last]
        origins = window_origins(length, size, stride, "paper").tolist()
        assert origins == expected
        assert origins == sorted(set(origins))

    @given(length=st.integers(1, 60), size=st.integers(1, 70))
    def test_both_grids_are_one_at_a_stride_of_one_pixel(self, length, size):
        origins = window_origins(length, size, 1, "paper").tolist()
        assert origins == window_origins(length, size, 1).tolist()

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
        grid=st.sampled_from(["regular", "paper"]),
    )
    @settings(max_examples=50, deadline=None)
    def test_sums_of_integers_equal_plain_slices_exactly(self, seed, shape, size, stride, grid):
        values = np.random.default_rng(seed).integers(-(2**40), 2**40, shape)
        rows, cols = (window_origins(n, s, stride, grid) for n, s in zip(shape, size, strict=True))
        expected = [[values[r : r + size[0], c : c + size[1]].sum() for c in cols] for r in rows]
        assert np.array_equal(window_sums(values, size, stride, grid), expected)

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
        found = scored_candidates("a", self.SCORE, everywhere(2, 4), self.CONFIG)
        assert [(c.region, c.score, c.new_pixels) for c in found] == [
            (Region("a", 0, 0, 2, 2), 10.0, 4),
            (Region("a", 0, 2, 2, 2), 9.0, 4),
        ]

    def test_unavailable_pixels_count_nothing_whatever_stands_there(self):
        score, available = self.SCORE.copy(), everywhere(2, 4)
        score[0, 0], score[1, 3] = np.nan, np.inf
        available[0, 0] = available[1, 3] = False
        # Sums at columns 0, 1, 2: 9, 6, 0.
        found = scored_candidates("a", score, available, self.CONFIG)
        assert [(c.region.col, c.score, c.new_pixels) for c in found] == [(0, 9.0, 3), (2, 0.0, 3)]

    def test_windows_without_a_new_pixel_are_dropped(self):
        available = everywhere(2, 4)
        available[:, :2] = False
        found = scored_candidates("a", self.SCORE, available, self.CONFIG)
        assert [c.region.col for c in found] == [2]
        assert scored_candidates("a", self.SCORE, ~everywhere(2, 4), self.CONFIG) == []

    def test_equal_scores_are_ordered_by_row_then_column(self):
        config = RegionConfig(size=(1, 1), stride=1, overlap="allow")
        found = scored_candidates("a", np.zeros((2, 3)), everywhere(2, 3), config)
        assert [(c.region.row, c.region.col) for c in found] == [
            (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
        ]  # fmt: skip

    def test_a_window_larger_than_the_image_is_the_image(self):
        (only,) = scored_candidates("a", self.SCORE, everywhere(2, 4), RegionConfig())
        assert only.region == Region("a", 0, 0, 2, 4)
        assert only.score == 19

    def test_overlap_allowed_keeps_every_window(self):
        config = RegionConfig(size=(2, 2), stride=1, overlap="allow")
        found = scored_candidates("a", self.SCORE, everywhere(2, 4), config)
        assert [c.score for c in found] == [10.0, 9.0, 6.0]

    def test_nan_where_available_raises_and_names_the_image(self):
        score = self.SCORE.copy()
        score[1, 2] = np.nan
        with pytest.raises(AskmaskError, match="1 that are NaN or infinite in image 'slide'"):
            scored_candidates("slide", score, everywhere(2, 4), self.CONFIG)

    def test_shapes_that_differ_are_refused(self):
        with pytest.raises(ShapeError, match=r"\(2, 4\) and \(4, 2\) for image 'a'"):
            scored_candidates("a", self.SCORE, everywhere(4, 2), self.CONFIG)

    @pytest.mark.parametrize(("score", "new_pixels"), [(math.nan, 1), (math.inf, 1), (1.0, 0)])
    def test_a_candidate_that_cannot_be_ranked_is_refused(self, score, new_pixels):
        with pytest.raises(AskmaskError, match="finite score and new pixels"):
            Candidate(Region("a", 0, 0, 1, 1), score, new_pixels)

    @pytest.mark.parametrize("overlap", ["forbid", "allow"])
    def test_inputs_are_not_modified_or_kept(self, overlap):
        score, available = self.SCORE.copy(), everywhere(2, 4)
        config = RegionConfig(size=(2, 2), stride=1, overlap=overlap, budget_regions=3)
        found = [scored_candidates("a", score, available, config)]
        expected = select(found, config)
        assert np.array_equal(score, self.SCORE)
        assert available.all()
        available[:] = False
        assert select(found, config) == expected


class TestRandomRegions:
    CONFIG = RegionConfig(size=(4, 4), stride=4)

    def test_same_key_gives_the_same_draw_and_another_key_another(self):
        def draw(image_id="a", seed=0, round=1):
            found = random_candidates(image_id, everywhere(16, 16), self.CONFIG, seed, round)
            return [(c.region.row, c.region.col, c.score) for c in found]

        assert draw() == draw()
        assert len({tuple(d) for d in (draw(), draw("b"), draw(seed=1), draw(round=2))}) == 4

    def test_labelling_elsewhere_does_not_change_a_windows_draw(self):
        before = random_candidates("a", everywhere(16, 16), self.CONFIG, 0, 1)
        available = everywhere(16, 16)
        available[:4, :4] = False
        after = random_candidates("a", available, self.CONFIG, 0, 1)
        assert after == [c for c in before if c.region != Region("a", 0, 0, 4, 4)]

    def test_a_window_is_first_in_proportion_to_its_available_pixels(self):
        available = everywhere(4, 8)
        available[:2, 4:] = False  # weights 1 and 1/2: the first window leads in 2/3 of the draws
        first = [
            random_candidates("a", available, self.CONFIG, seed, 1)[0].region.col == 0
            for seed in range(300)
        ]
        assert np.mean(first) == pytest.approx(2 / 3, abs=0.09)  # 3 standard errors of 0.027

    def test_windows_do_not_overlap_and_hold_new_pixels(self):
        available = np.random.default_rng(0).random((40, 30)) < 0.02
        config = RegionConfig(size=(7, 5), stride=2)
        found = random_candidates("a", available, config, 0, 1)
        regions = [c.region for c in found]
        assert not any(a.overlaps(b) for a, b in itertools.combinations(regions, 2))
        assert [c.new_pixels for c in found] == [available[r.slices].sum() for r in regions]

    def test_nothing_available_gives_no_candidate(self):
        assert random_candidates("a", ~everywhere(8, 8), self.CONFIG, 0, 1) == []


class TestImageCandidates:
    SCORE = np.array([[1.0, 2.0], [3.0, 100.0]], dtype=np.float32)
    AVAILABLE = np.array([[True, True], [True, False]])

    @pytest.mark.parametrize(
        ("score", "quantile", "expected"),
        [
            ("sum", 0.9, 6.0),
            ("mean", 0.9, 2.0),
            ("sum_above_quantile", 0.5, 5.0),  # quantile 2: 2 + 3
        ],
    )
    def test_image_scores_worked_by_hand_leave_unavailable_pixels_out(
        self, score, quantile, expected
    ):
        config = ImageConfig(score=score, quantile=quantile)
        (found,) = scored_candidates("a", self.SCORE, self.AVAILABLE, config)
        assert found == Candidate(Region("a", 0, 0, 2, 2), expected, 3)

    def test_an_image_without_available_pixels_is_no_candidate(self):
        assert scored_candidates("a", self.SCORE, ~everywhere(2, 2), ImageConfig()) == []
        assert random_candidates("a", ~everywhere(2, 2), ImageConfig(), 0, 1) == []

    def test_nan_where_available_raises(self):
        with pytest.raises(AskmaskError, match="image 'a'"):
            scored_candidates("a", self.SCORE * np.float32(np.nan), self.AVAILABLE, ImageConfig())

    def test_random_images_are_keyed_and_uniform(self):
        def first(seed):
            pool = [random_candidates(n, self.AVAILABLE, ImageConfig(), seed, 1) for n in "abcd"]
            return select(pool, ImageConfig(budget_images=1))[0].region.image_id

        drawn = [first(seed) for seed in range(160)]
        assert drawn[:9] == [first(seed) for seed in range(9)]
        assert min(drawn.count(name) for name in "abcd") > 20  # 40 expected, deviation 5.5


@pytest.mark.parametrize("module", [windows, candidates, selection])
def test_every_public_function_has_an_example_that_runs(module):
    functions = [
        value
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", "") == module.__name__
        if name in vars(askmask.query.regions) and not isinstance(value, type)
    ]
    runner = doctest.DocTestRunner()
    for function in functions:
        (test,) = doctest.DocTestFinder().find(function, module=False, globs=dict(vars(module)))
        assert test.examples
        runner.run(test)
    assert functions
    assert runner.summarize(verbose=False).failed == 0
