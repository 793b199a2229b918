"""What a model of few labels says of images that it has not seen; used by `strokes.py`."""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from askmask.config import Config, ModelConfig, with_overrides
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.predictions import predict_known
from askmask.loop.project import Project
from askmask.models.build import build_model
from askmask.sampling.feature_store import FeatureStore
from askmask.sampling.predictors import MonteCarloDropout
from few_labels import config_of, planned_steps
from hand import Labels, Maps, Place

STRIDES = (4, 8)
COMPONENTS = 8
FIRST_CHANNELS = 24  # of the map at stride 4
PARTS = ("pixels", "labels", "predicted")


@dataclass(frozen=True)
class Seen:
    """An image with its true labels and the labels that a model gives; maps where wanted."""

    pixels: npt.NDArray[np.uint8]
    labels: Labels
    predicted: Labels
    maps: "Frozen | None" = None

    def place(self, row: int, col: int, side: int) -> Place:
        """One region of it."""
        box = np.s_[row : row + side, col : col + side]
        return Place(
            np.ascontiguousarray(self.pixels[box]),
            self.labels[box].astype(np.int16),
            self.predicted[box].astype(np.int16),
            None if self.maps is None else self.maps.of(self.pixels, row, col, side),
        )


def seen_images(
    path: Path, tests: list[str], count: int, options: argparse.Namespace
) -> list[Seen]:
    """Images of the test splits that hold a region, as a model of `count` images labels them.

    Kept in `options.kept`, if that is set, so that another run need not train again.
    """
    name = f"{path.name}-{count}-{options.seconds:.0f}-{options.seed}.npz"
    kept = None if options.kept is None else options.kept / name
    if kept is not None and kept.is_file():
        stored = dict(np.load(kept))
    else:
        stored = predicted(path, tests, count, options)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **stored)
    frozen = Frozen() if options.frozen else None
    names = sorted(key.removesuffix("/pixels") for key in stored if key.endswith("/pixels"))
    images = [Seen(*(stored[f"{n}/{of}"] for of in PARTS), frozen) for n in names]
    return [image for image in images if min(image.labels.shape) >= options.side]


def predicted(
    path: Path, tests: list[str], count: int, options: argparse.Namespace
) -> dict[str, npt.NDArray[np.generic]]:
    """Train the default on `count` images, and predict those of the test splits."""
    config = settings(path, tests, count, options.seed)
    found: dict[str, npt.NDArray[np.generic]] = {}
    with tempfile.TemporaryDirectory(prefix="askmask-bench-") as folder:
        steps = planned_steps(config, Path(folder) / "tried", "images", options.seconds)
        config = with_overrides(config, {"training.steps": steps})
        with Project.create(Path(folder) / "p", config) as project:
            loop = Loop(project)
            loop.tell_start(MaskOracle(project.source))
            loop.train(0)
            model = project.model(0)
            for name in project.roles.test:
                mask = project.source.read_mask(name)
                if mask is None:
                    continue
                parts = (project.source.read_image(name), mask.labels)
                labels = predict_known(model, name).labels
                found |= {f"{name}/{of}": p for of, p in zip(PARTS, (*parts, labels), strict=True)}
    print(f"{path.name}: {steps} steps of training", flush=True)
    return found


def settings(path: Path, tests: list[str], count: int, seed: int) -> Config:
    """Those of `askmask init`."""
    data = f"{path}:{'+'.join(tests)}"
    return config_of(data, "init", seed, count, argparse.Namespace(set=[]))


class Frozen:
    """Features of the default network that no training changes, as a worker keeps them."""

    def __init__(self) -> None:
        network = build_model(ModelConfig(), 2, 0).eval()
        self._folder = tempfile.TemporaryDirectory(prefix="askmask-bench-")
        store = FeatureStore(Path(self._folder.name), 10**11)
        self._predictor = MonteCarloDropout(network, 1, features=store)

    def of(self, image: npt.NDArray[np.uint8], row: int, col: int, side: int) -> Maps:
        """Maps of a part of an image, interpolated to its pixels: (side, side, D)."""
        parts = []
        for stride, maps in zip(STRIDES, self._predictor.features(image), strict=False):
            assert maps.shape[2] == -(-image.shape[0] // 32) * 32 // stride, maps.shape
            sides = (
                (torch.arange(first, first + side) + 0.5) / (stride * length) * 2 - 1
                for first, length in ((row, maps.shape[2]), (col, maps.shape[3]))
            )
            down, across = torch.meshgrid(*sides, indexing="ij")
            grid = torch.stack([across, down], -1)[None]
            part = functional.grid_sample(
                maps.float(), grid, padding_mode="border", align_corners=False
            )
            parts.append(part[0].permute(1, 2, 0).numpy())
        return np.concatenate(parts, axis=2)


def components(maps: Maps) -> Maps:
    """Return the first principal components of each stride's maps: (H, W, 2 x COMPONENTS)."""
    found = []
    for part in np.split(maps, [FIRST_CHANNELS], axis=2):
        flat = part.reshape(-1, part.shape[2])
        flat = (flat - flat.mean(0)) / np.maximum(flat.std(0), 1e-6)
        _, axes = np.linalg.eigh((flat.T @ flat).astype(float))
        found.append(flat @ axes[:, ::-1][:, :COMPONENTS])
    joined = np.concatenate(found, axis=1)
    return joined.reshape(*maps.shape[:2], -1).astype(np.float32)
