"""Tiles of a slide as jobs for other processes and machines; what comes back of each is compact.

A job opens the slide itself, where the driver has it: slides are not sent.
"""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from askmask.data.slides.opening import open_tiled, slide_bytes, slide_file
from askmask.data.slides.resampled import Resampled, at_mpp
from askmask.data.slides.tiled_image import Box
from askmask.errors import AskmaskError, ClusterError, SourceError
from askmask.loop.elsewhere.bench import Bench, open_bench
from askmask.loop.elsewhere.shards import in_order, in_shards
from askmask.loop.elsewhere.workplace import Elsewhere
from askmask.loop.round_model import RoundModel
from askmask.loop.slides.blended import Values
from askmask.loop.slides.tiles import Output, predicted_tile
from askmask.runtime.executors import Executor

NOT_SENT: Final = (
    "Slides are not sent, since a slide has gigabytes and a job reads some megabytes of them"
)
_EARLY_BYTES: Final = 2**29  # of tiles that are finished before their turn
_FEWEST_EARLY: Final = 8
_held: Final[dict[str, Any]] = {}  # Any: the one slide that this process has open


@dataclass(frozen=True, slots=True)
class SlideFile:
    """A slide, and how it is looked at.

    Attributes
    ----------
    path : Path
        Absolute; the same on every machine.
    file_bytes : int
        Its size, so that another file of that name is noticed.
    own_mpp : float
        Micrometres per pixel of its first level.
    mpp : float
        Of the pixels that the network sees.
    """

    path: Path
    file_bytes: int
    own_mpp: float
    mpp: float


@dataclass(frozen=True, slots=True)
class TileJob:
    """A tile to predict.

    Attributes
    ----------
    slide : SlideFile
        Where it lies.
    name : str
        Of the slide.
    tile : Box
        With its overlap, in pixels that the network sees.
    beyond : int
        How far the network looks beyond it.
    settled : Box
        The part of the tile that no other one reaches, from the tile's own corner.
    output : Output
        What is made of it.
    """

    slide: SlideFile
    name: str
    tile: Box
    beyond: int
    settled: Box
    output: Output


@dataclass(frozen=True, slots=True)
class CompactTile:
    """What is predicted of a tile: its values where it fades into others, and what is kept inside.

    Attributes
    ----------
    settled : Box
        See `TileJob`.
    layers : bytes
        What `Output.finish` makes of the settled part, packed.
    rim : tuple of arrays
        Values above, below, left and right of it.
    """

    settled: Box
    layers: bytes
    rim: tuple[Values, Values, Values, Values]

    @classmethod
    def of(cls, values: Values, settled: Box, output: Output) -> "CompactTile":
        """From the values of a tile, (K, h, w)."""
        inside = values[:, *settled.slices]
        layers = output.finish(inside, np.ones(inside.shape[1:], np.bool_))
        rows = slice(settled.row, settled.bottom)
        rim = (
            values[:, : settled.row],
            values[:, settled.bottom :],
            values[:, rows, : settled.col],
            values[:, rows, settled.right :],
        )
        above, below, left, right = (part.copy() for part in rim)
        packed = zlib.compress(layers.tobytes(), 1)
        return cls(settled, packed, (above, below, left, right))

    def values(self, output: Output) -> Values:
        """Values of the tile, of which `Output.finish` makes what it made of the true ones."""
        above, below, left, right = self.rim
        shape = output.n_layers, self.settled.height, self.settled.width
        layers = np.frombuffer(zlib.decompress(self.layers), np.uint8).reshape(shape)
        middle = np.concatenate([left, output.values_of(layers), right], 2)
        return np.concatenate([above, middle, below], 1)


@contextmanager
def jobs_of(
    model: RoundModel, slides: Sequence[Path], elsewhere: Elsewhere | None
) -> Iterator[tuple[Executor, Bench] | None]:
    """Executor for the tiles of slides, and its bench; None where there is no elsewhere.

    Raises
    ------
    ConfigError
        If images are to be sent.
    """
    if elsewhere is None:
        yield None
        return
    seen = tuple(slide_file(path).absolute() for path in slides)
    with elsewhere.at_work(model, seen, with_facts=True, why_not_sent=NOT_SENT) as jobs:
        try:
            yield jobs
        finally:
            _close_slide()


def predict_tile(bench: Bench, job: TileJob) -> CompactTile:
    """Predict one tile with the model of a bench."""
    model = open_bench(bench).model(bench.round)
    values = predicted_tile(
        model, _view(job.slide), job.tile, job.beyond, name=job.name, output=job.output
    )
    return CompactTile.of(values, job.settled, job.output)


def tiles_by_jobs(jobs: tuple[Executor, Bench], tiles: Sequence[TileJob]) -> Iterator[Values]:
    """Values of tiles in their order; at most half a gigabyte of later ones is held.

    Raises
    ------
    SourceError
        If a tile cannot be predicted: its reason, and where it lies.
    """
    executor, bench = jobs
    if not tiles:
        return
    ahead = max(_EARLY_BYTES // max(map(_bytes_of, tiles)), _FEWEST_EARLY)
    done = in_shards(executor, predict_tile, bench, tiles, parts=len(tiles), ahead=ahead)
    for item in in_order(done):
        if item.problem is not None:
            raise _told(item.problem, tiles[item.place])
        assert item.result is not None, "a result or a problem"
        yield item.result.values(tiles[item.place].output)


def _bytes_of(job: TileJob) -> int:
    """Bytes that a compact tile has at most."""
    inside = job.settled.height * job.settled.width
    rim = job.tile.height * job.tile.width - inside
    return 4 * job.output.n_values * rim + job.output.n_layers * inside


def _told(problem: AskmaskError, job: TileJob) -> SourceError:
    if isinstance(problem, SourceError):
        return problem
    place = f"rows {job.tile.row} to {job.tile.bottom}, columns {job.tile.col} to {job.tile.right}"
    kind = "on a worker" if isinstance(problem, ClusterError) else "there"
    return SourceError(
        f"{place} at {job.slide.mpp:g} micrometres per pixel failed {kind}: {problem}"
    )


def _view(slide: SlideFile) -> Resampled:
    """View of a slide in this process; the same one until another slide is looked at."""
    if _held.get("slide") != slide:
        _close_slide()
        here = slide_bytes(slide.path)
        if here != slide.file_bytes:
            found = "none" if here is None else f"{here:,}"
            raise SourceError(
                f"expected {str(slide.path)!r} with {slide.file_bytes:,} bytes on every machine, "
                f"found {found}. {NOT_SENT}: put it on a disk that all machines see."
            )
        image = open_tiled(slide.path)
        _held.update(slide=slide, image=image, view=at_mpp(image, slide.mpp, slide.own_mpp))
    view: Resampled = _held["view"]
    return view


def _close_slide() -> None:
    """Close the slide that this process has open, if any."""
    if _held:
        with closing(_held["image"]), closing(_held["view"]):
            _held.clear()
