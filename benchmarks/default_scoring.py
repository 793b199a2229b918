"""Score an image with the default network: naive passes against ours, with and without features.

The naive way is S whole passes of the same network in float32, channels first, one sample at a
time, with both heads and torch's own, cheaper, masks. Ours is `MonteCarloDropout` in each
precision, with and without the compiled kernel: once computing the encoder's maps, once taking
them from a `FeatureStore`. All are first run with the same masks and must agree; then they are
timed in turns.
"""

import functools
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from askmask.config import ModelConfig
from askmask.models.build import build_model
from askmask.models.pyramid import PyramidNet
from askmask.models.weights import load_model_weights
from askmask.query.scores import SampleSums
from askmask.runtime.compute import use_bf16
from askmask.runtime.kernel import SWITCH, load_kernel
from askmask.sampling.feature_store import FeatureStore
from askmask.sampling.predictors import MonteCarloDropout
from naive import NaiveSampler
from pairing import arguments, compare_several, parse, peak_mb, show

KEY = {"seed": 0, "round": 1, "image_id": "image"}
LIMIT_BYTES = 10**9
TOLERANCES = {"fp32": 1e-4, "bf16": 0.2}
"""Of a pixel's mean probability. bfloat16 keeps 8 bits: the largest of 260,000 pixels may move."""


@dataclass(frozen=True)
class Way:
    """One way of ours to sample."""

    precision: str
    with_kernel: bool
    with_features: bool

    @property
    def name(self) -> str:
        """What the table calls it."""
        kernel = ", kernel" if self.with_kernel else ""
        return f"{self.precision}{kernel}, {'features kept' if self.with_features else 'cold'}"

    def sampler(self, model: PyramidNet, n_samples: int, folder: Path) -> MonteCarloDropout:
        """Sampler whose network is frozen, and whose features of the benchmark's image are kept."""
        os.environ[SWITCH] = "" if self.with_kernel else "off"
        load_kernel.cache_clear()
        store = FeatureStore(folder, LIMIT_BYTES) if self.with_features else None
        sampler = MonteCarloDropout(model, n_samples, precision=self.precision, features=store)
        predict(sampler, np.zeros((32, 32, 3), np.uint8))  # takes the choice of the kernel
        return sampler


def main() -> None:
    """Run the benchmark."""
    parser = arguments("score an image with the default network: naive against ours")
    parser.add_argument("--samples", type=int, help="T (default 30, small: 6)")
    parser.add_argument("--size", type=int, nargs=2, help="rows columns (default 512 512)")
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--weights", type=Path, help="trained network (.safetensors)")
    parser.add_argument("--without-memory", action="store_true", help="do not measure memory")
    options = parse(parser)
    size = tuple(options.size or ((128, 192) if options.small else (512, 512)))
    n_samples = options.samples or (6 if options.small else 30)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    model = make_model(options.weights, options.classes)
    naive = NaiveSampler(model)
    with tempfile.TemporaryDirectory() as folder:
        samplers = {way: way.sampler(model, n_samples, Path(folder)) for way in ways()}
        differences = {
            way.name: check(naive, sampler, image, way) for way, sampler in samplers.items()
        }
        rows = compare_several(
            lambda: naive.sums(image, n_samples),
            {
                way.name: functools.partial(predict, sampler, image)
                for way, sampler in samplers.items()
            },
            difference=lambda _, __: 0.0,  # checked above, with equal masks
            turns=options.turns,
        )
    found = []
    for row, way in zip(rows, samplers, strict=True):
        measure = functools.partial(to_measure, way, options.classes, n_samples, size)
        memory = float("nan") if options.without_memory else peak_mb(measure)
        notes = {"samples": n_samples, "size": size, "classes": options.classes}
        difference = differences[row.name]
        found.append(replace(row, max_abs_difference=difference, peak_mb=memory, notes=notes))
    show(found, as_json=options.json)


def ways() -> list[Way]:
    """Return every way that this machine has."""
    precisions = ["bf16", "fp32"] if use_bf16("auto", torch.device("cpu")) else ["fp32"]
    kernels = (True, False) if load_kernel() is not None else (False,)
    return [
        Way(precision, kernel, features)
        for precision in precisions
        for kernel in kernels
        for features in (False, True)
    ]


def make_model(weights: Path | None, n_classes: int) -> PyramidNet:
    """Build the default network; without trained weights, with heads that say something."""
    model = build_model(ModelConfig(name="pyramid"), n_classes, 0)
    assert isinstance(model, PyramidNet)
    if weights is not None:
        load_model_weights(model, weights)
    else:
        with torch.no_grad():
            for head in (model.foreground_head, model.boundary_head):
                head.weight.mul_(20)
    return model.eval()


def predict(sampler: MonteCarloDropout, image: np.ndarray) -> SampleSums:
    """Sums of an image's samples, both heads."""
    return sampler.predict(image, **KEY, boundary=True).sums


def check(naive: NaiveSampler, sampler: MonteCarloDropout, image: np.ndarray, way: Way) -> float:
    """Largest difference of a mean probability under equal masks; ends the program if too large."""
    expected = naive.sums(image, 3, (KEY["seed"], KEY["round"], KEY["image_id"])).mean_probs
    found = sampler.sums(image, range(3), **KEY).mean_probs
    difference = float((found - expected).abs().max())
    if not difference <= TOLERANCES[way.precision]:
        sys.exit(f"{way.name}: mean probabilities differ by {difference:.3g}.")
    return difference


def to_measure(
    way: Way, n_classes: int, n_samples: int, size: tuple[int, int]
) -> Callable[[], object]:
    """Load a network and an image, and return the scoring of it."""
    folder = Path(tempfile.mkdtemp())
    sampler = way.sampler(make_model(None, n_classes), n_samples, folder)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    return functools.partial(predict, sampler, image)


if __name__ == "__main__":
    main()
