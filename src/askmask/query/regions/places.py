"""The regions of one image that may be asked, before anybody has said which are best.

A strategy turns `Places` into candidates: it gives every place a utility. Where the places come
from (a grid of windows, the whole image) is decided here and nowhere else, so a further region
rule works with every strategy.
"""

import math
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Float64, Int, Shaped

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import AskmaskError, ShapeError
from askmask.query.regions.windows import window_origins, window_sums, without_overlap
from askmask.records import Region

Rule = RegionConfig | ImageConfig
"""The rule of a region: what one item of a query covers, and the budget."""

Available = npt.NDArray[np.bool_]


@runtime_checkable
class Places(Protocol):
    """Regions of one image, numbered 0 ... n - 1 in (row, column) order.

    Guarantees: arrays have one entry per place and are not modified; scores handed in are 0 where
    a pixel is not available (`counted`), so sums count available pixels only.
    """

    @property
    def image_id(self) -> str:
        """Stable id of the image."""
        ...

    @property
    def available(self) -> Available:
        """(H, W): valid, not labelled and not pending."""
        ...

    @property
    def boxes(self) -> Int[np.ndarray, "n 4"]:
        """Row, column, height and width of each place."""
        ...

    @property
    def new_pixels(self) -> Int[np.ndarray, " n"]:
        """Available pixels of each place; 0 makes it no candidate."""
        ...

    @property
    def may_overlap(self) -> bool:
        """Whether the rule lets a query ask a pixel twice."""
        ...

    def sums(self, score: Shaped[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Sum of a score over each place."""
        ...

    def scores(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Score of each place as the rule reduces it."""
        ...

    def means(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Score per pixel of each place; pixels that are not available count 0."""
        ...

    def nearest(self, mask: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, " n"]:
        """Pixels of a mask to whose centre each place is the nearest; each pixel counts once."""
        ...

    def without_overlap(
        self, order: Int[np.ndarray, " m"], limit: int | None = None
    ) -> Int[np.ndarray, " k"]:
        """Greedy choice of at most `limit` places in a given order, best first."""
        ...


LEAST_ASKABLE: Final = 0.5
"""Share of a place that must be askable: a box of glass with a rim of tissue teaches little."""


def places_of(
    image_id: str, available: Available, rule: Rule, askable: Available | None = None
) -> Places:
    """Places of an image under a rule.

    Parameters
    ----------
    image_id : str
        Stable id of the image.
    available : (H, W) bool array
        Pixels that are valid, not labelled and not pending. Not modified.
    rule : RegionConfig or ImageConfig
        Windows of a size and stride, or the whole image.
    askable : (H, W) bool array, optional
        Pixels that may be asked at all, such as tissue; None for all. The others are not
        available, and windows with less than `LEAST_ASKABLE` of such pixels have none.

    Examples
    --------
    >>> places = places_of("a", np.ones((2, 4), bool), RegionConfig(size=(2, 2), stride=1))
    >>> places.boxes[:, 1]
    array([0, 1, 2])
    >>> places.without_overlap(np.array([1, 0, 2]))
    array([1])
    """
    if askable is not None:
        available = available & askable
    if isinstance(rule, RegionConfig):
        return WindowGrid(image_id, available, rule, askable)
    return OnePlace(image_id, available, rule)


def region_at(places: Places, index: int) -> Region:
    """Region of the place with a number."""
    return Region(places.image_id, *places.boxes[index].tolist())


def counted(
    image_id: str, score: Float[np.ndarray, "*maps H W"], available: Available
) -> Float[np.ndarray, "*maps H W"]:
    """Scores where available, 0 elsewhere: `score` itself if all is, so not to be modified.

    Raises
    ------
    ShapeError
        If score and available differ in shape.
    AskmaskError
        If the score of an available pixel is not finite.
    """
    if score.shape[-2:] != available.shape:
        raise ShapeError(
            f"expected score and available pixels of one shape, got {score.shape} and "
            f"{available.shape} for image {image_id!r}."
        )
    values = score if available.all() else np.where(available, score, score.dtype.type(0))
    # One sum tells whether all is finite; only a wrong map, or a huge sum, is looked at closer.
    if math.isfinite(values.sum(dtype=np.float64)):
        return values
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise AskmaskError(
            f"expected finite scores, got {bad} that are NaN or infinite in image {image_id!r}. "
            f"The model's output is not finite: look at its weights and at the image."
        )
    return values


class WindowGrid:
    """Windows of one size at a stride; see `Places`.

    Parameters
    ----------
    image_id, available
        As in `places_of`.
    rule : RegionConfig
        Size, stride and overlap.
    askable : (H, W) bool array, optional
        As in `places_of`.
    """

    def __init__(
        self,
        image_id: str,
        available: Available,
        rule: RegionConfig,
        askable: Available | None = None,
    ) -> None:
        self.image_id = image_id
        # Candidates that may overlap keep it, for the cost of their union.
        self.available = available.copy() if rule.overlap == "allow" else available
        self._rule = rule
        self._rows, self._cols = (
            window_origins(length, size, rule.stride, rule.grid)
            for length, size in zip(available.shape, rule.size, strict=True)
        )
        self._size: tuple[int, int] = tuple(np.minimum(rule.size, available.shape).tolist())
        self._area = self._size[0] * self._size[1]
        rows, cols = np.meshgrid(self._rows, self._cols, indexing="ij")
        sizes = np.broadcast_to(self._size, (rows.size, 2))
        self.boxes: Int[np.ndarray, "n 4"] = np.column_stack([rows.ravel(), cols.ravel(), sizes])
        self.new_pixels: Int[np.ndarray, " n"] = (
            np.full(rows.size, self._area)  # without counting where all are
            if available.all()
            else self.sums(available).astype(np.int_)
        )
        if askable is not None:
            self.new_pixels[self.sums(askable) < LEAST_ASKABLE * self._area] = 0

    @property
    def may_overlap(self) -> bool:
        """Whether the rule lets a query ask a pixel twice."""
        return self._rule.overlap == "allow"

    def sums(self, score: Shaped[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Window sums."""
        return window_sums(score, self._rule.size, self._rule.stride, self._rule.grid).ravel()

    def scores(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Window sums: with windows of one size they rank as means do."""
        return self.sums(score)

    def means(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Window sums by the window's area."""
        return self.sums(score) / self._area

    def nearest(self, mask: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, " n"]:
        """Mask pixels of each window's cell: a centre there, moved into the image, is nearest."""
        values = mask.astype(np.int_)
        for axis, origins in enumerate((self._rows, self._cols)):
            half = self._size[axis] // 2
            borders = (origins[:-1] + origins[1:] + 1) // 2 + half  # a tie goes to the later one
            values = np.add.reduceat(values, np.concatenate([[0], borders]), axis=axis)
        return values.ravel()

    def without_overlap(
        self, order: Int[np.ndarray, " m"], limit: int | None = None
    ) -> Int[np.ndarray, " k"]:
        """Greedy choice in a given order."""
        return without_overlap(order, self._rows, self._cols, self._size, limit)


class OnePlace:
    """The image as its only place; see `Places`.

    Parameters
    ----------
    image_id, available
        As in `places_of`.
    rule : ImageConfig
        How the score of an image is reduced.
    """

    may_overlap = False

    def __init__(self, image_id: str, available: Available, rule: ImageConfig) -> None:
        self.image_id = image_id
        self.available = available
        self._rule = rule
        self.boxes: Int[np.ndarray, "n 4"] = np.array([[0, 0, *available.shape]])
        self.new_pixels: Int[np.ndarray, " n"] = np.array([np.count_nonzero(available)])

    def sums(self, score: Shaped[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Sum over the available pixels."""
        return np.array([score[self.available].sum(dtype=np.float64)])

    def scores(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Reduce the scores of the available pixels as the rule says; 0 without one."""
        values = score[self.available].astype(np.float64)
        if not values.size:
            return np.zeros(1)
        if self._rule.score == "sum":
            return np.array([values.sum()])
        if self._rule.score == "mean":
            return np.array([values.mean()])
        threshold = np.quantile(values, self._rule.quantile)
        return np.array([values[values >= threshold].sum()])

    def means(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Divide by the image's area where the rule gives a sum; else the rule's score."""
        is_sum = self._rule.score in ("sum", "sum_above_quantile")
        return self.scores(score) / (self.available.size if is_sum else 1)

    def nearest(self, mask: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, " n"]:
        """Count every pixel of the mask."""
        return np.array([np.count_nonzero(mask)])

    def without_overlap(
        self, order: Int[np.ndarray, " m"], limit: int | None = None
    ) -> Int[np.ndarray, " k"]:
        """Return the order: one place overlaps nothing."""
        return order[:limit]
