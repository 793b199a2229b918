"""How fast this machine trains and scores with a config's network: measured, in a second or two."""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from askmask.config import Config
from askmask.data.source import Pixels
from askmask.loop.begin.survey import Survey
from askmask.models.build import build_model
from askmask.records import Labels
from askmask.sampling.predictors import MonteCarloDropout
from askmask.seeds import numpy_generator
from askmask.training.augment import TrainingImage
from askmask.training.fit import StepReport, fit_network
from askmask.training.plan import TRIED_STEPS, of_steps

LARGEST_SIDE: Final = 512
"""Of the image that scoring is measured on; larger ones are reckoned by their area."""


@dataclass(frozen=True, slots=True)
class Speed:
    """Wall-clock seconds on this machine, as loaded as it is now.

    Attributes
    ----------
    step_seconds : float
        One step of a training.
    image_seconds : float
        Scoring an image of the typical size with the config's samples.
    """

    step_seconds: float
    image_seconds: float


def measure_speed(config: Config, seen: Survey, n_classes: int, device: torch.device) -> Speed:
    """Do a few steps and score one image: the config's network on drawn noise.

    Parameters
    ----------
    config : Config
        Its network, `training` and `sampling` are measured.
    seen : Survey
        Of the images; their typical size is measured.
    n_classes : int
        Of the data set.
    device : torch.device
        As trainings will use it.

    Raises
    ------
    WeightsError
        If the network's weights cannot be had: now rather than at the first training.
    """
    model = build_model(config.model, n_classes, config.seed).to(device)
    height, width = (min(side, LARGEST_SIDE) for side in seen.typical_size)
    image, labels = _noise(height, width, n_classes)
    boundary = np.zeros_like(labels) if model.has_boundary else None
    item = TrainingImage(image, labels, boundary, np.ones((height, width), np.float32))
    times: list[float] = []

    def tell(_: StepReport) -> None:
        times.append(time.perf_counter())

    started = time.perf_counter()
    tried = of_steps(config.training, TRIED_STEPS)
    fit_network(model, _OneImage(item), tried, seed=0, round=0, on_step=tell)
    steps = np.diff([started, *times])
    predictor = MonteCarloDropout(
        model, config.sampling.samples, precision=config.sampling.precision
    )
    started = time.perf_counter()
    predictor.predict(image, seed=0, round=0, image_id="noise", boundary=False)
    scoring = time.perf_counter() - started
    area = seen.typical_size[0] * seen.typical_size[1] / (height * width)
    return Speed(float(np.median(steps[1:])), scoring * area)


@dataclass(frozen=True, slots=True)
class _OneImage:
    """A training set of one image."""

    item: TrainingImage
    image_ids: tuple[str, ...] = ("noise",)

    def read(self, image_id: str) -> TrainingImage:
        assert image_id in self.image_ids, "there is no other"
        return self.item

    def labelled_pixels(self, image_id: str) -> int:
        assert image_id in self.image_ids, "there is no other"
        return self.item.labels.size


def _noise(height: int, width: int, n_classes: int) -> tuple[Pixels, Labels]:
    generator = numpy_generator(0, "speed")
    image = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = generator.integers(0, n_classes, (height, width)).astype(np.int16)
    return image, labels
