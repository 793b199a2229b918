"""Queries for a cold start: places that are typical of the pool, and differ from each other.

`most_typical_of_each_cluster` asks once, for a whole batch. `typical_and_apart` may be asked again
and again: it knows what was asked before, and goes to other images first.

Uncertainty needs a model that knows something. With few labels or none, the most typical place of
each cluster of features teaches more (Hacohen et al. 2022).
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from jaxtyping import Float64, Int

from askmask.query.regions import Candidate
from askmask.query.regions.candidates import candidate_at, order_of
from askmask.query.regions.places import region_at
from askmask.query.strategies.diverse import Features, k_means_plus_plus, projected
from askmask.query.strategies.strategy import ScoredImage, Turn
from askmask.records import QueryItem, Region
from askmask.seeds import numpy_generator

NEIGHBOURS: Final = 20
"""How many nearest neighbours tell how typical a place is, as in the paper."""
_ITERATIONS: Final = 30
_FEWEST_PLACES: Final = 8  # drawn of each image at least, however few are asked


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


def typical_and_apart(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Ask typical places of clusters, and of images, that nobody was asked about.

    There are as many clusters as places asked before and now, as in the paper. The next item comes
    from an image with the fewest asked places; among those, from the cluster with the fewest,
    of equal ones the largest, and is the most typical one there. Places of an image are as in
    `most_typical_of_each_cluster`, but no more of them than are asked, or 8; asked before are the
    places without an available pixel.
    """
    places: list[tuple[Region, Candidate | None, Float64[np.ndarray, " D"]]] = []
    for image in images:
        order = order_of(image.places, image.utilities[0], max(turn.count, _FEWEST_PLACES))
        known = image.places.without_overlap(np.flatnonzero(image.places.new_pixels == 0))
        both = np.concatenate([order, known])
        if both.size:
            vectors = projected(image.embed(image.places.boxes[both]).astype(np.float64))
            regions = [region_at(image.places, int(i)) for i in both]
            candidates = [candidate_at(image.places, int(i), 0.0) for i in order]
            places += zip(regions, [*candidates, *[None] * len(known)], vectors, strict=True)
    if all(candidate is None for _, candidate, _ in places):
        return ()
    places.sort(key=lambda place: place[0])
    features = np.stack([vector for _, _, vector in places])
    features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-12)
    choice = _Apart(features, [p[0].image_id for p in places], [p[1] is None for p in places], turn)
    items = []
    for rank, (row, value) in enumerate(choice.take(turn.count)):
        candidate = places[row][1]
        assert candidate is not None, "known places are not chosen"
        items.append(QueryItem(rank, candidate.region, value, candidate.new_pixels))
    return tuple(items)


class _Apart:
    """The choice of `typical_and_apart` among rows of features, some of which were asked before."""

    def __init__(
        self, features: Features, image_ids: list[str], is_known: list[bool], turn: Turn
    ) -> None:
        self._image_ids = image_ids
        self._free = ~np.array(is_known)
        n_clusters = min(len(features), sum(is_known) + turn.count)
        generator = numpy_generator(turn.seed, "typical and apart", turn.round)
        centres = features[k_means_plus_plus(features, n_clusters, generator)]
        self._labels = _clustered(features, centres)
        self._typicality = np.zeros(len(features))
        for label in np.unique(self._labels):
            for row, value in _by_typicality(features, np.flatnonzero(self._labels == label)):
                self._typicality[row] = value
        self._sizes = np.bincount(self._labels)
        self._in_cluster = np.bincount(self._labels[~self._free], minlength=len(self._sizes))
        self._in_image = dict.fromkeys(image_ids, 0)
        for row in np.flatnonzero(~self._free).tolist():
            self._in_image[image_ids[row]] += 1

    def take(self, count: int) -> Iterator[tuple[int, float]]:
        """Rows, best first, each with its typicality; at most `count`."""
        for _ in range(min(count, int(self._free.sum()))):
            rows = np.flatnonzero(self._free)
            asked = np.array([self._in_image[self._image_ids[row]] for row in rows])
            rows = rows[asked == asked.min()]
            labels = self._labels[rows]
            order = np.lexsort(
                (rows, -self._typicality[rows], labels, -self._sizes[labels],
                 self._in_cluster[labels])
            )  # fmt: skip
            row = int(rows[order[0]])
            self._free[row] = False
            self._in_cluster[self._labels[row]] += 1
            self._in_image[self._image_ids[row]] += 1
            yield row, float(self._typicality[row])


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
