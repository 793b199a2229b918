"""The head of a report says what to do, and no more than the tests support; scores have words."""

import math
import re
from pathlib import Path

import pytest

from askmask.experiments.stats.advice import advice, advice_for_one
from askmask.experiments.stats.measures import METRICS
from askmask.experiments.stats.verdict import compare_strategies
from askmask.metrics.meanings import MEANINGS, meaning_of
from result_rows import row
from test_verdict import CLEAR, F1, curves

GLOSSARY = Path(__file__).parent.parent / "docs" / "reference" / "glossary.md"


def test_a_strategy_that_was_shown_to_be_better_than_random_is_recommended() -> None:
    assert advice(compare_strategies(curves(CLEAR), F1, "test")) == (
        "Ask by margin · regions: shown to be better than random on these data."
    )


def test_a_strategy_that_beats_random_but_loses_to_another_is_not_recommended() -> None:
    better = {
        "foreground_aware_random-region": [[v + 0.2 for v in own] for own in CLEAR["margin-region"]]
    }
    said = advice(compare_strategies(curves(CLEAR | better), F1, "test"))

    assert said.startswith("Ask by foreground aware random · regions: ")
    assert "margin" not in said


def test_two_seeds_are_no_reason_to_choose() -> None:
    rows = curves({name: own[:2] for name, own in CLEAR.items()})

    assert advice(compare_strategies(rows, F1, "test")).startswith(
        "Do not choose a strategy by this run yet: add seeds, at least 3"
    )


def test_without_a_shown_difference_nothing_is_recommended() -> None:
    same = {"random-region": CLEAR["random-region"], "margin-region": CLEAR["random-region"]}

    assert advice(compare_strategies(curves(same), F1, "test")).startswith(
        "Ask by whatever is easiest to answer, random included"
    )


def test_a_single_strategy_of_a_benchmark_is_compared_with_nothing() -> None:
    assert "no two that can be compared" in advice(())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5], "Label another round: one round cannot show whether labels help."),
        ([0.5, 0.62], "Label on: in the last round Object F1 went from 0.500 to 0.620."),
        ([0.3, 0.62, 0.621], "If the next round gains as little, stop labelling."),
        ([0.62, math.nan], "If the next round gains as little, stop labelling."),
    ],
)
def test_a_project_hears_what_its_last_round_changed(values: list[float], said: str) -> None:
    rows = [row(round=number, value=value) for number, value in enumerate(values)]

    assert advice_for_one(rows, F1).endswith(said)


def test_a_falling_loss_is_a_gain() -> None:
    rows = [row(metric="nll", round=number, value=value) for number, value in enumerate((0.5, 0.4))]

    assert advice_for_one(rows, METRICS["nll"]).startswith("Label on")


@pytest.mark.parametrize("name", sorted(MEANINGS))
def test_each_score_is_explained_in_two_sentences(name: str) -> None:
    assert len(re.findall(r"\.(?: |$)", MEANINGS[name])) == 2


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_every_score_of_a_report_has_a_meaning(metric: str) -> None:
    assert meaning_of(metric) is not None


@pytest.mark.parametrize("name", sorted(MEANINGS))
def test_the_glossary_explains_each_score_in_the_same_words(name: str) -> None:
    glossary = " ".join(GLOSSARY.read_text(encoding="utf-8").split())

    assert MEANINGS[name] in glossary
