"""Risk and coverage: the errors that are left when a person corrects the least certain pixels."""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from askmask.records import MetricRow

REFERRED: Final = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
"""Shares of the pixels that go to a person; the rows ``error_left`` are numbered in this order."""

Cells = npt.NDArray[np.float64]
"""(3, cells): pixels, sum of confidences and correct pixels, the most certain cell first."""


def aurc(cells: Cells) -> float:
    """Area under the risk-coverage curve: mean error rate of the q most certain pixels, q uniform.

    0 is a model without an error; with errors, the later they come in the order of doubt, the
    smaller. Within a cell the order is taken as random, so errors come at its mean rate, and the
    integral is exact for that. With finer cells it goes to the mean over i of (errors among the
    first i) / i of the sorted pixels.

    Parameters
    ----------
    cells : (3, cells) float64 array
        `CalibrationSums.by_doubt`.

    Returns
    -------
    float
        In [0, 1]; NaN without pixels.

    References
    ----------
    Geifman & El-Yaniv 2017, arXiv:1705.08500; Geifman et al. 2019, arXiv:1805.08206.
    """
    pixels, errors = _filled(cells)
    if not pixels.size:
        return math.nan
    before, errors_before = np.cumsum(pixels) - pixels, np.cumsum(errors) - errors
    rate = errors / pixels
    # integral over 0 <= t <= m of (E + r t) / (N + t) = r m + (E - r N) log(1 + m / N)
    growth = np.log1p(pixels[1:] / before[1:])
    later = (errors_before[1:] - rate[1:] * before[1:]) * growth
    return float((errors.sum() + later.sum()) / pixels.sum())


def error_left(cells: Cells, referred: float) -> float:
    """Share of all pixels still wrong when a person has put the least certain ones right.

    Parameters
    ----------
    cells : (3, cells) float64 array
        `CalibrationSums.by_doubt`.
    referred : float
        Share of the pixels, the least certain first, that the person sees; in [0, 1].

    Returns
    -------
    float
        In [0, 1]; NaN without pixels. Within a cell errors come at its mean rate.
    """
    pixels, errors = _filled(cells)
    if not pixels.size:
        return math.nan
    total = pixels.sum()
    at = np.concatenate([[0], np.cumsum(pixels)])
    wrong = np.concatenate([[0], np.cumsum(errors)])
    return float(np.interp((1 - referred) * total, at, wrong) / total)


def risk_rows(cells: Cells, split: str, group: str) -> list[MetricRow]:
    """Rows ``error_left``, one per share of `REFERRED`; counts are all pixels."""
    n_pixels = int(cells[0].sum())
    return [
        MetricRow(split, group, "all", "error_left", error_left(cells, share), n_pixels, index)
        for index, share in enumerate(REFERRED)
    ]


def _filled(cells: Cells) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pixels and errors of the cells that hold a pixel."""
    filled = cells[0] > 0
    return cells[0, filled], cells[0, filled] - cells[2, filled]
