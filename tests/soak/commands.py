"""Every command that writes, killed at its steps; what each needs, and what may be said after."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from askmask.formats.painted_files import item_stem
from askmask.loop.project import Project
from discs import draw_discs
from killed_commands import Campaign, Runner, running

SETTINGS: Final = (
    *("device=cpu", "threads=1", "training.seconds=null", "training.steps=4", "data.validation=1"),
    *("training.batch_size=1", "training.crop=32", "training.checkpoint_every=2"),
    *("sampling.samples=2", "sampling.kept_features_mb=0", "model.name=unet", "seed=3"),
    *("model.weights=random", "model.options={base_channels: 8, depth: 2}"),
    *("query.region.size=[16, 16]", "query.region.stride=16", "query.region.budget_regions=2"),
)
"""A project that trains in a moment, whatever the machine is like."""

_FOLDERS: Final = ("--images", "images", "--masks", "masks", "--classes", "ground,disc")
_PREPARE: Final = ("prepare", "folder", "data", *_FOLDERS, "--allow-missing-masks")
_GRID: Final = """\
name: grid
device: cpu
threads: 1
data: {path: data, start: 1, validation: 1, test: []}
model: {name: unet, options: {base_channels: 8, depth: 2}}
training: {steps: 3, batch_size: 1, crop: 32, checkpoint_every: 2}
sampling: {samples: 2, kept_features_mb: 0}
query: {region: {size: [16, 16], stride: 16, budget_regions: 1}}
grid:
  {acquisitions: [random, mutual_information], units: [region], seeds: [0], rounds: 1,
   bounds: false}
"""


@dataclass(frozen=True)
class Planned:
    """A command, the scene that it is killed in, and what its repetition may say.

    Attributes
    ----------
    scene : str
        One of `Scenes`.
    words : tuple of str
        The command, with the scene's folder as its working directory.
    said_whole : tuple of str
        Words of a refusal because everything is there.
    again : tuple of str
        Words that a refusal may ask for.
    """

    scene: str
    words: tuple[str, ...]
    said_whole: tuple[str, ...] = ()
    again: tuple[str, ...] = ()


_EXPORT = ("export", "p", "out", "--what", "answers", "--format")
PLANNED: Final[dict[str, Planned]] = {
    "prepare": Planned("images", _PREPARE, ("it holds a whole data set",)),
    "init": Planned("images", ("init", "p", *_FOLDERS, *SETTINGS), ("go on with that project",)),
    "init beside its images": Planned(
        "images", ("init", ".", *_FOLDERS, *SETTINGS), ("go on with that project",)
    ),
    "train": Planned("told", ("train", "p")),
    "train the first": Planned("begun", ("train", "p")),
    "ask": Planned("trained", ("ask", "p")),
    "tell": Planned("painted", ("tell", "p", "--author", "Ada")),
    "evaluate": Planned("trained", ("evaluate", "p")),
    "calibrate": Planned("trained", ("calibrate", "p")),
    "predict": Planned("trained", ("predict", "p", "more", "out"), ("it holds whole predictions",)),
    "report": Planned("told", ("report", "p")),
    "import": Planned("painted", ("import", "p", "exported", "--format", "png")),
    **{
        f"export {name}": Planned("trained", (*_EXPORT, name), ("found a whole export",))
        for name in ("coco", "label-studio", "nnunet", "png", "qupath")
    },
    "simulate": Planned("grid", ("simulate", "grid.yaml", "--out", "run"), again=("--resume",)),
    "report of a run": Planned("run", ("report", "run")),
}


class Scenes:
    """Folders with what commands need, each made when it is first wanted.

    Parameters
    ----------
    runner : Runner
        Runs the commands that make them.
    folder : Path
        Where they are made.
    """

    def __init__(self, runner: Runner, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self._made: dict[str, Path] = {}
        self._makers: dict[str, Callable[[Path], None]] = {
            "images": _draw_images,
            "begun": self._from("images", ("init", "p", *_FOLDERS, *SETTINGS)),
            "trained": self._from("begun", ("train", "p")),
            "asked": self._from("trained", ("ask", "p")),
            "painted": self._painted,
            "told": self._from("painted", ("tell", "p")),
            "grid": self._grid,
            "run": self._from("grid", ("simulate", "grid.yaml", "--out", "run")),
        }

    def get(self, name: str) -> Path:
        """Folder of a scene; not to be changed."""
        if name not in self._made:
            root = self._folder / name / "here"
            root.parent.mkdir()
            self._makers[name](root)
            self._made[name] = root
        return self._made[name]

    def _from(self, scene: str, words: tuple[str, ...]) -> Callable[[Path], None]:
        def make(root: Path) -> None:
            shutil.copytree(self.get(scene), root)
            self._run(root, words)

        return make

    def _run(self, root: Path, words: tuple[str, ...]) -> None:
        ended = self._runner.run(root, list(words))
        assert ended.status == 0, ended.told

    def _painted(self, root: Path) -> None:
        """Regions painted for `tell`, and others in an export for `import`."""
        shutil.copytree(self.get("asked"), root)
        self._run(root, ("export", "p", "exported", "--format", "png"))
        label = Image.fromarray(np.ones((16, 16), np.uint8))
        for path in (root / "exported" / "images").iterdir():
            label.save(root / "exported" / "masks" / path.name)
        with Project.open(root / "p") as project:
            query = project.store.newest_query()
        assert query is not None
        for item in query.items:
            label.save(root / "p" / "queries" / "round_001" / f"{item_stem(item)}_mask.png")

    def _grid(self, root: Path) -> None:
        """Only images that have a mask, for a simulation to answer from."""
        shutil.copytree(self.get("images"), root)
        for image in (root / "images").iterdir():
            if not (root / "masks" / image.name).is_file():
                image.unlink()
        self._run(root, _PREPARE)
        (root / "grid.yaml").write_text(_GRID, encoding="utf-8")


def _draw_images(root: Path) -> None:
    """Five images, three of them with masks, and two more to predict."""
    for name in ("images", "masks", "more"):
        (root / name).mkdir(parents=True)
    for number in range(7):
        image, mask = draw_discs(number, 48)
        Image.fromarray(image).save(root / ("images" if number < 5 else "more") / f"{number}.png")
        if number < 3:
            labels = mask.labels.astype(np.uint8)
            Image.fromarray(labels).save(root / "masks" / f"{number}.png")


def campaign(runner: Runner, scenes: Scenes, name: str) -> Campaign:
    """Campaign of one of `PLANNED`."""
    planned = PLANNED[name]
    return Campaign(
        runner,
        scenes.get(planned.scene),
        list(planned.words),
        planned.said_whole,
        list(planned.again),
    )


def kill_commands(
    folder: Path, pick: Callable[[list[str]], list[int]], names: list[str] | None = None
) -> dict[str, object]:
    """Kill every command at the picked of its steps; return how often by command."""
    killed: dict[str, object] = {}
    (folder / "scenes").mkdir()
    with running() as runner:
        scenes = Scenes(runner, folder / "scenes")
        for name in names or PLANNED:
            (folder / name).mkdir()
            killed[name] = campaign(runner, scenes, name).run(folder / name, pick)
            shutil.rmtree(folder / name)
    return killed


LIMITS: Final = (
    *({"memory": mebibytes} for mebibytes in (4, 16, 40, 80, 160)),
    *({"file": size} for size in (0, 1000, 20_000, 60_000, 120_000)),
    *({"descriptors": count} for count in (0, 1, 2, 4, 8)),
)


def starve_commands(folder: Path, names: list[str] | None = None) -> dict[str, object]:
    """Run every command with too little memory, disk and descriptors; return how each ended."""
    found: dict[str, object] = {}
    (folder / "scenes").mkdir()
    with running() as runner:
        scenes = Scenes(runner, folder / "scenes")
        for name in names or PLANNED:
            (folder / name).mkdir()
            found[name] = campaign(runner, scenes, name).starve(folder / name, list(LIMITS))
            shutil.rmtree(folder / name)
    return found
