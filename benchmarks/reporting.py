"""Time and memory of reading a large results table, and of what is made of it.

``python benchmarks/reporting.py TABLE.csv[.gz] [FOLDER]`` takes the rows that one judged round
has in a real table, makes 7 strategies x 2 units x 10 seeds x 20 rounds of them with other numbers,
and runs ``askmask compare`` on the result in a process of its own; then the statistics alone, with
the table in memory.
"""

import argparse
import csv
import gzip
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from askmask.config import load_config
from askmask.experiments.run.results import COLUMNS, ResultRow, read_results, write_results
from askmask.experiments.stats.summary import summarise

NAMES = (
    "random", "foreground_aware_random", "predictive_entropy", "mutual_information", "margin",
    "variation_ratio", "power_entropy",
)  # fmt: skip
SEEDS, ROUNDS = 10, 20
CONFIG = "name: large\ndata: {path: nowhere}\n"


def main() -> None:
    """Make the table, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("folder", type=Path, nargs="?")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        run = Path(folder) / "large"
        run.mkdir()
        (run / "config.yaml").write_text(CONFIG, encoding="utf-8")
        load_config(run / "config.yaml")  # a wrong one would fail in the other process
        write_results(run / "results.csv", large(template(options.table)))
        size = (run / "results.csv").stat().st_size / 1e6
        print(f"table: {size:.0f} MB", flush=True)
        measure("askmask compare", ["compare", str(run), "--out", str(run / "merged")])
        started = time.process_time()
        rows = read_results(run / "results.csv")
        read = time.process_time() - started
        started = time.process_time()
        summarise(rows)
        print(f"rows: {len(rows)}; read {read:.1f} CPU s; "
              f"statistics {time.process_time() - started:.1f} CPU s")  # fmt: skip


def template(path: Path) -> list[ResultRow]:
    """Rows of the last round of the first trial of a table that asked by a score."""
    opened = gzip.open if path.suffix == ".gz" else open
    with (
        opened(path, "rt", encoding="utf-8", newline="") as file,
        tempfile.TemporaryDirectory() as folder,
    ):
        lines = csv.reader(file)
        if tuple(next(lines)) != COLUMNS:
            raise SystemExit(f"expected a table of this version, got other headings in {path}.")
        plain = Path(folder) / "results.csv"
        with plain.open("w", encoding="utf-8", newline="") as copy:
            csv.writer(copy).writerows([COLUMNS, *lines])
        rows = [row for row in read_results(plain) if row.metric]
    first = next(row for row in rows if row.acquisition == "predictive_entropy")
    last = max(row.round for row in rows if row.trial == first.trial)
    return [row for row in rows if (row.trial, row.round) == (first.trial, last)]


def large(rows: Iterable[ResultRow]) -> Iterator[ResultRow]:
    """The grid: each value of the template a little changed, costs growing with the rounds."""
    own, draw = list(rows), random.Random(0)
    for name, unit, seed in product(NAMES, ("region", "image"), range(SEEDS)):
        for number in range(ROUNDS + 1):
            share = (number + 1) / (ROUNDS + 1)
            for row in own:
                yield replace(
                    row, trial=f"{name}-{unit}-seed{seed}", acquisition=name, unit=unit, seed=seed,
                    round=number, labelled_fraction=share, labelled_pixels=round(1e6 * share),
                    value=row.value if row.bin is not None else row.value * draw.uniform(0.9, 1.1),
                    boundary_length=round(1e5 * share), clicks=round(1e4 * share),
                    regions=20 * number, images=10 + number,
                )  # fmt: skip


def measure(label: str, arguments: list[str]) -> None:
    """Run a command of askmask and print its CPU seconds and its peak memory."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    code = "import sys; from askmask.cli.main import main; main()"
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{label}: {cpu:.1f} CPU s, {time.perf_counter() - started:.1f} s by the clock, "
          f"peak {after.ru_maxrss / 1e6:.2f} GB", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
