"""Progress of a phase of the loop, as listeners receive it."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

_Report = TypeVar("_Report")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """One report; `phase` is ``"train"`` (in steps), ``"ask"`` or ``"evaluate"`` (in images).

    Commands outside the loop report ``"calibrate"`` and ``"predict"``, in images, too.
    """

    round: int
    phase: str
    done: int
    total: int


Listener = Callable[[Progress], None]


Lap = Callable[[str], object]
"""Told what was just done, such as ``"reading"``: the time since the last call was spent on it."""


def unheeded(doing: str) -> None:
    """`Lap` that does nothing."""


def silent(progress: Progress) -> None:
    """Listener that does nothing."""


def drive(
    steps: Generator[_Report, None, _Result], on_report: Callable[[_Report], object]
) -> _Result:
    """Take all steps of some work, one after another; return what came of it.

    What `on_report` raises ends the work, which then tidies up, and reaches the caller.
    """
    try:
        while True:
            on_report(next(steps))
    except StopIteration as end:
        result: _Result = end.value
        return result
    finally:
        steps.close()
