"""Features that no training changes, kept on disk: computed once per image for all rounds.

A frozen encoder gives the same maps of an image whatever is trained behind it. A file holds those
of one image; its name says everything that they depend on, so another image, other weights or
another precision is another file, and nothing is ever out of date.
"""

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from askmask.runtime.bounded_folder import BoundedFolder, note_use

Features = tuple[Tensor, ...]

FORMAT: Final = 1
"""Counted up when the code computes other features from the same image and weights."""

_log = logging.getLogger(__name__)


class FeatureStore:
    """Features of images in a folder of bounded size; the least recently used go first.

    Safe for several threads and processes, and at a kill: a file appears whole or not at all. A
    file that is damaged all the same is computed and written anew. A full or read-only disk costs
    time, never a result: it is told once in the log, and work goes on without keeping.

    Parameters
    ----------
    folder : Path
        Made, for its owner alone, when something is kept.
    limit_bytes : int
        Of all files together; 0 keeps nothing.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._kept = BoundedFolder(folder, limit_bytes)
        self._is_out_of_order = False

    def get(
        self,
        key: str,
        image: npt.NDArray[np.uint8],
        kind: str,
        make: Callable[[], Features],
    ) -> Features:
        """Return the features of an image, from the disk or from ``make()``; the same bits.

        Parameters
        ----------
        key : str
            Names the weights that they depend on.
        image : (H, W, 3) uint8 array
            Not modified.
        kind : str
            How they are computed, as far as it changes a bit of them: precision and device. The
            version of PyTorch and the number of threads are added.
        make : callable
            Computes them: maps (1, D, h, w), channels last in memory.
        """
        path = self._folder / self._name(key, image, kind)
        found = _read(path)
        if found is not None:
            return found
        features = make()
        if self._limit > 0:
            self._keep(path, features)
        return features

    def _name(self, key: str, image: npt.NDArray[np.uint8], kind: str) -> str:
        machine = [torch.__version__, torch.get_num_threads()]
        arguments = json.dumps([FORMAT, key, kind, machine, list(image.shape)])
        digest = hashlib.blake2b(arguments.encode(), digest_size=16)
        digest.update(np.ascontiguousarray(image).data)
        return f"{digest.hexdigest()}.safetensors"

    def _keep(self, path: Path, features: Features) -> None:
        content = _packed(features)
        if len(content) > self._limit:
            return
        try:
            self._kept.keep(path, content)
        except OSError as error:
            if not self._is_out_of_order:
                _log.warning("features of images are not kept in %s: %s", self._folder, error)
            self._is_out_of_order = True


def _packed(features: Sequence[Tensor]) -> bytes:
    """Content of a file: maps as (1, h, w, D), and a checksum of their bytes."""
    maps = {
        f"{number:02d}": feature.permute(0, 2, 3, 1).contiguous().cpu()
        for number, feature in enumerate(features)
    }
    return save(maps, {"crc32": str(_checksum(list(maps.values())))})


def _read(path: Path) -> Features | None:
    """Features in a file, which becomes the most recently used; None if absent or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            maps = [file.get_tensor(name) for name in sorted(file.keys())]
            expected = (file.metadata() or {}).get("crc32")
    except FileNotFoundError:
        return None
    except (SafetensorError, OSError) as error:
        _log.warning("features in %s are damaged and computed anew: %s", path, error)
        return None
    if expected != str(_checksum(maps)):
        _log.warning("features in %s are damaged and computed anew: wrong checksum", path)
        return None
    note_use(path)
    return tuple(values.permute(0, 3, 1, 2) for values in maps)


def _checksum(maps: Sequence[Tensor]) -> int:
    checksum = 0
    for values in maps:
        checksum = zlib.crc32(values.reshape(-1).view(torch.uint8).numpy().data, checksum)
    return checksum
