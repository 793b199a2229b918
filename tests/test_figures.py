"""Figures show the numbers of the table, unaltered."""

import dataclasses
import io
import math
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from askmask.experiments.figures.general import (
    error_left_figure,
    group_scores,
    learning_curves,
    reliability_diagram,
)
from askmask.experiments.figures.ink import INKS, Ink, swatch, to_png, to_svg
from askmask.experiments.stats.curves import Arm
from result_rows import curves, reliability, row

THREE = {"random-region": [[0.1, 0.3], [0.2, 0.4], [0.3, 0.5]]}
REGIONS = Arm("random", "region")


def lines(figure: Figure, axes: int = 0) -> list[tuple[list[float], list[float]]]:
    return [
        (list(line.get_xdata()), list(line.get_ydata())) for line in figure.axes[axes].get_lines()
    ]


def only_line(figure: Figure) -> Any:
    (line,) = figure.axes[0].get_lines()
    return line


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_curve_stands_at_the_means_of_cost_and_score() -> None:
    figure = learning_curves(curves(THREE), "object_f1", split="test")
    ((cost, score),) = lines(figure)
    assert cost == pytest.approx([0.1, 0.2])
    assert score == pytest.approx([0.2, 0.4])


def test_band_is_the_t_interval_worked_by_hand() -> None:
    # std 0.1; / sqrt(3) = 0.057735; t(2, 0.975) = 4.30265; 0.248414 around 0.2 and 0.4
    figure = learning_curves(curves(THREE), "object_f1", split="test")
    (band,) = figure.axes[0].collections
    corners = band.get_paths()[0].vertices
    heights = sorted(set(np.round(corners[:, 1], 4)))
    assert heights == pytest.approx([-0.0484, 0.1516, 0.4484, 0.6484])


def test_two_seeds_are_drawn_as_they_are_instead_of_a_band() -> None:
    rows = curves({"random-region": THREE["random-region"][:2]})
    figure = learning_curves(rows, "object_f1", split="test")
    assert not figure.axes[0].collections
    assert [score for _, score in lines(figure)] == [
        [0.1, 0.3],
        [0.2, 0.4],
        pytest.approx([0.15, 0.35]),
    ]


def test_missing_score_leaves_a_gap() -> None:
    figure = learning_curves(
        curves({"random-region": [[0.1, math.nan, 0.3]]}), "object_f1", split="test"
    )
    assert math.isnan(lines(figure)[-1][1][1])


def test_score_axis_fits_the_single_seeds() -> None:
    low, high = learning_curves(curves(THREE), "object_f1", split="test").axes[0].get_ylim()
    assert (low, high) == pytest.approx((0.068, 0.532))  # 0.1 - 0.08 x 0.4, 0.5 + 0.08 x 0.4


def test_equal_scores_have_an_axis_with_some_height() -> None:
    rows = curves({"random-region": [[0.5, 0.5]]})
    limits = learning_curves(rows, "object_f1", split="test").axes[0].get_ylim()
    assert limits == pytest.approx((0.45, 0.55))


def test_curve_can_stand_on_another_cost() -> None:
    figure = learning_curves(curves(THREE), "object_f1", split="test", cost="labelled_pixels")
    assert lines(figure)[0][0] == [1000, 2000]
    assert figure.axes[0].get_xlabel() == "Labelled pixels"


def test_regions_are_solid_and_filled_images_dashed_and_hollow() -> None:
    region, image = (only_line(swatch(Arm("margin", unit))) for unit in ("region", "image"))
    assert region.get_color() == image.get_color()
    assert (region.get_linestyle(), image.get_linestyle()) == ("-", "--")
    assert image.get_markerfacecolor() == "none"
    assert region.get_markerfacecolor() == region.get_color()


def test_acquisition_functions_differ_by_colour_and_marker() -> None:
    names = ("random", "predictive_entropy", "mutual_information", "variation_ratio",
             "vote_variation_ratio", "margin", "expected_entropy")  # fmt: skip
    drawn = [only_line(swatch(Arm(name, "region"))) for name in names]
    assert len({line.get_color() for line in drawn}) == len(names)
    assert len({line.get_marker() for line in drawn}) == len(names)


def test_unknown_acquisition_function_has_a_colour_but_not_that_of_random() -> None:
    unknown, random = (only_line(swatch(Arm(n, "region"))) for n in ("mine", "random"))
    assert unknown.get_color() != random.get_color()


@pytest.mark.parametrize("ink", [ink for ink in INKS if ink.name != "faint"], ids=str)
def test_every_colour_stands_out_from_its_page(ink: Ink) -> None:
    assert contrast(ink.light, "#ffffff") >= 3
    assert contrast(ink.dark, "#15181c") >= 3


def test_legend_names_every_strategy() -> None:
    rows = curves(THREE | {"margin-image": [[0.1, 0.2]]})
    legend = learning_curves(rows, "object_f1", split="test").axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "random · regions",
        "margin · whole images",
    ]


def test_legend_can_stand_elsewhere() -> None:
    figure = learning_curves(curves(THREE), "object_f1", split="test", legend=False)
    assert figure.axes[0].get_legend() is None


def test_metric_that_nobody_measured_is_an_empty_figure() -> None:
    figure = learning_curves(curves(THREE), "brier", split="test")
    assert lines(figure) == []


def test_reliability_diagram_shows_accuracy_confidence_and_share_of_pixels() -> None:
    rows = reliability({6: (0.65, 0.5, 100), 9: (0.95, 0.9, 300)})
    figure = reliability_diagram(rows, REGIONS, split="test")
    assert lines(figure) == [([0, 1], [0, 1]), ([0.65, 0.95], [0.5, 0.9])]
    (bars,) = figure.axes[1].collections
    assert [segment[1].tolist() for segment in bars.get_segments()] == [[0.65, 0.25], [0.95, 0.75]]


def test_reliability_after_recalibration_is_drawn_as_crosses() -> None:
    rows = reliability({9: (0.95, 0.7, 300)})
    rows += [
        dataclasses.replace(own, metric=f"recalibrated_{own.metric}")
        for own in reliability({7: (0.71, 0.7, 300)})
    ]
    drawn = reliability_diagram(rows, REGIONS, split="test").axes[0].get_lines()
    assert lines(reliability_diagram(rows, REGIONS, split="test"))[2] == ([0.71], [0.7])
    assert drawn[2].get_marker() == "x"


def test_error_left_is_the_mean_over_seeds_at_each_share() -> None:
    rows = [
        row(seed=seed, round=1, metric="error_left", bin=place, value=value + seed / 10)
        for seed in (0, 1)
        for place, value in enumerate((0.3, 0.2))
    ]
    rows.append(row(round=0, metric="error_left", bin=0, value=0.9))  # not the last round
    (after, before) = lines(error_left_figure(rows, split="test"))
    assert after == ([], [])
    assert before == ([0.0, 0.01], pytest.approx([0.35, 0.25]))


def test_reliability_diagrams_can_share_the_scale_of_pixels() -> None:
    rows = reliability({9: (0.95, 0.9, 300)})
    figure = reliability_diagram(rows, REGIONS, split="test", highest_share=0.6)
    assert figure.axes[1].get_ylim() == pytest.approx((0, 0.63))


def test_groups_have_a_panel_each_with_the_last_round() -> None:
    rows = curves(THREE) + curves(THREE, group="benign")
    rows += curves({"random-region": [[0.0, 0.9]]}, group="malignant")
    figure = group_scores(rows, "object_f1", split="test")
    assert [axes.get_xlabel() for axes in figure.axes] == ["benign", "malignant"]
    interval, mean = lines(figure, 0)
    assert interval[0] == pytest.approx([0.4 - 0.248414, 0.4 + 0.248414], abs=1e-5)
    assert mean == ([pytest.approx(0.4)], [0])
    assert lines(figure, 1) == [([0.9], [0])]  # one seed has no interval


def test_group_that_a_strategy_has_no_score_for_stays_empty() -> None:
    rows = curves(THREE) + curves({"margin-region": [[0.1, 0.2]]}) + curves(THREE, group="benign")
    figure = group_scores(rows, "object_f1", split="test")
    assert {y for _, ys in lines(figure) for y in ys} == {0}


def test_data_without_groups_has_an_empty_figure() -> None:
    assert lines(group_scores(curves(THREE), "object_f1", split="test")) == []


def test_png_is_a_picture_on_white() -> None:
    picture = Image.open(io.BytesIO(to_png(swatch(REGIONS), dots_per_inch=100)))
    assert picture.size == (55, 20)
    assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_svg_is_well_formed_and_says_what_it_shows() -> None:
    markup = to_svg(learning_curves(curves(THREE), "object_f1", split="test"), "a", 'F1 < "1" & up')
    root = ET.fromstring(markup)
    assert root.attrib["aria-label"] == 'F1 < "1" & up'
    assert root.attrib["role"] == "img"


def test_svg_for_decoration_is_hidden_from_readers() -> None:
    root = ET.fromstring(to_svg(swatch(REGIONS), "a", ""))
    assert root.attrib["aria-hidden"] == "true"


def test_svg_follows_the_colours_of_the_page() -> None:
    markup = to_svg(swatch(REGIONS), "a", "")
    assert "var(--series-0, #63686f)" in markup
    assert markup.count("#63686f") == markup.count("var(--series-0, #63686f)")


def test_svgs_of_one_page_share_no_id() -> None:
    one, two = (
        {
            element.attrib["id"]
            for element in ET.fromstring(to_svg(swatch(REGIONS), name, "")).iter()
            if "id" in element.attrib
        }
        for name in ("a", "b")
    )
    assert one
    assert not one & two


def test_svg_is_the_same_every_time() -> None:
    assert to_svg(swatch(REGIONS), "a", "") == to_svg(swatch(REGIONS), "a", "")


def test_drawing_leaves_the_settings_of_matplotlib_alone() -> None:
    before = dict(mpl.rcParams)
    to_svg(swatch(REGIONS), "a", "")
    assert dict(mpl.rcParams) == before
