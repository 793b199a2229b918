"""COCO files as other tools write them, read without a guess."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter

from askmask.data.rasters import IMAGE_SUFFIXES
from askmask.errors import ExchangeError, ShapeError
from askmask.formats.coco.rle import decode_runs, text_to_runs
from askmask.formats.documents import (
    Identifier,
    JsonObject,
    Number,
    Whole,
    parse,
    problem,
    read_document,
    shown,
)
from askmask.formats.format import Expected, Intake
from askmask.formats.shapes import polygon_pixels
from askmask.records import Labels, Region

_NAMED: Final = 3  # images without annotations that a message names


class _Image(JsonObject):
    id: Identifier
    file_name: str
    height: Whole
    width: Whole


class _Category(JsonObject):
    id: Identifier
    name: str


class _Annotation(JsonObject):
    id: object = None
    image_id: Identifier
    category_id: Identifier
    segmentation: object = None


class _Document(JsonObject):
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


class _Rle(JsonObject):
    size: Annotated[list[Whole], Field(min_length=2, max_length=2)]
    counts: str | list[int]


_DOCUMENT: Final = TypeAdapter(_Document).validate_python
_POLYGONS: Final = TypeAdapter(list[list[Number]]).validate_python
_RLES: Final = TypeAdapter(list[_Rle]).validate_python

Bits = npt.NDArray[np.bool_]


def read_coco(
    path: Path,
    expected: Expected,
    *,
    labels: Mapping[str, int],
    empty: str | None,
) -> Intake:
    """Read a COCO file.

    Parameters
    ----------
    path : Path
        Of the file.
    expected : Expected
        Regions that it may label, and how to read what it leaves out.
    labels : mapping of str to int
        Label by the name of a category.
    empty : "background", "skip" or None
        As in `askmask.formats.coco.coco.Coco`.

    Raises
    ------
    ExchangeError
        With a line for everything that cannot be read, or fits nothing.
    """
    content = read_document(path)
    if isinstance(content, list):
        raise problem(
            f"expected a COCO file with images, annotations and categories in {str(path)!r}, "
            "got a list: the results of a detector, which name no image. Export annotations."
        )
    document = parse(_DOCUMENT, content, str(path))
    intake = Intake(expected)
    by_image = _by_image(document, intake.problems)
    label_of = _label_of(document, labels, intake.problems)
    without: list[str] = []
    for image in document.images:
        name = _stem(image.file_name)
        region = intake.region(name)
        if region is None or not intake.has_size(name, (image.height, image.width), region):
            continue
        annotations = by_image[image.id]
        if not annotations and expected.has_background and empty != "background":
            without.append(name)
            continue
        intake.keep(name, region, _painted(region, name, annotations, label_of, intake))
    _settle(without, empty, intake)
    return intake.finished(str(path))


def _by_image(document: _Document, problems: list[str]) -> dict[int | str, list[_Annotation]]:
    """Annotations by the id of their image."""
    found: dict[int | str, list[_Annotation]] = {}
    for image in document.images:
        if image.id in found:
            problems.append(
                f"expected each image id once, got {image.id!r} twice, the second time for "
                f"{shown(image.file_name)}. Number the images anew."
            )
        found[image.id] = []
    for annotation in document.annotations:
        if annotation.image_id in found:
            found[annotation.image_id].append(annotation)
        else:
            problems.append(
                f"expected the id of an image of the file as image_id of annotation "
                f"{shown(annotation.id)}, got {annotation.image_id!r}. Add the image, write the id "
                'as there (2 and "2" are not the same), or delete the annotation.'
            )
    return found


def _label_of(
    document: _Document, labels: Mapping[str, int], problems: list[str]
) -> dict[int | str, int]:
    """Label by category id; categories that no annotation uses may be called anything."""
    used = {annotation.category_id for annotation in document.annotations}
    names: dict[int | str, str] = {}
    for category in document.categories:
        if category.id in names and names[category.id] != category.name:
            problems.append(
                f"expected each category id once, got {category.id!r} for "
                f"{shown(names[category.id])} and {shown(category.name)}. Number them anew."
            )
        names[category.id] = category.name
    for category_id, name in names.items():
        if category_id in used and name not in labels:
            problems.append(
                f"expected categories named {', '.join(labels)}, got {shown(name)}. Rename it, or "
                "add the class to the project."
            )
    problems += [
        f"expected a category of the file in annotation {shown(annotation.id)}, got "
        f"{annotation.category_id!r}. Add it to the file's categories."
        for annotation in document.annotations
        if annotation.category_id not in names
    ]
    return {id_: labels[name] for id_, name in names.items() if name in labels}


def _stem(file_name: str) -> str:
    """Name of an image without folders, in the notation of any system, and without its ending."""
    name = file_name.replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in {*IMAGE_SUFFIXES, ".webp"} else name


def _painted(
    region: Region,
    name: str,
    annotations: Iterable[_Annotation],
    label_of: Mapping[int | str, int],
    intake: Intake,
) -> Labels:
    """Raster of an image, its annotations in the order of the file."""
    labels = np.full((region.height, region.width), intake.expected.rest, np.int16)
    for annotation in annotations:
        where = f"annotation {shown(annotation.id)} of {shown(name)}"
        try:
            inside = _pixels(annotation.segmentation, (region.height, region.width), where)
        except ExchangeError as error:
            intake.problems += error.problems
            continue
        except ShapeError as error:
            intake.problems.append(f"cannot draw {where}: {error}. Export the file again.")
            continue
        if not inside.any():
            intake.pass_over("shapes that cover no pixel's centre")
        if annotation.category_id in label_of:  # else told already
            labels[inside] = label_of[annotation.category_id]
    return labels


def _pixels(segmentation: object, size: tuple[int, int], where: str) -> Bits:
    """Pixels of a segmentation; several parts are one object, and may overlap."""
    if not segmentation:
        raise problem(
            f"expected an outline as segmentation of {where}, got {segmentation!r}: a box is no "
            "outline. Draw it, or delete the annotation."
        )
    if isinstance(segmentation, dict):
        segmentation = [segmentation]
    if isinstance(segmentation, list) and isinstance(segmentation[0], dict):
        rles = parse(_RLES, segmentation, where)
        return _union([_rle_pixels(rle, size) for rle in rles])
    if isinstance(segmentation, list) and not isinstance(segmentation[0], list):
        raise problem(
            f"expected a list of polygons as segmentation of {where}, got a flat list "
            f"{shown(segmentation)}. Put it into another pair of brackets: [[x1, y1, ...]]."
        )
    polygons = parse(_POLYGONS, segmentation, where)
    return _union([_polygon_pixels(polygon, size) for polygon in polygons])


def _union(parts: list[Bits]) -> Bits:
    union: Bits = np.logical_or.reduce(parts)
    return union


def _rle_pixels(rle: _Rle, size: tuple[int, int]) -> Bits:
    if rle.size != list(size):
        raise ShapeError(f"expected RLE of size {list(size)!r}, like its image, got {rle.size!r}")
    runs = text_to_runs(rle.counts) if isinstance(rle.counts, str) else rle.counts
    return decode_runs(runs, size)


def _polygon_pixels(numbers: list[float], size: tuple[int, int]) -> Bits:
    if len(numbers) < 6 or len(numbers) % 2:
        raise ShapeError(f"a polygon of {len(numbers)} numbers has no three corners")
    ring = np.array(numbers, np.float64).reshape(-1, 2)[:, ::-1]
    if (ring.max(0) < 0).any() or (ring.min(0) > size).any():
        raise ShapeError(f"a polygon lies outside of the image of {size} pixels")
    return polygon_pixels([ring], size)


def _settle(without: list[str], empty: str | None, intake: Intake) -> None:
    """Pass images without an annotation over, or ask what they are."""
    if not without:
        return
    if empty == "skip":
        intake.pass_over("images without an annotation", len(without))
        return
    named = ", ".join(shown(name) for name in without[:_NAMED])
    more = ", ..." if len(without) > _NAMED else ""
    intake.problems.append(
        f"expected annotations for every image, got none for {len(without)}: {named}{more}. If "
        "these show background only, import with --empty background; if nobody labelled them, "
        "with --empty skip."
    )
