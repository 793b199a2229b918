"""Projects and runs from before the default network's detail had levels keep their network."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from askmask.config import (
    Config,
    ModelConfig,
    dump_config,
    load_config,
    load_written_config,
    with_overrides,
)
from askmask.config.sections import DETAIL
from askmask.errors import ConfigError, WeightsError
from askmask.loop.loop import Loop
from askmask.loop.oracle import MaskOracle
from askmask.loop.project import CONFIG_NAME, Project
from askmask.models.build import build_model
from askmask.models.pyramid import PyramidNet, PyramidOptions
from askmask.models.weights import load_pretrained, save_model
from small_models import small_pyramid, small_unet

Build = Callable[..., Config]
OLDER = {"detail": 32, "detail_levels": 1}


def written(path: Path, config: Config, options: dict[str, float]) -> Path:
    """File as askmask wrote it when the network's options were these."""
    tree = yaml.safe_load(dump_config(config))
    tree["model"] = {"name": "pyramid", "weights": "random", "options": options}
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"detail": 64}])
def test_a_written_config_without_levels_has_one(
    tmp_path: Path, disc_config: Build, options: dict[str, float]
) -> None:
    path = written(tmp_path / "config.yaml", disc_config(), options)
    assert load_written_config(path).model.options == OLDER | options


def test_a_written_config_with_levels_keeps_them(tmp_path: Path, disc_config: Build) -> None:
    path = written(tmp_path / "config.yaml", disc_config(), {"detail_levels": 2})
    assert load_written_config(path).model.options == {"detail": 16, "detail_levels": 2}


@pytest.mark.parametrize("options", [[1], "many", None])
def test_options_that_are_no_mapping_are_refused_and_not_repaired(
    tmp_path: Path, disc_config: Build, options: object
) -> None:
    path = written(tmp_path / "config.yaml", disc_config(), {})
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    tree["model"]["options"] = options
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"model\.options"):
        load_written_config(path)


def test_what_a_person_wrote_has_the_levels_of_today(tmp_path: Path, disc_config: Build) -> None:
    path = written(tmp_path / "config.yaml", disc_config(), {})
    config = load_config(path)
    assert config.model.options == DETAIL
    path.write_text(dump_config(config), encoding="utf-8")
    assert load_written_config(path) == config


def test_the_levels_that_a_config_says_are_those_of_the_network() -> None:
    assert PyramidOptions().model_dump().items() >= DETAIL.items()


def test_another_network_does_not_get_the_options_of_the_usual_one(disc_config: Build) -> None:
    usual = with_overrides(disc_config(), {"model": {"name": "pyramid"}})
    assert with_overrides(usual, {"model.name": "unet"}).model.options == {}
    chosen = with_overrides(usual, {"model.options.dropout": 0.5})
    assert with_overrides(chosen, {"model.name": "unet"}).model.options == DETAIL | {"dropout": 0.5}


def test_an_older_project_goes_on_with_the_models_it_has(
    tmp_path: Path, disc_config: Build
) -> None:
    model = {"name": "pyramid", "weights": "random", "options": OLDER}
    config = with_overrides(disc_config(), {"model": model})
    with Project.create(tmp_path / "p", config) as project:
        Loop(project).tell_start(MaskOracle(project.source))
        Loop(project).train()
        image_id = project.roles.pool[0]
        before = Loop(project).predicted_labels(image_id, 0)
    path = tmp_path / "p" / CONFIG_NAME
    config = load_written_config(path)
    written(path, config, {})  # as it was written then
    with Project.open(tmp_path / "p") as project:
        assert project.config == config
        assert np.array_equal(Loop(project).predicted_labels(image_id, 0), before)
        (network,) = project.model(0).networks
        assert isinstance(network, PyramidNet)
        assert [name for name, _ in network.detail.named_parameters()] == [
            *("first.conv.weight", "first.norm.weight", "first.norm.bias"),
            *("second.conv.weight", "second.norm.weight", "second.norm.bias"),
            *("head.weight", "head.bias"),
        ]


def test_weights_of_an_older_network_say_the_options_that_they_need(tmp_path: Path) -> None:
    older = ModelConfig(weights="random", options=OLDER)
    path = tmp_path / "model.safetensors"
    of = json.dumps({"name": "pyramid", "weights": "default", "options": {"dropout": 0.5}})
    save_model(build_model(older, 2, 0), path, {"model": of})
    with pytest.raises(WeightsError) as refused:
        build_model(ModelConfig(weights=str(path)), 2, 0)
    said = str(refused.value).partition("model.options={")[2]
    assert said == '"detail": 32, "detail_levels": 1, "dropout": 0.5}.'
    build_model(ModelConfig(weights=str(path), options=OLDER), 2, 0)


@pytest.mark.parametrize("metadata", [{}, {"model": "no JSON"}, {"model": "[]"}])
def test_weights_that_do_not_say_their_network_are_refused_without_it(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(small_unet(), path, metadata)
    with pytest.raises(WeightsError, match="Check model.name, model.options and the classes.$"):
        load_pretrained(small_pyramid(), path)
