"""Imports go down only: the table of DESIGN, checked on the source itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import askmask

PACKAGE = Path(askmask.__file__).parent

# Larger may import smaller; equal only within one folder.
LAYERS = {
    "cli": 9,
    "cli_serving": 8.5,
    "commands": 8,
    "experiments": 7,
    "web": 7.2,
    "bridges": 7,
    "worker": 6.5,
    "loop": 6,
    "drawing": 5.5,
    "judging": 5,
    "asking": 5,
    "fitting": 4,
    "calibrating": 4.5,
    "comparing": 5.5,
    "predicting": 5,
    "recalibrated": 3.6,
    "training_set": 3.5,
    "project": 3.4,
    "logit_samples": 3.1,
    "mapped_mean": 3.1,
    "training": 3,
    "sampling": 3,
    "oracle": 3,
    "features": 3.1,
    "batches": 2.7,
    "augment": 2.5,
    "checkpoint": 2.5,
    "compute": 2.5,
    "strategies": 2.2,
    "models": 2,
    "adaptive": 1.9,
    "forecast": 1.8,
    "losses": 1.5,
    "metrics": 1.5,
    "regions": 1.5,
    "acquisition": 1.5,
    "tally": 1.5,
    "recalibration": 1.5,
    "store": 1.4,
    "control": 1.38,
    "worklist": 1.37,
    "access": 1.35,
    "ledger": 1.35,
    "answers": 1.35,
    "database": 1.3,
    "schema": 1.2,
    "labelled": 1.1,
    "effort": 1.1,
    "contours": 0.9,
    "data": 1,
    "executors": 1,
    "cache": 1,
    "kernel": 1,
    "doctor": 1.1,
    "config": 0.5,
    "workitems": 0.4,
    "exclusive": 0.2,
    "options": 0.4,
    "records": 0.3,
    "progress": 0.1,
    "seeds": 0.1,
    "errors": 0,
}
NO_TORCH = (
    "experiments.results",
    "experiments.report",
    "data",
    "store",
    "executors",
    "records",
    "errors",
    "config",
    "seeds",
    "web.app",
    "bridges",
    "oracle",
)


def layer_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_module_imports_only_lower_layers(path: Path) -> None:
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    if own == "__init__":
        return
    assert own in LAYERS, f"give {own!r} a layer in this table"
    for name in imports_of(path):
        other = layer_of(name) if name.startswith("askmask.") else ""
        if other and other != own:
            assert LAYERS[other] < LAYERS[own], f"{own} must not import {other}"


@pytest.mark.parametrize("module", ["", *NO_TORCH])
def test_import_loads_no_torch(module: str) -> None:
    name = f"askmask.{module}" if module else "askmask"
    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_stay_small_enough_to_read_in_one_sitting() -> None:
    sizes = {p.name: len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {name: size for name, size in sizes.items() if size > 400} == {}
