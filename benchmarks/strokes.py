"""How many strokes a region costs: brush, patches, and strokes that are spread over the region.

    python benchmarks/strokes.py DATASET [DATASET ...] [--frozen] [--noise 0.5] [--out table.csv]

A scripted person labels regions of prepared data sets until 95 % of the pixels are right, and looks
for the largest wrong place before every stroke. The hand misses by a part of a pixel (`--noise`,
normal, the same for a whole stroke: half a pixel is some three on the screen, as the page shows a
region of 128), and lifts after 40 pixels of way: a longer way counts as more strokes. With brush
and patches the person first fills the region with its commonest class (one stroke), then goes over
the wrong place: with the widest brush that fits, or over the patches that lie mostly in it; the
page's brush has 12 pixels until somebody changes it, so that is measured, too. With the smart brush
every class that covers 2 % of the region gets one short line, then the largest wrong place does, as
long as a line brings 1 % of the pixels; then what there is is kept and the brush does the rest. A
person does not plan so well with any of them.

`--frozen` adds a smart brush whose patches know the frozen features of the default network, too:
the maps of its encoder at strides 4 and 8, as a worker keeps them on disk, each as its first eight
principal components within the region.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch.nn import functional

from askmask.assist.patches import cut_patches
from askmask.assist.spread import spread
from askmask.config import ModelConfig
from askmask.data.prepared import PreparedSource
from askmask.models.build import build_model
from askmask.records import UNLABELLED
from askmask.sampling.feature_store import FeatureStore
from askmask.sampling.predictors import MonteCarloDropout

ENOUGH = 0.95
MOST_STROKES = 200
LEAST_SHARE = 0.02
LEAST_GAIN = 0.01
LINE = 40
THICKNESS = 1.5
NARROW = "brush of 12 px"
TOOLS = ("brush", NARROW, "patches", "smart")
FROZEN = "smart, frozen features"
STRIDES = (4, 8)
COMPONENTS = 8
FIRST_CHANNELS = 24  # of the map at stride 4

Mask = npt.NDArray[np.bool_]
Maps = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int16]
Row = dict[str, object]


@dataclass(frozen=True)
class Place:
    """A region: its pixels, its labels, and features (H, W, D) where they are wanted."""

    pixels: npt.NDArray[np.uint8]
    truth: Labels
    features: Maps | None


class Person:
    """Somebody who knows the truth and has an unsteady hand."""

    def __init__(self, place: Place, seed: int, noise: float):
        self.pixels, self.truth, self.noise = place.pixels, place.truth, noise
        self.features = place.features
        self.known = self.truth != UNLABELLED
        self.random = np.random.default_rng(seed)
        self.labels = np.full_like(self.truth, UNLABELLED)
        self.widest = float("inf")  # radius of a brush
        self.strokes = 0
        self.length = 0.0
        self.seconds: list[float] = []

    @property
    def share(self) -> float:
        """Share of the known pixels that are right."""
        return float((self.labels == self.truth)[self.known].mean())

    def use(self, tool: str) -> None:
        """Label until enough is right."""
        is_smart = tool in {"smart", FROZEN}
        if tool == NARROW:
            self.widest = 6.0
        if tool != FROZEN:
            self.features = None
        act: Callable[[Mask, int], None] = self.smart
        if is_smart:
            self.begin_smart()
        else:
            act = self.paint_patches if tool == "patches" else self.brush
            self.begin_filled()
        self.share_begun = self.share
        while self.share < ENOUGH and self.strokes < MOST_STROKES:
            before = self.share
            act(*self.worst())
            if is_smart and self.share < before + LEAST_GAIN:
                act = self.brush

    def worst(self) -> tuple[Mask, int]:
        """Largest wrong place of one class, and the class."""
        wrong = self.known & (self.labels != self.truth)
        best, best_class, size = wrong, 0, 0
        for value in np.unique(self.truth[wrong]):
            place, pixels = largest(wrong & (self.truth == value))
            if pixels > size:
                best, best_class, size = place, int(value), pixels
        return best, best_class

    def begin_filled(self) -> None:
        """Fill with the commonest class."""
        self.patches = cut_patches(self.pixels)
        self.labels[:] = np.bincount(self.truth[self.known]).argmax()
        self.strokes += 1

    def begin_smart(self) -> None:
        """One line in each class."""
        began = time.perf_counter()
        more = None if self.features is None else components(self.features)
        self.patches = cut_patches(self.pixels, more)
        self.prepared = time.perf_counter() - began
        self.drawn = np.full_like(self.truth, UNLABELLED)
        shares = np.bincount(self.truth[self.known]) / self.known.sum()
        for value in np.flatnonzero(shares >= LEAST_SHARE):
            self.line(largest(self.truth == value)[0], int(value))
        self.spread()

    def go(self, way: float) -> None:
        """Count a way; the hand lifts after `LINE` pixels."""
        self.strokes += max(1, round(way / LINE))
        self.length += way

    def miss(self) -> tuple[int, int]:
        """How far the hand is off in this stroke."""
        row, col = np.rint(self.random.normal(0, self.noise, 2)).astype(int)
        return int(row), int(col)

    def brush(self, place: Mask, value: int) -> None:
        """Go over a place with the widest brush that fits."""
        depth = ndimage.distance_transform_edt(np.pad(place, 1))[1:-1, 1:-1]
        radius = max(0.7, min(self.widest, 0.7 * float(depth.max())))
        path = depth >= min(radius, float(depth.max()))
        painted = ndimage.distance_transform_edt(~path) < radius
        self.labels[moved(painted, self.miss())] = value
        self.go(float(painted.sum()) / (2 * radius))

    def paint_patches(self, place: Mask, value: int) -> None:
        """Go over the patches that lie mostly in a place; a brush where there are none."""
        ids = self.patches.ids
        hit = moved(place, self.miss())
        inside = np.bincount(ids[hit], minlength=self.patches.count)
        chosen = np.flatnonzero(inside > 0.5 * np.bincount(ids.ravel(), minlength=len(inside)))
        if len(chosen) == 0 or not (self.labels != value)[np.isin(ids, chosen)].any():
            self.brush(place, value)
            return
        self.labels[np.isin(ids, chosen)] = value
        self.go(len(chosen) * float(np.sqrt(ids.size / self.patches.count)))

    def smart(self, place: Mask, value: int) -> None:
        """Draw a short line in the middle of a place."""
        self.line(place, value)
        self.spread()

    def line(self, place: Mask, value: int) -> None:
        """Draw from the deepest point of a place to another deep one."""
        depth = ndimage.distance_transform_edt(np.pad(place, 1))[1:-1, 1:-1]
        start = np.array(np.unravel_index(depth.argmax(), depth.shape))
        deep = np.argwhere(depth >= max(1, 0.5 * depth.max()))
        away = np.hypot(*(deep - start).T)
        end = deep[np.where(away <= LINE, away, -1).argmax()]
        steps = np.linspace(0, 1, 2 * LINE)[:, None]
        points = start + steps * (end - start)
        inside = place[tuple(np.rint(points).astype(int).T)]
        points = points[: int(np.argmin(inside)) if not inside.all() else len(points)]
        canvas = np.ones(place.shape, bool)
        at = np.rint(points + self.miss()).astype(int)
        at = at[((at >= 0) & (at < place.shape)).all(1)]
        canvas[tuple(at.T)] = False
        if len(at) > 0:
            self.drawn[ndimage.distance_transform_edt(canvas) <= THICKNESS] = value
        self.go(float(np.hypot(*(points[-1] - start))) + 1)

    def spread(self) -> None:
        """Let the strokes be spread."""
        began = time.perf_counter()
        self.labels = spread(self.patches, self.drawn)
        self.seconds.append(time.perf_counter() - began)


def largest(mask: Mask) -> tuple[Mask, int]:
    """Largest connected part of a mask and its pixels."""
    parts, count = ndimage.label(mask)
    if count == 0:
        return mask, 0
    sizes = np.bincount(parts.ravel())[1:]
    return parts == sizes.argmax() + 1, int(sizes.max())


def moved(mask: Mask, by: tuple[int, int]) -> Mask:
    """Mask moved by rows and columns; what leaves is gone."""
    return np.asarray(ndimage.shift(mask.astype(np.uint8), by, order=0), bool)


class Frozen:
    """Features of the default network that no training changes, as a worker keeps them."""

    def __init__(self, folder: Path) -> None:
        network = build_model(ModelConfig(), 2, 0).eval()
        self._predictor = MonteCarloDropout(network, 1, features=FeatureStore(folder, 10**11))

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


def regions(
    source: PreparedSource, options: argparse.Namespace, frozen: Frozen | None
) -> list[Place]:
    """Regions of the data set in which at least two classes have 5 % each."""
    random, side = np.random.default_rng(0), options.side
    images = [
        info for info in source.images() if info.has_mask and min(info.height, info.width) >= side
    ]
    found: list[Place] = []
    for _ in range(50 * options.regions):
        info = images[random.integers(len(images))]
        row, col = (int(random.integers(n - side + 1)) for n in (info.height, info.width))
        mask = source.read_mask(info.image_id)
        truth = mask.labels[row : row + side, col : col + side].astype(np.int16)
        known = truth[truth != UNLABELLED]
        if known.size < truth.size / 2 or (np.bincount(known) >= 0.05 * known.size).sum() < 2:
            continue
        image = source.read_image(info.image_id)
        features = None if frozen is None else frozen.of(image, row, col, side)
        pixels = np.ascontiguousarray(image[row : row + side, col : col + side])
        found.append(Place(pixels, truth, features))
        if len(found) == options.regions:
            break
    return found


def measure(path: Path, options: argparse.Namespace) -> list[Row]:
    """One row for each tool."""
    with tempfile.TemporaryDirectory(prefix="askmask-bench-") as folder:
        frozen = Frozen(Path(folder)) if options.frozen else None
        found = regions(PreparedSource(path), options, frozen)
    rows = []
    for tool in (*TOOLS, *([FROZEN] if options.frozen else [])):
        people = [Person(place, seed, options.noise) for seed, place in enumerate(found)]
        for person in people:
            person.use(tool)
        rows.append({"data": path.name, "noise": options.noise, "tool": tool, **summary(people)})
        print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    return rows


def summary(people: list[Person]) -> Row:
    """What the people of one tool needed."""
    seconds = sorted(s for person in people for s in person.seconds)
    late = 1000 * seconds[int(0.95 * (len(seconds) - 1))] if seconds else float("nan")
    cut = [1000 * person.prepared for person in people if person.seconds]
    return {
        "regions": len(people),
        "reached": sum(person.share >= ENOUGH for person in people),
        "strokes_median": statistics.median(person.strokes for person in people),
        "strokes_mean": round(statistics.mean(person.strokes for person in people), 1),
        "share_begun_mean": round(statistics.mean(person.share_begun for person in people), 3),
        "length_mean": round(statistics.mean(person.length for person in people)),
        "cut_ms_median": round(statistics.median(cut), 1) if cut else float("nan"),
        "spread_ms_p95": round(late, 1),
    }


def main() -> None:
    """Measure, print, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--regions", type=int, default=40)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--noise", type=float, default=0.5, help="Pixels a stroke is off.")
    parser.add_argument("--frozen", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [row for path in options.datasets for row in measure(path, options)]
    if options.out is not None:
        with options.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
