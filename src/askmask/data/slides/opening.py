"""Finding slides among files and folders, and opening any image as a tiled one.

A slide is a file, or the folder that holds the files of one DICOM series: one for each level, with
names that mean nothing to people. Who reads a file, its first bytes say.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from askmask.data.pictures.opening import looks_like_image
from askmask.data.pictures.tiff import is_tiff
from askmask.data.rasters import decode_image
from askmask.data.slides.openslide_file import OpenSlideImage, dicom_series
from askmask.data.slides.tiled_image import TiledImage
from askmask.data.slides.tiled_tiff import TiffImage, needs_openslide
from askmask.data.slides.whole_image import WholeImage
from askmask.errors import SourceError

DICOM: Final = ".dcm"
SLIDE_SUFFIXES: Final = frozenset(
    {".svs", ".tif", ".tiff", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", DICOM}
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


def find_slides(paths: Sequence[Path]) -> list[Path]:
    """Slides among files and in folders, sorted by name within each folder.

    Parameters
    ----------
    paths : sequence of Path
        Slides, or folders of slides. A folder of DICOM files is one slide, whichever of its files
        is named.

    Raises
    ------
    SourceError
        If a path does not exist, a folder holds no slide, or DICOM files of several slides lie in
        one folder and none is named.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += _inside(path)
        elif path.is_file():
            found.append(_whole(path))
        else:
            raise SourceError(f"no file or folder {str(path)!r}. Check the path.")
    found = list(dict.fromkeys(found))
    _check_series(found)
    return found


def slide_name(path: Path) -> str:
    """Name of a slide: that of its file without endings, or of its folder."""
    stem = path.name if path.is_dir() else path.name.removesuffix(path.suffix).removesuffix(".ome")
    return unicodedata.normalize("NFC", stem)


def slide_bytes(path: Path) -> int | None:
    """Bytes of a slide's file, or of all files in its folder; None if it is not there."""
    files = dicom_files(path) if path.is_dir() else [path]
    try:
        return sum(file.stat().st_size for file in files) if files else None
    except OSError:
        return None


def slide_file(path: Path) -> Path:
    """File by which a slide is opened: its own, or the first of its folder.

    Raises
    ------
    SourceError
        If the folder holds no DICOM file.
    """
    if not path.is_dir():
        return path
    files = dicom_files(path)
    if not files:
        raise SourceError(f"expected a DICOM slide in the folder {str(path)!r}, found no {DICOM}.")
    return files[0]


def dicom_files(folder: Path) -> list[Path]:
    """DICOM files of a folder, by name."""
    return [path for path in _slides_in(folder) if path.suffix.lower() == DICOM]


def same_names(slides: Sequence[Path]) -> list[str]:
    """Problems of slides that would be called alike, a sentence or two each."""
    seen: dict[str, Path] = {}
    problems = []
    for path in slides:
        other = seen.setdefault(slide_name(path).casefold(), path)
        if other is not path:
            problems.append(
                f"{str(other)!r} and {str(path)!r} would both be called {slide_name(path)!r}. "
                "Rename one of them."
            )
    return problems


def _inside(folder: Path) -> list[Path]:
    """Slides of a folder; the folder itself if it is one."""
    dicoms = dicom_files(folder)
    others = [path for path in _slides_in(folder) if path.suffix.lower() != DICOM]
    others += [path for path in sorted(folder.iterdir()) if path.is_dir() and dicom_files(path)]
    if not dicoms and not others:
        raise SourceError(
            f"expected slides in {str(folder)!r}, found none that ends in "
            f"{', '.join(sorted(SLIDE_SUFFIXES))}."
        )
    if not dicoms:
        return sorted(others)
    series = {dicom_series(path): path for path in reversed(dicoms)}
    if len(series) == 1 and not others:
        return [folder]
    if len(series) == 1:
        raise SourceError(
            f"expected the files of a DICOM slide in a folder of their own, found {len(dicoms)} of "
            f"them in {str(folder)!r} beside {others[0].name!r}. Move them into a folder that is "
            "named as the slide."
        )
    named = " ".join(f"--slides {path}" for path in sorted(series.values()))
    raise SourceError(
        f"expected the DICOM files of one slide in {str(folder)!r}, found those of {len(series)}. "
        f"Put each slide into a folder of its own, or give one file of each: {named}"
    )


def _whole(path: Path) -> Path:
    """Return a slide's file, or its folder if that holds one DICOM slide and nothing else."""
    if path.suffix.lower() != DICOM:
        return path
    try:
        is_alone = _inside(path.parent) == [path.parent]
    except SourceError:
        return path
    return path.parent if is_alone else path


def _check_series(slides: Sequence[Path]) -> None:
    """Refuse files of one DICOM slide that were named as several."""
    seen: dict[str, Path] = {}
    for path in slides:
        if path.suffix.lower() == DICOM and path.is_file():
            other = seen.setdefault(dicom_series(path), path)
            if other is not path:
                raise SourceError(
                    f"expected slides, got {str(other)!r} and {str(path)!r}, which are files of "
                    "one DICOM slide. Give one of them."
                )


def _slides_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _is_slide(path))


def _is_slide(path: Path) -> bool:
    hidden = path.name.startswith(".")
    return path.is_file() and path.suffix.lower() in SLIDE_SUFFIXES and not hidden
