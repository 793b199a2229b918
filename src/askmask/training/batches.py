"""Training batches that are a function of (seed, round, attempt, step), prepared ahead.

No generator is carried from one step to the next, so a resumed training sees the batches that an
uninterrupted one sees, however many are prepared ahead and by however many threads.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from askmask.config import TrainingConfig
from askmask.errors import SourceError
from askmask.records import UNLABELLED
from askmask.seeds import numpy_generator
from askmask.training.augment import Crop, TrainingImage, draw_crop

_T = TypeVar("_T")


@runtime_checkable
class TrainingSet(Protocol):
    """The images of one training.

    `image_ids` is not empty and stays the same, in the same order, while a training runs. `read`
    gives equal rasters for the same id each time, may be called by several threads at once, and
    keeps what it returns: nobody modifies it.
    """

    @property
    def image_ids(self) -> Sequence[str]:
        """Every image to train on."""
        ...

    def read(self, image_id: str) -> TrainingImage:
        """Image, labels, contour target and weights of one image."""
        ...

    def labelled_pixels(self, image_id: str) -> int:
        """Pixels of an image that somebody labelled."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Crops of several images, stacked; fields as in `Crop`, with the batch axis first."""

    images: Float32[Tensor, "B 3 H W"]
    labels: Int64[Tensor, "B H W"]
    boundary: Int64[Tensor, "B H W"] | None
    weight: Float32[Tensor, "B H W"]

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on `device`."""
        boundary = None if self.boundary is None else self.boundary.to(device)
        return Batch(
            self.images.to(device), self.labels.to(device), boundary, self.weight.to(device)
        )


@dataclass(frozen=True, slots=True)
class BatchMaker:
    """Makes the batch of any step.

    Attributes
    ----------
    images : TrainingSet
        Where crops come from.
    config : TrainingConfig
        `batch_size`, `crop`, `min_labelled_fraction`, `draw` and `augment` are read.
    n_classes : int
        Labels are below it.
    boundary : bool
        Whether batches hold contour targets; then every image needs one.
    seed, round, attempt : int
        Key of every draw, with the step and the place in the batch.
    """

    images: TrainingSet
    config: TrainingConfig
    n_classes: int
    boundary: bool
    seed: int
    round: int
    attempt: int

    _ends: npt.NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Lay the images side by side on [0, 1], each as long as its share of the draws."""
        shares = np.ones(len(self.images.image_ids))
        if self.config.draw == "pixels":
            pixels = [self.images.labelled_pixels(image_id) for image_id in self.images.image_ids]
            shares = np.maximum(np.array(pixels, np.float64), 1.0)  # 0 is told when it is read
        object.__setattr__(self, "_ends", np.cumsum(shares) / shares.sum())

    def image_id(self, position: int) -> str:
        """Image at a position of the whole training.

        An epoch is as many positions as there are images; its draws are spread evenly over [0, 1]
        (systematic sampling), so equal shares mean that each image comes once before any comes
        again, and an image with twice the share comes twice as often.
        """
        n_images = len(self.images.image_ids)
        epoch, place = divmod(position, n_images)
        generator = numpy_generator(self.seed, "order", self.round, self.attempt, epoch)
        stratum = int(generator.permutation(n_images)[place])
        point = (stratum + generator.uniform(0.01, 0.99)) / n_images  # clear of rounded borders
        return self.images.image_ids[int(np.searchsorted(self._ends, point, side="right"))]

    def __call__(self, step: int) -> Batch:
        """Batch of a step, on the CPU, images channels last.

        Raises
        ------
        SourceError
            If an image has no labelled pixel, a label that is no class, or no contour target
            although one is needed.
        """
        size = self.config.batch_size
        crops = [self._crop(step, index, step * size + index) for index in range(size)]
        images = torch.from_numpy(np.stack([crop.image for crop in crops]))
        boundary = [crop.boundary for crop in crops if crop.boundary is not None]
        return Batch(
            images=images.contiguous(memory_format=torch.channels_last),
            labels=torch.from_numpy(np.stack([crop.labels for crop in crops])),
            boundary=torch.from_numpy(np.stack(boundary)) if self.boundary else None,
            weight=torch.from_numpy(np.stack([crop.weight for crop in crops])),
        )

    def _crop(self, step: int, index: int, position: int) -> Crop:
        image_id = self.image_id(position)
        key = (self.seed, "crop", self.round, self.attempt, step, index)
        item = self.images.read(image_id)
        try:
            crop = draw_crop(item, self.config, numpy_generator(*key))
        except SourceError as error:
            raise SourceError(f"training image {image_id!r}: {error}") from error
        found = int(crop.labels.min()), int(crop.labels.max())
        if found[0] < UNLABELLED or found[1] >= self.n_classes:
            raise SourceError(
                f"expected labels from 0 to {self.n_classes - 1} or {UNLABELLED} (unlabelled) in "
                f"training image {image_id!r}, got values from {found[0]} to {found[1]}. "
                "Correct its mask or the list of classes."
            )
        if self.boundary and crop.boundary is None:
            raise SourceError(
                f"expected a contour target for training image {image_id!r}, got None. Give every "
                "training image its boundary raster, or set training.boundary_weight to 0."
            )
        return crop


@contextmanager
def prefetched(
    make: Callable[[int], _T], steps: range, *, depth: int, workers: int
) -> Iterator[Iterator[_T]]:
    """Context with ``make(step)`` for every step, in order, made ahead by threads.

    Leaving the context, normally or by an exception, waits for the threads: none is left over.

    Parameters
    ----------
    make : callable
        Called from several threads at once; what it raises reaches the caller at that step.
    steps : range
        The arguments of `make`.
    depth : int
        How many results are made ahead of the one in use, and so bound the memory; 0 makes each
        when it is asked for, without threads.
    workers : int
        Number of threads, >= 1.
    """
    if depth == 0:
        yield map(make, steps)
        return
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="askmask-batches")
    try:
        yield _in_order(pool, make, steps, depth)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class TimedWaits(Iterator[_T]):
    """Passes an iterator on and adds up how long its items took to come.

    Attributes
    ----------
    seconds : float
        So far.
    """

    def __init__(self, items: Iterator[_T]) -> None:
        self._items = items
        self.seconds = 0.0

    def __next__(self) -> _T:
        """Return the next item."""
        asked = time.perf_counter()
        try:
            return next(self._items)
        finally:
            self.seconds += time.perf_counter() - asked


def _in_order(
    pool: ThreadPoolExecutor, make: Callable[[int], _T], steps: range, depth: int
) -> Iterator[_T]:
    ahead: deque[Future[_T]] = deque()
    for step in steps:
        ahead.append(pool.submit(make, step))
        if len(ahead) > depth:
            yield ahead.popleft().result()
    while ahead:
        yield ahead.popleft().result()
