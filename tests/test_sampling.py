"""Sampling: the prefix once and streamed sums give what whole passes give."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from askmask.errors import ConfigError, ShapeError
from askmask.models.contract import Features, Model, Outputs
from askmask.models.dropout import KeyedNoise, Noise, NoNoise
from askmask.query.scores import SampleSums
from askmask.sampling.predictors import (
    Deterministic,
    Ensemble,
    MonteCarloDropout,
    PredictedSums,
    Predictor,
)
from small_models import small_two_decoder, small_unet

MAKERS: dict[str, Callable[..., Model]] = {
    "two_decoder": small_two_decoder,
    "unet": small_unet,
}


def drawn_image(height: int = 41, width: int = 52, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3)).astype(np.uint8)


def dropout(model: Model, n_samples: int, chunk: int | None = None) -> MonteCarloDropout:
    """In float32, so that equal means equal on every machine."""
    return MonteCarloDropout(model, n_samples, chunk, precision="fp32")


def predict(predictor: Predictor, image: np.ndarray, *, boundary: bool = True) -> PredictedSums:
    return predictor.predict(image, seed=5, round=1, image_id="image", boundary=boundary)


def whole_passes(model: Model, image: np.ndarray, n_samples: int) -> tuple[Tensor, Tensor]:
    """Probabilities of both heads from whole passes, one sample at a time: the plain way."""
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
    model.eval()
    with torch.no_grad():
        passes = [model(pixels, KeyedNoise(5, 1, "image", [s])) for s in range(n_samples)]
    foreground = torch.cat([outputs.foreground for outputs in passes]).softmax(1)
    boundary = torch.cat([outputs.boundary for outputs in passes]).softmax(1)
    return foreground, boundary


class CountingModel(Model):
    """Two classes from the mean colour; counts its prefixes and keeps the sizes of its suffixes."""

    n_classes = 2
    has_boundary = False

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.prefixes = 0
        self.suffixes: list[int] = []

    def prefix(self, images: Tensor) -> Features:
        self.prefixes += 1
        return (images * self.weight,)

    def suffix(self, features: Features, noise: Noise, *, boundary: bool = True) -> Outputs:
        self.suffixes.append(features[0].shape[0])
        dropped = noise.dropout(features[0], 0.5, "only")
        return Outputs(torch.cat([dropped[:, :1], dropped[:, 1:2]], dim=1))


# --- dropout --------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 5])
@pytest.mark.parametrize("name", MAKERS)
def test_cached_prefix_sampling_equals_whole_passes_mask_for_mask(
    name: str, n_classes: int
) -> None:
    model = MAKERS[name](n_classes)
    probs, boundary = whole_passes(model, drawn_image(), 5)
    prediction = predict(dropout(model, 5), drawn_image())
    expected = SampleSums.of(probs)
    # Equal masks; a convolution of three samples rounds otherwise than one of a single sample.
    torch.testing.assert_close(prediction.sums.sum_probs, expected.sum_probs, atol=2e-5, rtol=0)
    torch.testing.assert_close(prediction.sums.sum_entropy, expected.sum_entropy, atol=2e-5, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, boundary[:, 1].mean(0), atol=5e-6, rtol=0)
    assert prediction.sums.n_samples == 5


def test_one_sample_at_a_time_equals_whole_passes_bit_for_bit() -> None:
    model = small_unet(3)  # a network without a frozen form of its own
    probs, _ = whole_passes(model, drawn_image(), 3)
    sums = predict(dropout(model, 3, chunk=1), drawn_image()).sums
    expected = SampleSums.of(probs[:1]) + SampleSums.of(probs[1:2]) + SampleSums.of(probs[2:])
    assert torch.equal(sums.sum_probs, expected.sum_probs)
    assert torch.equal(sums.votes, expected.votes)
    assert torch.equal(sums.sum_entropy, expected.sum_entropy)


@pytest.mark.parametrize("chunk", [1, 2, 4, 7, 100])
@pytest.mark.parametrize("name", MAKERS)
def test_results_do_not_depend_on_the_chunk(name: str, chunk: int) -> None:
    model = MAKERS[name]()
    first = predict(dropout(model, 7), drawn_image())
    second = predict(dropout(model, 7, chunk), drawn_image())
    torch.testing.assert_close(second.sums.sum_probs, first.sums.sum_probs, atol=1e-5, rtol=0)
    torch.testing.assert_close(second.boundary_probs, first.boundary_probs, atol=1e-6, rtol=0)


def test_votes_are_counted_for_the_first_of_the_most_probable_classes() -> None:
    model = small_unet(4)
    probs, _ = whole_passes(model, drawn_image(), 4)
    sums = predict(dropout(model, 4, chunk=1), drawn_image()).sums
    assert torch.equal(sums.votes, SampleSums.of(probs).votes)
    assert torch.equal(sums.votes.sum(0), torch.full((41, 52), 4.0))


def test_a_tie_goes_to_the_first_class() -> None:
    votes = predict(
        Deterministic(CountingModel(), "fp32"), np.zeros((32, 32, 3), np.uint8)
    ).sums.votes
    assert votes[0].min() == 1
    assert votes[1].max() == 0


def test_an_image_does_not_depend_on_the_images_before_it() -> None:
    predictor = dropout(small_two_decoder(), 3)
    first = predict(predictor, drawn_image())
    predictor.predict(drawn_image(seed=1), seed=5, round=1, image_id="other", boundary=False)
    second = predict(predictor, drawn_image())
    assert torch.equal(first.sums.sum_probs, second.sums.sum_probs)
    assert torch.equal(first.boundary_probs, second.boundary_probs)


@pytest.mark.parametrize("change", [{"seed": 6}, {"round": 2}, {"image_id": "other"}])
def test_seed_round_and_image_each_change_the_samples(change: dict[str, object]) -> None:
    names = {"seed": 5, "round": 1, "image_id": "image", "boundary": False}
    predictor = dropout(small_unet(), 2)
    first = predictor.predict(drawn_image(), **names)
    second = predictor.predict(drawn_image(), **{**names, **change})
    assert not torch.equal(first.sums.sum_probs, second.sums.sum_probs)


def test_the_first_samples_are_the_same_whatever_comes_after() -> None:
    model = small_unet()
    three = predict(dropout(model, 3, chunk=1), drawn_image()).sums
    probs, _ = whole_passes(model, drawn_image(), 4)
    four = predict(dropout(model, 4, chunk=1), drawn_image()).sums
    added = three + SampleSums.of(probs[3:])
    torch.testing.assert_close(added.sum_probs, four.sum_probs, atol=1e-6, rtol=0)


def test_the_prefix_runs_once_and_the_suffix_in_chunks() -> None:
    model = CountingModel()
    predict(dropout(model, 8, chunk=3), drawn_image())
    assert model.prefixes == 1
    assert model.suffixes == [3, 3, 2]


def test_a_stream_gives_the_sums_of_the_first_samples_one_by_one() -> None:
    predictor = dropout(small_unet(), 4)
    names = {"seed": 5, "round": 1, "image_id": "image"}
    sums = list(predictor.stream(drawn_image(), **names))
    probs, _ = whole_passes(small_unet(), drawn_image(), 4)
    assert [each.n_samples for each in sums] == [1, 2, 3, 4]
    torch.testing.assert_close(sums[1].mean_probs, probs[:2].mean(0), atol=1e-6, rtol=0)
    torch.testing.assert_close(sums[3].mean_probs, probs.mean(0), atol=1e-6, rtol=0)


def test_sums_of_parts_of_the_samples_add_up_to_the_sums_of_all() -> None:
    predictor = dropout(small_unet(), 5)
    names = {"seed": 5, "round": 1, "image_id": "image"}
    parts = [predictor.sums(drawn_image(), part, **names) for part in (range(2), range(2, 5))]
    added = parts[0] + parts[1]
    whole = predict(predictor, drawn_image()).sums
    assert added.n_samples == 5
    torch.testing.assert_close(added.sum_probs, whole.sum_probs, atol=5e-6, rtol=0)
    torch.testing.assert_close(added.sum_entropy, whole.sum_entropy, atol=5e-6, rtol=0)
    assert torch.equal(added.votes, whole.votes)


def test_samples_beyond_the_stated_number_can_be_asked_for() -> None:
    probs, _ = whole_passes(small_unet(), drawn_image(), 9)
    names = {"seed": 5, "round": 1, "image_id": "image"}
    sums = dropout(small_unet(), 2).sums(drawn_image(), range(7, 9), **names)
    torch.testing.assert_close(sums.mean_probs, probs[7:].mean(0), atol=1e-6, rtol=0)


@pytest.mark.parametrize("samples", [range(0), range(-1, 2)])
def test_no_sample_and_negative_ones_are_refused(samples: range) -> None:
    names = {"seed": 5, "round": 1, "image_id": "image"}
    with pytest.raises(ConfigError, match="one or more samples >= 0, got range"):
        dropout(small_unet(), 2).sums(drawn_image(), samples, **names)


def test_between_the_steps_of_a_stream_model_and_gradients_are_as_before() -> None:
    model = small_unet().train()
    for _ in dropout(model, 2).stream(drawn_image(), seed=5, round=1, image_id="image"):
        assert model.training
        assert torch.is_grad_enabled()


def test_samples_differ_where_there_is_dropout_and_agree_where_there_is_none() -> None:
    sums = predict(dropout(small_unet(), 6), drawn_image()).sums
    certain = predict(dropout(small_unet(dropout=0.0), 6), drawn_image()).sums
    assert (sums.mean_probs - certain.mean_probs).abs().max() > 1e-3
    mean_entropy = torch.special.entr(certain.mean_probs).sum(0)
    torch.testing.assert_close(certain.sum_entropy / 6, mean_entropy, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("n_samples", "chunk"), [(0, 3), (5, 0)])
def test_no_samples_are_refused(n_samples: int, chunk: int) -> None:
    with pytest.raises(ConfigError, match=f"got {n_samples} and {chunk}"):
        dropout(small_unet(), n_samples, chunk)


def sampling_bytes(n_samples: int, precision: str) -> int:
    """Peak memory beyond the model of sampling 528 x 784 pixels in a process of its own."""
    script = Path(__file__).with_name("sampling_memory.py")
    command = [sys.executable, str(script), str(n_samples), precision]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux counts the peak")
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_memory_of_sampling_stays_under_350_megabytes_however_many_samples(precision: str) -> None:
    few, many = sampling_bytes(4, precision), sampling_bytes(30, precision)
    assert many < 350e6
    # 26 probability maps more, if they were kept, would be 86 MB. Peaks of equal runs lie between
    # 155 and 201 MB: threads take from pools of memory of their own.
    assert many < few + 70e6


# --- every predictor ------------------------------------------------------------------------


def all_predictors(*models: Model) -> dict[str, Predictor]:
    return {
        "dropout": dropout(models[0], 4),
        "deterministic": Deterministic(models[0], "fp32"),
        "ensemble": Ensemble(models, "fp32"),
    }


KINDS = ("dropout", "deterministic", "ensemble")


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_means_over_the_stated_number_of_samples(kind: str) -> None:
    predictor = all_predictors(small_unet(3, seed=0), small_unet(3, seed=1))[kind]
    prediction = predict(predictor, drawn_image())
    assert prediction.sums.n_samples == predictor.n_samples
    torch.testing.assert_close(prediction.sums.mean_probs.sum(0), torch.ones(41, 52))
    assert prediction.boundary_probs.shape == (41, 52)
    assert 0 <= prediction.boundary_probs.min() <= prediction.boundary_probs.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_training", [False, True])
def test_models_keep_their_mode_and_weights(kind: str, is_training: bool) -> None:
    models = [small_two_decoder(seed=seed).train(is_training) for seed in (0, 1)]
    before = [{n: v.clone() for n, v in model.state_dict().items()} for model in models]
    predict(all_predictors(*models)[kind], drawn_image())
    for model, state in zip(models, before, strict=True):
        assert model.training == is_training
        assert all(torch.equal(v, state[n]) for n, v in model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_keeps_its_mode_when_it_raises(kind: str) -> None:
    models = [small_unet().train(), small_unet().train()]
    with pytest.raises(ShapeError, match="H, W >= 32"):
        predict(all_predictors(*models)[kind], drawn_image(20, 20))
    assert models[0].training


@pytest.mark.parametrize("kind", KINDS)
def test_batch_norm_uses_its_running_statistics(kind: str) -> None:
    models = [small_two_decoder(seed=seed) for seed in (0, 1)]
    in_training = predict(all_predictors(*[m.train() for m in models])[kind], drawn_image())
    in_prediction = predict(all_predictors(*[m.eval() for m in models])[kind], drawn_image())
    assert torch.equal(in_training.sums.sum_probs, in_prediction.sums.sum_probs)


@pytest.mark.parametrize("kind", KINDS)
def test_results_need_no_gradient_and_may_be_changed(kind: str) -> None:
    sums = predict(all_predictors(small_unet(), small_unet(seed=1))[kind], drawn_image()).sums
    assert not sums.sum_probs.requires_grad
    sums.sum_probs.zero_()


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_is_neither_modified_nor_needs_to_be_writable(kind: str) -> None:
    image = drawn_image()
    image.setflags(write=False)
    predict(all_predictors(small_unet(), small_unet(seed=1))[kind], image)
    assert np.array_equal(image, drawn_image())


@pytest.mark.parametrize("kind", KINDS)
def test_views_with_negative_strides_are_accepted(kind: str) -> None:
    predictor = all_predictors(small_unet(), small_unet(seed=1))[kind]
    flipped = drawn_image()[:, ::-1]
    expected = predict(predictor, flipped.copy()).sums.sum_probs
    assert torch.equal(predict(predictor, flipped).sums.sum_probs, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((40, 40), np.uint8), r"got uint8 \(40, 40\)"),
        (np.zeros((40, 40, 4), np.uint8), r"got uint8 \(40, 40, 4\)"),
        (np.zeros((40, 40, 3), np.float32), r"got float32 \(40, 40, 3\)"),
    ],
)
def test_other_arrays_are_refused(kind: str, image: np.ndarray, message: str) -> None:
    predictor = all_predictors(small_unet(), small_unet(seed=1))[kind]
    with pytest.raises(ShapeError, match=message):
        predict(predictor, image)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("height", "width"), [(31, 60), (60, 31), (1, 1), (0, 40)])
def test_an_image_with_a_side_below_32_is_refused_with_its_size(
    kind: str, height: int, width: int
) -> None:
    predictor = all_predictors(small_unet(), small_unet(seed=1))[kind]
    with pytest.raises(ShapeError, match=rf"H, W >= 32, got \({height}, {width}\)"):
        predict(predictor, drawn_image(height, width))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_32_by_32_is_the_smallest_that_is_predicted(kind: str) -> None:
    predictor = all_predictors(small_unet(), small_unet(seed=1))[kind]
    assert predict(predictor, drawn_image(32, 32)).sums.sum_probs.shape[1:] == (32, 32)


def test_an_image_that_is_too_small_reaches_no_network() -> None:
    model = CountingModel()
    with pytest.raises(ShapeError, match="H, W >= 32"):
        predict(MonteCarloDropout(model, 2), drawn_image(31, 40))
    assert model.prefixes == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_boundary_is_left_out_when_not_asked_for(kind: str) -> None:
    predictor = all_predictors(small_unet(), small_unet(seed=1))[kind]
    assert predict(predictor, drawn_image(), boundary=False).boundary_probs is None


def test_a_model_without_a_boundary_head_gives_none() -> None:
    assert predict(Deterministic(CountingModel(), "fp32"), drawn_image()).boundary_probs is None


# --- one pass, and several models -----------------------------------------------------------


def test_a_deterministic_prediction_is_the_pass_without_dropout() -> None:
    model = small_two_decoder(3)
    pixels = torch.from_numpy(drawn_image()).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        outputs = model.eval()(pixels, NoNoise())
    prediction = predict(Deterministic(model, "fp32"), drawn_image())
    expected = outputs.foreground.softmax(1)[0]
    torch.testing.assert_close(prediction.sums.mean_probs, expected, atol=5e-6, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, outputs.boundary.softmax(1)[0, 1])


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    models = [small_unet(3, seed=seed) for seed in range(3)]
    ensemble = predict(Ensemble(models, "fp32"), drawn_image())
    members = [predict(Deterministic(model, "fp32"), drawn_image()) for model in models]
    mean = sum(member.sums.mean_probs for member in members) / 3
    torch.testing.assert_close(ensemble.sums.mean_probs, mean)
    mean_boundary = sum(member.boundary_probs for member in members) / 3
    torch.testing.assert_close(ensemble.boundary_probs, mean_boundary)


def test_members_may_be_other_networks() -> None:
    ensemble = Ensemble([small_unet(), small_two_decoder()], "fp32")
    assert predict(ensemble, drawn_image()).sums.n_samples == 2


@pytest.mark.parametrize(
    ("models", "message"),
    [([], r"got 0 with \[\]"), ([small_unet(2), small_unet(3)], r"got 2 with \[2, 3\]")],
)
def test_an_ensemble_of_nothing_or_of_other_classes_is_refused(
    models: list[Model], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Ensemble(models, "fp32")
