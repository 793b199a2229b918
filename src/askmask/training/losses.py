"""Losses over labelled pixels only; maths without state, models or files.

A pixel counts if its label is not `UNLABELLED` and its weight is positive, and it counts by its
weight. Padding, ignored and unanswered pixels therefore never move a weight of the network.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from askmask.errors import ShapeError
from askmask.records import UNLABELLED


@runtime_checkable
class DecoderLogits(Protocol):
    """Logits that a pass hands to the loss: those of both decoders and of their branches."""

    @property
    def foreground(self) -> Tensor:
        """(B, C, H, W) class logits."""
        ...

    @property
    def boundary(self) -> Tensor | None:
        """(B, 2, H, W) contour logits; None without a contour decoder."""
        ...

    @property
    def auxiliary_foreground(self) -> tuple[Tensor, ...]:
        """Class logits of each branch, (B, C, H, W)."""
        ...

    @property
    def auxiliary_boundary(self) -> tuple[Tensor, ...]:
        """Contour logits of each branch, (B, 2, H, W)."""
        ...


def masked_cross_entropy(
    logits: Float[Tensor, "B C H W"],
    labels: Int64[Tensor, "B H W"],
    weight: Float[Tensor, "B H W"],
) -> Float[Tensor, ""]:
    """Weighted mean cross-entropy over the labelled pixels of a batch.

    Parameters
    ----------
    logits : (B, C, H, W) float tensor
        Computed in float32, whatever their precision.
    labels : (B, H, W) int64 tensor
        Class indices in [0, C), `UNLABELLED` where nobody labelled.
    weight : (B, H, W) float tensor
        How much each pixel counts, >= 0; irrelevant where unlabelled.

    Returns
    -------
    () float32 tensor
        ``sum(w * -log softmax(logits)[label]) / sum(w)`` in nats, >= 0. Without a labelled pixel
        it is 0, and so is its gradient.

    Notes
    -----
    A comparison picks the true class rather than `torch.nn.functional.cross_entropy` or a gather,
    whose CUDA kernels add up in no fixed order; it is also faster on CPUs. A label that is no
    class picks nothing, so the code that builds the batch checks the labels.

    Examples
    --------
    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> masked_cross_entropy(logits, torch.tensor([[[0, -1]]]), torch.ones(1, 1, 2))
    tensor(0.6931)
    """
    return _cross_entropy(logits, _target(labels, weight, logits.shape[1]))


def _target(
    labels: Tensor, weight: Tensor, n_classes: int, smoothing: float = 0.0
) -> Float[Tensor, "B C H W"]:
    """Each labelled pixel's share of the total weight at its true class, 0 elsewhere.

    `smoothing` of the share is spread evenly over all classes.
    """
    counted = torch.where(labels == UNLABELLED, 0.0, weight.float())
    total = counted.sum()
    share = (counted / torch.where(total > 0, total, 1.0)).unsqueeze(1)
    classes = torch.arange(n_classes, device=labels.device).view(1, -1, 1, 1)
    spread = share * (smoothing / n_classes) if smoothing > 0 else torch.zeros_like(share)
    return torch.where(labels.unsqueeze(1) == classes, share * (1 - smoothing) + spread, spread)


def _cross_entropy(
    logits: Float[Tensor, "B C H W"], target: Float[Tensor, "B C H W"]
) -> Float[Tensor, ""]:
    """Sum of -target * log softmax(logits); where the target is 0 nothing counts, not even -inf."""
    log_probs = logits.float().contiguous().log_softmax(dim=1)
    if log_probs.device.type == "cpu":
        loss = -(log_probs * target).sum()
        if not loss.isnan():
            return loss
    # 0 * -inf is NaN. Always in this way on a GPU, where looking at the value means waiting for it.
    return -(torch.where(target > 0, log_probs, 0.0) * target).sum()


def masked_dice_loss(
    logits: Float[Tensor, "B C H W"],
    labels: Int64[Tensor, "B H W"],
    weight: Float[Tensor, "B H W"],
) -> Float[Tensor, ""]:
    """One minus the soft Dice of each class that was labelled, averaged over these classes.

    Every class counts alike, however few pixels it has; so it asks for thin and rare ones, which
    cross-entropy may leave out at little cost.

    Parameters
    ----------
    logits, labels, weight : tensors
        As in `masked_cross_entropy`.

    Returns
    -------
    () float32 tensor
        Mean over classes c of ``1 - 2 sum(w p_c y_c) / sum(w (p_c + y_c))``, in [0, 1], with p the
        softmax and y the one-hot labels, over the labelled pixels of the whole batch. Without a
        labelled pixel it is 0, and so is its gradient.

    References
    ----------
    Milletari et al. 2016, V-Net, arXiv:1606.04797, without the squares in the denominator.

    Examples
    --------
    >>> logits = torch.zeros(1, 2, 1, 2)
    >>> masked_dice_loss(logits, torch.tensor([[[0, -1]]]), torch.ones(1, 1, 2))
    tensor(0.3333)
    """
    target = _target(labels, weight, logits.shape[1])
    share = target.sum(dim=1, keepdim=True)  # (B, 1, H, W), 0 where unlabelled
    probs = torch.where(share > 0, logits.float().softmax(dim=1), 0.0)
    common = (probs * target).sum(dim=(0, 2, 3))  # (C,)
    true = target.sum(dim=(0, 2, 3))
    both = (probs * share).sum(dim=(0, 2, 3)) + true
    occurs = (true > 0).float()
    dice = 2 * common / torch.where(true > 0, both, 1.0)
    return (occurs * (1 - dice)).sum() / occurs.sum().clamp(min=1)


def decoder_loss(
    logits: Float[Tensor, "B C H W"],
    branches: Sequence[Tensor],
    labels: Int64[Tensor, "B H W"],
    weight: Float[Tensor, "B H W"],
    auxiliary_weight: float,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Loss of one decoder: its own, and the sum of its branches' by `auxiliary_weight`.

    Parameters
    ----------
    logits : (B, C, H, W) float tensor
        Output of the decoder.
    branches : sequence of (B, C, H, W) float tensors
        Outputs of its branches, for deep supervision; may be empty.
    labels, weight : (B, H, W) tensors
        As in `masked_cross_entropy`.
    auxiliary_weight : float
        >= 0.
    label_smoothing : float
        In [0, 1): so much of every label is spread evenly over all classes.

    References
    ----------
    Chen et al. 2016, DCAN, arXiv:1604.02677, eq. 2, with a mean over the labelled pixels; Szegedy
    et al. 2016, arXiv:1512.00567, section 7, for the smoothing.
    """
    target = _target(labels, weight, logits.shape[1], label_smoothing)
    loss = _cross_entropy(logits, target)
    for branch in branches:
        loss = loss + auxiliary_weight * _cross_entropy(branch, target)
    return loss


def segmentation_loss(
    outputs: DecoderLogits,
    labels: Int64[Tensor, "B H W"],
    boundary: Int64[Tensor, "B H W"] | None,
    weight: Float[Tensor, "B H W"],
    *,
    boundary_weight: float = 1.0,
    auxiliary_weight: float = 1.0,
    dice_weight: float = 0.0,
    label_smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """Loss of a pass: foreground decoder plus `boundary_weight` times contour decoder.

    Each decoder's loss is its cross-entropy; the foreground's also has `dice_weight` times the
    Dice loss of its own logits (those of its branches stay with cross-entropy).

    Parameters
    ----------
    outputs : DecoderLogits
        The network's outputs; without contour logits only the foreground counts.
    labels : (B, H, W) int64 tensor
        Class indices or `UNLABELLED`.
    boundary : (B, H, W) int64 tensor or None
        1 on a contour, 0 off it, or `UNLABELLED`.
    weight : (B, H, W) float tensor
        How much each pixel counts in both decoders.
    boundary_weight, auxiliary_weight, dice_weight : float
        Weights of the contour decoder, of the branches and of the Dice loss, >= 0.
    label_smoothing : float
        In [0, 1): so much of every class label is spread evenly over all classes in the
        foreground's cross-entropy. Contours keep their labels.

    Raises
    ------
    ShapeError
        If there are contour logits but no contour target.
    """
    foreground = decoder_loss(
        outputs.foreground,
        outputs.auxiliary_foreground,
        labels,
        weight,
        auxiliary_weight,
        label_smoothing,
    )
    if dice_weight > 0:
        foreground = foreground + dice_weight * masked_dice_loss(outputs.foreground, labels, weight)
    if outputs.boundary is None:
        return foreground
    if boundary is None:
        raise ShapeError(
            f"expected a contour target for contour logits of shape "
            f"{tuple(outputs.boundary.shape)}, got None. Give every training image its boundary "
            "raster, or set training.boundary_weight to 0."
        )
    contour = decoder_loss(
        outputs.boundary, outputs.auxiliary_boundary, boundary, weight, auxiliary_weight
    )
    return foreground + boundary_weight * contour


def l2_penalty(kernels: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Half the sum of squares of all kernels; 0 without any.

    The half is TensorFlow's and slim's convention (`tf.nn.l2_loss`), in which published factors
    such as 0.001 are meant; the gradient is then the kernel itself.

    Examples
    --------
    >>> l2_penalty([torch.tensor([3.0, 4.0])])
    tensor(12.5000)
    """
    squares = [0.5 * torch.linalg.vector_norm(kernel).square() for kernel in kernels]
    return torch.stack(squares).sum() if squares else torch.zeros(())
