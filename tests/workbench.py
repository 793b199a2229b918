"""A folder with what the documentation speaks of, where its commands are run at a small size."""

import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import askmask
from askmask.cli.main import app
from askmask.config import load_config
from askmask.data.drawn import demo
from discs import draw_discs
from documents import ROOT, Block
from outside_package import NETWORKS

SMALL = (
    "device=cpu", "threads=1", "model.name=unet", "model.options={base_channels: 8, depth: 2}",
    "training.seconds=null", "training.steps=3", "training.batch_size=2", "training.crop=48",
    "sampling.samples=2", "query.region.size=[24, 24]", "query.region.stride=12",
    "query.region.budget_regions=2",
)  # fmt: skip
SMALL_GRID = (
    *SMALL, "data.validation=1", "grid.acquisitions=[random]", "grid.units=[region]",
    "grid.rounds=1", "grid.bounds=false", "grid.workers=1",
)  # fmt: skip
SIZES = {"init": SMALL, "simulate": SMALL_GRID}
"""Settings that are added to a command, so that it takes a second."""


def furnish(folder: Path) -> Path:
    """Write images, masks and the examples of the repository into a folder."""
    for name in ("images", "masks", "new_images"):
        (folder / name).mkdir(parents=True)
    for number in range(7):
        image, mask = draw_discs(number, 64)
        place = "images" if number < 6 else "new_images"
        Image.fromarray(image).save(folder / place / f"{number}.png")
        if number < 4:
            painted = Image.fromarray(mask.labels.astype(np.uint8))
            painted.save(folder / "masks" / f"{number}.png")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copy(ROOT / "examples" / "demo.yaml", folder / "examples" / "grid.yaml")
    grid = (folder / "examples" / "grid.yaml").read_text(encoding="utf-8")
    (folder / "grid.yaml").write_text(grid.replace("../demo", "demo"), encoding="utf-8")
    package = folder / "mypackage"
    package.mkdir()
    (package / "networks.py").write_text(
        NETWORKS.replace("n_classes, width)", "n_classes, width=8)")
    )
    shutil.copy(ROOT / "examples" / "python" / "own_source.py", package / "sources.py")
    return folder


class Workbench:
    """Runs the blocks of one page in a folder, in order, in one namespace of Python.

    Parameters
    ----------
    folder : Path
        As `furnish` leaves it.
    is_small : bool
        Whether settings are added that make commands quick.
    """

    def __init__(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, is_small: bool = True
    ) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._is_small = is_small
        self._names: dict[str, Any] = {"__name__": "page"}
        self.printed: list[str] = []
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(folder)
        if is_small:
            monkeypatch.setattr(askmask, "load_config", _load_small, raising=False)
            monkeypatch.setattr(demo, "write_demo", _write_small(demo.write_demo))

    def run(self, block: Block) -> None:
        """Run a block; a command that fails is a failed test that shows what it printed."""
        if block.language == "python":
            exec(compile(block.text, f"{block.page}:{block.line}", "exec"), self._names)
        for words in block.commands:
            self._command(words)

    def _command(self, words: list[str]) -> None:
        program, *rest = words
        if program == "python":
            with self._monkeypatch.context() as patched:
                patched.setattr(sys, "argv", rest)
                runpy.run_path(rest[0], run_name="__main__")
            return
        assert program == "askmask", f"mark the block as not run: {words}"
        self._prepare(rest)
        if self._is_small:
            rest += SIZES.get(rest[0], ())
        done = CliRunner().invoke(app, rest, catch_exceptions=False)
        assert done.exit_code == 0, (words, done.output)
        self.printed.append(done.output)

    def _prepare(self, words: list[str]) -> None:
        """Do what a person does between two commands: paint what was asked."""
        if words[0] == "tell":
            for prediction in self._folder.glob(f"{words[1]}/queries/*/*_prediction.png"):
                painted = prediction.name.replace("_prediction", "_mask")
                shutil.copy(prediction, prediction.with_name(painted))
        if words[0] == "import":
            out = self._folder / words[2]
            shutil.copytree(out / "predictions", out / "masks", dirs_exist_ok=True)


def _load_small(path: Path, words: list[str]) -> Any:
    return load_config(path, [*words, *SMALL, "data.validation=1"])


def _write_small(write: Callable[..., None]) -> Callable[..., None]:
    def write_few(out: Path, *, seed: int = 0) -> None:
        write(out, seed=seed, n_train=4, n_validation=1, n_test=2, size=(64, 64))

    return write_few
