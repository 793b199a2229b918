"""What a person says of slides to be predicted; loads no torch."""

from dataclasses import dataclass
from typing import Final

from askmask.data.slides.tiled_image import Box


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """What a person says of the slides to predict.

    Attributes
    ----------
    own_mpp : float, optional
        Micrometres per pixel of the slides that do not say it.
    part : Box, optional
        The only part to predict, in pixels of each slide's first level.
    tissue : bool
        Whether tiles without tissue are left out.
    """

    own_mpp: float | None = None
    part: Box | None = None
    tissue: bool = True


ALL: Final = PredictOptions()
"""All tissue of slides that say how large their pixels are."""
