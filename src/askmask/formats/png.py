"""Index PNGs: one picture and one mask per item, values are class indices, 255 = unlabelled.

::

    OUT/classes.json        names in index order, and what 255 means
    OUT/images/NAME.png     the region, or the whole image
    OUT/masks/NAME.png      labels; in OUT/predictions/ if a model made them: copy, correct, save
"""

import json
from dataclasses import dataclass
from pathlib import Path

from askmask.data.class_colours import colour_table
from askmask.data.masks import MaskRule
from askmask.data.prepare.mask_options import FIND_OUT, MaskOptions, painted_rule
from askmask.data.prepare.stored_files import StoredFile, list_folder
from askmask.data.rasters import encode_image, encode_mask
from askmask.errors import SourceError
from askmask.formats.documents import problem
from askmask.formats.format import Expected, Export, Intake, crop
from askmask.records import Labels, Region


@dataclass(frozen=True, slots=True)
class IndexPng:
    """Reader and writer of index PNGs; see `askmask.formats.format.Format`.

    Parameters
    ----------
    masks : MaskOptions
        Options of the masks to be read.
    """

    masks: MaskOptions = FIND_OUT

    def write(self, folder: Path, export: Export) -> int:
        """Write pictures, masks and the list of classes."""
        labels_folder = folder / ("predictions" if export.is_prediction else "masks")
        for made in (folder / "images", folder / "masks", labels_folder):
            made.mkdir(parents=True, exist_ok=True)
        table = colour_table(len(export.classes))
        facts = {"classes": list(export.classes.names), "unlabelled": 255}
        (folder / "classes.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        count = 0
        for item in export.items:
            picture = encode_image(crop(export, item.region))
            (folder / "images" / f"{item.name}.png").write_bytes(picture)
            if item.labels is not None:
                (labels_folder / f"{item.name}.png").write_bytes(encode_mask(item.labels, table))
            count += 1
        return count

    def read(self, path: Path, expected: Expected) -> Intake:
        """Read every PNG of ``PATH/masks``, or of PATH itself if it has no such folder."""
        folder = path / "masks" if (path / "masks").is_dir() else path
        if not folder.is_dir():
            raise problem(
                f"expected a folder of PNG masks, got {str(path)!r}. Give the folder of masks."
            )
        self.masks.check()
        intake = Intake(expected)
        files = _named(folder, intake)
        rule = painted_rule(
            [file for file, _ in files], expected.classes, self.masks, intake.problems
        )
        for file, region in files if rule is not None else ():
            assert rule is not None
            labels = _read(file, rule, intake)
            if labels is not None and intake.has_size(file.name, labels.shape, region):
                intake.keep(file.name, region, labels)
        return intake.finished(str(folder))


def _named(folder: Path, intake: Intake) -> list[tuple[StoredFile, Region]]:
    """Files of the folder and the regions that their names say."""
    found = []
    for file in list_folder(folder):
        if file.folder or file.suffix != ".png":
            continue
        region = intake.region(file.stem)
        if region is not None:
            found.append((file, region))
    return found


def _read(file: StoredFile, rule: MaskRule, intake: Intake) -> Labels | None:
    try:
        return rule.decode(file.read(), file.name).labels
    except SourceError as error:
        intake.problems.append(str(error))
        return None
