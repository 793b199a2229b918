"""Networks made ready for prediction: the same function, whatever their batch norms hold."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from askmask.models.contract import Model
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.frozen.plain import PlainFrozen
from askmask.models.frozen.resnet import FrozenEncoder
from askmask.models.frozen.workspace import Workspace
from askmask.models.resnet_v2 import ResNetV2
from askmask.query.scores import SampleSums, mutual_information
from askmask.sampling.predictors import Deterministic, MonteCarloDropout
from small_models import small_two_decoder, small_unet

NAMES = {"seed": 5, "round": 1, "image_id": "image"}


def drawn_image(height: int = 41, width: int = 52, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3)).astype(np.uint8)


def as_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def with_any_batch_norms(model: Model, seed: int = 0) -> Model:
    """Scales of either sign and 0, as trained weights have, and statistics far from 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            with torch.no_grad():
                norm.weight.normal_(generator=generator)
                norm.weight[0] = 0
                norm.bias.normal_(generator=generator)
                norm.running_mean.normal_(generator=generator)
                norm.running_var.uniform_(0.5, 2, generator=generator)
    return model


def whole_passes(model: Model, image: np.ndarray, n_samples: int) -> tuple[SampleSums, Tensor]:
    """Sums, and the mean contour, of one whole pass after another: the plain way."""
    with torch.no_grad():
        passes = [
            model.eval()(as_tensor(image), KeyedNoise(5, 1, "image", [s])) for s in range(n_samples)
        ]
    sums = SampleSums.of(torch.cat([outputs.foreground for outputs in passes]).softmax(1))
    return sums, torch.cat([outputs.boundary for outputs in passes]).softmax(1)[:, 1].mean(0)


@pytest.mark.parametrize("size", [(41, 52), (64, 96), (32, 33)])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_folded_samples_equal_whole_passes_mask_for_mask(
    n_classes: int, size: tuple[int, int]
) -> None:
    model = with_any_batch_norms(small_two_decoder(n_classes))
    expected, contour = whole_passes(model, drawn_image(*size), 4)
    sampler = MonteCarloDropout(model, 4, precision="fp32")
    prediction = sampler.predict(drawn_image(*size), **NAMES, boundary=True)
    sums = prediction.sums
    torch.testing.assert_close(sums.mean_probs, expected.mean_probs, atol=1e-5, rtol=0)
    torch.testing.assert_close(sums.sum_entropy, expected.sum_entropy, atol=4e-5, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, contour, atol=1e-5, rtol=0)
    assert float((sums.votes != expected.votes).float().mean()) < 1e-3  # ties up to rounding


@pytest.mark.parametrize("seed", range(5))
def test_a_folded_pass_without_dropout_equals_the_network_s(seed: int) -> None:
    model = with_any_batch_norms(small_two_decoder(3), seed).eval()
    with torch.no_grad():
        expected = model(as_tensor(drawn_image()), NoNoise()).foreground.softmax(1)[0]
    sums = Deterministic(model, "fp32").predict(drawn_image(), **NAMES, boundary=False).sums
    torch.testing.assert_close(sums.mean_probs, expected, atol=1e-5, rtol=0)


def test_a_pass_without_dropout_can_be_repeated_from_the_same_start() -> None:
    model = with_any_batch_norms(small_two_decoder())
    samples = model.freeze(torch.float32).start(as_tensor(drawn_image()), boundary=True)
    samples.draw(NoNoise(), 1)
    once = samples.result()[0].sum_probs
    samples.draw(NoNoise(), 1)
    assert torch.equal(samples.result()[0].sum_probs, 2 * once)


def test_a_stem_without_a_floor_keeps_negative_values() -> None:
    model = with_any_batch_norms(small_two_decoder())
    assert isinstance(model.encoder, ResNetV2)
    model.encoder.stem.floor.fill_(-float("inf"))
    expected, _ = whole_passes(model, drawn_image(), 2)
    sampler = MonteCarloDropout(model, 2, precision="fp32")
    sums = sampler.predict(drawn_image(), **NAMES, boundary=False).sums
    torch.testing.assert_close(sums.mean_probs, expected.mean_probs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("make", [small_two_decoder, small_unet])
def test_bfloat16_gives_nearly_the_same_probabilities(make: type[Model]) -> None:
    model = make()
    expected, contour = whole_passes(model, drawn_image(), 6)
    sampler = MonteCarloDropout(model, 6, precision="bf16")
    prediction = sampler.predict(drawn_image(), **NAMES, boundary=True)
    assert prediction.sums.sum_probs.dtype == torch.float32
    # bfloat16 keeps 8 bits; other masks would move single pixels by several tenths.
    torch.testing.assert_close(prediction.sums.mean_probs, expected.mean_probs, atol=0.02, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, contour, atol=0.02, rtol=0)


def test_stem_and_first_stage_lose_nothing_to_bfloat16() -> None:
    encoder = with_any_batch_norms(small_two_decoder()).encoder
    assert isinstance(encoder, ResNetV2)
    features = []
    for dtype in (torch.float32, torch.bfloat16):
        frozen, memory = FrozenEncoder(encoder, dtype), Workspace()
        with torch.no_grad():
            x, grid = frozen.stem(as_tensor(drawn_image()))
            for unit in frozen.stages[0]:
                x, grid = unit(x, unit.activation(x), grid, memory)
        features.append(x.clone())
    assert features[0].dtype == torch.float32
    assert torch.equal(*features)


@pytest.mark.parametrize("make", [small_two_decoder, small_unet])
def test_weights_changed_after_a_prediction_count_in_the_next(make: type[Model]) -> None:
    model = make()
    sampler = MonteCarloDropout(model, 2, precision="fp32")
    before = sampler.predict(drawn_image(), **NAMES, boundary=False).sums
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    after = sampler.predict(drawn_image(), **NAMES, boundary=False).sums
    expected, _ = whole_passes(model, drawn_image(), 2)
    assert not torch.equal(after.sum_probs, before.sum_probs)
    torch.testing.assert_close(after.mean_probs, expected.mean_probs, atol=1e-5, rtol=0)


def test_an_earlier_result_is_not_changed_by_later_images() -> None:
    sampler = MonteCarloDropout(small_two_decoder(), 3, precision="fp32")
    first = sampler.predict(drawn_image(), **NAMES, boundary=True)
    kept = (first.sums.sum_probs.clone(), first.boundary_probs.clone())
    sampler.predict(drawn_image(seed=1), **NAMES, boundary=True)
    sampler.predict(drawn_image(90, 70), **NAMES, boundary=True)
    assert torch.equal(first.sums.sum_probs, kept[0])
    assert torch.equal(first.boundary_probs, kept[1])


@pytest.mark.parametrize("size", [(32, 32), (528, 784), (4000, 4000)])
@pytest.mark.parametrize("frozen", [False, True])
def test_larger_images_are_sampled_fewer_at_a_time(frozen: bool, size: tuple[int, int]) -> None:
    model = small_two_decoder()
    network = model.freeze(torch.float32) if frozen else PlainFrozen(model, torch.float32)
    count = network.samples_at_a_time(*size)
    assert 1 <= count <= 64
    assert count >= network.samples_at_a_time(2 * size[0], size[1])


def test_very_small_probabilities_of_two_classes_are_kept() -> None:
    from askmask.models.frozen.network import RunningSums

    sums = RunningSums(2)
    sums.add(torch.tensor([[[0.0], [0.0]], [[40.0], [-40.0]]]))  # both classes, two samples
    probs = torch.tensor([0.0, 40.0]).double().softmax(0)
    result = sums.sums()
    assert float(probs[0]) == pytest.approx(4.2e-18, rel=0.02)
    torch.testing.assert_close(result.sum_probs.flatten(), torch.ones(2))
    assert torch.equal(result.votes.flatten(), torch.ones(2))
    one = RunningSums(2)
    one.add(torch.tensor([[[0.0]], [[40.0]]]))
    assert float(one.sums().sum_probs[0]) == pytest.approx(float(probs[0]), rel=1e-5)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_running_sums_are_the_sums_of_the_softmax(n_classes: int) -> None:
    from askmask.models.frozen.network import RunningSums

    logits = torch.randn(5, n_classes, 7, 9, generator=torch.Generator().manual_seed(0)) * 5
    expected = SampleSums.of(logits.softmax(1))
    running = RunningSums(n_classes)
    running.add(logits[:2].transpose(0, 1))
    running.add(logits[2:].transpose(0, 1))
    sums = running.sums()
    torch.testing.assert_close(sums.sum_probs, expected.sum_probs, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(sums.sum_entropy, expected.sum_entropy, atol=1e-6, rtol=1e-5)
    assert torch.equal(sums.votes, expected.votes)
    score = mutual_information(sums)
    torch.testing.assert_close(score, mutual_information(expected), atol=1e-6, rtol=0)
