"""Commands that write have a project to themselves: they wait for each other, not for a worker."""

import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import askmask.loop.alone as alone_module
from askmask.cli.main import main
from askmask.config import Config
from askmask.errors import ProjectError
from askmask.loop.alone import alone
from askmask.loop.project import Project
from askmask.records import utc_now
from askmask.runtime.worker_lock import only_worker
from askmask.store.mailbox import WorkerState

AT_WORK = WorkerState("idle", 0, 0, 0, "", 1, utc_now())


def test_command_that_is_first_works_at_once(warm: Project) -> None:
    said: list[str] = []

    with (
        alone(warm, said.append),
        pytest.raises(ProjectError, match="no other worker"),
        only_worker(warm.root),
    ):
        pass

    assert said == []
    with only_worker(warm.root):
        pass


def test_second_command_says_that_it_waits_and_works_when_the_first_has_ended(
    warm: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone_module, "LOOK_SECONDS", 0.05)
    says, works = threading.Event(), threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        says.set()

    def command() -> None:
        with alone(warm, say):
            works.set()

    second = threading.Thread(target=command, daemon=True)
    with alone(warm, said.append):
        second.start()
        assert says.wait(60)
        assert not works.wait(0.3)
    second.join(60)

    assert works.is_set()
    assert said == [f"Another command is at work on {warm.root}; waiting for it to end."]


def test_nobody_waits_for_a_worker_that_serves(warm: Project) -> None:
    warm.store.control.show(AT_WORK)

    with (
        only_worker(warm.root),
        pytest.raises(ProjectError, match="one is at work. Stop it first, or leave the work to it"),
        alone(warm, pytest.fail),
    ):
        pass


@pytest.mark.parametrize("words", ["train", "ask", "calibrate"])
def test_command_beside_a_worker_is_refused_and_writes_nothing(
    tmp_path: Path,
    disc_config: Callable[..., Config],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Project.create(tmp_path / "p", disc_config()) as project:
        project.store.control.show(replace(AT_WORK, state="training"))
        before = sorted(path.name for path in (project.root / "models").iterdir())

        monkeypatch.setattr(sys, "argv", ["askmask", words, str(project.root)])
        with only_worker(project.root), pytest.raises(SystemExit) as ended:
            main()

        assert ended.value.code == 2
        assert "expected no other worker" in " ".join(capsys.readouterr().err.split())
        assert sorted(path.name for path in (project.root / "models").iterdir()) == before
