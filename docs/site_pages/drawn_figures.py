"""The figures that explain: drawn by askmask's own functions, on numbers that are stated.

``python docs/site_pages/drawn_figures.py`` draws them into docs/images.
"""

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: there is no screen

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from askmask.data.drawn.demo import draw_tissue
from askmask.data.drawn.tissue import smooth_noise
from askmask.query.regions.windows import window_origins, window_sums, without_overlap
from askmask.query.scores import (
    SampleSums,
    expected_entropy,
    mutual_information,
    predictive_entropy,
)
from askmask.seeds import numpy_generator

IMAGES = Path(__file__).parents[1] / "images"
WINDOW = 32
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8a8a8a"
STYLE = {
    "svg.hashsalt": "askmask",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

PIXELS = {
    "sure, and the\nsamples agree": (0.97, 0.95, 0.98, 0.96, 0.97),
    "unsure, and the\nsamples agree": (0.52, 0.48, 0.51, 0.49, 0.50),
    "sure, but the\nsamples disagree": (0.97, 0.04, 0.95, 0.03, 0.96),
}
"""Probability of gland that five samples give a pixel."""


def doubt() -> Figure:
    """Three pixels, what five samples say of each, and the two kinds of doubt."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(6.4, 4.4), sharex=True)
    gland = torch.tensor(list(PIXELS.values())).T  # (S, pixels)
    sums = SampleSums.of(torch.stack([1 - gland, gland], 1))  # (S, C, pixels)
    places = np.arange(len(PIXELS))
    for sample in gland:
        above.plot(places, sample, "o", color=GREY, alpha=0.7)
    above.plot(places, sums.mean_probs[1], "_", color="black", markersize=26)
    above.set(ylabel="probability of gland", ylim=(0, 1.02))
    shared, disagreement = expected_entropy(sums), mutual_information(sums)
    below.bar(places, shared, 0.4, color=BLUE, label="shared by all samples")
    below.bar(places, disagreement, 0.4, shared, color=ORANGE, label="from their disagreement")
    for place, total in zip(places, predictive_entropy(sums), strict=True):
        below.text(place, float(total) + 0.02, f"{float(total):.2f}", ha="center")
    below.set(ylabel="doubt (entropy, nats)", ylim=(0, 0.85), xticks=places)
    below.set_xticklabels(list(PIXELS))
    below.legend(frameon=False, loc="upper left")
    return figure


def windows() -> Figure:
    """An image, a map of scores, and the windows that sums of scores choose."""
    image, _ = draw_tissue(4, 128, 128)
    noise = smooth_noise(numpy_generator(1, "windows"), (128, 128), 8.0)
    score = np.clip(noise, 0, None)
    origins = window_origins(128, WINDOW, stride=8)
    sums = window_sums(score, (WINDOW, WINDOW), stride=8)
    order = np.argsort(-sums, axis=None)
    best = without_overlap(order, origins, origins, (WINDOW, WINDOW), limit=4)
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 2.9))
    titles = ("an image", "a score for each pixel", "the four best squares")
    shown = (image, score, image)
    for axis, title, picture in zip(axes, titles, shown, strict=True):
        axis.imshow(picture, cmap="magma")
        axis.set(title=title, xticks=[], yticks=[])
    for row, col in zip(*np.unravel_index(best, sums.shape), strict=True):
        corner = (origins[col], origins[row])
        axes[2].add_patch(Rectangle(corner, WINDOW, WINDOW, fill=False, edgecolor="yellow", lw=2))
    return figure


def temperature() -> Figure:
    """Confidence before and after a temperature, for two classes."""
    figure, axis = plt.subplots(figsize=(4.4, 3.4))
    confidence = np.linspace(0.5, 0.999, 200)
    logit = np.log(confidence / (1 - confidence))
    for value, colour in ((1.0, GREY), (1.5, BLUE), (2.5, ORANGE)):
        corrected = torch.sigmoid(torch.from_numpy(logit / value))
        axis.plot(confidence, corrected, color=colour, label=f"T = {value:g}")
    axis.set(xlabel="confidence of the network", ylabel="confidence after the temperature")
    axis.legend(frameon=False)
    return figure


FIGURES: dict[str, Callable[[], Figure]] = {
    "drawn-doubt.svg": doubt,
    "drawn-windows.png": windows,
    "drawn-temperature.svg": temperature,
}


def draw(folder: Path) -> None:
    """Draw every figure into a folder."""
    for name, drawing in FIGURES.items():
        with mpl.rc_context(STYLE):
            figure = drawing()
            metadata = {"Date": None} if name.endswith(".svg") else {}
            figure.tight_layout()
            figure.savefig(folder / name, metadata=metadata, dpi=75, bbox_inches="tight")
            plt.close(figure)


if __name__ == "__main__":
    draw(IMAGES)
