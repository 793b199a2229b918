"""Batches that are not all alike: noise on the scores, and the best of many random queries.

Taking the places with the largest scores asks the same thing many times. Kirsch et al. 2023
(arXiv:2106.12059) add Gumbel noise, which draws places without replacement with probabilities
that grow with the score. A is the mean of a score over a region or image, see `Places.means`.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float64
from pydantic import Field

from askmask.errors import AskmaskError
from askmask.options import Options
from askmask.query.regions import Candidate, Places, select
from askmask.query.regions.candidates import candidate_at, order_of, random_keys
from askmask.query.strategies.strategy import ScoredImage, Turn
from askmask.records import QueryItem

_ROUNDING = -1e-5  # mutual information in float32 can be this far below 0


class NoiseOptions(Options):
    """How strongly scores count against noise: 0 would be random, infinity no noise at all.

    Attributes
    ----------
    beta : float
        Inverse scale of the Gumbel noise.
    """

    beta: float = Field(1.0, gt=0)


def beta_of(turn: Turn) -> float:
    """Return the strategy's inverse scale of noise."""
    assert isinstance(turn.options, NoiseOptions)
    return turn.options.beta


def power(
    places: Places, maps: Float[np.ndarray, "K H W"], turn: Turn
) -> Float64[np.ndarray, "1 n"]:
    """Utility log A + Gumbel(0, 1 / beta): places are drawn with probability ~ A ** beta.

    Examples
    --------
    >>> from askmask.config import RegionConfig
    >>> from askmask.query.regions import places_of
    >>> rule = RegionConfig(size=(1, 2), stride=2)
    >>> turn = Turn(seed=0, round=1, rounds=1, rule=rule, options=NoiseOptions(beta=1e9))
    >>> places = places_of("a", np.ones((1, 4), bool), rule)
    >>> np.exp(power(places, np.array([[[1.0, 3.0, 0.5, 0.0]]]), turn)).round(6)
    array([[2.  , 0.25]])
    """
    means = places.means(maps[0])
    noise = turn.gumbel(places.image_id, means.shape) / beta_of(turn)
    noisy: Float64[np.ndarray, "1 n"] = (log_of(means) + noise)[None]
    return noisy


def softmax(
    places: Places, maps: Float[np.ndarray, "K H W"], turn: Turn
) -> Float64[np.ndarray, "1 n"]:
    """Utility beta A + Gumbel(0, 1): places are drawn with probability ~ exp(beta A)."""
    means = places.means(maps[0])
    noisy: Float64[np.ndarray, "1 n"] = beta_of(turn) * means[None]
    noisy += turn.gumbel(places.image_id, means.shape)
    return noisy


def mean_and_noise(
    places: Places, maps: Float[np.ndarray, "K H W"], turn: Turn
) -> Float64[np.ndarray, "2 n"]:
    """A and Gumbel(0, 1 / beta), kept apart: `soft_rank` needs the ranks of the whole pool."""
    means = places.means(maps[0])
    return np.stack([means, turn.gumbel(places.image_id, means.shape) / beta_of(turn)])


def soft_rank(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Ask by -log rank + Gumbel(0, 1 / beta), rank 1 for the largest A of the pool.

    Ranked are the places that are left when, in each image, a place that overlaps a better one
    is dropped; equal values by image id, row, column. One small record of each is held.
    """
    held: list[tuple[Candidate, float]] = []
    for image in images:
        means, noise = image.utilities
        held += [
            (candidate_at(image.places, int(i), float(means[i])), float(noise[i]))
            for i in order_of(image.places, means)
        ]
    held.sort(key=lambda pair: (-pair[0].score, pair[0].region))
    noisy = [
        Candidate(c.region, noise - float(np.log(rank)), c.new_pixels, c.available)
        for rank, (c, noise) in enumerate(held, start=1)
    ]
    return select([noisy], turn.rule)


def random_key_and_mean(
    places: Places, maps: Float[np.ndarray, "K H W"], turn: Turn
) -> Float64[np.ndarray, "2 n"]:
    """Keys that order places as the random strategy does, and A."""
    return np.stack([random_keys(places, turn.seed, turn.round), places.means(maps[0])])


def best_of_random_batches(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Cut the pool, in random order, into groups of the query's size; ask the best group.

    The best has the largest mean of A; of equal ones the first. The first group is what the
    random strategy would ask. Places left over at the end are in no group, unless there is no
    other. One small record of each place is held.
    """
    held: list[tuple[float, Candidate]] = []
    for image in images:
        keys, means = image.utilities
        held += [
            (float(keys[i]), candidate_at(image.places, int(i), float(means[i])))
            for i in order_of(image.places, keys)
        ]
    held.sort(key=lambda pair: (-pair[0], pair[1].region))
    pool = [candidate for _, candidate in held]
    size = turn.count
    starts = range(0, max(len(pool) - size, 0) + 1, size)
    groups = [pool[start : start + size] for start in starts]
    best = max(groups, key=lambda group: float(np.mean([c.score for c in group] or [0.0])))
    return select([best], turn.rule)


def log_of(means: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
    """Logarithm of mean scores; that of 0 is about -708, so such a place is asked last.

    Raises
    ------
    AskmaskError
        If a score is negative by more than rounding.
    """
    if means.size and means.min() < _ROUNDING:
        raise AskmaskError(
            f"expected scores >= 0 for a strategy that takes their logarithm, got a mean of "
            f"{float(means.min())!r}. Use an acquisition function that is never negative."
        )
    logarithm: Float64[np.ndarray, "*shape"] = np.log(np.maximum(means, np.finfo(np.float64).tiny))
    return logarithm
