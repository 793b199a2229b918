"""The config: what it accepts, and the one clear message for what it does not."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from askmask.config import Config, dump_config, load_config, parse_config, with_overrides
from askmask.errors import ConfigError
from askmask.loop.begin.begin import TEMPLATE
from askmask.records import Unit


def write(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_smallest_config_needs_only_a_data_path(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "data: {path: images}"))
    assert config.data.path == tmp_path / "images"
    assert config.sampling.samples == 30


def test_relative_paths_count_from_the_folder_of_the_file(tmp_path: Path) -> None:
    text = "data: {path: ../d}\nmodel: {weights: w/resnet.safetensors}"
    config = load_config(write(tmp_path, text))
    assert config.data.path == tmp_path.parent / "d"
    assert config.model.weights == str(tmp_path / "w" / "resnet.safetensors")


def test_relative_paths_of_overrides_count_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "data: {path: images}\nmodel: {weights: w/a.safetensors}")
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    config = load_config(path, ["model.weights=b.safetensors"])
    assert config.model.weights == str(there / "b.safetensors")
    assert config.data.path == tmp_path / "images"
    assert load_config(path, ["data.path=other"]).data.path == there / "other"
    assert load_config(path, ["model.weights=imagenet"]).model.weights == "imagenet"


def test_network_of_a_config_that_names_none_is_that_of_init(tmp_path: Path) -> None:
    of_init = load_config(TEMPLATE, ["data.path=."]).model
    assert load_config(write(tmp_path, "data: {path: d}")).model == of_init


def test_people_get_eight_views_and_experiments_one(tmp_path: Path) -> None:
    of_init = load_config(TEMPLATE, ["data.path=."])
    assert (of_init.evaluation.views, of_init.calibration.prior_images) == (8, 2)
    plain = load_config(write(tmp_path, "data: {path: d}"))
    assert (plain.evaluation.views, plain.calibration.prior_images) == (1, 0)


def test_hub_name_of_weights_is_left_alone(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "data: {path: d}\nmodel: {weights: 'timm:resnetv2_50'}"))
    assert config.model.weights == "timm:resnetv2_50"


def test_dumped_config_reads_back_equal(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "data: {path: d}\nquery: {unit: image}\nseed: 3"))
    assert load_config(write(tmp_path, dump_config(config))) == config


def test_dotted_override_wins_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {path: d}\nquery: {unit: image}")
    config = load_config(path, ["query.unit=region", "query.region.size=[64, 32]"])
    assert config.query.unit is Unit.REGION
    assert config.query.region.size == (64, 32)


def test_unknown_key_names_the_nearest_key_of_its_section() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'query.region.stirde'. Did you mean 'st"):
        parse_config({"data": {"path": "d"}, "query": {"region": {"stirde": 3}}})


def test_unknown_key_without_a_neighbour_lists_the_keys() -> None:
    with pytest.raises(
        ConfigError, match="unknown key 'qqq'. Choose from: assist, calibration, data, device"
    ):
        parse_config({"data": {"path": "d"}, "qqq": 1})


def test_unknown_key_in_the_data_section_is_named() -> None:
    with pytest.raises(ConfigError, match="unknown key 'data.pth'. Did you mean 'path'"):
        parse_config({"data": {"path": "d", "pth": 1}})


def test_every_problem_is_reported_at_once() -> None:
    tree = {"data": {"path": "d"}, "sampling": {"samples": 0}, "training": {"steps": "many"}}
    with pytest.raises(ConfigError, match=r"(?s)steps: .*got 'many'.*samples: .*got 0"):
        parse_config(tree)


def test_missing_data_section_is_named() -> None:
    with pytest.raises(ConfigError, match="'data' is required"):
        parse_config({})


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"region": {"size": [0, 5]}}, "size must be two numbers >= 1"),
        ({"region": {"budget_regions": 1, "budget_pixels": 5}}, "not both"),
        ({"image": {"budget_images": 1, "budget_pixels": 5}}, "not both"),
    ],
)
def test_impossible_query_settings_are_refused(query: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({"data": {"path": "d"}, "query": query})


def test_regions_are_sized_in_micrometres_and_kept_in_pixels() -> None:
    region = {"size": ["256um", "127.9 µm"], "stride": "32um"}
    data = {"path": "slides", "mpp": 0.5}
    config = parse_config({"data": data, "query": {"region": region}})
    assert (config.query.region.size, config.query.region.stride) == ((512, 256), 64)
    assert parse_config(yaml.safe_load(dump_config(config))) == config


def test_micrometres_without_the_size_of_a_pixel_are_refused() -> None:
    region = {"size": ["256um", 100], "stride": "32um", "budget_regions": 0}
    with pytest.raises(ConfigError) as refused:
        parse_config({"data": {"path": "slides"}, "query": {"region": region}})
    lines = str(refused.value).splitlines()[1:]
    told = [line.strip().partition(":")[0] for line in lines]
    assert told == [f"query.region.{key}" for key in ("budget_regions", "size", "stride")]
    assert "expected data.mpp, the size of a pixel, with micrometres, got '32um'" in lines[2]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config file .*none\.yaml"):
        load_config(tmp_path / "none.yaml")


def test_file_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected YAML in"):
        load_config(write(tmp_path, "data: [1, 2"))


def test_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a mapping of settings .* got list"):
        load_config(write(tmp_path, "- 1\n- 2"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("query.unit", "expected an override like"),
        ("=3", "expected an override like"),
        ("seed=[1", "expected YAML in the value of 'seed="),
        ("seed.deeper.still=1", "leads through 'seed', which is no section"),
    ],
)
def test_malformed_override_is_refused(tmp_path: Path, override: str, message: str) -> None:
    path = write(tmp_path, "data: {path: d}\nseed: 1")
    with pytest.raises(ConfigError, match=message):
        load_config(path, [override])


def test_override_opens_a_section_that_the_file_leaves_out(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "data: {path: d}"), ["training.steps=7"])
    assert config.training.steps == 7


def test_with_overrides_leaves_the_original_alone() -> None:
    config = parse_config({"data": {"path": "d"}})
    assert with_overrides(config, {"query.unit": "image"}).query.unit is Unit.IMAGE
    assert config.query.unit is Unit.REGION


EXAMPLES = Path(__file__).parent.parent / "examples"
ASSETS = Path(__file__).parent / "assets"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_every_example_is_a_valid_config(path: Path) -> None:
    assert isinstance(load_config(path), Config)


def test_dump_holds_every_default(tmp_path: Path) -> None:
    tree = yaml.safe_load(dump_config(load_config(write(tmp_path, "data: {path: d}"))))
    assert tree["query"]["region"]["stride"] == 30
    assert tree["training"]["augment"]["flip"] is True


def before(**changed: object) -> dict[str, object]:
    """The default config as version 0.1.0 wrote it, with some dotted settings changed."""
    tree = yaml.safe_load((ASSETS / "config_0.1.0.yaml").read_text(encoding="utf-8"))
    for key, value in changed.items():
        section = tree
        *sections, last = key.split("__")
        for name in sections:
            section = section[name]
        section[last] = value
    return tree


def test_config_of_the_version_before_reads_as_the_default() -> None:
    config = load_config(ASSETS / "config_0.1.0.yaml")
    assert config.sampling.samples == 30
    assert "adaptive" not in dump_config(config)


def test_setting_that_was_removed_and_changed_something_is_refused_with_advice() -> None:
    message = r"'sampling.adaptive' was removed, got True\. Every image gets sampling.samples"
    with pytest.raises(ConfigError, match=message):
        parse_config(before(sampling__adaptive=True))


def test_every_removed_setting_that_changed_something_is_named_at_once() -> None:
    tree = before(
        sampling__adaptive=True,
        training__pseudo_label_weight=0.3,
        training__augment__elastic_pixels=2.0,
        query__image__score="quantile",
    )
    with pytest.raises(ConfigError) as raised:
        parse_config(tree, "old.yaml")
    lines = str(raised.value).splitlines()
    assert lines[0] == "in old.yaml:"
    assert [line.split()[0].strip("':") for line in lines[1:]] == [
        "sampling.adaptive",
        "training.pseudo_label_weight",
        "training.augment.elastic_pixels",
        "query.image.score",
    ]


def test_tolerance_of_removed_adaptive_sampling_changes_nothing() -> None:
    assert parse_config(before(sampling__adaptive_loss=0.1)) == parse_config(before())


def test_removed_setting_in_a_variant_of_a_grid_is_refused() -> None:
    config = parse_config(before())
    with pytest.raises(ConfigError, match="'training.pseudo_label_weight' was removed, got 1"):
        with_overrides(config, {"training.pseudo_label_weight": 1})


def test_parsing_leaves_the_tree_alone() -> None:
    tree = before()
    parse_config(tree)
    assert tree == before()


BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{new}: &{new} [{', '.join(9 * [f'*{old}'])}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine lines that stand for 387 million values."""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, r"got the reference '\*a' in line 2\. Write its values out"),
        ("data: &d {path: x}\nmodel: {<<: *d}", "got the reference"),
        ("[" * 50_000, "at most 20 sections|nesting depth"),
        ("{a: " * 50_000, "at most 20 sections|nesting depth"),
        ("- " * 50_000, "at most 20 sections|nesting depth"),
        ("seed: 1\ndata: {path: x}\nseed: 2", "the key 'seed' comes twice .* first in line 1"),
        ("data: {path: x, path: y}", "the key 'path' comes twice"),
        (f"seed: {'9' * 5000}", "Exceeds the limit"),
        ("seed: 2026-99-99", "expected YAML in"),
        ("x" * 2_000_000, "at most 1,048,576 characters of settings"),
        ("? [a, b]\n: 1", "expected YAML in .*unhashable|found unhashable"),
    ],
    ids=[
        *("bomb", "merged", "deep list", "deep mapping", "deep dashes", "twice", "twice inside"),
        *("long number", "no date", "long", "list as key"),
    ],
)
def test_yaml_that_no_person_writes_is_refused_at_once(
    tmp_path: Path, text: str, told: str
) -> None:
    path = write(tmp_path, text)
    started = time.process_time()
    with pytest.raises(ConfigError, match=told):
        load_config(path)
    assert time.process_time() - started < 2


def test_yaml_of_an_override_is_refused_alike(tmp_path: Path) -> None:
    path = write(tmp_path, "data: {path: x}")
    with pytest.raises(ConfigError, match="expected at most 20 sections .* in the value of"):
        load_config(path, [f"seed={'[' * 50}"])


def numbers(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Dotted keys of the settings that take a number."""
    for name, field in section.model_fields.items():
        kinds = {field.annotation, *get_args(field.annotation)}
        inner = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        if inner:
            yield from numbers(inner[0], f"{prefix}{name}.")
        elif kinds & {int, float}:
            yield prefix + name


def test_every_number_of_the_settings_has_bounds() -> None:
    unbounded = []
    for key in numbers(Config):
        for value in (10**40, -(10**40)):
            tree: dict[str, object] = {"data": {"path": "x"}}
            part = tree
            *sections, name = key.split(".")
            for section in sections:
                part = part.setdefault(section, {})  # type: ignore[assignment]
            part[name] = value
            try:
                parse_config(tree)
            except ConfigError:
                continue
            unbounded.append((key, value))
    assert unbounded == []


def sections_of(section: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    yield path, section
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from sections_of(field.annotation, f"{path}.{name}")


@pytest.mark.parametrize(("path", "section"), list(sections_of(Config, "config")))
def test_each_section_explains_every_setting_of_its_own(
    path: str, section: type[BaseModel]
) -> None:
    unexplained = [key for key in section.model_fields if f"`{key}`" not in str(section.__doc__)]

    assert unexplained == []
