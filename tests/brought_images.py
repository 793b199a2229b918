"""Folders that are prepared below a test's own, and what came of them."""

from pathlib import Path

import numpy as np
import pytest

from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.prepared import PreparedSource
from askmask.errors import PrepareError

TWO = PrepareOptions(classes=("ground", "cell"))
BLOB = np.zeros((8, 12), np.uint8)
BLOB[2:5, 3:7] = 255


def prepare(
    root: Path, options: PrepareOptions, *, masks: str | None = "masks", images: str = "images"
) -> PrepareSummary:
    mask_folder = None if masks is None else root / masks
    return prepare_folder(root / images, mask_folder, root / "out", options=options)


def labels(root: Path, image_id: str = "a") -> np.ndarray:
    mask = PreparedSource(root / "out").read_mask(image_id)
    assert mask is not None
    return mask.labels


def instances(root: Path, image_id: str = "a") -> np.ndarray:
    mask = PreparedSource(root / "out").read_mask(image_id)
    assert mask is not None
    assert mask.instances is not None
    return mask.instances


def problems(root: Path, options: PrepareOptions, **folders: str | None) -> tuple[str, ...]:
    with pytest.raises(PrepareError) as caught:
        prepare(root, options, **folders)  # type: ignore[arg-type]
    assert not (root / "out").exists()
    return caught.value.problems
