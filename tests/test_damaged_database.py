"""A damaged database is told in one sentence, by every command that reads it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.errors import AskmaskError
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project
from damaged_database import damaged_project, damages, read_everything

Build = Callable[..., Config]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, disc_config: Build) -> Path:
    """Project with answers, a query and a lease."""
    root = tmp_path_factory.mktemp("sound") / "p"
    with Project.create(root, disc_config(query={"acquisition": "random"})) as opened:
        loop = Loop(opened)
        loop.ask(1, model_round=-1)
        loop.tell_start(MaskOracle(opened.source))
        opened.store.worklist.lease(1, 0, "Ada")
        with opened.store.database.writing() as connection:
            connection.execute("PRAGMA user_version")
    return root


@pytest.mark.parametrize("count", [25, pytest.param(1500, marks=pytest.mark.slow)])
def test_damaged_database_is_read_or_told(project: Path, tmp_path: Path, count: int) -> None:
    original = (project / "askmask.db").read_bytes()
    read_everything(damaged_project(project, original), tmp_path / "sound")
    messages = {}
    for number, (name, content) in enumerate(damages(original, 0, count)):
        copy = damaged_project(project, content)
        try:
            read_everything(copy, tmp_path / f"out{number}")
        except AskmaskError as error:
            messages[name] = str(error)
        except Exception as error:
            raise AssertionError(name) from error
    assert len(messages) > count // 5
    for name, message in messages.items():
        assert "\n" not in message, name
        assert len(message) < 600, name
