"""Samples where they matter: a few for every image, more where the query could still change.

From the samples that an image has so far, its places get the utility that all T samples would
give (`jackknife`), with a standard error. From these of the whole pool follows how much of the
query's score each image may cost if it is looked at no closer (`askmask.query.forecast`). Images
go on, a few samples at a time and up to T, until what the others may cost is negligible.
Every step is a function of the samples, and these of their keys: the order of the images, the
number of samples drawn at a time (up to rounding) and a restart change nothing.

No model. Of images below T, whether they are looked at closer or not, their sums are put aside on
disk, and what their further samples start from in memory: an image may be opened again.
"""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Float64

from askmask.query.forecast import Estimate, contenders, jackknife, still_open
from askmask.query.regions import Places, Rule
from askmask.query.scores import SampleSums

GROUPS: Final = 4
"""Groups that an image's samples are split into; its spread is known from 3 degrees of freedom."""

_SHELF_BYTES: Final = 2 * 2**30
_STARTED_BYTES: Final = 2**28

Thing = TypeVar("Thing")

Groups = list[SampleSums]
"""Sums of each of the `GROUPS` groups of an image's samples."""


@runtime_checkable
class Started(Protocol):
    """An image of which samples can be drawn, as `askmask.sampling.predictors.StartedImage`."""

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        ...

    def batches(self, parts: Sequence[Sequence[int]]) -> list[SampleSums]:
        """Sums of each of several sets of its samples."""
        ...


Start = Callable[[str], Started]
"""``start(image_id)``: the image, ready to be sampled."""

Utility = Callable[[str, SampleSums], tuple[Places, Float64[np.ndarray, " n"]]]
"""``utility(image_id, sums)``: the places of an image and their utilities by these sums.

The last call for an image is by all of its samples, those before by parts of them.
"""


def stages(limit: int) -> Iterator[tuple[int, list[range]]]:
    """Samples after each stage, and the ranges it draws: one per group, at last the whole rest.

    Examples
    --------
    >>> [(count, len(ranges)) for count, ranges in stages(30)]
    [(4, 4), (8, 4), (12, 4), (16, 4), (20, 4), (24, 4), (30, 1)]
    """
    start = 0
    while start < limit:
        step = max(1, start // 4 // GROUPS)  # samples of each group
        end = start + step * GROUPS
        if end + GROUPS > limit:
            yield limit, [range(start, limit)]
            return
        yield end, [range(start + g * step, start + (g + 1) * step) for g in range(GROUPS)]
        start = end


class AdaptiveSampling:
    """Estimates of a pool, from as few samples as its query allows.

    Parameters
    ----------
    start, utility
        See `Start` and `Utility`.
    rule : RegionConfig or ImageConfig
        With the budget.
    limit : int
        T: no image gets more.
    tolerance : float
        See `still_open`.
    """

    def __init__(
        self, start: Start, utility: Utility, rule: Rule, limit: int, tolerance: float
    ) -> None:
        self._start = start
        self._utility = utility
        self._rule = rule
        self._limit = limit
        self._tolerance = tolerance

    def run(self, image_ids: Sequence[str], on_image: Callable[[int, int], None]) -> list[Estimate]:
        """Estimate the whole pool.

        Held of an image: 8 bytes per place, and its contenders. The sums of images below T lie in
        a temporary folder of at most 2 GiB; those that do not fit are drawn again. What their
        samples start from lies in at most 256 MiB of memory; what does not fit is computed again.

        Parameters
        ----------
        image_ids : sequence of str
            The pool, in any order, each once.
        on_image : callable
            Called before each image is sampled, with how often that was done and how often it
            will be in all, as far as is known.

        Returns
        -------
        list of Estimate
            In the order of `image_ids`.
        """
        found: dict[str, Estimate] = {}
        waiting = list(image_ids)
        done = 0
        with tempfile.TemporaryDirectory(prefix="askmask_") as folder:
            shelf = _Shelf(Path(folder), _SHELF_BYTES)
            started: _Best[Started] = _Best(_STARTED_BYTES)
            # When all open images are at T and another is opened again, it goes there at once.
            counts = [count for count, _ in stages(self._limit)]
            for count in itertools.chain(counts, itertools.repeat(self._limit)):
                total = done + len(waiting)
                for image_id in waiting:
                    on_image(done, total)
                    done += 1
                    image = started.take(image_id) or self._start(image_id)
                    have = found[image_id].n_samples if image_id in found else 0
                    groups = self._continued(shelf.take(image_id), have, image, count)
                    found[image_id] = self._estimate(image_id, groups, count)
                    if count < self._limit and found[image_id].contenders:
                        best = found[image_id].contenders[0].utility
                        shelf.put(image_id, best, groups)
                        started.put(image_id, best, image.nbytes, image)
                pool = [found[image_id] for image_id in image_ids]
                is_open = still_open(pool, self._rule, self._tolerance)
                waiting = [pool[i].image_id for i in is_open if pool[i].n_samples < self._limit]
                if not waiting:
                    return pool
        raise AssertionError("every image ends at T samples")

    def _continued(
        self, put_aside: npt.NDArray[np.floating] | None, have: int, image: Started, count: int
    ) -> Groups:
        """Groups of the first `count` samples: the `have` that were put aside, and new ones."""
        if put_aside is None:
            have = 0
        missing: list[list[int]] = [[] for _ in range(GROUPS)]
        for end, ranges in stages(self._limit):
            if have < end <= count:
                for group, drawn in enumerate(ranges):  # the last stage has one range
                    missing[group] += drawn
        new = image.batches([numbers for numbers in missing if numbers])
        if put_aside is None:
            return new
        return _added([_sums(array, have // GROUPS, new[0]) for array in put_aside], new)

    def _estimate(self, image_id: str, groups: Groups, count: int) -> Estimate:
        without = []
        if count < self._limit:
            others = (reduce(add, groups[:g] + groups[g + 1 :]) for g in range(GROUPS))
            without = [self._utility(image_id, sums)[1] for sums in others]
        places, utilities = self._utility(image_id, reduce(add, groups))
        deviations = np.zeros((GROUPS, len(utilities)))
        if without:
            utilities, deviations = jackknife(utilities, np.stack(without), count, self._limit)
        best = contenders(places, utilities, deviations, self._rule)
        return Estimate(image_id, count, utilities, best)


def _sums(stacked: Float[np.ndarray, "planes H W"], n_samples: int, like: SampleSums) -> SampleSums:
    """Sums that were put aside, on the device that `like` is on."""
    tensor = torch.from_numpy(stacked).to(like.sum_probs.device)
    classes = len(like.sum_probs)
    return SampleSums(tensor[:classes], tensor[classes], tensor[classes + 1 :], n_samples)


class _Best(Generic[Thing]):
    """Something of each of the images with the best places, as many as there is room for."""

    def __init__(self, room: int, lose: Callable[[Thing], None] = lambda _: None) -> None:
        self._room = room
        self._lose = lose
        self._kept: dict[str, tuple[float, int, Thing]] = {}  # id -> best utility, bytes, thing

    def make_room(self, utility: float, size: int) -> bool:
        """Lose worse ones until there is room; False if better ones need it."""
        while self._kept and self._used + size > self._room:
            worst = min(self._kept, key=lambda name: self._kept[name][0])
            if self._kept[worst][0] >= utility:
                return False
            self._lose(self._kept.pop(worst)[2])
        return size <= self._room

    def put(self, image_id: str, utility: float, size: int, thing: Thing) -> None:
        """Keep it if there is room beside the better ones."""
        if self.make_room(utility, size):
            self._kept[image_id] = (utility, size, thing)

    def take(self, image_id: str) -> Thing | None:
        """What is kept of an image, for the caller to lose; None if nothing is."""
        return self._kept.pop(image_id)[2] if image_id in self._kept else None

    @property
    def _used(self) -> int:
        return sum(size for _, size, _ in self._kept.values())


class _Shelf:
    """Sums on disk: those of the images with the best places, as many as there is room for."""

    def __init__(self, folder: Path, room: int) -> None:
        self._folder = folder
        self._files: _Best[Path] = _Best(room, Path.unlink)
        self._number = 0

    def put(self, image_id: str, utility: float, groups: Groups) -> None:
        stacked = [
            torch.cat([sums.sum_probs, sums.sum_entropy[None], sums.votes]).cpu().numpy()
            for sums in groups
        ]
        size = sum(array.nbytes for array in stacked)
        if self._files.make_room(utility, size):
            self._files.put(image_id, utility, size, self._written(stacked))

    def take(self, image_id: str) -> npt.NDArray[np.floating] | None:
        """(G, 2 C + 1, H, W) sums of an image, which leave the shelf; None if it has none."""
        path = self._files.take(image_id)
        if path is None:
            return None
        stacked: npt.NDArray[np.floating] = np.load(path)
        path.unlink()
        return stacked

    def _written(self, stacked: list[npt.NDArray[np.floating]]) -> Path:
        path = self._folder / f"{self._number}.npy"
        self._number += 1
        np.save(path, np.stack(stacked))
        return path


def _added(groups: Groups, drawn: Groups) -> Groups:
    """Add the new sums of each group, or of the first alone, to the earlier ones."""
    return [sums + drawn[g] if g < len(drawn) else sums for g, sums in enumerate(groups)]
