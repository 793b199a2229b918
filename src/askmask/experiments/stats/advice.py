"""What to do after a benchmark: one sentence that its tests support, for the head of a report."""

from collections.abc import Sequence
from typing import Final

from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curves import MIN_SEEDS
from askmask.experiments.stats.measures import Metric
from askmask.experiments.stats.verdict import Comparison

SMALL_GAIN: Final = 0.005
"""A change of a score between two rounds below this is little: half a point in a hundred."""


def advice(comparisons: Sequence[Comparison]) -> str:
    """What somebody should do who has to choose a strategy.

    Parameters
    ----------
    comparisons : sequence of Comparison
        Those of the metric that counts first, as `compare` gives them.

    Returns
    -------
    str
        One or two sentences. A strategy is recommended only if it was shown to be better than
        plain random, and was not shown to be worse than anything it was compared with.
    """
    if not comparisons:
        return (
            "Do not choose a strategy by this run: it has no two that can be compared. Run random "
            "beside yours, with the same seeds."
        )
    most = max(len(each.differences) for each in comparisons)
    if most < MIN_SEEDS:
        return (
            f"Do not choose a strategy by this run yet: add seeds, at least {MIN_SEEDS}, better 5 "
            "or more (grid.seeds). Until then ask by whatever is easiest to answer."
        )
    good = recommended(comparisons)
    if good:
        return f"Ask by {_either(good)}: shown to be better than random on these data."
    return (
        "Ask by whatever is easiest to answer, random included: no strategy was shown to be "
        "better than random here. If a small gain would matter to you, add seeds."
    )


def advice_for_one(found: Sequence[ResultRow], metric: Metric) -> str:
    """What somebody should do who labels by one strategy, as a project does.

    Parameters
    ----------
    found : sequence of ResultRow
        The values of `metric`, of any number of rounds.
    metric : Metric
        What is judged.

    Returns
    -------
    str
        What the last round changed, and what follows from that. One round shows nothing yet.
    """
    by_round = {row.round: row.value for row in found}
    if len(by_round) < 2:
        return "Label another round: one round cannot show whether labels help."
    *_, before, last = sorted(by_round)
    gain = by_round[last] - by_round[before]
    if metric.lower_is_better:
        gain = -gain
    told = f"{metric.label} went from {by_round[before]:.3f} to {by_round[last]:.3f}"
    if not gain >= SMALL_GAIN:  # NaN tells no gain
        return f"In the last round {told}. If the next round gains as little, stop labelling."
    return f"Label on: in the last round {told}."


def recommended(comparisons: Sequence[Comparison]) -> list[str]:
    """Strategies shown to be better than random and nowhere shown to be worse, largest gain first.

    A strategy is compared with the baselines of its own unit, so its unit is part of its name.
    """
    shown = [each for each in comparisons if each.is_shown]
    worse = {each.second if each.better == each.first else each.first for each in shown}
    won = [each for each in shown if each.question == "Better than random?"]
    won = [each for each in won if each.better == each.first and each.first not in worse]
    return [each.first.label for each in sorted(won, key=lambda each: -abs(each.mean))]


def _either(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last
