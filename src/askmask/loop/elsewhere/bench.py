"""What a job elsewhere needs of a project: settings, a model's files, and where images come from.

A job never opens a project's own folder. It opens a folder of its own with the model's files in
it, so that only the process that asked for the work writes to the store.
"""

import pickle
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from askmask.config import Config, with_overrides
from askmask.data.prepared import PreparedSource
from askmask.data.ranges import RangeRule
from askmask.data.source import Pixels, Source
from askmask.errors import SourceError
from askmask.loop.project import START, Project
from askmask.loop.round_model import RoundModel
from askmask.records import ClassMap, ImageInfo, Mask
from askmask.runtime.contents import digest, kept

_open: Final[dict[str, Any]] = {}  # Any: the one bench that this process has open


@dataclass(frozen=True, slots=True)
class BenchFile:
    """A file of the model: its path below the project, its digest, and where it is here."""

    name: str
    digest: str
    path: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What a source says of itself without an image being read."""

    classes: ClassMap
    images: tuple[ImageInfo, ...]
    scale: float = 1.0
    value_range: RangeRule | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What every job of one piece of work needs; small, since it travels with each of them.

    Attributes
    ----------
    config : Config
        The project's settings; paths are absolute.
    round : int
        Whose model works.
    files : tuple of BenchFile
        The model's.
    facts : BenchFile or None
        `Facts` of the source, pickled, if images are sent; else jobs open the source themselves.
    """

    config: Config
    round: int
    files: tuple[BenchFile, ...]
    facts: BenchFile | None = None

    @property
    def name(self) -> str:
        """Digest of everything in it."""
        return digest(
            pickle.dumps((self.config.model_dump_json(), self.round, self.files, self.facts))
        )


@dataclass(frozen=True, slots=True)
class Kit:
    """A bench, and the contents that must be at every worker before its first job."""

    bench: Bench
    contents: Sequence[bytes] = ()


@dataclass(slots=True)
class SentSource:
    """Images and masks that came with a job, behind the contract of a `Source`."""

    facts: Facts
    pixels: Mapping[str, Pixels] = field(default_factory=dict)
    masks: Mapping[str, Mask | None] = field(default_factory=dict)

    @property
    def classes(self) -> ClassMap:
        """Names of the classes in index order."""
        return self.facts.classes

    @property
    def scale(self) -> float:
        """Factor by which images were shrunk."""
        return self.facts.scale

    @property
    def value_range(self) -> RangeRule | None:
        """What became black and white."""
        return self.facts.value_range

    def images(self) -> tuple[ImageInfo, ...]:
        """Every image of the project, sent or not."""
        return self.facts.images

    def read_image(self, image_id: str) -> Pixels:
        """Image that was sent."""
        if image_id not in self.pixels:
            raise SourceError(f"expected image {image_id!r} to be sent with the job, but it is not")
        return self.pixels[image_id].copy()

    def read_mask(self, image_id: str) -> Mask | None:
        """Mask that was sent."""
        return self.masks[image_id]


def kit_of(model: RoundModel, *, with_facts: bool) -> Kit:
    """Bench of a round's model, and what must be sent for it.

    Parameters
    ----------
    model : RoundModel
        Its files must exist.
    with_facts : bool
        Whether jobs know the images from what is sent, instead of from the source.
    """
    project, config = model.project, model.config
    if config.data.path is not None:
        config = with_overrides(config, {"data.path": str(config.data.path.resolve())})
    paths = [] if model.round == START else project.model_paths(model.round)
    paths += [project.recalibration_path(model.round)] if model.round != START else []
    contents = {path: path.read_bytes() for path in paths if path.is_file()}
    files = tuple(
        BenchFile(str(path.relative_to(project.root)), digest(content), str(path.resolve()))
        for path, content in contents.items()
    )
    if not with_facts:
        return Kit(Bench(config, model.round, files), tuple(contents.values()))
    facts = pickle.dumps(_facts(project.source))
    sent = BenchFile("facts", digest(facts), "")
    return Kit(Bench(config, model.round, files, sent), (*contents.values(), facts))


def open_bench(bench: Bench) -> Project:
    """Project of a bench in this process; the same one until another bench is opened."""
    if _open.get("name") != bench.name:
        close_bench()
        folder = Path(tempfile.mkdtemp(prefix="askmask-bench-"))
        for file in bench.files:
            target = folder / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(kept(file.digest) or file.path)
        source: Source | None = None
        if bench.facts is not None:
            sent = kept(bench.facts.digest)
            assert sent is not None, "an executor sends the contents of a kit first"
            source = SentSource(pickle.loads(sent.read_bytes()))  # noqa: S301 - the driver's own
        _open.update(name=bench.name, folder=folder, project=Project(folder, bench.config, source))
    project: Project = _open["project"]
    return project


def close_bench() -> None:
    """Close the bench that this process has open, if any, and delete its folder."""
    if _open:
        _open["project"].close()
        shutil.rmtree(_open["folder"], ignore_errors=True)
        _open.clear()


def _facts(source: Source) -> Facts:
    if isinstance(source, PreparedSource):
        return Facts(source.classes, source.images(), source.scale, source.value_range)
    return Facts(source.classes, source.images())
