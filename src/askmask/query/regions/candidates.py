"""One image's candidates: its windows or the whole image, by score or at random."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, Int

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import AskmaskError
from askmask.query.regions.places import (
    Available,
    OnePlace,
    Places,
    Rule,
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
    >>> from askmask.query.regions import places_of
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
    >>> from askmask.query.regions import places_of
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
    >>> from askmask.query.regions import places_of
    >>> candidate_at(places_of("a", np.ones((2, 4), bool), ImageConfig()), 0, 0.5).new_pixels
    8
    """
    available = places.available if places.may_overlap else None
    return Candidate(region_at(places, index), score, int(places.new_pixels[index]), available)


def random_keys(places: Places, seed: int, round: int) -> Float64[np.ndarray, " n"]:
    """Keys that order the places of a pool, largest first, as drawing them one by one does.

    A window's key is log(u) / weight, with u uniform and its share of new pixels as the weight:
    drawing with probabilities proportional to the weights, so that available pixels are about
    equally likely to be asked (those near a border less: fewer windows hold them). A window
    without a new pixel has -inf. The key of a whole image is uniform in [0, 1).

    Parameters
    ----------
    places : Places
        Of one image.
    seed, round : int
        With the image id and the place they determine u, whatever else is in the pool.

    References
    ----------
    Efraimidis & Spirakis 2006, doi:10.1016/j.ipl.2005.11.003 (keys u ** (1 / weight); their
    logarithm keeps small weights from underflowing to ties).

    Examples
    --------
    >>> from askmask.query.regions import places_of
    >>> available = np.array([[True, True, False, False]])
    >>> places = places_of("a", available, RegionConfig(size=(1, 2), stride=2))
    >>> random_keys(places, seed=0, round=1).tolist()[1]
    -inf
    """
    if isinstance(places, OnePlace):
        return numpy_generator(seed, "random image", round, places.image_id).random(1)
    generator = numpy_generator(seed, "random region", round, places.image_id)
    minus_log = generator.standard_exponential(len(places.new_pixels))  # -log u
    area = places.boxes[:, 2] * places.boxes[:, 3]
    with np.errstate(divide="ignore"):
        keys: npt.NDArray[np.float64] = -minus_log / (places.new_pixels / area)
    return keys
