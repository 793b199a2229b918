"""YAML as people write settings in it: plain mappings and lists, and nothing that hides anything.

A few lines of YAML can stand for billions of values by references to one another, or say one key
twice with two values. No settings need either.
"""

from typing import Any, Final

import yaml

from askmask.errors import ConfigError

MOST_CHARACTERS: Final = 2**20
DEEPEST: Final = 20
"""Mappings and lists within one another; askmask's own settings have five."""

_Base: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc, valid-type]  # one of two classes
    """Reads what `yaml.safe_load` reads, and refuses a key that comes twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:  # as its base
        """Make a mapping of a node."""
        places: dict[object, Any] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in places:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key.value!r} comes twice in one section, first in line "
                    f"{places[key.value].line + 1}. Keep one of them",
                    key.start_mark,
                )
            places[key.value if isinstance(key, yaml.ScalarNode) else id(key)] = key.start_mark
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def read_yaml(text: str, where: str) -> Any:  # Any: what YAML holds
    """Read YAML.

    Parameters
    ----------
    text : str
        What to read.
    where : str
        What messages call it.

    Raises
    ------
    ConfigError
        If it is no YAML, or far too long or deep, or uses references or one key twice.
    """
    if len(text) > MOST_CHARACTERS:
        raise ConfigError(
            f"expected at most {MOST_CHARACTERS:,} characters of settings in {where}, got "
            f"{len(text):,}. Give the right file."
        )
    try:
        _check_events(text, where)
        return yaml.load(text, _Loader)  # noqa: S506 - the safe loader, made stricter
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number or date that cannot be
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"expected YAML in {where}, but: {error}") from error


def _check_events(text: str, where: str) -> None:
    """Look at the text piece by piece, before anything is made of it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.AliasEvent):
            raise ConfigError(
                f"expected plain settings in {where}, got the reference '*{event.anchor}' in line "
                f"{_line(event)}. Write its values out."
            )
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(
                f"expected at most {DEEPEST} sections within one another in {where}, got more in "
                f"line {_line(event)}. Correct the brackets or the indentation."
            )


def _line(event: yaml.Event) -> int:
    return 0 if event.start_mark is None else event.start_mark.line + 1
