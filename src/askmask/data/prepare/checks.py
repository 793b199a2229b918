"""Every image and mask of a data set, opened once before anything is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from askmask.data.masks import MaskRule
from askmask.data.pictures.picture import AS_STORED, Orientation, Reading
from askmask.data.prepare.pairing import PairedImage
from askmask.data.prepared import name_problem
from askmask.data.ranges import ValueCounts
from askmask.data.rasters import Raw, decode_raw
from askmask.data.scaling import shrink_mask
from askmask.errors import SourceError
from askmask.records import Mask

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total); both count steps of about equal length."""


@dataclass
class Findings:
    """Findings of a check; `problems` holds a line for each, and is empty if all is well.

    `deep` and `shallow` name the first image with more than 8 bits per channel and with 8;
    `values` counts those of all deep images, for the range that maps them to 8 bits.
    """

    problems: list[str] = field(default_factory=list)
    deep: str | None = None
    shallow: str | None = None
    values: ValueCounts = field(default_factory=ValueCounts)


def check_items(
    items: Sequence[PairedImage],
    rule: MaskRule | None,
    *,
    reading: Reading = AS_STORED,
    scale: float = 1.0,
    on_item: Callable[[], None] = lambda: None,
) -> Findings:
    """Open every image and mask; holds one of each at a time.

    Parameters
    ----------
    items : sequence of PairedImage
        What to check.
    rule : MaskRule, optional
        How to read the masks; None leaves them out.
    reading : Reading, optional
        What the owner says of the image files.
    scale : float
        The scale to be applied: a mask must have a labelled pixel after it.
    on_item : callable
        Called after each image.

    Returns
    -------
    Findings
        With a line for each image whose name is not safe or that cannot be read, each mask that
        cannot be read or holds a value that means nothing, sizes that differ, masks without a
        labelled pixel, and images of different depth.
    """
    findings = Findings()
    names = (name_problem(item.image_id) for item in items)
    findings.problems += [problem for problem in names if problem is not None]
    for item in items:
        size = _check_image(item, reading, findings)
        if rule is not None and item.has_mask:
            _check_mask(item, rule, size, scale, findings)
        on_item()
    if findings.deep is not None and findings.shallow is not None:
        findings.problems.append(
            f"{findings.deep!r} has 16 bits per channel but {findings.shallow!r} has 8: one range "
            "cannot serve both. Save all images with the same depth."
        )
    return findings


def reading_of(item: PairedImage, reading: Reading) -> Reading:
    """How to read the image of an item: turned as it is shown, if no mask could disagree."""
    if item.has_mask or reading.orientation is not None:
        return reading
    return Reading(Orientation.APPLY, reading.channels, reading.white_is_zero)


def _check_image(item: PairedImage, reading: Reading, findings: Findings) -> tuple[int, ...] | None:
    """Size of the image; None if it cannot be read."""
    try:
        raw = decode_raw(item.image.read(), item.image.name, reading_of(item, reading))
    except SourceError as error:
        findings.problems.append(str(error))
        return None
    _note_depth(raw, item.image.name, findings)
    return raw.shape[:2]


def _note_depth(raw: Raw, name: str, findings: Findings) -> None:
    if raw.dtype == np.uint8:
        findings.shallow = findings.shallow or name
        return
    findings.deep = findings.deep or name
    findings.values.add(raw.astype(np.uint16, copy=False))


def _check_mask(
    item: PairedImage,
    rule: MaskRule,
    size: tuple[int, ...] | None,
    scale: float,
    findings: Findings,
) -> None:
    try:
        mask = rule.read(item)
    except SourceError as error:
        findings.problems.extend(getattr(error, "problems", (str(error),)))
        return
    name = item.mask_name
    if size is not None and mask.labels.shape != size:
        findings.problems.append(
            f"image {item.image.name!r} is {size} but its mask {name!r} is "
            f"{mask.labels.shape} (rows, columns). Fix the mask, or remove both."
        )
    if not _keeps_a_label(mask, scale):
        findings.problems.append(
            f"{name!r} has no labelled pixel{'' if scale == 1 else f' at scale {scale}'}. "
            "Label some, or remove the mask and allow images without masks."
        )


def _keeps_a_label(mask: Mask, scale: float) -> bool:
    return bool(shrink_mask(mask, scale).labelled.any())
