"""Trainings that kill themselves, as SIGKILL, the OOM killer or a power cut do.

Arguments: "steps" or "time", whichever ends the training; the checkpoint; and the steps after which
to die. Each of these is one process that takes up where the one before it died. Without one, the
training runs to its end.
"""

import os
import signal
import sys
from pathlib import Path

import torch

from askmask.config import TrainingConfig
from askmask.training.fit import StepReport, TrainingResult, fit_network
from fakes import TinyModel, drawn_training_set

BY_STEPS = TrainingConfig(
    steps=9, batch_size=2, crop=32, learning_rate=0.01, checkpoint_every=2, l2=0.001
)
BY_TIME = BY_STEPS.model_copy(update={"steps": 10_000, "seconds": 0.5})


def run(
    checkpoint: Path | None, die_after: int | None, config: TrainingConfig = BY_STEPS
) -> tuple[TinyModel, TrainingResult]:
    """Train a tiny model with one thread; `die_after` None lets it finish."""
    torch.set_num_threads(1)

    def die(report: StepReport) -> None:
        if report.step == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    model = TinyModel(2)
    result = fit_network(
        model,
        drawn_training_set(3),
        config,
        seed=1,
        round=2,
        checkpoint=checkpoint,
        on_step=die,
    )
    return model, result


def die_in_turn(checkpoint: Path, steps: list[int], config: TrainingConfig) -> None:
    """Fork one training for each step; the slow imports are made once, before any thread exists."""
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # its first use imports, too
    for step in steps:
        child = os.fork()
        if child == 0:
            run(checkpoint, step, config)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"the training that should die after step {step} ended with {status}")


if __name__ == "__main__":
    _, kind, checkpoint, *steps = sys.argv
    config = {"steps": BY_STEPS, "time": BY_TIME}[kind]
    if steps:
        die_in_turn(Path(checkpoint), [int(step) for step in steps], config)
    else:
        run(Path(checkpoint), None, config)
