"""COCO instance annotations: one per connected object of a class, as RLE or as polygons.

::

    OUT/images/NAME.png     the region, or the whole image
    OUT/annotations.json    categories, images, annotations (with a score if a model made them)

Pixels without a label are annotations of the category "unlabelled" with ``iscrowd`` 1, which COCO's
tools leave out of training and scores. What no annotation covers is class 0 where that is the
background, else unlabelled; an image that is background only says so by one ``iscrowd`` annotation
of that class. Where annotations overlap, the later one in the file counts.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from askmask.data.rasters import encode_image
from askmask.errors import ConfigError
from askmask.formats.coco.reading import read_coco
from askmask.formats.coco.rle import encode_runs, runs_to_text
from askmask.formats.format import Expected, Export, Intake, Item, class_pixels, crop
from askmask.formats.names import class_labels
from askmask.metrics.contours import Ring, trace
from askmask.metrics.valid_outlines import simplify_polygon
from askmask.records import UNLABELLED

UNLABELLED_CATEGORY: Final = "unlabelled"
_EIGHT_NEIGHBOURS: Final = np.ones((3, 3), np.bool_)

Bits = npt.NDArray[np.bool_]
Json = dict[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class Coco:
    """Reader and writer of COCO files; see `askmask.formats.format.Format`.

    Parameters
    ----------
    tolerance : float or None
        None writes every object as RLE, exactly. A number writes objects without holes as
        polygons that stay within so many pixels of their outline (0: along the pixel edges, which
        `read` gives back exactly); objects with holes, which COCO's polygons cannot say, stay RLE.
    empty : "background", "skip" or None
        What an image without an annotation is, where class 0 is the background: background only,
        or not labelled. None refuses a file with such an image, for tools write both alike.

    Raises
    ------
    ConfigError
        If the tolerance is negative.
    """

    tolerance: float | None = None
    empty: str | None = None

    def __post_init__(self) -> None:
        """Check the tolerance."""
        if self.tolerance is not None and not self.tolerance >= 0:
            raise ConfigError(f"expected a tolerance >= 0 pixels, got {self.tolerance!r}.")

    def write(self, folder: Path, export: Export) -> int:
        """Write pictures and ``annotations.json``."""
        (folder / "images").mkdir(parents=True, exist_ok=True)
        images: list[Json] = []
        annotations: list[Json] = []
        for number, item in enumerate(export.items, start=1):
            file_name = f"images/{item.name}.png"
            (folder / file_name).write_bytes(encode_image(crop(export, item.region)))
            size = {"height": item.region.height, "width": item.region.width}
            images.append({"id": number, "file_name": file_name, **size})
            for annotation in self._annotations(item, export):
                found = {"id": len(annotations) + 1, "image_id": number, **annotation}
                annotations.append(found)
        names = class_labels(export.classes, {UNLABELLED_CATEGORY})
        categories = [{"id": index + 1, "name": name} for name, index in names.items()]
        categories.append({"id": len(names) + 1, "name": UNLABELLED_CATEGORY})
        if export.has_background and not any(a["category_id"] == 1 for a in annotations):
            del categories[0]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
        return len(images)

    def read(self, path: Path, expected: Expected) -> Intake:
        """Read a COCO file, or ``annotations.json`` in a folder."""
        names = class_labels(expected.classes, {UNLABELLED_CATEGORY})
        return read_coco(
            path / "annotations.json" if path.is_dir() else path,
            expected,
            labels={**names, UNLABELLED_CATEGORY: UNLABELLED},
            empty=self.empty,
        )

    def _annotations(self, item: Item, export: Export) -> Iterator[Json]:
        """Annotations of one item, without their ids."""
        size = (item.region.height, item.region.width)
        unlabelled = len(export.classes) + 1
        if item.labels is None:
            yield _crowd(np.ones(size, np.bool_), unlabelled)
            return
        score = {} if item.confidence is None else {"score": item.confidence}
        found = class_pixels(item.labels, export.classes, has_background=export.has_background)
        for index, pixels in found.items():
            for inside, box, segmentation in self._objects(pixels):
                yield {
                    "category_id": index + 1,
                    "iscrowd": 0,
                    "segmentation": segmentation,
                    "area": int(inside),
                    "bbox": box,
                    **score,
                }
        if (item.labels == UNLABELLED).any():
            yield _crowd(item.labels == UNLABELLED, unlabelled)
        elif not found:
            yield _crowd(np.ones(size, np.bool_), 1)

    def _objects(self, pixels: Bits) -> Iterator[tuple[int, list[int], object]]:
        """Area, box (x, y, width, height) and segmentation of each connected object."""
        from scipy import ndimage  # slow to import, and `--help` needs none of it

        neighbours = _EIGHT_NEIGHBOURS if self.tolerance is None else None
        components, _ = ndimage.label(pixels, neighbours)
        for number, place in enumerate(ndimage.find_objects(components), start=1):
            assert place is not None, "labels have no gaps"
            inside = components == number
            rows, cols = place
            box = [cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start]
            yield int(inside.sum()), box, self._segmentation(inside)

    def _segmentation(self, inside: Bits) -> object:
        if self.tolerance is not None:
            (polygon,) = trace(inside)
            if not polygon.holes:
                return [_flat(simplify_polygon(polygon, self.tolerance).outer)]
        return _rle(inside)


def _crowd(pixels: Bits, category: int) -> Json:
    """Annotation of pixels that are no object."""
    rows, cols = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    box = [cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1]
    return {
        "category_id": category,
        "iscrowd": 1,
        "segmentation": _rle(pixels),
        "area": int(pixels.sum()),
        "bbox": [int(value) for value in box],
    }


def _rle(pixels: Bits) -> Json:
    return {"size": list(pixels.shape), "counts": runs_to_text(encode_runs(pixels))}


def _flat(ring: Ring) -> list[float]:
    """COCO's x1, y1, x2, y2, ..."""
    return [float(value) for value in ring[:, ::-1].ravel()]
