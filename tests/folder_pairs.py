"""A folder of images and one of masks, to prepare as a test wants it."""

import re
from pathlib import Path

import pytest

from askmask.data.prepare.folder import PrepareOptions, prepare_folder
from askmask.data.prepare.writing import PrepareSummary
from askmask.data.prepared import PreparedSource
from askmask.errors import PrepareError
from picture_files import photograph, save

INDEX = PrepareOptions(kind="index", classes=("ground", "thing", "other"))
LABELS = [[0, 1, 2], [0, 255, 2]]


class Folders:
    """Images and masks to prepare, and where to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = root / "images"
        self.masks = root / "masks"
        self.out = root / "out"

    def add(
        self, stem: str = "a", mask: object = LABELS, *, size: tuple[int, int] = (2, 3)
    ) -> None:
        save(self.images / f"{stem}.png", photograph(*size))
        if mask is not None:
            save(self.masks / f"{stem}.png", mask)

    def prepare(self, options: PrepareOptions = INDEX) -> PrepareSummary:
        return prepare_folder(self.images, self.masks, self.out, options=options)

    def problems(self, options: PrepareOptions = INDEX) -> tuple[str, ...]:
        with pytest.raises(PrepareError) as caught:
            self.prepare(options)
        assert not self.out.exists()
        return caught.value.problems

    def labels(self, image_id: str = "a") -> list[list[int]]:
        mask = PreparedSource(self.out).read_mask(image_id)
        assert mask is not None
        return mask.labels.tolist()  # type: ignore[no-any-return]


def matches(problems: tuple[str, ...], *patterns: str) -> bool:
    """Whether the problems are these, one pattern each, in any order."""
    assert len(problems) == len(patterns), problems
    return all(any(re.search(pattern, line) for line in problems) for pattern in patterns)
