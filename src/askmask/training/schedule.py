"""Learning rate and weights of the losses, step by step: functions of the config alone."""

import math

from askmask.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Learning rate of a step, counted from 0.

    Rises linearly over `warmup_steps`. Then, with t the steps since: ``constant``;
    ``exponential``, times ``decay_factor ** (t / decay_steps)``; ``cosine``, times half of
    ``1 + cos(pi t / T)`` with T the steps after the warm-up, so that it would be 0 just after the
    last one.
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    since = step - config.warmup_steps
    if config.schedule == "exponential" and config.decay_steps is not None:
        return config.learning_rate * float(config.decay_factor ** (since / config.decay_steps))
    if config.schedule == "cosine":
        share = since / (config.steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))
    return config.learning_rate


def auxiliary_weight(config: TrainingConfig, step: int) -> float:
    """Weight of the branches' losses: ``0.1 ** floor(step / auxiliary_decay_steps)``, or 1."""
    if config.auxiliary_decay_steps is None:
        return 1.0
    return float(0.1 ** (step // config.auxiliary_decay_steps))
