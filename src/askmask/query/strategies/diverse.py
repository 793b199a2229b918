"""Queries whose items differ: by pooled encoder features of regions or images.

The features are those of the model's deterministic prefix, averaged over the region. Few vectors
are held: twice the query for k-means++, one per place that does not overlap a better one for the
core set, projected to at most `_MAX_FEATURES` numbers (a pool of 100,000 images with 6 windows
each takes 300 MB).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from jaxtyping import Float, Float64, Int, Shaped
from pydantic import Field

from askmask.options import Options
from askmask.query.regions import Candidate, Places, ranked, select
from askmask.query.regions.candidates import candidate_at, order_of, random_keys
from askmask.query.strategies.strategy import ScoredImage, Turn
from askmask.records import QueryItem
from askmask.seeds import numpy_generator

_MAX_FEATURES: Final = 128

Features = Float64[np.ndarray, "n D"]


class KMeansOptions(Options):
    """How many of the best places are chosen from.

    Attributes
    ----------
    pool_factor : float
        Times the size of the query.
    """

    pool_factor: float = Field(2.0, ge=1)


def spread_among_best(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Choose a query by k-means++ on the features of the best places.

    The first item is the best place. Each further one is drawn among the `pool_factor` x n best
    with a probability proportional to its squared distance to the nearest chosen one; draws are
    keyed by (seed, round).
    """
    room = _room(turn)
    held: list[tuple[Candidate, Shaped[np.ndarray, " D"]]] = []
    for image in images:
        worst = (-held[-1][0].score, held[-1][0].region) if len(held) == room else None
        better = [
            candidate
            for candidate in ranked(image.places, image.utilities[0], room)
            if worst is None or (-candidate.score, candidate.region) < worst
        ]
        if better:
            held += zip(better, image.embed(_boxes(better)), strict=True)
            held = sorted(held, key=lambda pair: (-pair[0].score, pair[0].region))[:room]
    if not held:
        return ()
    features = np.stack([vector for _, vector in held]).astype(np.float64)
    generator = numpy_generator(turn.seed, "k-means++", turn.round)
    chosen = k_means_plus_plus(features, turn.count, generator)
    return select([[held[i][0] for i in chosen]], turn.rule)


def among_best(
    places: Places, utilities: Float64[np.ndarray, "L n"], turn: Turn
) -> Int[np.ndarray, " k"]:
    """Numbers of the places of an image that `spread_among_best` may choose from."""
    return order_of(places, utilities[0], _room(turn))


def _room(turn: Turn) -> int:
    """How many of the best places are chosen from."""
    assert isinstance(turn.options, KMeansOptions)
    return max(turn.count, int(turn.options.pool_factor * turn.count))


def k_means_plus_plus(
    features: Features, n_centres: int, generator: np.random.Generator
) -> list[int]:
    """Rows drawn far from each other, the first row first (Arthur & Vassilvitskii 2007).

    Parameters
    ----------
    features : (n, D) float array
        n >= 1. Not modified.
    n_centres : int
        How many; all rows if there are fewer.
    generator : numpy.random.Generator
        One uniform number for each but the first.

    Examples
    --------
    Row 1 equals row 0, so it has probability 0 while another is left.

    >>> points = np.array([[0.0], [0.0], [5.0]])
    >>> k_means_plus_plus(points, 2, np.random.default_rng(0))
    [0, 2]
    """
    chosen = [0]
    distances = _squared_distances(features, features[0])
    while len(chosen) < min(n_centres, len(features)):
        distances[chosen] = 0
        if distances.sum() == 0:  # what is left equals what was chosen
            chosen.append(next(i for i in range(len(features)) if i not in chosen))
            continue
        cumulative = np.cumsum(distances / distances.sum())
        draw = generator.random() * cumulative[-1]
        chosen.append(int(np.searchsorted(cumulative, draw, side="right")))
        distances = np.minimum(distances, _squared_distances(features, features[chosen[-1]]))
    return chosen


def random_order(
    places: Places,
    maps: Float[np.ndarray, "K H W"],  # noqa: ARG001 - the signature of `Strategy.utilities`
    turn: Turn,
) -> Float64[np.ndarray, "1 n"]:
    """Keys of the random strategy; largest first is a draw without replacement."""
    return random_keys(places, turn.seed, turn.round)[None]


def farthest_first(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Choose the places whose features are farthest from what is labelled or chosen.

    Places of an image are those that a draw by `random_order` leaves without overlap. Labelled are
    the places without an available pixel. An item's score is its distance when it was chosen.
    """
    pool: list[tuple[Candidate, Float64[np.ndarray, " D"]]] = []
    known: list[Float64[np.ndarray, " D"]] = []
    for image in images:
        places = image.places
        order = order_of(places, image.utilities[0])
        labelled = places.without_overlap(np.flatnonzero(places.new_pixels == 0))
        both = np.concatenate([order, labelled])
        if not both.size:
            continue
        features = projected(image.embed(places.boxes[both]).astype(np.float64))
        candidates = [candidate_at(places, int(i), 0.0) for i in order]
        pool += zip(candidates, features[: len(order)], strict=True)
        known += list(features[len(order) :])
    if not pool:
        return ()
    pool.sort(key=lambda pair: pair[0].region)  # of equal distances the first is chosen
    features = np.stack([vector for _, vector in pool])
    labelled_features = np.stack(known) if known else np.zeros((0, features.shape[1]))
    chosen = k_centre_greedy(features, labelled_features, turn.count)
    return tuple(
        QueryItem(rank, pool[i][0].region, distance, pool[i][0].new_pixels)
        for rank, (i, distance) in enumerate(chosen)
    )


def k_centre_greedy(
    features: Features, known: Float64[np.ndarray, "m D"], n_centres: int
) -> list[tuple[int, float]]:
    """Rows farthest from the known ones and from each other, with their distance when chosen.

    Parameters
    ----------
    features, known : (n, D) and (m, D) float arrays
        n >= 1; with m = 0 the first row is chosen first, at distance 0.
    n_centres : int
        How many; all rows if there are fewer.

    References
    ----------
    Sener & Savarese 2018, arXiv:1708.00489, algorithm 1.

    Examples
    --------
    >>> k_centre_greedy(np.array([[1.0], [4.0], [9.0]]), np.array([[0.0]]), 2)
    [(2, 9.0), (1, 4.0)]
    """
    distances = np.full(len(features), np.inf)
    for vector in known:
        distances = np.minimum(distances, _squared_distances(features, vector))
    chosen: list[tuple[int, float]] = []
    for _ in range(min(n_centres, len(features))):
        index = int(distances.argmax())  # of equal ones the first
        distance = float(distances[index])
        chosen.append((index, 0.0 if np.isinf(distance) else distance**0.5))
        distances = np.minimum(distances, _squared_distances(features, features[index]))
        distances[[i for i, _ in chosen]] = -1
    return chosen


def projected(features: Features) -> Float64[np.ndarray, "n E"]:
    """Features in at most `_MAX_FEATURES` numbers, by a fixed Gaussian random projection.

    It keeps squared distances up to about sqrt(2 / 128) = 13 % (one standard deviation;
    Johnson & Lindenstrauss 1984). The same for every image, seed and round.

    Examples
    --------
    >>> projected(np.ones((3, 2048))).shape
    (3, 128)
    """
    width = features.shape[1]
    if width <= _MAX_FEATURES:
        return features
    matrix = numpy_generator(0, "projection", width).standard_normal((width, _MAX_FEATURES))
    shorter: Float64[np.ndarray, "n E"] = features @ matrix / _MAX_FEATURES**0.5
    return shorter


def _boxes(candidates: list[Candidate]) -> Shaped[np.ndarray, "n 4"]:
    regions = [candidate.region for candidate in candidates]
    return np.array([(r.row, r.col, r.height, r.width) for r in regions])


def _squared_distances(
    features: Features, centre: Float64[np.ndarray, " D"]
) -> Float64[np.ndarray, " n"]:
    difference = features - centre
    squared: Float64[np.ndarray, " n"] = (difference * difference).sum(1)
    return squared
