"""A config as a person reads it: YAML with what each section is for, and why a value is chosen."""

import inspect
import textwrap
from collections.abc import Iterator, Mapping

import yaml
from pydantic import BaseModel

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
