"""The example project: what it is made of, and what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.errors import ProjectError
from askmask.loop.begin import example
from askmask.loop.project import Project
from askmask.runtime.user_folders import user_config, user_data


@pytest.mark.slow
def test_example_has_labelled_images_and_others_to_ask_about(tmp_path: Path) -> None:
    begun = example.begin_example(tmp_path / "example")
    assert (begun.labelled, begun.validation, begun.pool) == (4, 4, 24)
    assert example.is_example(tmp_path / "example")
    with Project.open(tmp_path / "example") as project:
        assert project.store.labelled_pixels() == 4 * example.SIDE**2
        assert project.source.classes.names == ("background", "gland", "vessel")


def test_failed_example_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ProjectError("no")

    monkeypatch.setattr(example, "write_demo", fail)
    with pytest.raises(ProjectError):
        example.begin_example(tmp_path / "new" / "example")
    assert list(tmp_path.iterdir()) == []


def test_example_is_not_made_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ProjectError, match="empty place"):
        example.begin_example(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_no_other_project_is_taken_for_the_example(
    tmp_path: Path, disc_config: Callable[..., Config]
) -> None:
    Project.create(tmp_path / "project", disc_config()).close()
    with pytest.raises(ProjectError, match="found the project 'discs'"):
        example.is_example(tmp_path / "project")
    assert not example.is_example(tmp_path / "nothing")


def test_folders_of_the_user_follow_their_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    assert user_data() == tmp_path / "data" / "askmask"
    assert user_config() == tmp_path / ".config" / "askmask"
    monkeypatch.setattr("sys.platform", "darwin")
    assert user_config() == tmp_path / "Library/Application Support/askmask"
