"""Numbers that summarise several seeds: intervals, areas under curves, cost to reach a score.

Pure functions of plain sequences. Nothing is dropped, smoothed or clipped: a NaN among the values
makes the result NaN.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from askmask.errors import ShapeError


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Mean of a sample and half the width of its Student t interval.

    The interval is mean +- t(n - 1, (1 + confidence) / 2) x std / sqrt(n), where std divides by
    n - 1. It takes the values (one per seed) as independent and roughly normal.

    Parameters
    ----------
    values : sequence of float
        One value per seed, in any order.
    confidence : float
        In (0, 1).

    Returns
    -------
    mean : float
        NaN if there is no value or one of them is NaN.
    half_width : float
        NaN for fewer than two values, and where the mean is not finite.

    Examples
    --------
    >>> mean, half_width = t_interval([1.0, 2.0, 3.0])
    >>> round(mean, 3), round(half_width, 3)
    (2.0, 2.484)
    """
    if not 0 < confidence < 1:
        raise ShapeError(f"expected a confidence between 0 and 1, got {confidence!r}.")
    count = len(values)
    if count == 0:
        return math.nan, math.nan
    mean = float(sum(values)) / count
    if count == 1 or not math.isfinite(mean):
        return mean, math.nan
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(count)
    quantile = float(stdtrit(count - 1, (1 + confidence) / 2))
    return mean, quantile * standard_error


def aubc(
    cost: Sequence[float], score: Sequence[float], span: tuple[float, float] | None = None
) -> float:
    """Area under the budget curve: mean score over a range of costs, by the trapezoid rule.

    The cost is scaled to [0, 1] over `span`, so the area has the unit of the score and a constant
    score is its own area.

    Parameters
    ----------
    cost : sequence of float
        Never falling, finite.
    score : sequence of float
        As many; NaN inside the span makes the area NaN.
    span : tuple of float, optional
        Range of costs to average over, within that of `cost`; between measured costs the score is
        interpolated linearly. The whole range when left out. Curves are only comparable over the
        same span.

    Returns
    -------
    float
        NaN if the span has no width.

    Raises
    ------
    ShapeError
        If the lengths differ or are 0, the cost falls, or the span leaves the measured range.

    Examples
    --------
    >>> aubc([0.0, 1.0, 2.0], [0.0, 1.0, 1.0])
    0.75
    >>> aubc([0.0, 1.0, 2.0], [0.0, 1.0, 1.0], span=(0.0, 1.0))
    0.5
    """
    x, y = _curve(cost, score)
    low, high = (float(x[0]), float(x[-1])) if span is None else span
    if not x[0] <= low <= high <= x[-1]:
        raise ShapeError(
            f"expected a span inside the measured costs {(float(x[0]), float(x[-1]))!r}, "
            f"got {(low, high)!r}."
        )
    if low == high:
        return math.nan
    inside = (x > low) & (x < high)
    ends = np.interp([low, high], x, y)
    xs = np.concatenate([[low], x[inside], [high]])
    ys = np.concatenate([ends[:1], y[inside], ends[1:]])
    doubled = (xs[1:] - xs[:-1]) * (ys[1:] + ys[:-1])
    return float(doubled.sum()) / 2 / (high - low)


def cost_to_reach(cost: Sequence[float], score: Sequence[float], level: float) -> float:
    """Smallest cost at which a curve reaches a score, interpolated linearly.

    Parameters
    ----------
    cost, score : sequence of float
        As in `aubc`; a NaN score reaches nothing, and nothing is interpolated from it.
    level : float
        The score to reach; larger is better.

    Returns
    -------
    float
        NaN if the curve stays below `level`.

    Examples
    --------
    >>> cost_to_reach([10.0, 20.0, 30.0], [0.5, 0.7, 0.6], 0.6)
    15.0
    """
    x, y = _curve(cost, score)
    reached = np.flatnonzero(y >= level)
    if not reached.size:
        return math.nan
    first = int(reached[0])
    if first == 0 or math.isnan(y[first - 1]):
        return float(x[first])
    share = (level - y[first - 1]) / (y[first] - y[first - 1])
    return float(x[first - 1] + share * (x[first] - x[first - 1]))


def common_span(costs: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """Range of costs that every curve covers; None if there is no curve or no shared range.

    Examples
    --------
    >>> common_span([[0.1, 0.5], [0.2, 0.9]])
    (0.2, 0.5)
    """
    if not costs:
        return None
    low, high = max(min(cost) for cost in costs), min(max(cost) for cost in costs)
    return (low, high) if low < high else None


def _curve(
    cost: Sequence[float], score: Sequence[float]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], ...]:
    """Both as arrays, checked."""
    x, y = np.array(cost, dtype=np.float64), np.array(score, dtype=np.float64)
    if len(x) != len(y) or not len(x):
        raise ShapeError(f"expected as many scores as costs, at least 1, got {len(x)}, {len(y)}.")
    if not np.isfinite(x).all() or (x[1:] < x[:-1]).any():
        raise ShapeError(f"expected finite costs that never fall, got {list(cost)!r}.")
    return x, y
