"""Markdown of every command, its arguments and options, as the command line declares them."""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, get_args

import typer

from askmask.cli.main import app


def commands_markdown() -> str:
    """One heading for each command, in the order of ``askmask --help``."""
    group = typer.main.get_command(app)
    return "\n\n".join(_sections("askmask", group))


def _sections(path: str, command: Any) -> Iterator[str]:  # Any: typer keeps its classes private
    inner = getattr(command, "commands", {})
    if path != "askmask" and not inner:
        yield _section(path, command)
    for name, each in inner.items():
        yield from _sections(f"{path} {name}", each)


def _section(path: str, command: Any) -> str:
    shown = [each for each in command.params if not each.hidden]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    usage = " ".join([path, *(_usage_of(each) for each in arguments), "[OPTIONS]" * bool(options)])
    parts = [f"## {path}", _prose(command.help), f"```text\n{usage.strip()}\n```"]
    if arguments:
        rows = ((f"`{_usage_of(each)}`", _prose(each.help)) for each in arguments)
        parts.append(_table(("argument", "meaning"), rows))
    if options:
        parts.append(_table(("option", "meaning", "default"), map(_option_row, options)))
    return "\n\n".join(parts)


def _usage_of(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name += "..." * (argument.nargs == -1 or argument.multiple)
    return name if argument.required else f"[{name}]"


def _option_row(option: Any) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not option.is_flag:
        names += f" {_choices(option.type_descriptor.annotation) or _value_name(option)}"
    return names, _prose(option.help), _default(option)


def _choices(annotation: object) -> str:
    """The words that may be given, where they are few and fixed."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{each.value}`" for each in annotation)
    words = [each for each in get_args(annotation) if isinstance(each, str)]
    return ", ".join(f"`{word}`" for word in words)


def _value_name(option: Any) -> str:
    if option.metavar:
        return str(option.metavar)
    annotation = option.type_descriptor.annotation
    return str(getattr(annotation, "__name__", annotation)).upper()


def _default(option: Any) -> str:
    value = option.default
    if value is None or value is False or callable(value):
        return ""
    if isinstance(value, Enum):
        value = value.value
    return f"`{value}`" if value != "" else ""


def _prose(text: str | None) -> str:
    return " ".join((text or "").split()).replace("``", "`")


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(_cell(each) for each in line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")
