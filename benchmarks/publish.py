"""A run as files for docs/results: its table, its figures, and tables in Markdown.

``python benchmarks/publish.py RUN docs/results NAME`` reads ``RUN/results.csv``, which
``askmask report RUN`` writes for unfinished runs, too. It leaves NAME.csv.gz and NAME-*.svg, and
prints what the tests allow to say and a table per metric: nothing in it is typed in. For a run that
is still going, report on a copy of its folder without caches and models.
"""

import argparse
import csv
import gzip
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from askmask.experiments.figures.ink import to_svg_file
from askmask.experiments.figures.paper import paper_figures
from askmask.experiments.run.indexed import IndexedRows
from askmask.experiments.run.results import ResultRow, read_results
from askmask.experiments.stats.curve_statistics import t_interval
from askmask.experiments.stats.curves import (
    ALL,
    MIN_SEEDS,
    Point,
    groups,
    has_values,
    mean_curve,
    measured_strategies,
    references,
    scores,
    splits,
)
from askmask.experiments.stats.measures import METRICS
from askmask.experiments.stats.verdict import (
    Comparison,
    compare_strategies,
    judged_metrics,
    p_text,
    verdict,
)
from askmask.query.score_histograms import POOL

_LONG = re.compile(r"-?\d+\.\d{6,}(e-?\d+)?")
SHOWN = ("mean_dice", "object_f1", "nll", "brier", "ece")
BY_PART = ("mean_dice", "object_f1", "object_dice", "object_hausdorff")
FIGURES = {
    "paper_1_curves": "curves",
    "paper_4_reliability": "reliability",
    "paper_5_calibration": "calibration",
    "paper_e1_uncertainty": "asked",
}


def main() -> None:
    """Write the files and print the Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("name")
    options = parser.parse_args()
    table = options.run / "results.csv"
    rows = IndexedRows(read_results(table))
    split = splits(rows)[0]
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as file:  # the same bytes every time
        file.write(shortened(table, split).encode())
    (options.out / f"{options.name}.csv.gz").write_bytes(packed.getvalue())
    for figure, short in FIGURES.items():
        drawn = paper_figures(rows, split).get(figure)
        if drawn is not None:
            path = options.out / f"{options.name}-{short}.svg"
            path.write_text(to_svg_file(drawn), encoding="utf-8")
    print(facts(rows))
    for metric in judged_metrics(rows, split):
        summary, claims = verdict(compare_strategies(rows, metric, split))
        print(f"\n{summary}")
        print("".join(f"\n- {claim}" for claim in claims))
    print("\n## By test set and group\n\nMeans over n seeds, after the first query and the last.")
    for name in (name for name in BY_PART if has_values(scores(rows, name, split))):
        print(f"\n{METRICS[name].label}, {METRICS[name].direction}:\n")
        print(by_part(rows, parts_of(rows, name, split)))
    if len(classes_of(rows, split)) > 2:
        print("\nDice of each class, higher is better:\n")
        print(by_part(rows, classes_of(rows, split)))
    for name in SHOWN:
        if has_values(scores(rows, name, split)):
            print(f"\n## {METRICS[name].label}, {METRICS[name].direction}, split {split}\n")
            print(markdown(rows, name, split))
            print(compared(compare_strategies(rows, METRICS[name], split)))


def shortened(table: Path, split: str) -> str:
    """The table as small as its page needs it.

    Every number has seven digits, far below its own noise. Rows of single bins, which are most of a
    table, are left out but for those of `split` and of the pool, of which figures are drawn.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    with table.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        names = next(lines)
        writer.writerow(names)
        bin_, part = names.index("bin"), names.index("split")
        for row in lines:
            if row[bin_] == "" or row[part] in {split, POOL}:
                writer.writerow(
                    [f"{float(cell):.7g}" if _LONG.fullmatch(cell) else cell for cell in row]
                )
    return text.getvalue()


def facts(rows: IndexedRows) -> str:
    """How many trials and seeds there are, and how many failed."""
    trials = {row.trial for row in rows.heads if row.metric}
    failed = {row.trial for row in rows.heads if row.is_failure}
    seeds = sorted({row.seed for row in rows.heads})
    return (
        f"{len(trials)} trials, seeds {seeds}, {len(rows)} rows, {len(failed)} trials with failures"
    )


def markdown(rows: Sequence[ResultRow], metric: str, split: str) -> str:
    """Every round of every strategy, with its labelled fraction, and n where seeds are missing."""
    measured = scores(rows, metric, split)
    found = (*measured_strategies(rows, measured), *references(measured))
    most = max(len(point.seeds) for s in found for point in mean_curve(measured, s))
    last = max(row.round for row in measured)
    lines = ["| strategy | " + " | ".join(f"round {n}" for n in range(last + 1)) + " |"]
    lines.append("|---" * (last + 2) + "|")
    for strategy in found:
        points = {point.round: point for point in mean_curve(measured, strategy)}
        cells = [cell(points.get(n), most) for n in range(last + 1)]
        lines.append(f"| {strategy.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parts_of(rows: IndexedRows, metric: str, split: str) -> dict[str, Sequence[ResultRow]]:
    """Scores of each test split, of each group of all of them, and of all."""
    parts = {part: (part, ALL) for part in splits(rows) if part not in {split, "validation"}}
    parts |= {group: (split, group) for group in groups(rows, split) if group != ALL}
    parts[split] = (split, ALL)
    return {name: scores(rows, metric, part, group=group) for name, (part, group) in parts.items()}


def classes_of(rows: IndexedRows, split: str) -> dict[str, Sequence[ResultRow]]:
    """Dice of each class."""
    keys = {key[3] for key in rows.keys if key[:3] == ("dice", split, ALL)} - {ALL}
    return {name: scores(rows, "dice", split, class_name=name) for name in sorted(keys)}


def by_part(rows: IndexedRows, parts: Mapping[str, Sequence[ResultRow]]) -> str:
    """Mean scores of each part after the first query and the last."""
    *_, whole = parts.values()
    lines = [f"| strategy | round | n | {' | '.join(parts)} |", "|---" * (3 + len(parts)) + "|"]
    for strategy in (*measured_strategies(rows, whole), *references(whole)):
        curves = [{p.round: p for p in mean_curve(own, strategy)} for own in parts.values()]
        for number in sorted({min(1, max(curves[-1])), max(curves[-1])}):
            points = [curve[number] for curve in curves]
            means = " | ".join(f"{t_interval(point.values)[0]:.3f}" for point in points)
            lines.append(f"| {strategy.label} | {number} | {len(points[-1].seeds)} | {means} |")
    return "\n".join(lines)


def compared(comparisons: Sequence[Comparison]) -> str:
    """Differences in area under the curve, pair by pair, with what their tests allow to say."""
    shown = [c for c in comparisons if c.differences]
    if not shown:
        return ""
    lines = [
        "\nMean over the costs that both cover; a difference is of pairs with one seed.\n",
        "| question | first | second | first minus second | n | p, corrected | outcome |",
        "|---|---|---|---|---|---|---|",
    ]
    for c in shown:
        few = len(c.differences) < MIN_SEEDS
        difference = f"{c.mean:+.4f}" + ("" if few else f" ± {c.half_width:.4f}")
        cells = (c.question, c.first.label, c.second.label, difference, str(len(c.differences)))
        lines.append(f"| {' | '.join(cells)} | {p_text(c.p_adjusted)} | {c.outcome} |")
    return "\n".join(lines)


def cell(point: Point | None, most: int) -> str:
    """Mean and half the t interval; below three seeds the seeds themselves."""
    if point is None:
        return ""
    mean, half_width = t_interval(point.values)
    text = " / ".join(f"{value:.3f}" for value in point.values)
    if len(point.seeds) >= MIN_SEEDS and math.isfinite(half_width):
        text = f"{mean:.3f} ± {half_width:.3f}"
    missing = f", n = {len(point.seeds)}" if len(point.seeds) < most else ""
    return f"{text} ({point.cost:.3f}{missing})"


if __name__ == "__main__":
    main()
