"""QuPath's GeoJSON, read without a guess.

A file holds a FeatureCollection, a list of features, or one feature. Annotations with a class are
read; detections, cells and tiles are passed over and counted. The rectangles "Region*" of an export
say what was looked at, so they must lie where they were.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import Field, TypeAdapter

from askmask.errors import ExchangeError, ShapeError
from askmask.formats.documents import JsonObject, Number, parse, problem, read_document, shown
from askmask.formats.format import Expected, Intake
from askmask.formats.names import class_labels
from askmask.formats.qupath.on_slides import (
    frame_in_file,
    in_field,
    is_rectangle,
    on_slide,
    parts_of_rectangle,
    slide_called,
)
from askmask.formats.shapes import polygon_pixels
from askmask.metrics.contours import Ring
from askmask.records import UNLABELLED, ClassMap, Labels, Region

IGNORE: Final = "Ignore*"
REGION: Final = "Region*"
_ANNOTATION: Final = "annotation"
_HALF: Final = 0.5  # pixels by which a rectangle may be off: its programs round

Position = Annotated[list[Number], Field(min_length=2)]
Rings = Annotated[list[Annotated[list[Position], Field(min_length=3)]], Field(min_length=1)]


class _Classification(JsonObject):
    name: str | None = None
    names: list[str] | None = None  # of a class and its sub-classes, from version 0.4 on


class _Properties(JsonObject):
    object_type: str | None = Field(_ANNOTATION, alias="objectType")
    classification: _Classification | None = None
    name: str | None = None


class _Geometry(JsonObject):
    type: str
    coordinates: object = None


class _Feature(JsonObject):
    type: Literal["Feature"] = "Feature"
    geometry: _Geometry
    properties: _Properties | None = None


class _Collection(JsonObject):
    features: list[object]


_FEATURE: Final = TypeAdapter(_Feature).validate_python
_COLLECTION: Final = TypeAdapter(_Collection).validate_python
_POLYGON: Final = TypeAdapter(Rings).validate_python
_POLYGONS: Final = TypeAdapter(Annotated[list[Rings], Field(min_length=1)]).validate_python


@dataclass(slots=True, eq=False)
class _Drawn:
    """Content of a file: regions by name, and labelled polygons in the order of the file."""

    rectangles: int = 0  # of the class Region*, those of images that are passed over included
    regions: dict[str, Region] = field(default_factory=dict)
    polygons: list[tuple[int, list[Ring], str]] = field(default_factory=list)


def class_words(classes: ClassMap) -> dict[str, int]:
    """Index of every class by the name that QuPath shows.

    QuPath takes "Tumor:Positive" apart at the colon, and joins the parts as "Tumor: Positive".

    Raises
    ------
    ExchangeError
        If QuPath cannot tell two classes apart.
    """
    words: dict[str, int] = {}
    for name, index in class_labels(classes, {IGNORE, REGION}).items():
        word = _joined(name.split(":"))
        if word in words:
            raise problem(
                f"expected class names that differ in QuPath, got {classes.names[words[word]]!r} "
                f"and {classes.names[index]!r}, which are both {word!r} there. Rename one."
            )
        words[word] = index
    return words


def read_geojson(path: Path, expected: Expected, *, area: str | None) -> Intake:
    """Read a GeoJSON file, or every one in a folder.

    Parameters
    ----------
    path : Path
        File or folder.
    expected : Expected
        Regions that it may label, and how to read what it leaves out.
    area : "image", "regions" or None
        As in `askmask.formats.qupath.qupath.QuPath`.

    Raises
    ------
    ExchangeError
        With a line for everything that cannot be read, or belongs to no region of the project.
    """
    files = sorted(path.glob("*.geojson")) if path.is_dir() else [path]
    if not files:
        raise problem(f"expected files *.geojson in {str(path)!r}, found none. Export annotations.")
    intake = Intake(expected)
    for file in files:
        try:
            features = _features(read_document(file), file.name)
        except ExchangeError as error:
            intake.problems += error.problems
            continue
        drawn = _drawn(features, file, intake)
        _refuse_other_image(drawn, file, intake)
        _ask_for_area(drawn, file, area, intake)
        for name, region in drawn.regions.items():
            intake.keep(name, region, _painted(region, drawn, intake))
    return intake.finished(str(path))


def _features(content: object, where: str) -> list[object]:
    """Features of a collection, of a list, or of one feature alone."""
    if isinstance(content, list):
        return content
    if isinstance(content, dict) and content.get("type") == "Feature":
        return [content]
    return parse(_COLLECTION, content, where).features


def _drawn(features: Sequence[object], file: Path, intake: Intake) -> _Drawn:
    drawn, where = _Drawn(), file.name
    slide = slide_called(file.stem, intake.expected)
    known = class_words(intake.expected.classes) | {IGNORE: UNLABELLED}
    for number, entry in enumerate(features):
        here = f"feature {number} of {where}"
        try:
            feature = parse(_FEATURE, entry, here)
            facts = feature.properties or _Properties()
            if facts.object_type not in {None, _ANNOTATION}:
                intake.pass_over(f"objects of type {shown(facts.object_type)}")
                continue
            word = _word(facts.classification)
            if word == REGION:
                polygons = _rings(feature.geometry, here)
                if slide is not None and str(facts.name) not in intake.expected.regions:
                    _add_rectangle(drawn, polygons, slide, here, intake)
                else:
                    _add_region(drawn, str(facts.name), polygons, here, intake)
            elif word in known:
                polygons = _rings(feature.geometry, here)
                drawn.polygons += [(known[word], rings, here) for rings in polygons]
            else:
                raise problem(
                    f"expected annotations of the classes {', '.join(known)}, got {shown(word)} "
                    f"in {here}. Set its class in QuPath."
                )
        except ExchangeError as error:
            intake.problems += error.problems
    return drawn


def _word(classification: _Classification | None) -> str | None:
    """Name of a class, with its sub-classes as QuPath joins them; None if it has none."""
    if classification is None:
        return None
    if classification.names is not None:
        return _joined(classification.names)
    return None if classification.name is None else _joined(classification.name.split(":"))


def _joined(names: Sequence[str]) -> str:
    return ": ".join(name.strip() for name in names)


def _rings(geometry: _Geometry, where: str) -> list[list[Ring]]:
    """Rings (row, col) of every polygon of a geometry."""
    if geometry.type == "Polygon":
        polygons = [parse(_POLYGON, geometry.coordinates, where)]
    elif geometry.type == "MultiPolygon":
        polygons = parse(_POLYGONS, geometry.coordinates, where)
    else:
        raise problem(
            f"expected a Polygon or a MultiPolygon, got {shown(geometry.type)} in {where}. "
            "Convert it to a polygon in QuPath, or delete it."
        )
    return [
        [np.array([point[1::-1] for point in ring], np.float64) for ring in rings]
        for rings in polygons
    ]


def _add_region(
    drawn: _Drawn, name: str, polygons: list[list[Ring]], where: str, intake: Intake
) -> None:
    """Take a rectangle as a region, if it lies where the export drew it."""
    drawn.rectangles += 1
    region = intake.region(name)
    if region is None:
        return
    corners = np.concatenate([ring for rings in polygons for ring in rings])
    frame = frame_in_file(intake.expected.frames, region.image_id)
    found = (*corners.min(0), *corners.max(0))
    bottom, right = region.row + region.height, region.col + region.width
    ends = on_slide(np.array([(region.row, region.col), (bottom, right)], np.float64), frame)
    meant = tuple(int(v) if v.is_integer() else v for v in ends.ravel().round(2).tolist())
    off = max(abs(one - other) for one, other in zip(found, meant, strict=True))
    if off > _HALF * max(frame.scale, 1):
        intake.problems.append(
            f"expected the rectangle {shown(name)} at rows and columns {meant} in {where}, got "
            f"{tuple(round(float(v), 2) for v in found)}: it was moved or resized, or lies on "
            "another image. Import the exported file again, and leave the rectangle where it is."
        )
    drawn.regions[name] = region


def _add_rectangle(
    drawn: _Drawn, polygons: list[list[Ring]], slide: str, where: str, intake: Intake
) -> None:
    """Take a rectangle that a person drew on a slide as regions, one in each of its fields."""
    drawn.rectangles += 1
    if len(polygons) != 1 or len(polygons[0]) != 1 or not is_rectangle(polygons[0][0]):
        intake.problems.append(
            f"expected a rectangle of the class {REGION} in {where}, got another shape. Draw one "
            "rectangle around what you looked at."
        )
        return
    parts = parts_of_rectangle(polygons[0][0], slide, intake.expected)
    if not parts:
        intake.problems.append(
            f"expected rectangles of the class {REGION} on the tissue of {slide!r}, got one in "
            f"{where} that lies beside it. Delete it, or take all of the slide: askmask init with "
            "--tissue none."
        )
    for number, region in enumerate(parts, start=1):
        drawn.regions[f"{where}, part {number}"] = region


def _refuse_other_image(drawn: _Drawn, file: Path, intake: Intake) -> None:
    """Tell of rectangles of one image in the file of another one."""
    home = intake.expected.regions.get(file.stem)
    slide = slide_called(file.stem, intake.expected)
    for name, region in drawn.regions.items():
        if (
            slide is not None
            and frame_in_file(intake.expected.frames, region.image_id).name != slide
        ):
            intake.problems.append(
                f"expected rectangles of slide {slide!r} in {file.name!r}, got {shown(name)} of "
                f"{region.image_id!r}. Import each file on its own slide."
            )
        if home is not None and home.image_id != region.image_id:
            intake.problems.append(
                f"expected rectangles of image {home.image_id!r} in {file.name!r}, got "
                f"{shown(name)} of {region.image_id!r}. Import each file on its own image."
            )


def _ask_for_area(drawn: _Drawn, file: Path, area: str | None, intake: Intake) -> None:
    """Settle what was looked at in a file without a rectangle."""
    if drawn.rectangles:
        return
    if not drawn.polygons:
        intake.pass_over("files without an annotation")
    elif area != "regions" and slide_called(file.stem, intake.expected) is not None:
        intake.problems.append(
            f"expected a rectangle of the class {REGION} around what was looked at in "
            f"{file.name!r}, found none: a whole slide is never taken as looked at, also not with "
            "--area image. Draw one in QuPath."
        )
    elif area == "image":
        region = intake.region(file.stem)
        if region is not None:
            drawn.regions[file.stem] = region
    elif area == "regions":
        intake.pass_over("files without a rectangle of the class Region*")
    else:
        intake.problems.append(
            f"expected a rectangle of the class {REGION} in {file.name!r}, which says what was "
            "looked at, found none. If that is the whole image, import with --area image; if such "
            "a file has no answer, with --area regions."
        )


def _painted(region: Region, drawn: _Drawn, intake: Intake) -> Labels:
    """Raster of a region, from the parts of the polygons that lie in it."""
    origin = np.array([region.row, region.col], np.float64)
    frame = frame_in_file(intake.expected.frames, region.image_id)
    shape = (region.height, region.width)
    labels = np.full(shape, intake.expected.rest, np.int16)
    for value, rings, where in drawn.polygons:
        placed = [in_field(ring, frame) - origin for ring in rings]
        if (placed[0].max(0) <= 0).any() or (placed[0].min(0) >= shape).any():
            continue
        try:
            labels[polygon_pixels(placed, shape)] = value
        except ShapeError as error:
            intake.problems.append(f"cannot draw {where}: {error}. Draw it anew.")
    return labels
