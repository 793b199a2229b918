"""What commands print with: JSON, progress bars, metric tables."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

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
    columns = (TextColumn("{task.description:28}"), BarColumn(), TextColumn("{task.completed}"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        tasks: dict[tuple[int, str], TaskID] = {}

        def show(report: Report) -> None:
            key = (report.round, report.phase)
            if key not in tasks:
                label = f"round {report.round}: {PHASES[report.phase]}"
                tasks[key] = bars.add_task(label, total=report.total)
            bars.update(tasks[key], completed=report.done)

        yield show


def metric_table(rows: tuple[MetricRow, ...]) -> Table:
    """Metrics as a table: a line per split, group, class and metric; reliability bins left out."""
    table = Table(title="Metrics on valid pixels")
    for heading in ("split", "group", "class", "metric", "value", "count"):
        table.add_column(heading)
    for row in rows:
        if row.bin is None:
            names = (row.split, row.group, row.class_name, row.metric)
            table.add_row(*names, f"{row.value:.4f}", str(row.count))
    return table


def _plain(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
