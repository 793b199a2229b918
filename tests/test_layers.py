"""Imports go down only: the table of layers, checked on the source itself."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import askmask

PACKAGE = Path(askmask.__file__).parent

# A place may import itself and places of smaller levels, but no other place of its own level.
LEVELS = {
    "__main__": 11,
    "cli": 10,
    "experiments": 9,
    "serve": 9,
    "testing": 9,
    "loop": 8,
    "formats": 7,
    "sampling": 7,
    "training": 7,
    "models": 6,
    "query": 5,
    "assist": 4,
    "calibration": 4,
    "metrics": 4,
    "store": 4,
    "data": 3,
    "runtime": 3,
    "config": 2,
    "options": 1,
    "parts": 1,
    "progress": 1,
    "records": 1,
    "seeds": 1,
    "whole_files": 1,
    "whole_folders": 2,
    "errors": 0,
}
LOADS_NO = (
    ("Region", "torch"),  # a public name
    ("experiments.run.results", "torch matplotlib"),
    ("cli.main", "torch matplotlib.pyplot scipy.ndimage scipy.stats fastapi"),
    ("config", "torch"),
    ("data.prepared", "torch"),
    ("errors", "torch"),
    ("formats.by_name", "torch"),
    ("loop.oracle", "torch"),
    ("loop.project", "torch"),
    ("loop.stream.first", "torch"),
    ("records", "torch"),
    ("runtime.executors", "torch"),
    ("seeds", "torch"),
    ("store.store", "torch"),
    ("experiments.figures.gallery", "torch matplotlib.pyplot"),
    ("experiments.report.report", "torch matplotlib.pyplot"),
    ("serve.start.app", "torch"),
    ("serve.web.app", "torch"),
)
"""What is imported, one after the other in one process, and what must not be loaded by then."""
MOST_FILES = 16
"""A folder with more than about a dozen files is no longer read at a glance."""


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def exists(module: str) -> bool:
    return (PACKAGE / f"{module.replace('.', '/')}.py").is_file() or (
        PACKAGE / module.replace(".", "/") / "__init__.py"
    ).is_file()


def imports_of(source: str) -> Iterator[str]:
    """Modules below askmask that a source imports, without the leading ``askmask.``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            _, _, module = name.partition("askmask.") if name.startswith("askmask.") else ("",) * 3
            if module and not exists(module):  # a name inside a module
                module = module.rpartition(".")[0]
            if module:
                yield module


def place(module: str) -> str:
    return module.split(".", maxsplit=1)[0]


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_module_imports_only_lower_levels(path: Path) -> None:
    own = place(dotted(path))
    if own == "__init__":
        return
    assert own in LEVELS, f"give {own!r} a level in this table"
    for module in imports_of(path.read_text(encoding="utf-8")):
        other = place(module)
        if other != own:
            assert LEVELS[other] < LEVELS[own], f"{own} must not import {module}"


def test_page_and_api_meet_the_loop_only_through_the_project_and_its_store() -> None:
    for path in (PACKAGE / "serve" / "web").rglob("*.py"):
        for module in imports_of(path.read_text(encoding="utf-8")):
            assert module == "loop.project" or place(module) != "loop", path


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import askmask.store.store", "store.store"),
        ("from askmask.store.store import Store", "store.store"),
        ("from askmask.store import answers", "store.answers"),
        ("from askmask import records", "records"),
        ("def late():\n    from askmask.loop.loop import Loop", "loop.loop"),
    ],
)
def test_layer_test_sees_an_import_in_every_form(source: str, found: str) -> None:
    assert list(imports_of(source)) == [found]


IMPORTS = """
import importlib, sys
import askmask
for line in sys.argv[1:]:
    name, *unwanted = line.split()
    askmask.Region if name == "Region" else importlib.import_module(f"askmask.{name}")
    if loaded := [module for module in unwanted if module in sys.modules]:
        sys.exit(f"{name} loads {loaded}")
"""


def test_import_loads_no_torch_and_nothing_else_that_is_slow() -> None:
    lines = [f"{name} {unwanted}" for name, unwanted in LOADS_NO]
    command = [sys.executable, "-c", IMPORTS, *lines]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_files_stay_small_enough_to_read_in_one_sitting() -> None:
    sizes = {dotted(p): len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {name: size for name, size in sizes.items() if size > 400} == {}


def test_folders_stay_small_enough_to_read_at_a_glance() -> None:
    folders = {path.parent for path in modules()}
    counts = {folder.name: len(list(folder.glob("*.py"))) for folder in folders}
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}


def test_no_folder_is_named_after_nothing() -> None:
    names = {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not names & {"utils", "common", "core", "base", "helpers", "misc"}


ONE_THING = {
    "serve": "the command, and the function that it calls to serve",
    "simulate": "the command, and the function that it calls to run a grid",
}
"""Public names that stand twice because both mean the same act."""


def public_definitions(path: Path) -> Iterator[str]:
    """Names of the classes and functions at the top of a module that other modules may import."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_definition = isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if is_definition and not node.name.startswith("_"):
            yield node.name


def test_one_name_stands_for_one_class_or_function() -> None:
    homes: dict[str, list[str]] = {}
    for path in modules():
        for name in public_definitions(path):
            homes.setdefault(name, []).append(dotted(path))
    twice = {name: places for name, places in homes.items() if len(places) > 1}
    assert {name: twice[name] for name in twice.keys() - ONE_THING.keys()} == {}
    assert twice.keys() == ONE_THING.keys(), "a name that no longer stands twice leaves the list"
