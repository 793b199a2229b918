"""Cells of drawn tissue: nuclei, cytoplasm, lumen, fibres and blood, as amounts of dye."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float64
from scipy import ndimage

from askmask.data.drawn.tissue import GLAND, VESSEL, Dyes, Field, Grade, TissueLayout, smooth_noise

Pixels = Bool[np.ndarray, "H W"]


@dataclass(frozen=True, slots=True)
class _Nuclei:
    """One population of nuclei: distance between neighbours, size, shape, how dark."""

    spacing: int
    length: float
    width: float
    darkness: float
    variation: float  # relative, of size and darkness


_BASAL = _Nuclei(4, 3.4, 1.7, 0.85, 0.15)
_STRATIFIED = _Nuclei(5, 3.6, 2.2, 0.9, 0.35)
_FIBROBLAST = _Nuclei(11, 4.2, 1.1, 0.7, 0.3)
_LYMPHOCYTE = _Nuclei(4, 1.9, 1.8, 1.05, 0.1)
_ENDOTHELIUM = _Nuclei(7, 3.4, 1.1, 0.8, 0.2)
_RED_CELL = _Nuclei(4, 2.3, 2.1, 0.75, 0.15)
_DEBRIS = _Nuclei(7, 1.4, 1.2, 0.8, 0.4)


def stain(generator: np.random.Generator, layout: TissueLayout, grade: Grade) -> Dyes:
    """Amounts of dye of a layout.

    Parameters
    ----------
    generator : np.random.Generator
        Advanced by the drawing.
    layout : TissueLayout
        Not modified.
    grade : Grade
        Benign glands have one row of nuclei at the base, pale cytoplasm with goblet cells and a
        clear lumen; malignant ones crowded dark nuclei in several rows and a narrow, dirty lumen.

    Returns
    -------
    Dyes
        Owned by the caller.
    """
    shape = layout.objects.shape
    angle = _fibre_angle(generator, shape)
    dyes = _stroma(generator, shape, angle)
    outward = _outward_angle(layout)
    painter = _Painter(generator, dyes)
    is_stroma = layout.objects == 0
    _holes(generator, dyes, layout)
    painter.nuclei(is_stroma & (dyes.eosin > 0.2), _FIBROBLAST, angle)
    _lymphocytes(painter, is_stroma)
    _glands(painter, layout, outward, grade)
    _vessels(painter, layout, outward + np.pi / 2)
    return dyes


class _Painter:
    """Draws nuclei over dyes that it changes in place."""

    def __init__(self, generator: np.random.Generator, dyes: Dyes) -> None:
        self.generator = generator
        self.dyes = dyes

    def nuclei(
        self, where: Pixels, kind: _Nuclei, angle: Field, *, target: str = "haematoxylin"
    ) -> None:
        """Fill `where` with nuclei of a kind whose long axis lies along `angle` (radians)."""
        rows, cols = self._places(where, kind.spacing)
        n = len(rows)
        if n == 0:
            return
        size = 1 + kind.variation * self.generator.uniform(-1, 1, (2, n, 1, 1))
        darkness = kind.darkness * (1 + kind.variation * self.generator.uniform(-1, 1, (n, 1, 1)))
        turn = (angle[rows, cols] + self.generator.normal(0, 0.25, n))[:, None, None]
        reach = int(np.ceil(kind.length * (1 + kind.variation))) + 1
        down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
        shift = self.generator.uniform(-0.5, 0.5, (2, n, 1, 1))
        along = (right - shift[0]) * np.cos(turn) + (down - shift[1]) * np.sin(turn)
        across = (down - shift[1]) * np.cos(turn) - (right - shift[0]) * np.sin(turn)
        length, width = kind.length * size[0], kind.width * size[1]
        radius = np.hypot(along / length, across / width)
        cover = np.clip((1 - radius) * width + 0.5, 0, 1)  # one pixel of soft edge
        self._blend(rows, cols, cover * darkness, getattr(self.dyes, target))
        if target == "haematoxylin":
            self._displace(rows, cols, cover)

    def _places(
        self, where: Pixels, spacing: int
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Peaks of noise: random points that keep about `spacing` pixels apart."""
        noise = np.where(where, self.generator.random(where.shape), 0)
        peaks = (noise == ndimage.maximum_filter(noise, spacing)) & where
        rows, cols = np.nonzero(peaks)
        return rows, cols

    def _blend(
        self,
        rows: npt.NDArray[np.intp],
        cols: npt.NDArray[np.intp],
        amount: Float64[np.ndarray, "n k k"],
        target: Field,
    ) -> None:
        at = _patch_pixels(rows, cols, amount.shape[-1], target.shape)
        np.maximum.at(target, at, amount)

    def _displace(
        self,
        rows: npt.NDArray[np.intp],
        cols: npt.NDArray[np.intp],
        cover: Float64[np.ndarray, "n k k"],
    ) -> None:
        """Nuclei hold little eosin."""
        covered = np.zeros_like(self.dyes.eosin)
        self._blend(rows, cols, cover, covered)
        self.dyes.eosin[:] *= 1 - 0.6 * covered


def _patch_pixels(
    rows: npt.NDArray[np.intp], cols: npt.NDArray[np.intp], side: int, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """(n, side, side) rows and columns around each place; outside the image, of its border."""
    offsets = np.arange(side) - side // 2
    at_rows = np.clip(rows[:, None, None] + offsets[:, None], 0, shape[0] - 1)
    at_cols = np.clip(cols[:, None, None] + offsets[None, :], 0, shape[1] - 1)
    return at_rows, at_cols


def _fibre_angle(generator: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Direction of the stroma's fibres, turning slowly over the image."""
    return generator.uniform(0, np.pi) + 0.7 * smooth_noise(generator, shape, 25.0)


def _stroma(generator: np.random.Generator, shape: tuple[int, int], angle: Field) -> Dyes:
    """Wavy pink fibres: noise that is stretched along one direction, then bent."""
    main = float(np.median(angle))
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    bend = 6 * smooth_noise(generator, shape, 14.0)
    along = (cols * np.cos(main) + rows * np.sin(main)) * 0.12
    across = (rows * np.cos(main) - cols * np.sin(main) + bend) * 0.55
    grain = ndimage.gaussian_filter(generator.standard_normal((128, 128)), 0.8, mode="wrap")
    fibres = ndimage.map_coordinates(grain, [along, across], order=1, mode="grid-wrap")
    fibres /= fibres.std()
    patches = smooth_noise(generator, shape, 18.0)
    eosin = np.clip(0.42 + 0.10 * fibres + 0.08 * patches, 0.08, None)
    haematoxylin = np.clip(0.08 + 0.03 * smooth_noise(generator, shape, 4.0), 0, None)
    return Dyes(haematoxylin, eosin, np.zeros(shape))


def _holes(generator: np.random.Generator, dyes: Dyes, layout: TissueLayout) -> None:
    """Clefts and fat in the stroma: as white as a lumen, but background."""
    shape = layout.objects.shape
    free = ndimage.distance_transform_edt(np.pad(layout.objects == 0, 1, constant_values=True))
    noise = smooth_noise(generator, shape, 6.0) - np.where(free[1:-1, 1:-1] > 3, 0, 9)
    openness = np.clip((noise - generator.uniform(1.1, 2.4)) * 4, 0, 1)
    for dye in (dyes.eosin, dyes.haematoxylin):
        dye[:] *= 1 - 0.95 * openness


def _lymphocytes(painter: _Painter, is_stroma: Pixels) -> None:
    """Clouds of small dark round nuclei, dense in some images."""
    shape = is_stroma.shape
    cloud = smooth_noise(painter.generator, shape, 12.0) > painter.generator.uniform(0.6, 2.2)
    painter.nuclei(is_stroma & cloud, _LYMPHOCYTE, np.zeros(shape))
    sparse = smooth_noise(painter.generator, shape, 3.0) > 1.8
    painter.nuclei(is_stroma & sparse, _LYMPHOCYTE, np.zeros(shape))


def _outward_angle(layout: TissueLayout) -> Field:
    """Direction across the wall of an object, from the slope of its depth."""
    depth = ndimage.gaussian_filter(layout.depth, 1.5)
    down, right = np.gradient(depth)
    return np.asarray(np.arctan2(down, right))


def _per_object(
    generator: np.random.Generator, layout: TissueLayout, low: float, high: float
) -> Field:
    """One random value per object, spread over its pixels."""
    values = generator.uniform(low, high, len(layout.classes))
    return np.asarray(values[layout.objects])


def _glands(painter: _Painter, layout: TissueLayout, outward: Field, grade: Grade) -> None:
    generator, dyes, depth = painter.generator, painter.dyes, layout.depth
    shape = depth.shape
    is_gland = layout.labels == GLAND
    is_benign = grade is Grade.BENIGN
    height = _per_object(generator, layout, *((8.5, 11.5) if is_benign else (8.0, 15.0)))
    height = height + (0.6 if is_benign else 1.8) * smooth_noise(generator, shape, 6.0)
    lumen = is_gland & (depth > height)
    if not is_benign:  # small round lumina inside the epithelium
        lumen |= is_gland & (depth > 4) & (smooth_noise(generator, shape, 3.5) > 1.9)
    epithelium = is_gland & ~lumen
    _cytoplasm(generator, dyes, epithelium, is_benign=is_benign)
    if is_benign:
        goblets = epithelium & (depth > 4.5) & (depth < height - 0.5)
        _goblet_cells(generator, dyes, goblets)
        painter.nuclei(epithelium & (depth > 1.2) & (depth < 3.2), _BASAL, outward)
    else:
        painter.nuclei(epithelium & (depth > 1.2) & (depth < height - 2.5), _STRATIFIED, outward)
    _fill_lumen(painter, lumen, layout, is_benign=is_benign)


def _cytoplasm(
    generator: np.random.Generator, dyes: Dyes, where: Pixels, *, is_benign: bool
) -> None:
    grain = smooth_noise(generator, where.shape, 1.5)
    pink, blue = (0.36, 0.17) if is_benign else (0.44, 0.24)
    dyes.eosin[where] = (pink + 0.06 * grain)[where]
    dyes.haematoxylin[where] = np.clip(blue + 0.04 * grain, 0, None)[where]


def _goblet_cells(generator: np.random.Generator, dyes: Dyes, where: Pixels) -> None:
    """Pale bluish drops of mucus."""
    amount = np.zeros(where.shape)
    painter = _Painter(generator, Dyes(amount, np.zeros(where.shape), amount))
    drop = _Nuclei(5, 2.6, 2.2, 1.0, 0.3)
    painter.nuclei(where, drop, np.zeros(where.shape), target="blood")
    for dye, left in ((dyes.eosin, 0.08), (dyes.haematoxylin, 0.11)):
        dye[:] = np.where(where, dye + amount.clip(0, 1) * (left - dye), dye)


def _fill_lumen(painter: _Painter, lumen: Pixels, layout: TissueLayout, *, is_benign: bool) -> None:
    """Empty, or with mucus; in malignant glands with pink debris and fragments of nuclei."""
    generator, dyes = painter.generator, painter.dyes
    content = _per_object(generator, layout, 0.0, 1.0)
    texture = np.clip(0.5 + 0.5 * smooth_noise(generator, lumen.shape, 4.0), 0, 1.5)
    pink, blue = (0.05, 0.10) if is_benign else (0.34, 0.08)
    filled = np.where(content > 0.45, texture, 0.1)
    dyes.eosin[lumen] = (0.03 + pink * filled)[lumen]
    dyes.haematoxylin[lumen] = (0.02 + blue * filled)[lumen]
    if not is_benign:
        flat = np.zeros(lumen.shape)
        painter.nuclei(lumen & (content > 0.6) & (texture > 0.6), _DEBRIS, flat)


def _vessels(painter: _Painter, layout: TissueLayout, along: Field) -> None:
    """A pink wall with flat nuclei around blood, plasma or nothing."""
    generator, dyes, depth = painter.generator, painter.dyes, layout.depth
    is_vessel = layout.labels == VESSEL
    thickness = _per_object(generator, layout, 2.2, 5.0)
    content = _per_object(generator, layout, 0.0, 1.0)
    wall = is_vessel & (depth < thickness)
    inside = is_vessel & ~wall
    grain = smooth_noise(generator, depth.shape, 1.5)
    dyes.eosin[wall] = (0.5 + 0.08 * grain)[wall]
    dyes.haematoxylin[wall] = 0.1
    dyes.eosin[inside] = np.where(content < 0.35, 0.16, 0.03)[inside]  # plasma or nothing
    dyes.haematoxylin[inside] = 0.02
    painter.nuclei(wall & (depth > 1), _ENDOTHELIUM, along)
    blood = inside & (content > 0.25)
    packed = smooth_noise(generator, depth.shape, 5.0) > np.where(content > 0.6, -1.5, 0.2)
    painter.nuclei(blood & packed, _RED_CELL, along, target="blood")
    dyes.blood[~is_vessel] = 0
