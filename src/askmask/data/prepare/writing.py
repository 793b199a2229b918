"""From a list of image and mask files to a prepared data set: check everything, then write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from askmask.data.masks import MaskRule
from askmask.data.pictures.picture import AS_STORED, Reading
from askmask.data.prepare.checks import (
    Findings,
    ProgressCallback,
    check_items,
    reading_of,
)
from askmask.data.prepare.pairing import PairedImage
from askmask.data.prepared import DatasetWriter
from askmask.data.ranges import MEASURED, RangeChoice, RangeRule
from askmask.data.rasters import decode_image
from askmask.data.scaling import shrink_image, shrink_mask
from askmask.errors import PrepareError
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask


@dataclass(frozen=True)
class Plan:
    """Plan of a data set: the images to check and write, and how.

    Parameters
    ----------
    items : sequence of PairedImage
        The images, in the order of the data set.
    rule : MaskRule or None
        How to read the masks; None if that is not known, which must be one of the problems.
    class_names : tuple of str
        In index order.
    made_from : str
        Where the files come from, in words.
    scale : float
        In (0, 1].
    ranges : RangeChoice
        Which values of 16-bit images become black and white.
    reading : Reading
        What the owner says of the image files.
    """

    items: Sequence[PairedImage]
    rule: MaskRule | None
    class_names: tuple[str, ...]
    made_from: str
    scale: float = 1.0
    ranges: RangeChoice = MEASURED
    reading: Reading = AS_STORED


@dataclass(frozen=True)
class PrepareSummary:
    """Counts of what was prepared.

    Parameters
    ----------
    out : Path
        Where it is.
    images, masks : int
        How many there are.
    kind : str
        What the masks were read as.
    class_pixels : mapping of str to int
        Labelled pixels of each class, as written.
    unlabelled_pixels : int
        Pixels without a label in the masks.
    splits, groups, roles : mapping of str to int
        How many images each has; images without a group or role are left out.
    value_range : (low, high) or Percentiles, optional
        What became 0 and 255 in 16-bit images; percentiles if each image has its own range.
    extremes : (int, int), optional
        Smallest and largest value of the 16-bit images.
    outside_range : float, optional
        Share of their values outside a range of all images, which saturate.
    """

    out: Path
    images: int
    masks: int
    kind: str
    class_pixels: Mapping[str, int]
    unlabelled_pixels: int
    splits: Mapping[str, int]
    groups: Mapping[str, int]
    roles: Mapping[str, int]
    value_range: RangeRule | None = None
    extremes: tuple[int, int] | None = None
    outside_range: float | None = None

    @property
    def class_shares(self) -> dict[str, float]:
        """Share of each class in the labelled pixels; NaN if there are none."""
        total = sum(self.class_pixels.values())
        return {
            name: pixels / total if total else float("nan")
            for name, pixels in self.class_pixels.items()
        }


def write_dataset(
    plan: Plan,
    out: Path,
    *,
    problems: Sequence[str] = (),
    progress: ProgressCallback | None = None,
) -> PrepareSummary:
    """Check every file of a plan, then write the data set; one image is in memory at a time.

    Parameters
    ----------
    plan : Plan
        What to write.
    out : Path
        The folder to make; absent or empty.
    problems : sequence of str
        What is already known to be wrong; reported together with what the check finds.
    progress : callable, optional
        Called with (done, total).

    Returns
    -------
    PrepareSummary

    Raises
    ------
    PrepareError
        If there is any problem; nothing is written.
    SourceError
        If `out` holds something, or a file changed between the check and the writing.
    """
    ticks = Ticks(2 * len(plan.items), progress)
    findings = check_items(
        plan.items,
        plan.rule,
        reading=plan.reading,
        scale=plan.scale,
        on_item=ticks.advance,
    )
    range_problems = plan.ranges.problems(findings.deep, findings.shallow)
    found = [*problems, *findings.problems, *range_problems]
    if found:
        raise PrepareError(found)
    assert plan.rule is not None
    value_range = None if findings.deep is None else plan.ranges.rule(findings.values)
    classes = ClassMap.of(plan.class_names)
    made_from = plan.made_from + ("" if plan.scale == 1 else f", scale {plan.scale}")
    pixels = np.zeros(len(classes) + 1, np.int64)  # per class, then unlabelled
    with DatasetWriter(
        out, classes, made_from, scale=plan.scale, value_range=value_range
    ) as writer:
        for item in plan.items:
            pixels += _write_item(writer, item, plan, value_range)
            ticks.advance()
    return _summary(plan, out, pixels.tolist(), value_range, findings)


def _write_item(
    writer: DatasetWriter, item: PairedImage, plan: Plan, value_range: RangeRule | None
) -> npt.NDArray[np.int64]:
    """Write one image; return its pixels per class, then those without a label."""
    assert plan.rule is not None
    reading = reading_of(item, plan.reading)
    image = decode_image(item.image.read(), item.image.name, value_range, reading=reading)
    mask = plan.rule.read(item) if item.has_mask else None
    if plan.scale != 1:
        image = shrink_image(image, plan.scale)
        mask = None if mask is None else shrink_mask(mask, plan.scale)
    info = ImageInfo(
        item.image_id,
        height=image.shape[0],
        width=image.shape[1],
        split=item.split,
        group=item.group,
        role=item.role,
        has_mask=mask is not None,
    )
    writer.add(info, image, mask)
    return _count(mask, len(plan.class_names))


def _count(mask: Mask | None, n_classes: int) -> npt.NDArray[np.int64]:
    if mask is None:
        return np.zeros(n_classes + 1, np.int64)
    labels = np.where(mask.labels == UNLABELLED, n_classes, mask.labels)
    return np.bincount(labels.ravel(), minlength=n_classes + 1).astype(np.int64)


def _summary(
    plan: Plan,
    out: Path,
    pixels: list[int],
    value_range: RangeRule | None,
    findings: Findings,
) -> PrepareSummary:
    assert plan.rule is not None
    return PrepareSummary(
        out=out,
        images=len(plan.items),
        masks=sum(item.has_mask for item in plan.items),
        kind=plan.rule.kind.value,
        class_pixels=dict(zip(plan.class_names, pixels[:-1], strict=True)),
        unlabelled_pixels=pixels[-1],
        splits=dict(sorted(Counter(item.split for item in plan.items).items())),
        groups=dict(sorted(Counter(item.group for item in plan.items if item.group).items())),
        roles=dict(sorted(Counter(item.role for item in plan.items if item.role).items())),
        value_range=value_range,
        extremes=None if value_range is None else findings.values.extremes,
        outside_range=(
            findings.values.outside(value_range) if isinstance(value_range, tuple) else None
        ),
    )


class Ticks:
    """Counts steps for a progress callback."""

    def __init__(self, total: int, progress: ProgressCallback | None) -> None:
        self._done = 0
        self._total = total
        self._progress = progress

    def advance(self) -> None:
        """Report one more step."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
