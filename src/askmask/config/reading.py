"""From YAML to a config and back: paths, overrides, and messages that name the nearest key."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import yaml
from pydantic import BaseModel, ValidationError

from askmask.config.micrometres import in_pixels
from askmask.config.retired import without_retired
from askmask.config.sections import DETAIL, OLDER_DETAIL, Config, ModelConfig
from askmask.config.yaml_text import MOST_CHARACTERS, read_yaml
from askmask.errors import ConfigError

_PATHS: Final = (
    ("data", "path"),
    ("model", "weights"),
    ("assist", "encoder"),
    ("assist", "decoder"),
)
"""Settings that are paths; weights may be a name as well."""

_BEFORE_RULES: Final = frozenset(
    ("samples", "calibration_bins", "objects", "has_background", "min_object_pixels")
)
"""Settings of judging that a written file held before there were rules for objects."""


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML config.

    Parameters
    ----------
    path : Path
        The file. Relative paths in it, such as `data.path`, count from the file's folder.
    overrides : sequence of str
        ``dotted.key=value``, the value in YAML; they win over the file. Relative paths in them
        count from the working directory.

    Raises
    ------
    ConfigError
        If the file is missing or no YAML mapping, or a key or value is not allowed.
    """
    tree = _read_tree(path)
    _resolve_paths(tree, path.resolve().parent)
    for override in overrides:
        _apply_override(tree, override)
    _resolve_paths(tree, Path.cwd())  # those of overrides: the file's are absolute by now
    return parse_config(tree, str(path))


def load_written_config(path: Path) -> Config:
    """Read a config that askmask wrote for a project or a run, possibly an earlier version of it.

    Such a file holds every key. One that came later is absent in older files, and then has the
    value that held before it could be chosen, so that scores of one project mean one thing.

    Raises
    ------
    ConfigError
        As `load_config`.
    """
    tree, overrides = _read_tree(path), []
    judged, model = tree.get("evaluation"), tree.get("model")
    if isinstance(judged, dict) and set(judged) >= _BEFORE_RULES and "object_rule" not in judged:
        overrides.append("evaluation.object_rule=one_to_one")
    if isinstance(model, dict) and set(model) == set(ModelConfig.model_fields):
        name, options = model["name"], model["options"]
        if name == "pyramid" and isinstance(options, dict) and "detail_levels" not in options:
            overrides.append(f"model.options={json.dumps(OLDER_DETAIL | options)}")
    return load_config(path, overrides)


def parse_config(tree: dict[str, Any], where: str = "config") -> Config:
    """Validate a tree of settings; `where` names it in messages.

    Raises
    ------
    ConfigError
        With one line per problem.
    """
    tree, lines = without_retired(tree)
    tree, unturned = in_pixels(tree)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        told = [_explain(problem) for problem in error.errors(include_url=False)]
        is_told = tuple(line.partition(":")[0] for line in unturned)
        lines += [line for line in told if not (is_told and line.startswith(is_told))]
    lines += unturned
    if lines:
        raise ConfigError(f"in {where}:\n  " + "\n  ".join(lines))
    return config


def dump_config(config: Config) -> str:
    """Return the whole config as YAML, defaults included, such that `load_config` reads it."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def with_overrides(config: Config, overrides: dict[str, Any]) -> Config:
    """Copy of `config` with dotted keys replaced, validated again."""
    tree = config.model_dump(mode="json")
    if "model.name" in overrides and tree["model"]["options"] == DETAIL:
        tree["model"]["options"] = {}  # nobody chose them, and another network has others
    for key, value in overrides.items():
        _set(tree, key.split("."), value)
    return parse_config(tree, "overrides")


def _read_tree(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"no config file {str(path)!r}. Give the path of a YAML file.")
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise ConfigError(f"expected YAML in {str(path)!r}, but: {error}") from error
    tree = read_yaml(text, repr(str(path)))
    if not isinstance(tree, dict):
        raise ConfigError(
            f"expected a mapping of settings in {str(path)!r}, got {type(tree).__name__}."
        )
    return tree


def _resolve_paths(tree: dict[str, Any], base: Path) -> None:
    for section, key in _PATHS:
        part = tree.get(section)
        value = part.get(key) if isinstance(part, dict) else None
        is_file = "/" in str(value) or str(value).endswith(".safetensors")
        looks_like_path = isinstance(value, str) and (section != "model" or is_file)
        if isinstance(part, dict) and looks_like_path and ":" not in str(value):
            part[key] = str((base / Path(str(value)).expanduser()).resolve())


def _apply_override(tree: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"expected an override like query.unit=image, got {override!r}.")
    _set(tree, key.split("."), read_yaml(text, f"the value of {override!r}"))


def _set(tree: dict[str, Any], keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        if tree.get(key) is None:
            tree[key] = {}
        if not isinstance(tree[key], dict):
            raise ConfigError(f"{'.'.join(keys)!r} leads through {key!r}, which is no section.")
        tree = tree[key]
    tree[keys[-1]] = value


def _explain(problem: Any) -> str:  # Any: pydantic's ErrorDetails
    location = [str(part) for part in problem["loc"]]
    dotted = ".".join(location)
    if problem["type"] == "extra_forbidden":
        known = _keys_at(location[:-1])
        near = difflib.get_close_matches(location[-1], known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" Choose from: {', '.join(known)}."
        return f"unknown key {dotted!r}.{hint}"
    if problem["type"] == "missing":
        return f"{dotted!r} is required."
    return f"{dotted}: {problem['msg']}, got {problem['input']!r}."


def _keys_at(location: list[str]) -> list[str]:
    section: type[BaseModel] = Config
    for part in location:
        annotation = section.model_fields[part].annotation if part in section.model_fields else None
        choices = [annotation, *get_args(annotation)]
        found = [c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)]
        if not found:
            return []
        section = found[0]
    return sorted(section.model_fields)
