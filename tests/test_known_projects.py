"""The list of projects that were opened lately."""

import json
import os
from pathlib import Path

import pytest

from askmask.serve.start import known


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where projects may lie; the user's own folder lies beside it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def test_list_remembers_the_newest_projects_once_each(folder: Path) -> None:
    for number in range(known.MOST + 3):
        known.note_project(folder / f"p{number}")
    known.note_project(folder / "p7")
    roots = [each.root.name for each in known.known_projects()]
    assert len(roots) == known.MOST
    assert roots[:2] == ["p7", f"p{known.MOST + 2}"]
    assert roots.count("p7") == 1
    known.forget_project(folder / "p7")
    assert "p7" not in [each.root.name for each in known.known_projects()]


def test_list_that_cannot_be_read_begins_anew(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "askmask" / known.LIST_NAME
    path.parent.mkdir(parents=True)
    path.write_text('[{"root": 1')
    assert known.known_projects() == ()
    assert "begins anew" in caplog.text
    known.note_project(folder)
    assert json.loads(path.read_text())[0]["root"] == str(folder)
