"""One image's candidates: its windows or the whole image, by score or at random."""

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Float64

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import AskmaskError, ShapeError
from askmask.records import Region
from askmask.regions.windows import window_origins, window_sums, without_overlap
from askmask.seeds import numpy_generator

Available = npt.NDArray[np.bool_]


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
    counted = _counted_score(image_id, score, available)
    sums = window_sums(counted, config.size, config.stride)
    return _window_candidates(image_id, sums, available, config)


def random_region_candidates(
    image_id: str, available: Available, config: RegionConfig, seed: int, round_: int
) -> list[Candidate]:
    """Windows of one image in random order, weighted by the share of available pixels.

    A window's score is log(u) / weight with u uniform, which orders the windows of the pool as
    drawing them one by one with probabilities proportional to the weight. So available pixels
    are about equally likely to be asked (those near a border less: fewer windows hold them).

    Parameters
    ----------
    image_id, available, config
        As for `region_candidates`.
    seed, round_ : int
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
    >>> len(random_region_candidates("a", available, config, seed=0, round_=1))
    4
    """
    new_pixels = _new_pixels(available, config)
    generator = numpy_generator(seed, "random region", round_, image_id)
    minus_log = generator.standard_exponential(new_pixels.shape)  # -log u
    area = _window_area(available, config)
    with np.errstate(divide="ignore"):  # windows without a new pixel are dropped right after
        priority = -minus_log / (new_pixels / area)
    return _window_candidates(image_id, priority, available, config)


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
        ``score``: sum, mean, quantile (linear interpolation), or the sum of the pixels whose
        score is at least the quantile; all in float64.

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
    _counted_score(image_id, score, available)
    if not available.any():
        return []
    values = score[available].astype(np.float64)
    return [_whole_image(image_id, available, _image_score(values, config))]


def random_image_candidate(
    image_id: str, available: Available, seed: int, round_: int
) -> list[Candidate]:
    """Turn the whole image into one candidate with a uniform random score in [0, 1).

    Parameters
    ----------
    image_id, available
        As for `region_candidates`.
    seed, round_ : int
        With the image id they determine the score, whatever else is in the pool.

    Returns
    -------
    list of Candidate
        One, over the whole image; none if nothing is available. Every image is equally likely.

    Examples
    --------
    >>> random_image_candidate("a", np.zeros((2, 2), dtype=bool), seed=0, round_=1)
    []
    """
    if not available.any():
        return []
    draw = float(numpy_generator(seed, "random image", round_, image_id).random())
    return [_whole_image(image_id, available, draw)]


def _counted_score(
    image_id: str, score: npt.NDArray[np.floating], available: Available
) -> Float[np.ndarray, "H W"]:
    """Score where available, 0 elsewhere: `score` itself if all is, so not to be modified."""
    if score.shape != available.shape:
        raise ShapeError(
            f"expected score and available pixels of one shape, got {score.shape} and "
            f"{available.shape} for image {image_id!r}."
        )
    counted = score if available.all() else np.where(available, score, score.dtype.type(0))
    # One sum tells whether all is finite; only a wrong map, or a huge sum, is looked at closer.
    if math.isfinite(counted.sum(dtype=np.float64)):
        return counted
    bad = int(np.count_nonzero(~np.isfinite(counted)))
    if bad:
        raise AskmaskError(
            f"expected finite scores, got {bad} that are NaN or infinite in image {image_id!r}. "
            f"The model's output is not finite: look at its weights and at the image."
        )
    return counted


def _window_area(available: Available, config: RegionConfig) -> int:
    """Pixels of a window after clipping to the image."""
    height, width = np.minimum(config.size, available.shape).tolist()
    return int(height * width)


def _new_pixels(available: Available, config: RegionConfig) -> Float64[np.ndarray, "rows cols"]:
    """Available pixels of each window; without counting them where all are."""
    if not available.all():
        return window_sums(available, config.size, config.stride)
    rows, cols = (
        len(window_origins(length, size, config.stride))
        for length, size in zip(available.shape, config.size, strict=True)
    )
    return np.full((rows, cols), float(_window_area(available, config)))


def _window_candidates(
    image_id: str,
    scores: Float64[np.ndarray, "rows cols"],
    available: Available,
    config: RegionConfig,
) -> list[Candidate]:
    """Windows with a new pixel, best first, without overlap unless it is allowed."""
    new_pixels = _new_pixels(available, config)
    rows, cols = (
        window_origins(length, size, config.stride)
        for length, size in zip(available.shape, config.size, strict=True)
    )
    height, width = np.minimum(config.size, available.shape).tolist()
    order = np.argsort(-scores, axis=None, kind="stable")  # equal scores stay in (row, col) order
    order = order[new_pixels.ravel()[order] > 0]
    limit = budget_count(config) if config.budget_pixels is None else None
    if config.overlap == "forbid":
        order = without_overlap(order, rows, cols, (height, width), limit)
    order = order[:limit]
    kept = available.copy() if config.overlap == "allow" else None
    places = zip(*np.unravel_index(order, scores.shape), strict=True)
    return [
        Candidate(
            Region(image_id, int(rows[i]), int(cols[j]), height, width),
            float(scores[i, j]),
            int(new_pixels[i, j]),
            kept,
        )
        for i, j in places
    ]


def _whole_image(image_id: str, available: Available, score: float) -> Candidate:
    height, width = available.shape
    return Candidate(Region(image_id, 0, 0, height, width), score, int(available.sum()))


def _image_score(values: Float64[np.ndarray, " n"], config: ImageConfig) -> float:
    """Reduce the scores of the available pixels as `config` says."""
    if config.score == "sum":
        return float(values.sum())
    if config.score == "mean":
        return float(values.mean())
    threshold = np.quantile(values, config.quantile)
    if config.score == "quantile":
        return float(threshold)
    return float(values[values >= threshold].sum())
