"""Scores of objects by the GlaS rules: F1, object Dice, object Hausdorff, pooled over a set.

Objects live in (H, W) int rasters: 0 outside, one positive id per object. `find_objects` makes
such a raster from a prediction, `connected_objects` from any set of pixels.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64, Int32, Int64, Integer
from scipy import ndimage, sparse

from askmask.config import ObjectRule
from askmask.errors import ShapeError
from askmask.metrics.coverage import BY_RULE
from askmask.records import MetricRow

Pixels = npt.NDArray[np.bool_]
Slices = tuple[slice, slice]

_NEIGHBOURS = np.ones((3, 3), np.bool_)


def connected_objects(pixels: Bool[np.ndarray, "H W"]) -> Int32[np.ndarray, "H W"]:
    """Components of a set of pixels, 8 neighbours, numbered from 1 in reading order."""
    objects = np.empty(pixels.shape, np.int32)
    ndimage.label(pixels, _NEIGHBOURS, output=objects)
    return objects


def find_objects(
    foreground: Bool[np.ndarray, "H W"], boundary: Pixels | None, min_pixels: int
) -> Int32[np.ndarray, "H W"]:
    """Objects of a predicted foreground, split where a contour was predicted.

    1. Components of the foreground with fewer than `min_pixels` pixels are dropped.
    2. Cores are the components of foreground without boundary that have `min_pixels` or more.
    3. A component of the foreground with two or more cores is divided among them, each pixel to
       the nearest core of its own component; with one core or none it is one object, so that a
       contour can split objects and never removes one.
    4. Background enclosed by an object belongs to it; another object inside it stays.

    Parameters
    ----------
    foreground : (H, W) bool array
        Pixels of the class. Not modified.
    boundary : (H, W) bool array or None
        Pixels of predicted contours; None splits nothing. Not modified.
    min_pixels : int
        Smallest object, in pixels, >= 1.

    Returns
    -------
    (H, W) int32 array
        0 outside, ids 1 ... n; owned by the caller. Components count 8 neighbours; distances are
        Euclidean, ties go to either core.

    Raises
    ------
    ShapeError
        If the shapes differ.
    """
    if boundary is not None and boundary.shape != foreground.shape:
        raise ShapeError(
            f"expected a boundary of the foreground's shape {foreground.shape}, "
            f"got {boundary.shape}. Predict both at the size of the image."
        )
    components = _without_small(connected_objects(foreground), min_pixels)
    cores = components
    if boundary is not None:
        cores = _without_small(connected_objects(foreground & ~boundary), min_pixels)
    objects = np.zeros(foreground.shape, np.int32)
    n_objects = 0
    for component, box in enumerate(ndimage.find_objects(components), start=1):
        if box is None:
            continue
        inside = components[box] == component
        parts = _parts(inside, cores[box])
        objects[box][inside] = parts[inside] + n_objects
        n_objects += int(parts.max())
    return _filled(objects)


def _without_small(objects: npt.NDArray[np.int32], min_pixels: int) -> npt.NDArray[np.int32]:
    """Objects of at least `min_pixels`, with their ids kept."""
    keep = np.bincount(objects.ravel()) >= min_pixels
    return np.where(keep[objects], objects, 0).astype(np.int32)


def _counted(
    objects: npt.NDArray[np.integer], valid: Pixels, min_pixels: int
) -> npt.NDArray[np.int64]:
    """Valid parts of at least `min_pixels` pixels, numbered 1 ... n without gaps."""
    numbered = _numbered(objects, valid)
    if min_pixels <= 1:
        return numbered
    return _numbered(_without_small(numbered.astype(np.int32), min_pixels), valid)


def _parts(inside: Pixels, cores: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Part 1 ... n of each pixel of one component; valid inside it only."""
    seeds = np.where(inside, cores, 0)
    parts = _numbered(seeds, inside)
    if parts.max() <= 1:
        return np.ones(seeds.shape, np.int32)
    rows, cols = ndimage.distance_transform_edt(
        parts == 0, return_distances=False, return_indices=True
    )
    return np.asarray(parts[rows, cols], np.int32)


def _filled(objects: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Objects with the background that each encloses; modifies and returns `objects`."""
    for index, box in enumerate(ndimage.find_objects(objects), start=1):
        assert box is not None, "ids have no gaps here"
        outside, _ = ndimage.label(np.pad(objects[box] != index, 1, constant_values=True))
        hole = (outside != outside[0, 0])[1:-1, 1:-1] & (objects[box] == 0)
        objects[box][hole] = index
    return objects


@dataclass
class ObjectScores:
    """Accumulator of object scores, pooled over every object of a set of images.

    Attributes
    ----------
    rule : str
        Which predicted objects are true positives. ``"glas"``: those that cover more than half of
        the true object that they overlap most (ties: the lower id), as the code of the GlaS
        contest has it. ``"one_to_one"``: as many as can each be paired with an own true object of
        which they cover half or more.
    min_pixels : int
        Objects with fewer valid pixels do not count, true and predicted ones alike.
    n_true, n_predicted, n_matched : int
        Objects seen, and true positives.
    weighted : (2, 3) float64 array
        Rows: true objects, predicted objects. Columns: sum of areas, of area x Dice, of
        area x Hausdorff distance.
    """

    rule: ObjectRule = "glas"
    min_pixels: int = 1
    n_true: int = 0
    n_predicted: int = 0
    n_matched: int = 0
    weighted: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 3)))

    def update(
        self,
        predicted: Integer[np.ndarray, "H W"],
        true: Integer[np.ndarray, "H W"],
        valid: Pixels,
    ) -> None:
        """Count the objects of one image.

        Parameters
        ----------
        predicted, true : (H, W) int arrays
            Object ids, 0 outside; any positive ids. Not modified.
        valid : (H, W) bool array
            Pixels that count. Elsewhere both rasters are taken as 0: an object counts with its
            valid part, and not at all if that has fewer than `min_pixels` pixels.

        Raises
        ------
        ShapeError
            If the shapes differ or an id is negative. Nothing was counted then.
        """
        if not predicted.shape == true.shape == valid.shape:
            raise ShapeError(
                "expected predicted objects, true objects and valid pixels of one shape, got "
                f"{predicted.shape}, {true.shape} and {valid.shape}."
            )
        if min(predicted.min(initial=0), true.min(initial=0)) < 0:
            raise ShapeError(
                "expected object ids >= 0, got negative ones. Write 0 outside objects and where "
                "nobody labelled."
            )
        pairs = _Pairs(*(_counted(raster, valid, self.min_pixels) for raster in (true, predicted)))
        self.n_true += len(pairs.areas[0])
        self.n_predicted += len(pairs.areas[1])
        matched = _n_by_most_overlap if self.rule == "glas" else _n_one_to_one
        self.n_matched += matched(pairs.overlap, pairs.areas[0])
        for side in (0, 1):
            areas, dice, distances = pairs.areas[side], pairs.dice(side), pairs.distances(side)
            self.weighted[side] += (areas.sum(), areas @ dice, areas @ distances)

    def merge(self, other: "ObjectScores") -> None:
        """Add another accumulator, as if its images had been counted here."""
        self.n_true += other.n_true
        self.n_predicted += other.n_predicted
        self.n_matched += other.n_matched
        self.weighted = self.weighted + other.weighted

    def rows(self, split: str, group: str, class_name: str) -> list[MetricRow]:
        """Every score of the pooled objects.

        Parameters
        ----------
        split, group, class_name : str
            Written into the rows.

        Returns
        -------
        list of MetricRow
            ``object_precision`` = matched / predicted, ``object_recall`` = matched / true,
            ``object_f1`` = 2 matched / (predicted + true), and again as ``object_f1_by_glas`` or
            ``object_f1_by_one_to_one``, which tells the rule; ``object_dice`` in [0, 1] and
            ``object_hausdorff`` in pixels, each half the area-weighted mean over the true objects
            plus half that over the predicted ones. NaN with count 0 where nothing is to be
            divided; if the set has objects of one kind only, their mean is the score (Dice 0).
            The count of all but the first two is true + predicted objects.

        Notes
        -----
        The partner of an object is the one of the other kind with the largest overlap (ties: the
        smaller one, then the lower id). Without overlap its Dice is 0 and its Hausdorff distance
        that to the nearest object, nearest by this very distance; if the image has no object of
        the other kind, the distance from corner to corner of the image, the largest possible.
        An image without objects of either kind adds nothing.

        References
        ----------
        Sirinukunwattana et al. 2017, "Gland segmentation in colon histology images: the GlaS
        challenge contest", section 5; arXiv:1603.00275, and ``F1score.m`` of its evaluation code,
        which published numbers come from. Pooling over the set and the distance
        where an image has no other object are our convention.
        """
        n_objects = self.n_true + self.n_predicted
        dice, distance = self._halves(1), self._halves(2)
        f1 = _share(2 * self.n_matched, n_objects)
        scores = (
            ("object_precision", _share(self.n_matched, self.n_predicted), self.n_predicted),
            ("object_recall", _share(self.n_matched, self.n_true), self.n_true),
            ("object_f1", f1, n_objects),
            (BY_RULE + self.rule, f1, n_objects),
            ("object_dice", dice, n_objects),
            ("object_hausdorff", distance, n_objects),
        )
        return [
            MetricRow(split, group, class_name, metric, value, count)
            for metric, value, count in scores
        ]

    def _halves(self, column: int) -> float:
        """Mean of the area-weighted means of the two kinds of objects, of those that exist."""
        present = self.weighted[self.weighted[:, 0] > 0]
        return float((present[:, column] / present[:, 0]).mean()) if len(present) else float("nan")


def hausdorff_distance(one: Bool[np.ndarray, "H W"], other: Bool[np.ndarray, "H W"]) -> float:
    """Hausdorff distance of two sets of pixels: how far the worst pixel is from the other set.

    Parameters
    ----------
    one, other : (H, W) bool arrays
        Not modified; each with at least one pixel. All pixels of a set count, not its outline.

    Returns
    -------
    float
        max(max over x in one of d(x, other), max over y in other of d(y, one)), Euclidean,
        between pixel centres, in pixels.

    Notes
    -----
    By exact Euclidean distance transforms: time and memory grow with H x W, not with the product
    of the sets' sizes.
    """
    return max(_directed(one, other), _directed(other, one))


def _directed(start: Pixels, end: Pixels) -> float:
    beyond = start & ~end
    if not beyond.any():
        return 0.0
    return float(ndimage.distance_transform_edt(~end)[beyond].max())


class _Pairs:
    """True (side 0) and predicted (side 1) objects of one image, and how they lie together."""

    def __init__(self, true: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64]) -> None:
        n_true, n_predicted = int(true.max(initial=0)), int(predicted.max(initial=0))
        cells = true * (n_predicted + 1) + predicted
        table = np.bincount(cells.ravel(), minlength=(n_true + 1) * (n_predicted + 1))
        table = table.reshape(n_true + 1, n_predicted + 1)
        self.rasters = (true, predicted)
        self.areas = (table.sum(axis=1)[1:], table.sum(axis=0)[1:])
        self.overlap: npt.NDArray[np.int64] = table[1:, 1:]
        self.boxes = tuple(_boxes(raster) for raster in self.rasters)
        self.known: dict[tuple[int, int], float] = {}

    def dice(self, side: int) -> Float64[np.ndarray, " n"]:
        """Dice of each object of a side with its partner, 0 without overlap."""
        partners, shared = self._partners(side)
        if not self.areas[1 - side].size:
            return np.zeros(len(shared))
        return np.asarray(2 * shared / (self.areas[side] + self.areas[1 - side][partners]))

    def distances(self, side: int) -> Float64[np.ndarray, " n"]:
        """Hausdorff distance of each object of a side, see `ObjectScores.rows`."""
        n_others = self.areas[1 - side].size
        height, width = self.rasters[0].shape
        if not n_others:
            return np.full(self.areas[side].size, np.hypot(height - 1, width - 1))
        partners, shared = self._partners(side)
        found = [
            self._distance(side, index, int(partner)) if pixels else self._nearest(side, index)
            for index, (partner, pixels) in enumerate(zip(partners, shared, strict=True))
        ]
        return np.array(found, np.float64)

    def _partners(self, side: int) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " n"]]:
        """Other object with the largest overlap, and that overlap, for each object of a side."""
        overlap = self.overlap if side == 0 else self.overlap.T
        areas = self.areas[1 - side]
        if not areas.size:
            nothing = np.zeros(self.areas[side].size, np.int64)
            return nothing, nothing
        # most overlap first; among equals the smaller object; then the lower id (argmax)
        partners = np.argmax(overlap * (areas.max() + 1) - areas, axis=1)
        return partners, np.take_along_axis(overlap, partners[:, None], axis=1)[:, 0]

    def _nearest(self, side: int, index: int) -> float:
        """Smallest Hausdorff distance to any object of the other side."""
        # Extreme rows and columns bound the distance from below: a set that reaches k rows higher
        # has a pixel that is k rows or more from all of the other.
        bounds = np.abs(self.boxes[1 - side] - self.boxes[side][index]).max(axis=1)
        best = float("inf")
        for other in np.argsort(bounds, kind="stable"):
            if bounds[other] >= best:
                break
            best = min(best, self._distance(side, index, int(other)))
        return best

    def _distance(self, side: int, index: int, other: int) -> float:
        true, predicted = (index, other) if side == 0 else (other, index)
        if (true, predicted) not in self.known:
            low = np.minimum(self.boxes[0][true], self.boxes[1][predicted])
            high = np.maximum(self.boxes[0][true], self.boxes[1][predicted])
            box = slice(low[0], high[1] + 1), slice(low[2], high[3] + 1)
            self.known[true, predicted] = hausdorff_distance(
                self.rasters[0][box] == true + 1, self.rasters[1][box] == predicted + 1
            )
        return self.known[true, predicted]


def _numbered(objects: npt.NDArray[np.integer], valid: Pixels) -> npt.NDArray[np.int64]:
    """Valid part of the objects, numbered 1 ... n without gaps."""
    values = np.where(valid, objects, 0)
    if values.min(initial=0) >= 0 and values.max(initial=0) <= values.size:
        occurs = np.zeros(values.max(initial=0) + 1, bool)  # several times as fast as sorting
        occurs[values] = True
        occurs[0] = True  # number 0 is the outside, whether there is any or not
        return np.asarray((np.cumsum(occurs) - 1)[values], np.int64)
    numbers = np.unique(np.append(0, values), return_inverse=True)[1][1:]
    return np.asarray(numbers.reshape(objects.shape), np.int64)


def _boxes(objects: npt.NDArray[np.int64]) -> Int64[np.ndarray, "n 4"]:
    """First row, last row, first column, last column of each object."""
    found = [
        (rows.start, rows.stop - 1, cols.start, cols.stop - 1)
        for rows, cols in ndimage.find_objects(objects)
    ]
    return np.array(found, np.int64).reshape(-1, 4)


def _n_by_most_overlap(
    overlap: Int64[np.ndarray, "t p"], true_areas: Int64[np.ndarray, " t"]
) -> int:
    """Predictions that cover more than half of the true object that they overlap most."""
    if not overlap.size:
        return 0
    partners = overlap.argmax(axis=0)  # of equal overlaps the first, as the contest's code does
    shared = np.take_along_axis(overlap, partners[None], axis=0)[0]
    return int((2 * shared > true_areas[partners]).sum())


def _n_one_to_one(overlap: Int64[np.ndarray, "t p"], true_areas: Int64[np.ndarray, " t"]) -> int:
    """Size of the largest one-to-one pairing in which each true object is covered by half."""
    covered = (2 * overlap >= true_areas[:, None]) & (overlap > 0)
    if not covered.any():
        return 0
    matching = sparse.csgraph.maximum_bipartite_matching(sparse.csr_array(covered))
    return int((matching >= 0).sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
