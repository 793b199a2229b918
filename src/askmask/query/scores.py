"""Acquisition functions: sums over MC samples in, one score per pixel out.

Pure functions on tensors. No files, no state, no randomness, no regions (`askmask.query.regions`
adds the scores up), no names: a strategy says what an acquisition function is called.

Every score depends on the samples through three sums only (`SampleSums`), so samples can be
streamed and thrown away. Every score but `margin` is large where a pixel should be asked sooner,
and >= 0 up to rounding, because pixels that are already labelled count 0 and must never look
better than pixels that are not.

Said once for the six functions of ``sums``: they are those of one image's samples, S >= 2 for
`mutual_information` and `vote_variation_ratio`, else S >= 1, and are not modified; the result is
float32 at least, on their device. They raise `ShapeError` for too few samples or classes and
`AskmaskError` for sums of values that are no probabilities: NaN raises, it never ranks.
"""

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from askmask.errors import AskmaskError, ShapeError

_TOLERANCE: Final = 1e-2  # of a sum of probabilities; bfloat16 probabilities reach half of it


@dataclass(frozen=True, slots=True, eq=False)
class SampleSums:
    """Sums over S Monte Carlo samples; scores need no more of them.

    Attributes
    ----------
    sum_probs : (C, *space) float tensor
        Sum of the class probabilities; float32, or float64 if the probabilities were.
    sum_entropy : (*space) float tensor
        Sum of the samples' entropies, nats.
    votes : (C, *space) float tensor
        How many samples have the class as their most probable one (the lowest index of several).
    n_samples : int
        S.

    Examples
    --------
    >>> probs = torch.tensor([[[0.75], [0.25]], [[0.25], [0.75]]])  # S = 2, C = 2, one pixel
    >>> sums = SampleSums.of(probs)
    >>> sums.mean_probs
    tensor([[0.5000],
            [0.5000]])
    >>> (SampleSums.of(probs[:1]) + SampleSums.of(probs[1:])).votes
    tensor([[1.],
            [1.]])
    """

    sum_probs: Float[Tensor, "C *space"]
    sum_entropy: Float[Tensor, "*space"]
    votes: Float[Tensor, "C *space"]
    n_samples: int

    @classmethod
    def of(cls, probs: Float[Tensor, "S C *space"]) -> "SampleSums":
        """Sum (S, C, *space) class probabilities over S; `probs` is not modified."""
        if probs.dtype not in (torch.float32, torch.float64):
            probs = probs.float()  # half precision would lose whole samples in the sum
        winner = probs.max(1).indices  # (S, *space); argmax takes 15 times as long on CPUs
        votes = [(winner == c).sum(0, dtype=probs.dtype) for c in range(probs.shape[1])]
        return cls(
            sum_probs=probs.sum(0),
            sum_entropy=torch.special.entr(probs).sum((0, 1)),
            votes=torch.stack(votes),
            n_samples=probs.shape[0],
        )

    @classmethod
    def zeros(cls, n_classes: int, height: int, width: int) -> "SampleSums":
        """Start a stream: the sums of no sample on an image of height x width."""
        shape = (n_classes, height, width)
        return cls(torch.zeros(shape), torch.zeros(height, width), torch.zeros(shape), 0)

    def __add__(self, other: "SampleSums") -> "SampleSums":
        """Add the sums of two sets of samples; neither operand is modified."""
        if self.sum_probs.shape != other.sum_probs.shape:
            raise ShapeError(
                f"expected sums of one shape, got {tuple(self.sum_probs.shape)} and "
                f"{tuple(other.sum_probs.shape)}. Add samples of the same image only."
            )
        return SampleSums(
            self.sum_probs + other.sum_probs,
            self.sum_entropy + other.sum_entropy,
            self.votes + other.votes,
            self.n_samples + other.n_samples,
        )

    @property
    def mean_probs(self) -> Float[Tensor, "C *space"]:
        """Mean of the class probabilities over the samples; a new tensor; raises as scores do."""
        _check_samples(self, 1)
        return self.sum_probs / self.n_samples


def predictive_entropy(sums: SampleSums) -> Float[Tensor, "*space"]:
    """Entropy of the mean probabilities: how unsure the averaged model is.

    Returns
    -------
    (*space) tensor
        H[p] = -sum_c p_c log p_c of p = mean_s p_s; nats, in [0, log C], log C where uniform.

    References
    ----------
    Shannon 1948; Gal et al. 2017, arXiv:1703.02910, section 3 ("Max Entropy"); Li & Alstrøm
    2020, arXiv:2007.06364.

    Examples
    --------
    Mean (0.5, 0.5): log 2 = 0.6931.

    >>> sums = SampleSums.of(torch.tensor([[[0.75], [0.25]], [[0.25], [0.75]]]))
    >>> predictive_entropy(sums)
    tensor([0.6931])
    """
    entropy: Tensor = torch.special.entr(sums.mean_probs).sum(0)  # (*space)
    return entropy


def expected_entropy(sums: SampleSums) -> Float[Tensor, "*space"]:
    """Mean entropy of the samples: doubt that every sample shares (aleatoric).

    Returns
    -------
    (*space) tensor
        mean_s H[p_s]; nats, in [0, log C], at most the predictive entropy.

    References
    ----------
    Houlsby et al. 2011, arXiv:1112.5745, eq. 2, second term; Smith & Gal 2018, arXiv:1803.08533.

    Examples
    --------
    Both samples: -0.75 log 0.75 - 0.25 log 0.25 = 0.2158 + 0.3466.

    >>> sums = SampleSums.of(torch.tensor([[[0.75], [0.25]], [[0.25], [0.75]]]))
    >>> expected_entropy(sums)
    tensor([0.5623])
    """
    _check_samples(sums, 1)
    return sums.sum_entropy / sums.n_samples


def mutual_information(sums: SampleSums) -> Float[Tensor, "*space"]:
    """Mutual information between a pixel's label and the model's weights (BALD).

    Large where each sample is confident but the samples disagree.

    Returns
    -------
    (*space) tensor
        Predictive minus expected entropy; nats, in [0, min(log C, log S)]; rounding can leave
        about -1e-6 in float32.

    References
    ----------
    Houlsby et al. 2011, arXiv:1112.5745, eq. 2; Gal et al. 2017, arXiv:1703.02910, section 3.

    Examples
    --------
    0.6931 - 0.5623, and nothing where the samples agree.

    >>> sums = SampleSums.of(torch.tensor([[[0.75], [0.25]], [[0.25], [0.75]]]))
    >>> mutual_information(sums)
    tensor([0.1308])
    >>> agree = torch.tensor([[[0.5], [0.5]], [[0.5], [0.5]]])
    >>> mutual_information(SampleSums.of(agree))
    tensor([0.])
    """
    _check_samples(sums, 2)
    return predictive_entropy(sums) - sums.sum_entropy / sums.n_samples


def variation_ratio(sums: SampleSums) -> Float[Tensor, "*space"]:
    """One minus the largest mean probability (the paper's form of the variation ratio).

    Returns
    -------
    (*space) tensor
        1 - max_c mean_s p_s,c; in [0, 1 - 1/C].

    References
    ----------
    Li & Alstrøm 2020, arXiv:2007.06364 ("VarRatio"). Known elsewhere as least confidence.

    Examples
    --------
    Mean (0.625, 0.375).

    >>> sums = SampleSums.of(torch.tensor([[[0.75], [0.25]], [[0.5], [0.5]]]))
    >>> variation_ratio(sums)
    tensor([0.3750])
    """
    return 1 - sums.mean_probs.amax(0)


def vote_variation_ratio(sums: SampleSums) -> Float[Tensor, "*space"]:
    """Share of the samples that do not vote for the modal class.

    A sample votes for its most probable class, the lowest index of several equal ones.

    Returns
    -------
    (*space) tensor
        1 - (votes for the modal class) / S; in [0, 1 - 1/min(C, S)].

    References
    ----------
    Freeman 1965; Gal et al. 2017, arXiv:1703.02910, section 3 ("Variation Ratios").

    Examples
    --------
    Two of three samples vote for class 0.

    >>> probs = torch.tensor([[[0.9], [0.1]], [[0.6], [0.4]], [[0.2], [0.8]]])
    >>> vote_variation_ratio(SampleSums.of(probs))
    tensor([0.3333])
    """
    _check_samples(sums, 2)
    return 1 - sums.votes.amax(0) / sums.n_samples


def margin(sums: SampleSums) -> Float[Tensor, "*space"]:
    """Largest minus second largest mean probability; small = unsure.

    The strategy ``"margin"`` scores 1 - margin: large means ask sooner, and none is negative.

    Returns
    -------
    (*space) tensor
        In [0, 1]: 0 where the two best classes tie, 1 where the mean is one-hot.

    References
    ----------
    Scheffer, Decomain & Wrobel 2001; Settles 2009, section 3.1.

    Examples
    --------
    Mean (0.625, 0.375).

    >>> sums = SampleSums.of(torch.tensor([[[0.75], [0.25]], [[0.5], [0.5]]]))
    >>> margin(sums)
    tensor([0.2500])
    """
    if sums.sum_probs.shape[0] < 2:
        shape = tuple(sums.sum_probs.shape)
        raise ShapeError(f"expected (C, *space) with C >= 2 classes for a margin, got {shape}.")
    two_best: Tensor = sums.mean_probs.topk(2, dim=0).values  # (2, *space)
    return two_best[0] - two_best[1]


def _check_samples(sums: SampleSums, needed: int) -> None:
    """Raise unless there are `needed` samples and their sums are sums of probabilities."""
    if sums.n_samples < needed:
        raise ShapeError(
            f"expected at least {needed} MC samples, got {sums.n_samples}. Draw more, or choose "
            f"an acquisition function that needs fewer."
        )
    total = sums.sum_probs.sum(0)  # (*space); NaN fails the comparison
    sums_to_one = (total - sums.n_samples).abs() <= _TOLERANCE * sums.n_samples
    if not (bool(sums_to_one.all()) and float(sums.sum_probs.min()) >= 0):
        is_probability = sums_to_one & (sums.sum_probs >= 0).all(0)
        place = tuple((~is_probability).nonzero()[0].tolist())
        raise AskmaskError(
            f"expected probabilities (>= 0, sum 1 over C), got a mean of "
            f"{(sums.sum_probs[(slice(None), *place)] / sums.n_samples).tolist()!r} at pixel "
            f"{place!r}, one of {int((~is_probability).sum())} such pixels. Pass probabilities, "
            f"not logits; NaN means that the network's weights or its input are not finite."
        )
