"""What was prepared of the regions that people work on now, once each."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from askmask.records import Region

MOST_KEPT: Final = 16

Prepared = TypeVar("Prepared")


class KeptByRegion(Generic[Prepared]):
    """What `prepare` makes of a region's pixels, for the regions used last; for several threads.

    Parameters
    ----------
    prepare : callable
        Takes the region's pixels, (H, W, 3) uint8, such as `cut_patches`; what it raises is raised
        by `of`.
    """

    def __init__(self, prepare: Callable[[npt.NDArray[np.uint8]], Prepared]) -> None:
        self._prepare = prepare
        self._lock = threading.Lock()
        self._kept: OrderedDict[Region, Prepared] = OrderedDict()

    def of(self, region: Region, read: Callable[[], npt.NDArray[np.uint8]]) -> Prepared:
        """What is kept of a region, or is prepared now.

        Parameters
        ----------
        region : Region
            Names what is kept.
        read : callable
            Returns the region's pixels, (H, W, 3) uint8.
        """
        with self._lock:
            if region in self._kept:
                self._kept.move_to_end(region)
                return self._kept[region]
        prepared = self._prepare(read())
        with self._lock:
            self._kept[region] = prepared
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return prepared
