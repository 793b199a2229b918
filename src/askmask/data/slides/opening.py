"""Opening any file as a tiled image: who reads it, its first bytes say."""

from pathlib import Path
from typing import Final

from askmask.data.pictures.opening import looks_like_image
from askmask.data.pictures.tiff import is_tiff
from askmask.data.rasters import decode_image
from askmask.data.slides.finding import SLIDE_SUFFIXES, slide_file, slide_name
from askmask.data.slides.openslide_file import OpenSlideImage
from askmask.data.slides.tiled_image import TiledImage
from askmask.data.slides.tiled_tiff import TiffImage, needs_openslide
from askmask.data.slides.whole_image import WholeImage
from askmask.errors import SourceError

_HEAD: Final = 16


def open_tiled(path: Path) -> TiledImage:
    """Open an image or a slide; close it when done.

    Parameters
    ----------
    path : Path
        PNG, JPEG, BMP and WebP are decoded whole, up to the limit of plain images. TIFF files are
        read in parts by tifffile. All else, and TIFFs of scanners whose tiles overlap or lie at
        odd places, is left to OpenSlide. A folder is a DICOM slide.

    Raises
    ------
    SourceError
        If nobody reads the file, it is damaged, or what reads it is not installed.
    """
    if path.is_dir():
        return OpenSlideImage(slide_file(path), name=slide_name(path))
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
