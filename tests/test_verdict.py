"""The verdict claims what the intervals show, and nothing else."""

import math

import pytest

from askmask.experiments.stats.curves import Arm
from askmask.experiments.stats.measures import METRICS
from askmask.experiments.stats.significance import paired_t_test, sign_flip_test
from askmask.experiments.stats.verdict import compare_strategies, judged_metrics, verdict
from result_rows import curves, row

F1, BRIER = METRICS["object_f1"], METRICS["brier"]
BY = "by 0.1050 ± 0.0092 (p < 0.001)"
OTHER = "In 1 other comparison no difference was shown."
CLEAR = {  # areas over 0.1 to 0.2: random 0.45, 0.46, 0.47, 0.48; margin 0.1, 0.11, 0.1, 0.11 above
    "random-region": [[0.40, 0.50], [0.41, 0.51], [0.42, 0.52], [0.43, 0.53]],
    "margin-region": [[0.50, 0.60], [0.52, 0.62], [0.52, 0.62], [0.54, 0.64]],
}


def test_one_strategy_is_compared_with_nothing() -> None:
    comparisons = compare_strategies(curves({"random-region": [[0.1, 0.2]]}), F1, "test")
    assert comparisons == ()
    assert verdict(comparisons) == ("No two strategies can be paired: nothing is compared.", [])


def test_each_strategy_meets_random_of_its_unit_and_regions_meet_images() -> None:
    rows = curves(
        {f"{a}-{u}": [[0.1, 0.2]] for a in ("random", "margin") for u in ("image", "region")}
        | {"expected_entropy-region": [[0.1, 0.2]]}
    )
    pairs = [(c.first.label, c.second.label) for c in compare_strategies(rows, F1, "test")]
    assert pairs == [
        ("expected entropy · regions", "random · regions"),
        ("margin · whole images", "random · whole images"),
        ("margin · regions", "random · regions"),
        ("margin · regions", "margin · whole images"),
        ("random · regions", "random · whole images"),
    ]


def test_differences_are_of_areas_seed_by_seed() -> None:
    (comparison,) = compare_strategies(curves(CLEAR), F1, "test")
    assert comparison.differences == pytest.approx([0.10, 0.11, 0.10, 0.11])
    assert comparison.span == (0.1, 0.2)


def test_interval_of_the_only_comparison_has_95_percent() -> None:
    (comparison,) = compare_strategies(curves(CLEAR), F1, "test")
    # mean 0.105; std 0.0057735; / sqrt(4) = 0.0028868; t(3, 0.975) = 3.18245
    assert comparison.mean == pytest.approx(0.105)
    assert comparison.half_width == pytest.approx(0.0091870, abs=1e-6)


def test_p_values_of_one_question_are_corrected_together() -> None:
    noisy = [[0.40, 0.51], [0.42, 0.52], [0.42, 0.55], [0.40, 0.60]]
    rows = curves(CLEAR | {"expected_entropy-region": noisy})
    entropy, margin = compare_strategies(rows, F1, "test")
    assert margin.p_value == paired_t_test(margin.differences)
    assert margin.p_adjusted == pytest.approx(2 * margin.p_value)  # the smallest of two
    assert entropy.p_adjusted == pytest.approx(entropy.p_value)  # the largest: once
    assert entropy.p_signs == sign_flip_test(entropy.differences)


def test_other_questions_do_not_weaken_the_correction() -> None:
    images = {name.replace("region", "image"): own for name, own in CLEAR.items()}
    comparisons = compare_strategies(curves(CLEAR | images), F1, "test")
    questions = [comparison.question for comparison in comparisons]
    assert questions == ["Better than random?"] * 2 + ["Regions better than whole images?"] * 2
    assert comparisons[0].p_adjusted == pytest.approx(2 * comparisons[0].p_value)


def test_every_strategy_meets_foreground_aware_random_too() -> None:
    rows = curves(CLEAR | {"foreground_aware_random-region": CLEAR["random-region"]})
    pairs = [(c.question, c.first.acquisition, c.second.acquisition)
             for c in compare_strategies(rows, F1, "test")]  # fmt: skip
    assert pairs == [
        ("Better than random?", "foreground_aware_random", "random"),
        ("Better than random?", "margin", "random"),
        ("Better than foreground-aware random?", "margin", "foreground_aware_random"),
    ]


def test_question_without_a_difference_is_answered_too() -> None:
    images = {name.replace("region", "image"): own for name, own in CLEAR.items()}
    _, claims = verdict(compare_strategies(curves(CLEAR | images), F1, "test"))
    assert claims == [
        f"Better than random? Yes: margin · whole images {BY}; margin · regions {BY}.",
        "Regions better than whole images? No difference was shown in 2 comparisons.",
    ]


def test_bounds_are_no_strategies() -> None:
    rows = curves(CLEAR) + curves({"all_data-image": [[0.9]] * 4, "start_set-image": [[0.2]] * 4})
    assert len(compare_strategies(rows, F1, "test")) == 1


def test_models_of_one_table_are_compared_each_with_its_own() -> None:
    rows = curves(CLEAR) + curves(CLEAR, model="other")
    pairs = {(c.first.model, c.second.model) for c in compare_strategies(rows, F1, "test")}
    assert pairs == {("unet", "unet"), ("other", "other")}


def test_difference_that_leaves_zero_out_is_shown() -> None:
    comparisons = compare_strategies(curves(CLEAR), F1, "test")
    assert comparisons[0].outcome == "margin · regions better"
    assert verdict(comparisons) == (
        "Object F1: 1 of 1 comparison shows a difference (n = 4 seeds).",
        [f"Better than random? Yes: margin · regions {BY}."],
    )


def test_lower_is_better_for_a_loss() -> None:
    (comparison,) = compare_strategies(curves(CLEAR, metric="brier"), BRIER, "test")
    assert comparison.better == Arm("random", "region")
    assert comparison.outcome == "random · regions better"
    assert verdict([comparison])[1] == [f"Better than random? No, worse: margin · regions {BY}."]


def test_difference_within_its_interval_is_not_shown() -> None:
    rows = curves(
        {
            "random-region": [[0.4, 0.5], [0.4, 0.5], [0.4, 0.5]],
            "margin-region": [[0.3, 0.4], [0.4, 0.5], [0.6, 0.7]],
        }
    )
    comparisons = compare_strategies(rows, F1, "test")
    assert comparisons[0].outcome == "no difference shown"
    assert verdict(comparisons) == (
        (
            "Object F1: no difference was shown in 1 comparison (n = 3 seeds). "
            "That does not mean that there is none."
        ),
        [],
    )


def test_some_shown_and_some_not_are_counted() -> None:
    same = CLEAR["random-region"]
    noisy = [[same[0][0] + 0.2, 0.7], same[1], [0.2, 0.3], same[3]]
    comparisons = compare_strategies(curves(CLEAR | {"expected_entropy-region": noisy}), F1, "test")
    summary, claims = verdict(comparisons)
    assert summary == (
        "Object F1: 1 of 2 comparisons shows a difference (n = 4 seeds). "
        "In the others none was shown, which does not mean that there is none."
    )
    assert claims == [f"Better than random? Yes: margin · regions {BY}. {OTHER}"]


@pytest.mark.parametrize(("seeds", "words"), [(1, "n = 1 seed"), (2, "n = 2 seeds")])
def test_too_few_seeds_show_nothing_however_large_the_difference(seeds: int, words: str) -> None:
    rows = curves({name: own[:seeds] for name, own in CLEAR.items()})
    comparisons = compare_strategies(rows, F1, "test")
    assert not comparisons[0].is_shown
    assert comparisons[0].outcome == "too few seeds"
    assert verdict(comparisons) == (
        (
            f"Object F1: with {words} no difference can be shown. "
            "At least 3 are needed, better 5 or more."
        ),
        [],
    )


def test_seed_without_its_last_round_is_left_out() -> None:
    short = [*CLEAR["margin-region"][:3], [0.54]]
    (comparison,) = compare_strategies(curves(CLEAR | {"margin-region": short}), F1, "test")
    assert len(comparison.differences) == 3


def test_strategies_are_compared_over_the_costs_that_both_cover() -> None:
    longer = [[*own, 0.9] for own in CLEAR["margin-region"]]
    (comparison,) = compare_strategies(curves(CLEAR | {"margin-region": longer}), F1, "test")
    assert comparison.span == (0.1, 0.2)
    assert comparison.differences == pytest.approx([0.10, 0.11, 0.10, 0.11])


def test_strategies_without_a_shared_range_are_not_compared() -> None:
    rows = curves({name: [own[0][:1]] for name, own in CLEAR.items()})
    (comparison,) = compare_strategies(rows, F1, "test")
    assert comparison.span is None
    assert comparison.outcome == "nothing to compare"
    assert math.isnan(comparison.mean)


def test_missing_score_makes_no_claim() -> None:
    broken = [[math.nan, 0.6], *CLEAR["margin-region"][1:]]
    (comparison,) = compare_strategies(curves(CLEAR | {"margin-region": broken}), F1, "test")
    assert comparison.outcome == "no finite values"
    assert not comparison.is_shown


def test_object_f1_and_brier_are_judged_where_they_were_measured() -> None:
    rows = [row(), row(metric="mean_dice"), row(metric="brier")]
    assert judged_metrics(rows, "test") == (F1, BRIER)


def test_mean_dice_is_judged_where_no_objects_were_scored() -> None:
    rows = [row(value=math.nan), row(metric="mean_dice")]
    assert judged_metrics(rows, "test") == (METRICS["mean_dice"],)
