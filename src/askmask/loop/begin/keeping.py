"""Labelled images that are kept for validation later: which ones."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from askmask.data.roles import LEAST_LABELLED, draw_stratified, kept_count
from askmask.errors import ProjectError
from askmask.store.store import Store


def choose_kept(store: Store, seed: int) -> tuple[str, ...]:
    """Choose labelled images to keep for validation, a fifth of them, at least two.

    They are drawn by `seed` such that the groups keep their proportions. Every class that was
    labelled stays in the images that are left to learn from, and as far as there are enough images
    each is among the kept ones too, since a class that is not there has no score.

    Raises
    ------
    ProjectError
        If too few images are labelled, or too few can be spared.
    """
    known = {info.image_id: info for info in store.images()}
    labelled = [known[image_id] for image_id in store.labelled_images()]
    count = kept_count(len(labelled))
    if count == 0:
        raise ProjectError(
            f"expected at least {LEAST_LABELLED} images with labels, so that enough are left to "
            f"learn from, got {len(labelled)}. Answer some more regions first."
        )
    ordered = draw_stratified(labelled, len(labelled), seed, "kept")
    shown = {image_id: _classes(store, image_id) for image_id in ordered}
    chosen: list[str] = []
    left = Counter(cls for classes in shown.values() for cls in classes)
    for image_id in _wanted_first(ordered, shown):
        can_be_spared = all(left[cls] > 1 for cls in shown[image_id])
        if len(chosen) < count and image_id not in chosen and can_be_spared:
            chosen.append(image_id)
            left.subtract(shown[image_id])
    if len(chosen) < 2:
        raise ProjectError(
            "expected two or more labelled images that can be spared, but nearly each is the only "
            "one with some class. Label more of the rare classes first."
        )
    return tuple(chosen)


def _wanted_first(ordered: list[str], shown: dict[str, frozenset[int]]) -> Iterator[str]:
    """One image for each class, of rare classes first, then all as they were drawn."""
    holders = Counter(cls for classes in shown.values() for cls in classes)
    covered: set[int] = set()
    for cls in sorted(holders, key=lambda cls: (holders[cls], cls)):
        if cls in covered:
            continue
        for image_id in ordered:
            if cls in shown[image_id] and all(holders[c] > 1 for c in shown[image_id]):
                covered |= shown[image_id]
                yield image_id
                break
    yield from ordered


def _classes(store: Store, image_id: str) -> frozenset[int]:
    mask = store.labelled(image_id)
    return frozenset(np.unique(mask.labels[mask.labelled]).tolist())
