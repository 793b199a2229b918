"""The box and click assistant of the page, without a server; used by `strokes.py --pair`."""

import tempfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt

from askmask.assist.prompted.assistant import Assistant, kept_embeddings
from askmask.assist.prompted.frame import window_of
from askmask.assist.prompted.prompt import Prompt
from askmask.assist.prompted.weights import open_encoder, open_pair
from askmask.config import AssistConfig
from askmask.records import ImageInfo, Region
from hand import Mask


def named(encoder: Path, decoder: Path) -> dict[str, object]:
    """Return the settings ``assist`` that name a pair of files."""
    settings: dict[str, object] = {}
    for name, path in (("encoder", encoder), ("decoder", decoder)):
        digest = sha256(path.read_bytes()).hexdigest()
        settings |= {name: str(path.resolve()), f"{name}_sha256": digest}
    return settings


class Pair:
    """The assistant of the page with a pair of files; embeddings are kept meanwhile."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        settings = AssistConfig.model_validate(named(encoder, decoder))
        self._folder = tempfile.TemporaryDirectory(prefix="askmask-bench-")
        self._kept = kept_embeddings(settings, Path(self._folder.name))
        self._encoder = open_encoder(settings, 1)
        self._assistant = Assistant(open_pair(settings), self._kept)

    def propose(
        self, pixels: npt.NDArray[np.uint8], row: int, col: int, side: int, prompt: Prompt
    ) -> Mask:
        """Mask in a region of an image, for a prompt in the region's coordinates."""
        image = ImageInfo("image", *pixels.shape[:2], has_mask=False)
        region = Region("image", row, col, side, side)

        def read(part: Region) -> npt.NDArray[np.uint8]:
            return np.ascontiguousarray(pixels[part.slices])

        mask = self._assistant.propose(region, image, read, prompt)
        if mask is None:
            window = read(window_of(region, image))
            self._kept.keep(self._kept.name(window), self._encoder.embed(window))
            mask = self._assistant.propose(region, image, read, prompt)
        assert mask is not None, "it is kept"
        return mask
