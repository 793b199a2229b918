"""Losses count labelled pixels only, by their weight."""

import math
from dataclasses import dataclass, field

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy

from askmask.errors import ShapeError
from askmask.records import UNLABELLED
from askmask.seeds import torch_generator
from askmask.training.losses import (
    decoder_loss,
    l2_penalty,
    masked_cross_entropy,
    masked_dice_loss,
    segmentation_loss,
)


@dataclass
class Logits:
    foreground: Tensor
    boundary: Tensor | None = None
    auxiliary_foreground: tuple[Tensor, ...] = ()
    auxiliary_boundary: tuple[Tensor, ...] = field(default=())


def random_case(seed: int, classes: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch_generator(seed, "loss")
    logits = torch.randn(2, classes, 4, 5, generator=generator)
    labels = torch.randint(-1, classes, (2, 4, 5), generator=generator)
    weight = torch.rand(2, 4, 5, generator=generator)
    return logits, labels, weight


def test_masked_cross_entropy_of_two_pixels_by_hand() -> None:
    # pixel 0: logits (0, log 3) -> probabilities (1/4, 3/4), label 1, weight 1: -log 3/4
    # pixel 1: logits (0, 0) -> (1/2, 1/2), label 0, weight 3: -log 1/2
    logits = torch.tensor([[[[0.0, 0.0]], [[math.log(3.0), 0.0]]]])
    labels = torch.tensor([[[1, 0]]])
    weight = torch.tensor([[[1.0, 3.0]]])
    expected = (-math.log(3 / 4) - 3 * math.log(1 / 2)) / 4
    assert masked_cross_entropy(logits, labels, weight).item() == pytest.approx(expected)


def test_masked_cross_entropy_of_equal_logits_is_log_of_the_classes() -> None:
    labels = torch.tensor([[[0, 1], [4, UNLABELLED]]])
    loss = masked_cross_entropy(torch.zeros(1, 5, 2, 2), labels, torch.ones(1, 2, 2))
    assert loss.item() == pytest.approx(math.log(5))


def test_masked_cross_entropy_of_a_sure_and_right_network_is_zero() -> None:
    logits = torch.tensor([[[[80.0]], [[-80.0]]]])
    assert masked_cross_entropy(logits, torch.tensor([[[0]]]), torch.ones(1, 1, 1)).item() == 0


def test_masked_cross_entropy_gets_worse_with_wrong_labels() -> None:
    logits = torch.tensor([[[[2.0]], [[-2.0]]]])
    right, wrong = (
        masked_cross_entropy(logits, torch.tensor([[[label]]]), torch.ones(1, 1, 1))
        for label in (0, 1)
    )
    assert wrong.item() == pytest.approx(right.item() + 4.0)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_masked_cross_entropy_equals_torch_with_ignored_pixels(seed: int) -> None:
    logits, labels, weight = random_case(seed)
    each = cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="none")
    total = weight[labels != UNLABELLED].sum()
    expected = (each * weight).sum() / total.clamp(min=1e-30)
    torch.testing.assert_close(masked_cross_entropy(logits, labels, weight), expected)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), factor=st.floats(0.01, 100))
def test_masked_cross_entropy_depends_on_weights_up_to_a_factor(seed: int, factor: float) -> None:
    logits, labels, weight = random_case(seed)
    torch.testing.assert_close(
        masked_cross_entropy(logits, labels, weight * factor),
        masked_cross_entropy(logits, labels, weight),
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_unlabelled_pixels_have_no_gradient(seed: int) -> None:
    logits, labels, weight = random_case(seed)
    logits.requires_grad_()
    masked_cross_entropy(logits, labels, weight).backward()
    assert (logits.grad.movedim(1, -1)[labels == UNLABELLED] == 0).all()


def test_pixels_of_weight_zero_have_no_gradient() -> None:
    logits = torch.zeros(1, 2, 1, 2, requires_grad=True)
    masked_cross_entropy(logits, torch.tensor([[[0, 1]]]), torch.tensor([[[1.0, 0.0]]])).backward()
    assert logits.grad[..., 1].abs().sum() == 0
    assert logits.grad[..., 0].abs().sum() > 0


def test_loss_without_a_labelled_pixel_is_zero_and_so_is_its_gradient() -> None:
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    labels = torch.full((1, 3, 3), UNLABELLED)
    loss = masked_cross_entropy(logits, labels, torch.ones(1, 3, 3))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_impossible_class_at_an_unlabelled_pixel_does_not_spoil_the_loss() -> None:
    logits = torch.tensor([[[[0.0, 5.0]], [[0.0, -torch.inf]]]])
    loss = masked_cross_entropy(logits, torch.tensor([[[0, UNLABELLED]]]), torch.ones(1, 1, 2))
    assert loss.item() == pytest.approx(math.log(2))


def test_loss_of_bfloat16_logits_is_computed_in_float32() -> None:
    logits, labels, weight = random_case(0)
    loss = masked_cross_entropy(logits.bfloat16(), labels, weight)
    torch.testing.assert_close(
        loss, masked_cross_entropy(logits.bfloat16().float(), labels, weight)
    )


def test_decoder_loss_adds_weighted_branches() -> None:
    logits, labels, weight = random_case(1)
    branches = (logits * 2, logits * 3)
    plain = [masked_cross_entropy(x, labels, weight) for x in (logits, *branches)]
    loss = decoder_loss(logits, branches, labels, weight, 0.1)
    torch.testing.assert_close(loss, plain[0] + 0.1 * (plain[1] + plain[2]))


def test_segmentation_loss_adds_the_contour_decoder_by_its_weight() -> None:
    logits, labels, weight = random_case(2, classes=2)
    contour, _, _ = random_case(3, classes=2)
    boundary = labels.roll(1, 0)
    loss = segmentation_loss(
        Logits(logits, contour, (logits,), (contour,)),
        labels,
        boundary,
        weight,
        boundary_weight=0.5,
        auxiliary_weight=0.0,
    )
    expected = masked_cross_entropy(logits, labels, weight) + 0.5 * masked_cross_entropy(
        contour, boundary, weight
    )
    torch.testing.assert_close(loss, expected)


def test_segmentation_loss_without_contour_logits_is_the_foreground_loss() -> None:
    logits, labels, weight = random_case(4)
    loss = segmentation_loss(Logits(logits), labels, None, weight)
    torch.testing.assert_close(loss, masked_cross_entropy(logits, labels, weight))


def test_contour_logits_without_a_target_are_refused() -> None:
    logits, labels, weight = random_case(5)
    with pytest.raises(ShapeError, match="expected a contour target"):
        segmentation_loss(Logits(logits, logits[:, :2]), labels, None, weight)


def test_l2_penalty_has_the_kernel_as_its_gradient() -> None:
    kernel = torch.randn(2, 3, 1, 1, requires_grad=True)
    l2_penalty([kernel]).backward()
    torch.testing.assert_close(kernel.grad, kernel.detach())


def test_l2_penalty_of_nothing_is_zero() -> None:
    assert l2_penalty([]).item() == 0


# Dice


def test_masked_dice_loss_of_three_pixels_by_hand() -> None:
    # Probabilities of class 1: 3/4, 1/2, and an unlabelled pixel. Labels 1, 0; weights 1, 3.
    # class 1: 1 - 2 (1 * 3/4) / (1 * 3/4 + 3 * 1/2 + 1) = 1 - 1.5 / 3.25
    # class 0: 1 - 2 (3 * 1/2) / (1 * 1/4 + 3 * 1/2 + 3) = 1 - 3 / 4.75
    logits = torch.tensor([[[[0.0, 0.0, 9.0]], [[math.log(3.0), 0.0, 0.0]]]])
    labels = torch.tensor([[[1, 0, UNLABELLED]]])
    weight = torch.tensor([[[1.0, 3.0, 5.0]]])
    expected = ((1 - 1.5 / 3.25) + (1 - 3 / 4.75)) / 2
    assert masked_dice_loss(logits, labels, weight).item() == pytest.approx(expected)


def test_masked_dice_loss_is_zero_for_a_sure_and_right_network_and_one_for_a_wrong_one() -> None:
    logits = torch.tensor([[[[80.0]], [[-80.0]]]])
    right, wrong = (
        masked_dice_loss(logits, torch.tensor([[[label]]]), torch.ones(1, 1, 1)).item()
        for label in (0, 1)
    )
    assert (right, wrong) == (0.0, 1.0)


def test_masked_dice_loss_leaves_out_classes_that_nobody_labelled() -> None:
    # the third class takes nothing from the first two, but nobody labelled it
    logits = torch.tensor([[[[0.0]], [[0.0]], [[-80.0]]]])
    loss = masked_dice_loss(logits, torch.tensor([[[0]]]), torch.ones(1, 1, 1))
    assert loss.item() == pytest.approx(1 - 2 * 0.5 / 1.5)


def test_masked_dice_loss_without_a_labelled_pixel_is_zero_and_so_is_its_gradient() -> None:
    logits = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = masked_dice_loss(logits, torch.full((1, 3, 3), UNLABELLED), torch.ones(1, 3, 3))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_unlabelled_logits_never_move_the_dice_loss(seed: int) -> None:
    logits, labels, weight = random_case(seed)
    other = torch.where((labels == UNLABELLED).unsqueeze(1), math.inf, logits)
    expected = masked_dice_loss(logits, labels, weight)
    torch.testing.assert_close(masked_dice_loss(other, labels, weight), expected)
    assert 0 <= expected.item() <= 1


def test_dice_loss_is_added_to_the_foreground_by_its_weight() -> None:
    logits, labels, weight = random_case(1)
    outputs = Logits(logits, auxiliary_foreground=(logits + 1,))
    plain = segmentation_loss(outputs, labels, None, weight)
    both = segmentation_loss(outputs, labels, None, weight, dice_weight=0.5)
    expected = plain + 0.5 * masked_dice_loss(logits, labels, weight)
    torch.testing.assert_close(both, expected)


def test_label_smoothing_of_one_pixel_by_hand() -> None:
    # probabilities (1/4, 3/4), label 1; smoothed by 0.2 the label is (0.1, 0.9)
    logits = torch.tensor([[[[0.0]], [[math.log(3.0)]]]])
    loss = segmentation_loss(
        Logits(logits), torch.tensor([[[1]]]), None, torch.ones(1, 1, 1), label_smoothing=0.2
    )
    assert loss.item() == pytest.approx(-0.1 * math.log(1 / 4) - 0.9 * math.log(3 / 4))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), smoothing=st.floats(0, 0.99))
def test_smoothed_labels_are_those_of_torch(seed: int, smoothing: float) -> None:
    logits, labels, _ = random_case(seed)
    own = segmentation_loss(
        Logits(logits), labels, None, torch.ones_like(labels).float(), label_smoothing=smoothing
    )
    expected = cross_entropy(
        logits, labels, ignore_index=UNLABELLED, label_smoothing=smoothing, reduction="mean"
    )
    torch.testing.assert_close(own, expected)


def test_contours_and_unlabelled_pixels_are_not_smoothed() -> None:
    logits, labels, weight = random_case(2)
    contour = torch.where(labels == UNLABELLED, UNLABELLED, (labels > 0).long())
    outputs = Logits(logits, boundary=logits[:, :2])
    plain = segmentation_loss(outputs, labels, contour, weight)
    smooth = segmentation_loss(outputs, labels, contour, weight, label_smoothing=0.3)
    foreground = segmentation_loss(Logits(logits), labels, None, weight)
    smooth_foreground = segmentation_loss(Logits(logits), labels, None, weight, label_smoothing=0.3)
    torch.testing.assert_close(smooth - smooth_foreground, plain - foreground)
    hidden = torch.where((labels == UNLABELLED).unsqueeze(1), logits + 7, logits)
    moved = segmentation_loss(Logits(hidden), labels, None, weight, label_smoothing=0.3)
    torch.testing.assert_close(moved, smooth_foreground)
