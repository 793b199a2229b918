"""Every place of a JSON document, and the document with something else there."""

import copy
from collections.abc import Iterator
from typing import Any

Json = Any  # of any form
Path_ = tuple[str | int, ...]


def every_place(content: Json, place: Path_ = ()) -> Iterator[Path_]:
    """Keys and numbers that lead to each part; the first three of each list."""
    yield place
    if isinstance(content, dict):
        for key, part in content.items():
            yield from every_place(part, (*place, key))
    elif isinstance(content, list):
        for number, part in enumerate(content[:3]):
            yield from every_place(part, (*place, number))


def changed(content: Json, place: Path_, value: Json) -> Json:
    """A copy with another value at a place."""
    if not place:
        return value
    fresh, part = _copied(content, place)
    part[place[-1]] = value
    return fresh


def without(content: Json, place: Path_) -> Json:
    """A copy that lacks a place."""
    if not place:
        return None
    fresh, part = _copied(content, place)
    del part[place[-1]]
    return fresh


def _copied(content: Json, place: Path_) -> tuple[Json, Json]:
    """A copy, and that part of it which holds a place."""
    fresh = copy.deepcopy(content)
    part = fresh
    for step in place[:-1]:
        part = part[step]
    return fresh, part
