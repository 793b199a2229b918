"""What every benchmark here shares: time two ways in turns, measure memory, describe the machine.

A benchmark makes one or more `Comparison` and hands them to `show`. The reference and ours run
A B A B in one process, so that a machine that slows down slows both.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

from askmask.runtime.compute import keep_freed_memory

R = TypeVar("R")

_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@dataclass(frozen=True, slots=True)
class Comparison:
    """The reference and ours, timed in turns.

    Attributes
    ----------
    name : str
        What was compared, for the table.
    ratio : float
        Median over the turns of reference seconds / our seconds.
    ratio_range : two floats
        Smallest and largest of them.
    reference_s, ours_s : float
        Median seconds, divided by the number of items that one run handles.
    max_abs_difference : float
        Between the two results.
    peak_mb : float
        Memory of ours beyond what was there before it ran; NaN where not measured.
    turns : int
        How often each ran, not counting the warm-up.
    notes : dict
        Whatever else belongs to the row, given by `dataclasses.replace`.
    """

    name: str
    ratio: float
    ratio_range: tuple[float, float]
    reference_s: float
    ours_s: float
    max_abs_difference: float
    peak_mb: float
    turns: int
    notes: dict[str, object] = field(default_factory=dict)


def compare(
    name: str,
    reference: Callable[[], R],
    ours: Callable[[], R],
    *,
    difference: Callable[[R, R], float],
    turns: int = 3,
    items: int = 1,
    tolerance: float | None = None,
    peak_mb: float = float("nan"),
) -> Comparison:
    """Run both in turns; end the program if their results differ by more than `tolerance`.

    Parameters
    ----------
    name : str
        For the table.
    reference, ours : callable
        Without arguments; their results go to `difference`.
    difference : callable
        Largest absolute difference of two results.
    turns : int
        How often each is timed.
    items : int
        Seconds are given per item.
    tolerance : float, optional
        Largest difference that counts as equal.
    peak_mb : float
        From `peak_mb`, to stand in the row.
    """
    (row,) = compare_several(
        reference,
        {name: ours},
        difference=difference,
        turns=turns,
        items=items,
        tolerance=tolerance,
    )
    return replace(row, peak_mb=peak_mb)


def compare_several(
    reference: Callable[[], R],
    ours: Mapping[str, Callable[[], R]],
    *,
    difference: Callable[[R, R], float],
    turns: int = 3,
    items: int = 1,
    tolerance: float | None = None,
) -> list[Comparison]:
    """As `compare`, for several of ours by name, each timed once after each of the reference."""
    for run in ours.values():
        run()  # untimed: libraries set themselves up; the reference, often a minute, is spared
    theirs: list[float] = []
    own: dict[str, list[float]] = {name: [] for name in ours}
    largest = dict.fromkeys(ours, 0.0)
    for _ in range(turns):
        expected, seconds = _timed(reference)
        theirs.append(seconds)
        for name, run in ours.items():
            result, seconds = _timed(run)
            own[name].append(seconds)
            largest[name] = max(largest[name], difference(expected, result))
    return [_comparison(name, theirs, own[name], largest[name], items, tolerance) for name in ours]


def _comparison(
    name: str,
    theirs: list[float],
    own: list[float],
    largest: float,
    items: int,
    tolerance: float | None,
) -> Comparison:
    if tolerance is not None and not largest <= tolerance:  # a NaN must not pass either
        sys.exit(f"{name}: results differ by {largest:.3g}, more than {tolerance:.3g}.")
    ratios = [before / after for before, after in zip(theirs, own, strict=True)]
    return Comparison(
        name=name,
        ratio=statistics.median(ratios),
        ratio_range=(min(ratios), max(ratios)),
        reference_s=statistics.median(theirs) / items,
        ours_s=statistics.median(own) / items,
        max_abs_difference=largest,
        peak_mb=float("nan"),
        turns=len(own),
    )


def peak_mb(prepare: Callable[[], Callable[[], object]]) -> float:
    """Peak resident memory of a run beyond what its inputs take, in MB, in a process of its own.

    Parameters
    ----------
    prepare : callable
        A function of a module, or a `functools.partial` of one. Called in the new process to load
        models and inputs; it returns what is to be measured, which then runs once.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_report_peak, args=(prepare, sender))
    process.start()
    sender.close()
    try:
        peak: float = receiver.recv()
    except EOFError:
        sys.exit("the process whose memory was to be measured ended without an answer.")
    process.join()
    return peak


def machine() -> dict[str, object]:
    """Processor, threads and versions that the figures belong to."""
    words = _cpuinfo()
    return {
        "processor": words.get("model name", platform.processor() or platform.machine()),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0,
        "threads": torch.get_num_threads(),
        "flags": [flag for flag in _FLAGS if flag in words.get("flags", "").split()],
        "onednn_max_cpu_isa": os.environ.get("ONEDNN_MAX_CPU_ISA", ""),
        "gpu": torch.cuda.get_device_name(0) if torch.cuda.is_available() else "",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def arguments(description: str) -> argparse.ArgumentParser:
    """Parser with the options that every benchmark has; add your own to it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON line, no table")
    parser.add_argument("--small", action="store_true", help="small sizes, for a quick look")
    parser.add_argument("--turns", type=int, default=3, help="how often each way is timed")
    parser.add_argument("--threads", type=int, help="threads of PyTorch (default: its choice)")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Arguments of the command line; sets the number of threads."""
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    return options


def show(comparisons: Sequence[Comparison], *, as_json: bool) -> None:
    """Print a table, or one JSON line: the first comparison, the others under ``"further"``."""
    if as_json:
        first, *further = (asdict(comparison) for comparison in comparisons)
        print(json.dumps({**first, "further": further, "machine": machine()}))
        return
    print("| what | ratio | reference s | ours s | largest difference | peak MB |")
    print("|---|---|---|---|---|---|")
    for row in comparisons:
        low, high = row.ratio_range
        print(
            f"| {row.name} | {row.ratio:.1f} ({low:.1f}-{high:.1f}) | {row.reference_s:.4g} | "
            f"{row.ours_s:.4g} | {row.max_abs_difference:.2g} | {row.peak_mb:.0f} |"
        )
    print("\n" + ", ".join(f"{key} {value}" for key, value in machine().items() if value))


def _timed(run: Callable[[], R]) -> tuple[R, float]:
    started = time.perf_counter()
    result = run()
    return result, time.perf_counter() - started


def _report_peak(prepare: Callable[[], Callable[[], object]], sender: object) -> None:
    keep_freed_memory()  # as every command does
    run = prepare()
    before = _reset_peak()
    run()
    sender.send((_peak() - before) / 1e6)  # type: ignore[attr-defined]  # a Connection


def _reset_peak() -> int:
    """Resident bytes now; on Linux the kernel's peak starts anew from here."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return _peak()  # elsewhere the peak so far is all there is
    return _status_bytes("VmRSS")


def _peak() -> int:
    if Path("/proc/self/status").is_file():
        return _status_bytes("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status_bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def _cpuinfo() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    pairs = (line.split(":", 1) for line in path.read_text(encoding="utf-8").splitlines())
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}
