"""The one results table: every figure, report and claim reads it, unaltered; failures are rows too.

Long format, one row per measured value, kept as a CSV file that any tool can open. What a column
means stands at `ResultRow`. Nothing is computed here.
"""

import csv
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from askmask.data.text_cells import cell_text, text_cell
from askmask.errors import ProjectError
from askmask.whole_files import replacing

FINISHED: Final = "finished"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultRow:
    """One value of the results table.

    `trial` is one strategy (`acquisition` x `unit`) x `seed`; `round` as in `records.Query`.
    `status` is ``"finished"`` or ``"failed"``; a failed row has a `reason`, an empty `metric`,
    NaN as `value` and 0 as `count`. `split`, `group`, `class_name`, `metric`, `bin`, `value` and
    `count` are those of `records.MetricRow`.

    The costs are of all rounds up to this one: `labelled_pixels` counts unique pixels,
    `labelled_fraction` is their share of the pixels of start set and pool, `regions` and `images`
    count what was asked or touched, `boundary_length` the pixel edges between different classes
    inside the answers. `contour_length`, `clicks` and `modelled_seconds` say what it takes to draw
    the answers by hand, see `askmask.metrics.effort`. `measured_seconds` is what people took for
    the queries, without the start set; NaN where not all of it was measured. The last three seconds
    are the machine's, of this round alone; NaN where nothing was measured.

    `model` and `budget` are the names of the grid's variants, see `config.GridConfig`; without
    such, the network and nothing. Trials of `acquisition` ``"all_data"`` and ``"start_set"`` ask
    nothing: they are the bounds of the others.
    """

    trial: str
    dataset: str
    model: str
    budget: str = ""
    acquisition: str
    unit: str
    seed: int
    round: int
    status: str = FINISHED
    reason: str = ""
    split: str = ""
    group: str = ""
    class_name: str = ""
    metric: str = ""
    bin: int | None = None
    value: float = math.nan
    count: int = 0
    labelled_pixels: int = 0
    labelled_fraction: float = math.nan
    regions: int = 0
    images: int = 0
    boundary_length: int = 0
    contour_length: float = 0.0
    clicks: int = 0
    modelled_seconds: float = 0.0
    measured_seconds: float = math.nan
    training_seconds: float = math.nan
    scoring_seconds: float = math.nan
    evaluation_seconds: float = math.nan

    @property
    def is_failure(self) -> bool:
        """Whether this row stands for a training or a trial that failed."""
        return self.status == FAILED


_HEADINGS: Final = {"class_name": "class"}  # `class` is a keyword of Python

COLUMNS: Final = tuple(_HEADINGS.get(field.name, field.name) for field in fields(ResultRow))
"""Headings of the table, in order."""

_NAMES: Final = tuple(field.name for field in fields(ResultRow))
_VALUES: Final = attrgetter(*_NAMES)


_STEPS: Final = MappingProxyType(
    {
        "training": "training_seconds",
        "scoring": "scoring_seconds",
        "evaluating": "evaluation_seconds",
    }
)


def seconds_of_steps(rows: Iterable[ResultRow]) -> dict[str, float]:
    """Seconds that the rounds of all trials took, by step of the loop.

    A training that trials share counts in each of them; a step that was not measured counts 0.
    """
    rounds = {(row.trial, row.round): row for row in rows if not row.is_failure}
    return {
        step: sum(
            seconds
            for row in rounds.values()
            if math.isfinite(seconds := float(getattr(row, column)))
        )
        for step, column in _STEPS.items()
    }


def write_results(path: Path, rows: Iterable[ResultRow]) -> None:
    """Write the table as CSV (RFC 4180, UTF-8, headings first); an older one is replaced whole.

    The table is written beside `path` and renamed, so a crash leaves the old table or the new.
    Numbers are written such that they read back equal; NaN as ``nan``, no bin as nothing.

    Parameters
    ----------
    path : Path
        Where; its folder must exist.
    rows : iterable of ResultRow
        In the order to keep.
    """
    with (
        replacing(path) as unfinished,
        unfinished.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)  # ends lines with CR LF (RFC 4180), so quotes a lone CR too
        writer.writerow(COLUMNS)
        writer.writerows(map(_cells, rows))  # floats by repr, None as nothing


def read_results(path: Path) -> list[ResultRow]:
    """Read a table that `write_results` wrote.

    Raises
    ------
    ProjectError
        If there is no file, its headings are not `COLUMNS`, or a cell does not fit its column;
        the message names the line and the column.
    """
    if not path.is_file():
        raise ProjectError(
            f"expected a results table, found no file {str(path)!r}. "
            "Make one with `askmask simulate`."
        )
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        _check_headings(path, next(reader, []))
        known: Known = [{} for _ in COLUMNS]
        return [_parse(path, reader.line_num, cells, known) for cells in reader]


def _cells(row: ResultRow) -> list[object]:
    return [text_cell(v) if isinstance(v, str) else v for v in _VALUES(row)]


def _check_headings(path: Path, headings: list[str]) -> None:
    if tuple(headings) == COLUMNS:
        return
    missing = [name for name in COLUMNS if name not in headings]
    unknown = [name for name in headings if name not in COLUMNS]
    raise ProjectError(
        f"expected the headings {', '.join(COLUMNS)} in {str(path)!r}; missing {missing!r}, "
        f"unknown {unknown!r}, got {headings!r} in this order. "
        "Write the table again with `askmask report`."
    )


Known = list[dict[str, Any]]  # Any: each column has its own type
"""What cells mean that were read so far, by column: most repeat, and rows share them."""


def _parse(path: Path, line: int, cells: list[str], known: Known) -> ResultRow:
    """Row of the cells of a line; what it had to parse is added to `known`."""
    if len(cells) != len(COLUMNS):
        raise ProjectError(
            f"expected {len(COLUMNS)} cells in line {line} of {str(path)!r}, got {len(cells)}. "
            "Was the file cut off or edited? Write it again with `askmask report`."
        )
    values: dict[str, Any] = {}  # Any: each column has its own type
    for name, own, cell in zip(_NAMES, known, cells, strict=True):
        values[name] = own[cell] if cell in own else _parse_cell(path, line, name, cell)
        if name != "value":  # hardly any repeats
            own[cell] = values[name]
    row = ResultRow(**values)
    if row.status not in (FINISHED, FAILED):
        raise ProjectError(
            f"expected {FINISHED!r} or {FAILED!r} in column 'status', line {line} of "
            f"{str(path)!r}, got {row.status!r}. Correct the cell."
        )
    return row


def _parse_cell(path: Path, line: int, name: str, cell: str) -> Any:  # Any: as the column has it
    expected, parse = _CELLS[name]
    try:
        return parse(cell)
    except ValueError:
        raise ProjectError(
            f"expected {expected} in column {_HEADINGS.get(name, name)!r}, line {line} of "
            f"{str(path)!r}, got {cell!r}. "
            "Correct the cell, or write the table again with `askmask report`."
        ) from None


def _parse_bin(cell: str) -> int | None:
    return int(cell) if cell else None


_PARSERS: Final[Mapping[Any, tuple[str, Callable[[str], Any]]]] = MappingProxyType(
    {
        str: ("text", cell_text),
        int: ("a whole number", int),
        float: ("a number", float),
        int | None: ("a whole number or nothing", _parse_bin),
    }
)
_CELLS: Final = MappingProxyType({own.name: _PARSERS[own.type] for own in fields(ResultRow)})
"""What is expected in a column, and how a cell of it is read."""
