"""The programs of ``examples/python``, run one upon the other's project."""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from askmask.config import Config, dump_config
from discs import draw_discs

FOLDER = Path(__file__).parent.parent / "examples" / "python"
Run = Callable[..., list[str]]
PROGRAMS = sorted(FOLDER.glob("*.py"))

PAINTER = """
import sys
from pathlib import Path
import numpy as np
from PIL import Image
folder = Path(sys.argv[1])
for path in (folder / "images").glob("*.png"):
    bright = np.asarray(Image.open(path)).mean(2) > 110
    Image.fromarray(bright.astype(np.uint8)).save(folder / "masks" / path.name)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture
def config(folder: Path, disc_config: Callable[..., Config]) -> Path:
    path = folder / "config.yaml"
    path.write_text(dump_config(disc_config(query={"unit": "region"})), encoding="utf-8")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a program as Python does, in this process; return the lines that it printed."""
    monkeypatch.syspath_prepend(FOLDER)

    def run_program(program: str, *words: object) -> list[str]:
        monkeypatch.setattr(sys, "argv", [program, *map(str, words)])
        capsys.readouterr()
        runpy.run_path(str(FOLDER / program), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run_program


def test_there_are_five_programs() -> None:
    assert [path.stem for path in PROGRAMS] == [
        "own_network", "own_score", "own_source", "own_tool", "predict_folder"
    ]  # fmt: skip


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_program_is_short_and_knows_public_names_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 30
    assert "from askmask import" in text
    assert "askmask." not in text


def test_network_and_prediction_of_a_folder(run: Run, folder: Path, config: Path) -> None:
    printed = run("own_network.py", config, folder / "network")
    assert [line.split(":")[0] for line in printed] == ["round 0", "round 1"]
    (folder / "new").mkdir()
    for number in (20, 21):
        Image.fromarray(draw_discs(number)[0]).save(folder / "new" / f"{number}.png")
    printed = run("predict_folder.py", folder / "network", folder / "new", folder / "masks")
    assert [line.split(":")[0] for line in printed if line] == ["20.png", "21.png"]
    mask = np.asarray(Image.open(folder / "masks" / "masks" / "20.png"))
    assert mask.shape == (64, 64)
    assert set(np.unique(mask)) <= {0, 1}


def test_score_and_another_annotation_tool(run: Run, folder: Path, config: Path) -> None:
    printed = run("own_score.py", config, folder / "score")
    assert len(printed) == 3
    assert all(line.startswith("Region(") for line in printed)
    (folder / "painter.py").write_text(PAINTER)
    tool = (sys.executable, folder / "painter.py")
    assert run("own_tool.py", folder / "score", folder / "asked", *tool) == [
        "round 1: asked 3, 3 answered"
    ]
    assert run("own_tool.py", folder / "score", folder / "asked again", *tool) == [
        "round 2: asked 3, 3 answered"
    ]


def test_source(run: Run, folder: Path, config: Path) -> None:
    (folder / "arrays").mkdir()
    for number in range(6):
        image, mask = draw_discs(number)
        np.savez(folder / "arrays" / f"{number}.npz", image=image, labels=mask.labels)
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["data"] = {
        "source": "own_source:NpzFolder",
        "path": str(folder / "arrays"),
        "start": 2,
        "validation": 1,
    }
    own = folder / "own.yaml"
    own.write_text(yaml.safe_dump(tree), encoding="utf-8")
    assert run("own_source.py", own, folder / "source") == ["2 images are labelled"]
