"""Blocks of pixels that were read before, kept up to a number of bytes; and boxes made of blocks.

Every reader in this folder reads whole blocks at fixed places and cuts boxes out of them. So a
pixel has one value, whatever box it is read in, also where a decoder or a resampler would give
another one for another box.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Final

import numpy as np

from askmask.data.slides.tiled_image import Box, Size
from askmask.data.source import Pixels

CACHE_BYTES: Final = 128 * 2**20
"""What the blocks of all slides of a process may take together."""


class BlockCache:
    """The blocks used last; safe for several threads.

    Two threads that miss the same block at once both make it: the values are the same.

    Parameters
    ----------
    limit_bytes : int
        Of all blocks together. A single block that is larger is handed on, and not kept.
    """

    def __init__(self, limit_bytes: int = CACHE_BYTES) -> None:
        self._limit = limit_bytes
        self._blocks: OrderedDict[Hashable, Pixels] = OrderedDict()
        self._lock = threading.Lock()
        self.held_bytes = 0

    def get(self, key: Hashable, make: Callable[[], Pixels]) -> Pixels:
        """Return the block with a key, made if it is not there; shared, not to be modified."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = make()
        with self._lock:
            if key not in self._blocks and block.nbytes <= self._limit:
                self._blocks[key] = block
                self.held_bytes += block.nbytes
            while self.held_bytes > self._limit:
                _, oldest = self._blocks.popitem(last=False)
                self.held_bytes -= oldest.nbytes
        return block

    def forget(self, owner: Hashable) -> None:
        """Drop every block whose key begins with `owner`."""
        with self._lock:
            for key in [k for k in self._blocks if isinstance(k, tuple) and k[0] == owner]:
                self.held_bytes -= self._blocks.pop(key).nbytes


SHARED: Final = BlockCache()
"""The cache of every slide that is opened without one of its own."""


def blocks_of(box: Box, size: Size, block: Size) -> Iterator[Box]:
    """Blocks of a grid over a level that reach into a box, in reading order.

    The grid begins at (0, 0); blocks at the lower and the right edge end there.
    """
    for row in range(box.row // block[0] * block[0], box.bottom, block[0]):
        for col in range(box.col // block[1] * block[1], box.right, block[1]):
            yield Box(row, col, min(block[0], size[0] - row), min(block[1], size[1] - col))


def assembled(box: Box, size: Size, block: Size, read: Callable[[Box], Pixels]) -> Pixels:
    """Fresh (h, w, 3) pixels of a box, put together from the blocks of a grid."""
    out = np.empty((box.height, box.width, 3), np.uint8)
    for part in blocks_of(box, size, block):
        top, bottom = max(part.row, box.row), min(part.bottom, box.bottom)
        left, right = max(part.col, box.col), min(part.right, box.right)
        pixels = read(part)
        out[top - box.row : bottom - box.row, left - box.col : right - box.col] = pixels[
            top - part.row : bottom - part.row, left - part.col : right - part.col
        ]
    return out
