"""nnU-Net v2: a raw data set with RGB PNGs and its ignore label.

::

    OUT/DatasetNNN_name/dataset.json
    OUT/DatasetNNN_name/imagesTr/NAME_0000.png   RGB, read by NaturalImage2DIO
    OUT/DatasetNNN_name/labelsTr/NAME.png        labels, the highest one is "ignore" = unlabelled

nnU-Net wants 0 to be called background. Where class 0 of the project is no background, labels are
written one higher and 0 is not used.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from askmask.data.rasters import decode_values, encode_image, encode_mask
from askmask.errors import ExchangeError, SourceError
from askmask.formats.documents import JsonObject, parse, problem, read_document, shown
from askmask.formats.format import Expected, Export, Intake, crop
from askmask.formats.names import class_labels
from askmask.records import UNLABELLED, ClassMap, Labels

_DATASET: Final = "Dataset100_askmask"
_BACKGROUND: Final = "background"
_IGNORE: Final = "ignore"
_LARGEST: Final = 254  # value that an 8-bit mask can hold beside 255


class _Dataset(JsonObject):
    labels: dict[str, object]


_DATASET_FILE: Final = TypeAdapter(_Dataset).validate_python


@dataclass(frozen=True, slots=True)
class NnUNet:
    """Reader and writer of nnU-Net v2 raw data sets; see `askmask.formats.format.Format`.

    References
    ----------
    nnU-Net v2, documentation/dataset_format.md and documentation/ignore_label.md.
    """

    def write(self, folder: Path, export: Export) -> int:
        """Write a raw data set; items without labels are wholly "ignore"."""
        root = folder / _DATASET
        for made in (root / "imagesTr", root / "labelsTr"):
            made.mkdir(parents=True, exist_ok=True)
        names = _label_names(export.classes, has_background=export.has_background)
        count = 0
        for item in export.items:
            picture = encode_image(crop(export, item.region))
            (root / "imagesTr" / f"{item.name}_0000.png").write_bytes(picture)
            shape = (item.region.height, item.region.width)
            labels = np.full(shape, UNLABELLED, np.int16) if item.labels is None else item.labels
            shifted = labels + np.int16(not export.has_background)
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

    def read(self, path: Path, expected: Expected) -> Intake:
        """Read ``labelsTr`` of a raw data set, or a folder of predicted PNGs."""
        folder = _labels_folder(path)
        names = _label_names(expected.classes, has_background=expected.has_background)
        intake = Intake(expected)
        intake.problems += _other_labels(folder, names)
        for file in sorted(folder.glob("*.png")):
            region = intake.region(file.stem)
            if region is None:
                continue
            try:
                values = decode_values(file.read_bytes(), file.name)
            except (SourceError, OSError) as error:
                intake.problems.append(str(error))
                continue
            labels = _to_labels(file.name, values, names["ignore"], intake)
            if labels is not None and intake.has_size(file.name, labels.shape, region):
                intake.keep(file.name, region, labels)
        return intake.finished(str(path))


def _label_names(classes: ClassMap, *, has_background: bool) -> dict[str, int]:
    """Labels of ``dataset.json``: consecutive from 0, "ignore" last."""
    words = class_labels(classes, {_BACKGROUND, _IGNORE})
    shift = 0 if has_background else 1
    names = {_BACKGROUND: 0} | {word: i + shift for word, i in words.items() if i + shift > 0}
    names |= {_IGNORE: len(names)}
    if names[_IGNORE] > _LARGEST:
        raise problem(
            f"expected at most {_LARGEST - shift} classes for nnU-Net's 8-bit labels, got "
            f"{len(classes)}. Use another format."
        )
    return names


def _other_labels(folder: Path, names: Mapping[str, int]) -> list[str]:
    """Problem of a ``dataset.json`` beside the labels that gives them another meaning."""
    for path in (folder / "dataset.json", folder.parent / "dataset.json"):
        if path.is_file():
            try:
                labels = parse(_DATASET_FILE, read_document(path), str(path)).labels
            except ExchangeError as error:
                return list(error.problems)
            if labels != dict(names):
                told = f"expected the labels {dict(names)!r} in {str(path)!r}, got {shown(labels)}"
                return [f"{told}. Give the data set that was exported from this project."]
            return []
    return []


def _to_labels(
    name: str, values: npt.NDArray[np.int32], ignore: int, intake: Intake
) -> Labels | None:
    shift = 0 if intake.expected.has_background else 1
    strange = sorted({int(v) for v in np.unique(values)} - set(range(ignore + 1)))
    if strange:
        intake.problems.append(
            f"expected values 0 to {ignore} in {name!r}, got {shown(strange)}. Use the labels of "
            "the exported dataset.json."
        )
        return None
    unlabelled = (values == ignore) | (values < shift)
    return np.where(unlabelled, UNLABELLED, values - shift).astype(np.int16)


def _labels_folder(path: Path) -> Path:
    folders = (path / _DATASET / "labelsTr", path / "labelsTr", path)
    for folder in folders:
        if folder.is_dir() and any(folder.glob("*.png")):
            return folder
    if any(folder.is_dir() and any(folder.glob("*.nii*")) for folder in folders):
        got = (
            "NIfTI files (.nii.gz), which askmask does not read. Train and predict on the exported "
            'data set, whose file_ending is ".png"'
        )
    else:
        got = "no labelsTr and no PNG files. Give the folder that holds labelsTr"
    raise problem(
        f"expected a raw data set of nnU-Net or a folder of its predictions in {str(path)!r}, "
        f"got {got}."
    )
