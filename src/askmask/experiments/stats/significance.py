"""Whether a difference is more than chance: paired tests over seeds, and correction for several.

Pure functions. Trials are paired by seed, so every test looks at the differences of pairs. With a
handful of seeds no test is strong: `smallest_sign_flip_p` and `detectable_effect` say how weak.
A NaN among the differences makes the result NaN; nothing is dropped.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import ncfdtr, stdtr, stdtrit

from askmask.errors import ShapeError
from askmask.seeds import numpy_generator

EXACT_UP_TO: Final = 16
"""Largest number of differences whose sign patterns are all looked at (2**16)."""

RANDOM_PATTERNS: Final = 99_999
"""Sign patterns drawn where there are too many to look at all."""


def paired_t_test(differences: Sequence[float]) -> float:
    """Two-sided p-value of the paired t test that the mean difference is 0.

    t = mean / (std / sqrt(n)) with n - 1 degrees of freedom, std dividing by n - 1; it takes the
    differences as independent and roughly normal.

    Parameters
    ----------
    differences : sequence of float
        One per pair, in any order.

    Returns
    -------
    float
        In [0, 1]; NaN for fewer than two differences or one that is not finite; 1 if all are 0,
        0 if all are the same other number.

    Examples
    --------
    >>> round(paired_t_test([1.0, 2.0, 3.0]), 4)
    0.0742
    """
    values = np.array(differences, dtype=np.float64)
    if values.size < 2 or not np.all(np.isfinite(values)):
        return math.nan
    if np.ptp(values) == 0:  # the standard deviation of equal numbers is not 0 in floats
        return 1.0 if values[0] == 0 else 0.0
    mean, error = float(values.mean()), float(values.std(ddof=1)) / math.sqrt(values.size)
    return float(2 * stdtr(values.size - 1, -abs(mean) / error))


def sign_flip_test(differences: Sequence[float], seed: int = 0) -> float:
    """Two-sided p-value of the sign-flip permutation test of a mean difference of 0.

    If neither member of a pair is better, each difference is as likely with the other sign. The
    p-value is the share of sign patterns whose sum is at least as far from 0 as the observed one:
    of all 2**n patterns up to n = `EXACT_UP_TO`, else of `RANDOM_PATTERNS` drawn ones and the
    observed one. No shape of the distribution is assumed, only symmetry.

    Parameters
    ----------
    differences : sequence of float
        One per pair, in any order.
    seed : int
        Determines the drawn patterns.

    Returns
    -------
    float
        In (0, 1], never below `smallest_sign_flip_p`; NaN without a difference or where one is
        not finite.

    References
    ----------
    Fisher 1935, The Design of Experiments, section 21.

    Examples
    --------
    Of eight patterns of 1, 2, 3 only + + + and - - - reach a sum of 6:

    >>> sign_flip_test([1.0, 2.0, 3.0])
    0.25
    """
    values = np.array(differences, dtype=np.float64)
    count = values.size
    if count == 0 or not np.all(np.isfinite(values)):
        return math.nan
    observed = abs(values.sum())
    least = observed - 1e-12 * np.abs(values).sum()  # sums of equal terms differ by rounding
    if count <= EXACT_UP_TO:
        flips = (np.arange(2**count)[:, None] >> np.arange(count)) & 1
        return float(np.mean(np.abs((1 - 2 * flips) @ values) >= least))
    generator = numpy_generator(seed, "sign flip", count)
    signs = generator.choice(np.array([-1.0, 1.0]), size=(RANDOM_PATTERNS, count))
    reached = int(np.count_nonzero(np.abs(signs @ values) >= least))
    return (reached + 1) / (RANDOM_PATTERNS + 1)


def smallest_sign_flip_p(pairs: int) -> float:
    """Smallest p-value that a sign-flip test of so many pairs can have: 2 / 2**n.

    Fewer than 6 pairs cannot reach 0.05.

    Examples
    --------
    >>> [smallest_sign_flip_p(pairs) for pairs in (2, 3, 5, 6)]
    [0.5, 0.25, 0.0625, 0.03125]
    """
    return math.nan if pairs < 1 else 2.0 ** (1 - pairs)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: p-values that may be held against one level together.

    The i-th smallest of m is multiplied by m - i + 1, then made to never fall, at most 1. Calling
    everything at or below 0.05 a difference is wrong once or more with probability 0.05 at most,
    however the tests depend on each other.

    Parameters
    ----------
    p_values : sequence of float
        In [0, 1]; NaN stands for a test that could not be made: it stays NaN and does not count.

    Returns
    -------
    list of float
        In the order given.

    Raises
    ------
    ShapeError
        If a value is no probability.

    References
    ----------
    Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    Examples
    --------
    Smallest first: 0.01 x 3, 0.02 x 2, 0.04 x 1 = 0.04, which is not below the one before.

    >>> holm([0.04, 0.01, 0.02])
    [0.04, 0.03, 0.04]
    """
    values = np.array(p_values, dtype=np.float64)
    if np.any((values < 0) | (values > 1)):
        raise ShapeError(f"expected p-values in [0, 1] or NaN, got {list(p_values)!r}.")
    adjusted = np.full(values.shape, math.nan)
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def t_test_power(effect: float, pairs: int, level: float = 0.05) -> float:
    """Probability that a paired t test finds a difference that is there.

    Parameters
    ----------
    effect : float
        True mean difference in standard deviations of the differences.
    pairs : int
        At least 2.
    level : float
        A p-value below it counts as found.

    References
    ----------
    Cohen 1988, Statistical Power Analysis, chapter 2 (noncentral t, here squared).

    Examples
    --------
    >>> round(t_test_power(0.5, 34), 3)
    0.808
    """
    degrees = pairs - 1
    critical = float(stdtrit(degrees, 1 - level / 2))
    # t squared is noncentral F: both tails at once, and no underflow in the far one
    return float(1 - ncfdtr(1, degrees, pairs * effect**2, critical**2))


def detectable_effect(pairs: int, level: float = 0.05, power: float = 0.8) -> float:
    """Smallest true difference that a paired t test finds with probability `power`.

    Parameters
    ----------
    pairs, level
        As for `t_test_power`.
    power : float
        In (level, 1).

    Returns
    -------
    float
        In standard deviations of the differences over seeds; NaN for fewer than two pairs.

    Examples
    --------
    >>> [round(detectable_effect(pairs), 1) for pairs in (3, 5, 10)]
    [3.3, 1.7, 1.0]
    """
    if pairs < 2:
        return math.nan
    highest = 1.0
    while t_test_power(highest, pairs, level) < power:
        highest *= 2
    return float(brentq(lambda effect: t_test_power(effect, pairs, level) - power, 0.0, highest))
