"""From dyes to a picture: absorption, focus, light, and artefacts that tempt an uncertain model."""

import numpy as np
import numpy.typing as npt
from jaxtyping import Float64, UInt8
from scipy import ndimage

from askmask.data.drawn.tissue import Dyes, Field, smooth_noise

Light = Float64[np.ndarray, "H W 3"]

_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
_EOSIN = np.array([0.10, 0.95, 0.30])
_BLOOD = np.array([0.12, 0.80, 0.62])
_PENS = np.array([[0.10, 0.25, 0.70], [0.05, 0.50, 0.25], [0.08, 0.08, 0.10]])


def photograph(generator: np.random.Generator, dyes: Dyes) -> UInt8[np.ndarray, "H W 3"]:
    """Picture of stained tissue as a slide scanner would see it.

    Each picture has its own stain and light. Some have a fold, a bubble, a pen mark, dirt, or a
    part that is out of focus; these change no label.

    Parameters
    ----------
    generator : np.random.Generator
        Advanced by the drawing.
    dyes : Dyes
        Not modified.

    Returns
    -------
    (H, W, 3) uint8 array
        RGB.

    References
    ----------
    Optical densities of the dyes: Ruifrok and Johnston 2001, "Quantification of histochemical
    staining by color deconvolution"; eosin and blood adjusted by eye.
    """
    happens = generator.random(6)
    if happens[0] < 0.25:
        dyes = _folded(generator, dyes)
    picture = _absorbed(generator, dyes)
    if happens[1] < 0.12:
        picture = _with_dirt(generator, picture)
    picture = _blurred(picture, generator.uniform(0.35, 0.9))
    if happens[2] < 0.35:
        picture = _out_of_focus(generator, picture)
    if happens[3] < 0.2:
        picture = _with_bubble(generator, picture)
    if happens[4] < 0.25:
        picture = _with_pen(generator, picture)
    return _exposed(generator, picture)


def _absorbed(generator: np.random.Generator, dyes: Dyes) -> Light:
    """Light through the dyes (Beer-Lambert), with this slide's own stain."""
    strength = np.exp(generator.normal(0, 0.22, 3)) * (1.25, 1.0, 1.0)
    fading = 1 + 0.12 * smooth_noise(generator, dyes.eosin.shape, 40.0)
    density = np.zeros((*dyes.eosin.shape, 3))
    stains = ((dyes.haematoxylin, _HAEMATOXYLIN), (dyes.eosin, _EOSIN), (dyes.blood, _BLOOD))
    for amount, (dye, colour) in zip(strength, stains, strict=True):
        own_colour = np.clip(colour + generator.normal(0, 0.045, 3), 0.02, None)
        density += (amount * fading * dye)[:, :, None] * own_colour
    return np.asarray(np.exp(-1.15 * density))


def _folded(generator: np.random.Generator, dyes: Dyes) -> Dyes:
    """A band where the tissue lies double."""
    shape = dyes.eosin.shape
    distance = np.abs(_line_distance(generator, shape) + 4 * smooth_noise(generator, shape, 15.0))
    band = np.clip(generator.uniform(4, 9) - distance, 0, 1)
    shift = tuple(generator.integers(5, 15, 2))
    layers = [
        dye + band * np.roll(dye, shift, axis=(0, 1))
        for dye in (dyes.haematoxylin, dyes.eosin, dyes.blood)
    ]
    return Dyes(*layers)


def _line_distance(generator: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Signed distance of each pixel to a random straight line through the image."""
    rows, cols = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    angle = generator.uniform(0, np.pi)
    row, col = generator.uniform(0.15, 0.85, 2) * shape
    return np.asarray((rows - row) * np.cos(angle) - (cols - col) * np.sin(angle))


def _with_dirt(generator: np.random.Generator, picture: Light) -> Light:
    """Brown grains of pigment and dust."""
    shape = picture.shape[:2]
    cloud = smooth_noise(generator, shape, 10.0) > 1
    sizes = generator.gamma(1.2, 1.0, shape) * ((generator.random(shape) < 0.03) & cloud)
    cover = np.clip(4 * ndimage.gaussian_filter(sizes, 0.6), 0, 0.85)
    return np.asarray(picture * (1 - cover[:, :, None] * (0.6, 0.75, 0.9)))


def _blurred(picture: Light, sigma: float) -> Light:
    return np.asarray(ndimage.gaussian_filter(picture, (sigma, sigma, 0)))


def _out_of_focus(generator: np.random.Generator, picture: Light) -> Light:
    """A smooth part of the picture, blurred so much that nuclei run together."""
    field = smooth_noise(generator, picture.shape[:2], 22.0)
    share = np.clip((field - generator.uniform(-0.3, 0.8)) * 2, 0, 1)[:, :, None]
    return np.asarray(picture + share * (_blurred(picture, generator.uniform(2, 3.2)) - picture))


def _with_bubble(generator: np.random.Generator, picture: Light) -> Light:
    """An air bubble: dark rim, bright edge inside, flat and blurred within; round like a gland."""
    rows, cols = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float64)
    row, col = generator.uniform(0.05, 0.95, 2) * picture.shape[:2]
    radius = generator.uniform(9, 26)
    outside = np.hypot(rows - row, (cols - col) * generator.uniform(0.85, 1.15)) - radius
    inside = np.clip(0.5 - outside, 0, 1)[:, :, None]
    hazy = 0.55 * _blurred(picture, 2.0) + 0.40
    rim = np.exp(-((outside / 1.3) ** 2))[:, :, None]
    glow = np.exp(-(((outside + 3.5) / 1.5) ** 2))[:, :, None]
    picture = picture + inside * (hazy - picture)
    return np.asarray(np.clip(picture * (1 - 0.5 * rim) + 0.2 * glow, 0, 1))


def _with_pen(generator: np.random.Generator, picture: Light) -> Light:
    """A felt pen's stroke along a curve, nearly opaque in the middle."""
    shape = picture.shape[:2]
    distance = np.abs(_line_distance(generator, shape) + 14 * smooth_noise(generator, shape, 45.0))
    width = generator.uniform(4, 10)
    patchy = 0.8 + 0.12 * smooth_noise(generator, shape, 5.0)
    cover = (np.clip((width - distance) / 2, 0, 1) * np.clip(patchy, 0.4, 0.97))[:, :, None]
    ink = _PENS[generator.integers(len(_PENS))]
    # ink absorbs: what is under it still shimmers through
    return np.asarray(picture * (1 - cover) + cover * ink * (0.4 + 0.6 * picture))


def _exposed(generator: np.random.Generator, picture: Light) -> npt.NDArray[np.uint8]:
    """White balance, uneven light, noise of the camera; 8 bits."""
    shape = picture.shape[:2]
    lamp = 0.96 * (1 + generator.normal(0, 0.015, 3))
    uneven = 1 + 0.03 * smooth_noise(generator, shape, 60.0)
    gamma = generator.uniform(0.85, 1.15)
    seen = (picture * lamp * uneven[:, :, None]).clip(0, 1) ** gamma
    noise = generator.normal(0, generator.uniform(0.008, 0.022), picture.shape)
    return np.asarray(np.rint((seen + noise).clip(0, 1) * 255), np.uint8)
