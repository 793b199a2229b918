"""The report is one file that says what the table says."""

import base64
import dataclasses
import io
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from askmask.experiments.figures.gallery import gallery_png
from askmask.experiments.report.report import DataFacts, GalleryItem, write_report
from askmask.experiments.run.results import ResultRow
from askmask.records import Region
from result_rows import curves, reliability, row

SCORES = {
    "random-region": [[0.40, 0.50], [0.41, 0.51], [0.42, 0.52]],
    "margin-region": [[0.50, 0.60], [0.51, 0.61], [0.52, 0.62]],
}
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags, ids, links and text of a page; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.open):
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, found in self.attributes if (value := found.get(name)) is not None]


def picture() -> bytes:
    image = np.full((12, 18, 3), 180, dtype=np.uint8)
    return gallery_png(image, np.eye(12, 18), [Region("a", 2, 2, 4, 4)], None)


def write(path: Path, rows: list[ResultRow], gallery: tuple[GalleryItem, ...] = ()) -> str:
    write_report(
        path,
        rows,
        config_yaml="name: drawn\nnote: <b>&</b>\n",
        versions={"askmask": "1.2.3", "torch": "2.13.0"},
        gallery=gallery,
        command="askmask simulate drawn.yaml --out runs/drawn",
    )
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = [
        *curves(SCORES),
        *curves(SCORES, metric="brier"),
        *curves(SCORES, split="validation"),
        *(
            measured
            for group in ("benign", "malignant")
            for measured in curves(SCORES, group=group)
        ),
        *reliability({6: (0.65, 0.5, 100), 9: (0.95, 0.9, 300)}, round=1),
        row(metric="", status="failed", reason="loss <nan> at step 3", round=2, seed=7),
    ]
    gallery = tuple(
        GalleryItem(round, trial, f"image {round}", picture())
        for trial in ("margin-region-seed0", "random-region-seed0")
        for round in (2, 1)
    )
    return write(tmp_path_factory.mktemp("run") / "report.html", rows, gallery)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_report_fetches_nothing_and_runs_no_script(html: str, page: Page) -> None:
    assert page.tags["script"] == page.tags["link"] == 0
    assert all(source.startswith("data:image/") for source in page.values("src"))
    assert "default-src 'none'" in html
    elsewhere = set(re.findall(r"https?://[^\s\"'<>)]+", html))
    assert elsewhere <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_no_id_comes_twice_and_every_link_leads_somewhere(page: Page) -> None:
    ids = Counter(page.values("id"))
    assert [name for name, times in ids.items() if times > 1] == []
    targets = {link for link in page.values("href") if link.startswith("#")}
    assert targets
    assert {target.removeprefix("#") for target in targets} <= set(ids)


def test_every_picture_has_words_for_those_who_cannot_see_it(page: Page) -> None:
    images = [found for tag, found in page.attributes if tag == "img"]
    drawings = [found for tag, found in page.attributes if tag == "svg"]
    assert images
    assert all(found.get("alt") for found in images)
    assert drawings
    assert all(found.get("aria-label") or found.get("aria-hidden") for found in drawings)


def test_figure_says_its_numbers_in_words(page: Page) -> None:
    assert (
        "Object F1 against labelled fraction of the pixels. random · regions: 0.410 at 0.1 to "
        "0.510 at 0.2; margin · regions: 0.510 at 0.1 to 0.610 at 0.2."
    ) in page.values("aria-label")


def test_reliability_says_its_counts_in_words(page: Page) -> None:
    assert (
        "Reliability of random · regions. Confidence: accuracy (pixels): "
        "0.65: 0.50 (100); 0.95: 0.90 (300)."
    ) in page.values("aria-label")


def test_caption_states_seeds_and_band(page: Page) -> None:
    assert "n = 3 seeds; bands: 95 % t intervals over seeds." in page.text


def test_verdict_stands_before_every_figure(html: str) -> None:
    verdict = html.index("Object F1: 1 of 1 comparison shows a difference (n = 3 seeds).")
    assert verdict < html.index("<figure>")


def test_head_tells_data_network_seeds_and_rounds(page: Page) -> None:
    assert "Seeds 4 (0, 1, 2, 7)" in page.text
    assert "Network unet" in page.text
    assert "test (100 pixels), groups benign, malignant; validation" in page.text
    assert "0.100 of the pixels of start set and pool labelled at first, at most 0.200" in page.text


def test_final_scores_are_shown_for_every_split_and_group(page: Page) -> None:
    assert "Split test, group all" in page.text
    assert "Split validation, group all" in page.text
    assert "Split test, group malignant" in page.text
    assert "0.510 ± 0.025" in page.text  # std 0.01 / sqrt(3) x 4.30265


def test_failure_is_told_and_escaped(html: str, page: Page) -> None:
    assert "1 entry failed or unfinished" in page.text
    assert "random-region-seed7 2 loss <nan> at step 3" in page.text
    assert "<nan>" not in html


def test_configuration_versions_and_command_stand_in_the_report(page: Page) -> None:
    assert "name: drawn note: <b>&</b>" in page.text
    assert "askmask 1.2.3 torch 2.13.0" in page.text
    assert "askmask simulate drawn.yaml --out runs/drawn" in page.text


def test_gallery_goes_trial_by_trial_and_round_by_round(page: Page) -> None:
    shown = re.findall(r"Round (\d), image", page.text)
    assert shown == ["1", "2", "1", "2"]
    assert page.text.index("margin-region-seed0") < page.text.index("random-region-seed0 Round")


def test_report_adapts_to_dark_pages_and_narrow_ones(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert "--series-1: #0072b2" in html
    assert "--series-1: #56b4e9" in html
    assert 'content="width=device-width, initial-scale=1"' in html


def test_recalibration_and_referred_pixels_are_told_where_measured(tmp_path: Path) -> None:
    rows = [
        row(metric="nll", value=0.5), row(metric="recalibrated_nll", value=0.4),
        row(metric="error_left", bin=0, value=0.2), row(metric="error_left", bin=4, value=0.1),
        *reliability({9: (0.95, 0.9, 300)}),
    ]  # fmt: skip
    page = Page(write(tmp_path / "report.html", rows))
    assert "random · regions 0.500 0.400" in page.text
    told = "Pixels still wrong. random · regions: 0.200 at 0%, 0.100 at 10%."
    assert told in page.values("aria-label")


def test_large_reports_show_a_panel_for_each_function(tmp_path: Path) -> None:
    rows = curves({f"{name}-region": [[0.1, 0.2]] for name in "abcdefghi"})
    text = Page(write(tmp_path / "report.html", rows)).text
    assert "Each acquisition function in a panel of its own." in text
    assert "no bands: too many strategies in one panel" in text


def test_strategies_and_data_are_told_in_a_line_each(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(
        path, [row(), row(acquisition="all_data")], config_yaml="", versions={}, gallery=[],
        command="", descriptions={"random": "uniform"}, data=DataFacts({"Data": "3 images"}),
    )  # fmt: skip
    text = Page(path.read_text(encoding="utf-8")).text
    assert "Data 3 images Strategies random , regions : uniform Bounds all data" in text


def test_two_seeds_show_no_difference(tmp_path: Path) -> None:
    rows = curves({name: seeds[:2] for name, seeds in SCORES.items()})
    text = Page(write(tmp_path / "report.html", rows)).text
    assert "Object F1: with n = 2 seeds no difference can be shown." in text
    assert "n = 2 seeds; thin lines: single seeds (too few for a band)." in text
    assert "No training and no trial failed." in text


def test_caption_tells_that_some_seeds_are_missing(tmp_path: Path) -> None:
    rows = curves({"random-region": [[0.4, 0.5], [0.4]]})
    text = Page(write(tmp_path / "report.html", rows)).text
    assert "n = 1 to 2 seeds" in text


def test_one_project_is_a_report_too(tmp_path: Path) -> None:
    text = Page(write(tmp_path / "report.html", [row(), row(round=1)])).text
    assert "No two strategies can be paired: nothing is compared." in text
    assert "n = 1 seed;" in text
    assert "This report compares" not in text


def test_table_without_a_finished_round_says_so(tmp_path: Path) -> None:
    failed = row(metric="", status="failed", reason="no memory", split="")
    text = Page(write(tmp_path / "report.html", [failed])).text
    assert "No round has been judged yet: there is nothing to say." in text
    assert "no memory" in text


def test_empty_table_is_a_report_too(tmp_path: Path) -> None:
    assert "no trial" in Page(write(tmp_path / "report.html", [])).text


def test_calibration_alone_is_judged_by_the_brier_score(tmp_path: Path) -> None:
    page = Page(write(tmp_path / "report.html", curves(SCORES, metric="brier")))
    assert "Brier score: 1 of 1 comparison shows a difference (n = 3 seeds)." in page.text
    assert "Better than random? No, worse: margin · regions by 0.1000" in page.text


def test_report_makes_its_folder_and_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "reports" / "report.html"
    write(path, [row()])
    newer = write(path, [dataclasses.replace(row(), dataset="other")])
    assert "<h1>other</h1>" in newer
    assert list(path.parent.iterdir()) == [path]


def test_pictures_of_the_gallery_are_webp(html: str) -> None:
    source = next(s for s in Page(html).values("src"))
    encoded = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    assert encoded.format == "WEBP"
    assert encoded.size == Image.open(io.BytesIO(picture())).size
