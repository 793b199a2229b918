"""Trainings and scores written into a store as a worker writes them, for a page to show."""

import math
from pathlib import Path

from askmask.loop.project import Project
from askmask.records import MetricRow
from askmask.store.store import TrainingRecord

BINS = 10


def tell_round(folder: Path, round: int, *, dice: float, ece: float) -> None:
    """Write a finished training with its scores on the validation images, and tell the page."""
    with Project.open(folder) as project:
        store = project.store
        store.add_training(_training(round, store.newest_answer()))
        store.add_metrics(round, f"round_{round:03d}.safetensors", _scores(dice, ece))
        store.control.note("rounds", round)


def _training(round: int, newest_answer: int) -> TrainingRecord:
    return TrainingRecord(
        round=round,
        attempt=1,
        status="finished",
        reason=None,
        steps=400,
        loss=0.25,
        elapsed_seconds=75.0,
        model=f"round_{round:03d}.safetensors",
        labelled_digest="ab" * 16,
        started_at="2030-01-01T00:00:00.000+00:00",
        newest_answer=newest_answer,
    )


def _scores(dice: float, ece: float) -> list[MetricRow]:
    values = {"mean_dice": dice, "mean_iou": dice / (2 - dice), "object_f1": dice - 0.1}
    values |= {"nll": 1.2 - dice, "brier": 1 - dice, "ece": ece}
    values |= {"recalibrated_nll": 1.1 - dice, "recalibrated_brier": 0.95 - dice}
    values |= {"recalibrated_ece": ece / 4}
    rows = [_row(metric, value) for metric, value in values.items()]
    return rows + _bins("", 2 * ece) + _bins("recalibrated_", ece / 4)


def _bins(prefix: str, gap: float) -> list[MetricRow]:
    """Reliability of a model that is too sure by up to `gap`; the lowest bins are empty."""
    rows = []
    for number in range(BINS):
        confidence = (number + 0.5) / BINS
        empty = number < BINS // 3
        accuracy = confidence - gap * (confidence - 0.3)
        told = {"confidence": confidence, "accuracy": accuracy}
        rows += [
            _row(
                f"{prefix}reliability_{part}",
                math.nan if empty else value,
                count=0 if empty else 100 * 2**number,
                bin=number,
            )
            for part, value in told.items()
        ]
    return rows


def _row(metric: str, value: float, *, count: int = 25_600, bin: int | None = None) -> MetricRow:  # noqa: A002
    return MetricRow("validation", "all", "all", metric, value, count, bin=bin)
