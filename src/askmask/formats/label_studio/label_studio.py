"""Label Studio: tasks with brush labels, and its JSON export back.

::

    OUT/tasks.json           import it into a project; pictures are inside, or linked by a prefix
    OUT/label_config.xml     paste it as the project's labelling interface
    OUT/images/NAME.png      the pictures, only when they are linked

A prediction comes with its score, the mean probability of the predicted classes, by which the data
manager sorts. Paint "unlabelled" where you do not know. What no result covers is class 0 where
that is the background, else unlabelled. Where results overlap, the later one counts.
`askmask.formats.label_studio.reading` says what is read.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from askmask.data.rasters import encode_image
from askmask.formats.documents import read_document
from askmask.formats.format import Expected, Export, Intake, Item, class_pixels, crop
from askmask.formats.label_studio.brush_rle import encode_brush
from askmask.formats.label_studio.reading import UNLABELLED_LABEL, read_tasks
from askmask.formats.names import class_labels
from askmask.records import UNLABELLED, ClassMap, Labels

_CONTROL, _OBJECT = "tag", "image"
# Okabe & Ito 2008: told apart by colour-blind people, too
_COLORS: Final = ("#56b4e9", "#e69f00", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")

Json = dict[str, Any]  # Any: JSON


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

    def write(self, folder: Path, export: Export) -> int:
        """Write ``tasks.json`` and ``label_config.xml``."""
        folder.mkdir(parents=True, exist_ok=True)
        config = _label_config(export.classes, has_background=export.has_background)
        (folder / "label_config.xml").write_text(config, encoding="utf-8")
        count = 0
        with (folder / "tasks.json").open("w", encoding="utf-8") as file:
            for item in export.items:  # task by task: pictures of a large query do not pile up
                file.write("[\n" if count == 0 else ",\n")
                json.dump(self._task(folder, item, export), file)
                count += 1
            file.write("\n]\n" if count else "[]\n")
        return count

    def read(self, path: Path, expected: Expected) -> Intake:
        """Read an export of the kind "JSON" (or ``tasks.json`` in a folder)."""
        file = path / "tasks.json" if path.is_dir() else path
        return read_tasks(read_document(file), expected, str(file))

    def _task(self, folder: Path, item: Item, export: Export) -> Json:
        picture = encode_image(crop(export, item.region))
        if self.image_prefix is None:
            url = "data:image/png;base64," + base64.b64encode(picture).decode("ascii")
        else:
            (folder / "images").mkdir(exist_ok=True)
            (folder / "images" / f"{item.name}.png").write_bytes(picture)
            is_address = self.image_prefix.startswith(("http://", "https://", "/"))
            name = quote(item.name) if is_address else item.name
            url = f"{self.image_prefix}images/{name}.png"
        facts: Json = {"image": url, "name": item.name}
        if item.score is not None:
            facts["acquisition_score"] = item.score
        task: Json = {"data": facts}
        if item.labels is None:
            return task
        background = export.has_background
        results = brush_results(item.name, item.labels, export.classes, has_background=background)
        if export.is_prediction:
            score = {} if item.confidence is None else {"score": item.confidence}
            task["predictions"] = [{"model_version": export.model, **score, "result": results}]
        else:
            task["annotations"] = [{"result": results, "was_cancelled": False}]
        return task


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
    names = list(class_labels(classes, {UNLABELLED_LABEL}))
    brushes = {names[index]: pixels for index, pixels in found.items()}
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
    known = list(class_labels(classes, {UNLABELLED_LABEL}))
    names = [*known[1 if has_background else 0 :], UNLABELLED_LABEL]
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
