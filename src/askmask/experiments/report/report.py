"""The report as one HTML file: what was asked, the results, and the claims that they allow.

Everything stands inside the file: figures as SVG, pictures as data, no script, nothing fetched.
All numbers come from the results table; the wording follows from them in ``verdict``.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from askmask.experiments.figures import ink as drawing
from askmask.experiments.figures.gallery import class_colour
from askmask.experiments.figures.general import COSTS, is_spent
from askmask.experiments.report import pictures, tables
from askmask.experiments.run.indexed import indexed
from askmask.experiments.run.results import ResultRow
from askmask.experiments.stats.advice import advice, advice_for_one
from askmask.experiments.stats.analysis import analyse
from askmask.experiments.stats.curves import (
    ALL,
    MIN_SEEDS,
    REFERENCES,
    Arm,
    groups,
    has_values,
    references,
    scores,
    splits,
    strategies,
)
from askmask.experiments.stats.measures import METRICS, Metric
from askmask.experiments.stats.significance import detectable_effect, smallest_sign_flip_p
from askmask.experiments.stats.verdict import (
    Comparison,
    compare_strategies,
    judged_metrics,
    verdict,
)
from askmask.metrics.meanings import meanings_of
from askmask.whole_files import write_atomically

TEMPLATE: Final = "report.html.j2"

_OVERLAP: Final = ("object_f1", "mean_dice")
_CALIBRATION: Final = ("nll", "brier", "ece")
_COST: Final = "labelled_fraction"


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
class DataFacts:
    """Facts about the data for a report: terms with texts, and the classes in order."""

    terms: Mapping[str, str]
    classes: tuple[str, ...] = ()


NO_FACTS: Final = DataFacts(MappingProxyType({}))


def write_report(
    out_html: Path,
    rows: Sequence[ResultRow],
    *,
    config_yaml: str,
    versions: Mapping[str, str],
    gallery: Sequence[GalleryItem],
    command: str,
    descriptions: Mapping[str, str] = MappingProxyType({}),
    data: DataFacts = NO_FACTS,
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
    descriptions : mapping of str to str
        One line for each acquisition function, by its name.
    data : DataFacts
        What the data are.

    Raises
    ------
    ProjectError
        If a trial has two values of one metric for one round.
    """
    rows = indexed(rows)
    page = _environment().get_template(TEMPLATE)
    html = page.render(
        **_overview(rows, descriptions),
        data_facts=dict(data.terms),
        **_results(rows),
        inks=drawing.INKS,
        gallery=_gallery(gallery),
        class_colours=[(class_colour(index), name) for index, name in enumerate(data.classes)],
        failures=tables.failures(rows),
        config_yaml=config_yaml,
        versions=dict(versions),
        command=command,
    )
    out_html.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out_html, html)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("askmask.experiments.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _overview(rows: Sequence[ResultRow], descriptions: Mapping[str, str]) -> dict[str, object]:
    """What the head of the page says."""
    rows = indexed(rows)
    measured = [row for row in rows.heads if row.metric]
    asking = [row for row in measured if row.acquisition not in REFERENCES]
    fractions = [row.labelled_fraction for row in asking]
    return {
        "dataset": ", ".join(_distinct(row.dataset for row in rows.heads)) or "no trial",
        "models": ", ".join(_distinct(row.model for row in rows.heads)),
        "strategies": _told_strategies(strategies(rows), descriptions),
        "n_strategies": len(strategies(rows)),
        "bounds": [own.label for own in references(rows)],
        "seeds": sorted({row.seed for row in rows.heads}),
        "rounds": max((row.round for row in measured), default=0),
        "start_fraction": min(fractions, default=0.0),
        "end_fraction": max(fractions, default=0.0),
        "judged": _judged_parts(rows),
        "min_seeds": MIN_SEEDS,
    }


def _told_strategies(
    found: Iterable[Arm], descriptions: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Acquisition functions with what they ask for, and a line on each."""
    units: dict[str, list[str]] = {}
    for strategy in found:
        own = units.setdefault(strategy.acquisition, [])
        if strategy.unit_label not in own:
            own.append(strategy.unit_label)
    return [
        (name.replace("_", " "), " and ".join(own), descriptions.get(name, ""))
        for name, own in units.items()
    ]


def _judged_parts(rows: Sequence[ResultRow]) -> list[str]:
    """Every split with its groups and pixels."""
    parts = []
    for split in splits(rows):
        pixels = max((r.count for r in scores(rows, "brier", split)), default=0)
        strata = groups(rows, split)
        size = f" ({pixels:,} pixels)" if pixels else ""
        parts.append(f"{split}{size}" + (f", groups {', '.join(strata)}" if strata else ""))
    return parts


def _results(rows: Sequence[ResultRow]) -> dict[str, object]:
    """Figures and tables of the split that counts first."""
    judged = splits(rows)
    split = judged[0] if judged else ""
    metrics = judged_metrics(rows, split)
    comparisons = [own for own in (compare_strategies(rows, m, split) for m in metrics) if own]
    analyses = [own for m in metrics if (own := analyse(rows, m, split)) is not None]
    names = (f"figure-{number}" for number in count(1))
    found = strategies(row for row in indexed(rows).heads if row.metric)
    overlap = _present(rows, split, _OVERLAP)
    return {
        "split": split,
        "advice": _advice(rows, split, metrics, comparisons),
        "verdict": _verdict(metrics, comparisons),
        "meanings": _meanings(rows),
        "legend": pictures.legend(found, names),
        "cost_legend": pictures.legend(found, names),
        "error_legend": pictures.legend(found, names),
        "overview": pictures.overview_picture(rows, found, split, names),
        "overlap": [
            pictures.curve_picture(rows, name, split, names, size=drawing.WIDE) for name in overlap
        ],
        "calibration": [
            pictures.curve_picture(rows, name, split, names)
            for name in _present(rows, split, _CALIBRATION)
        ],
        "reliability": pictures.reliability_pictures(rows, found, split, names),
        "error_left": pictures.error_left_picture(rows, found, split, names),
        "recalibration": tables.recalibration(rows, split),
        "by_group": pictures.group_pictures(rows, (*_OVERLAP, "brier"), split, names),
        "other_costs": [
            pictures.curve_picture(rows, overlap[0], split, names, cost=cost)
            for cost in COSTS
            if overlap and cost != _COST and is_spent(rows, cost)
        ],
        "differences": [
            picture
            for own in comparisons
            for picture in pictures.difference_pictures(own, split, names)
        ],
        "comparisons": [table for own in comparisons for table in tables.comparison_tables(own)],
        "penalties": pictures.penalty_pictures(analyses, names),
        "final": [tables.final_scores(rows, name, ALL) for name in judged],
        "by_class": tables.class_dice(rows, split),
        "final_by_group": [tables.final_scores(rows, split, name) for name in groups(rows, split)],
        "areas": [tables.areas(own) for own in analyses],
        "level_of": next((own.level_of for own in analyses if own.level_of), "no score"),
        "power": _power(comparisons),
        "costs": tables.costs_and_times(rows) if found else None,
        "asked_scores": pictures.asked_score_picture(rows, found, names),
    }


def _verdict(
    metrics: Sequence[Metric], comparisons: Sequence[Sequence[Comparison]]
) -> list[tuple[str, list[str]]]:
    if not metrics:
        return [("No round has been judged yet: there is nothing to say.", [])]
    return [verdict(own) for own in comparisons] or [verdict(())]


def _advice(
    rows: Sequence[ResultRow],
    split: str,
    metrics: Sequence[Metric],
    comparisons: Sequence[Sequence[Comparison]],
) -> str | None:
    if not metrics:
        return None
    if len(strategies(rows)) == 1 and not comparisons:
        return advice_for_one(scores(rows, metrics[0].name, split), metrics[0])
    return advice(comparisons[0] if comparisons else ())


def _meanings(rows: Sequence[ResultRow]) -> list[tuple[str, str]]:
    """Each score of the report with two sentences on it."""
    measured = {row.metric for row in indexed(rows).heads}
    found = meanings_of(name for name in METRICS if name in measured)
    return [(METRICS[name].label, meaning) for name, meaning in found.items()]


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


def _gallery(items: Sequence[GalleryItem]) -> dict[str, list[tuple[GalleryItem, str]]]:
    """Pictures by trial, in the order of the rounds, each as a data address."""
    shown: dict[str, list[tuple[GalleryItem, str]]] = {}
    for item in sorted(items, key=lambda item: (item.title, item.round, item.caption)):
        shown.setdefault(item.title, []).append((item, _data_address(item.png)))
    return shown


def _data_address(png: bytes) -> str:
    """The picture as WebP, a tenth of the size; its file beside the table stays as it is."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        picture.save(buffer, format="WEBP", quality=85)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
