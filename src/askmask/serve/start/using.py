"""Jobs that use a project: predict, export, import; each runs in a process of its own."""

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from askmask.data.masks import MaskKind
from askmask.data.pictures.picture import Orientation, WhiteIsZero
from askmask.data.prepare.mask_options import FIND_OUT, MaskOptions
from askmask.data.prepare.said import own_range, reading
from askmask.data.prepare.stored_files import list_images
from askmask.data.slides.slide_set import is_slide_set
from askmask.errors import PrepareError, ProjectError
from askmask.formats.by_name import FormatOptions
from askmask.loop.exchange import KEPT, export_project, import_answers
from askmask.loop.project import Project

if TYPE_CHECKING:
    from askmask.serve.start.work import StepWriter

Tree = dict[str, Any]  # Any: what JSON holds
LISTED: Final = 50
"""So many images of a prediction are listed on the page; all are in the table of the file."""


def predict_images(request: Tree, teller: "StepWriter") -> Tree:
    """Predict images by the newest model, as ``askmask predict`` does; the result is a zip."""
    from askmask.loop.predict import predict_files  # loads torch

    teller.step("loading the model")
    files = list_images(Path(request["images"]))
    orientation = Orientation(request["orientation"])
    out = Path(request["out"])
    with Project.open(Path(request["project"])) as project:
        _refuse_slides(project)
        found = predict_files(
            project.model(),
            files,
            out,
            reading=reading(orientation, request["channels"], None),
            value_range=own_range(request["value_range"]),
            report=teller.listener(),
        )
        names = list(project.source.classes.names)
    if not found.images:
        raise PrepareError(found.problems)
    return {
        "file": _zipped(out, teller),
        "classes": names,
        "predicted": len(found.images),
        "problems": found.problems,
        "images": [
            {
                "image": line.image,
                "shares": list(line.shares),
                "confidence": line.mean_confidence,
                "expected_accuracy": line.expected_accuracy,
                "objects": line.objects,
            }
            for line in found.images[:LISTED]
        ],
    }


def _refuse_slides(project: Project) -> None:
    path = project.config.data.path
    if path is not None and is_slide_set(path):
        raise ProjectError(
            "this project is of slides, whose predictions are too large for a download. Use the "
            f"command: askmask predict {project.root} SLIDES OUT"
        )


def export_labels(request: Tree, teller: "StepWriter") -> Tree:
    """Write queries, answers or predictions for another program; the result is a zip."""
    out = Path(request["out"])
    teller.step("writing")
    with Project.open(Path(request["project"])) as project:
        count = export_project(
            project, out, what=request["what"], format_name=request["format"], options=None
        )
    return {"file": _zipped(out, teller), "count": count}


def take_labels_in(request: Tree, teller: "StepWriter") -> Tree:
    """Take labels of another program in, as ``askmask import`` does."""
    teller.step("reading")
    is_png = request["format"] == "png"
    masks = _masks(request) if is_png else FIND_OUT
    options = FormatOptions(
        empty=request["empty"], area=request["area"], masks=None if masks == FIND_OUT else masks
    )
    with Project.open(Path(request["project"])) as project:
        imported = import_answers(
            project,
            Path(request["path"]),
            format_name=request["format"],
            author=request["author"],
            options=options,
            skip_kept_apart=request["skip_kept_apart"],
        )
    reasons = Counter(item.outcome for item in imported.items if item.outcome != KEPT)
    return {
        "kept": imported.kept,
        "items": len(imported.items),
        "passed_over": dict(imported.passed_over),
        "not_kept": dict(reasons),
    }


def _masks(request: Tree) -> MaskOptions:
    said = request["options"]
    white = said["white_is_zero"]
    orientation = said["orientation"]
    kind = said["kind"]
    return MaskOptions(
        kind=kind if kind == "auto" else MaskKind(kind).value,
        ignore_value=said["ignore_value"],
        threshold=said["threshold"],
        reading=reading(
            None if orientation is None else Orientation(orientation),
            None,
            None if white is None else WhiteIsZero(white),
        ),
    )


def _zipped(folder: Path, teller: "StepWriter") -> str:
    """Zip of a folder, beside it; the folder is removed."""
    teller.step("packing")
    packed = shutil.make_archive(str(folder), "zip", root_dir=folder)
    shutil.rmtree(folder)
    return packed
