"""The figures of a run: what is drawn is what the table and the stores hold."""

import csv
import dataclasses
import io
import itertools
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from askmask.experiments.figures.densities import density
from askmask.experiments.figures.figure_files import (
    draw_galleries,
    draw_run,
    general_figures,
    write_figure,
)
from askmask.experiments.figures.gallery import class_colour
from askmask.experiments.figures.general import learning_curves
from askmask.experiments.figures.matrices import penalty_figure
from askmask.experiments.figures.paper import (
    figure_1,
    figure_4,
    figure_5,
    figure_e1,
    figure_e2,
    paper_figures,
)
from askmask.experiments.figures.query_overlap import (
    QueryOverlap,
    agreement_figure,
    agreements,
    write_agreements,
)
from askmask.experiments.report.report import GalleryItem
from askmask.experiments.run.grid import Trial
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.analysis import analyse
from askmask.experiments.stats.curves import Arm
from askmask.experiments.stats.measures import METRICS
from askmask.loop.project import DATABASE_NAME
from askmask.query.score_histograms import BINS, ScoreCounts
from askmask.records import ImageInfo, Query, QueryItem, Region, Unit
from askmask.store.store import Store
from result_rows import curves, reliability, row

UNITS = ("region", "image")
FOUR = {
    f"{name}-{unit}": [[0.1 + 0.1 * seed, 0.3 + 0.1 * seed, 0.5] for seed in range(3)]
    for name, unit in itertools.product(("random", "margin"), UNITS)
}


def paper_rows() -> list[ResultRow]:
    rows = [
        measured
        for metric in ("object_f1", "nll", "ece", "brier", "brier_resolution")
        for measured in curves(FOUR, metric=metric)
    ]
    for unit, seed in itertools.product(UNITS, range(3)):
        rows += reliability({9: (0.95, 0.9, 300)}, unit=unit, seed=seed, round=2)
    return rows


def score_rows(asked: dict[int, int], pool: dict[int, int], **changes: object) -> list[ResultRow]:
    counts = ScoreCounts(
        1.0,
        tuple(pool.get(place, 0) for place in range(BINS + 1)),
        tuple(asked.get(place, 0) for place in range(BINS + 1)),
    )
    return [
        row(split=own.split, metric=own.metric, bin=own.bin, value=own.value, count=own.count,
            **changes)
        for own in counts.rows()
    ]  # fmt: skip


def texts(figure: Figure) -> list[str]:
    found = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    return [*found, figure.get_suptitle()]


def test_reference_is_a_horizontal_line_at_its_mean() -> None:
    rows = curves(FOUR | {"all_data-image": [[0.8], [1.0]], "start_set-image": [[0.1], [0.2]]})
    figure = learning_curves(rows, "object_f1", split="test", legend=False)
    flat = [line for line in figure.axes[0].get_lines() if list(line.get_xdata()) == [0, 1]]
    assert [line.get_ydata()[0] for line in flat] == pytest.approx([0.9, 0.15])
    assert [text.get_text() for text in figure.axes[0].texts] == ["all data", "start set"]
    assert figure.axes[0].get_ylim()[1] > 0.9


def test_figure_1_has_a_column_per_function_and_a_row_per_metric() -> None:
    figure = figure_1(paper_rows(), "test")
    assert figure is not None
    assert texts(figure) == [
        "random", "margin", "", "", "n = 3 seeds; bands: 95 % t intervals over seeds; split test",
    ]  # fmt: skip
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Object F1\nhigher is better", "", "Brier score\nlower is better", "",
    ]  # fmt: skip
    region, image = figure.axes[0].get_lines()
    assert list(region.get_ydata()) == pytest.approx([0.2, 0.4, 0.5])
    assert image.get_linestyle() == "--"


def test_figure_1_goes_on_below_with_a_fifth_function() -> None:
    rows = curves({f"{name}-region": [[0.1, 0.2]] for name in "abcde"})
    figure = figure_1(rows, "test")
    assert figure is not None
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False] * 3


def test_figure_4_has_a_panel_per_unit_with_shares_of_pixels_below() -> None:
    figure = figure_4(paper_rows(), "test")
    assert figure is not None
    assert texts(figure)[:2] == ["regions", "whole images"]
    assert "n = 3 seeds, their pixels together" in texts(figure)[-1]
    diagonal, curve = figure.axes[0].get_lines()
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([0.95], [0.9])
    assert list(figure.axes[2].get_lines()[0].get_ydata()) == [1.0]
    assert list(diagonal.get_xdata()) == [0, 1]


def test_shares_of_pixels_in_figure_4_are_told_in_whole_powers_of_ten() -> None:
    rows = reliability({5: (0.55, 0.5, 3), 9: (0.95, 0.9, 97)})
    figure = figure_4(rows, "test")
    assert figure is not None
    figure.draw_without_rendering()
    shares = figure.axes[1]
    assert shares.get_ylim() == pytest.approx((0.01, 1))
    inside = [
        label.get_text()
        for label in shares.get_yticklabels(which="both")
        if 0.01 <= label.get_position()[1] <= 1 and label.get_text()
    ]
    assert inside == ["1%", "10%", "100%"]


def test_figure_5_shows_means_at_equal_fractions_with_their_intervals() -> None:
    figure = figure_5(paper_rows(), "test")
    assert figure is not None
    assert texts(figure)[:3] == ["NLL", "ECE", "Brier score"]
    first, below = figure.axes[0], figure.axes[3]
    assert [label.get_text() for label in below.get_xticklabels()] == ["0.20", "0.30"]
    assert [patch.get_height() for patch in first.patches] == pytest.approx([0.4, 0.5] * 2)
    # seeds 0.3, 0.4, 0.5 at the first fraction: 0.4 +- 4.30265 x 0.1 / sqrt(3)
    assert list(first.get_lines()[0].get_ydata()) == pytest.approx([0.1516, 0.6484], abs=1e-4)
    assert "95 % t intervals" in texts(figure)[-1]


def test_figure_5_shows_single_seeds_where_they_are_too_few() -> None:
    rows = curves({name: own[:2] for name, own in FOUR.items()}, metric="brier")
    figure = figure_5(rows, "test")
    assert figure is not None
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == pytest.approx([0.3, 0.4])
    assert "dots: single seeds" in texts(figure)[-1]


def test_figure_5_chooses_at_most_four_fractions_the_last_included() -> None:
    rows = curves({"random-region": [[n / 10 for n in range(12)]]}, metric="brier")
    figure = figure_5(rows, "test")
    assert figure is not None
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(labels) == 4
    assert labels[-1] == "1.20"


def test_density_of_asked_scores_worked_by_hand() -> None:
    # bins 0.025 wide: 30 of 40 pixels in bin 1 and 10 above the last edge: 0.75 / 0.025 = 30
    rows = score_rows({1: 30, BINS: 10}, {0: 100})
    found = density(rows, Arm("random", "region"), "asked_score")
    assert found is not None
    assert found.heights[:3] == pytest.approx((0, 30, 0))
    assert found.above == pytest.approx(0.25)
    assert found.edges[:2] == (0, 1 / BINS)
    areas = [h * (b - a) for h, (a, b) in zip(found.heights, itertools.pairwise(found.edges),
                                              strict=True)]  # fmt: skip
    assert sum(areas) == pytest.approx(0.75)


def test_figure_e1_draws_asked_pixels_over_the_pool() -> None:
    rows = score_rows({20: 5}, {0: 15, 20: 5}, acquisition="margin", round=1) + paper_rows()
    figure = figure_e1(rows)
    assert figure is not None
    assert texts(figure)[0] == "margin\nregions"
    assert "n = 1 seed" in texts(figure)[-1]
    pool, fill, outline = figure.axes[0].patches
    assert pool.get_data().values[[0, 20]] == pytest.approx([30, 10])
    assert outline.get_data().values[20] == fill.get_data().values[20] == pytest.approx(40)


def test_figure_e2_has_a_panel_for_each_metric_that_was_measured() -> None:
    figure = figure_e2(paper_rows(), "test")
    assert figure is not None
    assert texts(figure)[:4] == ["NLL", "ECE", "Brier score", "Brier: resolution"]
    told = [axes.get_ylabel() for axes in figure.axes if axes.get_visible()]
    assert told == ["lower is better"] * 3 + ["higher is better"]


def test_uncertainty_of_the_classes_is_called_better_in_neither_way() -> None:
    figure = figure_e2(curves(FOUR, metric="brier_uncertainty"), "test")
    assert figure is not None
    assert figure.axes[0].get_ylabel() == "given by the images"


def test_figures_of_the_paper_are_those_that_there_are_rows_for() -> None:
    assert list(paper_figures(paper_rows(), "test")) == [
        "paper_1_curves", "paper_4_reliability", "paper_5_calibration", "paper_e2_calibration",
    ]  # fmt: skip
    assert paper_figures([], "test") == {}
    assert list(paper_figures(curves(FOUR), "test")) == ["paper_1_curves"]


def test_penalties_are_written_into_their_fields() -> None:
    ahead = [[value + 0.2 + 0.01 * seed for value in own]
             for seed, own in enumerate(FOUR["random-region"])]  # fmt: skip
    rows = curves({"random-region": FOUR["random-region"], "margin-region": ahead})
    analysis = analyse(rows, METRICS["object_f1"], "test")
    assert analysis is not None
    figure = penalty_figure(analysis)
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.00", "1.00"]
    assert "share of 2 budgets with p < 0.05" in figure.get_suptitle()
    assert "n = 3 seeds" in figure.get_suptitle()


def test_figures_are_written_as_svg_and_png(tmp_path: Path) -> None:
    rows = paper_rows()
    names = {path.name for path in draw_run(rows, tmp_path)}
    assert {"curves_object_f1_labelled_fraction.svg", "curves_brier_labelled_pixels.png",
            "penalties_object_f1.svg", "reliability_random_whole_images.png"} <= names  # fmt: skip
    assert not any("boundary_length" in name for name in names)  # nobody counted it here
    root = ET.fromstring((tmp_path / "penalties_object_f1.svg").read_text(encoding="utf-8"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_two_seeds_are_too_few_to_draw_who_beats_whom(tmp_path: Path) -> None:
    draw_run(curves({name: own[:2] for name, own in FOUR.items()}), tmp_path / "two")
    draw_run(curves(FOUR), tmp_path / "three")
    assert not list((tmp_path / "two").glob("penalties_*"))
    assert (tmp_path / "three" / "penalties_object_f1.svg").is_file()


def test_what_referring_pixels_buys_is_drawn_where_it_was_measured(tmp_path: Path) -> None:
    rows = [*paper_rows(), row(metric="error_left", bin=0, value=0.3, round=2)]
    assert "error_left.svg" in {path.name for path in draw_run(rows, tmp_path)}


def test_files_say_which_mark_stands_for_recalibration(tmp_path: Path) -> None:
    rows = [*paper_rows(), row(metric="error_left", bin=0, value=0.3, round=2)]
    plain = {name: figure.get_suptitle() for name, figure in general_figures(rows, "test")}
    after = [dataclasses.replace(own, metric=f"recalibrated_{own.metric}") for own in rows
             if own.metric.startswith(("reliability", "error_left"))]  # fmt: skip
    both = {name: fig.get_suptitle() for name, fig in general_figures([*rows, *after], "test")}
    for name, word in (("reliability_random_regions", "crosses"), ("error_left", "dotted")):
        assert both[name] == f"{plain[name]}; {word}: after recalibration"


def test_large_costs_have_no_power_of_ten_in_the_corner() -> None:
    rows = [dataclasses.replace(own, labelled_pixels=own.labelled_pixels * 1000)
            for own in curves(FOUR)]  # fmt: skip
    figure = learning_curves(rows, "object_f1", split="test", cost="labelled_pixels")
    figure.draw_without_rendering()
    axis = figure.axes[0].xaxis
    assert axis.get_offset_text().get_text() == ""
    labels = {label.get_text() for label in axis.get_ticklabels()}
    assert "3\N{NO-BREAK SPACE}M" in labels


def test_drawn_files_are_the_same_when_drawn_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        figure = learning_curves(curves(FOUR), "object_f1", split="test")
        write_figure(tmp_path / name, "curves", figure)
    for name in ("curves.svg", "curves.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_nothing_judged_is_nothing_drawn(tmp_path: Path) -> None:
    assert draw_run([], tmp_path) == []


def test_gallery_is_a_sheet_per_trial_in_the_order_of_rounds(tmp_path: Path) -> None:
    def png(value: int) -> bytes:
        buffer = io.BytesIO()
        Image.new("RGBA", (40, 10), (value, 0, 0, 255)).save(buffer, format="PNG")
        return buffer.getvalue()

    items = [GalleryItem(2, "a", "x", png(200)), GalleryItem(1, "a", "y", png(100))]
    (path,) = draw_galleries(items, tmp_path)
    sheet = np.asarray(Image.open(path))
    assert path.name == "gallery_a.png"
    assert sheet.shape == (2 * (18 + 10 + 8), 40, 3)
    assert (sheet[20, 20, 0], sheet[20 + 36, 20, 0]) == (100, 200)


def test_gallery_names_the_colours_of_the_classes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (40, 10), (0, 0, 0, 255)).save(buffer, format="PNG")
    items = [GalleryItem(1, "a", "x", buffer.getvalue())]
    (path,) = draw_galleries(items, tmp_path, ("background", "gland"))
    sheet = np.asarray(Image.open(path))
    assert sheet.shape == (2 * 18 + 18 + 10 + 8, 40, 3)  # two names do not fit one line of 40
    shown = ["#" + "".join(f"{part:02x}" for part in sheet[y, 8]) for y in (8, 8 + 18)]
    assert shown == [class_colour(0), class_colour(1)]


def trial_store(root: Path, trial: Trial, regions: list[list[Region]]) -> None:
    folder = root / trial.name
    folder.mkdir(parents=True)
    with Store(folder / DATABASE_NAME) as store:
        store.add_images([ImageInfo("a", 10, 10), ImageInfo("b", 10, 10)])
        for number, own in enumerate(regions, 1):
            items = tuple(QueryItem(n, region, 1.0, region.pixels) for n, region in enumerate(own))
            store.add_query(Query(number, trial.acquisition, trial.unit, items))


@pytest.fixture
def two_trials(tmp_path: Path) -> tuple[Path, list[Trial], list[ResultRow]]:
    planned = [Trial("random", Unit.REGION, 0), Trial("margin", Unit.REGION, 0),
               Trial("margin", Unit.REGION, 1)]  # fmt: skip
    trial_store(tmp_path, planned[0], [[Region("a", 0, 0, 10, 4)], [Region("b", 0, 0, 1, 1)]])
    trial_store(tmp_path, planned[1], [[Region("a", 0, 2, 10, 4)]])
    rows = [row(trial=planned[0].name, labelled_pixels=50, labelled_fraction=0.2)]
    return tmp_path, planned, rows


def test_agreement_worked_by_hand(two_trials: tuple[Path, list[Trial], list[ResultRow]]) -> None:
    # after one round each: columns 0-3 and 2-5 of ten rows: 40 and 40 pixels, 20 in both: 20 / 60;
    # the pool has 50 / 0.2 - 50 = 200 pixels; by chance 40 x 40 / 200 = 8 in both: 8 / 72
    (found,) = agreements(*two_trials)
    assert (found.round, found.pool) == (1, 200)
    assert (found.asked_first, found.asked_second, found.both) == (40, 40, 20)
    assert found.overlap == pytest.approx(1 / 3)
    assert found.by_chance == pytest.approx(8 / 72)


def test_agreement_is_drawn_on_both_sides_and_written_as_counts(
    two_trials: tuple[Path, list[Trial], list[ResultRow]], tmp_path: Path
) -> None:
    found = agreements(*two_trials)
    figure = agreement_figure(found, two_trials[1])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.33", "(0.11)"] * 2
    assert "n = 1 seed" in figure.get_suptitle()
    write_agreements(tmp_path / "agreement.csv", found)
    with (tmp_path / "agreement.csv").open(encoding="utf-8", newline="") as file:
        (read,) = csv.DictReader(file)
    assert (read["both"], read["first"]) == ("20", "random-region-seed0")


def test_trials_that_asked_nothing_have_no_place_in_the_agreement(
    two_trials: tuple[Path, list[Trial], list[ResultRow]],
) -> None:
    bounds = [Trial(name, Unit.IMAGE, 0) for name in ("all_data", "start_set")]
    figure = agreement_figure(agreements(*two_trials), [*bounds, *two_trials[1]])
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["random · regions", "margin · regions"]


def test_agreement_keeps_variants_of_a_grid_apart(tmp_path: Path) -> None:
    planned = [Trial("margin", Unit.REGION, 0, model) for model in ("small", "large")]
    for trial in planned:
        trial_store(tmp_path, trial, [[Region("a", 0, 0, 10, 4)]])
    rows = [row(trial=planned[0].name, labelled_pixels=50, labelled_fraction=0.2)]
    figure = agreement_figure(agreements(tmp_path, planned, rows), planned)
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.00", "(0.11)"] * 2


def test_nothing_asked_has_no_overlap() -> None:
    assert math.isnan(QueryOverlap(0, 1, "a", "b", 100, 0, 0, 0).overlap)
    assert math.isnan(QueryOverlap(0, 1, "a", "b", 0, 0, 0, 0).by_chance)
