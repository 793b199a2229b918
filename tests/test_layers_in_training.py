"""Layers that are computed otherwise in training, so that a step is short: the same functions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from askmask.models.dropout import NoNoise
from askmask.models.grid import upsample_behind, upsample_centred
from askmask.models.group_norm import GroupNorm
from askmask.testing.networks import random_images
from askmask.training.weight_average import WeightAverage
from fakes import TinyModel
from small_models import small_pyramid

sides = st.integers(1, 7)


def gradient(y: Tensor, x: Tensor) -> Tensor:
    """Gradient in `x` of a sum of the output with weights that are all different."""
    weights = torch.sin(torch.arange(y.numel(), dtype=torch.float32)).view(y.shape)
    (found,) = torch.autograd.grad((y * weights).sum(), x)
    return found


@given(height=sides, width=sides, factor=st.sampled_from([2, 3, 4]))
def test_the_gradient_behind_a_feature_is_that_of_pytorch(
    height: int, width: int, factor: int
) -> None:
    x = torch.rand(2, 3, height, width).requires_grad_()
    padded = functional.pad(x, (1, 0, 1, 0), mode="replicate")
    size = (factor * height + 1, factor * width + 1)
    reference = functional.interpolate(padded, size=size, mode="bilinear", align_corners=True)
    reference = reference[:, :, 1:, 1:]
    ours = upsample_behind(x, factor)
    assert torch.equal(ours, reference)
    torch.testing.assert_close(gradient(ours, x), gradient(reference, x))


@given(height=sides, width=sides)
def test_the_gradient_of_centred_features_is_that_of_pytorch(height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width).requires_grad_()
    reference = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    ours = upsample_centred(x)
    assert torch.equal(ours, reference)
    torch.testing.assert_close(gradient(ours, x), gradient(reference, x))


def test_the_gradient_of_one_row_by_hand() -> None:
    x = torch.tensor([2.0, 6.0])[None, None, None].requires_grad_()  # (1, 1, 1, 2)
    y = upsample_behind(x, 2)  # two equal rows of [2, 2, 4, 6]
    y.backward(torch.tensor([1.0, 10.0, 100.0, 1000.0]).expand(1, 1, 2, 4))
    assert x.grad is not None
    assert x.grad.flatten().tolist() == [2 * (1 + 10 + 50), 2 * (50 + 1000)]


def test_a_gradient_in_bfloat16_stays_in_it() -> None:
    x = torch.rand(1, 2, 3, 3, dtype=torch.bfloat16).requires_grad_()
    upsample_centred(x).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert x.grad.float().sum().item() == pytest.approx(2 * 36, rel=0.01)


def test_group_norm_of_bfloat16_is_that_of_its_values_in_float32_in_training() -> None:
    norm = GroupNorm(2, 4)
    x = torch.rand(2, 4, 5, 5).bfloat16()
    found = norm(x)
    assert found.dtype == torch.float32
    assert torch.equal(found, norm(x.float()))
    assert norm.eval()(x).dtype == torch.bfloat16


@pytest.mark.parametrize("levels", [1, 3])
def test_training_sees_the_maps_of_the_encoder_that_predictions_see(levels: int) -> None:
    model = small_pyramid(3, detail_levels=levels, dropout=0.0)
    images = random_images(2, 64, 96)
    with torch.no_grad():
        in_training = model.train()(images, NoNoise()).foreground
        predicted = model.eval()(images, NoNoise()).foreground
    torch.testing.assert_close(in_training, predicted, rtol=1e-4, atol=1e-4)


def test_training_follows_an_encoder_that_was_changed_meanwhile() -> None:
    """Weights of an earlier round come after the network was built."""
    model, other = (small_pyramid(3, dropout=0.0, seed=seed) for seed in (0, 1))
    images = random_images(2, 64, 64)
    with torch.no_grad():
        model.train()(images, NoNoise())
        model.load_state_dict(other.state_dict())
        found = model(images, NoNoise()).foreground
        expected = other.eval()(images, NoNoise()).foreground
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_training_computes_the_encoder_as_autocast_asks() -> None:
    model = small_pyramid(3, dropout=0.0, detail_levels=3).train()
    images = random_images(1, 64, 64)
    with torch.no_grad():
        plain = model.prefix(images)[5:]
        with torch.autocast("cpu", torch.bfloat16):
            mixed = model.prefix(images)[5:]
        again = model.prefix(images)[5:]
    assert {tensor.dtype for tensor in mixed[1:]} == {torch.bfloat16}
    for before, after in zip(plain, again, strict=True):
        assert torch.equal(before, after)
    for exact, rounded in zip(plain, mixed, strict=True):
        torch.testing.assert_close(exact, rounded.float(), rtol=0.1, atol=0.1)


def test_an_average_leaves_out_weights_that_are_not_trained() -> None:
    model = TinyModel(2)
    model.encoder.requires_grad_(requires_grad=False)
    names = WeightAverage(model, 0.9).averages.keys()
    assert "foreground.weight" in names
    assert not {"encoder.weight", "encoder.bias"} & names
