"""Smaller copies of images and masks, for data sets that are larger than the computer is fast."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from askmask.data.source import Pixels
from askmask.errors import ConfigError
from askmask.records import Mask

_Dtype = TypeVar("_Dtype", bound=np.generic)


def check_scale(scale: float) -> None:
    """Check a scale.

    Raises
    ------
    ConfigError
        Unless 0 < scale <= 1.
    """
    if not 0 < scale <= 1:
        raise ConfigError(f"expected a scale in (0, 1], got {scale!r}. 0.5 halves both sides.")


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Rows and columns after scaling, rounded, at least 1 each."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def shrink_image(image: Pixels, scale: float) -> Pixels:
    """Image with both sides multiplied by `scale`, averaged over area.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Not modified.
    scale : float
        In (0, 1].

    Returns
    -------
    (H', W', 3) uint8
        Each pixel is the mean of the pixels whose centres it covers, rounded along each axis in
        turn: within 1 of the exact mean.
    """
    height, width = scaled_size(image.shape[0], image.shape[1], scale)
    resized = Image.fromarray(image).resize((width, height), Image.Resampling.BOX)
    return np.array(resized)


def shrink_mask(mask: Mask, scale: float) -> Mask:
    """Mask with both sides multiplied by `scale`; each pixel takes the value at its centre.

    No value is made up, so classes, `UNLABELLED` and instance ids stay what they are; an object
    thinner than the new pixels can vanish.
    """
    instances = None if mask.instances is None else _nearest(mask.instances, scale)
    return Mask(_nearest(mask.labels, scale), instances)


def _nearest(values: npt.NDArray[_Dtype], scale: float) -> npt.NDArray[_Dtype]:
    height, width = values.shape
    rows, cols = scaled_size(height, width, scale)
    # The centre of pixel i of n lies at (i + 1/2) / n of the side.
    row = ((2 * np.arange(rows) + 1) * height) // (2 * rows)
    col = ((2 * np.arange(cols) + 1) * width) // (2 * cols)
    return values[np.ix_(row, col)]
