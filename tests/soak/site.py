"""The server under attack: a real process on a real project, and what it must not have done."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from askmask.config import parse_config
from askmask.data.prepared import DatasetWriter
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.records import ClassMap, ImageInfo
from discs import draw_discs
from server_processes import Server, serving

PATIENCE_SECONDS: Final = 600
"""How long the first training and query may take on a busy machine."""


def make_site(folder: Path, *, images: int = 6, side: int = 96, start: int | str = 1) -> Path:
    """Make a project with known masks to train on and many small regions to ask about.

    `start` is how many images have labels at first, or ``"none"``: then a cold start asks.
    """
    out = folder / "dataset"
    with DatasetWriter(out, ClassMap(("background", "disc")), "drawn discs") as writer:
        for number in range(images):
            image, mask = draw_discs(number, side)
            writer.add(ImageInfo(f"train_{number}", side, side), image, mask)
    tree: dict[str, object] = {
        "threads": 1,
        "device": "cpu",
        "data": {"path": str(out), "start": start, "validation": 1},
        "model": {"name": "unet", "options": {"base_channels": 8, "depth": 2}},
        "training": {"steps": 12, "batch_size": 2, "crop": 48, "checkpoint_every": 4},
        "sampling": {"samples": 3, "kept_features_mb": 0},
        "query": {"region": {"size": [16, 16], "stride": 8, "budget_regions": 40}},
        "serve": {"train_after": 30, "ahead": 20},
    }
    with Project.create(folder / "p", parse_config(tree)) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
    return folder / "p"


@contextmanager
def attacked(
    root: Path, *, with_worker: bool = False, descriptors: int | None = None
) -> Iterator[Server]:
    """Serve while the block attacks; afterwards look for tracebacks in what the server said."""
    log = root.parent / "server.log"
    with serving(root, with_worker=with_worker, descriptors=descriptors, log=log) as server:
        yield server
        assert server.process is not None
        assert server.process.poll() is None, "the server ended by itself"
    assert_no_traceback(log)


def assert_no_traceback(log: Path) -> None:
    """Fail with the first traceback that a server printed."""
    text = log.read_text(encoding="utf-8", errors="replace")
    start = text.find("Traceback (most recent call last)")
    assert start < 0, text[max(0, start - 500) : start + 4000]
    assert "Fatal Python error" not in text


def resident_mebibytes(process: int) -> float:
    """Memory that a process holds."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found.group(1)) / 1024
