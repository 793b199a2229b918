"""Labels in hand, corrected by a person's strokes: what a stroke reaches flips, the rest stays.

A random walk with a prior (Grady, "Multilabel random walker image segmentation using prior
models", CVPR 2005) on pixels, near the strokes only. The prior says that every pixel keeps its
label, so a walk is soon given up. Edges of the image hold it up, and it never leaves the patch of
one label in which it began: borders that are right stay as they are, to the pixel.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from askmask.assist.patches import check_size, smooth_colour
from askmask.errors import ShapeError
from askmask.records import UNLABELLED, Labels

EDGE: Final = 1.0
"""How fast a walk gives up at an edge: exp(-EDGE x contrast)."""
KEEPS: Final = 0.003
"""Weight of the prior of a pixel against that of an edge without contrast."""
MEANT: Final = 0.15
"""Share of a stroke that lies on a label which the stroke means to change; less is a slip."""
REACH: Final = 48
"""How far from the strokes anything may change, in pixels."""
ACCURACY: Final = 1e-5
"""Of a walk's probabilities: where to stop, as a share of what was to be solved."""

_MOST_STEPS: Final = 1000  # some 180 are needed
_LEAST: Final = 1e-4  # of an edge, so that no pixel is cut off
_TOUCHING: Final = np.ones((3, 3), int)

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Edges:
    """How hard it is to walk from one pixel of a region to the next; prepared once for a region.

    Attributes
    ----------
    below : (H - 1, W) float32 array
        Weight of each pixel's edge to the one below it, from 1e-4 (a strong edge) to about 1.
    right : (H, W - 1) float32 array
        The same to the one on its right.
    """

    below: Array
    right: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the region."""
        return len(self.right), self.below.shape[1]


def find_edges(pixels: npt.NDArray[np.uint8]) -> Edges:
    """Weigh the edges of a region's pixels by differences of colour, about their mean.

    Parameters
    ----------
    pixels : (H, W, 3) uint8 array
        At least 2 x 2 pixels, at most `LARGEST_PIXELS`. Not modified.

    Raises
    ------
    ShapeError
        If the region is too small or too large.
    """
    check_size(pixels)
    colour = smooth_colour(pixels)
    below = np.sqrt((np.diff(colour, axis=0) ** 2).sum(2))
    right = np.sqrt((np.diff(colour, axis=1) ** 2).sum(2))
    mean = max((float(below.mean()) + float(right.mean())) / 2, 1e-6)
    return Edges(*(np.float32(_LEAST) + np.exp(-EDGE / mean * one) for one in (below, right)))


def correct(edges: Edges, labels: Labels, strokes: Labels) -> Labels:
    """Correct the labels of a region by a person's strokes in it.

    Parameters
    ----------
    edges : Edges
        Of the region.
    labels : (H, W) int16 array
        Classes in hand; `UNLABELLED` where there is none, which is kept like a class. Not modified.
    strokes : (H, W) int16 array
        Classes where a person drew, `UNLABELLED` elsewhere. Not modified.

    Returns
    -------
    (H, W) int16 array
        `labels`, with the class of a stroke under the stroke and in what belongs to it: no farther
        than `REACH`, and only in the patches of one label that the stroke lies in. A stroke over
        its own class keeps other strokes out. A label that less than `MEANT` of a stroke lies on
        is not changed, as the hand slipped, except for specks of which it covers half or more.

    Raises
    ------
    ShapeError
        If labels or strokes are not of the region's shape.
    """
    for name, given in (("labels", labels), ("strokes", strokes)):
        if given.shape != edges.shape:
            raise ShapeError(
                f"expected {name} of shape {edges.shape}, got {given.shape}. Give one class for "
                "each pixel of the region."
            )
    corrected = labels.copy()
    for rows, cols in _windows(strokes):
        near = Edges(
            edges.below[rows.start : rows.stop - 1, cols],
            edges.right[rows, cols.start : cols.stop - 1],
        )
        corrected[rows, cols] = _near(near, labels[rows, cols], strokes[rows, cols])
    return corrected


def _windows(strokes: Labels) -> list[tuple[slice, slice]]:
    """Boxes in which strokes have their say, as far as they reach; none overlaps another."""
    marks, _ = ndimage.label(strokes != UNLABELLED, _TOUCHING)
    boxes = [
        [
            max(0, rows.start - REACH),
            max(0, cols.start - REACH),
            rows.stop + REACH,
            cols.stop + REACH,
        ]
        for rows, cols in ndimage.find_objects(marks)
    ]
    apart: list[list[int]] = []
    while boxes:
        box = boxes.pop()
        others = [other for other in apart if _overlap(box, other)]
        if not others:
            apart.append(box)
            continue
        apart = [other for other in apart if other not in others]
        joined = np.array([box, *others])
        boxes.append([*joined[:, :2].min(0).tolist(), *joined[:, 2:].max(0).tolist()])
    height, width = strokes.shape
    return [(slice(a, min(c, height)), slice(b, min(d, width))) for a, b, c, d in apart]


def _overlap(one: list[int], other: list[int]) -> bool:
    return all(one[i] < other[i + 2] and other[i] < one[i + 2] for i in (0, 1))


def _near(edges: Edges, labels: Labels, strokes: Labels) -> Labels:
    """`correct` within one window."""
    seeds = _seeds(labels, strokes)
    begun, drawn = seeds != UNLABELLED, strokes != UNLABELLED
    corrected = labels.copy()
    for under in np.unique(labels[begun]):
        same = labels == under
        patches, _ = ndimage.label(same)
        within = np.isin(patches, np.unique(patches[begun & same]))
        ground = within & (ndimage.distance_transform_edt(~(begun & same)) <= REACH)
        classes = np.unique(seeds[begun & same])
        ends = (seeds[..., None] == classes) & same[..., None]
        # a stroke over its own class ends a walk, too: there the label is kept
        is_end = ends.any(2) | (same & drawn & (strokes == under))
        shares = _walk(edges, same, ground, ends, is_end)
        flips = shares.max(1) > 1 - shares.sum(1)
        corrected[ground] = np.where(flips, classes[shares.argmax(1)], under)
    return corrected


def _seeds(labels: Labels, strokes: Labels) -> Labels:
    """Classes of the strokes where they change what they mean to change; `UNLABELLED` elsewhere."""
    seeds = np.full_like(labels, UNLABELLED)
    for value in np.unique(strokes[strokes != UNLABELLED]):
        marks, count = ndimage.label(strokes == value, _TOUCHING)
        for mark in range(1, count + 1):
            stroke = marks == mark
            for under in np.unique(labels[stroke & (labels != value)]):
                seeds[_meant(stroke, labels == under)] = value
    return seeds


def _meant(stroke: Mask, same: Mask) -> Mask:
    """What a stroke means to change of one label: all that is under it, or only its specks."""
    part = stroke & same
    if np.count_nonzero(part) >= MEANT * np.count_nonzero(stroke):
        return part
    patches, count = ndimage.label(same)
    covered = np.bincount(patches[part], minlength=count + 1)
    is_speck = 2 * covered >= np.bincount(patches.ravel(), minlength=count + 1)
    return np.asarray(part & is_speck[patches], bool)


def _walk(edges: Edges, same: Mask, ground: Mask, ends: Mask, is_end: Mask) -> Array:
    """Probability that a walk from each pixel of `ground` ends in each class: (N, C).

    The rest of a pixel's walks end where its label is kept: by the prior, at a stroke that says so,
    or out of reach.
    """
    box = _box_around(ground)
    same, inner, ends, is_end = same[box], ground[box], ends[box], is_end[box]
    below = np.where(same[:-1] & same[1:], edges.below[box][: len(same) - 1], np.float32(0))
    right = np.where(
        same[:, :-1] & same[:, 1:], edges.right[box][:, : same.shape[1] - 1], np.float32(0)
    )
    degree = np.float32(KEEPS) + _of_neighbours(below, right, np.ones(same.shape, np.float32))
    root = np.where(inner & ~is_end, 1 / np.sqrt(degree), np.float32(0))
    # scaled by the diagonal, so that it is 1; edges that leave the free pixels are 0
    scaled = below * root[:-1] * root[1:], right * root[:, :-1] * root[:, 1:]
    shares = np.empty((np.count_nonzero(inner), ends.shape[2]), np.float32)
    for number in range(ends.shape[2]):
        end = ends[..., number].astype(np.float32)
        found = root * _solve(*scaled, root * _of_neighbours(below, right, end))
        shares[:, number] = (found + end)[inner]
    return shares


def _box_around(ground: Mask) -> tuple[slice, slice]:
    """The part of a window with `ground` and the pixels that touch it."""
    (rows, cols), *_ = ndimage.find_objects(ground.astype(np.int8))
    return (
        slice(max(0, rows.start - 1), rows.stop + 1),
        slice(max(0, cols.start - 1), cols.stop + 1),
    )


def _of_neighbours(below: Array, right: Array, values: Array) -> Array:
    """Sum of the neighbours' values, by the weights of the edges to them."""
    found = np.zeros_like(values)
    part = np.empty_like(below)
    found[:-1] += np.multiply(below, values[1:], out=part)
    found[1:] += np.multiply(below, values[:-1], out=part)
    part = np.empty_like(right)
    found[:, :-1] += np.multiply(right, values[:, 1:], out=part)
    found[:, 1:] += np.multiply(right, values[:, :-1], out=part)
    return found


def _solve(below: Array, right: Array, wanted: Array) -> Array:
    """Solve x - (sum of the neighbours of x by their edges) = `wanted`, by conjugate gradients.

    On the grid itself, this takes a fourth of the time of a sparse factorization of a large patch.
    """
    x, rest, way = np.zeros_like(wanted), wanted.copy(), wanted.copy()
    size = float(np.vdot(rest, rest))
    enough = ACCURACY**2 * size
    for _ in range(_MOST_STEPS):
        if size <= enough:
            break
        change = way - _of_neighbours(below, right, way)
        length = np.float32(size / float(np.vdot(way, change)))
        x += length * way
        rest -= length * change
        before, size = size, float(np.vdot(rest, rest))
        way *= np.float32(size / before)
        way += rest
    return x
