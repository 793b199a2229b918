"""How many Monte Carlo samples are worth their time: one streamed pass, judged at several T."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import spearmanr

from askmask.errors import ConfigError
from askmask.loop.evaluate import evaluation_parts
from askmask.loop.round_model import RoundModel
from askmask.metrics.evaluation import Evaluation
from askmask.query.strategies import Turn, find_strategy

METRICS = ("mean_dice", "nll", "brier", "ece")


@dataclass(frozen=True, slots=True)
class SamplesRow:
    """One number of samples on one split.

    `rank_correlation` is Spearman's, between the image's scores (mean of the score map) at this
    number of samples and at the largest, NaN where the acquisition function needs more samples;
    `seconds` is the sampling time per image so far.
    """

    split: str
    samples: int
    metric: str
    value: float
    images: int


def study_sample_counts(
    model: RoundModel,
    counts: Sequence[int],
    acquisition: str = "mutual_information",
) -> list[SamplesRow]:
    """Judge a round's model by the mean of its first T samples, for several T.

    Each image is sampled once, to the largest T; the sums are looked at on the way.

    Parameters
    ----------
    model : RoundModel
        Trained.
    counts : sequence of int
        The numbers of samples T, each >= 1.
    acquisition : str
        Whose scores are compared with those at the largest T; a strategy with score maps.

    Raises
    ------
    ConfigError
        If there is no T, one is below 1, no image to judge on, or the strategy has no maps.
    UnknownName
        If there is no such strategy.
    """
    ordered = sorted(set(counts))
    if not ordered or ordered[0] < 1:
        raise ConfigError(f"expected numbers of samples >= 1, got {list(counts)!r}.")
    strategy = find_strategy(acquisition)
    if strategy.maps is None:
        raise ConfigError(f"expected a strategy with score maps, got {acquisition!r}.")
    project = model.project
    config = project.config
    options = strategy.options()
    turn = Turn(seed=config.seed, round=1, rounds=1, rule=config.query.region, options=options)
    parts = evaluation_parts(model)
    if not parts:
        raise ConfigError(
            "expected validation or test images to judge samples on, found none. "
            "Set data.validation or data.test."
        )
    sampler = model.dropout_sampler(ordered[-1])
    rows: list[SamplesRow] = []
    for split, image_ids in parts:
        judges = {
            count: Evaluation(project.source.classes, project.config.evaluation, split)
            for count in ordered
        }
        scores: dict[int, list[float]] = {count: [] for count in ordered}
        seconds = dict.fromkeys(ordered, 0.0)
        for image_id in image_ids:
            mask = project.truth(image_id)
            assert mask is not None, "roles give validation and test only to images with a mask"
            image = project.source.read_image(image_id)
            started = time.perf_counter()
            for sums in sampler.stream(
                image, seed=project.config.seed, round=model.round, image_id=image_id
            ):
                if sums.n_samples in judges:
                    seconds[sums.n_samples] += time.perf_counter() - started
                    probs = sums.mean_probs.cpu().numpy()
                    judges[sums.n_samples].update(None, probs, None, mask)
                    if sums.n_samples >= strategy.min_samples:
                        maps = strategy.maps(sums, turn)
                        score = float((maps if maps.ndim == 2 else maps[0]).mean())
                        scores[sums.n_samples].append(score)
        for count in ordered:
            own = (scores[count], scores[ordered[-1]])
            rows += _rows(SamplesRow(split, count, "", 0.0, len(image_ids)), judges[count], own)
            rows.append(
                SamplesRow(split, count, "seconds", seconds[count] / len(image_ids), len(image_ids))
            )
    return rows


def _rows(
    empty: SamplesRow, judge: Evaluation, scores: tuple[list[float], list[float]]
) -> list[SamplesRow]:
    """Metrics of one T, and how its scores are ordered against those of the largest T."""
    rows = [
        replace(empty, metric=row.metric, value=row.value)
        for row in judge.rows()
        if row.metric in METRICS and (row.group, row.class_name) == ("all", "all")
    ]
    own, reference = scores
    varied = len(own) > 1 and min(np.ptp(own), np.ptp(reference)) > 0
    correlation = float(spearmanr(own, reference).statistic) if varied else float("nan")
    return [*rows, replace(empty, metric="rank_correlation", value=correlation)]
