"""Where a model is in doubt on whole slides: score maps at 1/32 of the working resolution."""

from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float32

from askmask.data.larger_images import Frame, PartSource
from askmask.data.source import Source
from askmask.whole_files import replacing

HEAT_STEP: Final = 32
"""Pixels of the working resolution along one pixel of a heat map."""

Heat = npt.NDArray[np.float32]
"""(h, w): mean score of each square; NaN where nothing was scored."""

HeatParts = dict[str, list[tuple[int, int, Heat]]]
"""Rows, columns and heat maps of fields, by slide."""


class HeatMaps:
    """Heat maps of slides, put together from the score maps of their fields.

    Parameters
    ----------
    source : Source
        Of the fields; of plain images nothing is kept.
    """

    def __init__(self, source: Source) -> None:
        self._source = source if isinstance(source, PartSource) else None
        self._parts: HeatParts = {}

    def add(self, image_id: str, score: Float32[np.ndarray, "H W"]) -> None:
        """Take in the score map of a field. Not modified."""
        if self._source is None:
            return
        frame = self._source.frame(image_id)
        heat = block_means(score, self._source.askable(image_id))
        row, col = (_cell(frame, corner) for corner in (frame.row, frame.col))
        self._parts.setdefault(frame.name, []).append((row, col, heat))

    def parts(self) -> HeatParts:
        """What was taken in, for `take` of another one."""
        return self._parts

    def take(self, parts: HeatParts) -> None:
        """Take in what another one of the same source has."""
        for name, own in parts.items():
            self._parts.setdefault(name, []).extend(own)

    def maps(self) -> dict[str, Heat]:
        """Heat map of every slide of which a field was scored, from its first row and column on."""
        made = {}
        for name, unsorted in self._parts.items():
            parts = sorted(unsorted, key=lambda part: part[:2])  # fields come in any order
            rows = max(row + heat.shape[0] for row, _, heat in parts)
            cols = max(col + heat.shape[1] for _, col, heat in parts)
            whole = np.full((rows, cols), np.nan, np.float32)
            for row, col, heat in parts:
                whole[row : row + heat.shape[0], col : col + heat.shape[1]] = heat
            made[name] = whole
        return made


def block_means(
    score: Float32[np.ndarray, "H W"], counts: Bool[np.ndarray, "H W"]
) -> Float32[np.ndarray, "h w"]:
    """Mean of each square of `HEAT_STEP` pixels, over the pixels that count; NaN without one.

    Squares at the lower and right edge may be smaller.
    """
    total = _block_sums(np.where(counts, score, 0).astype(np.float64))
    pixels = _block_sums(counts.astype(np.float64))
    means = np.full(total.shape, np.nan, np.float32)
    np.divide(total, pixels, out=means, where=pixels > 0, casting="same_kind")
    return means


def write_heat(path: Path, heat: HeatMaps) -> None:
    """Keep heat maps in a file, whole or not at all; nothing if there are none."""
    maps = heat.maps()
    if not maps:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    names = np.array(list(maps))
    with replacing(path) as unfinished:
        np.savez_compressed(unfinished, *maps.values(), names=names)


def read_heat(path: Path) -> dict[str, Heat]:
    """Heat maps by slide; empty if there is no such file."""
    if not path.is_file():
        return {}
    with np.load(path) as file:
        names = file["names"].tolist()
        return {str(name): file[f"arr_{number}"] for number, name in enumerate(names)}


def _cell(frame: Frame, corner: float) -> int:
    return round(corner / frame.scale) // HEAT_STEP


def _block_sums(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    rows, cols = (np.arange(0, side, HEAT_STEP) for side in values.shape)
    sums: npt.NDArray[np.float64] = np.add.reduceat(np.add.reduceat(values, rows, 0), cols, 1)
    return sums
