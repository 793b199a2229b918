"""Label Studio: tasks with brush labels, and its JSON export back.

::

    OUT/tasks.json           import it into a project; pictures are inside, or linked by a prefix
    OUT/label_config.xml     paste it as the project's labelling interface
    OUT/images/NAME.png      the pictures, only when they are linked

A prediction comes with its score, the mean probability of the predicted classes, by which the data
manager sorts. Paint "unlabelled" where you do not know. What no result covers is class 0 where
that is the background, else unlabelled. Where results overlap, the later one counts.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt

from askmask.data.rasters import encode_image
from askmask.errors import ShapeError
from askmask.formats.brush_rle import decode_brush, encode_brush
from askmask.formats.format import (
    Batch,
    Expected,
    Found,
    Item,
    class_pixels,
    crop,
    find_region,
    raise_problems,
    read_json,
)
from askmask.metrics.contours import fill
from askmask.records import UNLABELLED, ClassMap, Labels

UNLABELLED_LABEL: Final = "unlabelled"
_CONTROL, _OBJECT = "tag", "image"
# Okabe & Ito 2008: told apart by colour-blind people, too
_COLORS: Final = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")

Bits = npt.NDArray[np.bool_]
Json = dict[str, Any]  # Any: JSON
Fields = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """Reader and writer of Label Studio's JSON; see `askmask.formats.format.Format`.

    Parameters
    ----------
    image_prefix : str or None
        None puts each picture into its task, which opens without any storage set up. Else
        pictures are files, and a task names ``image_prefix + "images/NAME.png"``, for instance
        ``"/data/local-files/?d=askmask/"``.

    References
    ----------
    labelstud.io/guide/predictions, /guide/task_format and /tags/brushlabels.
    """

    image_prefix: str | None = None

    def write(self, folder: Path, batch: Batch) -> int:
        """Write ``tasks.json`` and ``label_config.xml``."""
        folder.mkdir(parents=True, exist_ok=True)
        config = _label_config(batch.classes, has_background=batch.has_background)
        (folder / "label_config.xml").write_text(config, encoding="utf-8")
        count = 0
        with (folder / "tasks.json").open("w", encoding="utf-8") as file:
            for item in batch.items:  # task by task: pictures of a large query do not pile up
                file.write("[\n" if count == 0 else ",\n")
                json.dump(self._task(folder, item, batch), file)
                count += 1
            file.write("\n]\n" if count else "[]\n")
        return count

    def read(self, path: Path, expected: Expected) -> list[Found]:
        """Read an export of the kind "JSON" (or ``tasks.json`` in a folder).

        A task counts by its newest annotation that was not skipped; tasks without one are left
        out. Brushes, polygons and rectangles are understood.
        """
        return read_tasks(read_json(path / "tasks.json" if path.is_dir() else path, list), expected)

    def _task(self, folder: Path, item: Item, batch: Batch) -> Json:
        picture = encode_image(crop(batch, item.region))
        if self.image_prefix is None:
            url = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
        else:
            (folder / "images").mkdir(exist_ok=True)
            (folder / "images" / f"{item.name}.png").write_bytes(picture)
            url = f"{self.image_prefix}images/{item.name}.png"
        facts: Json = {"image": url, "name": item.name}
        if item.score is not None:
            facts["acquisition_score"] = item.score
        task: Json = {"data": facts}
        if item.labels is None:
            return task
        background = batch.has_background
        results = brush_results(item.name, item.labels, batch.classes, has_background=background)
        if batch.is_prediction:
            score = {} if item.confidence is None else {"score": item.confidence}
            task["predictions"] = [{"model_version": batch.model, **score, "result": results}]
        else:
            task["annotations"] = [{"result": results, "was_cancelled": False}]
        return task


def read_tasks(tasks: Sequence[Any], expected: Expected) -> list[Found]:  # Any: JSON
    """Labels of tasks as Label Studio exports them, of their newest annotation that counts.

    Raises
    ------
    ExchangeError
        With a line for everything that cannot be read, or belongs to no region of the project.
    """
    problems: list[str] = []
    found = []
    for task in tasks:
        name, results = _newest_results(task)
        if results is None:
            continue
        region = find_region(name, expected, problems)
        if region is None:
            continue
        labels = np.full((region.height, region.width), expected.rest, np.int16)
        for result in results:
            _paint(labels, result, expected.classes, name, problems)
        found.append(Found(name, region, labels))
    raise_problems(problems)
    return found


def brush_results(
    name: str, labels: Labels, classes: ClassMap, *, has_background: bool
) -> list[Json]:
    """Results of a task: one brush per class, and one for the pixels without a label.

    Parameters
    ----------
    name : str
        Of the task; results' ids begin with it.
    labels : (H, W) int16
        Class indices or `UNLABELLED`.
    classes : ClassMap
        Names of the labels.
    has_background : bool
        Whether class 0 is left out.
    """
    found = class_pixels(labels, classes, has_background=has_background)
    brushes = {classes.names[index]: pixels for index, pixels in found.items()}
    if (labels == UNLABELLED).any():
        brushes[UNLABELLED_LABEL] = labels == UNLABELLED
    height, width = labels.shape
    return [
        {
            "id": f"{name}-{label}",
            "type": "brushlabels",
            "from_name": _CONTROL,
            "to_name": _OBJECT,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {"format": "rle", "rle": encode_brush(pixels), "brushlabels": [label]},
        }
        for label, pixels in brushes.items()
    ]


def _label_config(classes: ClassMap, *, has_background: bool) -> str:
    names = [*classes.names[1 if has_background else 0 :], UNLABELLED_LABEL]
    lines = [
        f'    <Label value={quoteattr(name)} background="{_COLORS[index % len(_COLORS)]}"/>'
        for index, name in enumerate(names)
    ]
    return "\n".join(
        [
            "<View>",
            f'  <Image name="{_OBJECT}" value="$image" zoom="true"/>',
            f'  <BrushLabels name="{_CONTROL}" toName="{_OBJECT}">',
            *lines,
            "  </BrushLabels>",
            "</View>",
            "",
        ]
    )


def _newest_results(task: Any) -> tuple[str, list[Any] | None]:  # Any: JSON
    """Name of a task's picture, and the results of its newest annotation that counts."""
    facts = task.get("data", {}) if isinstance(task, Mapping) else {}
    name = str(facts.get("name", facts.get("image")))
    kept = [
        annotation
        for annotation in (task.get("annotations") or () if isinstance(task, Mapping) else ())
        if not annotation.get("was_cancelled")
    ]
    if not kept:
        return name, None
    newest = max(kept, key=lambda annotation: str(annotation.get("updated_at", "")))
    results = newest.get("result", [])
    return name, results if isinstance(results, list) else [results]


def _paint(labels: Labels, result: Any, classes: ClassMap, name: str, problems: list[str]) -> None:
    """Write one result (Any: JSON) into the raster of its picture."""
    if not isinstance(result, Mapping) or not isinstance(result.get("value", {}), Mapping):
        problems.append(f"expected a result of an annotation of {name!r}, got {result!r:.80}.")
        return
    kind, value = str(result.get("type")), result.get("value", {})
    where = f"result {result.get('id')!r} of {name!r}"
    known = {name: index for index, name in enumerate(classes.names)}
    known[UNLABELLED_LABEL] = UNLABELLED
    chosen = [label for label in value.get(kind, ()) if label in known]
    if len(chosen) != 1:
        problems.append(
            f"expected one label of {', '.join(known)} in {where}, got {value.get(kind)!r}. Give "
            "each brush, polygon or rectangle one label of the exported interface."
        )
        return
    try:
        inside = _pixels(kind, value, result, (labels.shape[0], labels.shape[1]))
    except (ShapeError, TypeError, ValueError, KeyError) as error:
        problems.append(f"cannot read {where}: {error}")
        return
    labels[inside] = known[chosen[0]]


def _pixels(kind: str, value: Fields, result: Fields, shape: tuple[int, int]) -> Bits:
    size = (result.get("original_height"), result.get("original_width"))
    if size != shape:
        raise ShapeError(f"expected a picture of {shape}, got one of {size}. Keep its size.")
    if kind == "brushlabels":
        return decode_brush(value["rle"], shape)
    if kind == "polygonlabels":
        corners = np.array(value["points"], np.float64)
    elif kind == "rectanglelabels" and not value.get("rotation"):
        left, top = value["x"], value["y"]
        right, bottom = left + value["width"], top + value["height"]
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    else:
        raise ShapeError(
            f"expected a brush, a polygon or an upright rectangle, got {kind!r}. Draw it anew."
        )
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3:
        raise ShapeError(f"expected three corners or more, got {corners.shape}. Draw it anew.")
    return fill([corners[:, ::-1] / 100 * np.array(shape, np.float64)], shape)  # from per cent
