"""The contract of a source of images and masks, and a source that holds them in memory."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from askmask.errors import SourceError
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask

Pixels = npt.NDArray[np.uint8]
"""(H, W, 3) RGB image."""


@runtime_checkable
class Source(Protocol):
    """Where images and their known masks come from.

    Guarantees, tested by `askmask.testing.SourceContract`:

    - `images` lists every image once, in the same order on every call; ids are unique.
    - `read_image` and `read_mask` return arrays of the size that `images` states, the same values
      on every call. The arrays are fresh, writable and belong to the caller: changing them changes
      nothing in the source.
    - `read_mask` returns None if and only if the image's `has_mask` is false. Labels are indices
      into `classes`, or `UNLABELLED` where the publisher or the annotator left the pixel out.
    - All methods may be called from several threads at once.
    - An unknown id, and a file that cannot be read any more, raise SourceError, which names it.
    """

    @property
    def classes(self) -> ClassMap:
        """Names of the classes in index order."""
        ...

    def images(self) -> tuple[ImageInfo, ...]:
        """Every image, in a stable order."""
        ...

    def read_image(self, image_id: str) -> Pixels:
        """Read an image as (H, W, 3) uint8 RGB."""
        ...

    def read_mask(self, image_id: str) -> Mask | None:
        """Read the known mask of an image, None if it has none."""
        ...


@runtime_checkable
class Closable(Protocol):
    """A source that holds files open between two reads."""

    def close(self) -> None:
        """Close what is open; a later read opens it again."""
        ...


class MemorySource:
    """Images and masks held in memory: for library users with arrays at hand, and for tests.

    Parameters
    ----------
    classes : ClassMap
        The classes that the labels index.
    items : mapping of str to (ImageInfo, image, Mask or None)
        By image id, in the order in which `images` lists them. Images are (H, W, 3) uint8. The
        arrays are copied.

    Raises
    ------
    SourceError
        If a record, an image and a mask do not agree; see `check_item`.
    """

    def __init__(
        self, classes: ClassMap, items: Mapping[str, tuple[ImageInfo, Pixels, Mask | None]]
    ) -> None:
        self._classes = classes
        self._items: dict[str, tuple[ImageInfo, Pixels, Mask | None]] = {}
        for image_id, (info, image, mask) in items.items():
            if image_id != info.image_id:
                raise SourceError(
                    f"expected image {image_id!r} to be listed under its own id, "
                    f"got a record of {info.image_id!r}."
                )
            check_item(classes, info, image, mask)
            self._items[image_id] = (info, image.copy(), _copy(mask))

    @property
    def classes(self) -> ClassMap:
        """Names of the classes in index order."""
        return self._classes

    def images(self) -> tuple[ImageInfo, ...]:
        """Every image, in the order of the mapping."""
        return tuple(info for info, _, _ in self._items.values())

    def read_image(self, image_id: str) -> Pixels:
        """Return a copy of an image, (H, W, 3) uint8."""
        return self._item(image_id)[1].copy()

    def read_mask(self, image_id: str) -> Mask | None:
        """Return a copy of the known mask of an image, None if it has none."""
        return _copy(self._item(image_id)[2])

    def _item(self, image_id: str) -> tuple[ImageInfo, Pixels, Mask | None]:
        if image_id not in self._items:
            raise SourceError(
                f"no image {image_id!r} among the {len(self._items)} images in memory. "
                "Take the ids from images()."
            )
        return self._items[image_id]


def check_item(classes: ClassMap, info: ImageInfo, image: Pixels, mask: Mask | None) -> None:
    """Check that a record, its image and its mask agree.

    Parameters
    ----------
    classes : ClassMap
        The classes that the labels index.
    info : ImageInfo
        The record.
    image : array
        Expected (H, W, 3) uint8 of the recorded size.
    mask : Mask or None
        Expected of the recorded size, with labels below the number of classes, at least one
        labelled pixel, and instance ids >= 0 that are 0 where unlabelled.

    Raises
    ------
    SourceError
        At the first disagreement.
    """
    size = (info.height, info.width)
    if image.shape != (*size, 3) or image.dtype != np.uint8:
        raise SourceError(
            f"expected image {info.image_id!r} as {(*size, 3)} uint8, "
            f"got {image.shape} {image.dtype}."
        )
    if info.has_mask != (mask is not None):
        raise SourceError(
            f"image {info.image_id!r} is recorded with has_mask={info.has_mask}, "
            f"but came {'without' if mask is None else 'with'} a mask."
        )
    if mask is not None:
        _check_mask(classes, info, mask)


def _check_mask(classes: ClassMap, info: ImageInfo, mask: Mask) -> None:
    size = (info.height, info.width)
    if mask.labels.shape != size:
        raise SourceError(
            f"image {info.image_id!r} is {size} but its mask is {mask.labels.shape}. "
            "Give a mask of the image's size."
        )
    if not mask.labelled.any():
        raise SourceError(
            f"the mask of {info.image_id!r} has no labelled pixel. Give None in its place."
        )
    lowest, highest = int(mask.labels.min()), int(mask.labels.max())
    if lowest < UNLABELLED or highest >= len(classes):
        raise SourceError(
            f"expected labels of {info.image_id!r} in [{UNLABELLED}, {len(classes) - 1}] "
            f"for {len(classes)} classes, got values in [{lowest}, {highest}]."
        )
    if mask.instances is not None and (
        mask.instances.min() < 0 or mask.instances[~mask.labelled].any()
    ):
        raise SourceError(
            f"expected instance ids of {info.image_id!r} >= 0, and 0 where unlabelled. "
            "Set them to 0 there."
        )


def _copy(mask: Mask | None) -> Mask | None:
    if mask is None:
        return None
    instances = None if mask.instances is None else mask.instances.copy()
    return Mask(mask.labels.copy(), instances)
