"""What few samples say of many: a forecast with its error, and what may be lost by trusting it.

`jackknife` turns the utilities by n samples into those that T samples would give, `contenders`
keeps what can matter of an image, and `still_open` says which images could still change the query
so much that they need more samples. Pure functions; who draws the samples is in ``adaptive``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int
from scipy.special import ndtr

from askmask.query.regions import Places, Rule
from askmask.query.regions.candidates import budget_count, limit_of, order_of
from askmask.records import Region


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A place that its image would ask before those that overlap it.

    Attributes
    ----------
    region : Region
        Where.
    new_pixels : int
        What asking it adds.
    utility, error : float
        What all T samples would give it, and the standard error of that.
    own_loss : float
        What is lost on average if a place that overlaps it would turn out to be better.
    """

    region: Region
    new_pixels: int
    utility: float
    error: float
    own_loss: float


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """What an image's first samples say of its places.

    Attributes
    ----------
    image_id : str
        Stable id of the image.
    n_samples : int
        How many samples that were.
    utilities : (n,) float64 array
        What all T samples would give each place.
    contenders : tuple of Contender
        Best first.
    """

    image_id: str
    n_samples: int
    utilities: Float64[np.ndarray, " n"]
    contenders: tuple[Contender, ...]


def jackknife(
    whole: Float64[np.ndarray, " n"],
    without: Float64[np.ndarray, "G n"],
    n_samples: int,
    limit: int,
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, "G n"]]:
    """Estimate what `limit` samples would give, from `n_samples` of them in G equal groups.

    A score of a mean over n samples has an expectation of about theta + a / n (entropy and mutual
    information of few samples are too small). Leaving out a group shows a, and so what is to be
    added until 1 / n has become 1 / limit; with n_samples = limit it is nothing.

    Parameters
    ----------
    whole : (n,) float64 array
        Utilities by all `n_samples` samples.
    without : (G, n) float64 array
        By all but one group.
    n_samples, limit : int
        Samples so far, and in the end.

    Returns
    -------
    utilities : (n,) float64 array
        whole - (G - 1) (1 - n_samples / limit) (mean of without - whole).
    deviations : (G, n) float64 array
        Their squares add up to the squared standard error of `utilities` as a forecast of those by
        `limit` samples, of which the first ones are known: the jackknife's variance times
        1 - n_samples / limit. The same holds for differences of places.

    References
    ----------
    Quenouille 1956, doi:10.1093/biomet/43.3-4.353 (bias); Tukey 1958 (variance); Efron & Stein
    1981, doi:10.1214/aos/1176345462; Cochran 1977, section 2.6 (the finite population).

    Examples
    --------
    Two groups of one sample, 3 and 5, of a mean: no bias; half of the samples are known, so the
    variance is (1 / 2) (1 / 2 + 1 / 2 ...) = ((5 - 4)^2 + (3 - 4)^2) / 2 x (1 - 2 / 4) = 1 / 2.

    >>> value, deviations = jackknife(np.array([4.0]), np.array([[5.0], [3.0]]), 2, 4)
    >>> value, (deviations**2).sum(0)
    (array([4.]), array([0.5]))
    """
    groups = len(without)
    missing = 1 - n_samples / limit
    mean = without.mean(0)
    utilities = whole - (groups - 1) * missing * (mean - whole)
    return utilities, (without - mean) * math.sqrt((groups - 1) / groups * missing)


def expected_loss(
    lead: Float64[np.ndarray, " n"], error: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Loss to be expected from taking what leads by `lead` >= 0, give or take a normal `error`.

    The mean of max(0, -x) with x normal around `lead`: error (phi(z) - z Phi(-z)), z = lead /
    error. Small where the interval of x is clear of 0, and where it is narrow.

    Examples
    --------
    phi(0) = 0.3989; without an error nothing can be lost by taking the larger one.

    >>> expected_loss(np.array([0.0, 2.0, 2.0]), np.array([1.0, 1.0, 0.0])).round(4)
    array([0.3989, 0.0085, 0.    ])
    """
    # Beyond 38 errors the loss is 0 in float64, as it is without an error.
    z = np.minimum(lead, 40 * error) / np.where(error > 0, error, 1.0)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    loss: Float64[np.ndarray, " n"] = error * (density - z * ndtr(-z))
    loss[loss < 0] = 0.0  # rounding, far out
    return loss


def possible_losses(
    estimates: Sequence[Estimate], rule: Rule
) -> tuple[Float64[np.ndarray, " images"], float]:
    """Share out what the query may lose if no image got further samples.

    Two things can turn out otherwise: a place close to the query's last one belongs on the other
    side of it, or a chosen place should have been one that it overlaps.

    Parameters
    ----------
    estimates : sequence of Estimate
        The whole pool.
    rule : RegionConfig or ImageConfig
        With the budget.

    Returns
    -------
    losses : (images,) float64 array
        Expected loss that hangs on each image.
    total : float
        Sum of the sizes of the chosen utilities.
    """
    entries = sorted(
        (-c.utility, c.region, index, c)
        for index, estimate in enumerate(estimates)
        for c in estimate.contenders
    )
    chosen = _chosen([c for *_, c in entries], rule)
    losses = np.zeros(len(estimates))
    if not chosen:
        return losses, 0.0
    last = min(c.utility for c in chosen)
    is_closed = len(chosen) == len(entries)  # nothing is left out: nothing can change sides
    for _, _, index, c in entries:
        if not is_closed:
            lead = np.array([abs(c.utility - last)])
            losses[index] += float(expected_loss(lead, np.array([c.error]))[0])
        if c.utility >= last:
            losses[index] += c.own_loss
    return losses, math.fsum(abs(c.utility) for c in chosen)


def still_open(estimates: Sequence[Estimate], rule: Rule, tolerance: float) -> list[int]:
    """Choose the images that need more samples.

    Parameters
    ----------
    estimates, rule
        As in `possible_losses`.
    tolerance : float
        Share of the query's score that the other images, taken together, may cost.

    Returns
    -------
    list of int
        Indices into `estimates`, ascending.
    """
    losses, total = possible_losses(estimates, rule)
    order = sorted(range(len(estimates)), key=lambda i: (losses[i], estimates[i].image_id))
    so_far = np.cumsum(losses[order])
    return sorted(
        index for index, loss in zip(order, so_far, strict=True) if loss > tolerance * total
    )


def contenders(
    places: Places,
    utilities: Float64[np.ndarray, " n"],
    deviations: Float64[np.ndarray, "G n"],
    rule: Rule,
) -> tuple[Contender, ...]:
    """Places of an image that can be asked, with what may turn out to be wrong about them.

    Parameters
    ----------
    places : Places
        Of one image.
    utilities : (n,) float64 array
        What T samples would give each place, see `jackknife`.
    deviations : (G, n) float64 array
        See `jackknife`.
    rule : RegionConfig or ImageConfig
        With the budget.

    Returns
    -------
    tuple of Contender
        Best first, without those that overlap a better one unless the rule allows it; at most as
        many as the budget has regions.
    """
    order = order_of(places, utilities, limit_of(rule))
    errors = np.sqrt((deviations**2).sum(0))
    is_free = places.new_pixels > 0
    found = []
    for place in order.tolist():
        own_loss = 0.0
        if not places.may_overlap:
            rivals = is_free & _overlapping(places.boxes, place)
            is_free &= ~rivals  # those that overlap a better one, too, would not be asked
            rivals[place] = False
            own_loss = _loss_to_rivals(utilities, deviations, place, rivals)
        found.append(
            Contender(
                Region(places.image_id, *places.boxes[place].tolist()),
                int(places.new_pixels[place]),
                float(utilities[place]),
                float(errors[place]),
                own_loss,
            )
        )
    return tuple(found)


def _loss_to_rivals(
    utilities: Float64[np.ndarray, " n"],
    deviations: Float64[np.ndarray, "G n"],
    place: int,
    rivals: npt.NDArray[np.bool_],
) -> float:
    """Largest expected loss against one rival: they are alike, so it is nearly that of them all."""
    if not rivals.any():
        return 0.0
    lead = utilities[place] - utilities[rivals]
    errors = np.sqrt(((deviations[:, [place]] - deviations[:, rivals]) ** 2).sum(0))
    return float(expected_loss(lead, errors).max())


def _overlapping(boxes: Int[np.ndarray, "n 4"], place: int) -> npt.NDArray[np.bool_]:
    """Places that share a pixel with one of them, itself included."""
    start, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    shares: npt.NDArray[np.bool_] = ((start < end[place]) & (start[place] < end)).all(1)
    return shares


def _chosen(contenders: Sequence[Contender], rule: Rule) -> list[Contender]:
    """What the budget has room for, best first."""
    if rule.budget_pixels is None:
        return list(contenders[: budget_count(rule)])
    chosen, left = [], rule.budget_pixels
    for contender in contenders:
        if contender.new_pixels <= left:
            chosen.append(contender)
            left -= contender.new_pixels
    return chosen
