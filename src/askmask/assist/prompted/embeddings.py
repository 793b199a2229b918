"""Embeddings on disk: made once by the worker, read by the server at every prompt.

A file's name says everything that its embedding depends on: the encoder and the very pixels. So
another file of weights or a changed image is another name, and nothing is ever out of date.
"""

import hashlib
import json
import logging
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from askmask.assist.prompted.frame import Floats
from askmask.runtime.bounded_folder import BoundedFolder, note_use

FORMAT: Final = 1
"""Counted up when the code makes another embedding of the same pixels and weights."""
_NAME: Final = "embedding"
_log = logging.getLogger(__name__)


class KeptEmbeddings:
    """Embeddings in a folder of bounded size; the least recently used go first.

    For several threads and processes, and at a kill: a file appears whole or not at all. One that
    is damaged all the same is removed when it is read, and then made anew.

    Parameters
    ----------
    folder : Path
        Made, for its owner alone, when something is kept.
    limit_bytes : int
        Of all files together.
    encoder : str
        Digest of the encoder that makes them.
    """

    def __init__(self, folder: Path, limit_bytes: int, encoder: str) -> None:
        self._files = BoundedFolder(folder, limit_bytes)
        self._encoder = encoder

    def name(self, pixels: npt.NDArray[np.uint8]) -> str:
        """Name of the embedding of a picture, (H, W, 3)."""
        arguments = json.dumps([FORMAT, self._encoder, list(pixels.shape)])
        digest = hashlib.blake2b(arguments.encode(), digest_size=16)
        digest.update(np.ascontiguousarray(pixels).data)
        return digest.hexdigest()

    def has(self, name: str) -> bool:
        """Whether there is a file of a name; what it holds shows when it is read."""
        return self._path(name).is_file()

    def read(self, name: str) -> Floats | None:
        """Embedding of a name, (1, C, h, w), which becomes the most recently used; None: none."""
        path = self._path(name)
        try:
            with safe_open(path, framework="numpy") as file:
                embedding: Floats = file.get_tensor(_NAME)
                expected = (file.metadata() or {}).get("crc32")
            problem = "" if expected == _checksum(embedding) else "wrong checksum"
        except FileNotFoundError:
            return None
        except (SafetensorError, OSError) as error:
            problem = str(error)
        if problem:
            _log.warning("the embedding in %s is damaged and made anew: %s", path, problem)
            path.unlink(missing_ok=True)
            return None
        note_use(path)
        return embedding

    def keep(self, name: str, embedding: Floats) -> None:
        """Keep an embedding.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        values = np.ascontiguousarray(embedding, np.float32)
        content = save({_NAME: values}, {"crc32": _checksum(values)})
        self._files.keep(self._path(name), content)

    def room(self, embedding: Floats) -> int:
        """How many embeddings like one have room together, with half of it to spare."""
        return max(1, self._files.limit_bytes // (2 * embedding.nbytes))

    def _path(self, name: str) -> Path:
        return self._files.folder / f"{name}.safetensors"


def _checksum(values: Floats) -> str:
    return str(zlib.crc32(np.ascontiguousarray(values).data))
