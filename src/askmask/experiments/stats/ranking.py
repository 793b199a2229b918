"""Several strategies at once: bootstrap ranks over seeds, and the pairwise penalty matrix.

Pure functions of arrays; larger scores are better.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr
from scipy.stats import rankdata

from askmask.errors import ShapeError
from askmask.seeds import numpy_generator

RESAMPLES: Final = 10_000
"""Bootstrap samples of the seeds."""


@dataclass(frozen=True, slots=True)
class RankSpread:
    """Ranks of a strategy if the seeds are drawn again; 1 is the best.

    `low` and `high` are the 2.5 % and 97.5 % quantiles of the rank over the bootstrap samples,
    `first` the share of them in which the strategy ranks first, alone or with others.
    """

    mean: float
    low: float
    high: float
    first: float


def bootstrap_ranks(
    scores: Float[np.ndarray, "strategies seeds"], seed: int = 0, resamples: int = RESAMPLES
) -> list[RankSpread]:
    """Ranks of strategies by mean score, over seeds drawn with replacement.

    A bootstrap sample takes the same seeds for every strategy, because trials are paired by seed.
    Equal means share the mean of their ranks. With few seeds there are few different samples
    (10 of 3 seeds, 126 of 5), so the spread is coarse, and too narrow.

    Parameters
    ----------
    scores : (strategies, seeds) float array
        Finite, at least one of each. Not modified.
    seed : int
        Determines the samples.
    resamples : int
        Number of samples.

    Returns
    -------
    list of RankSpread
        In the order of the strategies.

    Raises
    ------
    ShapeError
        If there is no score or one is not finite.

    References
    ----------
    Efron 1979, doi:10.1214/aos/1176344552; on ranks: Goldstein & Spiegelhalter 1996,
    doi:10.2307/2983325.

    Examples
    --------
    >>> spread = bootstrap_ranks(np.array([[0.5, 0.6], [0.7, 0.9]]))
    >>> [own.mean for own in spread]
    [2.0, 1.0]
    """
    if scores.size == 0 or not np.all(np.isfinite(scores)):
        raise ShapeError(
            f"expected finite scores of at least one strategy and seed, got shape {scores.shape} "
            f"with {int(np.count_nonzero(~np.isfinite(scores)))} that are not finite."
        )
    strategies, seeds = scores.shape
    generator = numpy_generator(seed, "bootstrap ranks", strategies, seeds)
    times = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    means = np.round(times @ scores.T / seeds, 12)  # equal scores must tie in spite of rounding
    ranks = rankdata(-means, axis=1)  # (resamples, strategies)
    is_first = means == means.max(axis=1, keepdims=True)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=0)
    return [
        RankSpread(*map(float, own))
        for own in zip(ranks.mean(axis=0), low, high, is_first.mean(axis=0), strict=True)
    ]


def penalty_matrix(
    scores: Float[np.ndarray, "strategies seeds budgets"], level: float = 0.05
) -> Float[np.ndarray, "strategies strategies"]:
    """How often each strategy is beaten by each other one, over the budgets.

    Strategy i beats j at a budget if the two-sided paired t test of their scores over seeds has
    a p-value below `level` and i has the larger mean; each time adds 1 / budgets to entry
    (i, j). So a row tells how often a strategy wins, a column how often it loses; columns with
    a small mean are good. Nothing is corrected for the number of tests: among equal strategies
    an entry of `level` / 2 is expected.

    Parameters
    ----------
    scores : (strategies, seeds, budgets) float array
        NaN where a seed has no score: the pair is tested on the seeds that both have at that
        budget, at least two. Not modified.
    level : float
        Of each single test.

    Returns
    -------
    (strategies, strategies) float array
        In [0, 1], 0 on the diagonal.

    Raises
    ------
    ShapeError
        If there is no budget.

    References
    ----------
    Ash et al. 2020 (BADGE), arXiv:1906.03671, section 4 and its pairwise comparisons.
    """
    strategies, _, budgets = scores.shape
    if budgets == 0:
        raise ShapeError(f"expected scores at one budget or more, got shape {scores.shape}.")
    matrix = np.zeros((strategies, strategies))
    for i in range(strategies):
        t, degrees = _paired_t(scores[i] - scores)  # (strategies, budgets)
        with np.errstate(invalid="ignore"):
            p = 2 * stdtr(degrees, -np.abs(t))
            matrix[i] = np.mean((p < level) & (t > 0), axis=1)
    return matrix


def _paired_t(
    differences: Float[np.ndarray, "strategies seeds budgets"],
) -> tuple[Float[np.ndarray, "strategies budgets"], Float[np.ndarray, "strategies budgets"]]:
    """Values of t, and degrees of freedom, over seeds with a difference; NaN for fewer than two."""
    known = np.isfinite(differences)
    count = known.sum(axis=1).astype(float)
    values = np.where(known, differences, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = values.sum(axis=1) / count
        residuals = np.where(known, differences - mean[:, None], 0.0)
        error = np.sqrt((residuals**2).sum(axis=1) / (count - 1) / count)
        t = np.where((error == 0) & (mean == 0), 0.0, mean / error)
    return np.where(count > 1, t, np.nan), np.maximum(count - 1, 1)
