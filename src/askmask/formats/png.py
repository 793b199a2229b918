"""Index PNGs: one picture and one mask per item, values are class indices, 255 = unlabelled.

::

    OUT/classes.json        names in index order, and what 255 means
    OUT/images/NAME.png     the region, or the whole image
    OUT/masks/NAME.png      labels; in OUT/predictions/ if a model made them: copy, correct, save
"""

import json
from pathlib import Path

import numpy as np

from askmask.data.rasters import decode_mask, encode_image, encode_mask
from askmask.errors import SourceError
from askmask.formats.documents import problem, shown
from askmask.formats.format import Batch, Expected, Intake, crop
from askmask.records import UNLABELLED, Labels


class IndexPng:
    """Reader and writer of index PNGs; see `askmask.formats.format.Format`."""

    def write(self, folder: Path, batch: Batch) -> int:
        """Write pictures, masks and the list of classes."""
        labels_folder = folder / ("predictions" if batch.is_prediction else "masks")
        for made in (folder / "images", folder / "masks", labels_folder):
            made.mkdir(parents=True, exist_ok=True)
        facts = {"classes": list(batch.classes.names), "unlabelled": 255}
        (folder / "classes.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        count = 0
        for item in batch.items:
            picture = encode_image(crop(batch, item.region))
            (folder / "images" / f"{item.name}.png").write_bytes(picture)
            if item.labels is not None:
                (labels_folder / f"{item.name}.png").write_bytes(encode_mask(item.labels))
            count += 1
        return count

    def read(self, path: Path, expected: Expected) -> Intake:
        """Read every PNG of ``PATH/masks``, or of PATH itself if it has no such folder."""
        folder = path / "masks" if (path / "masks").is_dir() else path
        if not folder.is_dir():
            raise problem(
                f"expected a folder of PNG masks, got {str(path)!r}. Give the folder of masks."
            )
        intake = Intake(expected)
        for file in sorted(folder.glob("*.png")):
            region = intake.region(file.stem)
            if region is None:
                continue
            labels = _read(file, intake)
            if labels is not None and intake.has_size(file.name, labels.shape, region):
                intake.keep(file.name, region, labels)
        return intake.finished(str(folder))


def _read(file: Path, intake: Intake) -> Labels | None:
    try:
        labels = decode_mask(file.read_bytes(), file.name)
    except (SourceError, OSError) as error:
        intake.problems.append(str(error))
        return None
    n_classes = len(intake.expected.classes)
    strange = sorted({int(v) for v in np.unique(labels)} - {UNLABELLED, *range(n_classes)})
    if strange:
        intake.problems.append(
            f"expected values 0 to {n_classes - 1} or 255 in {file.name!r}, got {shown(strange)}. "
            "Paint class indices, and 255 where you do not know."
        )
        return None
    return labels
