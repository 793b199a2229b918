"""Calibration of per-pixel probabilities: ours in one pass, against everything held in memory.

    python benchmarks/calibration.py [--json] [--small] [--turns N] [--threads N]

NLL, Brier score with its decomposition, and ECE of two classes; ours counts the adaptive and the
class-wise calibration error as well. The images are drawn, calibrated but for a fixed temperature.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from askmask.metrics.calibration_scores import CalibrationSums
from askmask.runtime.compute import keep_freed_memory
from pairing import arguments, compare, parse, peak_mb, show

Picture = tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]
N_BINS, N_CELLS = 10, 1000


def drawn(number: int, height: int, width: int) -> Picture:
    """Probabilities (2, H, W) and the labels of one image; overconfident by a fifth."""
    generator = np.random.default_rng(number)
    logits = 3 * generator.standard_normal((height, width), dtype=np.float32)
    truth = 1 / (1 + np.exp(-0.8 * logits))
    foreground = 1 / (1 + np.exp(-logits))
    labels = generator.random((height, width), dtype=np.float32) < truth
    return np.stack([1 - foreground, foreground]), labels.astype(np.int16)


def in_memory(pictures: list[Picture]) -> npt.NDArray[np.float64]:
    """Scores as scripts compute them: all pixels in one array, then one score after another."""
    probs = np.concatenate([picture.reshape(2, -1) for picture, _ in pictures], axis=1).T
    labels = np.concatenate([picture.ravel() for _, picture in pictures]).astype(np.int64)
    labelled = labels >= 0
    probs, labels = probs[labelled].astype(np.float64), labels[labelled]
    nll = -np.log(probs[np.arange(len(labels)), labels]).mean()
    brier = ((probs - np.eye(2)[labels]) ** 2).sum(axis=1).mean()
    confidence, correct = probs.max(axis=1), probs.argmax(axis=1) == labels
    bins = np.digitize(confidence, np.linspace(0, 1, N_BINS + 1)[1:-1])
    ece = 0.0
    for index in range(N_BINS):
        inside = bins == index
        if inside.any():
            gap = abs(confidence[inside].mean() - correct[inside].mean())
            ece += inside.mean() * gap
    parts = sum(murphy(probs[:, index], labels == index) for index in range(2))
    return np.array([nll, brier, ece, *parts])


def murphy(forecasts: npt.NDArray[np.float64], events: npt.NDArray[np.bool_]) -> npt.NDArray:
    """Reliability, resolution and uncertainty of one class against the rest."""
    cells = np.digitize(forecasts, np.linspace(0, 1, N_CELLS + 1)[1:-1])
    count = np.maximum(np.bincount(cells, minlength=N_CELLS), 1)
    forecast = np.bincount(cells, forecasts, N_CELLS) / count
    rate = np.bincount(cells, events, N_CELLS) / count
    share, base = np.bincount(cells, minlength=N_CELLS) / len(cells), events.mean()
    reliability = (share * (forecast - rate) ** 2).sum()
    return np.array([reliability, (share * (rate - base) ** 2).sum(), base * (1 - base)])


def one_pass(pictures: list[Picture]) -> npt.NDArray[np.float64]:
    """Return the same scores from our sums."""
    sums = CalibrationSums(2, N_BINS)
    for probs, labels in pictures:
        sums.update(probs, labels)
    parts = sums.decomposition()
    return np.array(
        [
            sums.nll(),
            sums.brier(),
            sums.ece(),
            parts.reliability,
            parts.resolution,
            parts.uncertainty,
        ]
    )


def same_image_again(count: int, height: int, width: int) -> Callable[[], object]:
    """Count one image `count` times, for `peak_mb`: what is beyond the image itself is ours."""
    picture = drawn(0, height, width)
    return lambda: one_pass([picture] * count)


def largest_difference(expected: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]) -> float:
    """Of any of the six scores."""
    return float(abs(expected - scores).max())


def main() -> None:
    """Compare, and measure our memory at as many images and at ten times as many."""
    options = parse(arguments(__doc__.splitlines()[0]))
    keep_freed_memory()
    count, size = (12, (264, 392)) if options.small else (80, (528, 784))
    peaks = [peak_mb(partial(same_image_again, n, *size)) for n in (count, 10 * count)]
    pictures = [drawn(number, *size) for number in range(count)]
    compared = compare(
        f"calibration of {count} images of {size[0]}x{size[1]}, an image",
        partial(in_memory, pictures),
        partial(one_pass, pictures),
        difference=largest_difference,
        turns=options.turns,
        items=count,
        tolerance=1e-5,
        peak_mb=peaks[0],
    )
    rows = [replace(compared, notes={f"peak_mb_at_{10 * count}_images": peaks[1]})]
    show(rows, as_json=options.json)
    if not options.json:
        print(f"Memory at {10 * count} images: {peaks[1]:.1f} MB.")


if __name__ == "__main__":
    main()
