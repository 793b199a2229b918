import doctest
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from askmask.errors import AskmaskError, ShapeError
from askmask.query import scores as acquisition
from askmask.query.scores import (
    SampleSums,
    expected_entropy,
    margin,
    mutual_information,
    predictive_entropy,
    variation_ratio,
    vote_variation_ratio,
)
from askmask.query.strategies import STRATEGIES

SCORES = {
    "predictive_entropy": predictive_entropy,
    "expected_entropy": expected_entropy,
    "mutual_information": mutual_information,
    "variation_ratio": variation_ratio,
    "vote_variation_ratio": vote_variation_ratio,
    "margin": lambda sums: 1 - margin(sums),
}


def score(name, probs):
    return SCORES[name](SampleSums.of(probs))


each_function = pytest.mark.parametrize("name", sorted(SCORES))


@st.composite
def sample_probs(draw):
    """(S, C, P) float64 probabilities, from nearly uniform to nearly one-hot."""
    shape = (draw(st.integers(2, 6)), draw(st.integers(2, 5)), draw(st.integers(1, 7)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    logits = torch.randn(shape, generator=generator, dtype=torch.float64)
    return (logits * draw(st.sampled_from([0.0, 0.1, 1.0, 10.0, 1000.0]))).softmax(1)


def entropy_loop(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def reference(name, probs):
    """Scores of (S, C, P) probabilities by plain loops over lists."""
    n_samples, n_classes, n_pixels = probs.shape
    scores = []
    for pixel in range(n_pixels):
        samples = [[float(probs[s, c, pixel]) for c in range(n_classes)] for s in range(n_samples)]
        mean = [sum(sample[c] for sample in samples) / n_samples for c in range(n_classes)]
        modes = [sample.index(max(sample)) for sample in samples]
        ordered = sorted(mean)
        expected = sum(entropy_loop(sample) for sample in samples) / n_samples
        scores.append(
            {
                "predictive_entropy": entropy_loop(mean),
                "expected_entropy": expected,
                "mutual_information": entropy_loop(mean) - expected,
                "variation_ratio": 1 - max(mean),
                "vote_variation_ratio": 1 - max(modes.count(m) for m in modes) / n_samples,
                "margin": 1 - (ordered[-1] - ordered[-2]),
            }[name]
        )
    return torch.tensor(scores, dtype=torch.float64)


def upper_bound(name, n_samples, n_classes):
    return {
        "predictive_entropy": math.log(n_classes),
        "expected_entropy": math.log(n_classes),
        "mutual_information": min(math.log(n_classes), math.log(n_samples)),
        "variation_ratio": 1 - 1 / n_classes,
        "vote_variation_ratio": 1 - 1 / min(n_classes, n_samples),
        "margin": 1.0,
    }[name]


class TestHandWorked:
    # Two samples of three classes: p1 = (1/2, 1/2, 0), p2 = (0, 1/2, 1/2); mean (1/4, 1/2, 1/4).
    PROBS = torch.tensor([[[0.5], [0.5], [0.0]], [[0.0], [0.5], [0.5]]], dtype=torch.float64)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("predictive_entropy", 1.5 * math.log(2)),  # 2 x 1/4 log 4 + 1/2 log 2
            ("expected_entropy", math.log(2)),
            ("mutual_information", 0.5 * math.log(2)),
            ("variation_ratio", 0.5),
            ("vote_variation_ratio", 0.5),  # first of equals: class 0 and class 1, one vote each
            ("margin", 0.75),  # 1 - (1/2 - 1/4)
        ],
    )
    def test_every_score_equals_the_value_worked_by_hand(self, name, expected):
        assert score(name, self.PROBS).item() == pytest.approx(expected, abs=1e-12)

    def test_margin_itself_is_small_where_unsure(self):
        assert margin(SampleSums.of(self.PROBS)).item() == pytest.approx(0.25, abs=1e-12)


class TestLimits:
    @pytest.mark.parametrize("n_classes", [2, 3, 7])
    def test_uniform_probabilities_have_the_largest_entropy_and_no_disagreement(self, n_classes):
        probs = torch.full((4, n_classes, 1), 1 / n_classes, dtype=torch.float64)
        assert predictive_entropy(SampleSums.of(probs)).item() == pytest.approx(math.log(n_classes))
        assert expected_entropy(SampleSums.of(probs)).item() == pytest.approx(math.log(n_classes))
        assert mutual_information(SampleSums.of(probs)).item() == pytest.approx(0, abs=1e-12)
        assert variation_ratio(SampleSums.of(probs)).item() == pytest.approx(1 - 1 / n_classes)
        assert margin(SampleSums.of(probs)).item() == 0

    @each_function
    def test_one_hot_samples_that_agree_score_exactly_zero(self, name):
        probs = torch.zeros(5, 3, 2)
        probs[:, 1] = 1
        assert torch.equal(score(name, probs), torch.zeros(2))

    @pytest.mark.parametrize("n", [2, 4])
    def test_confident_samples_that_all_disagree_reach_every_bound(self, n):
        probs = torch.eye(n, dtype=torch.float64)[:, :, None]  # sample s is sure of class s
        assert mutual_information(SampleSums.of(probs)).item() == pytest.approx(math.log(n))
        assert expected_entropy(SampleSums.of(probs)).item() == 0
        assert vote_variation_ratio(SampleSums.of(probs)).item() == pytest.approx(1 - 1 / n)

    def test_a_vote_between_equal_classes_goes_to_the_lowest_index(self):
        sums = SampleSums.of(torch.full((3, 4, 2), 0.25))
        assert torch.equal(sums.votes, torch.tensor([[3.0, 3.0], [0, 0], [0, 0], [0, 0]]))


class TestProperties:
    @each_function
    @given(probs=sample_probs())
    @settings(max_examples=40, deadline=None)
    def test_score_equals_plain_loops_and_stays_in_its_range(self, name, probs):
        found = score(name, probs)
        torch.testing.assert_close(found, reference(name, probs), atol=1e-10, rtol=0)
        assert (found >= -1e-12).all()
        assert (found <= upper_bound(name, *probs.shape[:2]) + 1e-12).all()

    @each_function
    @given(probs=sample_probs(), seed=st.integers(0, 2**32))
    @settings(max_examples=20, deadline=None)
    def test_sample_order_is_indifferent_and_pixels_are_scored_alone(self, name, probs, seed):
        generator = torch.Generator().manual_seed(seed)
        samples = torch.randperm(probs.shape[0], generator=generator)
        pixels = torch.randperm(probs.shape[2], generator=generator)
        expected = score(name, probs)[pixels]
        shuffled = score(name, probs[samples][:, :, pixels])
        torch.testing.assert_close(shuffled, expected, atol=1e-12, rtol=0)

    @given(probs=sample_probs())
    @settings(max_examples=40, deadline=None)
    def test_mutual_information_is_at_most_the_predictive_entropy(self, probs):
        sums = SampleSums.of(probs)
        assert (mutual_information(sums) <= predictive_entropy(sums) + 1e-12).all()

    @each_function
    @given(probs=sample_probs(), cut=st.integers(1, 5))
    @settings(max_examples=20, deadline=None)
    def test_streamed_samples_give_the_scores_of_whole_samples(self, name, probs, cut):
        n_classes, n_pixels = probs.shape[1:]
        chunks = probs.view(-1, n_classes, 1, n_pixels).split(cut)
        sums = SampleSums.zeros(n_classes, 1, n_pixels)
        for chunk in chunks:
            sums = sums + SampleSums.of(chunk)
        whole = score(name, probs)[None]
        torch.testing.assert_close(SCORES[name](sums), whole, atol=1e-6, rtol=0, check_dtype=False)


class TestSampleSums:
    def test_float32_scores_of_thirty_samples_agree_with_float64_to_1e_6(self):
        generator = torch.Generator().manual_seed(0)
        exact = torch.randn(30, 2, 40, 40, generator=generator, dtype=torch.float64).softmax(1)
        for score_of in SCORES.values():
            single = score_of(SampleSums.of(exact.float()))
            assert single.dtype == torch.float32
            assert (single - score_of(SampleSums.of(exact))).abs().max() < 1e-6

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_samples_are_summed_in_float32(self, dtype):
        probs = torch.tensor([0.7, 0.3], dtype=dtype).view(1, 2, 1).expand(300, 2, 1)
        sums = SampleSums.of(probs)
        assert sums.sum_probs.dtype == torch.float32
        assert sums.mean_probs[0].item() == pytest.approx(float(probs[0, 0, 0]), abs=1e-5)

    @each_function
    def test_inputs_are_not_modified(self, name):
        probs = torch.rand(3, 2, 4, 5).softmax(1)
        sums = SampleSums.of(probs)
        kept = probs.clone(), sums.sum_probs.clone(), sums.sum_entropy.clone(), sums.votes.clone()
        score(name, probs)
        SCORES[name](sums).add_(1)
        sums.mean_probs.add_(1)
        SampleSums.zeros(2, 4, 5) + sums
        for before, after in zip(
            kept, (probs, sums.sum_probs, sums.sum_entropy, sums.votes), strict=True
        ):
            assert torch.equal(before, after)

    def test_sums_of_different_images_do_not_add(self):
        with pytest.raises(ShapeError, match=r"\(2, 4, 5\) and \(2, 1, 5\)"):
            SampleSums.zeros(2, 4, 5) + SampleSums.zeros(2, 1, 5)

    def test_votes_of_all_classes_add_up_to_the_samples(self):
        probs = torch.from_numpy(np.random.default_rng(0).random((7, 3, 6))).softmax(1)
        assert torch.equal(SampleSums.of(probs).votes.sum(0), torch.full((6,), 7.0).double())


class TestRefusals:
    @each_function
    def test_nan_raises_and_never_ranks(self, name):
        probs = torch.full((3, 2, 4, 5), 0.5)
        probs[1, 0, 2, 3] = torch.nan
        with pytest.raises(AskmaskError, match=r"pixel \(2, 3\), one of 1 such pixels"):
            score(name, probs)
        with pytest.raises(AskmaskError, match="not finite"):
            SCORES[name](SampleSums.of(probs))

    @each_function
    def test_logits_are_refused(self, name):
        with pytest.raises(AskmaskError, match="not logits"):
            score(name, torch.tensor([[[3.0], [-2.0]], [[3.0], [-2.0]]]))

    @each_function
    def test_no_sample_is_refused(self, name):
        with pytest.raises(ShapeError, match=r"at least \d MC samples, got 0"):
            SCORES[name](SampleSums.zeros(2, 3, 3))

    @each_function
    def test_strategys_number_of_samples_is_what_its_score_needs(self, name):
        needed = STRATEGIES[name].min_samples
        assert torch.isfinite(score(name, torch.full((needed, 2, 1), 0.5))).all()
        with pytest.raises(ShapeError, match=f"got {needed - 1}"):
            score(name, torch.full((needed - 1, 2, 1), 0.5))

    def test_margin_of_one_class_is_refused(self):
        with pytest.raises(ShapeError, match="C >= 2"):
            margin(SampleSums.of(torch.ones(2, 1, 3)))


def test_every_public_name_with_an_example_runs_it():
    names = [*SCORES, "SampleSums"]
    found = [doctest.DocTestFinder().find(getattr(acquisition, n), n, module=False) for n in names]
    globs = vars(acquisition)
    runner = doctest.DocTestRunner()
    for test in itertools.chain.from_iterable(found):
        test.globs = dict(globs)
        runner.run(test)
    results = runner.summarize(verbose=False)
    assert results.attempted >= len(names)
    assert results.failed == 0
