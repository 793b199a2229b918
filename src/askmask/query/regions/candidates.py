"""One image's candidates: its windows or the whole image, by score or at random."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Float64, Int

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import AskmaskError
from askmask.query.regions.places import (
    Available,
    Places,
    Rule,
    WholeImage,
    counted,
    places_of,
    region_at,
)
from askmask.records import Region
from askmask.seeds import numpy_generator


@dataclass(frozen=True, slots=True)
class Candidate:
    """A region that could be asked.

    Attributes
    ----------
    region : Region
        Where.
    score : float
        Larger = ask sooner; finite.
    new_pixels : int
        Available pixels inside, at least 1.
    available : (H, W) bool array or None
        The image's available pixels, kept only where windows may overlap, for the union's cost.
    """

    region: Region
    score: float
    new_pixels: int
    available: Available | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a score that cannot be ranked and a region that would add nothing."""
        if not math.isfinite(self.score) or self.new_pixels < 1:
            raise AskmaskError(
                f"expected a candidate with a finite score and new pixels, got score "
                f"{self.score!r} and {self.new_pixels!r} new pixels for {self.region!r}."
            )


_DEFAULT_REGIONS: Final = 20  # per round, as in the paper
_DEFAULT_IMAGES: Final = 5


def budget_count(config: RegionConfig | ImageConfig) -> int:
    """Regions or images that a query holds, where its budget is no number of pixels.

    Examples
    --------
    >>> budget_count(RegionConfig(budget_regions=7)), budget_count(ImageConfig())
    (7, 5)
    """
    if isinstance(config, RegionConfig):
        return config.budget_regions or _DEFAULT_REGIONS
    return config.budget_images or _DEFAULT_IMAGES


def region_candidates(
    image_id: str,
    score: Float[np.ndarray, "H W"],
    available: Available,
    config: RegionConfig,
) -> list[Candidate]:
    """Windows of one image, best first, by the sum of the score over their available pixels.

    Parameters
    ----------
    image_id : str
        Stable id of the image.
    score : (H, W) float array
        Score map, larger = ask sooner; finite where available. Not modified.
    available : (H, W) bool array
        Pixels that are valid, not labelled and not pending. Not modified.
    config : RegionConfig
        Size, stride, overlap and budget.

    Returns
    -------
    list of Candidate
        Without windows that hold no available pixel; with overlap ``forbid``, without those that
        overlap a better one of the list; at most as many as the budget has regions, since no
        further one can be chosen. Empty if nothing is available.

    Raises
    ------
    ShapeError
        If score and available differ in shape.
    AskmaskError
        If the score of an available pixel is not finite.

    Examples
    --------
    >>> score = np.array([[1.0, 4.0, 2.0, 3.0]])
    >>> available = np.array([[True, True, True, False]])
    >>> windows = region_candidates("a", score, available, RegionConfig(size=(1, 2), stride=1))
    >>> [(window.region.col, window.score, window.new_pixels) for window in windows]
    [(1, 6.0, 2)]
    """
    places = places_of(image_id, available, config)
    return ranked(places, places.scores(counted(image_id, score, available)), limit_of(config))


def random_region_candidates(
    image_id: str, available: Available, config: RegionConfig, seed: int, round: int
) -> list[Candidate]:
    """Windows of one image in random order, weighted by the share of available pixels.

    A window's score is log(u) / weight with u uniform, which orders the windows of the pool as
    drawing them one by one with probabilities proportional to the weight. So available pixels
    are about equally likely to be asked (those near a border less: fewer windows hold them).

    Parameters
    ----------
    image_id, available, config
        As for `region_candidates`.
    seed, round : int
        With the image id and the window's place they determine u, whatever else is in the pool.

    Returns
    -------
    list of Candidate
        As `region_candidates`; scores <= 0.

    References
    ----------
    Efraimidis & Spirakis 2006, doi:10.1016/j.ipl.2005.11.003 (keys u ** (1 / weight); their
    logarithm keeps small weights from underflowing to ties).

    Examples
    --------
    >>> available = np.ones((4, 4), dtype=bool)
    >>> config = RegionConfig(size=(2, 2), stride=2)
    >>> len(random_region_candidates("a", available, config, seed=0, round=1))
    4
    """
    places = places_of(image_id, available, config)
    return ranked(places, random_keys(places, seed, round), limit_of(config))


def image_candidates(
    image_id: str,
    score: Float[np.ndarray, "H W"],
    available: Available,
    config: ImageConfig,
) -> list[Candidate]:
    """Turn the whole image into one candidate, by its score over the available pixels.

    Parameters
    ----------
    image_id, score, available
        As for `region_candidates`.
    config : ImageConfig
        ``score``: sum, mean, or the sum of the pixels whose score is at least the quantile
        (linear interpolation); all in float64.

    Returns
    -------
    list of Candidate
        One, over the whole image; none if nothing is available.

    Raises
    ------
    ShapeError, AskmaskError
        As `region_candidates`.

    Examples
    --------
    >>> score, available = np.array([[1.0, 4.0, 3.0]]), np.array([[True, True, False]])
    >>> image_candidates("a", score, available, ImageConfig(score="mean"))[0].score
    2.5
    """
    places = places_of(image_id, available, config)
    return ranked(places, places.scores(counted(image_id, score, available)))


def random_image_candidate(
    image_id: str, available: Available, seed: int, round: int
) -> list[Candidate]:
    """Turn the whole image into one candidate with a uniform random score in [0, 1).

    Parameters
    ----------
    image_id, available
        As for `region_candidates`.
    seed, round : int
        With the image id they determine the score, whatever else is in the pool.

    Returns
    -------
    list of Candidate
        One, over the whole image; none if nothing is available. Every image is equally likely.

    Examples
    --------
    >>> random_image_candidate("a", np.zeros((2, 2), dtype=bool), seed=0, round=1)
    []
    """
    places = places_of(image_id, available, ImageConfig())
    return ranked(places, random_keys(places, seed, round))


def ranked(
    places: Places, utilities: Float64[np.ndarray, " n"], limit: int | None = None
) -> list[Candidate]:
    """Turn the places of an image into candidates, best first.

    Parameters
    ----------
    places : Places
        Of one image.
    utilities : (n,) float64 array
        One per place, larger = ask sooner; finite where the place has a new pixel.
    limit : int, optional
        How many at most, see `limit_of`.

    Returns
    -------
    list of Candidate
        Without places that hold no available pixel and, unless the rule allows overlap, without
        those that overlap a better one. Equal utilities stay in (row, column) order.

    Examples
    --------
    >>> places = places_of("a", np.ones((2, 4), bool), RegionConfig(size=(2, 2), stride=1))
    >>> [(c.region.col, c.score) for c in ranked(places, np.array([2.0, 1.0, 3.0]))]
    [(2, 3.0), (0, 2.0)]
    """
    chosen = order_of(places, utilities, limit)
    return [candidate_at(places, int(index), float(utilities[index])) for index in chosen]


def limit_of(rule: Rule) -> int | None:
    """Most candidates of one image that a query can hold; None if its budget does not tell.

    Examples
    --------
    >>> limit_of(RegionConfig(budget_regions=7)), limit_of(RegionConfig(budget_pixels=70))
    (7, None)
    """
    return budget_count(rule) if rule.budget_pixels is None else None


def order_of(
    places: Places, utilities: Float64[np.ndarray, " n"], limit: int | None = None
) -> Int[np.ndarray, " k"]:
    """Numbers of the places that `ranked` would return, in its order.

    Examples
    --------
    >>> places = places_of("a", np.ones((2, 4), bool), RegionConfig(size=(2, 2), stride=1))
    >>> order_of(places, np.array([2.0, 1.0, 3.0]))
    array([2, 0])
    """
    order = np.argsort(-utilities, kind="stable")  # equal utilities stay in (row, col) order
    order = order[places.new_pixels[order] > 0]
    return order[:limit] if places.may_overlap else places.without_overlap(order, limit)


def candidate_at(places: Places, index: int, score: float) -> Candidate:
    """Make the place with a number a candidate.

    Examples
    --------
    >>> candidate_at(places_of("a", np.ones((2, 4), bool), ImageConfig()), 0, 0.5).new_pixels
    8
    """
    available = places.available if places.may_overlap else None
    return Candidate(region_at(places, index), score, int(places.new_pixels[index]), available)


def random_keys(places: Places, seed: int, round: int) -> Float64[np.ndarray, " n"]:
    """Keys that order the places of a pool, largest first, as drawing them one by one does.

    Windows by their share of new pixels, see `random_region_candidates` (-inf without one), whole
    images uniformly, see `random_image_candidate`.

    Examples
    --------
    >>> available = np.array([[True, True, False, False]])
    >>> places = places_of("a", available, RegionConfig(size=(1, 2), stride=2))
    >>> random_keys(places, seed=0, round=1).tolist()[1]
    -inf
    """
    if isinstance(places, WholeImage):
        return numpy_generator(seed, "random image", round, places.image_id).random(1)
    generator = numpy_generator(seed, "random region", round, places.image_id)
    minus_log = generator.standard_exponential(len(places.new_pixels))  # -log u
    area = places.boxes[:, 2] * places.boxes[:, 3]
    with np.errstate(divide="ignore"):
        keys: npt.NDArray[np.float64] = -minus_log / (places.new_pixels / area)
    return keys
