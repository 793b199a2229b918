"""Patches of the regions that people work on now, cut once each."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.assist.patches import Patches, cut_patches
from askmask.records import Region

MOST_KEPT: Final = 16


class KeptPatches:
    """Patches of the regions that were used last; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Region, Patches] = OrderedDict()

    def of(self, region: Region, read: Callable[[], npt.NDArray[np.uint8]]) -> Patches:
        """Patches of a region, kept, or cut now from its pixels; as `cut_patches` says.

        Parameters
        ----------
        region : Region
            Names the patches.
        read : callable
            Returns the region's pixels, (H, W, 3) uint8.
        """
        with self._lock:
            if region in self._kept:
                self._kept.move_to_end(region)
                return self._kept[region]
        patches = cut_patches(read())
        with self._lock:
            self._kept[region] = patches
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return patches
