"""Bands of a slide's prediction that are finished, on disk, so that a killed run goes on there."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.loop.slides.blended import Values
from askmask.whole_files import replacing

NOT_SEEN: Final = 255
"""Label of a pixel that nobody looked at: there is no tissue near."""

Raster = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """Rows of a slide's prediction.

    Attributes
    ----------
    labels : (h, W) uint8 array
        Class of each pixel, or `NOT_SEEN`.
    confidence : (h, W) uint8 array
        Its probability, 255 for 1.
    contour : (0 or 1, h, W) uint8 array
        1 where a contour was predicted; empty if the network predicts none.
    """

    labels: Raster
    confidence: Raster
    contour: Raster


class FinishedBands:
    """The bands of one slide in a folder; each file appears whole or not at all.

    Parameters
    ----------
    folder : Path
        Made if it is absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._heights: list[int] = []
        while self._path(self.count).is_file():
            self._heights.append(self.load(self.count).labels.shape[0])

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._heights)

    def add(self, band: Band, carry: Values) -> None:
        """Keep the next band, and what the one after it is added to."""
        with replacing(self._carry(self.count + 1)) as path:
            np.save(path, carry)
        with replacing(self._path(self.count)) as path:
            np.savez_compressed(
                path, labels=band.labels, confidence=band.confidence, contour=band.contour
            )
        self._carry(self.count).unlink(missing_ok=True)
        self._heights.append(band.labels.shape[0])

    def carry(self) -> Values | None:
        """What the next band is added to; None before the first."""
        if self.count == 0:
            return None
        found: Values = np.load(self._carry(self.count))
        return found

    def load(self, number: int) -> Band:
        """Read a band."""
        with np.load(self._path(number)) as file:
            return Band(file["labels"], file["confidence"], file["contour"])

    def bands(self) -> Iterator[Band]:
        """Every band from top to bottom."""
        return (self.load(number) for number in range(self.count))

    def spans(self) -> Iterator[tuple[int, int]]:
        """First row of each band, and the row after its last."""
        top = 0
        for height in self._heights:
            yield top, top + height
            top += height

    def delete(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"band_{number:05d}.npz"

    def _carry(self, number: int) -> Path:
        return self._folder / f"carry_{number:05d}.npy"


class BandRows:
    """Rows of one raster that lies in bands; the band read last is held. See `ReadRows`.

    Parameters
    ----------
    finished : FinishedBands
        All bands.
    choose : callable
        Which raster of a band is meant.
    """

    def __init__(self, finished: FinishedBands, choose: Callable[[Band], Raster]) -> None:
        self._finished = finished
        self._choose = choose
        self._number = -1
        self._held = np.zeros((0, 0), np.uint8)

    def __call__(self, first: int, last: int, step: int) -> Raster:
        """Rows first, first + step, ... below last."""
        parts = []
        for number, (top, bottom) in enumerate(self._finished.spans()):
            start = first + max(-(-(top - first) // step), 0) * step
            if start < min(bottom, last):
                parts.append(self._raster(number)[start - top : min(bottom, last) - top : step])
        return np.concatenate(parts)

    def _raster(self, number: int) -> Raster:
        if number != self._number:
            self._held = self._choose(self._finished.load(number))
            self._number = number
        return self._held
