"""Every figure of a run as SVG and PNG files: for papers, slides, and a look of one's own."""

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure
from PIL import Image, ImageDraw

from askmask.experiments.agreement import agreement_figure, agreements, write_agreements
from askmask.experiments.analysis import analyse
from askmask.experiments.curves import has_values, reliability_bins, scores, splits, strategies
from askmask.experiments.drawing import legend_below, note, to_png, to_svg_file
from askmask.experiments.figures import (
    COSTS,
    is_spent,
    learning_curves,
    penalty_figure,
    reliability_diagram,
    seeds_note,
    sizes_text,
)
from askmask.experiments.grid import Trial
from askmask.experiments.indexed import indexed
from askmask.experiments.paper import figure_e1, paper_figures
from askmask.experiments.report import GalleryItem
from askmask.experiments.results import ResultRow
from askmask.experiments.verdict import judged_metrics

PRINT_DPI: Final = 300
_SIZE: Final = (6.2, 4.4)


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
    figures = paper_figures(table, judged[0]) if paper else dict(_general(table, judged[0]))
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


def draw_galleries(items: Sequence[GalleryItem], out: Path) -> list[Path]:
    """Write what each trial asked as one sheet, a line per picture, round by round."""
    paths = []
    for title in dict.fromkeys(item.title for item in items):
        own = sorted(
            (item for item in items if item.title == title), key=lambda i: (i.round, i.caption)
        )
        path = out / f"gallery_{title}.png"
        out.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_sheet(own))
        paths.append(path)
    return paths


def write_figure(out: Path, name: str, figure: Figure) -> list[Path]:
    """Write one figure as ``NAME.svg`` and ``NAME.png``."""
    out.mkdir(parents=True, exist_ok=True)
    svg, png = out / f"{name}.svg", out / f"{name}.png"
    svg.write_text(to_svg_file(figure), encoding="utf-8")
    png.write_bytes(to_png(figure, dots_per_inch=PRINT_DPI))
    return [svg, png]


def _general(rows: Sequence[ResultRow], split: str) -> Iterator[tuple[str, Figure]]:
    """Curves per cost, reliability, penalties, densities."""
    found = strategies(rows)
    metrics = judged_metrics(rows, split)
    for metric in metrics:
        for cost in COSTS:
            if not is_spent(rows, cost):
                continue
            figure = learning_curves(
                rows, metric.name, split=split, cost=cost, legend=False, size=_SIZE
            )
            note(figure, f"{seeds_note(rows, [metric.name], split)}; split {split}")
            legend_below(figure, found)
            yield f"curves_{metric.name}_{cost}", figure
        analysis = analyse(rows, metric, split)
        if analysis is not None and analysis.penalties is not None:
            yield f"penalties_{metric.name}", penalty_figure(analysis)
    for strategy in found:
        if has_values(scores(rows, "ece", split)) and reliability_bins(rows, strategy, split):
            figure = reliability_diagram(rows, strategy, split=split)
            seeds = {row.seed for row in scores(rows, "ece", split) if strategy.owns(row)}
            note(figure, f"{sizes_text([len(seeds)])}, pixels together; split {split}")
            yield f"reliability_{_file_name(strategy.label)}", figure
    densities = figure_e1(rows)
    if densities is not None:
        yield "asked_scores", densities


def _file_name(label: str) -> str:
    """Words of a label joined by underscores, for any file system."""
    return "_".join(re.findall(r"[A-Za-z0-9.+-]+", label))


def _sheet(items: Sequence[GalleryItem]) -> bytes:
    """Pictures one above the other on white, each under its round and image."""
    pictures = [Image.open(io.BytesIO(item.png)).convert("RGBA") for item in items]
    caption, gap = 18, 8
    width = max(picture.width for picture in pictures)
    height = sum(caption + picture.height + gap for picture in pictures)
    sheet = Image.new("RGBA", (width, height), (255, 255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    top = 0
    for item, picture in zip(items, pictures, strict=True):
        pen.text(
            (2, top + 2), f"round {item.round}: {item.caption}", fill=(31, 35, 40), font_size=12
        )
        sheet.alpha_composite(picture, (0, top + caption))
        top += caption + picture.height + gap
    buffer = io.BytesIO()
    sheet.convert("RGB").save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
