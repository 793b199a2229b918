"""Markdown of every setting of a config file: type, limits and default, from its declaration."""

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from askmask.config import Config


def settings_markdown() -> str:
    """One heading for each section, its explanation, and a table of its keys."""
    return "\n\n".join(_sections(Config, ""))


def _sections(section: type[BaseModel], path: str) -> Iterator[str]:
    rows = []
    inner = []
    for name, field in section.model_fields.items():
        key = f"{path}.{name}".lstrip(".")
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner.append((field.annotation, key))
        else:
            rows.append(f"| `{key}` | {_values(field)} | {_default(field)} |")
    heading = f"`{path}`" if path else "The whole file"
    table = "\n".join(["| setting | values | default |", "|---|---|---|", *rows])
    yield f"## {heading}\n\n{_prose(section)}\n\n{table if rows else ''}"
    for each, key in inner:
        yield from _sections(each, key)


def _prose(section: type[BaseModel]) -> str:
    lines = [line.strip() for line in (section.__doc__ or "").strip().splitlines()]
    return "\n".join(lines).replace("``", "`")


def _values(field: FieldInfo) -> str:
    words = ", ".join(dict.fromkeys(_words(field.annotation)))
    limits = " and ".join(_limits(field))
    return f"{words}, {limits}" if limits else words


def _words(annotation: Any) -> Iterator[str]:  # Any: a type of any form
    if annotation is NoneType:
        yield "null"
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        yield from (f"`{each.value}`" for each in annotation)
    elif get_origin(annotation) in {tuple, dict}:
        yield _collection(annotation)
    elif args := get_args(annotation):
        for each in args:
            yield from [f"`{each}`"] if isinstance(each, str) else _words(each)
    else:
        yield _NAMES.get(annotation, str(getattr(annotation, "__name__", annotation)))


_NAMES = {int: "integer", float: "number", str: "text", bool: "`true`, `false`", Path: "path"}


def _collection(annotation: Any) -> str:
    if get_origin(annotation) is dict:
        return "mapping"
    args = get_args(annotation)
    if Ellipsis in args:
        return f"list of {' or '.join(_words(args[0]))}"
    return f"{len(args)} of {' or '.join(dict.fromkeys(_words(args[0])))}"


def _limits(field: FieldInfo) -> Iterator[str]:
    for limit in field.metadata:
        match limit:
            case annotated_types.Ge(ge):
                yield f"at least {_number(ge)}"
            case annotated_types.Gt(gt):
                yield f"above {_number(gt)}"
            case annotated_types.Le(le):
                yield f"at most {_number(le)}"
            case annotated_types.Lt(lt):
                yield f"below {_number(lt)}"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Enum):
        value = value.value
    return f"`{json.dumps(value, default=_plain)}`"


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value)
