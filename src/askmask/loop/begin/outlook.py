"""What to expect of this machine: how long a query takes and what memory it needs, measured here.

Each figure is that of one image, scored here and now, times their number. What is assumed of a
slide is said beside it.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from askmask.config import Config, load_config
from askmask.data.larger_images import MARGIN, PartSource
from askmask.data.slides.slide_set import FIELD_SIDE
from askmask.loop.begin.begin import TEMPLATE
from askmask.loop.begin.settings import samples_in_time
from askmask.loop.begin.survey import survey
from askmask.loop.project import Project
from askmask.models.build import build_model
from askmask.models.contract import Model
from askmask.runtime.compute import configure
from askmask.runtime.memory import peak_bytes
from askmask.sampling.predictors import MonteCarloDropout
from askmask.seeds import numpy_generator

IMAGES: Final = 1000
IMAGE_SIDE: Final = 512
SLIDE: Final = (80_000, 100_000)
"""Rows and columns of a slide that is scanned at a quarter of the pixels that are seen."""
SHRUNK: Final = 4
TISSUE: Final = 0.25
LARGEST_SIDE: Final = FIELD_SIDE + 2 * MARGIN
"""Of an image that is scored to be timed; larger ones are reckoned by their area."""
_WARM_SIDE: Final = 64
_BESIDE: Final = (
    "Measured just now, beside whatever else runs, with pixels of noise. Reading files comes on "
    "top: time, and of slides half a gigabyte of memory. Memory hardly grows with the number of "
    "images. The page asks from the first ones that it has seen, and goes on looking."
)


@dataclass(frozen=True, slots=True)
class ExpectedQuery:
    """One query.

    Attributes
    ----------
    what : str
        What is looked at, in words.
    images : int
        How many images or fields.
    samples : int
        Monte Carlo samples of each.
    image_seconds, seconds : float
        Of one of them, measured; of all.
    peak_bytes : int or None
        The most memory that this process had by the end of that measurement; None where the system
        does not tell.
    """

    what: str
    images: int
    samples: int
    image_seconds: float
    seconds: float
    peak_bytes: int | None

    def words(self) -> str:
        """One line for people."""
        seconds = max(self.seconds, 1.0)
        told = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        if seconds >= 2 * 3600:
            told = f"{seconds / 3600:.0f} h"
        one = f"{self.image_seconds:.2g} s each with {self.samples} samples"
        memory = "" if self.peak_bytes is None else f" and {self.peak_bytes / 1e9:.1f} GB of memory"
        return f"A query of {self.what}: about {told}{memory} ({one})."


def expected_here() -> list[ExpectedQuery]:
    """What a new project would take: one of many images, and one of a large slide.

    The network is the one that `askmask init` sets up, with random weights, which are as fast.
    """
    config = load_config(TEMPLATE, ["data.path=."])
    random = config.model.model_copy(update={"weights": None})
    config = config.model_copy(update={"model": random})
    device = configure(config)
    model = build_model(config.model, 2, config.seed).to(device)
    rows, cols = (-(-side // (SHRUNK * FIELD_SIDE)) for side in SLIDE)
    fields = round(rows * cols * TISSUE)
    of_images = f"{IMAGES:,} images of {IMAGE_SIDE} x {IMAGE_SIDE} pixels"
    of_slide = (
        f"a slide of {SLIDE[1]:,} x {SLIDE[0]:,} pixels scanned at {1 / SHRUNK:g} micrometres and "
        f"seen at 1, {TISSUE:.0%} of it tissue ({fields} fields of {FIELD_SIDE} x {FIELD_SIDE})"
    )
    found = []
    usual, side = config.sampling.samples, IMAGE_SIDE
    first = _image_seconds(model, config, (side, side), usual)
    for what, count, size in (
        (of_images, IMAGES, side),
        (of_slide, fields, LARGEST_SIDE),
    ):
        reckoned = first * (size / side) ** 2
        samples = samples_in_time(usual, count, reckoned)
        seconds = first if (samples, size) == (usual, side) else None
        if seconds is None:
            seconds = _image_seconds(model, config, (size, size), samples)
        found.append(ExpectedQuery(what, count, samples, seconds, count * seconds, peak_bytes()))
    return found


def expected_of(project: Project) -> list[ExpectedQuery]:
    """What a query of a project takes, with its own network, images and samples."""
    config, source = project.config, project.source
    seen = survey(source)
    device = configure(config)
    random = config.model.model_copy(update={"weights": None})
    model = build_model(random, len(source.classes), config.seed).to(device)
    is_slides = isinstance(source, PartSource)
    rows, cols = (side + 2 * MARGIN * is_slides for side in seen.typical_size)
    samples, count = config.sampling.samples, len(project.pool_ids)
    seconds = _image_seconds(model, config, (rows, cols), samples)
    noun = ("field" if is_slides else "image") + "s" * (count != 1)
    rows, cols = seen.typical_size
    what = f"the {count:,} {noun} of this project, typically {rows} x {cols} pixels"
    return [ExpectedQuery(what, count, samples, seconds, count * seconds, peak_bytes())]


def lines(found: Iterable[ExpectedQuery]) -> list[str]:
    """Lines for people."""
    return [
        *(one.words() for one in found),
        _BESIDE,
    ]


def _image_seconds(model: Model, config: Config, size: tuple[int, int], samples: int) -> float:
    """Seconds to score one image of noise."""
    predictor = MonteCarloDropout(model, samples, precision=config.sampling.precision)
    measured = min(size[0], LARGEST_SIDE), min(size[1], LARGEST_SIDE)
    for side in ((_WARM_SIDE, _WARM_SIDE), measured):  # the first call prepares kernels
        pixels = numpy_generator(0, "outlook").integers(0, 256, (*side, 3), dtype=np.uint8)
        started = time.perf_counter()
        predictor.predict(pixels, seed=0, round=0, image_id="noise", boundary=False)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        elapsed = time.perf_counter() - started
    return elapsed * (size[0] * size[1]) / (measured[0] * measured[1])
