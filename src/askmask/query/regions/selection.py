"""The choice among the candidates of a whole pool, streamed, within a budget."""

import bisect
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.config import ImageConfig, RegionConfig
from askmask.errors import ShapeError
from askmask.query.regions.candidates import Candidate, budget_count
from askmask.records import QueryItem, Region

_ROOM: Final = 1024  # candidates held beyond those that can still be chosen


def select(
    candidates: Iterable[Iterable[Candidate]], config: RegionConfig | ImageConfig
) -> tuple[QueryItem, ...]:
    """Choose the best candidates of a pool in the budget, by the rules of `askmask.query.regions`.

    Parameters
    ----------
    candidates : iterable of iterables of Candidate
        One list per image, images in any order, made with the same `config`. Read once, list by
        list, so a generator may score the images on the way. Held at one time: one list, and as
        many candidates as the budget has regions or images; for a budget of pixels, those that
        can still be chosen and about as many again, whatever the size of the pool.
    config : RegionConfig or ImageConfig
        The budget; 20 regions or 5 images if none is set.

    Returns
    -------
    tuple of QueryItem
        Best first, rank from 0. `new_pixels` counts the pixels that no item before it adds, so
        that their sum is the cost: unique new pixels.

    Raises
    ------
    ShapeError
        If chosen regions overlap and `config` does not allow it (an image came twice), or if it
        does and a candidate lacks the image's available pixels.

    Examples
    --------
    >>> a = Candidate(Region("a", 0, 0, 2, 2), score=1.0, new_pixels=4)
    >>> b = Candidate(Region("b", 0, 0, 2, 2), score=2.0, new_pixels=3)
    >>> [item.region.image_id for item in select([[a], [b]], RegionConfig(budget_pixels=6))]
    ['b']
    """
    merged = itertools.chain.from_iterable(candidates)
    union = isinstance(config, RegionConfig) and config.overlap == "allow"
    if config.budget_pixels is None:
        chosen = heapq.nsmallest(budget_count(config), merged, key=_order)
    elif union:
        possible = _stream(merged, config.budget_pixels, start_of_union)
        chosen = fitting_union(possible, config.budget_pixels)
    else:
        possible = _stream(merged, config.budget_pixels, still_possible)
        chosen = fitting(possible, config.budget_pixels)
    if not union:
        _check_disjoint(chosen)
    costs = _unique_costs(chosen) if union else [candidate.new_pixels for candidate in chosen]
    return tuple(
        QueryItem(rank, candidate.region, candidate.score, cost)
        for rank, (candidate, cost) in enumerate(zip(chosen, costs, strict=True))
    )


def best_of_groups(
    candidates: Iterable[Iterable[Candidate]], groups: Mapping[str, str | None], most: int
) -> list[Candidate]:
    """Best candidates of each group of images, so that none can take a whole query.

    Parameters
    ----------
    candidates : iterable of iterables of Candidate
        One list per image; read once. Held at one time: one list, and `most` of each group.
    groups : mapping of str to str or None
        Group of an image, by id. An image without one is a group of its own.
    most : int
        >= 1, per group.

    Returns
    -------
    list of Candidate
        Group by group, best first.
    """
    kept: dict[tuple[str, str], list[Candidate]] = {}
    for of_image in candidates:
        for candidate in of_image:
            image_id = candidate.region.image_id
            group = groups.get(image_id)
            key = ("image", image_id) if group is None else ("group", group)
            bisect.insort(held := kept.setdefault(key, []), candidate, key=_order)
            del held[most:]
    return [candidate for held in kept.values() for candidate in held]


def _order(candidate: Candidate) -> tuple[float, Region]:
    """Sort key: best score first, then image id, row, column (regions compare in that order)."""
    return -candidate.score, candidate.region


def _stream(
    candidates: Iterable[Candidate],
    budget: int,
    keep: Callable[[list[Candidate], int], list[Candidate]],
) -> list[Candidate]:
    """Read all candidates, dropping now and then those that can no longer be chosen."""
    held: list[Candidate] = []
    room = _ROOM
    for candidate in candidates:
        held.append(candidate)
        if len(held) > room:
            held = keep(held, budget)
            room = 2 * len(held) + _ROOM
    return keep(held, budget)


def still_possible(held: list[Candidate], budget: int) -> list[Candidate]:
    """Sort, and drop what is passed over whatever candidates may still come.

    A candidate of cost w is passed over for good if w and the costs <= w of better candidates add
    up to more than the budget: either all of those are chosen and w no longer fits, or one of
    them did not fit when its turn came, and then w, which is no smaller, does not fit later.
    """
    possible = []
    spent_by_cost: dict[int, int] = {}
    for candidate in sorted(held, key=_order):
        cost = candidate.new_pixels
        smaller = sum(spent for other, spent in spent_by_cost.items() if other <= cost)
        if smaller + cost <= budget:
            possible.append(candidate)
            spent_by_cost[cost] = spent_by_cost.get(cost, 0) + cost
    return possible


def fitting(ordered: list[Candidate], budget: int) -> list[Candidate]:
    """Fill the budget best first, passing over what does not fit."""
    chosen = []
    left = budget
    for candidate in ordered:
        if candidate.new_pixels <= left:
            chosen.append(candidate)
            left -= candidate.new_pixels
    return chosen


def start_of_union(held: list[Candidate], budget: int) -> list[Candidate]:
    """Sort, and keep the start whose union fits, with the window that ends it.

    More windows before that one only make the union larger, so whatever may still come, the query
    ends there or sooner. Without it, worse windows of images read later would seem to fit. Windows
    that add nothing to better ones never will, and go.
    """
    ordered = sorted(held, key=_order)
    kept = []
    for candidate, cost in zip(ordered, _unique_costs(ordered), strict=True):
        budget -= cost
        if cost > 0:
            kept.append(candidate)
        if budget < 0:
            break
    return kept


def fitting_union(ordered: list[Candidate], budget: int) -> list[Candidate]:
    """Fill the budget best first, until a window does not fit."""
    spent = itertools.accumulate(_unique_costs(ordered))
    return [candidate for candidate, so_far in zip(ordered, spent, strict=True) if so_far <= budget]


def _unique_costs(ordered: Sequence[Candidate]) -> list[int]:
    """Count the new pixels of each candidate that no earlier one holds."""
    left: dict[str, npt.NDArray[np.bool_]] = {}
    costs = []
    for candidate in ordered:
        region = candidate.region
        if candidate.available is None:
            raise ShapeError(
                f"expected the image's available pixels with a window that may overlap others, "
                f"got None for {region!r}. Make the candidates with overlap: allow."
            )
        pixels = left.setdefault(region.image_id, candidate.available.copy())[region.slices]
        costs.append(int(pixels.sum()))
        pixels[:] = False
    return costs


def _check_disjoint(chosen: Sequence[Candidate]) -> None:
    by_image: dict[str, list[Region]] = {}
    for candidate in chosen:
        region = candidate.region
        others = by_image.setdefault(region.image_id, [])
        clash = next((other for other in others if region.overlaps(other)), None)
        if clash is not None:
            raise ShapeError(
                f"expected regions without overlap, got {clash!r} and {region!r}. Give every "
                f"image once, with candidates made for the same config."
            )
        others.append(region)
