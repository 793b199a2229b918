"""How many more regions are likely worth their labels, from the scores of the rounds so far.

The curve is a power law, score(n) = a - b (n + 1)^-c, which learning curves of networks follow
(Hestness et al. 2017, arXiv:1712.00409). The interval comes from the residuals, drawn anew
(a bootstrap), so it knows how noisy these rounds were, but not that a curve may bend otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

STEP: Final = 10
"""Regions that are weighed at a time."""
WORTH: Final = 0.005
"""Gain in score for which so many regions are worth their labels: half a point of Dice."""
LEAST_ROUNDS: Final = 5
"""With fewer rounds any line fits."""
MOST_REGIONS: Final = 1000
"""Further ahead nothing is said."""
DRAWS: Final = 200
COVERAGE: Final = 0.8

_EXPONENTS: Final = np.linspace(0.1, 2.0, 20)

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Forecast:
    """So many more regions are likely worth it, `low` to `high` with a chance of `COVERAGE`.

    A number of `MOST_REGIONS` means that many or more.
    """

    more: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class _Curve:
    limit: float
    slope: float
    exponent: float

    def at(self, regions: Array) -> Array:
        return np.asarray(self.limit - self.slope * (regions + 1) ** -self.exponent)

    def worth_after(self, regions: float) -> int:
        """How many more regions it takes until `STEP` of them bring less than `WORTH`."""
        more = np.arange(0, MOST_REGIONS + 1, STEP)
        now = np.asarray(regions + more, np.float64)
        gain = self.at(now + STEP) - self.at(now)
        too_little = np.flatnonzero(gain < WORTH)
        return int(more[too_little[0]]) if too_little.size else MOST_REGIONS


def forecast(regions: Sequence[int], scores: Sequence[float]) -> Forecast | None:
    """Forecast from the answered regions and the score of each round, oldest first.

    Parameters
    ----------
    regions, scores : sequences of int and of float
        Of equal length; scores in [0, 1], larger is better.

    Returns
    -------
    Forecast or None
        None with fewer than `LEAST_ROUNDS` rounds, or as many different numbers of regions.
    """
    counts, values = np.asarray(regions, float), np.asarray(scores, float)
    if len(np.unique(counts)) < LEAST_ROUNDS:
        return None
    curve = _fit(counts, values)
    fitted = curve.at(counts)
    # a curve of three parameters follows the noise a little: the residuals are too small by this
    spread = np.sqrt(len(values) / (len(values) - 3))
    residuals = (values - fitted) * spread
    random = np.random.default_rng(0)  # the same rounds give the same interval
    drawn = [
        _fit(counts, fitted + random.choice(residuals, len(residuals))).worth_after(counts.max())
        for _ in range(DRAWS)
    ]
    tail = (1 - COVERAGE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], method="nearest")
    more = curve.worth_after(counts.max())
    return Forecast(more, min(int(low), more), max(int(high), more))


def _fit(regions: Array, scores: Array) -> _Curve:
    """Fit by least squares: for each exponent a line, which may not fall."""
    best, least = (
        _Curve(float(scores.mean()), 0.0, 1.0),
        float(((scores - scores.mean()) ** 2).sum()),
    )
    for exponent in _EXPONENTS:
        base = (regions + 1) ** -exponent
        away = base - base.mean()
        slope = -float(away @ (scores - scores.mean())) / float(away @ away)
        if slope <= 0:
            continue
        limit = float(scores.mean() + slope * base.mean())
        error = float(((limit - slope * base - scores) ** 2).sum())
        if error < least:
            best, least = _Curve(limit, slope, float(exponent)), error
    return best
