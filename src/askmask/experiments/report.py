"""One HTML file that tells what was asked, what came out, and what may be claimed from it.

Everything stands inside the file: figures as SVG, pictures as data, no script, nothing fetched.
All numbers come from the results table; the wording follows from them in ``verdict``.
"""

import base64
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from askmask.experiments import drawing, figures, tables
from askmask.experiments.analysis import analyse
from askmask.experiments.curves import (
    ALL,
    MIN_SEEDS,
    Strategy,
    groups,
    has_values,
    mean_curve,
    reliability_bins,
    scores,
    splits,
    strategies,
)
from askmask.experiments.indexed import indexed
from askmask.experiments.measures import METRICS, Metric
from askmask.experiments.results import ResultRow
from askmask.experiments.significance import detectable_effect, smallest_sign_flip_p
from askmask.experiments.verdict import Comparison, compare, judged_metrics, verdict

TEMPLATE: Final = "report.html.j2"

_OVERLAP: Final = ("object_f1", "mean_dice")
_CALIBRATION: Final = ("nll", "brier", "ece")
_COST: Final = "labelled_fraction"
_OTHER_COSTS: Final = ("boundary_length", "regions", "images")


@dataclass(frozen=True, slots=True)
class GalleryItem:
    """Picture of what was asked of one image in one round, as ``gallery.gallery_png`` draws it.

    `title` names the trial, `caption` the image.
    """

    round: int
    title: str
    caption: str
    png: bytes


@dataclass(frozen=True, slots=True)
class _Picture:
    """A figure on the page."""

    markup: Markup
    caption: str


def write_report(
    out_html: Path,
    rows: Sequence[ResultRow],
    *,
    config_yaml: str,
    versions: Mapping[str, str],
    gallery: Sequence[GalleryItem],
    command: str,
) -> None:
    """Write the report of a results table; an older one is replaced whole.

    Parameters
    ----------
    out_html : Path
        Where; its folder is made if need be.
    rows : sequence of ResultRow
        The whole table, failures included. Without a finished round the report says so.
    config_yaml : str
        Every setting of the run.
    versions : mapping of str to str
        What the numbers depend on, by name.
    gallery : sequence of GalleryItem
        What was asked; shown trial by trial, round by round.
    command : str
        The command line that repeats the run.

    Raises
    ------
    ProjectError
        If a trial has two values of one metric for one round.
    """
    rows = indexed(rows)
    page = _environment().get_template(TEMPLATE)
    html = page.render(
        **_overview(rows),
        **_results(rows),
        inks=drawing.INKS,
        gallery=_gallery(gallery),
        failures=tables.failures(rows),
        config_yaml=config_yaml,
        versions=dict(versions),
        command=command,
    )
    out_html.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out_html.with_name(out_html.name + ".unfinished")
    unfinished.write_text(html, encoding="utf-8")
    unfinished.replace(out_html)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("askmask.experiments"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _overview(rows: Sequence[ResultRow]) -> dict[str, object]:
    """What the head of the page says."""
    measured = [row for row in rows if row.metric]
    fractions = [row.labelled_fraction for row in measured]
    return {
        "dataset": ", ".join(_distinct(row.dataset for row in rows)) or "no trial",
        "models": ", ".join(_distinct(row.model for row in rows)),
        "strategies": [strategy.label for strategy in strategies(rows)],
        "seeds": sorted({row.seed for row in rows}),
        "rounds": max((row.round for row in measured), default=0),
        "start_fraction": min(fractions, default=0.0),
        "end_fraction": max(fractions, default=0.0),
        "judged": _judged_parts(measured),
        "min_seeds": MIN_SEEDS,
    }


def _judged_parts(rows: Sequence[ResultRow]) -> list[str]:
    """Every split with its groups and pixels."""
    parts = []
    for split in splits(rows):
        pixels = max((r.count for r in scores(rows, "brier", split)), default=0)
        strata = groups(rows, split)
        size = f" ({pixels:,} pixels)" if pixels else ""
        parts.append(f"{split}{size}" + (f", groups {' and '.join(strata)}" if strata else ""))
    return parts


def _results(rows: Sequence[ResultRow]) -> dict[str, object]:
    """Figures and tables of the split that counts first."""
    judged = splits(rows)
    split = judged[0] if judged else ""
    metrics = judged_metrics(rows, split)
    comparisons = [own for own in (compare(rows, m, split) for m in metrics) if own]
    analyses = [own for m in metrics if (own := analyse(rows, m, split)) is not None]
    names = (f"figure-{number}" for number in count(1))
    found = strategies(row for row in rows if row.metric)
    first = metrics[0] if metrics else None
    costs = _OTHER_COSTS if first in map(METRICS.get, _OVERLAP) else ()
    return {
        "split": split,
        "verdict": _verdict(metrics, comparisons),
        "legend": _legend(found, names),
        "cost_legend": _legend(found, names),
        "overlap": [_curves(rows, name, split, names) for name in _present(rows, split, _OVERLAP)],
        "calibration": [
            _curves(rows, name, split, names) for name in _present(rows, split, _CALIBRATION)
        ],
        "reliability": _reliability(rows, found, split, names),
        "by_group": _by_group(rows, split, names),
        "other_costs": [_curves(rows, first.name, split, names, cost) for cost in costs if first],
        "comparisons": [table for own in comparisons for table in tables.comparison_tables(own)],
        "final": [tables.final_scores(rows, name, ALL) for name in judged],
        "by_class": tables.class_dice(rows, split),
        "final_by_group": [tables.final_scores(rows, split, name) for name in groups(rows, split)],
        "areas": [tables.areas(own) for own in analyses],
        "level_of": next((own.level_of for own in analyses if own.level_of), "no score"),
        "power": _power(comparisons),
        "costs": tables.costs_and_times(rows) if found else None,
    }


def _verdict(
    metrics: Sequence[Metric], comparisons: Sequence[Sequence[Comparison]]
) -> list[tuple[str, list[str]]]:
    if not metrics:
        return [("No round has been judged yet: there is nothing to say.", [])]
    return [verdict(own) for own in comparisons] or [verdict(())]


def _power(comparisons: Sequence[Sequence[Comparison]]) -> str:
    """What so few seeds can show at all."""
    pairs = max((len(c.differences) for own in comparisons for c in own), default=0)
    if pairs < 2:
        return "with one seed there is none."
    return (
        f"with n = {pairs} it cannot go below {smallest_sign_flip_p(pairs):.3g}. A single t test "
        f"of {pairs} pairs finds a difference of {detectable_effect(pairs):.1f} standard "
        "deviations between seeds with 80 % probability; smaller ones are mostly missed."
    )


def _present(rows: Sequence[ResultRow], split: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if has_values(scores(rows, name, split))]


def _legend(found: Iterable[Strategy], names: Iterator[str]) -> list[tuple[Markup, str]]:
    return [(_svg(drawing.swatch(strategy), names, ""), strategy.label) for strategy in found]


def _curves(
    rows: Sequence[ResultRow],
    metric: str,
    split: str,
    names: Iterator[str],
    cost: str = _COST,
) -> _Picture:
    size = drawing.WIDE if metric in _OVERLAP and cost == _COST else drawing.NARROW
    figure = figures.learning_curves(rows, metric, split=split, cost=cost, legend=False, size=size)
    measured = scores(rows, metric, split)
    parts = []
    sizes: set[int] = set()
    for strategy in strategies(measured):
        curve = mean_curve(measured, strategy, cost)
        sizes |= {len(point.seeds) for point in curve}
        first, last = curve[0], curve[-1]
        parts.append(
            f"{strategy.label}: {first.mean:.3f} at {first.cost:.4g} to {last.mean:.3f} at "
            f"{last.cost:.4g}"
        )
    label = METRICS[metric].label
    text = f"{label} against {figures.COSTS[cost].lower()}. {'; '.join(parts)}."
    band = "band: 95 % t interval" if max(sizes) >= MIN_SEEDS else "thin lines: the seeds"
    return _Picture(_svg(figure, names, text), f"{figures.sizes_text(sizes)}; {band}.")


def _reliability(
    rows: Sequence[ResultRow], found: Iterable[Strategy], split: str, names: Iterator[str]
) -> list[_Picture]:
    bins = {strategy: reliability_bins(rows, strategy, split) for strategy in found}
    shares = [b.count / sum(c.count for c in own) for own in bins.values() for b in own]
    pictures = []
    for strategy, own in bins.items():
        if not own:
            continue
        figure = figures.reliability_diagram(rows, strategy, split=split, highest_share=max(shares))
        told = "; ".join(f"{b.confidence:.2f}: {b.accuracy:.2f} ({b.count:,})" for b in own)
        text = f"Reliability of {strategy.label}. Confidence: accuracy (pixels): {told}."
        pixels = sum(b.count for b in own)
        pictures.append(_Picture(_svg(figure, names, text), f"{pixels:,} pixels of all seeds."))
    return pictures


def _by_group(rows: Sequence[ResultRow], split: str, names: Iterator[str]) -> list[_Picture]:
    if not groups(rows, split):
        return []
    pictures = []
    for metric in _present(rows, split, (*_OVERLAP, "brier")):
        figure = figures.group_scores(rows, metric, split=split)
        label = METRICS[metric].label
        text = f"{label} by group at the last round; the numbers are in the tables by group."
        pictures.append(_Picture(_svg(figure, names, text), f"{label} by group, last round."))
    return pictures


def _gallery(items: Sequence[GalleryItem]) -> dict[str, list[tuple[GalleryItem, str]]]:
    """Pictures by trial, in the order of the rounds, each as a data address."""
    shown: dict[str, list[tuple[GalleryItem, str]]] = {}
    for item in sorted(items, key=lambda item: (item.title, item.round, item.caption)):
        shown.setdefault(item.title, []).append((item, _data_address(item.png)))
    return shown


def _data_address(png: bytes) -> str:
    """The picture as WebP, a tenth of the size; its file beside the table stays as it is."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.save(buffer, format="WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _svg(figure: Figure, names: Iterator[str], text: str) -> Markup:
    # The markup is our own, and `to_svg` escapes every text in it.
    return Markup(drawing.to_svg(figure, next(names), text))  # noqa: S704


def _distinct(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
