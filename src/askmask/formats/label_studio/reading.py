"""Label Studio's tasks with their annotations, read without a guess.

A task counts by its newest annotation that was not skipped. Brushes, polygons, rectangles and
ellipses with one label are drawn, turned ones too; choices, texts, ratings, relations, comments
and whatever else says nothing about pixels are passed over and counted.

`image_rotation` is how the picture was turned on the screen while a person drew. Label Studio keeps
coordinates in per cent of the picture as it is stored, ``original_width`` x ``original_height``, so
they need no turning back.

References
----------
labelstud.io/guide/task_format, /guide/export ("Units of image annotations"), /tags/rectanglelabels
("Rotation"), /tags/ellipselabels, /tags/brushlabels, /tags/labels.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import Field, TypeAdapter

from askmask.errors import ExchangeError, ShapeError
from askmask.formats.documents import Identifier, JsonObject, Number, Whole, parse, problem, shown
from askmask.formats.format import Expected, Intake
from askmask.formats.label_studio.brush_rle import decode_brush
from askmask.formats.names import class_labels
from askmask.formats.shapes import ellipse_pixels, polygon_pixels, rectangle_corners
from askmask.records import UNLABELLED, Labels

UNLABELLED_LABEL: Final = "unlabelled"
_LABELS: Final = "labels"
_SHAPES: Final = ("brush", "polygon", "rectangle", "ellipse")
_ENDING: Final = "labels"  # "brushlabels" is a brush with labels of its own
_WITHOUT_PIXELS: Final = frozenset({"keypoint", "vector"})
_UNREADABLE: Final = frozenset({"bitmask", "magicwand", "cuboid", "ocr"})
_QUARTER: Final = 90


Percent = Annotated[Number, Field(ge=-1e6, le=1e6)]  # degrees, too


class _Annotation(JsonObject):
    result: list[object]
    was_cancelled: bool | None = None
    updated_at: str | None = None
    comments: object = None


class _Data(JsonObject):
    name: str | None = None
    image: str | None = None


class _Task(JsonObject):
    data: _Data
    annotations: list[_Annotation] | None = None


class _Result(JsonObject):
    type: str
    id: Identifier | None = None
    value: dict[str, object] = Field(default_factory=dict)
    original_width: Whole | None = None
    original_height: Whole | None = None
    image_rotation: Number | None = 0.0


class _Brush(JsonObject):
    format: str = "rle"
    rle: list[Any]  # Any: checked when it is decoded, number by number


_Point = Annotated[list[Percent], Field(min_length=2, max_length=2)]


class _Polygon(JsonObject):
    points: Annotated[list[_Point], Field(min_length=3)]
    closed: bool | None = True


class _Rectangle(JsonObject):
    x: Percent
    y: Percent
    width: Percent
    height: Percent
    rotation: Percent = 0.0


class _Ellipse(JsonObject):
    x: Percent
    y: Percent
    radiusX: Percent  # noqa: N815 - as Label Studio writes it
    radiusY: Percent  # noqa: N815
    rotation: Percent = 0.0


_TASK: Final = TypeAdapter(_Task).validate_python
_RESULT: Final = TypeAdapter(_Result).validate_python
_BRUSH: Final = TypeAdapter(_Brush).validate_python
_POLYGON: Final = TypeAdapter(_Polygon).validate_python
_RECTANGLE: Final = TypeAdapter(_Rectangle).validate_python
_ELLIPSE: Final = TypeAdapter(_Ellipse).validate_python

Bits = npt.NDArray[np.bool_]


def read_tasks(content: object, expected: Expected, where: str) -> Intake:
    """Labels of tasks, of the newest annotation of each that counts.

    Parameters
    ----------
    content : object
        What the file holds, as `askmask.formats.documents.read_document` gives it.
    expected : Expected
        Regions that it may label, and how to read what it leaves out.
    where : str
        What to call the file in messages.

    Raises
    ------
    ExchangeError
        With a line for everything that cannot be read, or belongs to no region of the project.
    """
    if not isinstance(content, list):
        raise problem(
            f"expected a list of tasks in {where!r}, got {shown(content)}. Export the "
            "annotations as JSON."
        )
    intake = Intake(expected)
    for number, entry in enumerate(content):
        told = _other_format(entry)
        if told is not None:
            intake.problems.append(f"expected Label Studio's JSON in {where!r}, got {told}")
            break  # every task of the file is of one form
        try:
            task = parse(_TASK, entry, f"task {number} of {where}")
        except ExchangeError as error:
            intake.problems += error.problems
            continue
        _read_task(task, intake)
    return intake.finished(where)


def _other_format(entry: object) -> str | None:
    """Name of another form of a task, and what to do; None for the form that is read."""
    if not isinstance(entry, Mapping):
        return None
    if "completions" in entry:
        return (
            '"completions" of a version before 1.0. Import the file into a newer Label Studio, and '
            "export it from there as JSON."
        )
    if "data" not in entry and {"annotation_id", "annotator", "updated_at"} & entry.keys():
        return 'its short form "JSON-MIN". Export the annotations as JSON.'
    return None


def _read_task(task: _Task, intake: Intake) -> None:
    name = str(task.data.name if task.data.name is not None else task.data.image)
    annotations = task.annotations or []
    intake.pass_over(
        "comments", sum(len(a.comments) for a in annotations if isinstance(a.comments, list))
    )
    kept = [annotation for annotation in annotations if not annotation.was_cancelled]
    intake.pass_over("skipped annotations", len(annotations) - len(kept))
    if not kept:
        intake.pass_over("tasks without an annotation")
        return
    region = intake.region(name)
    newest = _newest(kept, name, intake)
    if region is None or newest is None:
        return
    intake.pass_over("older annotations", len(kept) - 1)
    labels = np.full((region.height, region.width), intake.expected.rest, np.int16)
    _paint(labels, newest.result, name, intake)
    intake.keep(name, region, labels)


def _newest(annotations: list[_Annotation], name: str, intake: Intake) -> _Annotation | None:
    """Return the annotation that was changed last; None, with a problem, if that is not told."""
    if len(annotations) == 1:
        return annotations[0]
    moments = [_moment(annotation.updated_at) for annotation in annotations]
    known = [moment for moment in moments if moment is not None]
    if len(known) == len(moments) == len(set(known)):
        return annotations[known.index(max(known))]
    intake.problems.append(
        f"expected a different time as updated_at of each annotation of {shown(name)}, got "
        f"{shown([a.updated_at for a in annotations])}, so which one counts is not told. Delete "
        "the others."
    )
    return None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _paint(labels: Labels, results: list[object], name: str, intake: Intake) -> None:
    """Write the results of an annotation into the raster of its picture."""
    parsed = []
    for entry in results:
        if isinstance(entry, Mapping) and entry.get("type") == "relation":
            intake.pass_over("relations")
            continue
        try:
            parsed.append(parse(_RESULT, entry, f"a result of {name}"))
        except ExchangeError as error:
            intake.problems += error.problems
    named = {r.id: r for r in parsed if r.type == _LABELS and r.id is not None}
    drawn: set[int | str | None] = set()
    for result in parsed:
        kind = result.type.removesuffix(_ENDING)
        if kind in _SHAPES:
            drawn.add(result.id)
            label = None if result.id is None else named.get(result.id)
            _paint_shape(labels, result, label, name, intake)
        elif kind in _UNREADABLE:
            intake.problems.append(
                f"expected brushes, polygons, rectangles or ellipses, got {shown(result.type)} in "
                f"{shown(name)}. Draw it anew with one of these tools."
            )
        elif result.type != _LABELS:
            what = "points" if kind in _WITHOUT_PIXELS else f"results of type {shown(result.type)}"
            intake.pass_over(what)
    intake.pass_over("labels without a shape", len(named.keys() - drawn))


def _paint_shape(
    labels: Labels, result: _Result, label: _Result | None, name: str, intake: Intake
) -> None:
    """Write one shape; its label stands in itself, or in the result `label` of the same id."""
    where = f"result {shown(result.id)} of {shown(name)}"
    known = {**class_labels(intake.expected.classes, {UNLABELLED_LABEL})}
    known[UNLABELLED_LABEL] = UNLABELLED
    holder = result if result.type.endswith(_ENDING) or label is None else label
    chosen = holder.value.get(holder.type)
    is_one = isinstance(chosen, list) and len(chosen) == 1 and isinstance(chosen[0], str)
    index = known.get(chosen[0]) if is_one and isinstance(chosen, list) else None
    if index is None:
        intake.problems.append(
            f"expected one label of {', '.join(known)} in {where}, got {shown(chosen)}. Give each "
            "shape one label of the exported interface."
        )
        return
    try:
        inside = _pixels(result, (labels.shape[0], labels.shape[1]), where)
    except ExchangeError as error:
        intake.problems += error.problems
        return
    except ShapeError as error:
        intake.problems.append(f"cannot draw {where}: {error}. Draw it anew.")
        return
    if not inside.any():
        intake.pass_over("shapes that cover no pixel's centre")
    labels[inside] = index


def _pixels(result: _Result, shape: tuple[int, int], where: str) -> Bits:
    """Pixels of a shape in a picture of (H, W) = `shape`."""
    told = (result.original_height, result.original_width)
    if told != shape:
        raise ShapeError(f"expected a picture of {shape}, got one of {told}")
    if (result.image_rotation or 0.0) % _QUARTER:
        raise ShapeError(
            "expected a picture turned by 0, 90, 180 or 270 degrees, got image_rotation "
            f"{result.image_rotation}"
        )
    rows, cols = shape[0] / 100, shape[1] / 100  # of one per cent
    match result.type.removesuffix(_ENDING):
        case "brush":
            brush = parse(_BRUSH, result.value, where)
            if brush.format != "rle":
                raise ShapeError(f"expected a brush of format 'rle', got {shown(brush.format)}")
            return decode_brush(brush.rle, shape)
        case "polygon":
            outline = parse(_POLYGON, result.value, where)
            if outline.closed is False:
                raise ShapeError("expected a closed polygon, got an open line")
            ring = np.array(outline.points, np.float64)[:, ::-1] * (rows, cols)
            return polygon_pixels([ring], shape)
        case "rectangle":
            box = parse(_RECTANGLE, result.value, where)
            corner, size = (box.y * rows, box.x * cols), (box.height * rows, box.width * cols)
            return polygon_pixels([rectangle_corners(corner, size, box.rotation)], shape)
        case _:
            oval = parse(_ELLIPSE, result.value, where)
            centre, radii = (
                (oval.y * rows, oval.x * cols),
                (oval.radiusY * rows, oval.radiusX * cols),
            )
            return ellipse_pixels(centre, radii, oval.rotation, shape)
