"""Lengths that a person says in micrometres, turned into the pixels that everything else counts."""

import re
from typing import Any, Final

_LENGTH: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(?:um|µm|μm)")
_REGION: Final = ("query", "region")
_KEYS: Final = ("size", "stride")

Tree = dict[str, Any]  # Any: settings of all kinds


def in_pixels(tree: Tree) -> tuple[Tree, list[str]]:
    """Return a tree of settings without micrometres, and a line for each that cannot be turned.

    The size and the stride of regions may be given as ``"256um"``; they become the nearest number
    of pixels of `data.mpp`, at least 1. Everything else stays as it is. Not modified.

    Examples
    --------
    >>> in_pixels({"data": {"mpp": 0.5}, "query": {"region": {"stride": "64um"}}})[0]["query"]
    {'region': {'stride': 128}}
    """
    region = _section(tree, *_REGION)
    told = {key: region[key] for key in _KEYS if key in region and _has_micrometres(region[key])}
    if not told:
        return tree, []
    mpp = _section(tree, "data").get("mpp")
    if mpp is None:
        return tree, [
            f"query.region.{key}: expected data.mpp, the size of a pixel, with micrometres, got "
            f"{value!r} without it. Set data.mpp, or give pixels."
            for key, value in told.items()
        ]
    if not isinstance(mpp, int | float) or not mpp > 0:
        return tree, []  # that is told of data.mpp
    turned = {key: _turned(value, mpp) for key, value in told.items()}
    return {**tree, "query": {**tree["query"], "region": {**region, **turned}}}, []


def _section(tree: Tree, *names: str) -> Tree:
    """Section of a tree; an empty one if it is absent or none."""
    for name in names:
        part = tree.get(name)
        tree = part if isinstance(part, dict) else {}
    return tree


def _has_micrometres(value: object) -> bool:
    parts = value if isinstance(value, list | tuple) else [value]
    return any(isinstance(part, str) and _LENGTH.fullmatch(part.strip()) for part in parts)


def _turned(value: object, mpp: float) -> object:
    if isinstance(value, list | tuple):
        return [_turned(part, mpp) for part in value]
    found = _LENGTH.fullmatch(value.strip()) if isinstance(value, str) else None
    return value if found is None else max(round(float(found[1]) / mpp), 1)
