"""The default network made ready for prediction: the same function, with and without the kernel."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from askmask.calibration import LogitScaling
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.models.efficientnet_lite import EfficientNetLite
from askmask.models.frozen.lite import FrozenLite
from askmask.models.frozen.pyramid_steps import CompiledSteps, PlainSteps
from askmask.models.normalization import Normalization
from askmask.models.pyramid import PyramidNet
from askmask.query.scores import SampleSums
from askmask.runtime.kernel import SWITCH, build_kernel, load_kernel
from askmask.sampling.predictors import Deterministic, MonteCarloDropout
from small_models import SMALL_LITE, small_pyramid

NAMES = {"seed": 5, "round": 1, "image_id": "image"}
HAS_COMPILER = shutil.which("c++") is not None or shutil.which("g++") is not None
SIZES = [(41, 52), (64, 96), (32, 33)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv(SWITCH, raising=False)
        yield build_kernel()
    load_kernel.cache_clear()


@pytest.fixture(
    params=[
        "plain",
        pytest.param(
            "compiled", marks=pytest.mark.skipif(not HAS_COMPILER, reason="needs a C++ compiler")
        ),
    ]
)
def steps(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[PlainSteps | CompiledSteps]]:
    """Which form of the steps networks frozen in the test have."""
    if request.param == "compiled":
        monkeypatch.setenv("XDG_CACHE_HOME", str(request.getfixturevalue("built").parents[1]))
        monkeypatch.delenv(SWITCH, raising=False)
    else:
        monkeypatch.setenv(SWITCH, "off")
    load_kernel.cache_clear()
    yield CompiledSteps if request.param == "compiled" else PlainSteps
    load_kernel.cache_clear()


def drawn_image(height: int = 41, width: int = 52, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3)).astype(np.uint8)


def as_tensor(image: np.ndarray) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def trained_like(model: PyramidNet, seed: int = 0) -> PyramidNet:
    """Weights far from their start: logits of some units, norms that shift and scale."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.GroupNorm | nn.BatchNorm2d):
                module.weight.normal_(generator=generator)
                module.bias.normal_(generator=generator)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
        for head in (model.foreground_head, model.boundary_head, model.detail.head):
            head.weight.normal_(std=0.5, generator=generator)
            head.bias.normal_(std=0.5, generator=generator)
    return model.eval()


def whole_passes(
    model: PyramidNet, image: np.ndarray, n_samples: int, scaling: LogitScaling | None = None
) -> tuple[SampleSums, Tensor]:
    """Sums, and the mean contour, of one whole pass after another: the plain way."""
    with torch.no_grad():
        passes = [model(as_tensor(image), KeyedNoise(5, 1, "image", [s])) for s in range(n_samples)]
    logits = torch.cat([outputs.foreground for outputs in passes])
    sums = SampleSums.of((logits if scaling is None else scaling(logits)).softmax(1))
    return sums, torch.cat([outputs.boundary for outputs in passes]).softmax(1)[:, 1].mean(0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("n_classes", "levels"), [(2, 1), (4, 1), (2, 3), (4, 3)])
def test_samples_equal_whole_passes_mask_for_mask(
    steps: type, n_classes: int, levels: int, size: tuple[int, int]
) -> None:
    model = trained_like(small_pyramid(n_classes, detail_levels=levels))
    assert type(model.freeze(torch.float32).steps) is steps
    expected, contour = whole_passes(model, drawn_image(*size), 5)
    sampler = MonteCarloDropout(model, 5, chunk=2, precision="fp32")
    prediction = sampler.predict(drawn_image(*size), **NAMES, boundary=True)
    sums = prediction.sums
    torch.testing.assert_close(sums.mean_probs, expected.mean_probs, atol=1e-4, rtol=0)
    torch.testing.assert_close(sums.sum_entropy / 5, expected.sum_entropy / 5, atol=1e-4, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, contour, atol=1e-4, rtol=0)
    assert float((sums.votes != expected.votes).float().mean()) < 1e-3  # ties up to rounding
    assert sums.votes.sum(0).unique().tolist() == [5.0]
    assert float(expected.mean_probs.std()) > 0.1  # else the comparison would say nothing


@pytest.mark.parametrize(("n_classes", "levels"), [(2, 1), (3, 1), (2, 3)])
def test_features_of_another_time_change_nothing(steps: type, n_classes: int, levels: int) -> None:
    model = trained_like(small_pyramid(n_classes, detail_levels=levels))
    frozen, image = model.freeze(torch.float32), as_tensor(drawn_image())
    results = []
    for features in ((), frozen.features(image)):
        samples = frozen.start(image, boundary=True, features=features)
        samples.draw(KeyedNoise(5, 1, "image", [0, 1, 2]), 3)
        results.append(samples.result())
    expected, _ = whole_passes(model, drawn_image(), 3)
    assert torch.equal(results[0][0].sum_probs, results[1][0].sum_probs)
    assert torch.equal(results[0][1], results[1][1])
    torch.testing.assert_close(results[1][0].mean_probs, expected.mean_probs, atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_pass_without_dropout_equals_the_network_s(steps: type, n_classes: int) -> None:
    model = trained_like(small_pyramid(n_classes))
    with torch.no_grad():
        expected = model(as_tensor(drawn_image()), NoNoise()).foreground.softmax(1)[0]
    sums = Deterministic(model, "fp32").predict(drawn_image(), **NAMES, boundary=False).sums
    torch.testing.assert_close(sums.mean_probs, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_recalibrated_samples_equal_recalibrated_passes(steps: type, n_classes: int) -> None:
    model = trained_like(small_pyramid(n_classes))
    scale, shift = (0.5, 1.5, 0.7)[:n_classes], (0.3, -0.2, 1.0)[:n_classes]
    scaling = LogitScaling("vector", scale, shift)
    expected, contour = whole_passes(model, drawn_image(), 3, scaling)
    sampler = MonteCarloDropout(model, 3, precision="fp32", scaling=scaling)
    prediction = sampler.predict(drawn_image(), **NAMES, boundary=True)
    torch.testing.assert_close(prediction.sums.mean_probs, expected.mean_probs, atol=1e-4, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, contour, atol=1e-4, rtol=0)


@pytest.mark.parametrize("levels", [1, 3])
def test_bfloat16_gives_nearly_the_same_probabilities(steps: type, levels: int) -> None:
    # near its start, where rounding is small beside the logits
    model = small_pyramid(detail_levels=levels)
    expected, contour = whole_passes(model.eval(), drawn_image(), 6)
    sampler = MonteCarloDropout(model, 6, precision="bf16")
    prediction = sampler.predict(drawn_image(), **NAMES, boundary=True)
    assert prediction.sums.sum_probs.dtype == torch.float32
    torch.testing.assert_close(prediction.sums.mean_probs, expected.mean_probs, atol=0.02, rtol=0)
    torch.testing.assert_close(prediction.boundary_probs, contour, atol=0.02, rtol=0)


def test_samples_drawn_later_are_added(steps: type) -> None:
    model = trained_like(small_pyramid())
    samples = model.freeze(torch.float32).start(as_tensor(drawn_image()), boundary=True)
    samples.draw(NoNoise(), 1)
    once = samples.result()[0].sum_probs
    samples.draw(NoNoise(), 1)
    assert torch.equal(samples.result()[0].sum_probs, 2 * once)


def test_an_earlier_result_is_not_changed_by_later_samples(steps: type) -> None:
    sampler = MonteCarloDropout(trained_like(small_pyramid()), 3, precision="fp32")
    first = sampler.predict(drawn_image(), **NAMES, boundary=True)
    kept = (first.sums.sum_probs.clone(), first.boundary_probs.clone())
    sampler.predict(drawn_image(seed=1), **NAMES, boundary=True)
    assert torch.equal(first.sums.sum_probs, kept[0])
    assert torch.equal(first.boundary_probs, kept[1])


def test_the_folded_encoder_has_the_maps_of_the_encoder() -> None:
    encoder = EfficientNetLite(SMALL_LITE).eval()
    images = Normalization()(torch.rand(1, 3, 64, 96))
    with torch.no_grad():
        for ours, theirs in zip(
            FrozenLite(encoder, torch.float32)(images), encoder(images), strict=True
        ):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_features_have_a_key_that_follows_the_encoder_s_weights() -> None:
    model = small_pyramid()
    key = model.freeze(torch.float32).features_key
    with torch.no_grad():
        model.foreground_head.weight.add_(1)  # trained, and not part of the encoder
    assert model.freeze(torch.float32).features_key == key
    with torch.no_grad():
        model.encoder.stem.weight.add_(1)
    assert model.freeze(torch.float32).features_key not in {key, None}


def test_features_of_a_thawed_encoder_are_not_to_be_kept() -> None:
    assert small_pyramid(thaw_stages=1).freeze(torch.float32).features_key is None
