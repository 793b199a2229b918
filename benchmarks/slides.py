"""A slide of 100,000 x 80,000 pixels through the loop: memory, time, and going on after kill -9.

    python benchmarks/slides.py [--small] [--json FILE] [--keep FOLDER] [--no-kills]

Writes a pyramid of drawn tissue on glass (0.25 micrometres per pixel, levels of 1, 1/2, 1/8 and
1/32), makes a project of it at 1 micrometre, and runs the commands that people run, each as a
process of its own: a query, ten answers, a training, a query by the model, and the prediction of a
part of 20,000 x 20,000 pixels. Each command is first killed (signal 9) on its way, after so much
work of its own that a busy machine kills it at the same place, and then repeated; the peak memory
of every process is printed. At the end the prediction is made once more without a kill, and once by
two workers of a cluster of this machine; all files must be the same.
"""

import argparse
import contextlib
import filecmp
import io
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

TILE = 512
KINDS = 16
"""Different tiles of tissue; the slide repeats them in a drawn order."""
STEPS = (1, 2, 8, 32)
ANSWERS = 10
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Command:
    """What one process took; `killed` ones were ended by signal 9."""

    name: str
    killed: bool
    wall_s: float
    processor_s: float
    peak_mb: float


@dataclass(frozen=True)
class Kill:
    """When a command is killed: files of a pattern are there, and it has worked for so long."""

    sign: str
    processor_s: float


KILLS = {
    "init": Kill(".project-unfinished-*/slides/tissue", 0.0),
    "ask, cold": Kill("project", 15.0),
    "tell": Kill("project", 1.5),
    "train": Kill("project", 10.0),
    "ask": Kill("project", 30.0),
    "predict": Kill("out/.unfinished/00000/band_*.npz", 0.0),
}


class Slide:
    """Which tile lies where: a number of a kind of tissue, or -1 for glass."""

    def __init__(self, height: int, width: int, seed: int = 0) -> None:
        self.size = height, width
        rows, cols = -(-height // TILE), -(-width // TILE)
        generator = np.random.default_rng(seed)
        y, x = np.mgrid[0:rows, 0:cols]
        inside = np.zeros((rows, cols), np.bool_)
        for _ in range(5):  # pieces of tissue
            centre = generator.uniform(0.2, 0.8, 2) * (rows, cols)
            radii = generator.uniform(0.08, 0.22, 2) * (rows, cols)
            inside |= ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1
        self.kinds = np.where(inside, generator.integers(0, KINDS, inside.shape), -1)
        from askmask.data.drawn.demo import draw_tissue  # large, and only the writer needs it

        side = TILE * 4
        drawn, _ = draw_tissue(seed, side // 4, side // 4)
        large = np.asarray(Image.fromarray(drawn).resize((side, side), Image.Resampling.BICUBIC))
        self.tiles = [
            large[r : r + TILE, c : c + TILE]
            for r in range(0, side, TILE)
            for c in range(0, side, TILE)
        ]
        self.glass = np.full((TILE, TILE, 3), 242, np.uint8)

    @cache  # noqa: B019 - one slide a process
    def small(self, kind: int, step: int) -> Pixels:
        """Return a tile at a level."""
        tile = self.glass if kind < 0 else self.tiles[kind]
        return np.asarray(Image.fromarray(tile).reduce(step))

    def packed(self, step: int) -> Iterator[bytes]:
        """JPEG of every tile of a level, in reading order."""
        known: dict[bytes, bytes] = {}
        rows, cols = (-(-side // (TILE * step)) for side in self.size)
        for row in range(rows):
            for col in range(cols):
                kinds = self.kinds[row * step : (row + 1) * step, col * step : (col + 1) * step]
                key = np.ascontiguousarray(kinds).tobytes() + bytes(kinds.shape)
                packed = known.get(key) or jpeg(self.composed(kinds, step))
                if step == 1 or (kinds < 0).all():  # the others come once
                    known[key] = packed
                yield packed

    def composed(self, kinds: npt.NDArray[np.int64], step: int) -> Pixels:
        """Pixels of a tile of a level."""
        side = TILE // step
        out = np.full((TILE, TILE, 3), 242, np.uint8)
        for (row, col), kind in np.ndenumerate(kinds):
            out[row * side : (row + 1) * side, col * side : (col + 1) * side] = self.small(
                int(kind), step
            )
        return out


def jpeg(pixels: Pixels) -> bytes:
    """Baseline JPEG without subsampling."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80, subsampling=0)
    return file.getvalue()


def write_slide(path: Path, height: int, width: int) -> None:
    """Write the pyramid as OME-TIFF."""
    slide = Slide(height, width)
    how = {"dtype": np.uint8, "tile": (TILE, TILE), "photometric": "ycbcr", "compression": "jpeg"}
    micrometres = {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    with tifffile.TiffWriter(path, bigtiff=True, ome=True) as writer:
        for step in STEPS:
            shape = (*(-(-side // step) for side in slide.size), 3)
            extra: dict[str, object] = {"subfiletype": 1, "metadata": None}
            if step == 1:
                metadata = {"axes": "YXS", **micrometres, **units}
                extra = {"subifds": len(STEPS) - 1, "metadata": metadata}
            tiles = slide.packed(step)
            writer.write(tiles, shape=shape, subsampling=(1, 1), **how, **extra)


def run(root: Path, name: str, *words: object, kill: Kill | None = None) -> Command:
    """Run a command, or kill it; ends the program if one that is not killed fails."""
    command = [sys.executable, "-m", "askmask", *(str(word) for word in words)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(root / "cache")}
    started = time.perf_counter()
    with (root / "log.txt").open("a") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    if kill is not None:
        while not is_due(kill, root, processor_s(process.pid)):
            time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if kill is not None and process.returncode != -signal.SIGKILL:
        sys.exit(f"{name} ended before it was killed: kill it earlier.")
    if kill is None and process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{(root / 'log.txt').read_text()[-3000:]}")
    wall = time.perf_counter() - started
    killed = process.returncode == -signal.SIGKILL
    row = Command(name, killed, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
    print(f"{name}{' (killed)' if killed else ''}: {wall:.0f} s, {row.peak_mb:.0f} MB", flush=True)
    return row


def is_due(kill: Kill, root: Path, used_s: float) -> bool:
    """Whether a command is to be killed now; also if it ended before."""
    return used_s == float("inf") or (used_s >= kill.processor_s and any(root.glob(kill.sign)))


def processor_s(pid: int) -> float:
    """Seconds of processor that a process has used; endless once it has ended."""
    cells = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    used = (int(cells[11]) + int(cells[12])) / os.sysconf("SC_CLK_TCK")
    return float("inf") if cells[0] == "Z" else used


def answer(project: Path, round: int) -> int:
    """Paint the masks of a query from the colours, as a person would; returns how many."""
    folder = project / "queries" / f"round_{round:03d}"
    painted = 0
    for context in sorted(folder.glob("*_context.png")):
        stem = context.name.removesuffix("_context.png")
        pixels = np.asarray(Image.open(folder / f"{stem}.png")).astype(int)
        purple = (pixels[:, :, 2] - pixels[:, :, 1] > 45).astype(np.uint8)
        Image.fromarray(purple).save(folder / f"{stem}_mask.png")
        painted += 1
    return painted


def measure(
    root: Path, slide: Path, part: str, kills: dict[str, Kill], first: str = "init"
) -> list[Command]:
    """Run the loop from a command on; each first killed, if `kills` says when, and then whole."""
    project, out = root / "project", root / "out"
    settings = [f"query.region.budget_regions={ANSWERS}", "sampling.samples=10"]
    named = ["--slides", slide, "--classes", "background,gland", "data.mpp=1.0", *settings]
    steps: list[tuple[str, list[object]]] = [
        ("init", ["init", project, *named]),
        ("ask, cold", ["ask", project]),
        ("tell", ["tell", project]),
        ("train", ["train", project]),
        ("ask", ["ask", project]),
        ("predict", ["predict", project, slide, out, "--part", part]),
    ]
    rows: list[Command] = []
    names = [name for name, _ in steps]
    for name, words in steps[names.index(first) :]:
        if name in kills:
            rows.append(run(root, name, *words, kill=kills[name]))
        rows.append(run(root, name, *words))
        if name == "ask, cold" and answer(project, 1) != ANSWERS:
            sys.exit(f"expected {ANSWERS} regions to answer.")
    return rows


def check_same(root: Path, slide: Path, part: str) -> list[Command]:
    """Predict again, here and on a cluster; ends the program unless the files are the same."""
    rows = []
    for name, words in (("at once", []), ("on local:2", ["--cluster", "local:2"])):
        out = root / name.replace(" ", "-")
        predict = ("predict", root / "project", slide, out, "--part", part)
        rows.append(run(root, f"predict, {name}", *predict, *words))
        for path in (path for path in (root / "out").rglob("*") if path.is_file()):
            other = out / path.relative_to(root / "out")
            if not filecmp.cmp(path, other, shallow=False):
                sys.exit(f"expected {other.name} as it was written first, got another.")
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="12,000 x 10,000 pixels")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work there, leave it there")
    parser.add_argument("--no-kills", action="store_true")
    parser.add_argument(
        "--first", default="init", metavar="COMMAND", help="go on in FOLDER from there, such as ask"
    )
    options = parser.parse_args()
    size = (10_000, 12_000) if options.small else (80_000, 100_000)
    part = "2000,2000,5000,5000" if options.small else "30000,40000,20000,20000"
    root = options.keep or Path(tempfile.mkdtemp())
    root.mkdir(parents=True, exist_ok=True)
    try:
        path = root / "slide.ome.tif"
        if not path.is_file():
            started = time.perf_counter()
            # In a process of its own: a child's peak counts what its parent held when it began.
            writer = multiprocessing.get_context("spawn").Process(
                target=write_slide, args=(path, *size)
            )
            writer.start()
            writer.join()
            megabytes = path.stat().st_size / 2**20
            print(f"wrote {megabytes:.0f} MB in {time.perf_counter() - started:.0f} s", flush=True)
        kills = {} if options.no_kills else KILLS
        rows = measure(root, path, part, kills, options.first)
        rows += check_same(root, path, part)
    finally:
        if options.keep is None:
            shutil.rmtree(root)
    print("\n| command | killed | wall s | processor s | peak MB |\n|---|---|---|---|---|")
    for row in rows:
        cells = f"{'yes' if row.killed else ''} | {row.wall_s:.0f} | {row.processor_s:.0f}"
        print(f"| {row.name} | {cells} | {row.peak_mb:.0f} |")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
