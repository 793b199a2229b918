"""Fitting a recalibration to a round's model on the validation images, which it never trained on.

What judges (by default one pass without dropout) and what is asked by (a mean of samples) are two
predictors with different confidence: each gets a map of its own. Beside the map of all images there
is one per fold that leaves some images out, so that scores of the validation images after
recalibration are not scores of what the map was fitted to.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch

from askmask.calibration import (
    LogitSample,
    LogitScaling,
    ProbabilityCells,
    Recalibration,
    fit_histogram,
    fit_isotonic,
    fit_temperature,
    fit_vector,
)
from askmask.errors import ConfigError, ProjectError
from askmask.loop.calibration_file import (
    Fold,
    JudgedBy,
    StoredRecalibration,
    judged_by,
    sampler_samples,
)
from askmask.loop.project import Project
from askmask.loop.round_model import RoundModel
from askmask.progress import Listener, Progress, silent
from askmask.records import UNLABELLED, Labels
from askmask.sampling.logit_samples import sample_logits
from askmask.seeds import numpy_generator

Method = Literal["temperature", "vector", "histogram", "isotonic"]

_log = logging.getLogger(__name__)

N_FOLDS = 5
_MOST_LOGITS = 1 << 25  # kept at a time: 128 MB of float32


@dataclass(frozen=True, slots=True)
class _Task:
    """The method to fit, and the images to fit it to."""

    model: RoundModel
    method: Method
    report: Listener

    @property
    def project(self) -> Project:
        return self.model.project

    @property
    def image_ids(self) -> tuple[str, ...]:
        return self.project.judged_images(self.model.training)


def fit_recalibration(
    model: RoundModel, method: Method, *, report: Listener = silent
) -> StoredRecalibration:
    """Fit a recalibration of a round's model; nothing is written.

    Raises
    ------
    ConfigError
        If no image is kept for validation.
    ProjectError
        If the round has no model.
    """
    task = _Task(model, method, report)
    if not task.image_ids:
        raise ConfigError(
            f"expected validation images to fit the recalibration {method!r} to, found none. "
            "Keep some with data.validation, or leave the model as it is: --method none."
        )
    config = model.config
    if method in ("temperature", "vector"):
        # the members of an ensemble are one pass each
        judge, n_sampler = judged_by(config), sampler_samples(config)
        n_judge = 0 if len(model.networks) > 1 else judge.samples
        whole, folds, pixels = _fit_logits(task, n_judge, judge.views)
        sampler: LogitScaling | None = whole
        if judge != JudgedBy(n_sampler, views=1):
            n_drawn = 0 if len(model.networks) > 1 else n_sampler
            sampler, _, _ = _fit_logits(task, n_drawn, 1, folds=False)
        found: Recalibration = whole
    else:
        found, folds, pixels = _fit_cells(task)
        sampler = None
    return StoredRecalibration(
        judge=found,
        sampler=sampler,
        folds=folds,
        weights=model.digests,
        judged_by=judged_by(config),
        sampler_samples=sampler_samples(config),
        image_ids=task.image_ids,
        pixels=pixels,
    )


def recalibrate_round(model: RoundModel) -> StoredRecalibration | None:
    """Bring a round's stored recalibration in line with its weights and the config.

    One that fits is kept, a missing or outdated one is fitted anew. With method ``"none"`` nothing
    is fitted, and only a file of weights that are no more is removed. Without validation images
    (a project that began without any mask) nothing is fitted either, and a warning is logged.
    """
    method = model.config.calibration.method
    try:
        kept = model.recalibration
    except ProjectError:
        model = model.forget_recalibration()
        kept = None
    if method == "none" or (kept is not None and kept.method == method):
        return kept
    if not model.project.judged_images(model.training):
        _log.warning(
            "No image is kept for validation, so the model of round %d is not recalibrated "
            "(calibration.method %r). Keep some with data.validation.",
            model.round,
            method,
        )
        return kept
    stored = fit_recalibration(model, method)
    model.recalibrate(stored)
    return stored


def fold_of(place: int, n_images: int) -> int:
    """Fold of the image at a place of the validation images."""
    return place % min(N_FOLDS, n_images)


def _fit_logits(
    task: _Task, n_samples: int, n_views: int, *, folds: bool = True
) -> tuple[LogitScaling, tuple[Fold, ...], int]:
    images = _LogitImages(task, n_samples, n_views)
    samples = [images.read(image_id) for image_id in _reported(task)]
    fit: Callable[[Sequence[LogitSample]], LogitScaling] = fit_vector
    if task.method == "temperature":
        prior_images = task.project.config.calibration.prior_images
        fit = partial(fit_temperature, prior_images=prior_images)
    pixels = sum(sample.labels.numel() for sample in samples)
    if not folds:
        return fit(samples), (), pixels
    found = [Fold(_ids(task, own), fit([samples[i] for i in rest])) for own, rest in _splits(task)]
    return fit(samples), tuple(found), pixels


def _fit_cells(task: _Task) -> tuple[Recalibration, tuple[Fold, ...], int]:
    cells = []
    pixels = 0
    for image_id in _reported(task):
        labels = _labels(task.project, image_id)
        image = task.project.source.read_image(image_id)
        prediction = task.model.sums(task.model.plain_judge, image, name=image_id)
        own = ProbabilityCells(len(task.project.source.classes))
        own.update(prediction.sums.mean_probs.float().cpu().numpy(), labels)
        cells.append(own)
        pixels += int((labels != UNLABELLED).sum())
    fit = fit_histogram if task.method == "histogram" else fit_isotonic
    folds = [Fold(_ids(task, own), fit(_merged(cells, rest))) for own, rest in _splits(task)]
    return fit(_merged(cells, range(len(cells)))), tuple(folds), pixels


class _LogitImages:
    """Logits of some pixels of each validation image, drawn by seed and image id."""

    def __init__(self, task: _Task, n_samples: int, n_views: int) -> None:
        self._task = task
        self._models = task.model.networks
        self._n_samples = n_samples
        self._n_views = n_views
        n_classes = len(task.project.source.classes)
        n_logits = (n_samples or len(self._models)) * n_views * n_classes
        fitting = _MOST_LOGITS // n_logits
        pixels = min(task.project.config.calibration.pixels, fitting)
        self._pixels = max(1, pixels // len(task.image_ids))

    def read(self, image_id: str) -> LogitSample:
        project = self._task.project
        labels = _labels(project, image_id).ravel()
        labelled = np.flatnonzero(labels != UNLABELLED)
        count = min(self._pixels, labelled.size)
        generator = numpy_generator(project.config.seed, "recalibration", image_id)
        picked = torch.from_numpy(np.sort(generator.choice(labelled, count, replace=False)))
        chunks = sample_logits(
            self._models,
            self._n_samples,
            project.source.read_image(image_id),
            seed=project.config.seed,
            round=self._task.model.round,
            image_id=image_id,
            n_views=self._n_views,
        )
        logits = [chunk.flatten(2)[:, :, picked.to(chunk.device)].float().cpu() for chunk in chunks]
        true = torch.from_numpy(labels.astype(np.int64))[picked]
        return LogitSample(torch.cat(logits), true, labelled.size / count if count else 1.0)


def _labels(project: Project, image_id: str) -> Labels:
    mask = project.truth(image_id)
    assert mask is not None, "roles give validation only to images with a mask"
    return mask.labels


def _reported(task: _Task) -> Iterator[str]:
    """Validation images, with a report before each."""
    total = len(task.image_ids)
    for done, image_id in enumerate(task.image_ids):
        task.report(Progress(task.model.round, "calibrate", done, total))
        yield image_id
    task.report(Progress(task.model.round, "calibrate", total, total))


def _splits(task: _Task) -> Iterator[tuple[list[int], list[int]]]:
    """Places of each fold's images, and of all others; nothing for a single image."""
    n_images = len(task.image_ids)
    for fold in range(min(N_FOLDS, n_images) if n_images > 1 else 0):
        own = [place for place in range(n_images) if fold_of(place, n_images) == fold]
        yield own, [place for place in range(n_images) if place not in own]


def _ids(task: _Task, places: Sequence[int]) -> tuple[str, ...]:
    return tuple(task.image_ids[place] for place in places)


def _merged(cells: Sequence[ProbabilityCells], places: Sequence[int]) -> ProbabilityCells:
    merged = ProbabilityCells(cells[0].n_classes)
    for place in places:
        merged.merge(cells[place])
    return merged
