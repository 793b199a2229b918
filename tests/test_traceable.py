"""Every number in a report can be computed again from the rows that the report names."""

import re
from collections.abc import Mapping
from statistics import mean, stdev

import numpy as np
import pytest
from scipy import stats

from askmask.experiments.report.report import write_report
from askmask.experiments.run.results import ResultRow, read_results, write_results
from result_rows import curves, reliability
from test_report import Page

GENERATOR = np.random.default_rng(5)
SCORES = {
    f"{name}-{unit}": [
        [0.4 + gain + 0.03 * round + 0.004 * GENERATOR.normal() for round in range(3)]
        for _ in range(4)
    ]
    for (name, unit), gain in {
        ("random", "region"): 0.0,
        ("random", "image"): 0.01,
        ("margin", "region"): 0.06,
        ("margin", "image"): 0.012,
    }.items()
}
LABELS = {
    "random · regions": ("random", "region"),
    "random · whole images": ("random", "image"),
    "margin · regions": ("margin", "region"),
    "margin · whole images": ("margin", "image"),
}
ROW_FILTER = re.compile(
    r"metrics? (?P<metric>.+?), split (?P<split>\w+)"
    r"(?:, (?:each group|group (?P<group>\w+)))?(?:, class (?P<class>\w+))?"
    r"(?:; cost (?P<cost>\w+))?(?:; last round)?\."
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> list[ResultRow]:
    """A table as it stands on disk: what is reported is what anybody can read."""
    rows = [
        *curves(SCORES, boundary_length=10),
        *curves(SCORES, group="benign"),
        *curves(SCORES, metric="brier"),
        *curves(SCORES, metric="nll"),
        *curves(SCORES, split="validation"),
        *curves({"all_data-image": [[0.9], [0.91]]}),
        *reliability({6: (0.65, 0.5, 100), 9: (0.95, 0.9, 300)}, round=2),
    ]
    path = tmp_path_factory.mktemp("table") / "results.csv"
    write_results(path, rows)
    return read_results(path)


@pytest.fixture(scope="module")
def page(table: list[ResultRow], tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(path, table, config_yaml="", versions={}, gallery=[], command="")
    return Page(path.read_text(encoding="utf-8"))


def own_rows(table: list[ResultRow], label: str, **wanted: object) -> list[ResultRow]:
    acquisition, unit = LABELS[label]
    filters = {"group": "all", "class_name": "all", "split": "test"} | wanted
    filters |= {"acquisition": acquisition, "unit": unit}
    return [row for row in table if all(getattr(row, k) == v for k, v in filters.items())]


def areas(table: list[ResultRow], label: str, metric: str) -> Mapping[int, float]:
    """Trapezoid rule written out: three rounds at costs 0.1, 0.2, 0.3."""
    found = {}
    for seed in range(4):
        a, b, c = [row.value for row in own_rows(table, label, metric=metric, seed=seed)]
        found[seed] = (a + 2 * b + c) / 4
    return found


def test_every_figure_names_rows_that_the_table_holds(table: list[ResultRow], page: Page) -> None:
    named = re.findall(r"Rows: (.+?\.)(?: |$)", page.text)
    assert len(named) >= 12
    for text in named:
        found = ROW_FILTER.fullmatch(text)
        assert found is not None, text
        for metric in found["metric"].split(" and "):
            assert any(
                (row.metric, row.split) == (metric, found["split"])
                and found["group"] in (None, row.group)
                and found["class"] in (None, row.class_name)
                for row in table
            ), text


@pytest.mark.parametrize("label", LABELS)
def test_final_scores_are_those_of_the_rows_of_the_last_round(
    table: list[ResultRow], page: Page, label: str
) -> None:
    cells = []
    for metric in ("object_f1", "nll", "brier"):
        values = [row.value for row in own_rows(table, label, metric=metric, round=2)]
        half_width = stats.t.ppf(0.975, 3) * stdev(values) / 2
        cells.append(f"{mean(values):.3f} ± {half_width:.3f}")
    assert f"{label} 2 4 0.300 {' '.join(cells)}" in page.text


@pytest.mark.parametrize("label", LABELS)
def test_curves_are_told_by_the_means_of_their_rows(
    table: list[ResultRow], page: Page, label: str
) -> None:
    first, last = (
        mean(row.value for row in own_rows(table, label, metric="object_f1", round=round))
        for round in (0, 2)
    )
    told = next(t for t in page.values("aria-label") if t.startswith("Object F1 against labelled"))
    assert f"{label}: {first:.3f} at 0.1 to {last:.3f} at 0.3" in told


@pytest.mark.parametrize("metric", ["object_f1", "brier"])
def test_areas_are_the_trapezoids_over_the_rows(
    table: list[ResultRow], page: Page, metric: str
) -> None:
    for label in LABELS:
        values = list(areas(table, label, metric).values())
        half_width = stats.t.ppf(0.975, 3) * stdev(values) / 2
        assert f"{label} 4 {mean(values):.3f} ± {half_width:.3f}" in page.text


def test_what_the_verdict_claims_follows_from_tests_of_the_rows(
    table: list[ResultRow], page: Page
) -> None:
    pairs = {label: label.replace("margin", "random") for label in LABELS if "margin" in label}
    tests = {}
    for label, baseline in pairs.items():
        first, second = (areas(table, name, "object_f1") for name in (label, baseline))
        differences = [first[seed] - second[seed] for seed in range(4)]
        p_value = stats.ttest_rel(list(first.values()), list(second.values())).pvalue
        tests[label] = (p_value, mean(differences), stdev(differences))
    (smaller, shown), (larger, open_) = sorted((test[0], label) for label, test in tests.items())
    assert 2 * smaller < 0.001  # Holm: the smallest of two p-values counts double
    assert larger > 0.05
    _, difference, spread = tests[shown]
    half_width = stats.t.ppf(0.975, 3) * spread / 2
    assert (
        f"Better than random? Yes: {shown} by {difference:.4f} ± {half_width:.4f} (p < 0.001). "
        "In 1 other comparison no difference was shown."
    ) in page.text
    assert f"{larger:.3f}" in page.text.partition(f"{open_} − random")[2][:200]  # noqa: RUF001
