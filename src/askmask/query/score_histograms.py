"""How uncertain the asked pixels were, beside those that could have been asked: two histograms.

Kept per query, so that a figure can show whether a strategy asked for what it scores high. Of
each image at most `MAX_PIXELS` pixels on a regular grid are kept, a byte each, until the query is
chosen: memory does not depend on the size of the images.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from askmask.errors import ProjectError
from askmask.records import MetricRow, QueryItem
from askmask.whole_files import write_atomically

POOL: Final = "pool"
"""Split of the rows: what could be asked, not what a model is judged on."""

BINS: Final = 40
"""Equally wide bins; one more holds the scores above the last edge."""

MAX_PIXELS: Final = 2**16
"""Most pixels kept of one image."""

MAX_KEPT: Final = 2**28
"""Most pixels kept of all images: of a large pool fewer of each, so that memory stays bounded."""

_UNAVAILABLE: Final = 255

Binned = tuple[int, npt.NDArray[np.uint8]]
"""Step of an image's grid, and the bin of each pixel on it."""


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Pixels of the pool and of the query in each bin of the score.

    Attributes
    ----------
    upper : float
        Right edge of the last bin but one; bins are equally wide from 0. The last bin holds
        larger scores. Scores below 0 (rounding) count in the first.
    pool, asked : tuple of int
        Pixels per bin, on the grid that was kept; `asked` is part of `pool`.
    """

    upper: float
    pool: tuple[int, ...]
    asked: tuple[int, ...]

    def rows(self) -> list[MetricRow]:
        """Rows of the results table: `value` is the bin's right edge, `count` its pixels."""
        edges = [*(self.upper * (place + 1) / BINS for place in range(BINS)), math.inf]
        return [
            MetricRow(POOL, "all", "all", metric, edge, count, place)
            for metric, counts in (("pool_score", self.pool), ("asked_score", self.asked))
            for place, (edge, count) in enumerate(zip(edges, counts, strict=True))
        ]


class ScoreTally:
    """Histogram of score maps, filled image by image while the pool is scored.

    Parameters
    ----------
    n_classes : int
        The bins reach to max(1, log of it): no registered score map exceeds that.
    n_images : int
        Of the pool, see `MAX_KEPT`.
    """

    def __init__(self, n_classes: int, n_images: int = 1) -> None:
        self._max_pixels = max(1, min(MAX_PIXELS, MAX_KEPT // max(n_images, 1)))
        self._upper = max(1.0, math.log(n_classes))
        self._kept: dict[str, Binned] = {}

    def add(
        self, image_id: str, score: Float[np.ndarray, "H W"], available: Bool[np.ndarray, "H W"]
    ) -> None:
        """Keep the scores of an image's available pixels; arrays are not modified."""
        step = math.ceil(math.sqrt(max(1.0, score.size / self._max_pixels)))
        grid = (slice(step // 2, None, step), slice(step // 2, None, step))
        seen = score[grid]
        places = np.clip(seen * (BINS / self._upper), 0, BINS - 1)
        places = np.where(seen > self._upper, BINS, places)
        kept = np.where(available[grid], places, _UNAVAILABLE).astype(np.uint8)
        self._kept[image_id] = (step, kept)

    def binned(self, image_id: str) -> Binned | None:
        """What is kept of an image, for `take` of another tally; None if nothing is."""
        return self._kept.get(image_id)

    def take(self, image_id: str, binned: Binned) -> None:
        """Keep what a tally of the same classes and pool has of an image."""
        self._kept[image_id] = binned

    def counts(self, items: Iterable[QueryItem]) -> ScoreCounts | None:
        """Histograms of everything added, and of what `items` ask; None if nothing was added."""
        if not self._kept:
            return None
        asked: dict[str, npt.NDArray[np.bool_]] = {}
        for item in items:
            region = item.region
            if region.image_id in self._kept:
                step, places = self._kept[region.image_id]
                first = step // 2
                asked.setdefault(region.image_id, np.zeros(places.shape, bool))[
                    _grid_slice(region.row, region.height, first, step),
                    _grid_slice(region.col, region.width, first, step),
                ] = True
        pool = sum(_histogram(places) for _, places in self._kept.values())
        inside = sum(_histogram(self._kept[name][1][mask]) for name, mask in asked.items())
        return ScoreCounts(self._upper, _counts(pool), _counts(inside))


def write_counts(path: Path, counts: ScoreCounts) -> None:
    """Keep the histograms of a query as JSON; an older file is replaced whole."""
    path.parent.mkdir(exist_ok=True)
    tree = {"upper": counts.upper, "pool": counts.pool, "asked": counts.asked}
    write_atomically(path, json.dumps(tree))


def read_counts(path: Path) -> ScoreCounts | None:
    """Histograms of a query; None if none were kept.

    Raises
    ------
    ProjectError
        If the file is none that `write_counts` wrote.
    """
    if not path.is_file():
        return None
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        counts = ScoreCounts(
            float(tree["upper"]), tuple(map(int, tree["pool"])), tuple(map(int, tree["asked"]))
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ProjectError(
            f"expected the score histograms of a query in {str(path)!r}, but: {error}. Delete the "
            "file: it is only drawn, and the query itself is in the database."
        ) from None
    if not len(counts.pool) == len(counts.asked) == BINS + 1:
        raise ProjectError(
            f"expected {BINS + 1} bins in {str(path)!r}, got {len(counts.pool)} and "
            f"{len(counts.asked)}. Delete the file: it is only drawn."
        )
    return counts


def _grid_slice(start: int, length: int, first: int, step: int) -> slice:
    """Places of a grid first, first + step, ... that lie in [start, start + length)."""
    return slice(max(0, -((first - start) // step)), max(0, -((first - start - length) // step)))


def _histogram(places: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Pixels per bin, without those that were not available."""
    return np.bincount(places.ravel(), minlength=_UNAVAILABLE + 1)[: BINS + 1]


def _counts(histogram: "npt.NDArray[np.int64] | int") -> tuple[int, ...]:
    return tuple(int(count) for count in np.broadcast_to(histogram, BINS + 1))
