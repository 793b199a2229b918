"""README and docs: every block is run, or says why not; every command in them can be typed."""

import importlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import typer

from askmask.cli.main import app
from documents import ROOT, Block, all_blocks, blocks_of
from test_prose import settings
from workbench import Workbench, furnish

BLOCKS = all_blocks()
BEGIN_WITH_A_PROJECT = (
    "docs/how-to/several-people.md",
    "docs/how-to/annotate.md",
    "docs/explanation/calibration.md",
)
FROM_NOTHING = (
    "README.md",
    "docs/start/ten-minutes.md",
    "docs/tutorials/nuclei.md",
    "docs/how-to/bringing-images.md",
    "docs/how-to/extending.md",
    "docs/explanation/strategies.md",
)
LONG = ("docs/tutorials/glands.md", "docs/tutorials/aerial.md")
"""Pages that take longer than a few seconds."""
SLIDE = "docs/tutorials/slide.md"
RUN = (*BEGIN_WITH_A_PROJECT, *FROM_NOTHING, *LONG, SLIDE)
SETTING = re.compile(r"([a-z_]+(?:\.[a-z_]+)*)=")


def place(block: Block) -> str:
    return f"{block.page}:{block.line}"


def askmask_commands() -> list[Any]:
    return [
        pytest.param(words, id=f"{place(block)} {' '.join(words)}")
        for block in BLOCKS
        for words in block.commands
        if words[0] == "askmask"
    ]


def parse(words: list[str]) -> None:
    """Let the command line take the words apart without running anything; raise what it says."""
    command: Any = typer.main.get_command(app)
    name, *rest = words
    while getattr(command, "commands", None) and rest and rest[0] in command.commands:
        command, name, rest = command.commands[rest[0]], f"{name} {rest[0]}", rest[1:]
    command.make_context(name, rest).close()


def test_every_block_is_run_or_says_why_not() -> None:
    silent = [place(b) for b in BLOCKS if b.reason is None and b.page not in RUN]

    assert silent == []


def test_every_page_that_is_run_has_something_to_run() -> None:
    ran = {block.page for block in BLOCKS if block.reason is None}

    assert sorted(set(RUN) - ran) == []


@pytest.mark.parametrize("words", askmask_commands())
def test_command_of_a_page_can_be_typed(words: list[str]) -> None:
    if len(words) == 1:
        return  # `askmask` alone opens the page's start; tests of its own do
    if words[1].startswith("--"):  # such an option acts at once, and may change the user's shell
        options: Any = typer.main.get_command(app).params
        assert any(words[1] in option.opts for option in options)
    else:
        parse(words)


@pytest.mark.parametrize("words", askmask_commands())
def test_settings_that_a_page_gives_to_a_command_exist(words: list[str]) -> None:
    named = [found[1] for word in words[1:] if (found := SETTING.match(word))]
    mappings = ("data.options.", "model.options.", "query.options.")

    assert [n for n in named if n not in settings() and not n.startswith(mappings)] == []


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A furnished folder with a trained project; nothing writes to it."""
    folder = furnish(tmp_path_factory.mktemp("begun") / "bench")
    begin = Block("", 0, "sh", BEGIN, None)
    with pytest.MonkeyPatch.context() as patched:
        Workbench(folder, patched).run(begin)
    return folder


BEGIN = """
askmask init project --images images --masks masks --classes background,gland
askmask train project
"""


@pytest.fixture
def bench(begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Workbench]:
    """Make a workbench for a page, at a small size unless told otherwise."""

    def make(page: str, *, is_small: bool = True) -> Workbench:
        folder = shutil.copytree(begun, tmp_path / "bench")
        if page not in BEGIN_WITH_A_PROJECT:
            shutil.rmtree(folder / "project")
        importlib.invalidate_caches()
        return Workbench(folder, monkeypatch, is_small=is_small)

    return make


def run_page(page: str, at: Workbench) -> None:
    for block in blocks_of(ROOT / page):
        if block.reason is None:
            at.run(block)


@pytest.mark.parametrize(
    "page",
    [
        *BEGIN_WITH_A_PROJECT,
        *FROM_NOTHING,
        *(pytest.param(page, marks=pytest.mark.slow) for page in LONG),
    ],
)
def test_blocks_of_a_page_run_one_after_the_other(
    bench: Callable[..., Workbench], page: str
) -> None:
    run_page(page, bench(page))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nuclei", "aerial"])
def test_tutorial_as_it_is_written_leaves_masks_of_new_images(
    bench: Callable[..., Workbench], name: str, tmp_path: Path
) -> None:
    page = f"docs/tutorials/{name}.md"

    run_page(page, bench(page, is_small=False))

    masks = sorted((tmp_path / "bench" / "predicted" / "masks").glob("*.png"))
    assert len(masks) == 2


@pytest.mark.slow
def test_slide_tutorial_leaves_labels_and_glands_of_a_slide_that_nobody_labelled(
    bench: Callable[..., Workbench], tmp_path: Path
) -> None:
    run_page(SLIDE, bench(SLIDE))

    predicted = tmp_path / "bench" / "predicted"
    labels = tifffile.imread(predicted / "labels" / "three.ome.tif")
    header, *_ = (predicted / "objects" / "three.csv").read_text(encoding="utf-8").splitlines()
    assert labels.shape == (3200 // 2, 3200 // 2)  # scanned at 0.5, predicted at 1.0
    assert set(np.unique(labels)) <= {0, 1, 255}
    assert header.startswith("object,class,row,col,")
