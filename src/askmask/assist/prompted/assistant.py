"""The assistant of one project: from a region, its picture and a prompt to a mask in the region."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.assist.prompted.embeddings import KeptEmbeddings
from askmask.assist.prompted.frame import SquareFrame, window_of
from askmask.assist.prompted.prompt import Prompt
from askmask.assist.prompted.weights import MaskDecoder, open_pair
from askmask.config import AssistConfig
from askmask.records import ImageInfo, Region

FOLDER: Final = "embeddings"
"""In a project."""

Read = Callable[[Region], npt.NDArray[np.uint8]]
"""Reads the pixels of a region, (H, W, 3)."""


def kept_embeddings(settings: AssistConfig, root: Path) -> KeptEmbeddings:
    """Embeddings that the project in `root` keeps, of the encoder in its settings."""
    assert settings.encoder_sha256 is not None, "there is an assistant"
    return KeptEmbeddings(root / FOLDER, settings.kept_mb * 10**6, settings.encoder_sha256)


def open_assistant(settings: AssistConfig, root: Path) -> "Assistant | None":
    """Open the assistant that a project's settings name; None if they name none.

    Raises
    ------
    ConfigError
        As `open_pair`.
    """
    if settings.encoder is None:
        return None
    return Assistant(open_pair(settings), kept_embeddings(settings, root))


@dataclass(frozen=True, slots=True)
class Assistant:
    """Proposes masks; whoever calls it lets one thread decode at a time."""

    decoder: MaskDecoder
    kept: KeptEmbeddings

    def propose(
        self, region: Region, image: ImageInfo, read: Read, prompt: Prompt | None
    ) -> npt.NDArray[np.bool_] | None:
        """Propose a mask in a region.

        Parameters
        ----------
        region : Region
            Of the image.
        image : ImageInfo
            Its size.
        read : callable
            Returns pixels of the image.
        prompt : Prompt or None
            In the region's coordinates; the box may reach out of it. None: only look whether the
            region is prepared.

        Returns
        -------
        (height, width) bool array, or None
            The mask, all false without a prompt; None if the embedding is not made yet.

        Raises
        ------
        ShapeError
            If the region is too large, or the prompt does not fit what was encoded around it.
        WeightsError
            If the decoder fails.
        """
        window = window_of(region, image)
        name = self.kept.name(read(window))
        down, right = region.row - window.row, region.col - window.col
        if prompt is None:
            is_ready = self.kept.has(name)
            return np.zeros((region.height, region.width), np.bool_) if is_ready else None
        frame = SquareFrame(window.height, window.width)
        moved = moved_by(prompt, down, right)
        moved.points(frame)  # refused now, not when the embedding is made
        embedding = self.kept.read(name)
        if embedding is None:
            return None
        square = self.decoder.logits(embedding, frame, moved)
        part = Region(region.image_id, down, right, region.height, region.width)
        return np.asarray(frame.values_at(square, part) > 0)


def moved_by(prompt: Prompt, down: int, right: int) -> Prompt:
    """Return a prompt in the coordinates of a picture that begins so far above and to the left."""
    return Prompt(
        prompt.top + down,
        prompt.left + right,
        prompt.bottom + down,
        prompt.right + right,
        tuple(replace(c, row=c.row + down, col=c.col + right) for c in prompt.clicks),
    )
