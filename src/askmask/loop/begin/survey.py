"""Facts about a data set's images that settings depend on: sizes, unusual images, objects."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from askmask.data.source import Source
from askmask.errors import SourceError
from askmask.metrics.objects import connected_objects
from askmask.records import UNLABELLED, ImageInfo, Mask
from askmask.seeds import derive_key

SMALLEST_SIDE: Final = 32
"""Networks take no image that is smaller."""
MASKS_READ: Final = 40
"""So many masks are looked at for the sizes of objects; enough, and quick."""
FEWEST_OBJECTS: Final = 10
"""Fewer objects say nothing about the next ones."""


@dataclass(frozen=True, slots=True)
class ObjectSizes:
    """Sizes of the objects in known masks, weighted by area.

    Masks have specks, often more of them than objects, but next to none of the area. So a size
    here is that of the object in which a pixel lies, not of the object at a place in the order.

    Attributes
    ----------
    count : int
        Objects that were measured: those that do not touch the border of their image.
    diameter : float
        Of a disc as large as the objects that half of all object pixels lie in or below.
    small_pixels : int
        Area of the objects that 2 % of all object pixels lie in or below.
    """

    count: int
    diameter: float
    small_pixels: int


@dataclass(frozen=True, slots=True)
class Survey:
    """Facts about a data set.

    Attributes
    ----------
    typical_side : int
        Median of the images' shorter sides, those that are too small left out.
    typical_size : (int, int)
        Median rows and columns of the same images.
    n_images : int
        Images that may be trained on or asked about.
    n_masked : int
        Those of them that have a mask.
    too_small : tuple of str
        Ids of images that no network takes.
    unlike : tuple of str
        Ids of images whose shorter side is less than half or more than twice the typical one.
    objects : ObjectSizes or None
        None if too few objects are known.
    """

    typical_side: int
    typical_size: tuple[int, int]
    n_images: int
    n_masked: int
    too_small: tuple[str, ...]
    unlike: tuple[str, ...]
    objects: ObjectSizes | None


def survey(source: Source) -> Survey:
    """Look at the images of a source and at some of its masks.

    Parameters
    ----------
    source : Source
        At least one image. Only masks are read, at most `MASKS_READ`.

    Raises
    ------
    SourceError
        If every image is too small.
    """
    infos = source.images()
    fitting = [info for info in infos if _side(info) >= SMALLEST_SIDE]
    if not fitting:
        largest = max(infos, key=_side)
        raise SourceError(
            f"expected images of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels, or a network "
            f"has nothing to look at, got at most {largest.height} x {largest.width} (image "
            f"{largest.image_id!r}). Prepare them at a larger scale."
        )
    learning = [info for info in fitting if info.split == "train"] or fitting
    side = int(statistics.median_low(_side(info) for info in learning))
    return Survey(
        typical_side=side,
        typical_size=(
            int(statistics.median_low(info.height for info in learning)),
            int(statistics.median_low(info.width for info in learning)),
        ),
        n_images=len(learning),
        n_masked=sum(info.has_mask for info in learning),
        too_small=tuple(info.image_id for info in infos if _side(info) < SMALLEST_SIDE),
        unlike=tuple(i.image_id for i in fitting if not side <= 2 * _side(i) <= 4 * side),
        objects=known_object_sizes(_some_masks(source, learning)),
    )


def known_object_sizes(masks: Iterable[Mask]) -> ObjectSizes | None:
    """Sizes of the objects in masks, or None if there are fewer than `FEWEST_OBJECTS`.

    Without object ids an object is a connected piece of one class. Class 0 has none. An object
    that touches the border goes on outside, so it is not measured.
    """
    areas = np.concatenate([np.zeros(0, np.int64), *(_areas(mask) for mask in masks)])
    if areas.size < FEWEST_OBJECTS:
        return None
    ordered = np.sort(areas)
    below = np.cumsum(ordered)
    small, middle = ordered[np.searchsorted(below, [0.02 * below[-1], 0.5 * below[-1]])]
    return ObjectSizes(int(areas.size), math.sqrt(4 * middle / math.pi), int(small))


def _areas(mask: Mask) -> np.ndarray:
    found = []
    for label in np.unique(mask.labels[mask.labels > 0]).tolist():
        inside = mask.labels == label
        objects = connected_objects(inside)
        if mask.instances is not None:
            objects = np.where(inside, mask.instances, 0)
        found.append(np.bincount(objects.ravel())[1:][~_touching(mask, objects)])
    return np.concatenate([np.zeros(0, np.int64), *found])


def _touching(mask: Mask, objects: np.ndarray) -> np.ndarray:
    """Whether each object, from id 1, touches the border, or is not there."""
    counts = np.bincount(objects.ravel())
    cut = counts == 0
    for line in (objects[0], objects[-1], objects[:, 0], objects[:, -1]):
        cut[np.unique(line)] = True
    open_ = mask.labels == UNLABELLED  # it may go on there, too
    beside = np.zeros_like(open_)
    beside[1:] |= open_[:-1]
    beside[:-1] |= open_[1:]
    beside[:, 1:] |= open_[:, :-1]
    beside[:, :-1] |= open_[:, 1:]
    cut[np.unique(objects[beside])] = True
    touching: np.ndarray = cut[1:]
    return touching


def _some_masks(source: Source, infos: Sequence[ImageInfo]) -> Iterable[Mask]:
    masked = [info.image_id for info in infos if info.has_mask]
    for image_id in sorted(masked, key=lambda name: derive_key(0, "survey", name))[:MASKS_READ]:
        mask = source.read_mask(image_id)
        if mask is not None:
            yield mask


def _side(info: ImageInfo) -> int:
    return min(info.height, info.width)
