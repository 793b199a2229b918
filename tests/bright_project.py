"""A project of dark images with a bright rectangle each, and an assistant whose masks are known."""

from pathlib import Path

import numpy as np

from askmask.config import parse_config
from askmask.data.prepared import DatasetWriter, PreparedSource
from askmask.data.source import MemorySource, Source
from askmask.loop.project import Project
from askmask.records import ClassMap, ImageInfo, Query, QueryItem, Region, Unit
from askmask.serve.embedder import Embedder
from onnx_pair import write_pair

HEIGHT, WIDTH = 64, 128
BRIGHT = (slice(16, 48), slice(32, 96))
"""Rows and columns of the rectangle: multiples of 2, which the encoder's squares cover exactly."""


def bright_pixels(number: int = 0) -> np.ndarray:
    """Image of a number: each has its own dark shade."""
    pixels = np.full((HEIGHT, WIDTH, 3), 10 + number, np.uint8)
    pixels[BRIGHT] = 250
    return pixels


def bright_source(count: int) -> MemorySource:
    """So many images without masks; three classes."""
    infos = [ImageInfo(f"bright_{n}", HEIGHT, WIDTH, has_mask=False) for n in range(count)]
    items = {info.image_id: (info, bright_pixels(n), None) for n, info in enumerate(infos)}
    return MemorySource(ClassMap(("background", "dim", "bright")), items)


def bright_files(root: Path, count: int) -> PreparedSource:
    """Write the same as files."""
    memory = bright_source(count)
    with DatasetWriter(root, memory.classes, "bright rectangles") as writer:
        for info in memory.images():
            writer.add(info, memory.read_image(info.image_id), None)
    return PreparedSource(root)


def bright_project(
    root: Path, *, count: int = 4, source: Source | None = None, **assist: object
) -> Project:
    """Project that has asked one region of each image; settings `assist` beside the pair's own."""
    tree = {
        "data": {"path": str(root), "start": "none", "validation": 0},
        "assist": {**write_pair(root / "pair"), **assist},
        "threads": 1,
        "device": "cpu",
    }
    project = Project(root, parse_config(tree), source or bright_source(count))
    items = [QueryItem(n, region_of(n), 1.0, 48 * 96) for n in range(count)]
    project.store.add_query(Query(1, "random", Unit.REGION, tuple(items), None, 1.0))
    return project


def embed_all(project: Project) -> int:
    """Embed until nothing is missing; return how many there were."""
    embedder = Embedder(project)
    count = 0
    while embedder.serve_hands() or embedder.look_ahead():
        count += 1
    return count


def region_of(number: int) -> Region:
    """The region asked of an image: the rectangle lies at rows 8 to 40, columns 16 to 80 of it."""
    return Region(f"bright_{number}", 8, 16, 48, 96)


def bright_in_region() -> np.ndarray:
    """The rectangle in such a region."""
    mask = np.zeros((48, 96), bool)
    mask[8:40, 16:80] = True
    return mask
