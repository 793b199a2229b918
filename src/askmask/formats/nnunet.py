"""nnU-Net v2: a raw data set with RGB PNGs and its ignore label.

::

    OUT/DatasetNNN_name/dataset.json
    OUT/DatasetNNN_name/imagesTr/NAME_0000.png   RGB, read by NaturalImage2DIO
    OUT/DatasetNNN_name/labelsTr/NAME.png        labels, the highest one is "ignore" = unlabelled

nnU-Net wants 0 to be called background. Where class 0 of the project is no background, labels are
written one higher and 0 is not used.
"""

import json
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.data.rasters import decode_values, encode_image, encode_mask
from askmask.errors import ExchangeError, SourceError
from askmask.formats.format import (
    Batch,
    Expected,
    Found,
    check_size,
    crop,
    find_region,
    raise_problems,
)
from askmask.records import UNLABELLED, ClassMap, Labels

_DATASET: Final = "Dataset100_askmask"


class NnUNet:
    """Reader and writer of nnU-Net v2 raw data sets; see `askmask.formats.format.Format`.

    References
    ----------
    nnU-Net v2, documentation/dataset_format.md and documentation/ignore_label.md.
    """

    def write(self, folder: Path, batch: Batch) -> int:
        """Write a raw data set; items without labels are wholly "ignore"."""
        root = folder / _DATASET
        for made in (root / "imagesTr", root / "labelsTr"):
            made.mkdir(parents=True, exist_ok=True)
        names = _label_names(batch.classes, has_background=batch.has_background)
        count = 0
        for item in batch.items:
            picture = encode_image(crop(batch, item.region))
            (root / "imagesTr" / f"{item.name}_0000.png").write_bytes(picture)
            shape = (item.region.height, item.region.width)
            labels = np.full(shape, UNLABELLED, np.int16) if item.labels is None else item.labels
            shifted = labels + np.int16(not batch.has_background)
            values = np.where(labels == UNLABELLED, names["ignore"], shifted).astype(np.int16)
            (root / "labelsTr" / f"{item.name}.png").write_bytes(encode_mask(values))
            count += 1
        facts = {
            "channel_names": {"0": "R", "1": "G", "2": "B"},
            "labels": names,
            "numTraining": count,
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        (root / "dataset.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        return count

    def read(self, path: Path, expected: Expected) -> list[Found]:
        """Read ``labelsTr`` of a raw data set, or a folder of predicted PNGs."""
        folder = _labels_folder(path)
        names = _label_names(expected.classes, has_background=expected.has_background)
        problems: list[str] = []
        found = []
        for file in sorted(folder.glob("*.png")):
            region = find_region(file.stem, expected, problems)
            if region is None:
                continue
            try:
                values = decode_values(file.read_bytes(), file.name)
            except SourceError as error:
                problems.append(str(error))
                continue
            labels = _to_labels(file.name, values, names["ignore"], expected, problems)
            if labels is not None and check_size(file.name, labels.shape, region, problems):
                found.append(Found(file.name, region, labels))
        raise_problems(problems)
        return found


def _label_names(classes: ClassMap, *, has_background: bool) -> dict[str, int]:
    """Labels of ``dataset.json``: consecutive from 0, "ignore" last."""
    if has_background:
        names = {"background": 0} | {name: i for i, name in enumerate(classes.names) if i > 0}
    else:
        names = {"background": 0} | {name: i + 1 for i, name in enumerate(classes.names)}
    return names | {"ignore": len(names)}


def _to_labels(
    name: str,
    values: npt.NDArray[np.int32],
    ignore: int,
    expected: Expected,
    problems: list[str],
) -> Labels | None:
    shift = 0 if expected.has_background else 1
    strange = sorted({int(v) for v in np.unique(values)} - set(range(ignore + 1)))
    if strange:
        problems.append(
            f"expected values 0 to {ignore} in {name!r}, got {strange!r}. Use the labels of the "
            "exported dataset.json."
        )
        return None
    unlabelled = (values == ignore) | (values < shift)
    return np.where(unlabelled, UNLABELLED, values - shift).astype(np.int16)


def _labels_folder(path: Path) -> Path:
    for folder in (path / _DATASET / "labelsTr", path / "labelsTr", path):
        if folder.is_dir() and (folder is not path or any(path.glob("*.png"))):
            return folder
    problem = (
        f"expected a raw data set of nnU-Net or a folder of its predictions, got {str(path)!r} "
        "without labelsTr and without PNG files. Give the folder that holds labelsTr."
    )
    raise ExchangeError([problem])
