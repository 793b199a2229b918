"""How scoring time and memory grow with T, with the image and with the pool: measured, plotted.

Time should grow in proportion to each, and memory with the image only. Prints the table (or one
JSON line) and draws a figure with ``--plot FILE``.
"""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from askmask.sampling.predictors import MonteCarloDropout
from pairing import arguments, machine, parse, peak_mb
from pool_scoring import make_model

SAMPLES = (1, 5, 10, 20, 30, 50)
SIZES = ((132, 196), (264, 392), (396, 588), (528, 784), (792, 1176))
POOLS = (65, 125, 250, 500, 1000)


def main() -> None:
    """Measure and show."""
    parser = arguments("how scoring grows with T, image and pool")
    parser.add_argument("--plot", type=Path, help="figure to draw (.svg, .png)")
    options = parse(parser)
    step = 3 if options.small else 1
    size = (132, 196) if options.small else (264, 392)
    rows = [
        measure("samples", n_samples, n_samples, size, 1) for n_samples in SAMPLES[:: 2 * step - 1]
    ]
    rows += [measure("pixels", h * w, 10, (h, w), 1) for h, w in SIZES[: 5 // step]]
    rows += [measure("images", pool, 5, (64, 96), pool) for pool in POOLS[: 5 // step]]
    if options.plot is not None:
        draw(rows, options.plot)
    if options.json:
        print(json.dumps({"rows": rows, "machine": machine()}))
        return
    print("| grows | value | T | rows x columns | images | seconds | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['grows']} | {row['value']} | {row['samples']} | {row['size'][0]} x "
            f"{row['size'][1]} | {row['images']} | {row['seconds']:.3f} | {row['peak_mb']:.0f} |"
        )


def measure(grows: str, value: int, n_samples: int, size: tuple[int, int], images: int) -> dict:
    """Seconds of scoring `images` images (best of three for one), and memory beyond the model."""
    run = scoring(n_samples, size, images)
    run()
    seconds = []
    for _ in range(3 if images == 1 else 1):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return {
        "grows": grows,
        "value": value,
        "samples": n_samples,
        "size": size,
        "images": images,
        "seconds": min(seconds),
        "peak_mb": peak_mb(functools.partial(scoring, n_samples, size, images)),
    }


def scoring(n_samples: int, size: tuple[int, int], images: int) -> Callable[[], object]:
    """Load a network and an image, and return the scoring of a pool of it."""
    sampler = MonteCarloDropout(make_model(None), n_samples)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)

    def run() -> float:
        total = 0.0
        for number in range(images):
            prediction = sampler.predict(
                image, seed=0, round=1, image_id=str(number), boundary=False
            )
            total += float(prediction.sums.sum_entropy.mean())
        return total

    return run


def draw(rows: list[dict], path: Path) -> None:
    """Three panels: seconds against T, pixels and images; memory below."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots(2, 3)
    first = {row["grows"]: row for row in reversed(rows)}
    titles = {
        "samples": ("samples T ({0} x {1} pixels)", 1),
        "pixels": ("million pixels of the image (T = {2})", 1e6),
        "images": ("images of {0} x {1} pixels (T = {2})", 1),
    }
    for column, (grows, (words, unit)) in enumerate(titles.items()):
        own = [row for row in rows if row["grows"] == grows]
        title = words.format(*first[grows]["size"], first[grows]["samples"])
        values = [row["value"] / unit for row in own]
        for row_of_axes, key, label in ((0, "seconds", "seconds"), (1, "peak_mb", "peak MB")):
            axis = axes[row_of_axes, column]
            axis.plot(values, [row[key] for row in own], "o-", color="#1f5f8b")
            axis.set_xlim(left=0)
            axis.set_ylim(0, 1.1 * max(row[key] for row in own))
            axis.set_xlabel(title)
            if column == 0:
                axis.set_ylabel(label)
    figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


if __name__ == "__main__":
    main()
