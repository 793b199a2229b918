"""Known masks that a data set has and a project lacks are taken in before anything is learned."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.cli.main import main
from askmask.config import Config
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.serve.worker import Worker

Build = Callable[..., Config]


def begun(root: Path, config: Config) -> Path:
    """Project with one of its two known masks, as an interrupted version of long ago left it."""
    with Project.create(root, config) as project:
        region = project.start_regions[0]
        project.store.add_answer(MaskOracle(project.source).answer(region, 0))
    return root


def test_train_takes_them_in_and_says_so(
    tmp_path: Path,
    disc_config: Build,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = begun(tmp_path / "p", disc_config())
    monkeypatch.setattr(sys, "argv", ["askmask", "train", str(root)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "Took in 1 known masks that the project lacked." in capsys.readouterr().out
    with Project.open(root) as project:
        assert len(project.store.labelled_images()) == 2


def test_worker_takes_them_in_once(tmp_path: Path, disc_config: Build) -> None:
    with Project.open(begun(tmp_path / "p", disc_config())) as project:
        Worker(project).turn()
        Worker(project).turn()
        assert len(list(project.store.answers())) == 2
