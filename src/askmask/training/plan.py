"""The number of steps of a training: the config's number, or as many as fit into a time.

A training by time tries a few steps, puts everything back, and fixes their number. From then on it
is the training of that many steps: the same schedule, the same draws, bit for bit. So what it did
can be told in one number and done again, on a slower machine or a busier one, too.
"""

import statistics
import time
from collections.abc import Iterable
from typing import Final

from askmask.config import TrainingConfig

__all__ = ["FEWEST_STEPS", "TRIED_STEPS", "of_steps", "step_seconds", "steps_in_time"]

TRIED_STEPS: Final = 5
"""Steps that are tried; the first warms caches up and is not counted."""

FEWEST_STEPS: Final = 20
"""A training by time has no fewer, however slow the machine: after fewer nothing is learned."""


def of_steps(config: TrainingConfig, steps: int) -> TrainingConfig:
    """Config of a training with exactly `steps` steps, whatever time they take.

    Parameters
    ----------
    config : TrainingConfig
        With or without `seconds`.
    steps : int
        As a training by time recorded them, >= 1.

    Examples
    --------
    >>> of_steps(TrainingConfig(seconds=20.0), 150).steps
    150
    """
    return config.model_copy(update={"steps": steps, "seconds": None})


def step_seconds(tried: Iterable[object]) -> float:
    """Median time of the steps of an iterable, the first left out.

    Parameters
    ----------
    tried : iterable
        Does a step for each of its items; at least two.
    """
    times = []
    started = time.perf_counter()
    for _ in tried:
        now = time.perf_counter()
        times.append(now - started)
        started = now
    return statistics.median(times[1:])


def steps_in_time(config: TrainingConfig, seconds: float, seconds_per_step: float) -> int:
    """Steps that fit into a time: at most `config.steps`, and at least `FEWEST_STEPS` of them.

    Parameters
    ----------
    config : TrainingConfig
        Its `steps` are the most.
    seconds : float
        What is left of the time; may be negative.
    seconds_per_step : float
        As measured, > 0.

    Examples
    --------
    >>> steps_in_time(TrainingConfig(steps=600), seconds=20.0, seconds_per_step=0.1)
    200
    >>> steps_in_time(TrainingConfig(steps=600), seconds=20.0, seconds_per_step=0.01)
    600
    """
    fitting = max(int(seconds / seconds_per_step), FEWEST_STEPS)
    return min(fitting, config.steps)
