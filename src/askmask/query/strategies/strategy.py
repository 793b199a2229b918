"""Strategies: plain functions that turn one image's samples, and then a pool, into a query.

::

    SampleSums --maps--> score maps (K, H, W) --utilities--> (L, places) --choose--> QueryItems

Images are streamed: `maps` and `utilities` see one image at a time, `choose` reads the images once
and keeps what it needs of each. Nothing here reads a file, knows a network or holds state.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from askmask.config import RegionConfig
from askmask.options import Options
from askmask.query.regions import Places, Rule, ranked, select
from askmask.query.regions.candidates import budget_count, limit_of, order_of
from askmask.query.regions.selection import best_of_groups
from askmask.query.scores import SampleSums
from askmask.records import QueryItem
from askmask.seeds import numpy_generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Facts about the query that a strategy makes.

    Attributes
    ----------
    seed : int
        Of the trial.
    round : int
        The round that the query opens, >= 1.
    rounds : int
        How many queries are planned in all, >= 1; a schedule ends there.
    rule : RegionConfig or ImageConfig
        What one item covers, and the budget.
    options : Options
        Of the strategy, checked.
    has_background : bool
        Whether class 0 is a background.
    most_per_group : int or None
        Most items that a query may hold of one group of images.
    groups : mapping of str to str or None
        Group of each image, by id; an image without one is a group of its own.
    """

    seed: int
    round: int
    rounds: int
    rule: Rule
    options: Options = field(default_factory=Options)
    has_background: bool = True
    most_per_group: int | None = None
    groups: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Regions or images to ask; with a budget of pixels, the whole windows that fit in it."""
        rule = self.rule
        if isinstance(rule, RegionConfig) and rule.budget_pixels is not None:
            return max(1, rule.budget_pixels // (rule.size[0] * rule.size[1]))
        return budget_count(rule)

    def gumbel(self, image_id: str, shape: tuple[int, ...]) -> Float64[np.ndarray, "*shape"]:
        """Gumbel(0, 1) noise of an image's places; the same whatever else is in the pool."""
        return numpy_generator(self.seed, "gumbel", self.round, image_id).gumbel(size=shape)


@runtime_checkable
class Embed(Protocol):
    """Pooled encoder features of boxes of one image."""

    def __call__(self, boxes: Int[np.ndarray, "n 4"]) -> Float32[np.ndarray, "n D"]:
        """Features of (row, column, height, width) boxes; only while the image is the last read."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ImageUtilities:
    """Utilities of every place of one image, asked or not: arrays with an entry for each place.

    Attributes
    ----------
    image_id : str
        Stable id of the image.
    boxes : (n, 4) int array
        Row, column, height and width of each place.
    new_pixels : (n,) int array
        Available pixels of each place; a place with 0 cannot be asked.
    utilities : (L, n) float64 array
        As the strategy made them, noise included; most strategies have one row.
    """

    image_id: str
    boxes: Int[np.ndarray, "n 4"]
    new_pixels: Int[np.ndarray, " n"]
    utilities: Float64[np.ndarray, "L n"]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredImage:
    """One image of the pool as `Strategy.choose` reads it.

    Attributes
    ----------
    places : Places
        Its regions.
    utilities : (L, n) float64 array
        What `Strategy.utilities` made of it.
    embed : callable
        See `Embed`.
    """

    places: Places
    utilities: Float64[np.ndarray, "L n"]
    embed: Embed

    @property
    def without_pixels(self) -> ImageUtilities:
        """The part that may be held of many images: 8 bytes for each place and utility."""
        places = self.places
        return ImageUtilities(places.image_id, places.boxes, places.new_pixels, self.utilities)


Maps = Callable[[SampleSums, Turn], Tensor]
Utilities = Callable[[Places, Float[np.ndarray, "K H W"], Turn], Float64[np.ndarray, "L n"]]
Choose = Callable[[Iterable[ScoredImage], Turn], tuple[QueryItem, ...]]
Kept = Callable[[Places, Float64[np.ndarray, "L n"], Turn], Int[np.ndarray, " k"]]


def rule_scores(
    places: Places,
    maps: Float[np.ndarray, "K H W"],
    turn: Turn,  # noqa: ARG001 - the signature of `Strategy.utilities`
) -> Float64[np.ndarray, "1 n"]:
    """Score each place by the first map, summed or reduced as the region rule says."""
    return places.scores(maps[0])[None]


def best_first(images: Iterable[ScoredImage], turn: Turn) -> tuple[QueryItem, ...]:
    """Ask the places with the largest first utility; `askmask.query.regions` states the rules."""
    limit = limit_of(turn.rule)
    lists = (ranked(i.places, i.utilities[0], limit) for i in images)
    if turn.most_per_group is None:
        return select(lists, turn.rule)
    return select([best_of_groups(lists, turn.groups, turn.most_per_group)], turn.rule)


def best_apart(
    places: Places, utilities: Float64[np.ndarray, "L n"], turn: Turn
) -> Int[np.ndarray, " k"]:
    """Numbers of the places that `best_first` may ask of an image: as many as a query holds."""
    return order_of(places, utilities[0], limit_of(turn.rule))


def all_apart(
    places: Places,
    utilities: Float64[np.ndarray, "L n"],
    turn: Turn,  # noqa: ARG001 - the signature of `Strategy.kept`
) -> Int[np.ndarray, " k"]:
    """Numbers of the places that overlap no better one, by the first utility."""
    return order_of(places, utilities[0])


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Strategy:
    """An acquisition function and what is done with its scores.

    Guarantees, tested by `askmask.testing.StrategyContract`:

    - maps are finite, of the image's size, and the same for the same sums;
    - utilities are finite where a place has a new pixel, the same for the same maps and turn;
    - nothing that is handed over is modified;
    - a query holds as many items as the turn's budget and never more: places of the pool that
      have new pixels, counted, ranked from 0, and without overlap unless the rule allows it;
    - the order in which images come changes nothing, and no image gives no item.

    Attributes
    ----------
    name : str
        As a config gives it.
    description : str
        A few words for lists.
    source : str
        Where it comes from: authors, year, identifier.
    maps : callable or None
        ``maps(sums, turn)``: (K, H, W) or (H, W) score maps of one image's samples. The first is
        the one that people are shown. None for strategies that need no model.
    utilities : callable
        ``utilities(places, maps, turn)``: (L, n) values of an image's places, finite where a
        place has a new pixel. The maps are 0 where no pixel is available and must not be modified.
    choose : callable
        ``choose(images, turn)``: the query, best first, within the budget and without overlap.
    kept : callable or None
        ``kept(places, utilities, turn)``: numbers of the places of an image that `choose` needs.
        It comes to the same query if the utilities of all others are -inf, so those need not
        travel. None for all places, and for `best_first`, whose are known.
    options : subclass of Options
        What ``query.options`` may hold.
    min_samples : int
        Samples that the maps need.
    asks_a_number : bool
        Whether `choose` needs to know how many items to ask. Such a strategy asks whole windows
        that never overlap.
    sees_labelled : bool
        Whether `choose` reads images without an available pixel, too.
    """

    name: str
    description: str
    source: str
    maps: Maps | None
    utilities: Utilities = rule_scores
    choose: Choose = best_first
    kept: Kept | None = None
    options: type[Options] = Options
    min_samples: int = 1
    asks_a_number: bool = False
    sees_labelled: bool = False

    def needed(
        self, places: Places, utilities: Float64[np.ndarray, "L n"], turn: Turn
    ) -> Int[np.ndarray, " k"]:
        """Numbers of the places whose utilities `choose` needs; see `kept`."""
        kept = best_apart if self.kept is None and self.choose is best_first else self.kept
        return np.arange(utilities.shape[1]) if kept is None else kept(places, utilities, turn)
