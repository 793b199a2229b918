"""A picture of what would be read: images beside their masks, to be seen in a minute.

As PNG, or as one HTML file, which shows names in any script.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from askmask.data.class_colours import UNLABELLED_COLOUR, class_colours
from askmask.data.prepare.class_file import Colour
from askmask.data.prepare.overview import Overview, SeenItem, read_pair
from askmask.data.rasters import encode_image
from askmask.data.source import Pixels
from askmask.errors import SourceError
from askmask.records import UNLABELLED, Mask

SHOWN: Final = 24
"""Images on a sheet, unless another number is given."""

_SIDE: Final = 240  # longest side of a thumbnail
_GAP: Final = 10
_LINE: Final = 17
_COLUMNS: Final = 3
_FILL: Final = 0.4  # how strongly a class covers the image
_SUFFIXES: Final = (".png", ".html")
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>askmask check</title>
<style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff }}
.legend span {{ display: inline-block; margin-right: 1.2rem }}
.legend i {{ display: inline-block; width: .9em; height: .9em; margin-right: .4em;
  border: 1px solid #444; vertical-align: -1px }}
.sheet {{ display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 1rem }}
figure {{ margin: 0; max-width: {width}px }}
figcaption {{ overflow-wrap: anywhere }}
figcaption small {{ color: #555 }}
img {{ max-width: 100% }}
</style>
<h1>{title}</h1>
<p class="legend">{legend}</p>
<div class="sheet">
{figures}
</div></html>
"""


@dataclass(frozen=True)
class Cell:
    """One image on a sheet.

    Attributes
    ----------
    picture : (H, W, 3) uint8 array
        The image, and beside it the image with its mask.
    lines : tuple of str
        What stands below.
    """

    picture: Pixels
    lines: tuple[str, ...]


def write_sheet(overview: Overview, path: Path, *, shown: int = SHOWN) -> int:
    """Write a contact sheet; return the number of images on it.

    Parameters
    ----------
    overview : Overview
        What was found.
    path : Path
        Ends in ``.png`` or ``.html``; an older file is replaced.
    shown : int
        At most so many images, spread over the set, those with masks first.

    Raises
    ------
    SourceError
        If the ending is another.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise SourceError(
            f"expected a sheet whose name ends in .png or .html, got {str(path)!r}. Rename it."
        )
    drawn = cells(overview, shown)
    colours = class_legend(overview)
    path.parent.mkdir(parents=True, exist_ok=True)
    title = f"{overview.plan.made_from}: {len(drawn)} of {len(overview.items)} images"
    if path.suffix.lower() == ".png":
        path.write_bytes(_draw(drawn, colours, title))
    else:
        path.write_text(_page(drawn, colours, title), encoding="utf-8")
    return len(drawn)


def cells(overview: Overview, shown: int) -> list[Cell]:
    """What stands on a sheet: at most `shown` images that can be read, as in `write_sheet`."""
    return [cell for seen in _chosen(overview.items, shown) if (cell := _cell(seen, overview))]


def class_legend(overview: Overview) -> list[tuple[str, Colour]]:
    """Names and colours of what a sheet shows."""
    names = overview.plan.class_names
    if not overview.masks or not names:
        return []
    shown = [f"{names[0]} (left clear)", *names[1:]]
    return [*zip(shown, class_colours(len(names)), strict=True), ("unlabelled", UNLABELLED_COLOUR)]


def overlaid(image: Pixels, mask: Mask, n_classes: int) -> Pixels:
    """Image with the classes laid over it, outlines of objects drawn in full colour.

    The first class is left clear, so that the image stays visible.
    """
    table = np.array([*class_colours(n_classes), UNLABELLED_COLOUR], np.float32)
    labels = np.where(mask.labels == UNLABELLED, n_classes, mask.labels)
    colours = table[labels]
    parts = labels.astype(np.int32)
    if mask.instances is not None:
        parts = parts * 65_536 + mask.instances
    is_edge = (ndimage.maximum_filter(parts, 3) != ndimage.minimum_filter(parts, 3)) & (labels > 0)
    weight = np.where(labels == 0, 0.0, _FILL)
    weight[is_edge] = 1.0
    blended = image * (1 - weight[:, :, None]) + colours * weight[:, :, None]
    shown: Pixels = np.rint(blended).astype(np.uint8)
    return shown


def _chosen(items: Sequence[SeenItem], shown: int) -> list[SeenItem]:
    """Items spread over the set; those without a mask only if there is room."""
    readable = [seen for seen in items if seen.size is not None]
    masked = [seen for seen in readable if seen.item.has_mask]
    bare = [seen for seen in readable if not seen.item.has_mask]
    first = _spread(masked, shown)
    return first + _spread(bare, min(shown - len(first), max(shown // 4, shown - len(masked))))


def _spread(items: Sequence[SeenItem], count: int) -> list[SeenItem]:
    if len(items) <= count:
        return list(items)
    return [items[place * len(items) // count] for place in range(max(count, 0))]


def _cell(seen: SeenItem, overview: Overview) -> Cell | None:
    try:
        image, mask = read_pair(seen.item, overview.plan, overview.value_range)
    except SourceError:
        return None
    small = _shrunk(image, None)
    right = np.full_like(small, 245)
    if mask is not None:
        covered = overlaid(image, mask, len(overview.plan.class_names))
        right = _shrunk(covered, small.shape[:2])
    bar = np.full((small.shape[0], 4, 3), 255, np.uint8)
    return Cell(np.concatenate([small, bar, right], axis=1), _lines(seen, mask, overview))


def _lines(seen: SeenItem, mask: Mask | None, overview: Overview) -> tuple[str, ...]:
    height, width = seen.size or (0, 0)
    size = f"{height} x {width}"
    if not seen.item.has_mask:
        return seen.item.image_id, f"{size}, no mask"
    if mask is None:
        return seen.item.image_id, f"{size}, mask cannot be read"
    total = max(sum(seen.class_pixels), 1)
    shares = ", ".join(
        f"{name} {pixels / total:.0%}"
        for name, pixels in zip(overview.plan.class_names, seen.class_pixels, strict=True)
        if pixels
    )
    return seen.item.image_id, f"{size}, {len(seen.object_pixels)} objects", shares


def _shrunk(image: Pixels, size: tuple[int, ...] | None) -> Pixels:
    """Thumbnail of an image; of the given rows and columns, if any."""
    if size is None:
        factor = min(_SIDE / max(image.shape[:2]), 1)
        size = tuple(max(1, round(side * factor)) for side in image.shape[:2])
    resized = Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BOX)
    return np.array(resized)


def _draw(cells: Sequence[Cell], colours: list[tuple[str, Colour]], title: str) -> bytes:
    """PNG of the sheet."""
    font = ImageFont.load_default(13)
    width = _GAP + _COLUMNS * (2 * _SIDE + 4 + _GAP)
    rows = [cells[start : start + _COLUMNS] for start in range(0, len(cells), _COLUMNS)]
    heights = [max(cell.picture.shape[0] for cell in row) + 3 * _LINE + _GAP for row in rows]
    sheet = Image.new("RGB", (width, 2 * _GAP + 2 * _LINE + sum(heights)), "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((_GAP, _GAP), _fitting(title, font, width - 2 * _GAP), "black", font)
    left = _GAP
    for name, colour in colours:
        top = _GAP + _LINE
        pen.rectangle((left, top + 2, left + 12, top + 14), colour, (60, 60, 60))
        pen.text((left + 18, top), name, "black", font)
        left += 18 + round(font.getlength(name)) + 16
    top = 2 * _GAP + 2 * _LINE
    for row, height in zip(rows, heights, strict=True):
        for place, cell in enumerate(row):
            left = _GAP + place * (2 * _SIDE + 4 + _GAP)
            sheet.paste(Image.fromarray(cell.picture), (left, top))
            below = top + cell.picture.shape[0] + 1
            for number, line in enumerate(cell.lines):
                shown = _fitting(line, font, 2 * _SIDE)
                shade = "black" if number == 0 else (90, 90, 90)
                pen.text((left, below + number * _LINE), shown, shade, font)
        top += height
    return encode_image(np.asarray(sheet))


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Text that fits into a width, its middle left out."""
    keep = len(text)
    shown = text
    while font.getlength(shown) > width and keep > 8:
        keep -= 1
        shown = f"{text[: keep // 2]}...{text[-(keep - keep // 2) :]}"
    return shown


def _page(cells: Sequence[Cell], colours: list[tuple[str, Colour]], title: str) -> str:
    """HTML of the sheet, pictures inside."""
    named = "".join(
        f'<span><i style="background: rgb{colour}"></i>{html.escape(name)}</span>'
        for name, colour in colours
    )
    figures = "\n".join(
        f'<figure><img alt="" src="data:image/png;base64,{_embedded(cell.picture)}">'
        f"<figcaption>{html.escape(cell.lines[0])}<br><small>"
        f"{'<br>'.join(map(html.escape, cell.lines[1:]))}</small></figcaption></figure>"
        for cell in cells
    )
    return _PAGE.format(
        width=2 * _SIDE + 4, title=html.escape(title), legend=named, figures=figures
    )


def _embedded(picture: Pixels) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
