"""Networks, sources and scores of another package, in Python, in commands and in processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from askmask import (
    AskmaskError,
    Config,
    ConfigError,
    Loop,
    MaskOracle,
    Model,
    Project,
    Source,
    UnknownName,
    parse_config,
)
from askmask.cli.main import app
from askmask.config import ModelConfig, dump_config
from askmask.data.rasters import encode_image
from askmask.experiments.run.runner import simulate
from askmask.models.build import build_model
from askmask.serve.worker import Worker
from askmask.testing import ModelContract, SourceContract
from outside_package import write_package
from people import Client
from server_processes import serving

NETWORK = "outside_parts.networks:two_layers"
SOURCE = "outside_parts.sources:discs"
SCORE = "outside_parts.scores:doubt"
FATAL = "outside_parts.scores:fatal"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of the package, on the path of this process and of those that it starts."""
    folder = write_package(tmp_path)
    monkeypatch.syspath_prepend(folder)
    paths = filter(None, [str(folder), os.environ.get("PYTHONPATH")])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    yield folder
    for name in [name for name in sys.modules if name.startswith("outside_parts")]:
        del sys.modules[name]


@pytest.fixture
def config(disc_config: Callable[..., Config]) -> Config:
    """Small settings in which every part comes from outside."""
    tree = disc_config().model_dump(mode="json")
    tree["data"] = {"source": SOURCE, "options": {"count": 7}, "start": 2, "validation": 2}
    tree["model"] = {"name": NETWORK, "options": {"width": 6}}
    tree["query"]["acquisition"] = SCORE
    tree["grid"] |= {"acquisitions": [SCORE, "random"], "units": ["region"], "rounds": 1}
    return parse_config(tree)


@pytest.fixture
def project(tmp_path: Path, config: Config) -> Path:
    """Project of these settings with its start set labelled."""
    root = tmp_path / "project"
    with Project.create(root, config) as opened:
        Loop(opened).tell_start(MaskOracle(opened.source))
    return root


def askmask(*words: object) -> str:
    """Run a command in a process of its own; return what it printed."""
    command = [sys.executable, "-m", "askmask", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def here(*words: object) -> str:
    """Run a command in this process, which does not load torch anew; return what it printed."""
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


class TestNetworkContract(ModelContract):
    def make_model(self, n_classes: int = 2) -> Model:
        return build_model(ModelConfig(name=NETWORK), n_classes, 0)


class TestSourceContract(SourceContract):
    @pytest.fixture
    def source(self) -> Source:
        return import_module("outside_parts.sources").Discs(4, blank=2)


def test_loop_runs_on_parts_of_another_package(project: Path) -> None:
    with Project.open(project) as opened:
        loop = Loop(opened)
        for _ in loop.run(MaskOracle(opened.source), rounds=1):
            pass
        assert opened.config.model.options == {"width": 6}
        assert {row.metric for row in opened.store.metrics(1)} >= {"mean_dice", "nll"}
        assert opened.store.newest_query().acquisition == SCORE


def test_equal_seeds_give_a_network_of_another_package_equal_weights() -> None:
    one, same, other = (build_model(ModelConfig(name=NETWORK), 2, seed) for seed in (3, 3, 4))
    assert (one.first.weight == same.first.weight).all()
    assert (one.first.weight != other.first.weight).any()


def test_path_beside_a_source_is_its_first_argument_and_moves_with_the_project(
    tmp_path: Path, config: Config
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "note.txt").write_text("hello")
    tree = config.model_dump(mode="json")
    tree["data"]["path"] = str(tmp_path / "here")
    with Project.create(tmp_path / "here" / "p", parse_config(tree)):
        pass
    (tmp_path / "here").rename(tmp_path / "there")
    with Project.open(tmp_path / "there" / "p") as moved:
        assert moved.source.note == "hello"


def test_commands_need_no_arguments_for_parts_of_another_package(
    tmp_path: Path, config: Config
) -> None:
    root = tmp_path / "made"
    settings = yaml.safe_load(dump_config(config))["training"]
    here(
        *("init", root, "--source", SOURCE, "data.options.blank=2", f"model.name={NETWORK}"),
        *("model.options={}", "sampling.samples=2", f"query.acquisition={SCORE}"),
        *(f"training.{key}={settings[key]}" for key in ("steps", "batch_size", "crop")),
    )
    askmask("train", root)
    assert json.loads(here("ask", root, "--json"))["acquisition"] == SCORE
    (tmp_path / "new").mkdir()
    pixels = np.full((48, 70, 3), 90, np.uint8)
    (tmp_path / "new" / "one.png").write_bytes(encode_image(pixels))
    here("predict", root, tmp_path / "new", tmp_path / "out")
    assert list((tmp_path / "out").rglob("one*.png"))


@pytest.mark.slow
def test_grid_reaches_parts_of_another_package_in_its_workers_and_outlives_one_of_them(
    tmp_path: Path, config: Config
) -> None:
    tree = config.model_dump(mode="json")
    tree["grid"] |= {"acquisitions": [FATAL, SCORE], "workers": 2}
    rows = simulate(parse_config(tree), tmp_path / "run")
    assert {(row.acquisition, row.round) for row in rows if row.metric} == {
        (FATAL, 0),
        (SCORE, 0),
        (SCORE, 1),
    }
    (failure,) = [row for row in rows if row.is_failure]
    assert (failure.acquisition, failure.metric) == (FATAL, "")
    assert "the process was killed by SIGKILL" in failure.reason
    here("report", tmp_path / "run")


def test_worker_trains_and_asks_with_parts_of_another_package(project: Path) -> None:
    with Project.open(project) as opened:
        worker = Worker(opened)
        while worker.turn():
            pass
        assert opened.store.newest_query().acquisition == SCORE


def test_page_shows_images_of_another_packages_source(project: Path) -> None:
    with serving(project, with_worker=False) as server:
        client = Client("Ada", server.port)
        status, listed = client.ask("GET", "/images")
        assert (status, len(listed["images"])) == (200, 7)
        window = "row=0&col=0&height=64&width=64"
        status, _ = client.ask("GET", f"/images/{listed['images'][0]['number']}/labels?{window}")
        client.close()
        assert status == 200


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "nowhere.at:all"}, r"a network as 'package.module:object', got 'nowhere.at:all'"),
        ({"name": "outside_parts.networks:three"}, "has no attribute 'three'"),
        ({"name": "outside_parts.networks:Model.__doc__x"}, "expected a network"),
        ({"name": NETWORK, "options": {"widht": 3}}, r"two_layers'\(n_classes, width=8\) takes"),
        ({"name": "outside_parts.networks:one_class_too_many"}, "a network of 2 classes"),
        ({"name": "outside_parts.networks:no_network"}, "an askmask.Model.*got Conv2d"),
    ],
)
def test_network_that_is_none_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises((UnknownName, ConfigError), match=message):
        build_model(ModelConfig(**settings), 2, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "outside_parts.sources:no_source"}, "got dict without classes, images, read_"),
        ({"source": "outside_parts.sources:SIDE"}, "to be a function or class that makes a source"),
        (
            {"source": "outside_parts.nothing:discs"},
            "a source of images as 'package.module:object'",
        ),
        ({"source": SOURCE, "options": {"size": 3}}, r"got {'size': 3}: .*unexpected keyword"),
        ({"path": "d", "options": {"count": 3}}, r"options belong to a source.*\['count'\]"),
        ({}, "set path .a prepared data set. or source"),
    ],
)
def test_source_that_is_none_is_refused_and_leaves_no_project(
    tmp_path: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(AskmaskError, match=message):
        Project.create(tmp_path / "p", parse_config({"data": settings}))
    assert not (tmp_path / "p").exists()
