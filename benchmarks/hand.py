"""A scripted person with an unsteady hand, who labels a region stroke by stroke.

What the strokes cost is measured by `strokes.py`, which says what the person does and why.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from askmask.assist.correct import Edges, correct, find_edges
from askmask.assist.patches import cut_patches
from askmask.assist.prompted.prompt import Prompt
from askmask.assist.spread import spread
from askmask.records import UNLABELLED

NEARLY = 0.9
ENOUGH = 0.95
MOST_STROKES = 200
LEAST_SHARE = 0.02
LEAST_GAIN = 0.01
SIDE = 128
"""Of the region that the hand's numbers are told for."""
LINE = 40 / SIDE
"""Of the region's side: the hand lifts after so long a way."""
THICKNESS = 1.5
AS_IT_COMES = 0.05
"""Radius of the page's brush until somebody changes it, as a share of the region's side."""
WHOLE = 0.7

Mask = npt.NDArray[np.bool_]
Maps = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int16]
Path = tuple[Mask, float]
"""Where the middle of a brush goes, and its radius."""


@dataclass(frozen=True)
class Place:
    """A region: pixels, true labels, a model's prediction, and (H, W, D) features if wanted."""

    pixels: npt.NDArray[np.uint8]
    truth: Labels
    predicted: Labels
    features: Maps | None = None
    propose: Callable[[Prompt], Mask] | None = None


class Person:
    """Somebody who knows the truth and has an unsteady hand.

    The page shows a region as large as the screen allows, so the hand is off by a share `noise` of
    the region's side, and not by a number of its pixels.
    """

    def __init__(self, place: Place, seed: int, noise: float):
        self.place, self.truth = place, place.truth
        self.noise, self.reach = noise * len(place.truth), LINE * len(place.truth)
        self.known = self.truth != UNLABELLED
        self.random = np.random.default_rng(seed)
        self.labels = np.full_like(self.truth, UNLABELLED)
        self.before = self.labels  # the strokes of the smart brush
        self.failed: Mask | None = None  # where it was of no use
        self.strokes = self.undone = self.smart_strokes = 0
        self.nearly: int | None = None
        self.cut_seconds = 0.0
        self.seconds: list[float] = []

    @property
    def share(self) -> float:
        """Share of the known pixels that are right."""
        return float((self.labels == self.truth)[self.known].mean())

    @property
    def share_filled(self) -> float:
        """What that would be, were the region of its commonest class everywhere."""
        counts = np.bincount(self.truth[self.known])
        return float(counts.max() / counts.sum())

    def label(self, act: Callable[[Mask, int], None]) -> None:
        """Act on the largest wrong place, again and again, until enough is right."""
        self.share_begun = self.share
        while self.strokes < MOST_STROKES:
            if self.nearly is None and self.share >= NEARLY:
                self.nearly = self.strokes
            if self.share >= ENOUGH:
                break
            act(*self.worst())
        self.strokes = min(self.strokes, MOST_STROKES)
        self.nearly = MOST_STROKES if self.nearly is None else self.nearly

    def worst(self) -> tuple[Mask, int]:
        """Largest wrong place of one class, and the class."""
        wrong = self.known & (self.labels != self.truth)
        best, best_class, size = wrong, 0, 0
        for value in np.unique(self.truth[wrong]):
            place, pixels = largest(wrong & (self.truth == value))
            if pixels > size:
                best, best_class, size = place, int(value), pixels
        return best, best_class

    @cached_property
    def edges(self) -> Edges:
        """Edges of the image, for the smart brush."""
        return find_edges(self.place.pixels)

    # --- how a region begins ----------------------------------------------------------------

    def begin_filled(self) -> None:
        """Fill with the commonest class: one stroke."""
        self.labels[:] = np.bincount(self.truth[self.known]).argmax()
        self.strokes += 1
        self.keep_corrected()

    def begin_predicted(self) -> None:
        """Begin with what the model says."""
        self.labels = self.place.predicted.copy()
        self.keep_corrected()

    def begin_spread(self, more: Maps | None = None) -> None:
        """One line in each class, spread over the region."""
        began = time.perf_counter()
        self.patches = cut_patches(self.place.pixels, more)
        self.cut_seconds = time.perf_counter() - began
        self.drawn = np.full_like(self.truth, UNLABELLED)
        shares = np.bincount(self.truth[self.known]) / self.known.sum()
        for value in np.flatnonzero(shares >= LEAST_SHARE):
            self.line(largest(self.truth == value)[0], int(value))
        self.timed(lambda: spread(self.patches, self.drawn))
        self.is_spreading = True

    # --- the hand ---------------------------------------------------------------------------

    def miss(self) -> tuple[int, int]:
        """How far the hand is off in this stroke."""
        row, col = np.rint(self.random.normal(0, self.noise, 2)).astype(int)
        return int(row), int(col)

    def paint(self, path: Mask, radius: float, value: int) -> None:
        """Paint along a path with a round brush."""
        painted, way = swath(path, radius)
        self.labels[moved(painted, self.miss())] = value
        self.strokes += self.lifts(way)

    def lifts(self, way: float) -> int:
        """How many strokes a way takes."""
        return max(1, round(way / self.reach))

    def line(self, place: Mask, value: int) -> None:
        """Draw from the deepest point of a place to another deep one."""
        depth = depth_in(place)
        start = np.array(np.unravel_index(depth.argmax(), depth.shape))
        deep = np.argwhere(depth >= max(1, 0.5 * depth.max()))
        away = np.hypot(*(deep - start).T)
        end = deep[np.where(away <= self.reach, away, -1).argmax()]
        steps = np.linspace(0, 1, round(2 * self.reach))[:, None]
        points = start + steps * (end - start)
        inside = place[tuple(np.rint(points).astype(int).T)]
        points = points[: int(np.argmin(inside)) if not inside.all() else len(points)]
        canvas = np.ones(place.shape, bool)
        at = np.rint(points + self.miss()).astype(int)
        at = at[((at >= 0) & (at < place.shape)).all(1)]
        canvas[tuple(at.T)] = False
        if len(at) > 0:
            self.drawn[ndimage.distance_transform_edt(canvas) <= THICKNESS] = value
        self.strokes += self.lifts(float(np.hypot(*(points[-1] - start))) + 1)

    # --- tools ------------------------------------------------------------------------------

    def brush(self, place: Mask, value: int, widest: float = np.inf) -> None:
        """Go over a place with the widest brush that fits into it."""
        self.paint(*path_over(place, widest), value)

    def brush_within(self, place: Mask, value: int) -> None:
        """Go over a place with the widest brush that fits into its object, right or wrong."""
        self.paint(*self.path_within(place, value), value)

    def path_within(self, place: Mask, value: int) -> Path:
        """Where the middle of that brush goes, and its radius."""
        # the object may go on beyond the region, and so may the brush
        depth = ndimage.distance_transform_edt((self.truth == value) | ~self.known)
        deepest = float(depth[place].max())
        radius = max(0.7, 0.7 * deepest)
        near = ndimage.distance_transform_edt(~place) < radius
        return (depth >= min(radius, deepest)) & near, radius

    def paint_patches(self, place: Mask, value: int) -> None:
        """Go over the patches that lie mostly in a place; a brush where there are none."""
        if not hasattr(self, "patches"):
            self.patches = cut_patches(self.place.pixels)
        ids = self.patches.ids
        hit = moved(place, self.miss())
        inside = np.bincount(ids[hit], minlength=self.patches.count)
        chosen = np.flatnonzero(inside > 0.5 * np.bincount(ids.ravel(), minlength=len(inside)))
        if len(chosen) == 0 or not (self.labels != value)[np.isin(ids, chosen)].any():
            self.brush(place, value)
            return
        self.labels[np.isin(ids, chosen)] = value
        self.strokes += self.lifts(len(chosen) * float(np.sqrt(ids.size / self.patches.count)))

    def spread_or_brush(self, place: Mask, value: int) -> None:
        """Draw a line in the middle of a place; once that brings little, the brush goes on."""
        if not self.is_spreading:
            self.brush(place, value)
            return
        before = self.share
        self.line(place, value)
        self.timed(lambda: spread(self.patches, self.drawn))
        self.is_spreading = self.share >= before + LEAST_GAIN

    def correct_or_paint(self, place: Mask, value: int, path: Path, least: tuple[int, int]) -> None:
        """Correct a place by a line in it where that promises something, else paint a path.

        It does where painting would take several strokes: at least `least`, first for a place that
        is nearly a whole patch of the labels in hand, so that its border is right already, then for
        any other. Labels that got no better are taken back, which costs a stroke.
        """
        patch = self.patch_under(place)
        is_whole = np.count_nonzero(place & patch) >= WHOLE * np.count_nonzero(patch & self.known)
        has_failed = self.failed is not None and bool((self.failed & place).any())
        if has_failed or self.lifts(swath(*path)[1]) < least[0 if is_whole else 1]:
            self.keep_corrected()
            self.paint(*path, value)
            return
        last, share = self.labels, self.share
        self.line(place, value)
        self.smart_strokes += 1
        self.timed(lambda: correct(self.edges, self.before, self.drawn))
        if self.share <= share:
            self.labels = last
            self.keep_corrected()
            self.strokes += 1
            self.undone += 1
            self.failed = place

    def keep_corrected(self) -> None:
        """Keep what the smart brush made; its next stroke begins anew."""
        self.failed = None
        self.before = self.labels
        self.drawn = np.full_like(self.truth, UNLABELLED)

    def patch_under(self, place: Mask) -> Mask:
        """The patch of one label in hand that most of a place lies in."""
        under = np.bincount(self.labels[place] - UNLABELLED).argmax() + UNLABELLED
        patches, _ = ndimage.label(self.labels == under)
        return np.asarray(patches == np.bincount(patches[place & (patches > 0)]).argmax())

    def timed(self, work: Callable[[], Labels]) -> None:
        """Take labels in hand that a tool makes, and note how long that took."""
        began = time.perf_counter()
        self.labels = work()
        self.seconds.append(time.perf_counter() - began)


def path_over(place: Mask, widest: float) -> Path:
    """Where the middle of the widest brush goes that fits into a place, and its radius."""
    depth = depth_in(place)
    radius = max(0.7, min(widest, 0.7 * float(depth.max())))
    return depth >= min(radius, float(depth.max())), radius


def swath(path: Mask, radius: float) -> tuple[Mask, float]:
    """What a brush paints along a path, and how long its way is."""
    painted = np.asarray(ndimage.distance_transform_edt(~path) < radius)
    return painted, float(painted.sum()) / (2 * radius)


def depth_in(place: Mask) -> npt.NDArray[np.float64]:
    """How far each pixel of a place is from what lies outside of it."""
    depth = ndimage.distance_transform_edt(np.pad(place, 1))[1:-1, 1:-1]
    return np.asarray(depth, np.float64)


def largest(mask: Mask) -> tuple[Mask, int]:
    """Largest connected part of a mask and its pixels."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask, 0
    sizes = np.bincount(parts.ravel())[1:]
    return parts == sizes.argmax() + 1, int(sizes.max())


def moved(mask: Mask, by: tuple[int, int]) -> Mask:
    """Mask moved by rows and columns; what leaves is gone."""
    return np.asarray(ndimage.shift(mask.astype(np.uint8), by, order=0), bool)
