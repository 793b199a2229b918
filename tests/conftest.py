"""Small drawn data sets on disk, made once, and settings that train on them in a second."""

import atexit
import gc
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

# Nothing of askmask is imported here: the process that deals tests out to others needs none of it,
# and they wait for it.
if TYPE_CHECKING:
    from askmask.config import Config
    from askmask.loop.project import Project

# Shared machines stall for a second now and then: that is no failure of a property.
settings.register_profile("steady", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=500)  # make test-all
settings.load_profile("steady")

# Tests, and the processes that they start, leave the user's own list of projects alone.
_OWN = tempfile.mkdtemp(prefix="askmask-user-")
atexit.register(shutil.rmtree, _OWN, ignore_errors=True)
os.environ["XDG_CONFIG_HOME"] = f"{_OWN}/config"
os.environ["XDG_DATA_HOME"] = f"{_OWN}/data"


LEFT_OUT = pytest.StashKey[Counter[str]]()
MARKS = {
    "slow": "`make test-all` runs them",
    "gpu": "`pytest -m gpu` runs them on a machine with one",
    "network": "`pytest -m network` runs them",
}
"""Marks that `make test` leaves out, and how to run what they mark."""

_SERVE = {"train_after": 2, "ahead": 3}
_QUERY = {"region": {"size": [16, 16], "stride": 8, "budget_regions": 4}}


@pytest.fixture(scope="session")
def disc_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared data set: 8 training images in two groups, 2 test images in each of two splits."""
    from askmask.data.prepared import DatasetWriter
    from askmask.records import ClassMap, ImageInfo
    from discs import SIDE, draw_discs

    out = tmp_path_factory.mktemp("dataset") / "discs"
    splits = ["train"] * 8 + ["testA"] * 2 + ["testB"] * 2
    with DatasetWriter(out, ClassMap(("background", "disc")), "drawn discs") as writer:
        for number, split in enumerate(splits):
            image, mask = draw_discs(number)
            group = "even" if number % 2 == 0 else "odd"
            info = ImageInfo(f"{split}_{number}", SIDE, SIDE, split=split, group=group)
            writer.add(info, image, mask)
    return out


@pytest.fixture(scope="session")
def disc_config(disc_dataset: Path) -> Callable[..., "Config"]:
    """Build a config on the drawn discs that trains in about a second; sections are updated."""
    from askmask.config import parse_config

    def build(**sections: object) -> "Config":
        tree: dict[str, object] = {
            "name": "discs",
            "threads": 1,
            "device": "cpu",
            "data": {
                "path": str(disc_dataset),
                "start": 2,
                "validation": 2,
                "test": ["testA", "testB"],
            },
            "model": {"name": "unet", "options": {"base_channels": 8, "depth": 2}},
            "training": {
                "steps": 6,
                "batch_size": 2,
                "crop": 48,
                "ema_decay": 0.5,
                "checkpoint_every": 2,
            },
            "sampling": {"samples": 3},
            "query": {
                "region": {"size": [24, 24], "stride": 8, "budget_regions": 3},
                "image": {"budget_images": 1},
            },
            "evaluation": {"min_object_pixels": 10},
            "grid": {
                "acquisitions": ["random", "mutual_information"],
                "units": ["image", "region"],
                "seeds": [0],
                "rounds": 2,
                "bounds": False,
            },
        }
        for name, section in sections.items():
            old = tree.get(name)
            merged = isinstance(old, dict) and isinstance(section, dict)
            tree[name] = {**old, **section} if merged else section  # type: ignore[dict-item]
        return parse_config(tree)

    return build


@pytest.fixture(scope="session")
def trained_discs(
    tmp_path_factory: pytest.TempPathFactory, disc_config: Callable[..., "Config"]
) -> Callable[..., Path]:
    """Folder of a project with a model of round 0, trained once for all tests; they copy it.

    A copy must lie as deep as ``tmp_path / "p"``: the project knows its images by a relative path.
    """
    from askmask.config import dump_config
    from askmask.loop.loop import Loop
    from askmask.loop.oracle import MaskOracle
    from askmask.loop.project import Project

    made: dict[str, Path] = {}

    def build(**sections: object) -> Path:
        config = disc_config(**sections)
        settings = dump_config(config)
        if settings not in made:
            made[settings] = tmp_path_factory.mktemp("trained") / "p"
            with Project.create(made[settings], config) as project:
                loop = Loop(project)
                loop.tell_start(MaskOracle(project.source))
                loop.train()
        return made[settings]

    return build


@pytest.fixture
def cold(tmp_path: Path, disc_config: Callable[..., "Config"]) -> Iterator["Project"]:
    """Project without any label to start from, for a worker."""
    from askmask.loop.project import Project

    config = disc_config(data={"start": "none"}, serve=_SERVE, query=_QUERY)
    with Project.create(tmp_path / "p", config) as project:
        yield project


@pytest.fixture
def warm(tmp_path: Path, disc_config: Callable[..., "Config"]) -> Iterator["Project"]:
    """Project with two labelled images, for a worker."""
    from askmask.loop.oracle import MaskOracle
    from askmask.loop.project import Project

    with Project.create(tmp_path / "p", disc_config(serve=_SERVE, query=_QUERY)) as project:
        oracle = MaskOracle(project.source)
        for region in project.start_regions:
            project.store.add_answer(oracle.answer(region, 0))
        yield project


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Same arithmetic everywhere, and no fight for cores."""
    import torch

    torch.set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while tests are collected, nor among what that leaves: a sixth of it."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count what the marks on the command line leave out, by the reason."""
    if items:
        counts = items[0].config.stash.setdefault(LEFT_OUT, Counter())
        counts.update(next((m for m in MARKS if item.get_closest_marker(m)), "") for item in items)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker process tells what it left out; all of them leave out the same."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(session.config.stash.get(LEFT_OUT, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # Any: a node of xdist
    """Take over what a worker process left out."""
    told = getattr(node, "workeroutput", {}).get("left_out", {})
    node.config.stash[LEFT_OUT] = Counter(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was not run, and how to run it."""
    counts = terminalreporter.config.stash.get(LEFT_OUT, Counter())
    said = [f"{count} {name}: {MARKS[name]}" for name, count in counts.items() if name]
    skipped = len(terminalreporter.stats.get("skipped", []))
    said += [f"{skipped} skipped, for the reasons above"] if skipped else []
    if said:
        terminalreporter.write_line(f"Not run: {'; '.join(said)}.")
