"""Score a pool by Monte Carlo dropout: the naive way against the sampling engine.

The naive way is S whole passes of the paper's network in float32, one sample at a time, with both
decoders. Ours is `MonteCarloDropout` in each precision. Both are first run with the same masks and
must agree; then they are timed in turns, the naive way with torch's own, cheaper, masks.
"""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from askmask.config import ModelConfig
from askmask.models.build import build_model
from askmask.models.dropout import GeneratorNoise
from askmask.models.two_decoder import TwoDecoder
from askmask.query.scores import SampleSums
from askmask.runtime.compute import use_bf16
from askmask.runtime.kernel import SWITCH, load_kernel
from askmask.sampling.predictors import MonteCarloDropout
from naive import NaiveSampler
from pairing import Comparison, arguments, compare_several, parse, peak_mb, show

KEY = {"seed": 0, "round": 1, "image_id": "image"}
TOLERANCES = {"fp32": 1e-4, "bf16": 0.2}
"""Of a pixel's mean probability. bfloat16 keeps 8 bits: the largest of 400,000 pixels may move."""


def main() -> None:
    """Run the benchmark."""
    parser = arguments("score a pool by Monte Carlo dropout: naive against ours")
    parser.add_argument("--samples", type=int, help="T (default 30, small: 6)")
    parser.add_argument("--size", type=int, nargs=2, help="rows columns (default 528 784)")
    parser.add_argument("--weights", type=Path, help="trained network (.safetensors)")
    parser.add_argument("--precision", choices=["fp32", "bf16"], action="append")
    parser.add_argument("--without-memory", action="store_true", help="do not measure memory")
    options = parse(parser)
    height, width = options.size or ((128, 192) if options.small else (528, 784))
    n_samples = options.samples or (6 if options.small else 30)
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    model = make_model(options.weights)
    naive = NaiveSampler(model)
    ways = variants(model, n_samples, options.precision)
    differences = check(naive, ways, image, min(n_samples, 3))
    rows = compare_several(
        lambda: naive.sums(image, n_samples),
        {
            name: functools.partial(predict, sampler, image, boundary=boundary)
            for name, (sampler, _, boundary) in ways.items()
        },
        difference=lambda _, __: 0.0,  # checked above, with equal masks
        turns=options.turns,
    )
    rows = [complete(row, ways[row.name], differences[row.name], options, image) for row in rows]
    show(rows, as_json=options.json)


def make_model(weights: Path | None) -> TwoDecoder:
    """Build the paper's network; without weights, with batch norms that fit its activations."""
    path = None if weights is None else str(weights)
    model = build_model(ModelConfig(name="two_decoder_resnet50", weights=path), 2, 0)
    assert isinstance(model, TwoDecoder)
    if weights is None:
        # A new network's statistics are 0 and 1: its logits are then huge, and rounding is, too.
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for _ in range(20):
                images = torch.rand(1, 3, 64, 96, generator=generator)
                model.train()(images, GeneratorNoise(generator))
    return model.eval()


def variants(
    model: TwoDecoder, n_samples: int, precisions: list[str] | None
) -> dict[str, tuple[MonteCarloDropout, str, bool]]:
    """Ways to sample by name: the sampler, its precision, whether both decoders run."""
    if precisions is None:
        precisions = ["bf16", "fp32"] if use_bf16("auto", torch.device("cpu")) else ["fp32"]
    ways = {}
    for with_kernel in (False, True) if load_kernel() is not None else (False,):
        for precision in precisions:
            for boundary in (True, False):
                sampler = MonteCarloDropout(model, n_samples, precision=precision)
                use_kernel(with_kernel)
                predict(sampler, np.zeros((32, 32, 3), np.uint8), boundary=True)  # takes the choice
                name = f"{precision}{', kernel' if with_kernel else ''}, "
                name += "both decoders" if boundary else "foreground decoder"
                ways[name] = (sampler, precision, boundary)
    return ways


def use_kernel(wanted: bool) -> None:
    """Switch the compiled kernel on or off for networks frozen from now on."""
    os.environ[SWITCH] = "" if wanted else "off"
    load_kernel.cache_clear()


def predict(sampler: MonteCarloDropout, image: np.ndarray, *, boundary: bool) -> SampleSums:
    """Sums of an image's samples."""
    return sampler.predict(image, **KEY, boundary=boundary).sums


def check(
    naive: NaiveSampler,
    ways: dict[str, tuple[MonteCarloDropout, str, bool]],
    image: np.ndarray,
    n_samples: int,
) -> dict[str, float]:
    """Largest difference of a mean probability under equal masks; ends the program if too large."""
    key = (KEY["seed"], KEY["round"], KEY["image_id"])
    expected = naive.sums(image, n_samples, key).mean_probs
    found = {}
    for name, (sampler, precision, _) in ways.items():
        ours = sampler.sums(image, range(n_samples), **KEY).mean_probs
        found[name] = float((ours - expected).abs().max())
        if not found[name] <= TOLERANCES[precision]:
            sys.exit(f"{name}: mean probabilities differ by {found[name]:.3g}.")
    return found


def complete(
    row: Comparison,
    way: tuple[MonteCarloDropout, str, bool],
    difference: float,
    options: object,
    image: np.ndarray,
) -> Comparison:
    """Row with its difference, its memory, and the sizes it belongs to."""
    sampler, precision, boundary = way
    memory = float("nan")
    if not options.without_memory:  # type: ignore[attr-defined]  # a namespace
        prepare = functools.partial(
            sampling_to_measure, row.name, precision, boundary, sampler.n_samples, image.shape[:2]
        )
        memory = peak_mb(prepare)
    notes = {"samples": sampler.n_samples, "size": image.shape[:2], "precision": precision}
    return replace(row, max_abs_difference=difference, peak_mb=memory, notes=notes)


def sampling_to_measure(
    name: str, precision: str, boundary: bool, n_samples: int, size: tuple[int, int]
) -> Callable[[], object]:
    """Load a network and an image, and return the scoring of it."""
    use_kernel("kernel" in name)
    sampler = MonteCarloDropout(make_model(None), n_samples, precision=precision)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    return functools.partial(predict, sampler, image, boundary=boundary)


if __name__ == "__main__":
    main()
