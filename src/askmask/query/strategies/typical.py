"""Queries for a cold start: places that are typical of the pool, and differ from each other.

Uncertainty needs a model that knows something. With few labels or none, the most typical place of
each cluster of features teaches more (Hacohen et al. 2022).
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from askmask.query.regions import Candidate
from askmask.query.regions.candidates import candidate_at, order_of
from askmask.query.strategies.diverse import Features, k_means_plus_plus, projected
from askmask.query.strategies.strategy import ScoredImage, Turn
from askmask.records import QueryItem
from askmask.seeds import numpy_generator

NEIGHBOURS: Final = 20
"""How many nearest neighbours tell how typical a place is, as in the paper."""
_ITERATIONS: Final = 30


def most_typical_of_each_cluster(
    images: Iterable[ScoredImage], turn: Turn
) -> tuple[QueryItem, ...]:
    """Ask the most typical place of each of as many clusters as places are asked.

    Places of an image are those that a draw by `random_order` leaves without overlap. Features are
    scaled to mean 0 and standard deviation 1. Clusters come largest first; a cluster that is
    empty gives none, and the largest ones then give their next most typical places.
    """
    candidates: list[Candidate] = []
    vectors: list[Float64[np.ndarray, "n D"]] = []
    for image in images:
        order = order_of(image.places, image.utilities[0])
        if order.size:
            candidates += [candidate_at(image.places, int(i), 0.0) for i in order]
            embedded = image.embed(image.places.boxes[order])
            vectors.append(projected(embedded.astype(np.float64)))
    if not candidates:
        return ()
    # By image and place, so that the draw of centres does not see the order of the pool.
    by_place = sorted(range(len(candidates)), key=lambda i: candidates[i].region)
    candidates = [candidates[i] for i in by_place]
    features = np.concatenate(vectors)[by_place]
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-12)
    generator = numpy_generator(turn.seed, "typical", turn.round)
    chosen = typical_and_spread(features, turn.count, generator)
    return tuple(
        QueryItem(rank, candidates[i].region, value, candidates[i].new_pixels)
        for rank, (i, value) in enumerate(chosen)
    )


def typical_and_spread(
    features: Features, count: int, generator: np.random.Generator
) -> list[tuple[int, float]]:
    """Rows that are the most typical of their clusters, with their typicality.

    Parameters
    ----------
    features : (n, D) float array
        n >= 1. Not modified.
    count : int
        How many rows, and clusters; all rows if there are fewer.
    generator : numpy.random.Generator
        Draws the first centres.

    Returns
    -------
    list of (row, typicality)
        Those of the largest clusters first; of equal ones the first row.

    Examples
    --------
    Two clusters; the middle row of three is the most typical one.

    >>> points = np.array([[0.0], [1.0], [2.0], [50.0], [51.0]])
    >>> chosen = typical_and_spread(points, 2, np.random.default_rng(0))
    >>> [row for row, _ in chosen]
    [1, 3]
    """
    count = min(count, len(features))
    centres = features[k_means_plus_plus(features, count, generator)]
    labels = _clustered(features, centres)
    clusters = sorted(
        (np.flatnonzero(labels == label) for label in np.unique(labels)),
        key=lambda rows: (-len(rows), rows[0]),
    )
    ranked = [_by_typicality(features, rows) for rows in clusters]
    chosen: list[tuple[int, float]] = []
    turn = 0
    while len(chosen) < count:
        fitting = [rows[turn] for rows in ranked if turn < len(rows)]
        chosen += fitting[: count - len(chosen)]
        turn += 1
    return chosen


def _clustered(features: Features, centres: Float64[np.ndarray, "k D"]) -> Int[np.ndarray, " n"]:
    """Nearest centre of each row after Lloyd's iterations; a cluster may end up empty."""
    centres = centres.copy()
    labels = np.full(len(features), -1)
    for _ in range(_ITERATIONS):
        distances = np.stack([((features - centre) ** 2).sum(1) for centre in centres])  # (k, n)
        nearest = distances.argmin(0)
        if (nearest == labels).all():
            break
        labels = nearest
        for label in np.unique(labels):
            centres[label] = features[labels == label].mean(0)
    return labels


def _by_typicality(features: Features, rows: Int[np.ndarray, " m"]) -> list[tuple[int, float]]:
    """Rows of a cluster with their typicality: 1 / mean distance to the nearest ones in it."""
    if len(rows) == 1:
        return [(int(rows[0]), 0.0)]
    points = features[rows]
    values = []
    for point in points:
        distances = np.sort(np.sqrt(((points - point) ** 2).sum(1)))[1 : NEIGHBOURS + 1]
        values.append(1 / max(float(distances.mean()), 1e-12))
    order = np.argsort(-np.array(values), kind="stable")
    return [(int(rows[i]), values[i]) for i in order]
