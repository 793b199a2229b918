"""A query as plain files, to be painted in any program, and the painted masks back as answers.

::

    queries/round_003/
      query.json                    the regions, in order
      001_train_7.png               the region as it is
      001_train_7_context.png       the whole image with the region drawn in
      001_train_7_score.tif         acquisition score per pixel of the region, float32
      001_train_7_prediction.png    the model's labels in colours: a mask to start from
      001_train_7_mask.png          what you save: the same colours or indices, 255 = do not know

`write_query` makes all but the last; `read_answers` reads the last.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageDraw

from askmask.data.class_colours import colour_table
from askmask.data.masks import MaskRule
from askmask.data.prepare.mask_options import MaskOptions, painted_rule
from askmask.data.prepare.pairing import composed, condensed
from askmask.data.prepare.stored_files import StoredFile, list_folder
from askmask.data.rasters import encode_mask
from askmask.data.source import Source
from askmask.errors import ExchangeError, SourceError
from askmask.records import Answer, ClassMap, Labels, Mask, Query, QueryItem

MASK_SUFFIX: Final = "_mask"
"""End of a painted mask's name, after the name of its region."""

_HIGHLIGHT = (255, 210, 0)


def item_stem(item: QueryItem) -> str:
    """Start of an item's file names: its place in the order, counted from 1, then its image."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in item.region.image_id)
    return f"{item.rank + 1:03d}_{safe}"


def write_query(
    folder: Path,
    query: Query,
    source: Source,
    *,
    score: Callable[[str], npt.NDArray[np.float32] | None],
    prediction: Callable[[str], Labels] | None,
) -> Path:
    """Write a query for a person.

    Parameters
    ----------
    folder : Path
        Made if absent; masks that are already in it stay.
    query : Query
        What was asked.
    source : Source
        Where the images come from.
    score : callable
        Image id to (H, W) score map, or None for the random strategy.
    prediction : callable
        Image id to (H, W) int16 predicted labels; None before the first model.

    Returns
    -------
    Path
        `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    maps: dict[str, tuple[npt.NDArray[np.float32] | None, Labels | None]] = {}
    for item in query.items:
        image_id = item.region.image_id
        if image_id not in maps:  # an image often has several regions
            maps[image_id] = (score(image_id), None if prediction is None else prediction(image_id))
        image = source.read_image(image_id)
        stem = folder / item_stem(item)
        Image.fromarray(image[item.region.slices]).save(f"{stem}.png")
        _context(image, item).save(f"{stem}_context.png")
        score_map, labels = maps[image_id]
        if score_map is not None:
            tifffile.imwrite(f"{stem}_score.tif", score_map[item.region.slices])
        if labels is not None:
            table = colour_table(len(source.classes))
            prefilled = encode_mask(labels[item.region.slices], table)
            Path(f"{stem}_prediction.png").write_bytes(prefilled)
    facts = {"classes": list(source.classes.names), "unlabelled": 255, **asdict(query)}
    text = json.dumps(facts, indent=1)
    (folder / "query.json").write_text(text + "\n", encoding="utf-8")
    return folder


def read_answers(
    folder: Path,
    query: Query,
    classes: ClassMap,
    *,
    author: str,
    masks: MaskOptions | None = None,
    mask_suffix: str = MASK_SUFFIX,
) -> list[Answer]:
    """Read the masks that a person saved beside the files of a query.

    Parameters
    ----------
    folder : Path
        Where `write_query` wrote.
    query : Query
        The query that was written there.
    classes : ClassMap
        The project's classes.
    author : str
        Who answered.
    masks : MaskOptions, optional
        Options of the masks. Colours without a name are those of the prediction.
    mask_suffix : str
        What the masks' names have after those of the regions.

    Returns
    -------
    list of Answer
        One for each painted file, in the query's order; may be empty.

    Raises
    ------
    ExchangeError
        With a line for every problem: a mask belongs to no region, has another size than its
        region, or a value that is no class; or what the masks hold may mean two things, together
        with what settles it.
    """
    options = masks or MaskOptions()
    options.check()
    problems: list[str] = []
    painted = _find_painted(folder, query, mask_suffix, problems)
    rule = painted_rule(list(painted.values()), classes, options, problems)
    answers = []
    for item in query.items:
        file = painted.get(item.rank)
        if file is None or rule is None:
            continue
        mask = _read(file, item, rule, problems)
        if mask is not None:
            answers.append(
                Answer(
                    region=item.region,
                    mask=mask,
                    round=query.round,
                    author=author,
                    tool="files",
                    model=query.model,
                )
            )
    if problems:
        raise ExchangeError(problems)
    return answers


def _find_painted(
    folder: Path, query: Query, mask_suffix: str, problems: list[str]
) -> dict[int, StoredFile]:
    """Painted masks by the rank of their item; adds to `problems`."""
    files: dict[str, list[StoredFile]] = defaultdict(list)
    for file in list_folder(folder) if folder.is_dir() else []:
        if file.is_image and not file.folder:
            files[file.stem].append(file)
    found = {}
    for item in query.items:
        twins = files.pop(composed(f"{item_stem(item)}{mask_suffix}"), [])
        if len(twins) > 1:
            names = ", ".join(repr(file.name) for file in twins)
            problems.append(f"{names}: several masks of one region. Keep one of them.")
        if twins:
            found[item.rank] = twins[0]
    strays = [file.name for stem in files if stem.endswith(mask_suffix) for file in files[stem]]
    problems += condensed(
        strays,
        [
            f"{name!r} is no mask of a region of round {query.round}. Give it the name of its "
            "region, or remove it."
            for name in strays
        ],
        f"files are no masks of regions of round {query.round}. Give them the names of their "
        "regions, or remove them",
    )
    return found


def _read(file: StoredFile, item: QueryItem, rule: MaskRule, problems: list[str]) -> Mask | None:
    try:
        mask = rule.decode(file.read(), file.name)
    except SourceError as error:
        problems.append(str(error))
        return None
    expected = (item.region.height, item.region.width)
    if mask.labels.shape == expected:
        return mask
    problems.append(
        f"expected mask {file.name!r} of shape {expected}, like its region, got "
        f"{mask.labels.shape}. Save the mask at the size of {f'{item_stem(item)}.png'!r}."
    )
    return None


def _context(image: npt.NDArray[np.uint8], item: QueryItem) -> Image.Image:
    """Whole image, dimmed outside the region, which is framed."""
    dimmed = (image * 0.6).astype(np.uint8)
    dimmed[item.region.slices] = image[item.region.slices]
    picture = Image.fromarray(dimmed)
    region = item.region
    box = (region.col, region.row, region.col + region.width - 1, region.row + region.height - 1)
    ImageDraw.Draw(picture).rectangle(box, outline=_HIGHLIGHT, width=2)
    return picture
