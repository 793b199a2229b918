"""The labelled set as training reads it: images with the newest answers."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence

import numpy as np

from askmask.data.source import Source
from askmask.data.targets import boundary_target
from askmask.errors import ProjectError
from askmask.store.store import Store
from askmask.training.augment import TrainingImage

CACHE_BYTES = 256 * 2**20


class LabelledSet:
    """Training images composed from a source and the answers in a store.

    Keeps the most recently read images, at most `CACHE_BYTES` of them, so that a data set is
    never held whole in memory.

    Parameters
    ----------
    source : Source
        Where images come from.
    store : Store
        Where answers are kept.
    boundary_radius : float or None
        How far contour targets reach from an object's edge, in pixels; None computes none.
    until : int, optional
        Number of the newest answer to take in; by default all of them.
    without : collection of str
        Images to leave out.

    Raises
    ------
    ProjectError
        If no image has a label.
    """

    def __init__(
        self,
        source: Source,
        store: Store,
        *,
        boundary_radius: float | None,
        until: int | None = None,
        without: Collection[str] = (),
    ) -> None:
        self._source = source
        self._boundary_radius = boundary_radius
        self._store = store
        self._until = until
        self._cache: OrderedDict[str, TrainingImage] = OrderedDict()
        self._cached_bytes = 0
        self._lock = threading.Lock()
        self.image_ids: Sequence[str] = tuple(
            sorted(name for name in store.labelled_images(until=until) if name not in without)
        )
        if not self.image_ids:
            raise ProjectError(
                "expected at least one labelled image to train on, found none. Label some images, "
                "or tell askmask their masks with `askmask tell`."
            )

    def read(self, image_id: str) -> TrainingImage:
        """Image, labels, contour target and weights of one image; shared, not to be modified."""
        with self._lock:
            if image_id in self._cache:
                self._cache.move_to_end(image_id)
                return self._cache[image_id]
            item = self._compose(image_id)
            self._cache[image_id] = item
            self._cached_bytes += _bytes(item)
            while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
                _, oldest = self._cache.popitem(last=False)
                self._cached_bytes -= _bytes(oldest)
            return item

    def labelled_pixels(self, image_id: str) -> int:
        """Pixels of an image with an answer."""
        return int(self._store.labelled(image_id, until=self._until).labelled.sum())

    def _compose(self, image_id: str) -> TrainingImage:
        mask = self._store.labelled(image_id, until=self._until)
        radius = self._boundary_radius
        boundary = None if radius is None else boundary_target(mask, radius)
        weight = mask.labelled.astype(np.float32)
        image = self._source.read_image(image_id)
        return TrainingImage(image=image, labels=mask.labels, boundary=boundary, weight=weight)


def _bytes(item: TrainingImage) -> int:
    boundary = 0 if item.boundary is None else item.boundary.nbytes
    return item.image.nbytes + item.labels.nbytes + boundary + item.weight.nbytes
