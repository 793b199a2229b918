"""A source whose images are the fields of slides, read when they are needed."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from askmask.data.description import named_classes
from askmask.data.larger_images import Frame, Surroundings
from askmask.data.rasters import decode_mask, decode_raw
from askmask.data.slides.opening import open_tiled, slide_bytes
from askmask.data.slides.resampled import Resampled, at_mpp
from askmask.data.slides.slide_set import (
    SlideEntry,
    SlideSet,
    field_id,
    mask_path,
    read_slide_set,
)
from askmask.data.slides.tiled_image import Box, TiledImage
from askmask.data.slides.tissue_mask import Stroke, painted, tissue_at
from askmask.data.source import Pixels
from askmask.errors import SourceError
from askmask.records import ClassMap, ImageInfo, Mask
from askmask.whole_files import replacing

MOST_OPEN: Final = 16
"""Slides that stay open between two reads."""

Tissue = npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Opened:
    """A slide, its view at the working resolution, and how many are reading it now."""

    image: TiledImage
    view: Resampled
    readers: int = 0

    def close(self) -> None:
        self.view.close()
        self.image.close()


@dataclass(slots=True)
class _Shelf:
    """The slides that are open, the one used last at the end."""

    opened: OrderedDict[str, _Opened] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def idle_beyond(self, most: int) -> list[_Opened]:
        """Take those off that nobody reads, the ones used longest ago first, until few are left."""
        idle = [name for name, one in self.opened.items() if one.readers == 0]
        surplus = max(len(self.opened) - most, 0)
        return [self.opened.pop(name) for name in idle[:surplus]]


class SlideSource:
    """Reads the fields of a set of slides; a `Source` that also gives their surroundings.

    The group of a field is its slide.

    Parameters
    ----------
    path : Path
        The folder of the set.
    classes : tuple of str, optional
        Names in place of those of the set; see `named_classes`.

    Raises
    ------
    SourceError
        If the folder holds no set of slides of this version, or files are missing; all of them
        are named.
    """

    def __init__(self, path: Path, classes: tuple[str, ...] | None = None) -> None:
        self._root = path
        self.slide_set: SlideSet = read_slide_set(path)
        self._classes = named_classes(self.slide_set.classes, classes, path)
        self._slides = {slide.id: slide for slide in self.slide_set.slides}
        self._fields = {
            field_id(slide.id, row, col): (slide, Box(row, col, height, width))
            for slide in self.slide_set.slides
            for row, col, height, width in slide.fields
        }
        self._masked = frozenset(self.slide_set.masked)
        self._check_files()
        self._shelf = _Shelf()
        self._tissues: dict[str, tuple[str, Tissue]] = {}
        self._painting = threading.Lock()

    @property
    def classes(self) -> ClassMap:
        """Names of the classes in index order."""
        return self._classes

    @property
    def mpp(self) -> float:
        """Micrometres per pixel of every image."""
        return self.slide_set.mpp

    @property
    def open_slides(self) -> int:
        """How many slides are open now; `MOST_OPEN` at most, and those that are being read."""
        return len(self._shelf.opened)

    def images(self) -> tuple[ImageInfo, ...]:
        """Every field, slide by slide in reading order."""
        return tuple(
            ImageInfo(
                image_id, box.height, box.width, group=slide.id, has_mask=image_id in self._masked
            )
            for image_id, (slide, box) in self._fields.items()
        )

    def read_image(self, image_id: str) -> Pixels:
        """Read a field as (H, W, 3) uint8 RGB."""
        slide, box = self._field(image_id)
        with self.view(slide) as view:
            return view.read(0, box)

    def read_mask(self, image_id: str) -> Mask | None:
        """Read the known mask of a field, None if it has none."""
        _, box = self._field(image_id)
        if image_id not in self._masked:
            return None
        path = mask_path(self._root, image_id)
        try:
            labels = decode_mask(path.read_bytes(), path.name)
        except OSError as error:
            raise self._unreadable(path, error) from error
        if labels.shape != (box.height, box.width) or labels.max() >= len(self._classes):
            raise SourceError(
                f"expected a mask of {(box.height, box.width)} with classes below "
                f"{len(self._classes)} in {str(path)!r}, got {labels.shape} with {labels.max()}. "
                "The file was changed: make the project again."
            )
        return Mask(labels)

    def read_around(self, image_id: str, margin: int) -> Surroundings:
        """Read a field with what lies around it on its slide.

        Parameters
        ----------
        image_id : str
            The field.
        margin : int
            Pixels on each side, fewer where the slide ends.
        """
        slide, box = self._field(image_id)
        with self.view(slide) as view:
            top, left = max(box.row - margin, 0), max(box.col - margin, 0)
            bottom = min(box.bottom + margin, view.size[0])
            right = min(box.right + margin, view.size[1])
            pixels = view.read(0, Box(top, left, bottom - top, right - left))
        row, col = box.row - top, box.col - left
        return Surroundings(pixels, (slice(row, row + box.height), slice(col, col + box.width)))

    def askable(self, image_id: str) -> Tissue:
        """(H, W) bool: the pixels of a field that are tissue; all of them without a mask."""
        slide, box = self._field(image_id)
        return self.tissue_in(slide, box)

    def tissue_in(self, slide: SlideEntry, box: Box, *, mpp: float | None = None) -> Tissue:
        """(h, w) bool: tissue in a box of a slide, in pixels of `mpp` micrometres.

        By default those of the working resolution.
        """
        if slide.tissue is None:
            return np.ones((box.height, box.width), np.bool_)
        return tissue_at(self.tissue(slide), box, self.mpp if mpp is None else mpp)

    def tissue(self, slide: SlideEntry) -> Tissue:
        """Mask of a slide that has one, as it is now: a person may have painted on it."""
        version = self.tissue_version(slide)
        held = self._tissues.get(slide.id)
        if held is None or held[0] != version:
            assert slide.tissue is not None, "slides without a mask are all tissue"
            held = self._tissues[slide.id] = version, self._read_tissue(slide.tissue)
        return held[1]

    def entry_of(self, path: Path) -> SlideEntry | None:
        """Slide of a file; None if it is not one of these."""
        wanted = path.resolve()
        for slide in self.slide_set.slides:
            if (self._root / slide.file).resolve() == wanted:
                return slide
        return None

    def tissue_share(self, slide: SlideEntry) -> float:
        """Share of a slide that is tissue now; 1 without a mask."""
        return 1.0 if slide.tissue is None else float(self.tissue(slide).mean())

    def tissue_version(self, slide: SlideEntry) -> str:
        """What is another text whenever the mask of a slide was changed; empty without a mask."""
        if slide.tissue is None:
            return ""
        try:
            found = (self._root / slide.tissue).stat()
        except OSError as error:
            raise self._unreadable(self._root / slide.tissue, error) from error
        return f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"

    def paint_tissue(self, slide: SlideEntry, stroke: Stroke) -> None:
        """Add tissue to the mask of a slide, or take it away, within the slide's fields.

        Raises
        ------
        SourceError
            If the slide has no mask, or the stroke touches no field.
        """
        if slide.tissue is None:
            raise SourceError(
                f"expected a slide with a mask of its tissue, got {slide.id!r}, all of which may "
                "be asked: the project was made with --tissue none."
            )
        fields = [Box(*place) for place in slide.fields]
        with self._painting:
            before = self.tissue(slide)
            everywhere = np.full_like(before, not stroke.is_tissue)
            touched = painted(everywhere, stroke, self.mpp, fields) != everywhere
            if not touched.any():
                raise SourceError(
                    f"expected a stroke on a field of slide {slide.id!r}, got one beside all of "
                    "them. Where no tissue was found nearby there is no field, so nothing can be "
                    "asked: to have all of the slide cut into fields, make the project with "
                    "--tissue none."
                )
            made = np.where(touched, stroke.is_tissue, before)
            with replacing(self._root / slide.tissue) as unfinished:
                Image.fromarray(made.astype(np.uint8) * 255).save(unfinished, "PNG")

    def frame(self, image_id: str) -> Frame:
        """Where a field lies on its slide, in pixels of the slide's first level."""
        slide, box = self._field(image_id)
        scale = self.mpp / slide.mpp
        return Frame(slide.id, box.row * scale, box.col * scale, scale)

    @contextmanager
    def view(self, slide: SlideEntry) -> Iterator[Resampled]:
        """Context with a slide at the working resolution; for several threads.

        Raises
        ------
        SourceError
            If the file is gone, damaged, or not the one that the set was made from.
        """
        with self._shelf.lock:
            if slide.id not in self._shelf.opened:
                self._shelf.opened[slide.id] = self._open(slide)
            opened = self._shelf.opened[slide.id]
            self._shelf.opened.move_to_end(slide.id)
            opened.readers += 1
        try:
            yield opened.view
        finally:
            with self._shelf.lock:
                opened.readers -= 1
                surplus = self._shelf.idle_beyond(MOST_OPEN)
            for other in surplus:
                other.close()

    def close(self) -> None:
        """Close every slide that nobody reads; a later read opens it again."""
        with self._shelf.lock:
            idle = self._shelf.idle_beyond(0)
        for opened in idle:
            opened.close()

    def _open(self, slide: SlideEntry) -> _Opened:
        image = open_tiled(self._root / slide.file)
        if image.size != (slide.height, slide.width):
            image.close()
            raise SourceError(
                f"expected slide {slide.file!r} of {(slide.height, slide.width)} pixels, as when "
                f"the project was made, got {image.size}. Put the right file there."
            )
        return _Opened(image, at_mpp(image, self.mpp, slide.mpp))

    def _field(self, image_id: str) -> tuple[SlideEntry, Box]:
        if image_id not in self._fields:
            raise SourceError(
                f"no image {image_id!r} among the {len(self._fields)} fields of "
                f"{len(self._slides)} slides in {str(self._root)!r}. Take the ids from images()."
            )
        return self._fields[image_id]

    def _read_tissue(self, name: str) -> Tissue:
        path = self._root / name
        try:
            raw = decode_raw(path.read_bytes(), name)
        except OSError as error:
            raise self._unreadable(path, error) from error
        found: Tissue = (raw if raw.ndim == 2 else raw[:, :, 0]) > 127
        return found

    @staticmethod
    def _unreadable(path: Path, error: OSError) -> SourceError:
        return SourceError(
            f"cannot read {str(path)!r} ({error.strerror}). Copy the project's folder again."
        )

    def _check_files(self) -> None:
        if len(self._slides) != len(self.slide_set.slides):
            raise SourceError(f"expected distinct ids of slides in {str(self._root)!r}.")
        problems = []
        for slide in self.slide_set.slides:
            path = self._root / slide.file
            found = slide_bytes(path)
            if found is None:
                problems.append(f"{str(path)!r} is missing")
            elif found != slide.file_bytes:
                problems.append(f"{str(path)!r} has {found:,} bytes, not {slide.file_bytes:,}")
        if problems:
            raise SourceError(
                f"expected the {len(self._slides)} slides that the project was made from, but "
                f"{'; '.join(problems)}. Put the same files there again."
            )
