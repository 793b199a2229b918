"""Images that are decoded whole behind the contract of tiled ones: PNG, JPEG and the like."""

from askmask.data.slides.tiled_image import Box, Size, check_box
from askmask.data.source import Pixels
from askmask.errors import SourceError


class WholeImage:
    """An image that is decoded once and held; a `TiledImage` of one level.

    Parameters
    ----------
    name : str
        What messages call it.
    pixels : (H, W, 3) uint8
        Not copied, and not modified.
    mpp : float, optional
        Micrometres per pixel.
    """

    def __init__(self, name: str, pixels: Pixels, mpp: float | None = None) -> None:
        self.name = name
        self.mpp = mpp
        self._pixels: Pixels | None = pixels
        self.size: Size = (pixels.shape[0], pixels.shape[1])

    @property
    def levels(self) -> tuple[Size, ...]:
        """The one size."""
        return (self.size,)

    def read(self, level: int, box: Box) -> Pixels:
        """Read a box as (h, w, 3) uint8 RGB."""
        check_box(self, level, box)
        pixels = self._pixels
        if pixels is None:
            raise SourceError(f"{self.name!r} was closed. Open it again.")
        return pixels[box.slices].copy()

    def close(self) -> None:
        """Let go of the pixels."""
        self._pixels = None
