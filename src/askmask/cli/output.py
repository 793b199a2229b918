"""Printing for commands: JSON, progress bars, metric tables."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich import box
from rich.console import Console, Group
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from askmask.metrics.meanings import meanings_of
from askmask.progress import Listener
from askmask.progress import Progress as Report
from askmask.records import MetricRow

PHASES = {
    "train": "training, steps",
    "ask": "scoring, images",
    "evaluate": "evaluating, images",
    "calibrate": "recalibrating, images",
    "predict": "predicting, images",
}


def print_json(value: object) -> None:
    """Print JSON to stdout, uncoloured and unwrapped; NaN becomes null."""
    sys.stdout.write(json.dumps(_plain(value), indent=1) + "\n")


@contextmanager
def progress_bars(console: Console) -> Iterator[Listener]:
    """Bars for the phases of a loop, drawn while the block runs."""
    columns = (
        _plain_column("{task.description:28}"),
        BarColumn(),
        _plain_column("{task.completed}"),
    )
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        tasks: dict[tuple[int, str], TaskID] = {}

        def show(report: Report) -> None:
            key = (report.round, report.phase)
            if key not in tasks:
                label = f"round {report.round}: {PHASES[report.phase]}"
                tasks[key] = bars.add_task(label, total=report.total)
            bars.update(tasks[key], completed=report.done)

        yield show


def metric_tables(rows: Sequence[MetricRow]) -> Group:
    """Metrics as a table for each split and group, a line per class and metric; bins left out."""
    tables = []
    for split, group in dict.fromkeys((row.split, row.group) for row in rows):
        title = f"Metrics on valid pixels: split {split}, group {group}"
        table = Table(title=title, box=box.SIMPLE, padding=(0, 1, 0, 0))
        for heading in ("class", "metric", "value", "count"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            if row.bin is None and (row.split, row.group) == (split, group):
                table.add_row(row.class_name, row.metric, f"{row.value:.4f}", str(row.count))
        tables.append(table)
    return Group(*tables)


def meaning_lines(metrics: Iterable[str]) -> list[str]:
    """A line for each score that is shown, which says what it means."""
    return [f"{name}: {meaning}" for name, meaning in meanings_of(metrics).items()]


def _plain_column(text: str) -> TextColumn:
    """Text of a progress bar, in which names are no markup."""
    return TextColumn(text, markup=False)


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
