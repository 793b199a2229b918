"""A config as a person reads it: YAML with what each section is for, and why a value is chosen."""

import inspect
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path

import yaml
from pydantic import BaseModel

from askmask.config.reading import with_overrides
from askmask.config.sections import Config

_WIDTH = 100


def commented_yaml(config: Config, reasons: Mapping[str, str]) -> str:
    """Return the whole config as YAML with comments.

    Parameters
    ----------
    config : Config
        Every setting is written, defaults included.
    reasons : mapping of str to str
        Why a setting is as it is, by dotted key; stands above it.
    """
    parts = []
    for name, value in config.model_dump(mode="json").items():
        section = Config.model_fields[name].annotation
        text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True)
        text = "".join(_with_reasons(text, reasons))
        if isinstance(section, type) and issubclass(section, BaseModel):
            told = inspect.cleandoc(section.__doc__ or "").replace("`", "")
            comment = "".join(f"# {line}".rstrip() + "\n" for line in told.splitlines())
            text = f"\n{comment}{text}"
        parts.append(text)
    return "".join(parts)


def reasons_in(text: str) -> dict[str, str]:
    """Return what stands above settings in a text that `commented_yaml` wrote, by dotted key.

    Comments above whole sections are not reasons: they say what a section is for.
    """
    lines = text.splitlines()
    found = {}
    for number, key in _keys_by_line(yaml.compose(text), ()):
        indent = len(lines[number]) - len(lines[number].lstrip())
        above = _comments_above(lines[:number], " " * indent + "# ") if indent else []
        if above:
            found[key] = " ".join(above)
    return found


def _comments_above(lines: list[str], start: str) -> list[str]:
    """Text of the last lines that begin with `start`, in their order."""
    texts = [line.removeprefix(start) for line in takewhile(_begins(start), reversed(lines))]
    return texts[::-1]


def _begins(start: str) -> Callable[[str], bool]:
    return lambda line: line.startswith(start)


def written_config(config: Config, folder: Path) -> Config:
    """Config as it is written into a folder: the path of its images counts from there."""
    if config.data.path is None:
        return config
    relative = os.path.relpath(config.data.path.resolve(), folder.resolve())
    return with_overrides(config, {"data.path": relative})


def _with_reasons(text: str, reasons: Mapping[str, str]) -> Iterator[str]:
    """Lines of a YAML text, each key that has a reason below that reason."""
    keys = dict(_keys_by_line(yaml.compose(text), ()))
    for number, line in enumerate(text.splitlines(keepends=True)):
        why = reasons.get(keys.get(number, ""))
        if why is not None:
            indent = line[: len(line) - len(line.lstrip())]
            lines = textwrap.wrap(why, _WIDTH - len(indent) - 2, break_long_words=False)
            yield "".join(f"{indent}# {part}\n" for part in lines)
        yield line


def _keys_by_line(node: yaml.Node | None, above: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*above, key.value)
            yield key.start_mark.line, ".".join(path)
            yield from _keys_by_line(value, path)
