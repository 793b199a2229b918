"""A project that may not be written can be looked at; what would write says so in one sentence."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from askmask.cli.project import status
from askmask.config import Config
from askmask.errors import ProjectError, StoreFull
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from askmask.store.store import Store

Build = Callable[..., Config]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, disc_config: Build) -> Path:
    """Project with a trained model that nobody has judged, closed in order."""
    root = tmp_path_factory.mktemp("read") / "p"
    with Project.create(root, disc_config()) as project:
        loop = Loop(project)
        loop.tell_start(MaskOracle(project.source))
        loop.train()
    return root


@pytest.fixture
def locked(written: Path, tmp_path: Path) -> Iterator[Path]:
    """The same project, where nobody may write: on a disk for reading, or by the modes of files."""
    seen = tmp_path / "seen"
    seen.mkdir()
    if os.getuid() == 0:  # whom no mode keeps out
        if mount("--bind", str(written), str(seen)) != 0:
            pytest.skip("mounting is not allowed here")
        assert mount("-o", "remount,ro,bind", str(seen)) == 0
        yield seen
        subprocess.run(["umount", "--lazy", str(seen)], check=True)
        return
    modes = {path: path.stat().st_mode for path in [written, *written.rglob("*")]}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    yield written
    for path, mode in modes.items():
        path.chmod(mode)


def mount(*words: str) -> int:
    try:
        return subprocess.run(["mount", *words], check=False, capture_output=True).returncode
    except FileNotFoundError:
        return 1


def call(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "askmask", words[0], str(root), *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_project_that_may_only_be_read_tells_its_state(
    locked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status(locked, as_json=True)
    assert json.loads(capsys.readouterr().out)["labelled_images"] == 2


@pytest.mark.slow
def test_project_that_may_only_be_read_is_judged_exported_and_not_written(
    locked: Path, tmp_path: Path
) -> None:
    out = ["export", str(tmp_path / "out"), "--what", "answers", "--format", "png"]
    for words in (["evaluate"], out):
        ended = call(locked, *words)
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
    for words in (["train"], ["report"], ["token", "--name", "Ada"]):
        ended = call(locked, *words)
        assert ended.returncode == 2, ended.stderr
        assert "Traceback" not in ended.stderr
    with Store(locked / "askmask.db") as store:
        assert store.metrics(0) == ()


def make_read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("askmask.store.database.is_read_only", lambda path: path.is_file())


def test_answers_in_a_log_that_was_not_folded_in_are_read_too(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(written / "askmask.db") as owner:
        with owner.database.writing() as connection:
            connection.execute("UPDATE identity SET id = id")  # the log holds something now
        count = owner.labelled_pixels()
        make_read_only(monkeypatch)
        before = sorted(written.iterdir())
        with Store(written / "askmask.db") as store:
            assert store.is_read_only
            assert store.labelled_pixels() == count
            with pytest.raises(StoreFull, match="may only be read"):
                store.add_images([])
        assert sorted(written.iterdir()) == before


def test_database_that_was_closed_in_order_is_read_where_it_lies(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_read_only(monkeypatch)
    monkeypatch.setattr("askmask.store.database.copied", pytest.fail)
    with Store(written / "askmask.db") as store:
        assert len(store.images()) == 12


def test_missing_database_beside_models_is_refused_and_not_replaced(
    tmp_path: Path, disc_config: Build
) -> None:
    root = tmp_path / "p"
    Project.create(root, disc_config()).close()
    (root / "models" / "round_000.safetensors").touch()
    (root / "askmask.db").unlink()
    with pytest.raises(ProjectError, match="found none beside 1 trained models. Put a copy"):
        Project.open(root)
    assert not (root / "askmask.db").exists()
