"""Architecture of drawn tissue: where glands and vessels lie, and what takes up which dye.

Lengths are pixels and do not scale with the image: a larger image shows more tissue.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64, Int32
from scipy import fft, ndimage

GLAND: Final = 1
VESSEL: Final = 2

Field = Float64[np.ndarray, "H W"]
Pixels = Bool[np.ndarray, "H W"]


class Grade(StrEnum):
    """What kind of glands an image shows."""

    BENIGN = "benign"
    MALIGNANT = "malignant"


@dataclass(frozen=True, slots=True, eq=False)
class TissueLayout:
    """Which object each pixel belongs to.

    `objects` (H, W) int32: 0 in stroma, else an id from 1 on; `classes` (ids + 1,) int16: class of
    each id, 0 first; `depth` (H, W) float64: distance to the outline of the pixel's object, 0 in
    stroma.
    """

    objects: Int32[np.ndarray, "H W"]
    classes: npt.NDArray[np.int16]
    depth: Field

    @property
    def labels(self) -> npt.NDArray[np.int16]:
        """(H, W) int16 class of each pixel."""
        labels: npt.NDArray[np.int16] = self.classes[self.objects]
        return labels


@dataclass(frozen=True, slots=True, eq=False)
class Dyes:
    """Amount of each absorbing substance per pixel, about 0 to 1.5, (H, W) float64 each."""

    haematoxylin: Field
    eosin: Field
    blood: Field


@dataclass(frozen=True, slots=True)
class _Outline:
    """A closed curve: mean radius times 1 + a sum of waves in the angle."""

    row: float
    col: float
    radius: float
    amplitudes: npt.NDArray[np.float64]  # of 2, 3, 4 ... waves per turn
    phases: npt.NDArray[np.float64]

    def gap(self, rows: Field, cols: Field) -> Field:
        """Distance outside the curve along the ray from its centre; negative inside."""
        down, right = rows - self.row, cols - self.col
        distance = np.hypot(down, right)
        gap = distance - 2 * self.radius  # far outside the waves do not matter
        near = gap < 0
        turn = (right[near] + 1j * down[near]) / np.maximum(distance[near], 1e-9)
        power, shape = turn, np.ones(turn.shape)
        for amplitude, phase in zip(self.amplitudes, self.phases, strict=True):
            power = power * turn  # exp(i k angle) for k = 2, 3, ...
            shape += amplitude * (power * np.exp(-1j * phase)).real
        gap[near] = distance[near] - self.radius * shape
        return np.asarray(gap)


def smooth_noise(generator: np.random.Generator, shape: tuple[int, int], scale: float) -> Field:
    """Gaussian noise with correlation length `scale` pixels, mean 0, standard deviation about 1."""
    spectrum = fft.rfft2(generator.standard_normal(shape))
    row_waves, col_waves = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :]
    kept = np.exp(-2 * (np.pi * scale) ** 2 * (row_waves**2 + col_waves**2))  # Gaussian blur
    return np.asarray(fft.irfft2(spectrum * kept, shape) * (2 * np.sqrt(np.pi) * scale))


def lay_out(generator: np.random.Generator, shape: tuple[int, int], grade: Grade) -> TissueLayout:
    """Place vessels and glands; neighbours touch in places and leave a slit in others."""
    vessels = _scatter(
        generator, shape, _vessel, spacing=1.6, tries=1 + shape[0] * shape[1] // 5000
    )
    maker = _benign_gland if grade is Grade.BENIGN else _malignant_gland
    spacing = 0.92 if grade is Grade.BENIGN else 0.8
    glands = _scatter(
        generator, shape, maker, spacing=spacing, tries=shape[0] * shape[1] // 250, others=vessels
    )
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    # wander of the outline at the size of single cells
    rows = rows + 1.3 * smooth_noise(generator, shape, 5.0)
    cols = cols + 1.3 * smooth_noise(generator, shape, 5.0)
    gaps = np.stack([outline.gap(rows, cols) for outline in (*vessels, *glands)])
    slit = 0.7 + 1.6 * smooth_noise(generator, shape, 9.0)
    objects = _owners(gaps, slit)
    classes = np.array([0] + [VESSEL] * len(vessels) + [GLAND] * len(glands), np.int16)
    return _settled(objects, classes)


def _vessel(generator: np.random.Generator) -> tuple[float, list[float]]:
    radius = generator.uniform(7, 16)
    return radius, [generator.uniform(0, 0.4), generator.uniform(0, 0.12), 0.05]


def _benign_gland(generator: np.random.Generator) -> tuple[float, list[float]]:
    return generator.uniform(17, 27), [generator.uniform(0, 0.28), 0.06, 0.05, 0.02]


def _malignant_gland(generator: np.random.Generator) -> tuple[float, list[float]]:
    roughness = generator.uniform(0.05, 0.14)
    falling = [roughness * 0.6**wave for wave in range(5)]
    return generator.uniform(11, 34), [generator.uniform(0.05, 0.4), *falling]


def _scatter(
    generator: np.random.Generator,
    shape: tuple[int, int],
    maker: Callable[[np.random.Generator], tuple[float, list[float]]],
    *,
    spacing: float,
    tries: int,
    others: Sequence[_Outline] = (),
) -> list[_Outline]:
    """Outlines at random places whose centres keep `spacing` x the sum of their radii."""
    placed: list[_Outline] = []
    for _ in range(tries):
        radius, amplitudes = maker(generator)
        row, col = generator.uniform(-8, np.array(shape) + 8)
        phases = generator.uniform(0, 2 * np.pi, len(amplitudes))
        if all(
            np.hypot(row - other.row, col - other.col) > spacing * (radius + other.radius)
            for other in (*placed, *others)
        ):
            placed.append(_Outline(row, col, radius, np.array(amplitudes), phases))
    return placed


def _owners(gaps: Float64[np.ndarray, "n H W"], slit: Field) -> npt.NDArray[np.int32]:
    """Nearest outline of each pixel inside one, numbered from 1; 0 in the slits between two."""
    nearest = gaps.argmin(axis=0)
    ordered = np.sort(gaps, axis=0)
    is_slit = (ordered[1] - ordered[0] < slit) if len(gaps) > 1 else np.zeros(slit.shape, bool)
    return np.where((ordered[0] < 0) & ~is_slit, nearest + 1, 0).astype(np.int32)


def _settled(objects: npt.NDArray[np.int32], classes: npt.NDArray[np.int16]) -> TissueLayout:
    """Largest piece of each object, without holes; crumbs of under 60 pixels become stroma."""
    settled = np.zeros_like(objects)
    kept = [np.int16(0)]
    for index, box in enumerate(ndimage.find_objects(objects), start=1):
        if box is None:
            continue
        pieces, _ = ndimage.label(objects[box] == index)
        areas = np.bincount(pieces.ravel())
        areas[0] = 0
        if areas.max() < 60:
            continue
        piece = ndimage.binary_fill_holes(pieces == areas.argmax())
        settled[box][piece & (settled[box] == 0)] = len(kept)
        kept.append(classes[index])
    neighbours = ndimage.generate_binary_structure(2, 1)
    lowest = ndimage.minimum_filter(settled, footprint=neighbours)
    highest = ndimage.maximum_filter(settled, footprint=neighbours)
    depth = ndimage.distance_transform_edt(np.pad(lowest == highest, 1, mode="edge"))[1:-1, 1:-1]
    return TissueLayout(settled, np.array(kept, np.int16), np.where(settled > 0, depth + 0.5, 0))
