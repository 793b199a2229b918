"""How a command ends: the codes that docs/reference/exit-codes.md lists, and no others."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.cli.main import main
from askmask.config import Config
from askmask.errors import ProjectError
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import Project

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "exit-codes.md"
Ends = Callable[..., int]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Ends:
    """Run a command in this process; return its exit code."""

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["askmask", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0)

    return run


def opening_raises(monkeypatch: pytest.MonkeyPatch, problem: BaseException) -> None:
    """Let every command that opens a project meet a problem there."""

    def fail(root: Path) -> Project:
        raise problem

    monkeypatch.setattr(Project, "open", fail)


def test_page_lists_the_codes_that_are_tested_here() -> None:
    listed = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert listed == ["0", "1", "2", "130"]


def test_command_that_did_what_it_says_ends_with_0(ends: Ends) -> None:
    assert ends("--version") == 0


@pytest.mark.parametrize(
    "words", [("train",), ("train", "p", "--no-such-option"), ("no-such-command",)]
)
def test_command_that_was_called_wrongly_ends_with_2(ends: Ends, words: tuple[str, ...]) -> None:
    assert ends(*words) == 2


@pytest.mark.parametrize("problem", [ProjectError("expected another"), OSError(28, "disk full")])
def test_problem_that_is_foreseen_ends_with_2_and_one_message(
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    problem: Exception,
) -> None:
    opening_raises(monkeypatch, problem)

    assert ends("status", "p") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "Error: " in said.err
    assert "Traceback" not in said.err


def test_problem_that_nobody_foresaw_is_not_swallowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opening_raises(monkeypatch, ZeroDivisionError("a mistake of ours"))
    monkeypatch.setattr(sys, "argv", ["askmask", "status", "p"])

    with pytest.raises(ZeroDivisionError):  # Python prints the traceback and ends with 1
        main()


def test_interrupted_command_ends_with_130(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    opening_raises(monkeypatch, KeyboardInterrupt())

    assert ends("status", "p") == 130


@pytest.mark.slow
def test_ctrl_c_in_a_training_ends_with_130_and_the_same_command_goes_on(
    tmp_path: Path, disc_config: Callable[..., Config]
) -> None:
    config = disc_config(training={"steps": 100_000, "checkpoint_every": 5})
    with Project.create(tmp_path / "p", config) as project:
        Loop(project).tell_start(MaskOracle(project.source))
    command = [sys.executable, "-m", "askmask", "train", str(tmp_path / "p")]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not list((tmp_path / "p").rglob("*checkpoint*")) and time.monotonic() < end:
        time.sleep(0.05)

    running.send_signal(signal.SIGINT)

    assert running.wait(60) == 130
    assert list((tmp_path / "p").rglob("*checkpoint*"))
