"""Places of an image that was scored before: small to keep, and some of them taken since."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Shaped

from askmask.query.regions import Places, Rule, places_of
from askmask.query.regions.places import Available
from askmask.records import Region


class SeenPlaces:
    """`Places` of an image as they were when it was scored; a bit per pixel, not a byte.

    Parameters
    ----------
    places : Places
        Of one image, under a rule that forbids overlap.
    rule : RegionConfig or ImageConfig
        What they were made by.
    """

    may_overlap = False

    def __init__(self, places: Places, rule: Rule) -> None:
        self.image_id = places.image_id
        self.boxes: Int[np.ndarray, "n 4"] = places.boxes
        self.new_pixels: Int[np.ndarray, " n"] = places.new_pixels
        self._rule = rule
        self._shape = places.available.shape
        self._packed = np.packbits(places.available)

    def without(self, taken: Sequence[Region]) -> "SeenPlaces":
        """Return the same places; those that overlap a region of this image have no new pixel."""
        if not taken:
            return self
        other = copy(self)
        hit = np.zeros(len(self.boxes), bool)
        for region in taken:
            box = np.array([region.row, region.col, region.height, region.width])
            hit |= overlapping(self.boxes, box)
        other.new_pixels = np.where(hit, 0, self.new_pixels)
        return other

    @property
    def available(self) -> Available:
        """(H, W): what was available when the image was scored."""
        size = self._shape[0] * self._shape[1]
        available: Available = np.unpackbits(self._packed, count=size).astype(bool)
        return available.reshape(self._shape)

    def sums(self, score: Shaped[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Sum of a score over each place."""
        return self._whole.sums(score)

    def scores(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Score of each place as the rule reduces it."""
        return self._whole.scores(score)

    def means(self, score: Float[np.ndarray, "H W"]) -> Float64[np.ndarray, " n"]:
        """Score per pixel of each place."""
        return self._whole.means(score)

    def nearest(self, mask: Bool[np.ndarray, "H W"]) -> Int[np.ndarray, " n"]:
        """Pixels of a mask to whose centre each place is the nearest."""
        return self._whole.nearest(mask)

    def without_overlap(
        self, order: Int[np.ndarray, " m"], limit: int | None = None
    ) -> Int[np.ndarray, " k"]:
        """Greedy choice of at most `limit` places in a given order, best first."""
        boxes = self.boxes[order]
        free = np.ones(len(order), bool)
        chosen: list[int] = []
        while free.any() and (limit is None or len(chosen) < limit):
            first = int(free.argmax())
            chosen.append(int(order[first]))
            free &= ~overlapping(boxes, boxes[first])
        return np.array(chosen, np.intp)

    @property
    def _whole(self) -> Places:
        return places_of(self.image_id, self.available, self._rule)


def overlapping(boxes: Int[np.ndarray, "n 4"], box: Int[np.ndarray, "4"]) -> Bool[np.ndarray, " n"]:
    """Which boxes (row, column, height, width) share a pixel with one.

    Examples
    --------
    >>> overlapping(np.array([[0, 0, 2, 2], [0, 2, 2, 2]]), np.array([0, 1, 2, 1])).tolist()
    [True, False]
    """
    start, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    overlap: Bool[np.ndarray, " n"] = ((start < box[:2] + box[2:]) & (box[:2] < end)).all(1)
    return overlap
