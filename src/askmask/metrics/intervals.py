"""Intervals of calibration scores by resampling images: pixels of one image are not independent.

Each image is kept as the few sums that the scores are made of, so resampling costs a product of two
small matrices and the memory of about 100 numbers an image.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.metrics.calibration_scores import CalibrationSums
from askmask.records import MetricRow
from askmask.seeds import numpy_generator

N_RESAMPLES: Final = 2000
LEVEL: Final = 0.95

_BATCH = 250  # resamples at a time


class ImageSums:
    """Sums of each image, to be resampled.

    Parameters
    ----------
    n_bins : int
        Bins of the calibration error.
    """

    def __init__(self, n_bins: int) -> None:
        self._n_bins = n_bins
        self._rows: list[npt.NDArray[np.float64]] = []

    def add(self, image: CalibrationSums) -> None:
        """Keep the sums of one image; one without a labelled pixel is left out."""
        if image.n_pixels:
            bins = image.top.reshape(3, self._n_bins, -1).sum(axis=2)
            sums = [image.n_pixels, image.log_loss, image.squared_error]
            self._rows.append(np.concatenate([sums, bins[1] - bins[2]]))

    def merge(self, other: "ImageSums") -> None:
        """Add the images of another one with the same bins."""
        self._rows = self._rows + other._rows  # noqa: SLF001 - the same class

    def rows(self, split: str, group: str) -> list[MetricRow]:
        """Ends of the 95 % percentile intervals; counts are images, values NaN below two of them.

        The draws are seeded, so equal images give equal intervals. Where an image's NLL is
        infinite, so are most resampled ones, and that of the NLL is NaN.

        Returns
        -------
        list of MetricRow
            ``nll_low``, ``nll_high``, and so for ``brier`` and ``ece``.

        References
        ----------
        Efron & Tibshirani 1993, "An introduction to the bootstrap", section 13.3; whole images as
        clusters: Field & Welsh 2007.
        """
        tail = (1 - LEVEL) / 2
        found = {name: (float("nan"), float("nan")) for name in ("nll", "brier", "ece")}
        if len(self._rows) > 1:
            for name, values in self._resampled().items():
                low, high = np.quantile(values, [tail, 1 - tail], method="linear")
                found[name] = (float(low), float(high))
        return [
            MetricRow(split, group, "all", f"{name}_{end}", value, len(self._rows))
            for name, ends in found.items()
            for end, value in zip(("low", "high"), ends, strict=True)
        ]

    def _resampled(self) -> dict[str, npt.NDArray[np.float64]]:
        table = np.stack(self._rows)  # (images, 3 + bins)
        is_infinite = np.isinf(table[:, 1])
        table[is_infinite, 1] = 0
        n_images = len(table)
        generator = numpy_generator(0, "bootstrap", n_images)
        parts = []
        for _ in range(N_RESAMPLES // _BATCH):
            times = generator.multinomial(n_images, np.full(n_images, 1 / n_images), size=_BATCH)
            parts.append(times @ table)
        sums = np.concatenate(parts)  # (resamples, 3 + bins)
        pixels = sums[:, 0]
        return {
            "nll": np.where(is_infinite.any(), np.nan, sums[:, 1] / pixels),
            "brier": sums[:, 2] / pixels,
            "ece": np.abs(sums[:, 3:]).sum(axis=1) / pixels,
        }
