"""Networks made ready for prediction, and the running sums that their samples go into.

A network behind the contract is written for training. `Frozen` is the same function for many
predictions with the same weights: folded, laid out and rounded once. `Model.freeze` gives a
network's own; `askmask.models.frozen.plain` makes one of any network.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from askmask.calibration import LogitScaling
from askmask.models.dropout import KeyedNoise, NoNoise
from askmask.query.scores import SampleSums


class ImageSamples(ABC):
    """Samples of one image: what no dropout touches is computed, and the samples add up."""

    @abstractmethod
    def draw(self, noise: KeyedNoise | NoNoise, n_samples: int) -> None:
        """Add `n_samples` samples, computed together; `noise` holds their keys, in order."""

    @abstractmethod
    def result(self) -> tuple[SampleSums, Float[Tensor, "H W"] | None]:
        """Sums so far, and the mean probability of a contour; new tensors, float32.

        At least one sample must have been drawn. More may be drawn afterwards.
        """


class Frozen(ABC):
    """A network for prediction: eval mode, no gradients, weights as they were when it was made.

    Guarantees: with float32, the probabilities are those of the network in eval mode up to
    rounding, mask for mask; with bfloat16, up to its rounding. The network is not changed.
    """

    features_key: str | None = None
    """Names what `features` depend on beside the image and the dtype; None if there are none."""

    def features(self, image: Float[Tensor, "1 3 H W"]) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Return what no training changes of an image: it may be kept for other rounds.

        Empty for a network without such a part.
        """
        return ()

    @abstractmethod
    def start(
        self,
        image: Float[Tensor, "1 3 H W"],
        *,
        boundary: bool,
        scaling: LogitScaling | None = None,
        features: tuple[Tensor, ...] = (),
    ) -> ImageSamples:
        """Compute what no dropout touches.

        `boundary`: whether to sample the boundary head, too; `scaling`: recalibration of the class
        logits; `features`: those of this image, not modified; empty to compute them, too.

        Raises
        ------
        ShapeError
            If the image is smaller than the network accepts.
        """

    @abstractmethod
    def samples_at_a_time(self, height: int, width: int) -> int:
        """How many samples of an image of this size are best computed together."""


class RunningSums:
    """Sums over samples of what scores need, from logits whose first axis is the class.

    Parameters
    ----------
    n_classes : int
        C >= 1.
    scaling : LogitScaling, optional
        Recalibration of the logits of every sample.
    """

    def __init__(self, n_classes: int, scaling: LogitScaling | None = None) -> None:
        self._n_classes = n_classes
        self._scaling = scaling
        self._n_samples = 0
        self._sum_probs: list[Tensor] = []
        self._votes: list[Tensor] = []
        self._sum_entropy: Tensor | None = None

    def add(self, logits: Float[Tensor, "C B *space"]) -> None:
        """Add B samples; `logits` is not modified."""
        logits = logits.float()
        if self._scaling is not None:
            logits = self._scaling(logits.transpose(0, 1)).transpose(0, 1)
        if self._n_classes == 2:
            probs, entropy, votes = _two_classes(logits)
        else:
            probs, entropy, votes = _many_classes(logits)
        self._add(probs, entropy, votes, logits.shape[1])

    @property
    def takes_two_plain_classes(self) -> bool:
        """Whether `two_classes` may be used."""
        return self._n_classes == 2 and self._scaling is None

    def two_classes(
        self, n_pixels: int, n_samples: int, device: torch.device
    ) -> Float[Tensor, "5 N"]:
        """Return the sums themselves, for the caller to add `n_samples` samples to, in place.

        Probabilities of both classes, entropy, votes for the second; the last row is the caller's
        own, and starts as zeros. Not to be mixed with `add`.
        """
        if self._sum_entropy is None:
            self._whole = torch.zeros(5, n_pixels, device=device)
            first, second, self._sum_entropy, votes, _ = self._whole
            self._sum_probs, self._votes = [first, second], [votes]
        self._n_samples += n_samples
        return self._whole

    def _add(
        self, probs: list[Tensor], entropy: Tensor, votes: list[Tensor], n_samples: int
    ) -> None:
        self._n_samples += n_samples
        if self._sum_entropy is None:
            self._sum_probs, self._sum_entropy, self._votes = probs, entropy, votes
            return
        self._sum_entropy += entropy
        for total, added in zip(self._sum_probs + self._votes, probs + votes, strict=True):
            total.add_(added)

    def sums(self) -> SampleSums:
        """Return the sums so far, in new tensors."""
        assert self._sum_entropy is not None
        votes = self._votes
        if self._n_classes == 2:  # only the votes for the second class were counted
            votes = [self._n_samples - votes[0], votes[0]]
        return SampleSums(
            torch.stack(self._sum_probs),
            self._sum_entropy.clone(),
            torch.stack(votes),
            self._n_samples,
        )


def contour_probs(logits: Float[Tensor, "2 B *space"]) -> Float[Tensor, "*space"]:
    """Sum over B of the second class's probability."""
    logits = logits.float()
    return (logits[1] - logits[0]).sigmoid_().sum(0)


def _two_classes(logits: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    """Sums over B of two classes: their softmax is a sigmoid, which is many times cheaper."""
    difference = logits[1] - logits[0]  # (B, *space)
    votes = (difference > 0).sum(0, dtype=torch.float32)  # the first class wins a tie
    second = difference.sigmoid()
    size = difference.abs()
    first = difference.neg_().sigmoid_()  # not 1 - second, which would lose small ones
    # H = -q log q - (1 - q) log(1 - q) with q = sigmoid(-|d|), and log q = log(1 - q) - |d|
    smaller, larger = torch.minimum(first, second), torch.maximum(first, second)
    entropy = size.mul_(smaller).sub_(larger.log_()).sum(0)
    return [first.sum(0), second.sum(0)], entropy, [votes]


def _many_classes(logits: Tensor) -> tuple[list[Tensor], Tensor, list[Tensor]]:
    probs = logits.softmax(0)  # (C, B, *space)
    winner = probs.max(0).indices
    votes = [(winner == c).sum(0, dtype=torch.float32) for c in range(len(probs))]
    return list(probs.sum(1)), torch.special.entr(probs).sum((0, 1)), votes
