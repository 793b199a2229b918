"""A whole pool by the commands people use: what train and ask take, cold and with features kept.

    python benchmarks/whole_pool.py [--images 1000] [--size 512] [--seconds 20] [--only-cold]
                                    [--small] [--json]

Draws images, runs `askmask init` without a setting, `train`, then `ask` three times from the same
model: with nothing kept on disk, with another strategy, and with another number of samples. Each
command is a process of its own, on as many cores as it takes; its wall and processor seconds and
its peak memory are printed. The user's cache folder is a new one.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from askmask.data.drawn.demo import draw_tissue
from askmask.seeds import numpy_generator

MASKED = 8
"""Images whose masks are known, two of which become validation images."""
CLASSES = "background,gland,vessel"


@dataclass(frozen=True)
class Command:
    """What one command took."""

    name: str
    wall_s: float
    processor_s: float
    peak_mb: float


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the training")
    parser.add_argument("--only-cold", action="store_true", help="ask once, with nothing kept")
    parser.add_argument("--small", action="store_true", help="24 images of 128 x 128, 3 seconds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.small:
        options.images, options.size, options.seconds = 24, 128, 3.0
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # in another process: what this one held would count as the peak of those it starts
        drawing = get_context("spawn").Process(
            target=draw, args=(root, options.images, options.size)
        )
        drawing.start()
        drawing.join()
        rows = measure(root, options.seconds, only_cold=options.only_cold)
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    print(f"{options.images} images of {options.size} x {options.size}, {os.cpu_count()} cores\n")
    print("| command | wall s | processor s | peak MB |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.name} | {row.wall_s:.1f} | {row.processor_s:.1f} | {row.peak_mb:.0f} |")


def draw(root: Path, n_images: int, size: int) -> None:
    """Write images that all differ: windows of one large drawing, turned and tinted."""
    (root / "images").mkdir()
    (root / "masks").mkdir()
    pixels, mask = draw_tissue(0, 2 * size, 2 * size)
    generator = numpy_generator(0, "whole pool")
    for number in range(n_images):
        row, col, turns = generator.integers([size + 1, size + 1, 4])
        tint = generator.uniform(0.8, 1.0, 3)
        window = np.rot90(pixels[row : row + size, col : col + size], turns)
        Image.fromarray((window * tint).astype(np.uint8)).save(
            root / "images" / f"{number:05}.png", compress_level=1
        )
        if number < MASKED:
            labels = np.rot90(mask.labels[row : row + size, col : col + size], turns)
            Image.fromarray(labels.astype(np.uint8)).save(root / "masks" / f"{number:05}.png")


def measure(root: Path, seconds: float, *, only_cold: bool) -> list[Command]:
    """Run the commands one after the other."""
    project = root / "project"
    images, masks = root / "images", root / "masks"
    given = f"--images {images} --masks {masks} --classes {CLASSES} --kind index".split()
    rows = [
        run(
            root,
            "init",
            "init",
            project,
            *given,
            f"training.seconds={seconds}",
            "sampling.samples=30",
        )
    ]
    rows.append(run(root, f"train, {seconds:g} s", "train", project))
    others = {
        "ask, nothing kept": {},
        "ask, another strategy": {"query.acquisition": "mutual_information"},
        "ask, 15 samples": {"sampling.samples": 15},
    }
    for name, settings in list(others.items())[: 1 if only_cold else None]:
        copy = root / "asked"
        shutil.copytree(project, copy)
        change(copy / "askmask.yaml", settings)
        rows.append(run(root, name, "ask", copy))
        shutil.rmtree(copy)
    return rows


def change(path: Path, settings: dict[str, object]) -> None:
    """Set dotted keys of a project's settings."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key, value in settings.items():
        section, name = key.split(".")
        tree[section][name] = value
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")


def run(root: Path, name: str, verb: str, project: Path, *arguments: str) -> Command:
    """Run a command and say what it took; ends the program if it fails."""
    command = [sys.executable, "-m", "askmask", verb, str(project), *arguments]
    environment = {**os.environ, "XDG_CACHE_HOME": str(root / "cache")}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{' '.join(command)} failed.")
    wall = time.perf_counter() - started
    return Command(name, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
