"""How far a phase of the loop has come, as whoever watches is told."""

from collections.abc import Callable
from dataclasses import dataclass


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


def silent(progress: Progress) -> None:
    """Listener that does nothing."""
