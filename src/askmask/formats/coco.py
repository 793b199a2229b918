"""COCO instance annotations: one per connected object of a class, as RLE or as polygons.

::

    OUT/images/NAME.png     the region, or the whole image
    OUT/annotations.json    categories, images, annotations (with a score if a model made them)

Pixels without a label are annotations of the category "unlabelled" with ``iscrowd`` 1, which COCO's
tools leave out of training and scores. What no annotation covers is class 0 where that is the
background, else unlabelled. Where annotations overlap, the later one in the file counts.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from askmask.data.rasters import encode_image
from askmask.errors import ConfigError, ShapeError
from askmask.formats.coco_rle import decode_runs, encode_runs, runs_to_text, text_to_runs
from askmask.formats.format import (
    Batch,
    Expected,
    Found,
    Item,
    check_size,
    class_pixels,
    crop,
    find_region,
    raise_problems,
    read_json,
)
from askmask.metrics.contours import Ring, fill, simplify, trace
from askmask.records import UNLABELLED, Labels

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

    Raises
    ------
    ConfigError
        If the tolerance is negative.
    """

    tolerance: float | None = None

    def __post_init__(self) -> None:
        """Check the tolerance."""
        if self.tolerance is not None and self.tolerance < 0:
            raise ConfigError(f"expected a tolerance >= 0 pixels, got {self.tolerance!r}.")

    def write(self, folder: Path, batch: Batch) -> int:
        """Write pictures and ``annotations.json``."""
        (folder / "images").mkdir(parents=True, exist_ok=True)
        first = 1 if batch.has_background else 0
        names = dict(enumerate(batch.classes.names))
        categories = [{"id": i + 1, "name": n} for i, n in names.items() if i >= first]
        categories.append({"id": len(names) + 1, "name": UNLABELLED_CATEGORY})
        images: list[Json] = []
        annotations: list[Json] = []
        for number, item in enumerate(batch.items, start=1):
            file_name = f"images/{item.name}.png"
            (folder / file_name).write_bytes(encode_image(crop(batch, item.region)))
            size = {"height": item.region.height, "width": item.region.width}
            images.append({"id": number, "file_name": file_name, **size})
            for annotation in self._annotations(item, batch):
                found = {"id": len(annotations) + 1, "image_id": number, **annotation}
                annotations.append(found)
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
        return len(images)

    def read(self, path: Path, expected: Expected) -> list[Found]:
        """Read a COCO file, or ``annotations.json`` in a folder."""
        content = read_json(path / "annotations.json" if path.is_dir() else path, Mapping)
        problems: list[str] = []
        classes = _categories(content, expected, problems)
        by_image: dict[object, list[Json]] = {}
        for annotation in content.get("annotations", ()):
            by_image.setdefault(annotation.get("image_id"), []).append(annotation)
        found = []
        for image in content.get("images", ()):
            name = PurePosixPath(str(image.get("file_name"))).stem
            region = find_region(name, expected, problems)
            shape = (image.get("height"), image.get("width"))
            if region is None or not check_size(name, shape, region, problems):
                continue
            labels = np.full((region.height, region.width), expected.rest, np.int16)
            for annotation in by_image.get(image.get("id"), ()):
                _paint(labels, annotation, classes, name, problems)
            found.append(Found(name, region, labels))
        raise_problems(problems)
        return found

    def _annotations(self, item: Item, batch: Batch) -> Iterator[Json]:
        """Annotations of one item, without their ids."""
        if item.labels is None:
            region = item.region
            yield _crowd(np.ones((region.height, region.width), np.bool_), batch)
            return
        score = {} if item.confidence is None else {"score": item.confidence}
        found = class_pixels(item.labels, batch.classes, has_background=batch.has_background)
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
            yield _crowd(item.labels == UNLABELLED, batch)

    def _objects(self, pixels: Bits) -> Iterator[tuple[int, list[int], object]]:
        """Area, box (x, y, width, height) and segmentation of each connected object."""
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
                return [_flat(simplify(polygon.outer, self.tolerance))]
        return _rle(inside)


def _crowd(pixels: Bits, batch: Batch) -> Json:
    """Annotation of the pixels without a label."""
    rows, cols = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    box = [cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1]
    return {
        "category_id": len(batch.classes) + 1,
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


def _categories(
    content: Mapping[str, Any], expected: Expected, problems: list[str]
) -> dict[object, int]:
    """Label by category id."""
    known = {name: index for index, name in enumerate(expected.classes.names)}
    known[UNLABELLED_CATEGORY] = UNLABELLED
    labels: dict[object, int] = {}
    for category in content.get("categories", ()):
        name = category.get("name")
        if name in known:
            labels[category.get("id")] = known[name]
        else:
            problems.append(
                f"expected categories named {', '.join(known)}, got {name!r}. Rename it, or add "
                "the class to the project."
            )
    return labels


def _paint(
    labels: Labels,
    annotation: Json,
    classes: Mapping[object, int],
    name: str,
    problems: list[str],
) -> None:
    """Write one annotation into the raster of its image."""
    where = f"annotation {annotation.get('id')!r} of {name!r}"
    if annotation.get("category_id") not in classes:
        problems.append(
            f"expected a category of the file in {where}, got {annotation.get('category_id')!r}. "
            "Add it to the file's categories."
        )
        return
    try:
        inside = _pixels(annotation.get("segmentation"), labels.shape)
    except (ShapeError, TypeError, ValueError, KeyError) as error:
        problems.append(
            f"expected a COCO segmentation (polygons, or RLE with size and counts) in {where}, "
            f"but: {error}. Export the file again."
        )
        return
    labels[inside] = classes[annotation["category_id"]]


def _pixels(segmentation: Any, shape: tuple[int, ...]) -> Bits:  # Any: JSON
    """Pixels of a segmentation in a raster of `shape`."""
    size = (shape[0], shape[1])
    if isinstance(segmentation, list):
        inside = np.zeros(size, np.bool_)
        for part in segmentation:  # several parts are one object, and may overlap
            corners = np.array(part, np.float64)
            if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2:
                raise ShapeError(f"a polygon of {len(corners)} numbers has no three corners")
            inside |= fill([corners.reshape(-1, 2)[:, ::-1]], size)
        return inside
    counts = segmentation["counts"]
    runs = text_to_runs(counts) if isinstance(counts, str) else counts
    if tuple(segmentation["size"]) != size:
        raise ShapeError(f"its size is {segmentation['size']!r}, that of the image {list(size)!r}")
    return decode_runs(runs, size)
