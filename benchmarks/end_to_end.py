"""One round of the loop, plainly and by askmask: train, score the pool, choose regions, judge.

    python benchmarks/end_to_end.py [--json] [--small] [--turns N]

The plain way is made of the references of the other benchmarks. First both score one network in
float32 with equal masks and must choose the same regions; then they are timed in turns.
"""

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from askmask.config import TrainingConfig
from askmask.models.two_decoder import TwoDecoder
from askmask.query.scores import SampleSums, predictive_entropy
from askmask.records import Region
from askmask.runtime.compute import keep_freed_memory
from askmask.sampling.predictors import Deterministic, MonteCarloDropout
from askmask.training.augment import TrainingImage
from askmask.training.batches import BatchMaker
from askmask.training.fit import fit_network
from calibration import in_memory, one_pass
from naive import NaiveSampler
from pairing import arguments, compare, parse, show
from pool_scoring import make_model
from regions import chosen_regions, one_sort
from training import Images, PlainLoop, drawn_images

Maps = list[tuple[str, np.ndarray]]
Score = Callable[[np.ndarray, str], SampleSums]
PHASES = ("train", "score", "choose", "judge")
KEY = (0, 1)  # seed and round
BUDGET = 5


class Clock:
    """Seconds of each phase, run after run."""

    def __init__(self) -> None:
        self.runs: list[list[float]] = []
        self._last = 0.0

    def start(self) -> None:
        """Begin a run."""
        self.runs.append([])
        self._last = time.perf_counter()

    def phase(self) -> None:
        """End a phase."""
        now = time.perf_counter()
        self.runs[-1].append(now - self._last)
        self._last = now

    def medians(self, skip: int) -> dict[str, float]:
        """Median seconds of each phase, without the first `skip` runs."""
        columns = zip(*self.runs[skip:], strict=True)
        return dict(zip(PHASES, map(statistics.median, columns), strict=True))


def maps_of(images: Images, score: Score) -> Maps:
    """Score map of each image."""
    return [
        (name, predictive_entropy(score(item.image, name)).numpy())
        for name, item in images.items.items()
    ]


def judged(images: Images, probs: Callable[[TrainingImage], np.ndarray], scores: Callable) -> None:
    """Calibration of a network's probabilities on every image."""
    scores([(probs(item), item.labels) for item in images.items.values()])


def plain_round(
    model: TwoDecoder, images: Images, config: TrainingConfig, n_samples: int, clock: Clock
) -> list[Region]:
    """One round by the references."""
    clock.start()
    make = BatchMaker(images, config, 2, True, seed=0, round=0, attempt=0)
    PlainLoop(copy.deepcopy(model), config, [make(step) for step in range(config.steps)])()
    clock.phase()
    network = NaiveSampler(model)
    maps = maps_of(images, lambda image, _: network.sums(image, n_samples))
    clock.phase()
    regions = one_sort(maps, BUDGET)
    clock.phase()
    judged(images, lambda item: network.mean(item.image), in_memory)
    clock.phase()
    return regions


def our_round(
    model: TwoDecoder, images: Images, config: TrainingConfig, n_samples: int, clock: Clock
) -> list[Region]:
    """One round by askmask."""
    clock.start()
    fit_network(copy.deepcopy(model), images, config, seed=0, round=0)
    clock.phase()
    maps = maps_of(images, engine(model, n_samples))
    clock.phase()
    regions = chosen_regions(maps, BUDGET)
    clock.phase()
    network = Deterministic(model)
    key = dict(zip(("seed", "round"), KEY, strict=True))
    judged(
        images,
        lambda item: network.predict(
            item.image, **key, image_id="", boundary=False
        ).sums.mean_probs.numpy(),
        one_pass,
    )
    clock.phase()
    return regions


def engine(model: TwoDecoder, n_samples: int, precision: str = "auto") -> Score:
    """Scores by the sampling engine."""
    sampler = MonteCarloDropout(model, n_samples, precision=precision)
    key = dict(zip(("seed", "round"), KEY, strict=True))
    return lambda image, name: sampler.predict(image, **key, image_id=name, boundary=False).sums


def other_regions(model: TwoDecoder, images: Images, n_samples: int) -> int:
    """How many regions differ between both ways with one network and equal masks, in float32."""
    naive = NaiveSampler(model)
    expected = one_sort(
        maps_of(images, lambda image, name: naive.sums(image, n_samples, (*KEY, name))), BUDGET
    )
    ours = chosen_regions(maps_of(images, engine(model, n_samples, "fp32")), BUDGET)
    return len(set(expected) - set(ours))


def main() -> None:
    """Compare, and say where the time goes."""
    options = parse(arguments(__doc__.splitlines()[0]))
    keep_freed_memory()
    small = options.small
    images = drawn_images(2 if small else 6, *((160, 240) if small else (264, 392)))
    n_samples = 6 if small else 30
    config = TrainingConfig(
        steps=2 if small else 10,
        batch_size=2 if small else 5,
        crop=96 if small else 240,
        learning_rate=1e-4,
    )
    model = make_model(None)
    differing = other_regions(model, images, min(n_samples, 6))
    theirs, own = Clock(), Clock()
    compared = compare(
        f"a round: {config.steps} steps, {len(images.items)} images, T = {n_samples}",
        lambda: plain_round(model, images, config, n_samples, theirs),
        lambda: our_round(model, images, config, n_samples, own),
        difference=lambda _, __: float(differing),
        turns=options.turns,
        tolerance=0.0,
    )
    phases = {"reference": theirs.medians(0), "ours": own.medians(1)}  # ours is warmed up once
    show([replace(compared, notes={"phases": phases})], as_json=options.json)
    if not options.json:
        for name in PHASES:
            plain, ours = phases["reference"][name], phases["ours"][name]
            print(f"{name}: {plain:.3g} s, ours {ours:.3g} s, {plain / ours:.1f} times")


if __name__ == "__main__":
    main()
