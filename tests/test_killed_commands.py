"""Every command that writes, killed anywhere and repeated in the same words, ends as if never."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from killed_commands import Runner, every, running, some
from soak.commands import PLANNED, Scenes, campaign


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def scenes(runner: Runner, tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return Scenes(runner, tmp_path_factory.mktemp("scenes"))


@pytest.mark.parametrize("name", ["prepare", "init", "tell", "import", "predict"])
def test_killed_at_a_few_steps(runner: Runner, scenes: Scenes, tmp_path: Path, name: str) -> None:
    assert campaign(runner, scenes, name).run(tmp_path, some(3)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PLANNED if name != "simulate"])
def test_killed_at_every_step(runner: Runner, scenes: Scenes, tmp_path: Path, name: str) -> None:
    assert campaign(runner, scenes, name).run(tmp_path, every) >= 3


@pytest.mark.slow
def test_simulate_killed_at_many_steps(runner: Runner, scenes: Scenes, tmp_path: Path) -> None:
    assert campaign(runner, scenes, "simulate").run(tmp_path, some(60)) == 60
