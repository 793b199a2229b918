"""How many strokes a region costs: brush, patches, and strokes that are spread over the region.

    python benchmarks/strokes.py DATASET [DATASET ...] [--regions 40] [--side 128] [--out table.csv]

A scripted person labels regions of prepared data sets until 95 % of the pixels are right, and looks
for the largest wrong place before every stroke. The hand misses by a few pixels (`--noise`, normal,
the same for a whole stroke), and lifts after 40 pixels of way: a longer way counts as more strokes.
With brush and patches the person first fills the region with its commonest class (one stroke), then
goes over the wrong place: with the widest brush that fits, or over the patches that lie mostly in
it. With the smart brush every class that covers 2 % of the region gets one short line, then the
largest wrong place does, as long as a line brings 1 % of the pixels; then what there is is kept and
the brush does the rest. A person does not plan so well with any of them.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from askmask.assist.patches import cut_patches
from askmask.assist.spread import spread
from askmask.data.prepared import PreparedSource
from askmask.records import UNLABELLED

ENOUGH = 0.95
MOST_STROKES = 200
LEAST_SHARE = 0.02
LEAST_GAIN = 0.01
LINE = 40
THICKNESS = 1.5
TOOLS = ("brush", "patches", "smart")

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int16]
Row = dict[str, object]


class Person:
    """Somebody who knows the truth and has an unsteady hand."""

    def __init__(self, pixels: npt.NDArray[np.uint8], truth: Labels, seed: int, noise: float):
        self.pixels, self.truth, self.noise = pixels, truth, noise
        self.known = truth != UNLABELLED
        self.random = np.random.default_rng(seed)
        self.labels = np.full_like(truth, UNLABELLED)
        self.strokes = 0
        self.length = 0.0
        self.seconds: list[float] = []

    @property
    def share(self) -> float:
        """Share of the known pixels that are right."""
        return float((self.labels == self.truth)[self.known].mean())

    def use(self, tool: str) -> None:
        """Label until enough is right."""
        begin: dict[str, Callable[[], None]] = {"smart": self.begin_smart}
        act = {"brush": self.brush, "patches": self.paint_patches, "smart": self.smart}[tool]
        begin.get(tool, self.begin_filled)()
        while self.share < ENOUGH and self.strokes < MOST_STROKES:
            before = self.share
            act(*self.worst())
            if tool == "smart" and self.share < before + LEAST_GAIN:
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
        self.patches = cut_patches(self.pixels)
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
        radius = max(0.7, 0.7 * float(depth.max()))
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


def regions(
    source: PreparedSource, count: int, side: int
) -> list[tuple[npt.NDArray[np.uint8], Labels]]:
    """Regions of the data set in which at least two classes have 5 % each."""
    random = np.random.default_rng(0)
    images = [
        info for info in source.images() if info.has_mask and min(info.height, info.width) >= side
    ]
    found = []
    for _ in range(50 * count):
        info = images[random.integers(len(images))]
        row, col = (int(random.integers(n - side + 1)) for n in (info.height, info.width))
        mask = source.read_mask(info.image_id)
        truth = mask.labels[row : row + side, col : col + side].astype(np.int16)
        known = truth[truth != UNLABELLED]
        if known.size < truth.size / 2 or (np.bincount(known) >= 0.05 * known.size).sum() < 2:
            continue
        pixels = source.read_image(info.image_id)[row : row + side, col : col + side]
        found.append((np.ascontiguousarray(pixels), truth))
        if len(found) == count:
            break
    return found


def measure(path: Path, options: argparse.Namespace) -> list[Row]:
    """One row for each tool."""
    found = regions(PreparedSource(path), options.regions, options.side)
    rows = []
    for tool in TOOLS:
        people = [Person(*region, seed, options.noise) for seed, region in enumerate(found)]
        for person in people:
            person.use(tool)
        rows.append({"data": path.name, "side": options.side, "tool": tool, **summary(people)})
        print(" ".join(f"{name}={value}" for name, value in rows[-1].items()), flush=True)
    return rows


def summary(people: list[Person]) -> Row:
    """What the people of one tool needed."""
    seconds = sorted(s for person in people for s in person.seconds)
    late = 1000 * seconds[int(0.95 * (len(seconds) - 1))] if seconds else float("nan")
    return {
        "regions": len(people),
        "reached": sum(person.share >= ENOUGH for person in people),
        "strokes_median": statistics.median(person.strokes for person in people),
        "strokes_mean": round(statistics.mean(person.strokes for person in people), 1),
        "length_mean": round(statistics.mean(person.length for person in people)),
        "spread_ms_p95": round(late, 1),
    }


def main() -> None:
    """Measure, print, and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="+")
    parser.add_argument("--regions", type=int, default=40)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--noise", type=float, default=1.5)
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
