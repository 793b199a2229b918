"""Opening any file as a tiled image: who reads it, its first bytes say."""

from pathlib import Path
from typing import Final

from askmask.data.pictures.opening import looks_like_image
from askmask.data.pictures.tiff import is_tiff
from askmask.data.rasters import decode_image
from askmask.data.slides.openslide_file import OpenSlideImage
from askmask.data.slides.tiled_image import TiledImage
from askmask.data.slides.tiled_tiff import TiffImage, needs_openslide
from askmask.data.slides.whole_image import WholeImage
from askmask.errors import SourceError

SLIDE_SUFFIXES: Final = frozenset(
    {".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm"}
)
"""Endings of the files in a folder that are taken for slides, in lower case."""

_HEAD: Final = 16


def open_tiled(path: Path) -> TiledImage:
    """Open an image or a slide; close it when done.

    Parameters
    ----------
    path : Path
        PNG, JPEG, BMP and WebP are decoded whole, up to the limit of plain images. TIFF files are
        read in parts by tifffile. All else, and TIFFs of scanners whose tiles overlap or lie at
        odd places, is left to OpenSlide.

    Raises
    ------
    SourceError
        If nobody reads the file, it is damaged, or what reads it is not installed.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        raise SourceError(
            f"cannot read {str(path)!r} ({error.strerror}). Check the path and its permissions."
        ) from error
    if is_tiff(head):
        return OpenSlideImage(path) if needs_openslide(path) else TiffImage(path)
    # A slide of 3DHISTECH is a JPEG beside the folder that holds it.
    if looks_like_image(head) and path.suffix.lower() not in SLIDE_SUFFIXES:
        return WholeImage(path.name, decode_image(path.read_bytes(), path.name))
    return OpenSlideImage(path)
