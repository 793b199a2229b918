"""Claims that the results allow: strategies compared in pairs over seeds, and the sentences.

Trials are paired: the same seed means the same start set and first weights. Comparisons belong to
questions ("better than random?"), and the p-values of one question and metric are corrected
together (Holm). A difference is shown only if its corrected p-value is small enough.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.curve_statistics import aubc, common_span, t_interval
from askmask.experiments.stats.curves import (
    CONFIDENCE,
    MIN_SEEDS,
    RANDOM,
    Arm,
    Curves,
    complete_curves,
    has_values,
    scores,
)
from askmask.experiments.stats.measures import METRICS, Metric
from askmask.experiments.stats.significance import holm, paired_t_test, sign_flip_test
from askmask.records import Unit

LEVEL: Final = 1 - CONFIDENCE
BASELINES: Final = (RANDOM, "foreground_aware_random")
"""What every other strategy is compared with, where the run has it."""

_OVERLAP_METRICS: Final = ("object_f1", "mean_dice")  # the first that was measured is judged
_NAMES: Final = {RANDOM: "random", "foreground_aware_random": "foreground-aware random"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Difference in area under the budget curve, `first` minus `second`, over paired seeds.

    `question` says what it is part of. `span` is the range of costs that all compared curves
    cover, None if there is none; `seeds` and `differences` are parallel. `p_value` is that of the
    paired t test, `p_adjusted` the same after Holm's correction over its question and metric,
    `p_signs` that of the sign-flip test, uncorrected, as a check without the normal shape.
    """

    question: str
    metric: Metric
    first: Arm
    second: Arm
    cost: str
    span: tuple[float, float] | None
    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    p_value: float
    p_signs: float
    p_adjusted: float = math.nan

    @property
    def mean(self) -> float:
        """Mean difference; NaN without a pair."""
        return t_interval(self.differences, CONFIDENCE)[0]

    @property
    def half_width(self) -> float:
        """Half the width of its own 95 % t interval; NaN for fewer than two pairs."""
        return t_interval(self.differences, CONFIDENCE)[1]

    @property
    def is_shown(self) -> bool:
        """Whether `p_adjusted` is below `LEVEL` and rests on at least `MIN_SEEDS` pairs."""
        return len(self.differences) >= MIN_SEEDS and self.p_adjusted < LEVEL

    @property
    def better(self) -> Arm:
        """The strategy that is ahead on average."""
        return self.first if (self.mean < 0) == self.metric.lower_is_better else self.second

    @property
    def outcome(self) -> str:
        """What this comparison shows, in words."""
        if not self.differences:
            return "nothing to compare"
        if len(self.differences) < MIN_SEEDS:
            return "too few seeds"
        if math.isnan(self.half_width):
            return "no finite values"
        return f"{self.better.label} better" if self.is_shown else "no difference shown"


def judged_metrics(rows: Sequence[ResultRow], split: str) -> tuple[Metric, ...]:
    """The metrics that are compared: one of overlap, and the Brier score if it was measured."""
    overlap = [name for name in _OVERLAP_METRICS if has_values(scores(rows, name, split))]
    brier = ["brier"] if has_values(scores(rows, "brier", split)) else []
    return tuple(METRICS[name] for name in (*overlap[:1], *brier))


def compare_strategies(
    rows: Sequence[ResultRow], metric: Metric, split: str, cost: str = "labelled_fraction"
) -> tuple[Comparison, ...]:
    """Compare each strategy with the baselines of its unit, and regions with images.

    Only seeds count whose trials of both strategies reached their strategy's last round.

    Parameters
    ----------
    rows : sequence of ResultRow
        The results table.
    metric : Metric
        What is compared.
    split : str
        On which split.
    cost : str
        The cost column over which the area is taken.

    Returns
    -------
    tuple of Comparison
        Question by question.
    """
    curves = complete_curves(rows, metric.name, split, cost)
    found: list[Comparison] = []
    for question, pairs in _questions(curves).items():
        own = [_compare(curves, question, metric, pair, cost) for pair in pairs]
        adjusted = holm([comparison.p_value for comparison in own])
        found += [replace(c, p_adjusted=p) for c, p in zip(own, adjusted, strict=True)]
    return tuple(found)


def verdict(comparisons: Sequence[Comparison]) -> tuple[str, list[str]]:
    """What the comparisons of one metric show, claiming no more than their tests.

    Returns
    -------
    summary : str
        One or a few sentences.
    claims : list of str
        One line for each question, if any difference was shown.
    """
    if not comparisons:
        return "No two strategies can be paired: nothing is compared.", []
    metric = comparisons[0].metric
    most = max(len(comparison.differences) for comparison in comparisons)
    if most < MIN_SEEDS:
        noun = "seed" if most == 1 else "seeds"
        sentence = (
            f"{metric.label}: with n = {most} {noun} no difference can be shown. "
            f"At least {MIN_SEEDS} are needed, better 5 or more."
        )
        return sentence, []
    shown = sum(comparison.is_shown for comparison in comparisons)
    questions = dict.fromkeys(comparison.question for comparison in comparisons)
    claims = [
        _claim(question, [c for c in comparisons if c.question == question])
        for question in questions
        if shown
    ]
    return _summary(metric, shown, comparisons), claims


def _questions(
    found: Iterable[Arm],
) -> dict[str, list[tuple[Arm, Arm]]]:
    """Pairs to compare, by the question that they answer."""
    ordered = sorted(found)
    known = set(ordered)
    questions: dict[str, list[tuple[Arm, Arm]]] = {}
    for place, baseline in enumerate(BASELINES):
        pairs = [
            (strategy, strategy.sibling(acquisition=baseline))
            for strategy in ordered
            if strategy.acquisition not in BASELINES[: place + 1]
        ]
        questions[f"Better than {_NAMES[baseline]}?"] = [p for p in pairs if p[1] in known]
    pairs = [(s, s.sibling(unit=Unit.IMAGE)) for s in ordered if s.unit == Unit.REGION]
    questions["Regions better than whole images?"] = [p for p in pairs if p[1] in known]
    return {question: pairs for question, pairs in questions.items() if pairs}


def _compare(
    curves: Curves,
    question: str,
    metric: Metric,
    pair: tuple[Arm, Arm],
    cost: str,
) -> Comparison:
    first, second = curves[pair[0]], curves[pair[1]]
    seeds = [seed for seed in first if seed in second]
    span = common_span([own[seed][0] for own in (first, second) for seed in seeds])
    if span is None:
        return Comparison(question, metric, *pair, cost, None, (), (), math.nan, math.nan)
    differences = tuple(aubc(*first[seed], span) - aubc(*second[seed], span) for seed in seeds)
    p_value, p_signs = paired_t_test(differences), sign_flip_test(differences)
    return Comparison(
        question, metric, *pair, cost, span, tuple(seeds), differences, p_value, p_signs
    )


def _claim(question: str, comparisons: Sequence[Comparison]) -> str:
    """Answer to one question: what is better, what is worse, and what is open."""
    better = [c for c in comparisons if c.is_shown and c.better == c.first]
    worse = [c for c in comparisons if c.is_shown and c.better == c.second]
    parts = [
        f"{answer}: {'; '.join(map(_by, own))}."
        for answer, own in (("Yes", better), ("No, worse", worse))
        if own
    ]
    left = len(comparisons) - len(better) - len(worse)
    noun = "comparison" if left == 1 else "comparisons"
    if parts and left:
        parts.append(f"In {left} other {noun} no difference was shown.")
    elif left:
        parts.append(f"No difference was shown in {left} {noun}.")
    return " ".join((question, *parts))


def _by(comparison: Comparison) -> str:
    text = p_text(comparison.p_adjusted)
    return (
        f"{comparison.first.label} by {abs(comparison.mean):.4f} ± {comparison.half_width:.4f} "
        f"(p {'' if text.startswith('<') else '= '}{text})"
    )


def p_text(p_value: float) -> str:
    """P-value for people: three decimals, ``"< 0.001"`` below that, a dash for NaN."""
    if math.isnan(p_value):
        return "–"  # noqa: RUF001 a dash, as tables have it
    return "< 0.001" if p_value < 1e-3 else f"{p_value:.3f}"


def _summary(metric: Metric, shown: int, comparisons: Sequence[Comparison]) -> str:
    total = len(comparisons)
    noun = "comparison" if total == 1 else "comparisons"
    counts = [len(comparison.differences) for comparison in comparisons]
    seeds = f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else str(max(counts))
    if not shown:
        return (
            f"{metric.label}: no difference was shown in {total} {noun} (n = {seeds} seeds). "
            "That does not mean that there is none."
        )
    rest = " In the others none was shown, which does not mean that there is none."
    return (
        f"{metric.label}: {shown} of {total} {noun} {'shows' if shown == 1 else 'show'} "
        f"a difference (n = {seeds} seeds).{rest if shown < total else ''}"
    )
