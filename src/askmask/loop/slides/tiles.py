"""One tile of a slide: what the network says of it, and what is kept of that."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.data.slides.resampled import Resampled
from askmask.data.slides.tiled_image import Box
from askmask.loop.round_model import RoundModel
from askmask.loop.slides.blended import Values
from askmask.loop.slides.finished_bands import NOT_SEEN
from askmask.loop.slides.predicted import CONFIDENCE_SCALE

_LABEL: Final = 0
_CONFIDENCE: Final = 1


@dataclass(frozen=True, slots=True)
class Output:
    """What is predicted of each pixel, and what is kept of it.

    Attributes
    ----------
    n_classes : int
        Values 0 to n - 1 are their probabilities.
    contour : float or None
        Probability from which on there is a contour, if the network predicts one: the last value.
    """

    n_classes: int
    contour: float | None

    @property
    def n_values(self) -> int:
        """Values of a pixel."""
        return self.n_classes + (self.contour is not None)

    @property
    def n_layers(self) -> int:
        """Layers that are kept: labels, confidence and, if the network predicts it, the contour."""
        return 2 + (self.contour is not None)

    def finish(self, values: Values, is_seen: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        """Layers, (n_layers, h, w), of values, (n_values, h, w), that are 0 where nobody looked."""
        probs = values[: self.n_classes]
        labels = np.where(is_seen, probs.argmax(0), NOT_SEEN)
        confidence = np.rint(probs.max(0) * CONFIDENCE_SCALE)  # 0 where nobody looked
        layers = [labels, confidence]
        if self.contour is not None:
            layers.append(values[-1] >= self.contour)
        return np.stack([layer.astype(np.uint8) for layer in layers])

    def values_of(self, layers: npt.NDArray[np.uint8]) -> Values:
        """Values of which `finish` makes these layers again, if somebody looked everywhere.

        The class has its confidence and every other one 0; a contour has 1 or 0.
        """
        values = np.zeros((self.n_values, *layers.shape[1:]), np.float32)
        confidence = layers[_CONFIDENCE].astype(np.float32) / CONFIDENCE_SCALE
        np.put_along_axis(values, layers[None, _LABEL].astype(np.intp), confidence[None], 0)
        if self.contour is not None:
            values[-1] = layers[-1]
        return values


def predicted_tile(
    model: RoundModel, view: Resampled, tile: Box, beyond: int, *, name: str, output: Output
) -> Values:
    """Values of a tile, (n_values, h, w).

    Parameters
    ----------
    model : RoundModel
        Who predicts.
    view : Resampled
        The slide at the model's resolution.
    tile : Box
        What is wanted of it.
    beyond : int
        How far the network looks beyond the tile, where the slide does not end before.
    name : str
        Of the slide, for errors.
    output : Output
        What is predicted.
    """
    top, left = max(tile.row - beyond, 0), max(tile.col - beyond, 0)
    bottom = min(tile.bottom + beyond, view.size[0])
    right = min(tile.right + beyond, view.size[1])
    pixels = view.read(0, Box(top, left, bottom - top, right - left))
    has_contour = output.contour is not None
    name = f"{name}@{tile.row},{tile.col}"
    found = model.sums(model.judge, pixels, name=name, boundary=has_contour)
    inner = (
        slice(tile.row - top, tile.row - top + tile.height),
        slice(tile.col - left, tile.col - left + tile.width),
    )
    parts = [found.sums.mean_probs[:, *inner].float().cpu().numpy()]
    if has_contour:
        assert found.boundary_probs is not None, "the network was asked for it"
        parts.append(found.boundary_probs[inner].float().cpu().numpy()[None])
    return np.concatenate(parts)
