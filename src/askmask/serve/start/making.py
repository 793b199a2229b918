"""Jobs that look at images and make projects; each runs in a process of its own."""

import base64
import io
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from askmask.data.class_colours import class_colours
from askmask.data.masks import Overlaps
from askmask.data.pictures.picture import Orientation, WhiteIsZero
from askmask.data.prepare.contact_sheet import SHOWN, Cell, cells
from askmask.data.prepare.folder import PrepareOptions, make_plan
from askmask.data.prepare.kinds import survey_masks
from askmask.data.prepare.overview import Overview, look
from askmask.data.prepare.said import folder_options, reading
from askmask.data.prepare.writing import Plan, Ticks
from askmask.errors import PrepareError
from askmask.loop.begin.create import ImageFolders, create_project
from askmask.loop.begin.example import begin_example, is_example
from askmask.serve.start.known import note_project

if TYPE_CHECKING:
    from askmask.serve.start.work import StepWriter

Tree = dict[str, Any]  # Any: what JSON holds
MOST_PROBLEMS: Final = 40
"""So many problems are shown; more are counted."""


def make_example_project(request: Tree, teller: "StepWriter") -> Tree:
    """Make the example, unless it is there."""
    root = Path(request["root"])
    if not is_example(root):
        teller.step("drawing tissue and choosing settings, some seconds")
        begin_example(root)
    note_project(root)
    return {"root": str(root)}


def check_files(request: Tree, teller: "StepWriter") -> Tree:
    """Tell what would be read of images and masks, as ``askmask check`` does."""
    images, masks = _folders(request)
    options = replace(_options(request), allow_missing_masks=True)
    options.masks.check()
    problems: list[str] = []
    try:
        plan = make_plan(images, masks, options, problems)
    except PrepareError as error:
        return {"problems": list(error.problems), "images": [], "masks": [], "pictures": []}
    if masks is None:  # classes are named in the step after this one
        problems = [problem for problem in problems if not problem.startswith("classes:")]
    ticks = Ticks(2 * len(plan.items), teller.counting("looking at images and masks"))
    overview = look(plan, problems, on_item=ticks.advance)
    teller.step("drawing small pictures")
    return {
        **_facts(overview),
        "pictures": [_picture(cell) for cell in cells(overview, SHOWN)],
        "colours_found": _colours(plan, options),
    }


def make_project(request: Tree, teller: "StepWriter") -> Tree:
    """Make a project, as ``askmask init`` does."""
    images, masks = _folders(request)
    root = Path(request["root"])
    begun = create_project(
        root,
        folders=ImageFolders(images, masks, _options(request)),
        overrides=list(request["settings"]),
        progress=teller.counting("checking and copying images"),
        on_prepared=lambda _: teller.step("choosing settings that fit, some seconds"),
    )
    note_project(root)
    return {"root": str(root), **asdict(begun)}


def _folders(request: Tree) -> tuple[Path, Path | None]:
    masks = request.get("masks")
    return Path(request["images"]), None if masks is None else Path(masks)


def _options(request: Tree) -> PrepareOptions:
    said = request["options"]
    options = folder_options(
        kind=said["kind"],
        mask_suffix=said["mask_suffix"],
        ignore_value=said["ignore_value"],
        threshold=said["threshold"],
        overlaps=None if said["overlaps"] is None else Overlaps(said["overlaps"]),
        value_range=said["value_range"],
        files=reading(
            None if said["orientation"] is None else Orientation(said["orientation"]),
            said["channels"],
            None if said["white_is_zero"] is None else WhiteIsZero(said["white_is_zero"]),
        ),
        scale=said["scale"],
    )
    classes = request["classes"]
    if not classes:
        return options
    names = tuple(str(cls["name"]) for cls in classes)
    palette = None
    if said["kind"] == "palette":
        palette = {cls["name"]: _colour(cls["colour"]) for cls in classes}
    return replace(options, classes=names, palette=palette)


def _colour(text: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _hex(colour: tuple[int, int, int]) -> str:
    return "#" + bytes(colour).hex()


def _colours(plan: Plan, options: PrepareOptions) -> list[str]:
    """Colours of masks whose kind is not clear: a person may say which class each is."""
    files = [item.mask for item in plan.items if item.mask is not None]
    if plan.rule is not None or not files:
        return []
    found = survey_masks(files, options.reading).colours
    return [_hex(colour) for colour in sorted(found)] if len(found) <= 64 else []


def _facts(overview: Overview) -> Tree:
    sizes = overview.object_pixels
    problems = overview.problems
    more = len(problems) - MOST_PROBLEMS
    told = [*problems[:MOST_PROBLEMS], *([f"and {more} more."] if more > 0 else [])]
    names = overview.plan.class_names
    return {
        "images": [asdict(group) for group in overview.images],
        "masks": [asdict(group) for group in overview.masks],
        "kind": None if overview.plan.rule is None else overview.plan.rule.kind.value,
        "images_found": len(overview.items),
        "images_without_mask": sum(not seen.item.has_mask for seen in overview.items),
        "classes": _classes(names, overview.class_pixels),
        "unlabelled_pixels": overview.unlabelled_pixels,
        "objects": int(sizes.size),
        "middle_object": float(np.median(sizes)) if sizes.size else None,
        "problems": told,
    }


def _classes(names: tuple[str, ...], pixels: Mapping[str, int]) -> list[Tree]:
    colours = class_colours(len(names))
    return [
        {"name": name, "colour": _hex(colour), "pixels": pixels.get(name, 0)}
        for name, colour in zip(names, colours, strict=True)
    ]


def _picture(cell: Cell) -> Tree:
    buffer = io.BytesIO()
    Image.fromarray(cell.picture).save(buffer, format="PNG")
    address = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"address": address, "lines": list(cell.lines)}
