"""Rows of a results table for tests: every number is given by the test."""

from collections.abc import Mapping, Sequence
from typing import Any

from askmask.experiments.run.results import ResultRow


def row(**changes: Any) -> ResultRow:
    """A row of one finished round of random regions; what matters is given by the test."""
    values: dict[str, Any] = {
        "dataset": "drawn",
        "model": "unet",
        "acquisition": "random",
        "unit": "region",
        "seed": 0,
        "round": 0,
        "split": "test",
        "group": "all",
        "class_name": "all",
        "metric": "object_f1",
        "value": 0.5,
        "count": 100,
        "labelled_pixels": 1000,
        "labelled_fraction": 0.1,
    } | changes
    values.setdefault("trial", "{acquisition}-{unit}-seed{seed}".format(**values))
    return ResultRow(**values)


def curves(scores: Mapping[str, Sequence[Sequence[float]]], **changes: Any) -> list[ResultRow]:
    """Rows of several strategies, ``{"random-region": [[round 0, round 1, ...], next seed]}``.

    Round r has labelled (r + 1) tenths of the pixels.
    """
    return [
        row(
            acquisition=strategy.partition("-")[0],
            unit=strategy.partition("-")[2],
            seed=seed,
            round=round,
            value=value,
            labelled_fraction=(round + 1) / 10,
            labelled_pixels=1000 * (round + 1),
            **changes,
        )
        for strategy, seeds in scores.items()
        for seed, values in enumerate(seeds)
        for round, value in enumerate(values)
    ]


def reliability(bins: Mapping[int, tuple[float, float, int]], **changes: Any) -> list[ResultRow]:
    """Rows of reliability bins, ``{index: (confidence, accuracy, pixels)}``."""
    return [
        row(metric=f"reliability_{name}", bin=index, value=value, count=pixels, **changes)
        for index, (confidence, accuracy, pixels) in bins.items()
        for name, value in (("confidence", confidence), ("accuracy", accuracy))
    ]
