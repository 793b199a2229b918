"""A query as plain files, to be painted in any program, and the painted masks back as answers.

::

    queries/round_003/
      query.json                    the regions, in order
      001_train_7.png               the region as it is
      001_train_7_context.png       the whole image with the region drawn in
      001_train_7_score.tif         acquisition score per pixel of the region, float32
      001_train_7_prediction.png    the model's labels: a mask to start from
      001_train_7_mask.png          what you save: class indices, 255 = do not know

`write_query` makes all but the last; `read_answers` reads the last.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageDraw

from askmask.data.rasters import decode_mask, encode_mask
from askmask.data.source import Source
from askmask.errors import SourceError
from askmask.records import UNLABELLED, Answer, Labels, Mask, Query, QueryItem

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
    prediction: Callable[[str], Labels],
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
        Image id to (H, W) int16 predicted labels.

    Returns
    -------
    Path
        `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    maps: dict[str, tuple[npt.NDArray[np.float32] | None, Labels]] = {}
    for item in query.items:
        image_id = item.region.image_id
        if image_id not in maps:  # an image often has several regions
            maps[image_id] = (score(image_id), prediction(image_id))
        image = source.read_image(image_id)
        stem = folder / item_stem(item)
        Image.fromarray(image[item.region.slices]).save(f"{stem}.png")
        _context(image, item).save(f"{stem}_context.png")
        score_map, labels = maps[image_id]
        if score_map is not None:
            tifffile.imwrite(f"{stem}_score.tif", score_map[item.region.slices])
        prefilled = encode_mask(labels[item.region.slices])
        Path(f"{stem}_prediction.png").write_bytes(prefilled)
    facts = {"classes": list(source.classes.names), "unlabelled": 255, **asdict(query)}
    text = json.dumps(facts, indent=1)
    (folder / "query.json").write_text(text + "\n", encoding="utf-8")
    return folder


def read_answers(folder: Path, query: Query, n_classes: int, *, author: str) -> list[Answer]:
    """Read the masks that a person saved beside the files of a query.

    Parameters
    ----------
    folder : Path
        Where `write_query` wrote.
    query : Query
        The query that was written there.
    n_classes : int
        Number of classes C; a mask holds 0 ... C - 1, or 255 for "do not know".
    author : str
        Who answered.

    Returns
    -------
    list of Answer
        One for each ``*_mask.png`` that exists, in the query's order; may be empty.

    Raises
    ------
    SourceError
        If a mask has another size than its region, or a value that is no class.
    """
    answers = []
    for item in query.items:
        path = folder / f"{item_stem(item)}_mask.png"
        if not path.is_file():
            continue
        labels = decode_mask(path.read_bytes(), path.name)
        _check(path, labels, item, n_classes)
        answers.append(
            Answer(
                region=item.region,
                mask=Mask(labels),
                round=query.round,
                author=author,
                tool="files",
                model=query.model,
            )
        )
    return answers


def _check(path: Path, labels: Labels, item: QueryItem, n_classes: int) -> None:
    expected = (item.region.height, item.region.width)
    if labels.shape != expected:
        raise SourceError(
            f"expected mask {path.name!r} of shape {expected}, like its region, got "
            f"{labels.shape}. Save the mask at the size of {path.name.replace('_mask', '')!r}."
        )
    strange = sorted({int(v) for v in np.unique(labels)} - {UNLABELLED, *range(n_classes)})
    if strange:
        raise SourceError(
            f"expected values 0 to {n_classes - 1} or 255 in mask {path.name!r}, got "
            f"{strange!r}. Paint class indices, and 255 where you do not know."
        )


def _context(image: npt.NDArray[np.uint8], item: QueryItem) -> Image.Image:
    """Whole image, dimmed outside the region, which is framed."""
    dimmed = (image * 0.6).astype(np.uint8)
    dimmed[item.region.slices] = image[item.region.slices]
    picture = Image.fromarray(dimmed)
    region = item.region
    box = (region.col, region.row, region.col + region.width - 1, region.row + region.height - 1)
    ImageDraw.Draw(picture).rectangle(box, outline=_HIGHLIGHT, width=2)
    return picture
