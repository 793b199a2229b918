"""What a model of few labels says of images that it has not seen; used by `strokes.py`."""

import argparse
import tempfile
from dataclasses import dataclass
from functools import partial
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
from boxes import Pair
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
    pair: "Pair | None" = None

    def place(self, row: int, col: int, side: int) -> Place:
        """One region of it."""
        box = np.s_[row : row + side, col : col + side]
        return Place(
            np.ascontiguousarray(self.pixels[box]),
            self.labels[box].astype(np.int16),
            self.predicted[box].astype(np.int16),
            None if self.maps is None else self.maps.of(self.pixels, row, col, side),
            None if self.pair is None else partial(self.pair.propose, self.pixels, row, col, side),
        )


@dataclass(frozen=True)
class Few:
    """The default network of `askmask init`, and the few labelled images that it learns from."""

    path: Path
    tests: list[str]
    images: int
    seconds: float
    seed: int

    def config(self) -> Config:
        """Settings of `askmask init`."""
        data = f"{self.path}:{'+'.join(self.tests)}"
        return config_of(data, "init", self.seed, self.images, argparse.Namespace(set=[]))

    def region_side(self) -> int:
        """Side of the regions that `askmask init` sets."""
        return int(self.config().query.region.size[0])

    def seen_images(self, options: argparse.Namespace) -> list[Seen]:
        """Images of the test splits, as the network labels them.

        Kept in `options.kept`, if that is set, so that another run need not train again.
        """
        name = f"{self.path.name}-{self.images}-{self.seconds:.0f}-{self.seed}.npz"
        kept = None if options.kept is None else options.kept / name
        if kept is not None and kept.is_file():
            stored = dict(np.load(kept))
        else:
            stored = self.predicted()
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez(kept, **stored)
        frozen = Frozen() if options.frozen else None
        pair = None if options.pair is None else Pair(*options.pair)
        names = sorted(key.removesuffix("/pixels") for key in stored if key.endswith("/pixels"))
        return [Seen(*(stored[f"{n}/{of}"] for of in PARTS), frozen, pair) for n in names]

    def predicted(self) -> dict[str, npt.NDArray[np.generic]]:
        """Train, and predict the images of the test splits."""
        config = self.config()
        found: dict[str, npt.NDArray[np.generic]] = {}
        with tempfile.TemporaryDirectory(prefix="askmask-bench-") as folder:
            steps = planned_steps(config, Path(folder) / "tried", "images", self.seconds)
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
                    labels = predict_known(model, name).labels
                    parts = zip(
                        PARTS, (project.source.read_image(name), mask.labels, labels), strict=True
                    )
                    found |= {f"{name}/{of}": part for of, part in parts}
        print(f"{self.path.name}: {steps} steps of training", flush=True)
        return found


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
