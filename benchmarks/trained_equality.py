"""Does the sampling engine ask for the same regions as whole passes do? On a trained network.

For some images of a prepared data set: score maps of the naive way, of ours in float32 and in
bfloat16 with the same masks, and of ours with other masks, which is the yardstick. Compared are
the maps, the rank correlation of all window scores, and the regions that each would ask.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from askmask.config import ModelConfig, RegionConfig
from askmask.data.prepared import PreparedSource
from askmask.models.build import build_model
from askmask.models.two_decoder import TwoDecoder
from askmask.query.regions import Candidate, Places, places_of, ranked, select
from askmask.query.regions.candidates import limit_of
from askmask.query.regions.windows import window_sums
from askmask.query.scores import SampleSums, mutual_information, predictive_entropy
from askmask.sampling.predictors import MonteCarloDropout
from naive import NaiveSampler

ACQUISITIONS = {
    "predictive_entropy": predictive_entropy,
    "mutual_information": mutual_information,
}


def main() -> None:
    """Compare, and print a table or one JSON line."""
    options = arguments()
    source = PreparedSource(options.dataset)
    ids = sorted(info.image_id for info in source.images())[:: options.every][: options.images]
    model = build_model(
        ModelConfig(
            name="two_decoder_resnet50",
            weights=str(options.weights),
            options={"dropout": options.dropout},
        ),
        len(source.classes.names),
        0,
    )
    assert isinstance(model, TwoDecoder)
    sums = {image_id: sample(model, source, image_id, options.samples) for image_id in ids}
    rows = [
        compare(way, acquisition, sums, options)
        for way in ("fp32", "bf16", "fp32, other masks")
        for acquisition in ACQUISITIONS
    ]
    if options.json:
        print(json.dumps({"images": len(ids), "samples": options.samples, "rows": rows}))
        return
    print(f"{len(ids)} images, T = {options.samples}\n")
    print("| engine | score | largest map difference | rank correlation | same regions |")
    print("|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['way']} | {row['acquisition']} | {row['largest_map_difference']:.2g} | "
            f"{row['rank_correlation']:.6f} | {row['same']} of {row['regions']} |"
        )


def arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description="sampling engine against whole passes, trained")
    parser.add_argument("weights", type=Path, help="trained two_decoder_resnet50 (.safetensors)")
    parser.add_argument("dataset", type=Path, help="prepared data set")
    parser.add_argument("--dropout", type=float, default=0.5)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth image")
    parser.add_argument("--samples", type=int, default=30)
    parser.add_argument("--side", type=int, default=75, help="of a region")
    parser.add_argument("--stride", type=int, default=15)
    parser.add_argument("--regions", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def sample(
    model: TwoDecoder, source: PreparedSource, image_id: str, n_samples: int
) -> dict[str, SampleSums]:
    """Sums of an image's samples in each way."""
    image = source.read_image(image_id)
    key = {"seed": 0, "round": 1, "image_id": image_id}
    everything = range(n_samples)
    fp32 = MonteCarloDropout(model, n_samples, precision="fp32")
    bf16 = MonteCarloDropout(model, n_samples, precision="bf16")
    return {
        "naive": NaiveSampler(model).sums(image, n_samples, (0, 1, image_id)),
        "fp32": fp32.sums(image, everything, **key),
        "bf16": bf16.sums(image, everything, **key),
        "fp32, other masks": fp32.sums(image, everything, **{**key, "seed": 1}),
    }


def compare(
    way: str,
    acquisition: str,
    sums: dict[str, dict[str, SampleSums]],
    options: argparse.Namespace,
) -> dict[str, object]:
    """One row: ours in one way against the naive way."""
    expected = {i: ACQUISITIONS[acquisition](ways["naive"]).numpy() for i, ways in sums.items()}
    ours = {i: ACQUISITIONS[acquisition](ways[way]).numpy() for i, ways in sums.items()}
    probs = max(
        float((ways[way].mean_probs - ways["naive"].mean_probs).abs().max())
        for ways in sums.values()
    )
    size = (options.side, options.side)
    windows = [
        np.concatenate([window_sums(m, size, options.stride).ravel() for m in maps.values()])
        for maps in (expected, ours)
    ]
    asked, wanted = regions(ours, options), regions(expected, options)
    return {
        "way": way,
        "acquisition": acquisition,
        "largest_map_difference": max(float(np.abs(ours[i] - expected[i]).max()) for i in sums),
        "largest_probability_difference": probs,
        "rank_correlation": float(spearmanr(*windows).statistic),
        "same": len(asked & wanted),
        "regions": len(wanted),
    }


def regions(maps: dict[str, np.ndarray], options: argparse.Namespace) -> set[object]:
    """Regions that a query from these score maps asks."""
    rule = RegionConfig(
        size=(options.side, options.side), stride=options.stride, budget_regions=options.regions
    )

    def best(places: Places, score: np.ndarray) -> list[Candidate]:
        return ranked(places, places.scores(score), limit_of(rule))

    found = (
        best(places_of(image_id, np.ones(score.shape, bool), rule), score)
        for image_id, score in maps.items()
    )
    return {item.region for item in select(found, rule)}


if __name__ == "__main__":
    torch.set_num_threads(min(2, torch.get_num_threads()))
    main()
