"""What is built from the repository is what is in it: page, kernels and templates too."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "askmask"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in the wheel."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (path,) = out.glob("askmask-*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def test_wheel_holds_every_file_of_the_package_and_no_other(wheel: set[str]) -> None:
    expected = {
        f"askmask/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert {name for name in wheel if not name.startswith("askmask-")} == expected


@pytest.mark.parametrize(
    "name",
    [
        "askmask/py.typed",
        "askmask/serve/web/static/index.html",
        "askmask/serve/web/static/editor/superpixel-worker.js",
        "askmask/serve/web/static/css/theme.css",
        "askmask/runtime/native/sampling.cpp",
        "askmask/runtime/native/counting.cpp",
        "askmask/loop/begin/templates/askmask.yaml",
        "askmask/experiments/report/templates/report.html.j2",
    ],
)
def test_wheel_holds_what_is_no_code_of_python(wheel: set[str], name: str) -> None:
    assert name in wheel


def test_wheel_tells_its_command_and_licence(wheel: set[str]) -> None:
    notes = {name.partition("/")[2] for name in wheel if name.startswith("askmask-")}

    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= notes
