"""Every figure of a run as SVG and PNG files: for papers and slides."""

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from askmask.config import load_written_config
from askmask.errors import ProjectError
from askmask.experiments.figures.gallery import class_colour
from askmask.experiments.figures.general import (
    COSTS,
    error_left_figure,
    is_spent,
    learning_curves,
    reliability_diagram,
    seeds_note,
    sizes_text,
)
from askmask.experiments.figures.ink import add_note, legend_below, to_png, to_svg_file
from askmask.experiments.figures.matrices import penalty_figure
from askmask.experiments.figures.paper import figure_e1, paper_figures
from askmask.experiments.figures.query_overlap import agreement_figure, agreements, write_agreements
from askmask.experiments.report.facts import data_facts
from askmask.experiments.report.report import GalleryItem
from askmask.experiments.run.grid import Trial, trials
from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.run.runner import collect, gallery_of_run
from askmask.experiments.stats.analysis import analyse
from askmask.experiments.stats.curves import (
    MIN_SEEDS,
    Arm,
    mean_bins,
    reliability_bins,
    splits,
    strategies,
)
from askmask.experiments.stats.measures import RECALIBRATED
from askmask.experiments.stats.verdict import judged_metrics

PRINT_DPI: Final = 300
_SIZE: Final = (6.2, 4.4)
_LINE, _GAP, _INK = 18, 8, (31, 35, 40)  # of a gallery's sheet, in pixels


def draw_run(rows: Sequence[ResultRow], out: Path, *, paper: bool = False) -> list[Path]:
    """Write the figures of a results table into a folder.

    Parameters
    ----------
    rows : sequence of ResultRow
        The whole table.
    out : Path
        Folder, made if need be; figures of the same name are replaced.
    paper : bool
        The figures of the paper instead of the general ones.

    Returns
    -------
    list of Path
        The files, an SVG and a PNG for each figure; none if nothing was judged yet.
    """
    table = indexed(rows)
    judged = splits(table)
    if not judged:
        return []
    figures = paper_figures(table, judged[0]) if paper else dict(general_figures(table, judged[0]))
    return [path for name, figure in figures.items() for path in write_figure(out, name, figure)]


def draw_agreement(
    trials_folder: Path, planned: Sequence[Trial], rows: Sequence[ResultRow], out: Path
) -> list[Path]:
    """Write how far strategies asked for the same pixels, as figure and as CSV.

    Nothing is written for a run without two trials of one seed that asked something.
    """
    found = agreements(trials_folder, planned, rows)
    if not found:
        return []
    paths = write_figure(out, "agreement", agreement_figure(found, planned))
    write_agreements(out / "agreement.csv", found)
    return [*paths, out / "agreement.csv"]


def draw_galleries(
    items: Sequence[GalleryItem], out: Path, class_names: Sequence[str] = ()
) -> list[Path]:
    """Write what each trial asked as one sheet, a line per picture, round by round.

    `class_names`, in order, make the legend of the label panel's colours.
    """
    paths = []
    for title in dict.fromkeys(item.title for item in items):
        own = sorted(
            (item for item in items if item.title == title), key=lambda i: (i.round, i.caption)
        )
        path = out / f"gallery_{title}.png"
        out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_sheet(own, class_names))
        paths.append(path)
    return paths


def write_figure(out: Path, name: str, figure: Figure) -> list[Path]:
    """Write one figure as ``NAME.svg`` and ``NAME.png``."""
    out.mkdir(parents=True, exist_ok=True)
    svg, png = out / f"{name}.svg", out / f"{name}.png"
    svg.write_text(to_svg_file(figure), encoding="utf-8")
    png.write_bytes(to_png(figure, dots_per_inch=PRINT_DPI))
    return [svg, png]


def general_figures(rows: Sequence[ResultRow], split: str) -> Iterator[tuple[str, Figure]]:
    """Curves per cost, penalties, reliability, referral, densities; each with its file name."""
    found = strategies(rows)
    for metric in judged_metrics(rows, split):
        for cost in COSTS:
            if not is_spent(rows, cost):
                continue
            figure = learning_curves(
                rows, metric.name, split=split, cost=cost, legend=False, size=_SIZE
            )
            add_note(figure, f"{seeds_note(rows, [metric.name], split)}; split {split}")
            legend_below(figure, found)
            yield f"curves_{metric.name}_{cost}", figure
        analysis = analyse(rows, metric, split)
        # as in the report: with two seeds chance alone makes p-values small
        if analysis is not None and len(analysis.shared_seeds) >= MIN_SEEDS:
            yield f"penalties_{metric.name}", penalty_figure(analysis)
    yield from _trust(rows, found, split)
    densities = figure_e1(rows)
    if densities is not None:
        yield "asked_scores", densities


def _trust(
    rows: Sequence[ResultRow], found: Sequence[Arm], split: str
) -> Iterator[tuple[str, Figure]]:
    """Reliability diagrams, all with one scale of pixels, and what referring pixels buys."""
    bins = {s: own for s in found if (own := reliability_bins(rows, s, split))}
    shares = [b.count / sum(c.count for c in own) for own in bins.values() for b in own]
    for strategy in bins:
        figure = reliability_diagram(rows, strategy, split=split, highest_share=max(shares))
        seeds = {row.seed for row in indexed(rows).heads if row.metric and strategy.owns(row)}
        is_mapped = bool(reliability_bins(rows, strategy, split, RECALIBRATED))
        crosses = "; crosses: after recalibration" if is_mapped else ""
        text = f"{sizes_text([len(seeds)])}, pixels together, last round;\nsplit {split}{crosses}"
        add_note(figure, text)
        yield f"reliability_{_file_name(strategy.label)}", figure
    counts = [len(v) for s in found for v in mean_bins(rows, s, "error_left", split).values()]
    if counts:
        figure = error_left_figure(rows, split=split)
        is_mapped = any(mean_bins(rows, s, f"{RECALIBRATED}error_left", split) for s in found)
        dotted = "; dotted: after recalibration" if is_mapped else ""
        text = f"{sizes_text(counts)}, means, last round; no band; split {split}{dotted}"
        add_note(figure, text)
        legend_below(figure, found)
        yield "error_left", figure


def _file_name(label: str) -> str:
    """Words of a label joined by underscores, for any file system."""
    return "_".join(re.findall(r"[A-Za-z0-9.+-]+", label))


def _sheet(items: Sequence[GalleryItem], class_names: Sequence[str]) -> bytes:
    """Pictures one above the other on white, each under its round and image."""
    pictures = [Image.open(io.BytesIO(item.png), formats=["PNG"]).convert("RGBA") for item in items]
    width = max(picture.width for picture in pictures)
    legend = _legend(class_names, width)
    height = legend.height + sum(_LINE + picture.height + _GAP for picture in pictures)
    sheet = Image.new("RGBA", (width, height), (255, 255, 255, 255))
    sheet.alpha_composite(legend, (0, 0))
    pen = ImageDraw.Draw(sheet)
    top = legend.height
    for item, picture in zip(items, pictures, strict=True):
        pen.text((2, top + 2), f"round {item.round}: {item.caption}", fill=_INK, font_size=12)
        sheet.alpha_composite(picture, (0, top + _LINE))
        top += _LINE + picture.height + _GAP
    buffer = io.BytesIO()
    sheet.convert("RGB").save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _legend(class_names: Sequence[str], width: int) -> Image.Image:
    """Colours of the classes in a row, or in several where they do not fit; empty without names."""
    canvas = Image.new("RGBA", (width, _LINE * len(class_names)), (255, 255, 255, 255))
    pen = ImageDraw.Draw(canvas)
    left, top = 2, 0
    for index, name in enumerate(class_names):
        needed = 16 + int(pen.textlength(name, font_size=12)) + 14
        if left > 2 and left + needed > width:
            left, top = 2, top + _LINE
        pen.rectangle(((left, top + 3), (left + 11, top + 14)), fill=class_colour(index))
        pen.text((left + 16, top + 2), name, fill=_INK, font_size=12)
        left += needed
    return canvas.crop((0, 0, width, top + _LINE if class_names else 0))


def draw_figures(run: Path, folder: Path, *, paper: bool) -> list[Path]:
    """Draw the figures of a run, or those of the paper, and return their paths.

    Raises
    ------
    ProjectError
        If no round of the run was judged yet.
    """
    rows = collect(run)
    config = load_written_config(run / "config.yaml")
    paths = draw_run(rows, folder, paper=paper)
    if not paths:
        raise ProjectError(
            f"expected a judged round in {str(run)!r}, found none: there is nothing to draw yet."
        )
    if not paper:
        paths += draw_agreement(run / "trials", trials(config), rows, folder)
        paths += draw_galleries(gallery_of_run(run), folder, data_facts(config).classes)
    return paths
