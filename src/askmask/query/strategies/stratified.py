"""Queries in parts: some items by one utility, the others by another, without overlap.

`in_parts` is the choice; the two strategies that use it stand below. What a part is called here
is a row of the utilities.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from pydantic import Field
from torch import Tensor

from askmask.options import Options
from askmask.query.regions import Places
from askmask.query.regions.candidates import random_keys
from askmask.query.scores import SampleSums, predictive_entropy
from askmask.query.strategies.noisy import log_of
from askmask.query.strategies.strategy import ImageUtilities, ScoredImage, Turn
from askmask.records import QueryItem, Region
from askmask.seeds import numpy_generator

_FLOOR = -1e300  # utility of a place that a part cannot ask


class ForegroundOptions(Options):
    """How much of a query is drawn from the predicted foreground.

    Attributes
    ----------
    share : float
        Probability that an item is.
    """

    share: float = Field(1 / 3, ge=0, le=1)


class ClassStratifiedOptions(Options):
    """Constants of class-stratified scheduled power entropy.

    Attributes
    ----------
    class_share : float
        Part of the query that is split over the foreground classes.
    beta_first, beta_last : float
        Inverse scale of the noise in the first and the last round; geometric in between.
    """

    class_share: float = Field(0.66, ge=0, le=1)
    beta_first: float = Field(1.0, gt=0)
    beta_last: float = Field(100.0, gt=0)


def predicted_foreground(sums: SampleSums, turn: Turn) -> Tensor:
    """Score 1 where the predicted class is not the background; everywhere without one."""
    predicted = sums.mean_probs.argmax(0)
    return (predicted >= int(turn.has_background)).float()


def random_and_foreground(
    places: Places, maps: Float[np.ndarray, "1 H W"], turn: Turn
) -> Float64[np.ndarray, "2 n"]:
    """Keys of a uniform draw, and of a draw of centres among the foreground's pixels.

    A place's weight in the second is the number of available foreground pixels to whose centre it
    is the nearest: drawing a pixel and asking the place around it.
    """
    weights = places.nearest(maps[0] > 0)
    generator = numpy_generator(turn.seed, "foreground", turn.round, places.image_id)
    minus_log = generator.standard_exponential(len(weights))
    keys = np.full(len(weights), _FLOOR)
    np.divide(-minus_log, weights, out=keys, where=weights > 0)
    return np.stack([random_keys(places, turn.seed, turn.round), keys])


def mostly_random(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Draw each item uniformly or, with the probability `share`, from the foreground."""
    assert isinstance(turn.options, ForegroundOptions)
    draws = numpy_generator(turn.seed, "foreground share", turn.round).random(turn.count)
    parts = (draws < turn.options.share).astype(np.int_).tolist()
    return in_parts(images, parts, {})


def entropy_by_class(sums: SampleSums, turn: Turn) -> Tensor:
    """Entropy H(p), then H(p) p_c for every foreground class c; (1 + classes, H, W)."""
    probs = sums.mean_probs
    entropy = predictive_entropy(sums)
    return torch.cat([entropy[None], entropy * probs[int(turn.has_background) :]])


def scheduled_power(
    places: Places, maps: Float[np.ndarray, "K H W"], turn: Turn
) -> Float64[np.ndarray, "K n"]:
    """Log of each map's mean + Gumbel(0, 1 / beta_t), with beta_t rising over the rounds."""
    options = turn.options
    assert isinstance(options, ClassStratifiedOptions)
    progress = min(1.0, (turn.round - 1) / max(turn.rounds - 1, 1))
    beta = options.beta_first * (options.beta_last / options.beta_first) ** progress
    means = np.stack([places.means(score) for score in maps])
    noisy: Float64[np.ndarray, "K n"] = log_of(means)
    noisy += turn.gumbel(places.image_id, means.shape) / beta
    return noisy


def by_class(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Split floor(share n) of n items equally over the foreground classes, the rest by entropy.

    An image gives at most floor(share n / (classes + 1)) items for a class and floor((1 - share) n)
    for the rest, and at least one. What cannot be split equally, or finds no place, joins the rest.
    """
    assert isinstance(turn.options, ClassStratifiedOptions)
    share, count = turn.options.class_share, turn.count
    read = iter(images)
    first = next(read, None)
    if first is None:
        return ()
    n_classes = len(first.utilities) - 1
    each = int(share * count) // n_classes
    parts = [c for c in range(1, n_classes + 1) for _ in range(each)]
    parts += [0] * (count - len(parts))
    caps = dict.fromkeys(range(1, n_classes + 1), max(1, int(share * count / (n_classes + 1))))
    caps[0] = max(1, int((1 - share) * count))
    return in_parts((image for group in ([first], read) for image in group), parts, caps)


def in_parts(
    images: Iterable[ScoredImage], parts: Sequence[int], caps: Mapping[int, int]
) -> tuple[QueryItem, ...]:
    """Choose one item after the other, each the best place left for its part.

    Parameters
    ----------
    images : iterable of ScoredImage
        Read once; at most as many are held for each part as the query has items.
    parts : sequence of int
        Row of the utilities that each item is chosen by. A part without a place left hands its
        items to part 0.
    caps : mapping of int to int
        Most items of a part in one image, >= 1; a part that is not named has no cap.

    Returns
    -------
    tuple of QueryItem
        In the order of `parts`; regions never overlap. Equal utilities by image id, row, column.
    """
    pool = _Pool(_most_promising(images, len(parts)), caps)
    items: list[QueryItem] = []
    for part in parts:
        found = pool.take(part) or (pool.take(0) if part != 0 else None)
        if found is None:
            continue
        region, score, new_pixels = found
        items.append(QueryItem(len(items), region, score, new_pixels))
    return tuple(items)


def _best(image: ImageUtilities, free: Bool[np.ndarray, " n"], part: int) -> tuple[float, int]:
    """Largest utility of a free place and its number; `_FLOOR` if there is none."""
    values = np.where(free, image.utilities[part], _FLOOR)
    index = int(values.argmax())
    return float(values[index]), index


def _most_promising(images: Iterable[ScoredImage], n_items: int) -> list[ImageUtilities]:
    """Images among the `n_items` whose best place is best, for any part.

    No other image can be chosen from: while fewer than n_items places are chosen, one of these
    images is untouched, and its best place is better.
    """
    held: list[ImageUtilities] = []
    for scored in images:
        held.append(scored.without_pixels)
        if len(held) >= 2 * n_items * len(scored.utilities) + 16:
            held = _promising(held, n_items)
    return _promising(held, n_items)


def _promising(held: list[ImageUtilities], n_items: int) -> list[ImageUtilities]:
    if not held:
        return []
    kept: dict[str, ImageUtilities] = {}
    for part in range(len(held[0].utilities)):
        best = {image.image_id: _best(image, image.new_pixels > 0, part)[0] for image in held}
        ordered = sorted(held, key=lambda image: (-best[image.image_id], image.image_id))
        kept |= {image.image_id: image for image in ordered[:n_items]}
    return list(kept.values())


class _Pool:
    """The images that are chosen from, which of their places are free, and what was chosen."""

    def __init__(self, images: Sequence[ImageUtilities], caps: Mapping[int, int]) -> None:
        self._images = sorted(images, key=lambda image: image.image_id)
        self._free = {image.image_id: image.new_pixels > 0 for image in images}
        self._caps = caps
        self._taken: dict[tuple[str, int], int] = {}

    def take(self, part: int) -> tuple[Region, float, int] | None:
        """Take the best place left for a part: its region, utility and new pixels."""
        best, place, chosen = _FLOOR, 0, None
        for image in self._images:
            taken = self._taken.get((image.image_id, part), 0)
            score, index = _best(image, self._free[image.image_id], part)
            if score > best and taken < self._caps.get(part, taken + 1):
                best, place, chosen = score, index, image
        if chosen is None:
            return None
        key = (chosen.image_id, part)
        self._taken[key] = self._taken.get(key, 0) + 1
        region = Region(chosen.image_id, *chosen.boxes[place].tolist())
        self._free[chosen.image_id] &= ~_overlapping(chosen.boxes, chosen.boxes[place])
        return region, best, int(chosen.new_pixels[place])


def _overlapping(
    boxes: Int[np.ndarray, "n 4"], box: Int[np.ndarray, "4"]
) -> Bool[np.ndarray, " n"]:
    start, end = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    overlap: Bool[np.ndarray, " n"] = ((start < box[:2] + box[2:]) & (box[:2] < end)).all(1)
    return overlap
